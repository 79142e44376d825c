//! The binary files of CIFAR-10 and CIFAR-100.
//!
//! A record is one label byte (CIFAR-100: two, coarse and fine) and 32x32 bytes each of red,
//! green and blue. Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images",
//! 2009, and the README of its binary version.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{Sample, Source, images_in_words, no_such_image, short_name};
use crate::images::{Picture, file};
use crate::random::bytes_hash;
use crate::{EngineError, Result};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const MAX_BYTES: u64 = 1 << 30;

const CIFAR10_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// One or several CIFAR files.
#[derive(Debug)]
pub struct Cifar {
    path: PathBuf,
    records: Vec<u8>,
    /// Label bytes of a record: 1 or 2; the last one is the class.
    n_labels: usize,
    classes: Vec<String>,
    notes: Vec<String>,
    listing: OnceLock<u64>,
}

impl Cifar {
    /// Opens a file, or several of the same sort in the order given.
    ///
    /// # Errors
    /// [`EngineError::Io`], or [`EngineError::BadFile`] if a size or a label cannot be CIFAR's.
    pub fn open(paths: &[PathBuf]) -> Result<Self> {
        let Some(first) = paths.first() else {
            return Err(EngineError::bad_input("CIFAR", "no file was named", ""));
        };
        let folder = first.parent().unwrap_or(Path::new("."));
        let mut parts = Vec::with_capacity(paths.len());
        for path in paths {
            parts.push((path.clone(), file::read_file(path, MAX_BYTES)?));
        }
        let whole = if paths.len() > 1 { folder } else { first };
        Self::of_parts(whole, parts, |name| file::read_file(&folder.join(name), 64 << 10).ok())
    }

