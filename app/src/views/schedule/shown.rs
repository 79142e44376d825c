//! What is seen of the schedule.

use std::sync::Arc;

use smalti_engine::generators::{GeneratorConfig, Unmasking, windows};
use smalti_engine::questions::OpenedPainter;
use smalti_engine::tokens::{Cell, PartShape};

use crate::document::Asked;

/// The settings, and how many cells are written.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) unmasking: &'a Unmasking,
    pub(super) cells: usize,
    /// Tokens of each step, of all windows.
    pub(super) written: Vec<usize>,
    /// In how many windows they are written, one after the other, each by the schedule.
    pub(super) windows: usize,
    /// Cells of the largest window, and the tokens of each of its steps.
    pub(super) largest: (usize, Vec<usize>),
}

impl<'a> Shown<'a> {
    /// By the cells of each window.
    pub(super) fn new(unmasking: &'a Unmasking, windows: &[usize]) -> Self {
        let written = |cells: usize| unmasking.schedule.written(cells, unmasking.steps);
        let largest = windows.iter().max().copied().unwrap_or_default();
        Self {
            unmasking,
            cells: windows.iter().sum(),
            written: windows.iter().flat_map(|cells| written(*cells)).collect(),
            windows: windows.len(),
            largest: (largest, written(largest)),
        }
    }
}

/// The windows of what was asked last: finding them takes as long as tokens are many, and every frame asks.
#[derive(Debug, Default)]
pub(super) struct Known(Option<(Arc<Asked>, Arc<OpenedPainter>, Vec<usize>)>);

impl Known {
    /// How many cells are written in each of them.
    pub(super) fn windows(&mut self, asked: &Arc<Asked>, opened: &Arc<OpenedPainter>) -> &[usize] {
        let known = self.0.take();
        let known = known.filter(|(of, by, _)| Arc::ptr_eq(of, asked) && Arc::ptr_eq(by, opened));
        let known = known.unwrap_or_else(|| {
            (Arc::clone(asked), Arc::clone(opened), windows_of(asked, opened.config()))
        });
        &self.0.insert(known).2
    }
}

fn windows_of(asked: &Asked, config: &GeneratorConfig) -> Vec<usize> {
    let all = asked.grid.map_or(config.cells(), |(rows, columns)| rows.saturating_mul(columns));
    let one = vec![all.saturating_sub(asked.given.len())];
    let (Some((rows, columns)), [own]) = (asked.grid, config.layout.as_slice()) else { return one };
    let part = PartShape { rows, columns, ..*own };
    // What is too much is not asked for either.
    if part == *own || all > Asked::MOST_CELLS {
        return one;
    }
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| Cell::at(row, column)));
    let free = cells.filter(|cell| !asked.given.contains_key(cell)).collect();
    let windows = windows(part, *own, &free);
    windows.map_or(one, |all| all.iter().map(|window| window.cells.len()).collect())
}
