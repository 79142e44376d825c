//! Cells of the tokens that are worked on, written anew in one way or in several: each is a generation of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::document::{Asked, Document, Moment, WorkOn};

/// Ways to write the same cells anew.
#[derive(Debug)]
pub struct Trials {
    /// What the tokens are of.
    pub on: WorkOn,
    /// Which of the sitting's documents they are of.
    pub(crate) number: usize,
    /// The generations, with seeds one after the other. One alone is taken when it is there.
    pub asked: Vec<Arc<Asked>>,
    /// The document when they were begun.
    pub(crate) begun: Document,
    /// The moment of a generation that was looked at before.
    pub(crate) before: Option<Moment>,
    /// Those that are in the tree of variations.
    pub(crate) noted: BTreeSet<usize>,
    /// Whether it was said that one of them failed.
    pub(crate) is_failure_said: bool,
}

impl Trials {
    /// Whether a person picks one of them.
    pub fn are_shown(&self) -> bool {
        self.asked.len() > 1
    }
}
