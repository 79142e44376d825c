//! Files that a command writes: all of them, or none.
#![expect(clippy::disallowed_methods, reason = "a command writes files; only the window must not")]

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

use smalti_engine::EngineError;
use tempfile::{NamedTempFile, TempPath};

use super::stop::Stop;

/// Files on their way into a folder. Each is written in full under a temporary name; only
/// [`Outputs::commit`] gives them their names. Dropped before that, nothing is left: not even the
/// folder, if it was made for them.
#[derive(Debug)]
pub(super) struct Outputs {
    folder: PathBuf,
    /// Folders that were not there before, outermost first.
    made: Vec<PathBuf>,
    /// Closed: a thousand pictures would be more open files than a program may have.
    staged: Vec<(TempPath, PathBuf)>,
    names: BTreeSet<String>,
    /// Names of files in this folder that stay as they are.
    spared: Vec<String>,
}

impl Outputs {
    /// Files that go into a folder, which is made if it is not there.
    pub(super) fn into_folder(folder: &Path) -> Result<Self, Stop> {
        if folder.exists() && !folder.is_dir() {
            return Err(Stop::bad_input(
                &folder.display().to_string(),
                "is a file, but a folder is needed for the output",
                "Name another folder with --out",
            ));
        }
        let mut missing: Vec<PathBuf> = folder
            .ancestors()
            .filter(|path| !path.as_os_str().is_empty())
            .take_while(|path| !path.exists())
            .map(Path::to_owned)
            .collect();
        missing.reverse();
        let mut outputs = Self {
            folder: folder.to_owned(),
            made: Vec::new(),
            staged: Vec::new(),
            names: BTreeSet::new(),
            spared: Vec::new(),
        };
        for path in missing {
            std::fs::create_dir(&path).map_err(|source| EngineError::io(&path, source))?;
            outputs.made.push(path);
        }
        // Said before the work, not after it.
        NamedTempFile::new_in(folder_or_here(folder))
            .map_err(|source| EngineError::io(folder, source))?;
        Ok(outputs)
    }

    /// One file; its folder must be there.
    pub(super) fn beside(file: &Path) -> Result<Self, Stop> {
        if file.is_dir() || file.file_name().is_none() {
            return Err(Stop::bad_input(
                &file.display().to_string(),
                "is a folder, but a file name is needed for the output",
                "Name a file with --out, such as picture.png",
            ));
        }
        let folder = folder_or_here(file.parent().unwrap_or(Path::new("")));
        if !folder.is_dir() {
            return Err(Stop::bad_input(
                &folder.display().to_string(),
                "there is no such folder for the output",
                "Make the folder first, or name another with --out",
            ));
        }
        Self::into_folder(folder)
    }

    /// Keeps the name of a file that the command reads, if it lies in this folder: what a person named is not
    /// written over.
    pub(super) fn spare(&mut self, read: &Path) {
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let own = whole(folder_or_here(read.parent().unwrap_or(Path::new(""))));
        if own == whole(folder_or_here(&self.folder))
            && let (Some(stem), Some(name)) = (read.file_stem(), read.file_name())
        {
            self.names.insert(stem.to_string_lossy().into_owned());
            self.spared.push(name.to_string_lossy().into_owned());
        }
    }

    /// Whether a file that is kept is one of those that begin with a stem, such as its step.
    fn is_spared(&self, stem: &str) -> bool {
        let follows =
            |name: &String| name.strip_prefix(stem).is_some_and(|end| end.starts_with('.'));
        self.spared.iter().any(follows)
    }

    /// Whether nothing was written so far.
    pub(super) fn is_empty(&self) -> bool {
        self.staged.is_empty()
    }

    /// A name that no other file of these outputs has: `stem`, or `stem-2`, `stem-3` and so on.
    pub(super) fn unique_stem(&mut self, stem: &str) -> String {
        let mut name = stem.to_owned();
        let mut number = 2;
        while self.is_spared(&name) || !self.names.insert(name.clone()) {
            name = format!("{stem}-{number}");
            number += 1;
        }
        name
    }

    /// Writes a file under a temporary name and gives the path that it will have. A name that leads out of the
    /// folder is refused, and so is one that the system does not take: later, others would have their names already.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<PathBuf, Stop> {
        let bad = |reason: &str| {
            Stop::bad_input(name, reason, "Give what it is named after another name")
        };
        let mut parts = Path::new(name).components();
        let only = (parts.next(), parts.next());
        if !matches!(only, (Some(Component::Normal(part)), None) if part == name) {
            return Err(bad("is a path, and no name of a file"));
        }
        let path = self.folder.join(name);
        let fail = |source| EngineError::io(&path, source);
        match path.symlink_metadata().map_err(|refused| (refused.kind(), refused)) {
            Ok(_) | Err((ErrorKind::NotFound, _)) => {}
            Err((ErrorKind::InvalidFilename | ErrorKind::InvalidInput, _)) => {
                return Err(bad("is no name that the system takes: too long, or of odd letters"));
            }
            Err((_, refused)) => return Err(fail(refused).into()),
        }
        let mut file = NamedTempFile::new_in(folder_or_here(&self.folder)).map_err(fail)?;
        file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(fail)?;
        if path.is_dir() {
            return Err(Stop::bad_input(
                &path.display().to_string(),
                "is a folder, but a file of that name has to be written",
                "Name another folder with --out",
            ));
        }
        readable_by_others(&file);
        self.staged.push((file.into_temp_path(), path.clone()));
        Ok(path)
    }

    /// Gives all files their names.
    pub(super) fn commit(mut self) -> Result<(), Stop> {
        for (file, path) in self.staged.drain(..) {
            file.persist(&path).map_err(|error| EngineError::io(&path, error.error))?;
        }
        self.made.clear();
        Ok(())
    }
}

/// How files of something are called: as it is, without folders and ending. Documents give any name to what they
/// hold, also one that is no file's, such as "..".
pub(super) fn stem_of(named: &Path) -> String {
    if let Some(stem) = named.file_stem() {
        return stem.to_string_lossy().into_owned();
    }
    let plain: String =
        named.to_string_lossy().chars().filter(|letter| letter.is_alphanumeric()).collect();
    if plain.is_empty() { "unnamed".to_owned() } else { plain }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        self.staged.clear();
        for folder in self.made.iter().rev() {
            // Not empty any more if somebody else wrote there: then it stays.
            drop(std::fs::remove_dir(folder));
        }
    }
}

fn folder_or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Temporary files are for their owner alone; results are ordinary files.
fn readable_by_others(file: &NamedTempFile) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        drop(file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)));
    }
    #[cfg(not(unix))]
    let _ = file;
}
