//! Token grids: which code stands where.

pub mod files;
pub mod from_arrays;
mod npy;

use std::sync::Arc;

use crate::{EngineError, Result};

/// No codebook is larger: codes are below it.
const MAX_CODEBOOK: u32 = u32::MAX;

/// A place in a grid. Multi-scale grids add the scale.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Cell {
    /// The scale; 0 where there is only one.
    pub scale: u16,
    /// The frame; 0 for still images.
    pub frame: u16,
    /// The row, from the top.
    pub row: u16,
    /// The column, from the left.
    pub column: u16,
}

impl Cell {
    /// A place in a still image's only scale.
    pub fn at(row: usize, column: usize) -> Self {
        Self { scale: 0, frame: 0, row: row as u16, column: column as u16 }
    }
}

/// A grid of codes, row by row. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grid {
    frames: usize,
    height: usize,
    width: usize,
    codebook_size: u32,
    tokens: Arc<[u32]>,
}

impl Grid {
    /// A grid of one frame.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the count does not fit or a code is not below `codebook_size`;
    /// the first wrong place is named.
    pub fn new(
        height: usize,
        width: usize,
        codebook_size: u32,
        tokens: impl Into<Arc<[u32]>>,
    ) -> Result<Self> {
        let tokens = tokens.into();
        if tokens.is_empty() || Some(tokens.len()) != height.checked_mul(width) {
            return Err(EngineError::bad_input(
                "token grid",
                format!("{} tokens do not fill {height}x{width}", tokens.len()),
                "",
            ));
        }
        if let Some(place) = tokens.iter().position(|&code| code >= codebook_size) {
            return Err(EngineError::bad_input(
                "token grid",
                format!(
                    "code {} at row {}, column {} is outside the codebook 0..{codebook_size}",
                    tokens[place],
                    place / width,
                    place % width
                ),
                "use tokens that were made with this tokenizer",
            ));
        }
        Ok(Self { frames: 1, height, width, codebook_size, tokens })
    }

    /// Frames; 1 for a still image.
    pub fn frames(&self) -> usize {
        self.frames
    }
    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }
    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }
    /// Codes are below this.
    pub fn codebook_size(&self) -> u32 {
        self.codebook_size
    }
    /// All codes, row by row.
    pub fn tokens(&self) -> &Arc<[u32]> {
        &self.tokens
    }
    /// The code at a place, if the place is inside.
    pub fn get(&self, row: usize, column: usize) -> Option<u32> {
        if row < self.height && column < self.width {
            self.tokens.get(row * self.width + column).copied()
        } else {
            None
        }
    }

    /// The same grid with some places changed; places outside are ignored.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if a code is not below the codebook's size.
    pub fn with(&self, changes: impl IntoIterator<Item = (Cell, u32)>) -> Result<Self> {
        let mut tokens = self.tokens.to_vec();
        for (cell, code) in changes {
            let (row, column) = (usize::from(cell.row), usize::from(cell.column));
            if row < self.height && column < self.width {
                tokens[row * self.width + column] = code;
            }
        }
        Self::new(self.height, self.width, self.codebook_size, tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_code_outside_the_codebook_and_names_its_place() {
        let error = Grid::new(2, 3, 10, vec![0, 1, 2, 3, 10, 5]).unwrap_err();
        assert!(error.to_string().contains("code 10 at row 1, column 1"), "{error}");
        assert!(Grid::new(2, 3, 10, vec![0; 5]).is_err());
        assert!(Grid::new(0, 0, 10, vec![]).is_err());
        assert!(Grid::new(usize::MAX, 2, 10, vec![0]).is_err());
    }

    #[test]
    fn a_change_makes_a_new_grid() {
        let grid = Grid::new(2, 2, 4, vec![0, 1, 2, 3]).unwrap();
        let changed = grid.with([(Cell::at(1, 0), 3)]).unwrap();
        assert_eq!(&**changed.tokens(), &[0, 1, 3, 3]);
        assert_eq!(&**grid.tokens(), &[0, 1, 2, 3]);
        assert!(grid.with([(Cell::at(0, 0), 4)]).is_err());
    }
}
