//! How a document is looked at: part of it, because it is part of what is shown to others.

use serde::{Deserialize, Serialize};

use super::rates::RatesLook;
use super::slot::Slot;

/// What the colors of tokens stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum ColorBy {
    /// A hue for each code: by the golden angle, or by level vector where codes have levels.
    Code,
    /// The mean color that each code decodes to, so that the grid reads as the picture's mosaic.
    #[default]
    Mosaic,
    /// How often the code is used.
    Usage,
    /// How much of the picture is lost in the cell.
    Difference,
}

impl ColorBy {
    /// All, in the order of menus.
    pub const ALL: [Self; 4] = [Self::Code, Self::Mosaic, Self::Usage, Self::Difference];

    /// What it is called on the screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Mosaic => "mosaic",
            Self::Usage => "usage",
            Self::Difference => "difference",
        }
    }
}

/// How the pictures of a pair are set against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum CompareMode {
    /// Side by side.
    #[default]
    Side,
    /// One over the other with a slider between.
    Slider,
    /// The right one of a pair, and the left one while the pointer is held down on it.
    Swap,
}

impl CompareMode {
    /// All, in the order of menus.
    pub const ALL: [Self; 3] = [Self::Side, Self::Slider, Self::Swap];

    /// What it is called on the screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Side => "side by side",
            Self::Slider => "slider",
            Self::Swap => "swap",
        }
    }
}

/// Two pictures that are set against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// Whose reconstruction stands at the left; the original if `None`.
    pub left: Option<Slot>,
    /// Whose reconstruction stands at the right.
    pub right: Slot,
}

impl Pair {
    /// All of some tokenizers: each with the original, then each with those behind it.
    pub fn all_of(slots: &[Slot]) -> Vec<Self> {
        let with_original = slots.iter().map(|right| Self { left: None, right: *right });
        let with_each_other = slots.iter().enumerate().flat_map(|(at, left)| {
            slots.iter().skip(at + 1).map(|right| Self { left: Some(*left), right: *right })
        });
        with_original.chain(with_each_other).collect()
    }

    /// What it is called on the screen.
    pub fn label(self) -> String {
        let left = self.left.map_or("original".to_owned(), |slot| slot.letter().to_string());
        format!("{left}|{}", self.right.letter())
    }
}

/// Which difference between original and reconstruction is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum DifferenceKind {
    /// Absolute, mean over the channels.
    #[default]
    Absolute,
    /// Signed: too dark is blue, too bright is red.
    Signed,
    /// 1 - SSIM: where structure is lost.
    Structure,
    /// None, so that the pictures are larger.
    Hidden,
}

impl DifferenceKind {
    /// All, in the order of menus.
    pub const ALL: [Self; 4] = [Self::Absolute, Self::Signed, Self::Structure, Self::Hidden];

    /// What it is called on the screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Signed => "signed",
            Self::Structure => "structure",
            Self::Hidden => "no map",
        }
    }
}

/// How a picture is looked at whose tokens were edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EditLooks {
    /// Whether all of it is seen as its tokens decode; else the original's pixels stay where an edit moves none.
    pub whole_decoding: bool,
    /// Whether the pixels that the edit moves are marked in what is decoded.
    pub moved: bool,
    /// Whether the tokens are marked that would be others if the picture were encoded again.
    pub again: bool,
}

/// How things are looked at: part of the document, because it is part of what is shown to others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Looks {
    /// What the colors of tokens stand for.
    pub color_by: ColorBy,
    /// How much the tokens cover the image, 0 to 1.
    pub token_opacity: f32,
    /// How the pictures of a pair are set against each other.
    pub compare: CompareMode,
    /// Which pair is compared; all at once, or the first pair where only two can be shown, if `None`.
    pub pair: Option<Pair>,
    /// Which difference is shown.
    pub difference: DifferenceKind,
    /// Whether the codes' numbers are written into cells that are large enough.
    pub show_ids: bool,
    /// How a picture is looked at whose tokens were edited.
    pub edited: EditLooks,
    /// Whether it is seen what each scale adds, not the picture so far.
    pub adds: bool,
    /// Whether figures of the set are counted over all of its images, not over a sample: the same in all views.
    pub whole_set: bool,
    /// What is seen of rate against quality.
    pub rates: RatesLook,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            color_by: ColorBy::default(),
            token_opacity: 0.55,
            compare: CompareMode::default(),
            pair: None,
            difference: DifferenceKind::default(),
            show_ids: true,
            edited: EditLooks::default(),
            adds: false,
            whole_set: false,
            rates: RatesLook::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_two_pictures_are_a_pair_and_each_pair_is_there_once() {
        let labels = |slots: &[Slot]| -> Vec<String> {
            Pair::all_of(slots).into_iter().map(Pair::label).collect()
        };
        assert_eq!(labels(&[Slot::A]), ["original|A"]);
        let three = ["original|A", "original|B", "original|D", "A|B", "A|D", "B|D"];
        assert_eq!(labels(&[Slot::A, Slot::B, Slot::D]), three);
    }
}
