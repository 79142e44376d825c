//! Opens whatever a path holds as a source of images.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Source;
use super::cache::{CACHE_BYTES, Cached};
use super::cifar::Cifar;
use super::folder::Folder;
use super::idx::Idx;
use super::packed::{is_gzip, unpack_start};
use super::tar::Tar;
use crate::images::kind::{Kind, sniff};
use crate::images::{Limits, file};
use crate::{EngineError, Result};

/// The images at a path: a folder of images, a `.tar` or `.tar.gz`, CIFAR's binary files (one, or
/// their folder), IDX files (the one of images, or their folder), or a single image. What it is is
/// told from its content. Images that fit into 256 MiB are decoded once.
///
/// # Errors
/// [`EngineError::Io`], or [`EngineError::BadFile`] with what the path holds instead.
pub fn open_source(path: &Path) -> Result<Arc<dyn Source>> {
    let metadata = path.metadata().map_err(|source| EngineError::io(path, source))?;
    if metadata.is_dir() {
        return open_folder(path);
    }
    let start = file::read_start(path, 1024)?;
    if is_tar(&start) {
        return Ok(cached(Tar::open(path, Limits::default())?));
    }
    if is_gzip(&start) {
        let (packed, _) = file::open_regular(path)?;
        let inside = unpack_start(packed, 1024);
        if Idx::is_idx(&inside) {
            return Ok(Arc::new(Idx::open(path)?));
        }
        if is_tar(&inside) {
            return Ok(cached(Tar::open(path, Limits::default())?));
        }
        return Err(EngineError::bad_file(
            path,
            "this gzip file holds neither a tar archive nor an IDX file",
            "Unpack it and open what is inside",
        ));
    }
    if Idx::is_idx(&start) {
        return Ok(Arc::new(Idx::open(path)?));
    }
    if has_suffix(path, "bin") {
        return Ok(Arc::new(Cifar::open(&[path.to_owned()])?));
    }
    let (reason, hint) = match sniff(&start) {
        Kind::Image(_) => return Ok(cached(Folder::single(path, Limits::default()))),
        Kind::Known(what, hint) => (format!("this is {what}"), hint),
        Kind::Empty => ("the file is empty (0 bytes)".to_owned(), "Get the file again"),
        Kind::Text | Kind::Unknown if has_suffix(path, "tga") => {
            return Ok(cached(Folder::single(path, Limits::default())));
        }
        Kind::Text | Kind::Unknown => (
            "this is not a set of images that Smalti reads".to_owned(),
            "A folder of images, a .tar of images, CIFAR .bin files and IDX files can be opened",
        ),
    };
    Err(EngineError::bad_file(path, reason, hint))
}

fn open_folder(path: &Path) -> Result<Arc<dyn Source>> {
    match Folder::open(path, Limits::default()) {
        Ok(folder) => Ok(cached(folder)),
        Err(no_images) => {
            let files = files_in(path)?;
            let bins: Vec<PathBuf> =
                files.iter().filter(|path| has_suffix(path, "bin")).cloned().collect();
            let training: Vec<PathBuf> =
                bins.iter().filter(|path| is_cifar_training(path)).cloned().collect();
            if !training.is_empty() {
                return Ok(Arc::new(Cifar::open(&training)?));
            }
            // The training images of MNIST come last in order; a folder may hold only the others.
            if let Some(images) = files.iter().rfind(|path| name_of(path).contains("images-idx3")) {
                return Ok(Arc::new(Idx::open(images)?));
            }
            if !bins.is_empty() && bins.iter().all(|path| cifar_sized(path)) {
                return Ok(Arc::new(Cifar::open(&bins)?));
            }
            if files.iter().any(|path| path.ends_with("data_batch_1")) {
                return Err(EngineError::bad_file(
                    path,
                    "this is the Python version of CIFAR, whose files are pickles",
                    "Get the binary version (cifar-10-binary.tar.gz)",
                ));
            }
            Err(no_images)
        }
    }
}

fn cached(source: impl Source + 'static) -> Arc<dyn Source> {
    Arc::new(Cached::new(source, CACHE_BYTES))
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let fail = |source| EngineError::io(folder, source);
    let mut files = std::fs::read_dir(folder)
        .map_err(fail)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(fail))
        .collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn is_cifar_training(path: &Path) -> bool {
    name_of(path).starts_with("data_batch_") || name_of(path) == "train.bin"
}

fn cifar_sized(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| Cifar::has_right_size(metadata.len()))
}

fn has_suffix(path: &Path, suffix: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(suffix))
}

fn is_tar(start: &[u8]) -> bool {
    start.get(257..262) == Some(b"ustar")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{Picture, save_png};

    #[test]
    fn a_single_image_is_a_set_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.png");
        save_png(&Picture::new(1, 1, vec![7; 3]).unwrap(), &path).unwrap();
        let source = open_source(&path).unwrap();
        assert_eq!(source.len(), 1);
        assert_eq!(source.describe(), "image one.png");
        assert_eq!(source.sample(0, 8).unwrap().name, "one.png");
    }

    #[test]
    fn what_is_no_set_of_images_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let cases: [(&str, &[u8], &str); 5] = [
            ("notes.txt", b"words", "not a set of images"),
            ("page.tar", b"<html><head>", "HTML"),
            ("empty.bin", b"", "0 bytes"),
            ("archive.zip", b"PK\x03\x04rest", "zip"),
            ("short.bin", b"12345", "5 bytes"),
        ];
        for (name, bytes, expected) in cases {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let error = open_source(&path).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(name), "{error}");
        }
        assert!(open_source(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn the_python_version_of_cifar_is_recognized() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data_batch_1"), b"\x80\x02}q\x01").unwrap();
        let problem = open_source(folder.path()).unwrap_err().problem();
        assert!(problem.summary.contains("Python"), "{problem}");
        assert!(problem.hint.contains("binary"), "{problem}");
    }
}
