//! `metrics.csv`: one line a report, kept consistent with the checkpoints.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::report::Report;
use crate::{EngineError, Result};

/// The log file of a run.
#[derive(Debug)]
pub(super) struct MetricsFile {
    path: PathBuf,
    /// The columns of a file that was begun; a run that goes on with another version keeps to them.
    columns: Option<Vec<String>>,
}

impl MetricsFile {
    /// What it is called in a run's folder.
    pub(super) const NAME: &str = "metrics.csv";

    /// The file of a run that stands at `step`: lines beyond it (written after the last checkpoint
    /// of a run that was cut off) are dropped, since they will be written again.
    pub(super) fn open(folder: &Path, step: u64) -> Result<Self> {
        let path = folder.join(Self::NAME);
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
        let columns = kept.lines().next().map(|head| head.split(',').map(str::to_owned).collect());
        Ok(Self { path, columns })
    }

    /// Appends a report; the first one brings the header with the names of its losses and figures. What was
    /// written of a line that fails is taken back, so that it can be written again.
    pub(super) fn append(&mut self, report: &Report) -> Result<()> {
        let io = |source| EngineError::io(&self.path, source);
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path).map_err(io)?;
        let before = file.metadata().map_err(io)?.len();
        let cells = cells(report);
        let mut text = String::new();
        let columns = match &self.columns {
            Some(columns) if before > 0 => columns.clone(),
            _ => {
                let columns: Vec<String> = cells.iter().map(|(name, _)| name.clone()).collect();
                text = columns.join(",") + "\n";
                columns
            }
        };
        let value = |column: &String| {
            cells.iter().find(|(name, _)| name == column).map_or("", |(_, value)| value.as_str())
        };
        text.push_str(&columns.iter().map(value).collect::<Vec<_>>().join(","));
        text.push('\n');
        append_whole(&mut file, before, text.as_bytes()).map_err(io)?;
        self.columns = Some(columns);
        Ok(())
    }
}

/// A report as named cells of a line, with columns for each book at the end where there are several.
fn cells(report: &Report) -> Vec<(String, String)> {
    let mut cells = vec![
        ("step".to_owned(), report.step.to_string()),
        ("seconds".to_owned(), format!("{:.2}", report.seconds)),
    ];
    let mut add = |name: &str, value: f64| cells.push((name.to_owned(), format!("{value:.6}")));
    for (name, value) in report.losses.iter().chain(&report.figures) {
        add(name, *value);
    }
    add("images_per_second", report.images_per_second);
    add("lr", report.lr);
    add("gradient_norm", report.gradient_norm);
    cells.push(("restarted".to_owned(), report.restarted.to_string()));
    if report.books.len() > 1 {
        for book in &report.books {
            let of_book =
                [("usage", book.statistics.usage), ("perplexity", book.statistics.perplexity)];
            for (name, value) in of_book {
                cells.push((format!("{name}.{}", book.book), format!("{value:.6}")));
            }
        }
    }
    cells
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
