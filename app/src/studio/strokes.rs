//! Strokes of color that wait to become tokens.

use std::collections::VecDeque;

use smalti_engine::questions::BrushStroke;

use crate::document::WorkOn;

/// Strokes that are not in the tokens yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Strokes {
    pub(super) waiting: VecDeque<Waiting>,
    /// Whether the first one is being encoded.
    pub(super) is_at_work: bool,
}

/// A stroke, and where it was painted.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) on: WorkOn,
    pub(super) number: usize,
    pub(super) stroke: BrushStroke,
}
