//! The disk: reading and writing whole files. Called on the threads of [`super::background`], and before
//! the first frame.
#![expect(clippy::disallowed_methods, reason = "the one place of the window that touches files")]

use std::path::{Path, PathBuf};

use smalti_engine::atomic::write_atomically;
use smalti_engine::questions::{ModelRef, Stamp};
use smalti_engine::{EngineError, Result};

/// The version of a file; all zeros if it cannot be had.
pub fn stamp(path: &Path) -> Stamp {
    Stamp::of(path)
}

/// Whether something is there.
pub fn is_taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Whether two paths lead to one file.
pub fn is_same(one: &Path, other: &Path) -> bool {
    one == other
        || one.canonicalize().ok().zip(other.canonicalize().ok()).is_some_and(|(a, b)| a == b)
}

/// Whether nothing is there, not even something that cannot be looked at.
pub fn is_gone(path: &Path) -> bool {
    path.metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Looks whether something is at a path.
///
/// # Errors
/// What the system says, with the path.
pub fn look(path: &Path) -> Result<()> {
    path.metadata().map(|_| ()).map_err(|source| EngineError::io(path, source))
}

/// Whether a folder is there.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// A tokenizer in the version that its files have now, those that are read with it as well.
pub fn model_now(model: ModelRef) -> ModelRef {
    model.now()
}

/// Writes a whole file or nothing, and its folder where that is missing.
///
/// # Errors
/// What the system says, with the path.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| EngineError::io(folder, source))?;
    }
    write_atomically(path, |file| file.write_all(bytes))
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// What the system says, or that the file is larger.
pub fn read_whole(path: &Path, limit: u64) -> Result<Vec<u8>> {
    smalti_engine::images::file::read_file(path, limit)
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Whether it is a folder, or leads to one.
    pub is_folder: bool,
}

/// What is in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Which one, as it was asked for.
    pub folder: PathBuf,
    /// Folders first, each kind by name.
    pub entries: Vec<Listed>,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

/// What is in a folder, to be gone on with while its path is typed. Of very many entries some.
pub fn list(folder: &Path) -> Listing {
    const MOST: usize = 20_000;
    let of = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        // What is not text cannot be typed.
        let name = entry.file_name().into_string().ok()?;
        Some(Listed { name, is_folder: entry.path().is_dir() })
    };
    let (mut entries, problem) = match std::fs::read_dir(folder) {
        Ok(all) => (all.take(MOST).filter_map(of).collect::<Vec<_>>(), None),
        Err(error) => (Vec::new(), Some(format!("{}: {error}", folder.display()))),
    };
    entries.sort_by_cached_key(|entry| (!entry.is_folder, entry.name.to_lowercase()));
    Listing { folder: folder.to_owned(), entries, problem }
}

/// Moves what an unexpected end left to a name of its own beside it, so that nothing writes over
/// it; gives the new path, or `None` if there was nothing. `kind` says what it is, in a word.
///
/// # Errors
/// If it cannot be moved: then nothing may be written there.
pub fn set_aside(path: &Path, kind: &str) -> Result<Option<PathBuf>> {
    // The time of its last change tells several of them apart, a number those of one moment.
    let secs = Stamp::of(path).modified / 1_000_000_000;
    let named = |number: u32| {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        path.with_file_name(format!("{kind}-{secs}{number}.smalti"))
    };
    let mut free = (1..100).map(named).filter(|kept| !kept.exists());
    let kept = free.next().ok_or_else(|| {
        EngineError::bad_file(path, "there are a hundred like it beside it", "remove some of them")
    })?;
    match std::fs::rename(path, &kept) {
        Ok(()) => Ok(Some(kept)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(EngineError::io(path, error)),
    }
}

/// Moves a file to another name in its folder, where nothing is.
///
/// # Errors
/// What the system says, with the path.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|source| EngineError::io(from, source))
}

/// Takes a file away if it is there.
pub fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        log::warn!("{}: {error}", path.display());
    }
}
