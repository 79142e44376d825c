//! How a document is looked at: part of it, because it is part of what is shown to others.

use serde::{Deserialize, Serialize};

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

/// How original and reconstruction are set against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum CompareMode {
    /// Side by side.
    #[default]
    Side,
    /// One over the other with a slider between.
    Slider,
    /// The reconstruction, and the original while the pointer is held down on it.
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
}

impl DifferenceKind {
    /// All, in the order of menus.
    pub const ALL: [Self; 3] = [Self::Absolute, Self::Signed, Self::Structure];

    /// What it is called on the screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Signed => "signed",
            Self::Structure => "structure",
        }
    }
}

/// How things are looked at: part of the document, because it is part of what is shown to others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Looks {
    /// What the colors of tokens stand for.
    pub color_by: ColorBy,
    /// How much the tokens cover the image, 0 to 1.
    pub token_opacity: f32,
    /// How original and reconstruction are set against each other.
    pub compare: CompareMode,
    /// Which difference is shown.
    pub difference: DifferenceKind,
    /// Whether the codes' numbers are written into cells that are large enough.
    pub show_ids: bool,
    /// Whether figures of the set are counted over all of its images, not over a sample: the same in all views.
    pub whole_set: bool,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            color_by: ColorBy::default(),
            token_opacity: 0.55,
            compare: CompareMode::default(),
            difference: DifferenceKind::default(),
            show_ids: true,
            whole_set: false,
        }
    }
}
