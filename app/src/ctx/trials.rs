//! Cells of the tokens that are worked on, written anew in one way or in several: each is a generation of its own.

use std::sync::Arc;

use crate::document::{Asked, Document, WorkOn};

/// Ways to write the same cells anew.
#[derive(Debug)]
pub struct Trials {
    /// What the tokens are of.
    pub on: WorkOn,
    /// How many cells are written.
    pub cells: usize,
    /// The generations, with seeds one after the other. One alone is taken when it is there.
    pub asked: Vec<Arc<Asked>>,
    /// The document when they were begun.
    pub(crate) begun: Document,
    /// Whether those that are done are in the tree of variations.
    pub(crate) is_noted: bool,
}

impl Trials {
    /// Whether a person picks one of them.
    pub fn are_shown(&self) -> bool {
        self.asked.len() > 1
    }
}
