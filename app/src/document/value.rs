//! The document as a value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smalti_engine::answers::{Encoded, GridRef, ImageRef, ModelRef, SourceRef};
use smalti_engine::images::WorkingSize;
use smalti_engine::tokens::Cell;

use super::looks::Looks;
use super::slot::Slot;

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
