//! Writing a file so that at any moment either the old or the new one is there, whole.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::{EngineError, Result};

/// How the names of files begin that are being written. A process that is killed while it writes
/// leaves one behind; no other file is called so.
pub const PARTIAL: &str = ".partial-";

/// Writes `path` through a temporary file in the same folder: written, flushed to the disk, renamed,
/// and the folder flushed. When anything fails, the old file stays and nothing new is left behind.
///
/// # Errors
/// [`EngineError::Io`] with the path and what the system said (folder missing, no permission, disk
/// full).
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let failed = |e: io::Error| EngineError::io(path, e);
    let mut builder = tempfile::Builder::new();
    builder.prefix(PARTIAL);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As for any new file: the person's umask decides, not the privacy of temporary files.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(|e| EngineError::io(folder, e))?;
    let mut buffered = BufWriter::new(file.as_file_mut());
    write(&mut buffered).and_then(|()| buffered.flush()).map_err(failed)?;
    drop(buffered);
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    flush_folder(folder).map_err(|e| EngineError::io(folder, e))
}

/// Makes the new name last; only Unix can and needs to.
fn flush_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write_atomically(&path, |w| w.write_all(b"old")).unwrap();
        let error = write_atomically(&path, |w| {
            w.write_all(b"half of the n")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert!(error.to_string().contains("model.safetensors"), "{error}");
        assert_eq!(error.problem().hint, "Free some space on the disk");
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        write_atomically(&path, |w| w.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not-there").join("x");
        let error = write_atomically(&path, |w| w.write_all(b"x")).unwrap_err();
        assert!(error.is_bad_input() && error.to_string().contains("not-there"), "{error}");
    }
}
