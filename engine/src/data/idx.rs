//! IDX files: MNIST and everything in its format, plain or gzipped.
//!
//! A file of images (magic 00 00 08 03: bytes, three dimensions) and beside it a file of labels
//! (00 00 08 01) of the same name with `labels-idx1` for `images-idx3`. Gray becomes RGB.
//! Source: the format's description on yann.lecun.com/exdb/mnist.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::packed::{is_gzip, unpack};
use super::{Sample, Source, images_in_words, no_such_image, short_name};
use crate::images::{Picture, file};
use crate::random::bytes_hash;
use crate::{EngineError, Result};

const MAX_BYTES: u64 = 1 << 30;
const IMAGES_MAGIC: [u8; 4] = [0, 0, 8, 3];
const LABELS_MAGIC: [u8; 4] = [0, 0, 8, 1];

/// Images of an IDX file, with labels where there are any.
#[derive(Debug)]
pub struct Idx {
    path: PathBuf,
    pixels: Vec<u8>,
    width: u32,
    height: u32,
    labels: Option<Vec<u8>>,
    classes: Vec<String>,
    notes: Vec<String>,
    listing: OnceLock<u64>,
}

impl Idx {
    /// Opens the file of images; labels are taken from the file beside it if it is there.
    ///
    /// # Errors
    /// [`EngineError::Io`], or [`EngineError::BadFile`] if sizes do not fit.
    pub fn open(path: &Path) -> Result<Self> {
        let images = read(path)?;
        let labels = match labels_path(path) {
            Some(path) => Some((read(&path)?, path)),
            None => None,
        };
        let labels = labels.as_ref().map(|(bytes, path)| (bytes.as_slice(), path.as_path()));
        Self::from_bytes(&images, path, labels)
    }

    /// The images of a file's bytes, and labels with their file's name for messages.
    ///
    /// # Errors
    /// [`EngineError::BadFile`] if sizes do not fit.
    pub fn from_bytes(bytes: &[u8], name: &Path, labels: Option<(&[u8], &Path)>) -> Result<Self> {
        if bytes.starts_with(&LABELS_MAGIC) {
            return Err(EngineError::bad_file(
                name,
                "these are the labels of an IDX set",
                "Open the file of images beside it (such as train-images-idx3-ubyte)",
            ));
        }
        let [count, height, width] = dimensions(bytes, IMAGES_MAGIC, name)?;
        if width == 0 || height == 0 || width > 4096 || height > 4096 {
            return Err(EngineError::bad_file(
                name,
                format!("its header says images of {width}x{height} pixels"),
                "The file is damaged, or it does not hold images",
            ));
        }
        let wanted = u64::from(count) * u64::from(width) * u64::from(height);
        let pixels = content(bytes, 16, wanted, name)?.to_vec();
        let labels = match labels {
            None => None,
            Some((bytes, labels_name)) => {
                let [n_labels] = dimensions(bytes, LABELS_MAGIC, labels_name)?;
                if n_labels != count {
                    return Err(EngineError::bad_file(
                        labels_name,
                        format!("{n_labels} labels for {count} images"),
                        "The two files do not belong together",
                    ));
                }
                Some(content(bytes, 8, u64::from(count), labels_name)?.to_vec())
            }
        };
        let notes = match labels {
            None => vec!["no file of labels beside it: the images have no classes".to_owned()],
            Some(_) => Vec::new(),
        };
        let n_classes = labels.iter().flatten().max().map_or(0, |&largest| u32::from(largest) + 1);
        let classes = (0..n_classes).map(|class| class.to_string()).collect();
        let (path, listing) = (name.to_owned(), OnceLock::new());
        Ok(Self { path, pixels, width, height, labels, classes, notes, listing })
    }

    /// Whether bytes begin like an IDX file of images or labels.
    pub(super) fn is_idx(start: &[u8]) -> bool {
        start.starts_with(&IMAGES_MAGIC) || start.starts_with(&LABELS_MAGIC)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = file::read_file(path, MAX_BYTES)?;
    if is_gzip(&bytes) { unpack(bytes.as_slice(), path, MAX_BYTES) } else { Ok(bytes) }
}

/// The labels that belong to a file of images, plain or gzipped, if they are there.
fn labels_path(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    if labels == name {
        return None;
    }
    let plain = labels.trim_end_matches(".gz");
    [labels.clone(), plain.to_owned(), format!("{plain}.gz")]
        .into_iter()
        .map(|name| images.with_file_name(name))
        .find(|path| path.is_file())
}

/// The N numbers after the magic one.
fn dimensions<const N: usize>(bytes: &[u8], magic: [u8; 4], name: &Path) -> Result<[u32; N]> {
    let header = bytes.get(..4 + 4 * N).filter(|header| header.starts_with(&magic));
    let Some(header) = header else {
        return Err(EngineError::bad_file(
            name,
            format!("this is not an IDX file of bytes with {N} dimension(s)"),
            "Images begin with the bytes 00 00 08 03, labels with 00 00 08 01",
        ));
    };
    let mut values = [0; N];
    for (value, bytes) in values.iter_mut().zip(header[4..].as_chunks::<4>().0) {
        *value = u32::from_be_bytes(*bytes);
    }
    Ok(values)
}

fn content<'a>(bytes: &'a [u8], header: usize, wanted: u64, name: &Path) -> Result<&'a [u8]> {
    let rest = bytes.get(header..).unwrap_or_default();
    if (rest.len() as u64) < wanted {
        return Err(EngineError::bad_file(
            name,
            format!(
                "it is cut off: its header promises {wanted} bytes of data, {} are there",
                rest.len()
            ),
            "Get the file again",
        ));
    }
    Ok(&rest[..wanted as usize])
}

