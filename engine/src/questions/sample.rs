//! What a figure over many images is about: how many of how many, and at which sizes.

use super::image::{ImageRef, SourceInfo};
use crate::Result;
use crate::images::Picture;
use crate::session::Desk;

/// How many images an answer is about, and of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageSample {
    /// Images that were looked at.
    pub images: u64,
    /// Images of the set that they are from.
    pub total: u64,
}

impl ImageSample {
    /// `images` of those that were asked about, which are a part of a set.
    pub(super) fn new(desk: &Desk<'_>, asked: &[ImageRef], images: usize) -> Result<Self> {
        let mut total = asked.len() as u64;
        if let Some(ImageRef::InSource { source, .. }) = asked.first()
            && asked.iter().all(
                |image| matches!(image, ImageRef::InSource { source: other, .. } if other == source),
            )
        {
            total = total.max(desk.ask(&SourceInfo { source: source.clone() })?.len);
        }
        Ok(Self { images: images as u64, total })
    }

    /// Whether images were left out.
    pub fn is_part(&self) -> bool {
        self.images < self.total
    }
}

/// At which sizes images were encoded.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    /// [Width, height] of the smallest and the largest by pixels.
    range: Option<[[u32; 2]; 2]>,
    /// Images that were smaller than they were encoded at.
    pub enlarged: usize,
}

impl Sizes {
    /// Counts an image: as it was encoded, and as it was.
    pub fn add(&mut self, encoded: &Picture, original: &Picture) {
        let size = [encoded.width(), encoded.height()];
        let [least, most] = self.range.unwrap_or([size; 2]);
        let pixels = |[width, height]: [u32; 2]| u64::from(width) * u64::from(height);
        let least = if pixels(size) < pixels(least) { size } else { least };
        let most = if pixels(size) > pixels(most) { size } else { most };
        self.range = Some([least, most]);
        let is_enlarged = original.width() < size[0] || original.height() < size[1];
        self.enlarged += usize::from(is_enlarged);
    }

    /// [Width, height] of the smallest and the largest; zeros if there was none.
    pub fn range(&self) -> [[u32; 2]; 2] {
        self.range.unwrap_or_default()
    }
}

impl std::fmt::Display for Sizes {
    /// "28x28", "28x28 to 256x256".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [least, most] = self.range();
        write!(f, "{}x{}", least[0], least[1])?;
        if least == most { Ok(()) } else { write!(f, " to {}x{}", most[0], most[1]) }
    }
}
