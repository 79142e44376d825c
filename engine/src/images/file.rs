//! Reading a file that a person named, whatever it turns out to be.
//!
//! A folder, a device, a pipe or something enormous is refused before a byte is read: opening a
//! pipe would wait forever, reading `/dev/zero` would never end.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use crate::{EngineError, Result};

/// Opens a regular file for reading; gives its length too.
///
/// # Errors
/// [`EngineError::Io`] as the system says, [`EngineError::BadFile`] for anything but a file.
pub fn open_regular(path: &Path) -> Result<(File, u64)> {
    // Asked before opening, as opening a pipe blocks until somebody writes to it.
    refuse_irregular(path, &path.metadata().map_err(|source| EngineError::io(path, source))?)?;
    let file = File::open(path).map_err(|source| EngineError::io(path, source))?;
    let metadata = file.metadata().map_err(|source| EngineError::io(path, source))?;
    refuse_irregular(path, &metadata)?;
    Ok((file, metadata.len()))
}

/// A file as it was at a moment, to be opened again later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its length in bytes.
    pub len: u64,
    /// When it was last written; `None` where the system does not say.
    modified: Option<SystemTime>,
}

impl Version {
    /// That of a file that is open.
    ///
    /// # Errors
    /// [`EngineError::Io`] as the system says.
    pub fn of(file: &File, path: &Path) -> Result<Self> {
        let metadata = file.metadata().map_err(|source| EngineError::io(path, source))?;
        Ok(Self { len: metadata.len(), modified: metadata.modified().ok() })
    }

    /// Opens the file again.
    ///
    /// # Errors
    /// As [`open_regular`] and [`Version::is_of`].
    pub fn open(&self, path: &Path) -> Result<File> {
        let (file, _) = open_regular(path)?;
        self.is_of(&file, path)?;
        Ok(file)
    }

    /// That an open file is still this one.
    ///
    /// # Errors
    /// [`EngineError::BadFile`] if it is another one by now: what was noted of it (places, sizes) would be
    /// read from the wrong bytes.
    pub fn is_of(&self, file: &File, path: &Path) -> Result<()> {
        if Self::of(file, path)? == *self {
            return Ok(());
        }
        Err(EngineError::bad_file(path, "it changed while it was open", "open it again"))
    }
}

/// A number for when and how long a file was last written; `None` if it is not there or the system does not say.
pub fn written(path: &Path) -> Option<u64> {
    let found = path.metadata().ok()?;
    let since = found.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_nanos() as u64 ^ found.len().rotate_left(40))
}

fn refuse_irregular(path: &Path, metadata: &Metadata) -> Result<()> {
    if metadata.is_dir() {
        return Err(EngineError::bad_file(
            path,
            "this is a folder, not a file",
            "Open it as a folder of images, or name one file inside it",
        ));
    }
    if !metadata.is_file() {
        return Err(EngineError::bad_file(
            path,
            "this is a device, a pipe or a socket, not a file",
            "Write the data to a file and open that",
        ));
    }
    Ok(())
}

/// The bytes of a regular file of at most `max_bytes`.
///
/// # Errors
/// As [`open_regular`]; [`EngineError::BadFile`] if it is larger.
pub fn read_file(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    let (file, length) = open_regular(path)?;
    let too_large = |bytes: u64| {
        EngineError::bad_file(
            path,
            format!("{} are too much for this kind of file", size_in_words(bytes)),
            format!("The limit is {}", size_in_words(max_bytes)),
        )
    };
    if length > max_bytes {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    // Read to a limit all the same: files under /proc say 0, and a file can grow meanwhile.
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| EngineError::io(path, source))?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// At most the first `count` bytes of a regular file.
///
/// # Errors
/// As [`open_regular`].
pub fn read_start(path: &Path, count: usize) -> Result<Vec<u8>> {
    let (file, _) = open_regular(path)?;
    let mut bytes = Vec::with_capacity(count);
    file.take(count as u64)
        .read_to_end(&mut bytes)
        .map_err(|source| EngineError::io(path, source))?;
    Ok(bytes)
}

/// A number of bytes as people say it: "12 bytes", "3.4 MiB".
pub fn size_in_words(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_file(folder.path(), 10).unwrap_err();
        assert!(error.to_string().contains("folder"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn endless_devices_are_refused_at_once() {
        let error = read_file(Path::new("/dev/zero"), 1 << 40).unwrap_err();
        assert!(error.to_string().contains("device"), "{error}");
    }

    #[test]
    fn a_file_that_was_overwritten_is_not_opened_as_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::write(&path, [1; 64]).unwrap();
        let version = Version::of(&open_regular(&path).unwrap().0, &path).unwrap();
        version.open(&path).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let later = version.modified.unwrap() + std::time::Duration::from_secs(1);
        file.set_modified(later).unwrap();
        let error = version.open(&path).unwrap_err().to_string();
        assert!(error.contains("data: it changed while it was open"), "{error}");
        std::fs::write(&path, [1; 65]).unwrap();
        assert!(version.open(&path).is_err(), "longer");
    }

    #[test]
    fn a_file_over_the_limit_is_refused_with_both_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::write(&path, vec![0; 2048]).unwrap();
        let problem = read_file(&path, 1024).unwrap_err().problem();
        assert!(problem.summary.contains("2.0 KiB"), "{problem}");
        assert!(problem.hint.contains("1.0 KiB"), "{problem}");
        assert_eq!(read_file(&path, 2048).unwrap().len(), 2048);
    }
}
