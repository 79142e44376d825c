//! The document as a value, and how it is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smalti_engine::answers::{Encoded, GridRef, ImageRef, ModelRef, SourceRef};
use smalti_engine::images::WorkingSize;
use smalti_engine::tokens::Cell;

use super::Slot;

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
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            color_by: ColorBy::default(),
            token_opacity: 0.55,
            compare: CompareMode::default(),
            difference: DifferenceKind::default(),
            show_ids: true,
        }
    }
}

/// What is picked, the same in every view.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Cells of the grid.
    pub cells: Arc<BTreeSet<Cell>>,
    /// A code.
    pub code: Option<u32>,
    /// Codes that stay in sight while others are picked.
    pub pinned: Arc<[u32]>,
}

/// Everything a person decided. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The image that is worked on.
    pub image: Option<ImageRef>,
    /// The set it is picked from.
    pub source: SourceRef,
    /// The size it is worked on at. `multiple_of` is replaced by the tokenizer's factor.
    pub size: WorkingSize,
    /// The tokenizer.
    pub model: ModelRef,
    /// The tokenizer it is compared with.
    pub model_b: Option<ModelRef>,
    /// Tokens that were forced by hand, over what the tokenizer says.
    pub edits: Arc<BTreeMap<Cell, u32>>,
    /// Cells that must not change.
    pub locks: Arc<BTreeSet<Cell>>,
    /// Codes that may not be used.
    pub switched_off: Arc<BTreeSet<u32>>,
    /// What is picked.
    pub selection: Selection,
    /// How it is looked at.
    pub looks: Looks,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            image: None,
            source: SourceRef::Samples,
            size: WorkingSize::square(256, 1),
            model: ModelRef::Shipped("worlds-fsq".into()),
            model_b: None,
            edits: Arc::default(),
            locks: Arc::default(),
            switched_off: Arc::default(),
            selection: Selection::default(),
            looks: Looks::default(),
        }
    }
}

impl Document {
    /// The tokenizer in a slot.
    pub fn model(&self, slot: Slot) -> Option<&ModelRef> {
        match slot {
            Slot::A => Some(&self.model),
            Slot::B => self.model_b.as_ref(),
        }
    }

    /// The grid that is decoded: what the tokenizer said, with the forced tokens over it. Costs a
    /// pass over the grid when there are edits: [`crate::ctx::ViewCtx::grid`] keeps the last ones.
    pub fn grid(&self, encoded: &Encoded) -> GridRef {
        if self.edits.is_empty() {
            return encoded.grid.clone();
        }
        let grid = encoded.grid.grid();
        // A code of another tokenizer's codebook has no meaning here.
        let k = grid.codebook_size();
        let changes = self.edits.iter().map(|(cell, code)| (*cell, *code)).filter(|c| c.1 < k);
        grid.with(changes).map_or_else(|_| encoded.grid.clone(), GridRef::new)
    }

    /// Whether two documents differ in more than what is picked: the measure for undo and for
    /// unsaved changes.
    pub fn differs_beyond_selection(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self.clone(), other.clone());
        a.selection = Selection::default();
        b.selection = Selection::default();
        a != b
    }
}
