//! The file in which a window keeps its work until it ends well. Each window that is open at the
//! same time has its own, told apart by locks that the system takes back when a program dies.
#![expect(clippy::disallowed_methods, reason = "one small file, before the first frame")]

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// Windows with an autosave of their own.
const MOST: usize = 16;

/// The autosave of a window.
#[derive(Debug)]
pub struct Autosave {
    path: PathBuf,
    number: usize,
    /// Held while the window is open.
    lock: Option<File>,
}

impl Autosave {
    /// The first one in `folder` that no other window has. Where files cannot be locked it is the
    /// first.
    pub fn claim(folder: &Path) -> Self {
        for number in 1..=MOST {
            match locked(&place(folder, number, "lock")) {
                Ok(Some(lock)) => {
                    let path = place(folder, number, "smalti");
                    return Self { path, number, lock: Some(lock) };
                }
                Ok(None) => {}
                Err(error) => {
                    log::warn!("{}: {error}", place(folder, number, "lock").display());
                    break;
                }
            }
        }
        Self { path: place(folder, 1, "smalti"), number: 1, lock: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The places of all other windows. Where files cannot be locked no other window has one.
    pub fn others(&self) -> Vec<Other> {
        let folder = self.path.parent().filter(|_| self.lock.is_some());
        let of = |folder: &Path, number| Other {
            path: place(folder, number, "smalti"),
            lock: place(folder, number, "lock"),
        };
        let numbers = (1..=MOST).filter(|number| *number != self.number);
        folder.map(|folder| numbers.map(|number| of(folder, number)).collect()).unwrap_or_default()
    }
}

/// Where another window keeps its work, or kept it.
#[derive(Debug)]
pub struct Other {
    path: PathBuf,
    lock: PathBuf,
}

impl Other {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the place if work is there whose window is no more open. While what this gives is held, no other window
    /// takes it.
    pub fn hold(&self) -> Option<File> {
        // Most of the time nothing is there, and no lock has to be made.
        if !self.path.exists() {
            return None;
        }
        let lock = locked(&self.lock).unwrap_or_else(|error| {
            log::warn!("{}: {error}", self.lock.display());
            None
        });
        // Its window may have ended well meanwhile.
        lock.filter(|_| self.path.exists())
    }
}

/// The file of a window by its number.
fn place(folder: &Path, number: usize, suffix: &str) -> PathBuf {
    match number {
        1 => folder.join(format!("autosave.{suffix}")),
        _ => folder.join(format!("autosave-{number}.{suffix}")),
    }
}

/// A lock on a file, which is made where it is missing; none if somebody else has it.
fn locked(path: &Path) -> std::io::Result<Option<File>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = File::options().read(true).create(true).append(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_are_open_together_keep_their_work_apart() {
        let folder = tempfile::tempdir().unwrap();
        let name = |autosave: &Autosave| autosave.path().file_name().unwrap().to_owned();
        let first = Autosave::claim(folder.path());
        let second = Autosave::claim(folder.path());
        assert_eq!(
            (name(&first), name(&second)),
            ("autosave.smalti".into(), "autosave-2.smalti".into())
        );
        drop(first);
        assert_eq!(name(&Autosave::claim(folder.path())), "autosave.smalti");
    }

    #[test]
    fn work_is_only_taken_from_a_window_that_is_no_more_open() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (Autosave::claim(folder.path()), Autosave::claim(folder.path()));
        std::fs::write(second.path(), "work").unwrap();
        let there = |autosave: &Autosave| {
            let others = autosave.others().into_iter();
            let held = others.filter(|other| other.hold().is_some());
            held.map(|other| other.path().to_owned()).collect::<Vec<_>>()
        };
        assert!(there(&first).is_empty(), "its window is open");
        let path = second.path().to_owned();
        drop(second);
        assert_eq!(there(&first), std::slice::from_ref(&path));
        // Whoever looks at it has it alone.
        let held: Vec<_> = first.others().iter().filter_map(Other::hold).collect();
        assert_eq!(held.len(), 1);
        assert_ne!(Autosave::claim(folder.path()).path(), path);
    }
}
