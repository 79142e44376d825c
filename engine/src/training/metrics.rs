//! `metrics.csv`: one line a report, kept consistent with the checkpoints.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::report::Report;
use crate::{EngineError, Result};

/// The log file of a run.
#[derive(Debug)]
pub(super) struct MetricsFile {
    path: PathBuf,
}

impl MetricsFile {
    /// The file of a run that stands at `step`: lines beyond it (written after the last checkpoint
    /// of a run that was cut off) are dropped, since they will be written again.
    pub(super) fn open(folder: &Path, step: u64) -> Result<Self> {
        let path = folder.join("metrics.csv");
        let kept = match std::fs::read_to_string(&path) {
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
        Ok(Self { path })
    }

    /// Appends a report; the first one brings the header with the names of its losses.
    pub(super) fn append(&self, report: &Report) -> Result<()> {
        let io = |source| EngineError::io(&self.path, source);
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path).map_err(io)?;
        let mut text = String::new();
        if file.metadata().map_err(io)?.len() == 0 {
            text.push_str("step,seconds");
            for (name, _) in &report.losses {
                text.push(',');
                text.push_str(name);
            }
            text.push_str(",usage,perplexity,psnr,images_per_second,lr\n");
        }
        let write = |text: &mut String, value: f64| write!(text, ",{value:.6}");
        let fine = write!(text, "{},{:.2}", report.step, report.seconds)
            .and_then(|()| report.losses.iter().try_for_each(|(_, x)| write(&mut text, *x)))
            .and_then(|()| {
                [report.usage, report.perplexity, report.psnr, report.images_per_second, report.lr]
                    .iter()
                    .try_for_each(|x| write(&mut text, *x))
            });
        debug_assert!(fine.is_ok(), "writing to a string cannot fail");
        text.push('\n');
        file.write_all(text.as_bytes()).map_err(io)
    }
}
