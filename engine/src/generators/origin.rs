//! Where a generator's grid lies in a larger one.

use crate::tokens::{Cell, PartShape};

/// Where a generator's grid lies in a larger one. The noise of a cell is that of its place there, so that it stays
/// what it is whichever window writes the cell, and whatever else is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Its first row there.
    pub row: u32,
    /// Its first column there.
    pub column: u32,
    /// Columns of the larger grid.
    pub columns: u32,
}

impl Origin {
    /// Where a cell of the generator's grid is among all cells of the larger one, row by row.
    pub fn place(self, cell: Cell) -> u64 {
        let row = u64::from(self.row) + u64::from(cell.row);
        let column = u64::from(self.column) + u64::from(cell.column);
        row.wrapping_mul(self.columns.into()).wrapping_add(column)
    }

    /// Whether a grid that lies there is inside of the larger one, as far as columns tell it.
    pub fn holds(self, own: PartShape) -> bool {
        let end = u64::from(self.column) + own.columns as u64;
        end <= u64::from(self.columns)
    }
}