impl Source for Idx {
    fn len(&self) -> u64 {
        self.pixels.len() as u64 / (u64::from(self.width) * u64::from(self.height))
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn class_of(&self, index: u64) -> Option<u32> {
        let label = self.labels.as_ref()?.get(usize::try_from(index).ok()?)?;
        Some(u32::from(*label))
    }
    fn sample(&self, index: u64, _side: u32) -> Result<Sample> {
        let plane = self.width as usize * self.height as usize;
        let number = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(gray) = number.checked_mul(plane).and_then(|at| self.pixels.get(at..at + plane))
        else {
            return Err(no_such_image(index, self));
        };
        let rgb: Vec<u8> = gray.iter().flat_map(|&value| [value; 3]).collect();
        Ok(Sample {
            picture: Picture::new(self.width, self.height, rgb)?,
            class: self.class_of(index),
            caption: None,
            name: format!("{} {index}", short_name(&self.path)),
        })
    }
    fn size(&self) -> Option<[u32; 2]> {
        Some([self.width, self.height])
    }
    fn describe(&self) -> String {
        format!("IDX {}, {}", short_name(&self.path), images_in_words(self.len()))
    }
    fn listing(&self) -> Option<u64> {
        let of = || {
            let size = (u64::from(self.width) << 32) | u64::from(self.height);
            let labels = self.labels.as_deref().unwrap_or_default();
            bytes_hash(bytes_hash(size, &self.pixels), labels)
        };
        Some(*self.listing.get_or_init(of))
    }
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(count: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = IMAGES_MAGIC.to_vec();
        for value in [count, 2, 3] {
            bytes.extend(value.to_be_bytes());
        }
        bytes.extend(data);
        bytes
    }

    fn labels(count: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = LABELS_MAGIC.to_vec();
        bytes.extend(count.to_be_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn images_and_labels_are_read() {
        let data: Vec<u8> = (0..12).collect();
        let (images, labels) = (images(2, &data), labels(2, &[4, 7]));
        let path = Path::new("labels");
        let source = Idx::from_bytes(&images, Path::new("i"), Some((&labels, path))).unwrap();
        assert_eq!((source.len(), source.classes().len()), (2, 8));
        let sample = source.sample(1, 8).unwrap();
        assert_eq!(sample.class, Some(7));
        assert_eq!((sample.picture.width(), sample.picture.height()), (3, 2));
        assert_eq!(sample.picture.pixel(1, 1), Some([10; 3]));
        assert!(source.sample(2, 8).is_err());
        // What has the same name and size, but another pixel, is another set.
        let listing =
            |bytes: &[u8]| Idx::from_bytes(bytes, Path::new("i"), None).unwrap().listing().unwrap();
        let other = self::images(2, &[&data[..11], &[99]].concat());
        let again = Idx::from_bytes(&images, Path::new("other"), Some((&labels, path))).unwrap();
        assert_eq!(again.listing(), source.listing());
        assert_ne!(Some(listing(&images)), source.listing(), "labels are a part of it");
        assert_ne!(listing(&images), listing(&other));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let name = Path::new("images");
        let error = Idx::from_bytes(&images(3, &[0; 12]), name, None).unwrap_err().to_string();
        assert!(error.contains("promises 18") && error.contains("12 are there"), "{error}");
        assert!(Idx::from_bytes(&images(u32::MAX, &[]), name, None).is_err());
        assert!(Idx::from_bytes(&IMAGES_MAGIC, name, None).is_err());
        let mut flat = images(1, &[0; 6]);
        flat[8..12].copy_from_slice(&[0; 4]);
        assert!(Idx::from_bytes(&flat, name, None).is_err(), "height 0");
        let (two, one) = (images(2, &[0; 12]), labels(1, &[0]));
        let error = Idx::from_bytes(&two, name, Some((&one, name))).unwrap_err().to_string();
        assert!(error.contains("1 labels for 2 images"), "{error}");
    }

    #[test]
    fn labels_given_as_images_are_recognized() {
        let problem =
            Idx::from_bytes(&labels(1, &[0]), Path::new("l"), None).unwrap_err().problem();
        assert!(problem.summary.contains("labels") && problem.hint.contains("images"), "{problem}");
    }
}
