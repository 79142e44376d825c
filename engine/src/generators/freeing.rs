//! Which cells of a selection are written again, where some of them stay as they were: from "as it was" to "free".

use std::collections::BTreeSet;

use crate::random::{Noise, Purpose};
use crate::tokens::Cell;
use crate::{EngineError, Result};

/// The share of these cells that is written again, at least one of them: chosen by counter-based noise, so that a
/// larger share of the same seed is a smaller one with more cells.
///
/// # Errors
/// [`EngineError::BadInput`] if the share is not above 0 and at most 1.
pub fn freed(cells: &BTreeSet<Cell>, share: f32, seed: u64) -> Result<BTreeSet<Cell>> {
    if !(share > 0.0 && share <= 1.0) {
        let reason = format!("{share} is not above 0 and at most 1");
        return Err(EngineError::bad_input("free", reason, "1 writes all cells again"));
    }
    let draw = |cell: &Cell| {
        let place = (u64::from(cell.row) << 32) | u64::from(cell.column);
        Noise::new(seed, Purpose::Freed, cell.part.into(), place).bits(0)
    };
    let mut drawn: Vec<(u32, Cell)> = cells.iter().map(|cell| (draw(cell), *cell)).collect();
    drawn.sort_unstable();
    let count = (f64::from(share) * drawn.len() as f64).round().max(1.0) as usize;
    Ok(drawn.into_iter().take(count).map(|(_, cell)| cell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_share_is_a_smaller_one_with_more_cells_and_another_seed_frees_others() {
        let cells: BTreeSet<Cell> = (0..40).map(|at| Cell::at(at / 8, at % 8)).collect();
        let mut smaller = BTreeSet::new();
        for (share, count) in [(0.001, 1), (0.25, 10), (0.6, 24), (1.0, 40)] {
            let free = freed(&cells, share, 3).unwrap();
            assert_eq!(free.len(), count, "{share}");
            assert!(free.is_superset(&smaller) && free.is_subset(&cells), "{share}");
            smaller = free;
        }
        assert_ne!(freed(&cells, 0.25, 3).unwrap(), freed(&cells, 0.25, 4).unwrap());
        assert!(freed(&BTreeSet::new(), 0.5, 3).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for share in [0.0, -0.5, 1.5, f32::NAN, f32::INFINITY] {
            assert!(freed(&[Cell::at(0, 0)].into(), share, 0).is_err(), "{share}");
        }
    }
}
