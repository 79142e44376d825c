//! Where images come from: Worlds, folders, archives, and mixes of them.

use crate::Result;
use crate::images::Picture;

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
    /// Image `index` (below [`Source::len`]). Generated sets paint it with a short side of `side`
    /// pixels; files are decoded at their own size.
    fn sample(&self, index: u64, side: u32) -> Result<Sample>;
    /// What it is, in a few words, such as "folder kodak, 24 images".
    fn describe(&self) -> String;
}
