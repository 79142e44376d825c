//! What is seen of the schedule.

use smalti_engine::generators::Unmasking;

/// The settings, and how many cells are written.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) unmasking: &'a Unmasking,
    pub(super) cells: usize,
    /// Tokens of each step.
    pub(super) written: Vec<usize>,
}
