//! What is to be measured: which tokenizer, on which images, which part of them.

use std::ops::Range;

use super::lpips::LpipsFiles;
use crate::questions::{ModelRef, SourceRef};
use crate::{EngineError, Result};

/// Qualities at which the same images are written as JPEG.
pub const JPEG_QUALITIES: [u8; 8] = [3, 8, 15, 25, 40, 60, 80, 92];

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Measured {
    /// A tokenizer; of one whose residual levels add up also the first few alone, each a rate of its own.
    Tokenizer {
        /// Which one.
        model: ModelRef,
        /// Whether fewer levels are measured, too.
        by_levels: bool,
    },
    /// JPEG at [`JPEG_QUALITIES`]: what an ordinary format makes of the same images.
    Jpeg,
}

impl Measured {
    /// What a person calls it.
    pub fn label(&self) -> String {
        match self {
            Self::Tokenizer { model, .. } => model.label(),
            Self::Jpeg => "JPEG".to_owned(),
        }
    }

    /// Several in a few words, such as "3 tokenizers and JPEG".
    pub fn counted<'a>(all: impl Iterator<Item = &'a Self>) -> String {
        let (mut tokenizers, mut has_format) = (0, false);
        for measured in all {
            match measured {
                Self::Tokenizer { .. } => tokenizers += 1,
                Self::Jpeg => has_format = true,
            }
        }
        let models = match tokenizers {
            1 => "1 tokenizer".to_owned(),
            many => format!("{many} tokenizers"),
        };
        match (tokenizers, has_format) {
            (0, true) => "JPEG".to_owned(),
            (_, true) => format!("{models} and JPEG"),
            (_, false) => models,
        }
    }
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Plan {
    /// What is measured.
    pub measured: Measured,
    /// On which set.
    pub source: SourceRef,
    /// On how many images of it at most, spread over it.
    pub most: u64,
    /// Side in pixels of the middle square; the images' own where it is `None`, see
    /// [`crate::questions::OwnSide`].
    pub side: Option<u32>,
    /// Which part of these images.
    pub shard: Shard,
    /// The seed of the intervals.
    pub seed: u64,
    /// The person's own weights of LPIPS, if that is measured, too.
    pub lpips: Option<LpipsFiles>,
}

impl Plan {
    /// A measurement of all images of a set at their own side.
    pub fn new(measured: Measured, source: SourceRef) -> Self {
        let (most, side, shard) = (u64::MAX, None, Shard::WHOLE);
        Self { measured, source, most, side, shard, seed: 0, lpips: None }
    }
}

/// The numbers in a set of the images that are measured: of all of a set nothing has to be listed.
pub(super) enum Indices {
    All { from: u64 },
    Some(Vec<u64>),
}

impl Indices {
    /// Of a part of at most `most` of a set's `total` images; and how many these are.
    pub(super) fn of(source: &SourceRef, (total, most): (u64, u64), shard: Shard) -> (Self, u64) {
        let range = shard.range(total.min(most));
        let count = range.end - range.start;
        if total <= most {
            return (Self::All { from: range.start }, count);
        }
        let all = source.sampled(total, most);
        (Self::Some(all[range.start as usize..range.end as usize].to_vec()), count)
    }

    /// The number of the image at a place among them.
    pub(super) fn at(&self, place: u64) -> u64 {
        match self {
            Self::All { from } => from + place,
            Self::Some(indices) => indices.get(place as usize).copied().unwrap_or(0),
        }
    }
}

/// A part of a set, "2/3": its images in order are cut into as many runs of the same length.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Shard {
    /// Which one, from 1.
    pub number: u64,
    /// Of how many.
    pub of: u64,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { number: 1, of: 1 };
    /// More parts would be a slip of the hand.
    const MOST: u64 = 100_000;

    /// Which of `total` images.
    pub fn range(self, total: u64) -> Range<u64> {
        let at = |number: u64| {
            (u128::from(total) * u128::from(number) / u128::from(self.of.max(1))) as u64
        };
        at(self.number.saturating_sub(1))..at(self.number)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl std::str::FromStr for Shard {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/').and_then(|(number, of)| {
            Some(Self { number: number.trim().parse().ok()?, of: of.trim().parse().ok()? })
        });
        numbers.filter(|it| it.number >= 1 && it.number <= it.of && it.of <= Self::MOST).ok_or_else(
            || {
                let reason = format!("{text} is no part of a set");
                EngineError::bad_input("shard", reason, "write which of how many, such as 2/3")
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpeg_is_counted_as_no_tokenizer() {
        let model = ModelRef::Shipped("worlds-fsq".into());
        let one = Measured::Tokenizer { model, by_levels: true };
        let said = |all: &[Measured]| Measured::counted(all.iter());
        assert_eq!(said(&[Measured::Jpeg]), "JPEG");
        assert_eq!(said(&[Measured::Jpeg, one.clone()]), "1 tokenizer and JPEG");
        assert_eq!(said(&[one.clone(), one]), "2 tokenizers");
        assert_eq!(said(&[]), "0 tokenizers");
    }

    #[test]
    fn shards_are_all_images_once() {
        for (total, of) in [(24, 3), (25, 4), (2, 5), (0, 3), (1_281_167, 64)] {
            let mut next = 0;
            for number in 1..=of {
                let range = Shard { number, of }.range(total);
                assert_eq!(range.start, next);
                assert!(range.end - range.start <= total.div_ceil(of));
                next = range.end;
            }
            assert_eq!(next, total);
        }
        assert_eq!("2/3".parse::<Shard>().unwrap(), Shard { number: 2, of: 3 });
        for bad in ["0/3", "4/3", "2", "a/b", "1/0", "-1/3", "1/1000000"] {
            let error = bad.parse::<Shard>().unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }
}