    /// A set of the bytes of several files, each with its name for messages; `text` gives a file of
    /// class names beside them.
    ///
    /// # Errors
    /// [`EngineError::BadFile`] if a size or a label cannot be CIFAR's, or sorts are mixed.
    pub fn of_parts(
        path: &Path,
        parts: Vec<(PathBuf, Vec<u8>)>,
        text: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self> {
        let mut whole: Option<Self> = None;
        for (path, bytes) in parts {
            let part = Self::from_bytes(bytes, &path)?;
            match &mut whole {
                None => whole = Some(part),
                Some(whole) if whole.n_labels == part.n_labels => {
                    whole.records.extend_from_slice(&part.records);
                }
                Some(_) => {
                    return Err(EngineError::bad_file(
                        path,
                        "CIFAR-10 and CIFAR-100 files lie in one folder",
                        "Put them into two folders",
                    ));
                }
            }
        }
        let mut whole = whole.ok_or_else(|| wrong_size(path, 0))?;
        path.clone_into(&mut whole.path);
        let names_file =
            if whole.n_labels == 1 { "batches.meta.txt" } else { "fine_label_names.txt" };
        if let Some(bytes) = text(names_file) {
            let text = String::from_utf8_lossy(&bytes);
            let names: Vec<String> =
                text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
            if names.len() == whole.classes.len() {
                whole.classes = names;
            }
        }
        Ok(whole)
    }

    /// Says something to whoever opened it.
    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// The records of one file; `name` is for messages.
    ///
    /// # Errors
    /// [`EngineError::BadFile`] if the size or a label cannot be CIFAR's.
    pub fn from_bytes(bytes: Vec<u8>, name: &Path) -> Result<Self> {
        let (n_labels, n_classes) = match bytes.len() {
            0 => return Err(wrong_size(name, 0)),
            n if n % (1 + 3 * PLANE) == 0 => (1, 10),
            n if n % (2 + 3 * PLANE) == 0 => (2, 100),
            n => return Err(wrong_size(name, n)),
        };
        for (number, record) in bytes.chunks_exact(n_labels + 3 * PLANE).enumerate() {
            let label = record[n_labels - 1];
            if usize::from(label) >= n_classes {
                return Err(EngineError::bad_file(
                    name,
                    format!("image {number} has label {label}, but there are {n_classes} classes"),
                    "This is not a CIFAR file, or it is damaged",
                ));
            }
        }
        let classes = if n_labels == 1 {
            CIFAR10_CLASSES.map(str::to_owned).to_vec()
        } else {
            (0..n_classes).map(|class| class.to_string()).collect()
        };
        let (path, notes, listing) = (name.to_owned(), Vec::new(), OnceLock::new());
        Ok(Self { path, records: bytes, n_labels, classes, notes, listing })
    }

    /// Whether a file of `length` bytes can be one of CIFAR's.
    pub(super) fn has_right_size(length: u64) -> bool {
        let (ten, hundred) = (1 + 3 * PLANE as u64, 2 + 3 * PLANE as u64);
        length > 0 && (length.is_multiple_of(ten) || length.is_multiple_of(hundred))
    }

    /// Whether a file of `length` bytes that begins with `start` can be one of CIFAR's: its first
    /// bytes are labels (CIFAR-100: one of 20 coarse ones, one of 100 fine ones).
    pub(super) fn can_be(length: u64, start: &[u8]) -> bool {
        match start {
            [label, ..] if length > 0 && length.is_multiple_of(1 + 3 * PLANE as u64) => *label < 10,
            [coarse, fine, ..] => Self::has_right_size(length) && *coarse < 20 && *fine < 100,
            _ => false,
        }
    }
}

fn wrong_size(name: &Path, length: usize) -> EngineError {
    EngineError::bad_file(
        name,
        format!(
            "{length} bytes are no whole number of CIFAR images (3073 bytes each, CIFAR-100: 3074)"
        ),
        "The file is cut off, or it is not the binary version",
    )
}

impl Source for Cifar {
    fn len(&self) -> u64 {
        (self.records.len() / (self.n_labels + 3 * PLANE)) as u64
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn class_of(&self, index: u64) -> Option<u32> {
        let start = usize::try_from(index).ok()?.checked_mul(self.n_labels + 3 * PLANE)?;
        self.records.get(start + self.n_labels - 1).map(|&label| u32::from(label))
    }
    fn sample(&self, index: u64, _side: u32) -> Result<Sample> {
        let size = self.n_labels + 3 * PLANE;
        let place = usize::try_from(index).ok().and_then(|index| index.checked_mul(size));
        let Some(record) = place.and_then(|at| self.records.get(at..at + size)) else {
            return Err(no_such_image(index, self));
        };
        let (_, planes) = record.split_at(self.n_labels);
        let mut rgb = Vec::with_capacity(3 * PLANE);
        for i in 0..PLANE {
            rgb.extend([planes[i], planes[PLANE + i], planes[2 * PLANE + i]]);
        }
        let class = self.class_of(index);
        let caption = class.and_then(|class| self.classes.get(class as usize)).cloned();
        let name = format!("{} {index}", short_name(&self.path));
        let picture = Picture::new(SIDE as u32, SIDE as u32, rgb)?;
        Ok(Sample { picture, class, caption, name })
    }
    fn size(&self) -> Option<[u32; 2]> {
        Some([SIDE as u32; 2])
    }
    fn listing(&self) -> Option<u64> {
        Some(*self.listing.get_or_init(|| bytes_hash(self.n_labels as u64, &self.records)))
    }
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
    fn describe(&self) -> String {
        let which = if self.n_labels == 1 { "CIFAR-10" } else { "CIFAR-100" };
        format!("{which} {}, {}", short_name(&self.path), images_in_words(self.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(labels: &[u8], rgb: [u8; 3]) -> Vec<u8> {
        let mut bytes = labels.to_vec();
        for value in rgb {
            bytes.extend([value; PLANE]);
        }
        bytes
    }

    #[test]
    fn records_of_both_sets_are_read() {
        let ten = [record(&[3], [1, 2, 3]), record(&[9], [4, 5, 6])].concat();
        let source = Cifar::from_bytes(ten, Path::new("data_batch_1.bin")).unwrap();
        assert_eq!(source.len(), 2);
        let sample = source.sample(1, 8).unwrap();
        assert_eq!((sample.class, sample.caption.as_deref()), (Some(9), Some("truck")));
        assert_eq!(sample.picture.pixel(31, 31), Some([4, 5, 6]));
        assert!(source.sample(2, 8).is_err());
        let other = [record(&[3], [1, 2, 3]), record(&[9], [4, 5, 7])].concat();
        let other = Cifar::from_bytes(other, Path::new("data_batch_1.bin")).unwrap();
        assert_ne!(source.listing(), other.listing(), "of other pixels");
        let hundred = record(&[19, 99], [7, 8, 9]);
        let source = Cifar::from_bytes(hundred, Path::new("train.bin")).unwrap();
        assert_eq!(source.sample(0, 8).unwrap().class, Some(99));
        assert_eq!(source.classes().len(), 100);
    }

    #[test]
    fn the_size_of_a_cut_off_file_is_said() {
        let mut bytes = record(&[0], [0; 3]);
        bytes.extend(record(&[0], [0; 3]));
        bytes.truncate(4000);
        let error = Cifar::from_bytes(bytes, Path::new("x.bin")).unwrap_err().to_string();
        assert!(error.contains("4000 bytes") && error.contains("3073"), "{error}");
        assert!(Cifar::from_bytes(Vec::new(), Path::new("x.bin")).is_err());
    }

    #[test]
    fn a_label_that_cannot_be_is_refused() {
        let bytes = [record(&[3], [1; 3]), record(&[10], [1; 3])].concat();
        let error = Cifar::from_bytes(bytes, Path::new("x.bin")).unwrap_err().to_string();
        assert!(error.contains("image 1 has label 10"), "{error}");
    }

    #[test]
    fn several_files_of_a_folder_are_one_set_with_the_names_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> =
            (1..=2).map(|i| folder.path().join(format!("data_batch_{i}.bin"))).collect();
        for (i, path) in (0..).zip(&paths) {
            std::fs::write(path, record(&[i], [i; 3])).unwrap();
        }
        std::fs::write(folder.path().join("batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n")
            .unwrap();
        let source = Cifar::open(&paths).unwrap();
        assert_eq!(source.len(), 2);
        assert_eq!(source.classes()[1], "b");
        assert_eq!(source.sample(1, 8).unwrap().caption.as_deref(), Some("b"));
        std::fs::write(&paths[1], record(&[1, 1], [1; 3])).unwrap();
        assert!(Cifar::open(&paths).is_err(), "not both sorts together");
    }
}
