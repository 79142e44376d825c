//! What a run's folder tells of the run, whether it goes on or not.

use std::path::{Path, PathBuf};

use super::counts_file::{StoredCounts, stored_counts};
use super::metrics::MetricsFile;
use super::orders::Order;
use super::trainer::checkpoint;
use super::{kept, state};
use crate::{EngineError, Result};

/// A log beyond this is not read.
const MOST_BYTES: u64 = 1 << 28;

/// What a run's folder tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StoredRun {
    /// What the run trains; empty where there is no checkpoint.
    pub name: String,
    /// Steps done when the latest checkpoint was written, or, where there is none, at the last report.
    pub step: u64,
    /// Steps of the whole run; 0 where there is no checkpoint.
    pub steps: u64,
    /// What was turned until the latest checkpoint.
    pub orders: Vec<Order>,
    /// The steps whose checkpoints are kept.
    pub kept: Vec<u64>,
    /// The side of its images in pixels; 0 where there is no checkpoint.
    pub side: u32,
    /// The latest checkpoint, which opens as a model.
    pub checkpoint: Option<PathBuf>,
    /// Names of the numbers of each report: losses, figures, `images_per_second` and others.
    pub columns: Vec<String>,
    /// The reports, oldest first; NaN where a cell is empty.
    pub reports: Vec<StoredReport>,
    /// The use of the codes, oldest first; may be empty.
    pub counts: Vec<StoredCounts>,
}

/// A line of a run's log.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredReport {
    /// Steps done.
    pub step: u64,
    /// A value a column.
    pub values: Vec<f64>,
}

/// Reads what a run's folder tells.
///
/// # Errors
/// If there is no run in it, or its files cannot be read.
pub fn stored_run(folder: &Path) -> Result<StoredRun> {
    let (latest, log) = (checkpoint(folder), folder.join(MetricsFile::NAME));
    if !latest.is_file() && !log.is_file() {
        let reason = "there is no run in this folder, neither a checkpoint nor a log";
        return Err(EngineError::bad_file(folder, reason, "Train by the recipe anew"));
    }
    let mut run = StoredRun { kept: kept::kept_steps(folder), ..StoredRun::default() };
    if log.is_file() {
        let bytes = crate::images::file::read_file(&log, MOST_BYTES)?;
        (run.columns, run.reports) = reports(&String::from_utf8_lossy(&bytes));
    }
    run.counts = stored_counts(folder).unwrap_or_else(|error| {
        // The curves can be seen without them.
        tracing::warn!("{error}");
        Vec::new()
    });
    run.step = run.reports.last().map_or(0, |report| report.step);
    if latest.is_file() {
        let (done, recipe) = state::done_of(&latest)?;
        (run.name, run.steps, run.step, run.orders) =
            (recipe.name, recipe.steps, done.step, done.orders);
        run.side = recipe.crop.side;
        run.checkpoint = Some(latest);
    }
    Ok(run)
}

/// The columns of a log and its lines. One that is being written, or was cut off, is left out.
fn reports(text: &str) -> (Vec<String>, Vec<StoredReport>) {
    let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    let columns: Vec<String> =
        lines.next().unwrap_or_default().split(',').skip(1).map(str::to_owned).collect();
    let report = |line: &str| {
        let mut cells = line.split(',');
        let step = cells.next()?.parse().ok()?;
        let values: Vec<f64> = cells.map(|cell| cell.parse().unwrap_or(f64::NAN)).collect();
        (values.len() == columns.len()).then_some(StoredReport { step, values })
    };
    let reports = lines.filter_map(report).collect();
    (columns, reports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_by_column_and_a_line_that_was_cut_off_is_left_out() {
        let (columns, found) = reports("step,loss,usage\n2,0.5,0.25\n4,,1\n6,0.3\n8,0.1,0.");
        assert_eq!(columns, ["loss", "usage"]);
        let steps: Vec<u64> = found.iter().map(|report| report.step).collect();
        assert_eq!(steps, [2, 4]);
        assert_eq!(found[0].values, [0.5, 0.25]);
        assert!(found[1].values[0].is_nan());
        assert_eq!(found[1].values[1], 1.0);
        assert_eq!(reports(""), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_folder_without_a_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = stored_run(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no run in this folder"), "{error}");
    }
}
