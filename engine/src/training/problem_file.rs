//! `problem.txt`: why a run stopped, in its folder, until it goes on. For whoever looks at it after the program
//! that trained has ended.

use std::path::{Path, PathBuf};

use super::state::write_atomically;
use crate::Problem;

/// What the file is called.
const NAME: &str = "problem.txt";
/// More than this is none of ours.
const MOST_BYTES: u64 = 1 << 16;

fn file(run: &Path) -> PathBuf {
    run.join(NAME)
}

/// Writes it, as far as that is possible: the disk may be what is wrong.
pub(super) fn write(run: &Path, problem: &Problem) {
    let text = format!("{}\n{}\n", problem.summary, problem.hint);
    if let Err(error) = write_atomically(&file(run), text.as_bytes()) {
        tracing::warn!("what went wrong is not in the run's folder: {error}");
    }
}

/// Takes it away.
pub(super) fn remove(run: &Path) {
    if let Err(error) = std::fs::remove_file(file(run))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("{}: {error}", file(run).display());
    }
}

/// Why a run stopped, if it is said.
pub(super) fn read(run: &Path) -> Option<Problem> {
    let path = file(run);
    let bytes =
        path.is_file().then(|| crate::images::file::read_file(&path, MOST_BYTES).ok())??;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines();
    let summary = lines.next().filter(|line| !line.is_empty())?.to_owned();
    Some(Problem { summary, hint: lines.next().unwrap_or_default().to_owned(), bad_input: true })
}
