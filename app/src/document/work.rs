//! What is done by hand, and to what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{ModelRef, Subject};
use smalti_engine::tokens::Cell;

/// What a person did to the tokens of a subject by a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Work {
    /// Tokens that were forced by hand, over what the tokenizer says.
    pub edits: Arc<BTreeMap<Cell, u32>>,
    /// Cells that must not change.
    pub locks: Arc<BTreeSet<Cell>>,
}

impl Work {
    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.locks.is_empty()
    }
}

/// What work belongs to: the same cells of another image, size or tokenizer mean something else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkOn {
    /// The image or the tokens.
    pub subject: Subject,
    /// The size it is worked on at; of given tokens, which have their own, always the same.
    pub size: WorkingSize,
    /// The tokenizer.
    pub model: ModelRef,
}

impl WorkOn {
    /// Of a subject at a size by a tokenizer.
    pub fn new(subject: Subject, size: WorkingSize, model: ModelRef) -> Self {
        let own = WorkingSize::square(256, 1);
        let size = if subject.image().is_some() { size } else { own };
        Self { subject, size, model }
    }
}
