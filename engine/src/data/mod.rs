//! Where images come from: Worlds, folders, archives, arrays, and mixes of them.
//!
//! [`open_source`] opens whatever a path holds, [`Loader`] turns a source into training batches.

pub mod worlds;

use crate::Result;
use crate::images::Picture;

mod archive_names;
pub mod arrays;
pub mod braces;
pub mod cache;
pub mod cifar;
pub mod folder;
pub mod idx;
mod layout;
pub mod loader;
pub mod mix;
mod named;
pub mod open;
mod packed;
pub mod pictures;
pub mod tar;

pub use cache::Cached;
pub use loader::{Batch, CropRule, Crops, Loader, LoaderOptions, SkipReport};
pub use mix::Mix;
pub use named::Named;
pub use open::open_source;

/// One image with what is known of it.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The picture.
    pub picture: Picture,
    /// The class, an index into [`Source::classes`].
    pub class: Option<u32>,
    /// A caption.
    pub caption: Option<String>,
    /// The file's name, or the address inside a generated set.
    pub name: String,
}

/// A set of images with random access.
pub trait Source: std::fmt::Debug + Send + Sync {
    /// Number of images.
    fn len(&self) -> u64;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Names of the classes, in order; empty when there are none.
    fn classes(&self) -> &[String];
    /// The class of image `index`, known without decoding it; an index into [`Source::classes`].
    fn class_of(&self, index: u64) -> Option<u32>;
    /// Image `index` (below [`Source::len`]). Generated sets paint it with a short side of `side`
    /// pixels; files are decoded at their own size.
    fn sample(&self, index: u64, side: u32) -> Result<Sample>;
    /// [Width, height] of every image, where all are of one size and it is known before any is
    /// decoded.
    fn size(&self) -> Option<[u32; 2]> {
        None
    }
    /// [Width, height] of [`Source::sample`], where the image is painted; of files, nothing is known
    /// before they are decoded.
    fn painted_size(&self, _index: u64, _side: u32) -> Option<[u32; 2]> {
        None
    }
    /// Image `index` with the pixels [x, y, width, height] of [`Source::sample`] alone. Generated sets
    /// paint little more than these.
    fn sample_part(&self, index: u64, side: u32, part: [u32; 4]) -> Result<Sample> {
        let sample = self.sample(index, side)?;
        let [x, y, width, height] = part;
        Ok(Sample { picture: sample.picture.crop(x, y, width, height)?, ..sample })
    }
    /// What it is, in a few words, such as "folder kodak, 24 images".
    fn describe(&self) -> String;
    /// A number for what is listed, other for other names, sizes or orders of images, without decoding any; of
    /// one file of many images a number over its pixels. None where nothing is listed, as of painted sets.
    fn listing(&self) -> Option<u64> {
        None
    }
    /// A number for when and how long the file of image `index` was last written: another one where it may hold
    /// something else by now. On another machine it is another one, too. None of painted sets, and of a file
    /// whose pixels are all in [`Source::listing`].
    fn written(&self, _index: u64) -> Option<u64> {
        None
    }
    /// What a person might want to know about how it was opened, such as a sub-folder that could
    /// not be read; usually nothing.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The error for an index beyond the end.
fn no_such_image(index: u64, source: &dyn Source) -> crate::EngineError {
    crate::EngineError::bad_input(
        format!("image {index}"),
        format!("there is none: this is {}", source.describe()),
        "",
    )
}

/// "1 image", "2,000 images".
fn images_in_words(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} image{}", if count == 1 { "" } else { "s" })
}

/// The last part of a path, for [`Source::describe`].
fn short_name(path: &std::path::Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_images_are_readable() {
        assert_eq!(images_in_words(0), "0 images");
        assert_eq!(images_in_words(1), "1 image");
        assert_eq!(images_in_words(999), "999 images");
        assert_eq!(images_in_words(1_234_567), "1,234,567 images");
    }
}
