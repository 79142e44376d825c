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
    /// Held while the window is open.
    _lock: Option<File>,
}

impl Autosave {
    /// The first one in `folder` that no other window has. Where files cannot be locked it is the
    /// first.
    pub fn claim(folder: &Path) -> Self {
        let path = |number: usize, suffix: &str| match number {
            1 => folder.join(format!("autosave.{suffix}")),
            _ => folder.join(format!("autosave-{number}.{suffix}")),
        };
        for number in 1..=MOST {
            let lock = std::fs::create_dir_all(folder).and_then(|()| {
                File::options().read(true).create(true).append(true).open(path(number, "lock"))
            });
            match lock.map(|file| file.try_lock().map(|()| file)) {
                Ok(Ok(lock)) => {
                    return Self { path: path(number, "smalti"), _lock: Some(lock) };
                }
                Ok(Err(TryLockError::WouldBlock)) => {}
                Ok(Err(TryLockError::Error(error))) | Err(error) => {
                    log::warn!("{}: {error}", path(number, "lock").display());
                    break;
                }
            }
        }
        Self { path: path(1, "smalti"), _lock: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
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
}
