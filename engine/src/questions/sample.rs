//! What a figure over many images is about: how many of how many, and at which sizes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::image::{ImageRef, SourceInfo, SourceRef};
use crate::Result;
use crate::images::Picture;
use crate::session::{Desk, Question};

/// Images of a set that figures are taken over, one sample for all views.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetSample {
    /// Which set.
    pub source: SourceRef,
    /// At most so many images.
    pub most: u64,
}

impl Question for SetSample {
    type Answer = Arc<[ImageRef]>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Arc<[ImageRef]>> {
        let total = desk.ask(&SourceInfo { source: self.source.clone() })?.len;
        let of_set = |index| ImageRef::InSource { source: self.source.clone(), index };
        Ok(self.source.sampled(total, self.most).into_iter().map(of_set).collect())
    }

    fn bytes(answer: &Arc<[ImageRef]>) -> usize {
        answer.len() * size_of::<ImageRef>()
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

impl SourceRef {
    /// Whether each of its images is drawn anew, so that the first ones are as good a sample as any.
    pub fn is_drawn(&self) -> bool {
        matches!(self, Self::Worlds { .. })
    }

    /// The numbers of at most `most` of its `total` images, in order: spread over the set, whose first images
    /// are often all of one class.
    pub fn sampled(&self, total: u64, most: u64) -> Vec<u64> {
        if self.is_drawn() { (0..most.min(total)).collect() } else { spread(total, most) }
    }
}

/// `count` of the numbers below `total`, in order, each once, evenly spread; all of them where there are no
/// more. The same each time, and a larger count has all of a smaller one: they are points of the sequence of
/// multiples of the golden ratio, of which every beginning is spread.
fn spread(total: u64, count: u64) -> Vec<u64> {
    /// 2^64 divided by the golden ratio.
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    if count >= total {
        return (0..total).collect();
    }
    let mut taken = BTreeSet::new();
    let mut point = STEP / 2;
    while (taken.len() as u64) < count {
        taken.insert(((u128::from(point) * u128::from(total)) >> 64) as u64);
        point = point.wrapping_add(STEP);
    }
    taken.into_iter().collect()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_the_set_and_grows_without_losing_an_image() {
        for total in [65, 100, 5_000, 1_281_167] {
            let (few, many) = (spread(total, 24), spread(total, 64));
            assert_eq!((few.len(), many.len()), (24, 64));
            assert!(few.iter().all(|index| many.contains(index)), "of {total}");
            assert!(many.is_sorted_by(|a, b| a < b) && many.iter().all(|index| *index < total));
            // Ten classes one behind the other: each has its share.
            for class in 0..10 {
                let of_class = |index: &&u64| **index * 10 / total == class;
                let found = many.iter().filter(of_class).count();
                assert!((5..=8).contains(&found), "{found} of class {class}, of {total}");
            }
        }
        assert_eq!(spread(5, 64), [0, 1, 2, 3, 4]);
        assert_eq!(spread(1000, 999).len(), 999);
        assert!(spread(0, 64).is_empty());
    }

    #[test]
    fn worlds_are_drawn_anew_each_so_their_first_ones_are_a_sample() {
        assert_eq!(SourceRef::Worlds { seed: 1 }.sampled(100_000, 3), [0, 1, 2]);
        assert_ne!(SourceRef::Samples.sampled(100_000, 3), [0, 1, 2]);
    }
}
