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
        let text = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            // What cannot be read now is not written over.
            Err(source) => return Err(EngineError::io(&path, source)),
        };
        let text = String::from_utf8_lossy(&text);
        let kept: String = if step > 0 {
            text.split_inclusive('\n')
                .enumerate()
                .filter(|(number, line)| {
                    let at = line.split(',').next().and_then(|s| s.parse::<u64>().ok());
                    line.ends_with('\n') && (*number == 0 || at.is_some_and(|at| at <= step))
                })
                .map(|(_, line)| line)
                .collect()
        } else {
            String::new()
        };
        crate::training::state::write_atomically(&path, kept.as_bytes())?;
        let columns = kept.lines().next().map(|head| head.split(',').map(str::to_owned).collect());
        Ok(Self { path, columns })
    }

    /// Adds columns, such as that of a loss that a knob has switched on; empty in the lines so far.
    fn widen(&mut self, new: &[String]) -> Result<()> {
        let io = |source| EngineError::io(&self.path, source);
        let text = std::fs::read_to_string(&self.path).map_err(io)?;
        let mut wider = String::new();
        for (number, line) in text.lines().enumerate() {
            wider.push_str(line);
            for name in new {
                wider.push(',');
                wider.push_str(if number == 0 { name } else { "" });
            }
            wider.push('\n');
        }
        crate::training::state::write_atomically(&self.path, wider.as_bytes())?;
        self.columns.get_or_insert_default().extend_from_slice(new);
        Ok(())
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
            Some(columns) if before > 0 => {
                let new = cells.iter().map(|(name, _)| name);
                let new: Vec<String> =
                    new.filter(|name| !columns.contains(name)).cloned().collect();
                if !new.is_empty() {
                    drop(file);
                    return self.widen(&new).and_then(|()| self.append(report));
                }
                columns.clone()
            }
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
    let mut add = |name: &str, value: f64| cells.push((name.to_owned(), number(value)));
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
                cells.push((format!("{name}.{}", book.book), number(value)));
            }
        }
    }
    cells
}

/// Six digits, also of what is small, such as a learning rate near the end.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-2 { format!("{value:.5e}") } else { format!("{value:.6}") }
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
    fn what_begins_later_gets_a_column_and_small_numbers_their_digits() {
        let folder = tempfile::tempdir().unwrap();
        let report = |step, losses: &[(&str, f64)]| Report {
            losses: losses.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            ..plain(step)
        };
        let mut file = MetricsFile::open(folder.path(), 0).unwrap();
        file.append(&report(1, &[("loss", 0.5)])).unwrap();
        file.append(&report(2, &[("loss", 0.5), ("entropy", 0.25)])).unwrap();
        // A run that was resumed keeps to the wider ones.
        let mut file = MetricsFile::open(folder.path(), 2).unwrap();
        file.append(&report(3, &[("loss", 0.5)])).unwrap();
        let text = std::fs::read_to_string(folder.path().join(MetricsFile::NAME)).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
        let column = |name: &str| lines[0].iter().position(|n| *n == name).unwrap();
        let of = |name: &str| lines[1..].iter().map(|line| line[column(name)]).collect::<Vec<_>>();
        assert_eq!(of("entropy"), ["", "0.250000", ""]);
        assert!(of("lr").iter().all(|lr| lr.parse::<f64>().unwrap() == 3.4e-7), "{text}");
    }

    #[test]
    fn metrics_that_cannot_be_read_are_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MetricsFile::NAME);
        // One byte that is no text costs nothing but itself.
        std::fs::write(&path, b"step,loss\n1,0.5\n2,\xff\n").unwrap();
        drop(MetricsFile::open(folder.path(), 9).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("step,loss\n1,0.5\n2,"), "{text}");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(MetricsFile::open(folder.path(), 9).is_err());
    }

    fn plain(step: u64) -> Report {
        Report {
            step,
            seconds: 1.0,
            losses: Vec::new(),
            figures: Vec::new(),
            images_per_second: 1.0,
            gradient_norm: 1.0,
            lr: 3.4e-7,
            restarted: 0,
            books: Vec::new(),
            counts: Vec::new(),
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
