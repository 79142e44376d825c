//! Checkpoints that a run keeps by number, to go back to: newer ones close together, older ones farther
//! apart, within a budget.

use std::path::{Path, PathBuf};

use super::keep::Keep;
use super::state;
use crate::{EngineError, Result};

/// The folder of a run's kept checkpoints.
pub(super) fn folder(run: &Path) -> PathBuf {
    run.join("checkpoints")
}

/// The file of a kept checkpoint.
pub(super) fn path(run: &Path, step: u64) -> PathBuf {
    folder(run).join(format!("{step:08}.safetensors"))
}

/// The steps whose checkpoints a run's folder keeps, in order; none where there is no such folder.
pub fn kept_steps(run: &Path) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(folder(run)) else { return Vec::new() };
    let step = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        name.to_str()?.strip_suffix(".safetensors")?.parse().ok()
    };
    let mut steps: Vec<u64> = entries.flatten().filter_map(step).collect();
    steps.sort_unstable();
    steps
}

/// Keeps the latest checkpoint of a run, that of `step`, by its number, and lets others go where they would
/// take more than the budget.
///
/// # Errors
/// If the folder cannot be written.
pub(super) fn keep(run: &Path, latest: &Path, step: u64, keep: Keep) -> Result<()> {
    let to = path(run, step);
    let io = |source| EngineError::io(&to, source);
    std::fs::create_dir_all(folder(run)).map_err(io)?;
    if to.exists() {
        std::fs::remove_file(&to).map_err(io)?;
    }
    // The latest is replaced and never written over, so both may be one file until then.
    if std::fs::hard_link(latest, &to).is_err() {
        let bytes = std::fs::read(latest).map_err(|source| EngineError::io(latest, source))?;
        state::write_atomically(&to, &bytes)?;
    }
    let size = std::fs::metadata(&to).map_err(io)?.len();
    for step in spare(&kept_steps(run), (keep.megabytes << 20) / size.max(1)) {
        remove(&path(run, step))?;
    }
    Ok(())
}

/// Forgets what a run kept beyond a step: it went back there and takes another way.
///
/// # Errors
/// If a file cannot be removed.
pub(super) fn forget_after(run: &Path, step: u64) -> Result<()> {
    kept_steps(run).into_iter().filter(|kept| *kept > step).try_for_each(|s| remove(&path(run, s)))
}

/// Forgets all of them: another run begins in the folder.
///
/// # Errors
/// If a file cannot be removed.
pub(super) fn forget(run: &Path) -> Result<()> {
    kept_steps(run).into_iter().try_for_each(|step| remove(&path(run, step)))
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(EngineError::io(path, error))
        }
        _ => Ok(()),
    }
}

/// Which of some steps are let go so that at most `most` stay. Each time it is the one between whose
/// neighbours the gap is smallest for its age, so that gaps grow with age.
fn spare(steps: &[u64], most: u64) -> Vec<u64> {
    let mut stay = steps.to_vec();
    let mut go = Vec::new();
    while stay.len() as u64 > most.max(3) {
        let last = stay[stay.len() - 1];
        let gap = |at: &usize| {
            let age = (last - stay[*at]) as f64;
            (stay[*at + 1] - stay[*at - 1]) as f64 / age.max(1.0)
        };
        let inner = 1..stay.len() - 2;
        let Some(at) = inner.min_by(|a, b| gap(a).total_cmp(&gap(b))) else { break };
        go.push(stay.remove(at));
    }
    go
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_thin_with_age_within_the_budget() {
        let mut steps: Vec<u64> = Vec::new();
        for step in (0..=10_000).step_by(100) {
            steps.push(step);
            let go = spare(&steps, 10);
            steps.retain(|step| !go.contains(step));
            assert!(steps.len() <= 10, "{steps:?}");
            assert_eq!((steps[0], steps[steps.len() - 1]), (0, step));
        }
        let gaps: Vec<u64> = steps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps[gaps.len() - 1], 100, "the newest two stay: {steps:?}");
        let (old, new) = gaps.split_at(gaps.len() / 2);
        let mean = |gaps: &[u64]| gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
        assert!(mean(old) > 2.0 * mean(new), "{steps:?}");
        assert_eq!(spare(&[0, 1, 2, 3], 0), [1], "three always stay");
    }

    #[test]
    fn what_is_kept_outlives_the_latest_and_a_step_back_forgets_what_came_after() {
        let run = tempfile::tempdir().unwrap();
        let latest = run.path().join("checkpoint.safetensors");
        for step in [0, 10, 20] {
            state::write_atomically(&latest, format!("{step:02}").as_bytes()).unwrap();
            keep(run.path(), &latest, step, Keep { every: 10, megabytes: 1 }).unwrap();
        }
        assert_eq!(kept_steps(run.path()), [0, 10, 20]);
        assert_eq!(std::fs::read(path(run.path(), 10)).unwrap(), b"10");
        forget_after(run.path(), 10).unwrap();
        assert_eq!(kept_steps(run.path()), [0, 10]);
        assert_eq!(kept_steps(&run.path().join("elsewhere")), Vec::<u64>::new());
    }
}
