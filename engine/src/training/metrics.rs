//! `metrics.csv`: one line a report, kept consistent with the checkpoints.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::report::Report;
use crate::measure::BookStatistics;
use crate::{EngineError, Result};

/// The log file of a run.
#[derive(Debug)]
pub(super) struct MetricsFile {
    path: PathBuf,
    /// Whether there are columns for each of several books: not in a file that was begun before they were.
    has_books: bool,
}

impl MetricsFile {
    /// The file of a run that stands at `step`: lines beyond it (written after the last checkpoint
    /// of a run that was cut off) are dropped, since they will be written again.
    pub(super) fn open(folder: &Path, step: u64) -> Result<Self> {
        let path = folder.join("metrics.csv");
        let kept: String = match std::fs::read_to_string(&path) {
            Ok(text) if step > 0 => text
                .split_inclusive('\n')
                .enumerate()
                .filter(|(number, line)| {
                    let at = line.split(',').next().and_then(|s| s.parse::<u64>().ok());
                    line.ends_with('\n') && (*number == 0 || at.is_some_and(|at| at <= step))
                })
                .map(|(_, line)| line)
                .collect(),
            _ => String::new(),
        };
        crate::training::state::write_atomically(&path, kept.as_bytes())?;
        let has_books = kept.lines().next().is_none_or(|head| head.contains(",usage.0,"));
        Ok(Self { path, has_books })
    }

    /// Appends a report; the first one brings the header with the names of its losses, and with columns for
    /// each book at the end where there are several. What was written
    /// of a line that fails is taken back, so that it can be written again.
    pub(super) fn append(&self, report: &Report) -> Result<()> {
        let io = |source| EngineError::io(&self.path, source);
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path).map_err(io)?;
        let before = file.metadata().map_err(io)?.len();
        let is_told = self.has_books && report.books.len() > 1;
        let books: &[BookStatistics] = if is_told { &report.books } else { &[] };
        let mut text = String::new();
        if before == 0 {
            text.push_str("step,seconds");
            for (name, _) in &report.losses {
                text.push(',');
                text.push_str(name);
            }
            text.push_str(",usage,perplexity,psnr,images_per_second,lr");
            text.extend(books.iter().map(|book| format!(",usage.{0},perplexity.{0}", book.book)));
            text.push('\n');
        }
        let write = |text: &mut String, value: f64| write!(text, ",{value:.6}");
        let fine = write!(text, "{},{:.2}", report.step, report.seconds)
            .and_then(|()| report.losses.iter().try_for_each(|(_, x)| write(&mut text, *x)))
            .and_then(|()| {
                [report.usage, report.perplexity, report.psnr, report.images_per_second, report.lr]
                    .iter()
                    .try_for_each(|x| write(&mut text, *x))
            })
            .and_then(|()| {
                let figures =
                    |book: &BookStatistics| [book.statistics.usage, book.statistics.perplexity];
                books.iter().flat_map(figures).try_for_each(|x| write(&mut text, x))
            });
        debug_assert!(fine.is_ok(), "writing to a string cannot fail");
        text.push('\n');
        append_whole(&mut file, before, text.as_bytes()).map_err(io)
    }
}

/// A file that can be cut to a length.
trait Cut: Write {
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

impl Cut for File {
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Appends to a file that has `before` bytes; all or nothing.
fn append_whole(file: &mut impl Cut, before: u64, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes).inspect_err(|_error| {
        if let Err(error) = file.cut(before) {
            tracing::warn!("half a line stays in the metrics: {error}");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for some bytes.
    struct Full {
        bytes: Vec<u8>,
        room: usize,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room - self.bytes.len());
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.bytes.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Cut for Full {
        fn cut(&mut self, len: u64) -> io::Result<()> {
            self.bytes.truncate(len as usize);
            Ok(())
        }
    }

    #[test]
    fn a_line_that_does_not_fit_the_disk_leaves_nothing_and_is_written_whole_later() {
        let mut disk = Full { bytes: b"step\n1\n".to_vec(), room: 10 };
        let error = append_whole(&mut disk, 7, b"2,0.5\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.bytes, b"step\n1\n");
        disk.room = 100;
        append_whole(&mut disk, 7, b"2,0.5\n").unwrap();
        assert_eq!(disk.bytes, b"step\n1\n2,0.5\n");
    }
}
