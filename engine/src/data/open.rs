//! Opens whatever a path holds as a source of images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive_names::{are_classes, has_archive_suffix, has_suffix, stem};
use super::arrays::ArraySet;
use super::cache::{CACHE_BYTES, Cached};
use super::cifar::Cifar;
use super::idx::Idx;
use super::packed::{is_gzip, unpack_start};
use super::pictures::{Listing, Pictures, Span};
use super::tar::{self, Contents, is_tar};
use super::{Source, braces, folder};
use crate::images::kind::{Kind, has_image_suffix, sniff};
use crate::images::{Limits, file};
use crate::{EngineError, Result};

/// Files of CIFAR and their lists of names are at most this large.
const MAX_CIFAR_BYTES: u64 = 1 << 30;
const CIFAR_PYTHON: (&str, &str) = (
    "this is the Python version of CIFAR, whose files are pickles",
    "Get the binary version (cifar-10-binary.tar.gz)",
);

/// The images at a path: a folder of images and archives, a `.tar` or `.tar.gz` (of images, of
/// archives of images, or CIFAR's own), several of them by a pattern (`name-{0000..0147}.tar`),
/// CIFAR's binary files (one, or their folder), IDX files (the one of images, or their folder),
/// arrays of images (`.npz`, `.npy`, `.pt`), or a single image. What it is is told from its content.
/// Images that fit into 256 MiB are decoded once.
///
/// # Errors
/// [`EngineError::Io`], or [`EngineError::BadFile`] with what the path holds instead.
pub fn open_source(path: &Path) -> Result<Arc<dyn Source>> {
    let metadata = match path.metadata() {
        Err(_) if braces::has_braces(path) => return open_pattern(path),
        other => other.map_err(|source| EngineError::io(path, source))?,
    };
    if metadata.is_dir() {
        return open_folder(path);
    }
    let start = file::read_start(path, 1024)?;
    if is_tar(&start) {
        return open_archive(path);
    }
    if is_gzip(&start) {
        let (packed, _) = file::open_regular(path)?;
        let inside = unpack_start(packed, 1024);
        if Idx::is_idx(&inside) {
            return Ok(Arc::new(Idx::open(path)?));
        }
        if is_tar(&inside) {
            return open_archive(path);
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
    if is_arrays(path, &start) {
        return Ok(cached(ArraySet::open(path)?));
    }
    if has_suffix(path, "bin") {
        return Ok(Arc::new(Cifar::open(&[path.to_owned()])?));
    }
    let (reason, hint) = match sniff(&start) {
        Kind::Image(_) => return Ok(cached(Pictures::single(path, Limits::default()))),
        Kind::Known(what, hint) => (format!("this is {what}"), hint),
        Kind::Empty => ("the file is empty (0 bytes)".to_owned(), "Get the file again"),
        Kind::Text | Kind::Unknown if has_suffix(path, "tga") => {
            return Ok(cached(Pictures::single(path, Limits::default())));
        }
        Kind::Text | Kind::Unknown => (
            "this is not a set of images that Smalti reads".to_owned(),
            "A folder of images, a .tar of images, CIFAR .bin files, IDX files and arrays of images \
             (.npz, .npy, .pt) can be opened",
        ),
    };
    Err(EngineError::bad_file(path, reason, hint))
}

/// Whether a file is one of arrays: NumPy's by its content, those of PyTorch and safetensors, which
/// look like other things, by content and suffix.
fn is_arrays(path: &Path, start: &[u8]) -> bool {
    let is_called = |suffixes: &[&str]| suffixes.iter().any(|suffix| has_suffix(path, suffix));
    match start {
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => true,
        [b'P', b'K', 3, 4, ..] => is_called(&["npz", "pt", "pth", "ckpt"]),
        [0x80, ..] => is_called(&["pt", "pth", "ckpt"]),
        _ => is_called(&["safetensors"]),
    }
}

fn open_folder(path: &Path) -> Result<Arc<dyn Source>> {
    match folder::open(path, Limits::default()) {
        Ok(folder) => Ok(cached(folder)),
        Err(no_images) => {
            let files = files_in(path)?;
            let bins: Vec<PathBuf> =
                files.iter().filter(|path| has_suffix(path, "bin")).cloned().collect();
            let training: Vec<PathBuf> =
                bins.iter().filter(|path| is_cifar_training(name_of(path))).cloned().collect();
            if !training.is_empty() {
                return Ok(Arc::new(Cifar::open(&training)?));
            }
            // The training images of MNIST come last in order; a folder may hold only the others.
            if let Some(images) = files.iter().rfind(|path| name_of(path).contains("images-idx3")) {
                return Ok(Arc::new(Idx::open(images)?));
            }
            if !bins.is_empty() && bins.iter().all(|path| is_cifar(path)) {
                return Ok(Arc::new(Cifar::open(&bins)?));
            }
            if files.iter().any(|path| is_python_cifar(name_of(path))) {
                return Err(EngineError::bad_file(path, CIFAR_PYTHON.0, CIFAR_PYTHON.1));
            }
            Err(no_images)
        }
    }
}

/// An archive: of images, of archives, or of CIFAR's files.
fn open_archive(path: &Path) -> Result<Arc<dyn Source>> {
    let contents = Contents::open(path, &mut 0)?;
    let no_images = match tar::pictures(&contents, Limits::default()) {
        Ok(pictures) => return Ok(cached(pictures)),
        Err(error) => error,
    };
    let Contents { archive, files, .. } = contents;
    let name = |inside: &str| inside.rsplit('/').next().unwrap_or_default().to_owned();
    let bins: Vec<(&String, Span)> = files
        .iter()
        .filter(|(inside, span)| {
            has_suffix(Path::new(inside), "bin") && Cifar::has_right_size(span.length)
        })
        .map(|(inside, span)| (inside, *span))
        .collect();
    let training: Vec<_> =
        bins.iter().filter(|(inside, _)| is_cifar_training(&name(inside))).copied().collect();
    let taken = if training.is_empty() { &bins } else { &training };
    if taken.is_empty() {
        if files.keys().any(|inside| is_python_cifar(&name(inside))) {
            return Err(EngineError::bad_file(path, CIFAR_PYTHON.0, CIFAR_PYTHON.1));
        }
        return Err(no_images);
    }
    let read = |span: Span, inside: &str| archive.read(span, MAX_CIFAR_BYTES, &path.join(inside));
    let mut parts = Vec::with_capacity(taken.len());
    for (inside, span) in taken {
        parts.push((path.join(inside), read(*span, inside)?));
    }
    let left_out: Vec<String> = bins
        .iter()
        .filter(|(inside, _)| !taken.iter().any(|(other, _)| other == inside))
        .map(|(inside, _)| name(inside))
        .collect();
    let texts: BTreeMap<String, Vec<u8>> = files
        .iter()
        .filter(|(inside, span)| has_suffix(Path::new(inside), "txt") && span.length < 64 << 10)
        .filter_map(|(inside, span)| Some((name(inside), read(*span, inside).ok()?)))
        .collect();
    let mut cifar = Cifar::of_parts(path, parts, |name| texts.get(name).cloned())?;
    if !left_out.is_empty() {
        cifar.note(format!(
            "these are the images for training; {} was left out: unpack the archive to open it",
            left_out.join(", ")
        ));
    }
    Ok(Arc::new(cifar))
}

/// All that a pattern stands for, as one set.
fn open_pattern(pattern: &Path) -> Result<Arc<dyn Source>> {
    let paths = braces::expand(pattern)?;
    let missing: Vec<&PathBuf> = paths.iter().filter(|path| !path.is_file()).collect();
    if let Some(first) = missing.first() {
        return Err(EngineError::bad_file(
            pattern,
            format!(
                "of the {} files that it stands for, {} are not there, the first is {}",
                paths.len(),
                missing.len(),
                name_of(first)
            ),
            "Check the numbers in the braces",
        ));
    }
    let root = pattern.parent().unwrap_or(Path::new(""));
    let archives = paths.iter().filter(|path| has_archive_suffix(path));
    let are_classes = are_classes(archives.map(PathBuf::as_path));
    let mut listing = Listing::default();
    let mut unpacked = 0;
    for path in paths {
        if has_image_suffix(&path) {
            listing.add(path, Vec::new());
            continue;
        }
        let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let class = are_classes.then(|| stem(&path).to_owned());
        let folders: Vec<String> = class.into_iter().collect();
        tar::add(&mut listing, &path, &format!("{shown}/"), &folders, &mut unpacked)?;
    }
    let title = format!("shards {}", super::short_name(pattern));
    Ok(cached(listing.finish(root, title, Limits::default())))
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

fn is_cifar_training(name: &str) -> bool {
    name.starts_with("data_batch_") || name == "train.bin"
}

fn is_python_cifar(name: &str) -> bool {
    matches!(name, "data_batch_1" | "fine_label_names" | "batches.meta")
}

/// Whether a file can be one of CIFAR's: by its length and its first label. A checkpoint of the same
/// length begins with letters that are no label.
pub fn is_cifar(path: &Path) -> bool {
    let Ok(metadata) = path.metadata() else { return false };
    let start = file::read_start(path, 2).unwrap_or_default();
    metadata.is_file() && Cifar::can_be(metadata.len(), &start)
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
