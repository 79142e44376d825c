//! One part of tokens: a plane, a row or a clip of codes from one book.

use std::sync::Arc;

use super::Cell;
use crate::{EngineError, Result};

/// What stands in a cell without a token. No codebook is so large that it would be a code.
pub const MASKED: u32 = u32::MAX;

/// Books above this are refused: their codes could not be counted one by one. A pad such as 2147483647
/// among the codes would otherwise make a codebook of as many.
pub const MOST_CODES: u32 = 1 << 26;

/// The shape of a part, and which book its codes are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct PartShape {
    /// Frames; 1 for a still image.
    pub frames: usize,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// The number of the book among the tokenizer's.
    pub book: u16,
}

impl PartShape {
    /// A plane of a still image, of the first book.
    pub fn grid(rows: usize, columns: usize) -> Self {
        Self { frames: 1, rows, columns, book: 0 }
    }

    /// Number of cells, if it fits.
    pub fn cells(&self) -> Option<usize> {
        self.frames.checked_mul(self.rows)?.checked_mul(self.columns)
    }
}

impl std::fmt::Display for PartShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.frames > 1 {
            write!(f, "{} frames of ", self.frames)?;
        }
        if self.rows == 1 && self.columns > 1 {
            return write!(f, "{} in a row", self.columns);
        }
        write!(f, "{} x {}", self.rows, self.columns)
    }
}

/// A part: codes frame by frame, row by row. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Part {
    shape: PartShape,
    codebook_size: u32,
    codes: Arc<[u32]>,
}

impl Part {
    /// A part of that shape; [`MASKED`] stands where there is no token.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the count does not fit or a code is not below `codebook_size`;
    /// the first wrong place is named.
    pub fn new(shape: PartShape, codebook_size: u32, codes: impl Into<Arc<[u32]>>) -> Result<Self> {
        let codes = codes.into();
        if codes.is_empty() || Some(codes.len()) != shape.cells() {
            let reason = format!("{} codes do not fill {shape}", codes.len());
            return Err(EngineError::bad_input("tokens", reason, ""));
        }
        // Cells have to be addressable.
        if shape.frames > 1 << 16 || shape.rows > 1 << 16 || shape.columns >= MASKED as usize {
            let reason = format!("{shape} is more than 65536 frames or rows");
            return Err(EngineError::bad_input("tokens", reason, ""));
        }
        if codebook_size > MOST_CODES {
            return Err(EngineError::bad_input(
                "tokens",
                format!("a codebook of {codebook_size} codes, at most {MOST_CODES} can be counted"),
                "replace padding and ignored places first, or say how many codes there are",
            ));
        }
        let part = Self { shape, codebook_size, codes };
        let wrong = |code: &u32| *code >= codebook_size && *code != MASKED;
        if let Some(at) = part.codes.iter().position(wrong) {
            return Err(EngineError::bad_input(
                "tokens",
                format!(
                    "code {} at {} is outside the codebook 0..{codebook_size}",
                    part.codes[at],
                    part.cell(0, at)
                ),
                "use tokens that were made with this tokenizer",
            ));
        }
        Ok(part)
    }

    /// Its shape and book.
    pub fn shape(&self) -> PartShape {
        self.shape
    }
    /// Frames; 1 for a still image.
    pub fn frames(&self) -> usize {
        self.shape.frames
    }
    /// Rows.
    pub fn rows(&self) -> usize {
        self.shape.rows
    }
    /// Columns.
    pub fn columns(&self) -> usize {
        self.shape.columns
    }
    /// The number of its book among the tokenizer's.
    pub fn book(&self) -> u16 {
        self.shape.book
    }
    /// Codes are below this.
    pub fn codebook_size(&self) -> u32 {
        self.codebook_size
    }
    /// All codes, frame by frame, row by row; [`MASKED`] where no token stands.
    pub fn codes(&self) -> &Arc<[u32]> {
        &self.codes
    }

    /// The code at a place in [`Part::codes`]; `None` where no token stands or beyond the end.
    pub fn code(&self, at: usize) -> Option<u32> {
        self.codes.get(at).copied().filter(|code| *code != MASKED)
    }

    /// Where a cell is in [`Part::codes`], if it is inside.
    pub fn index(&self, frame: usize, row: usize, column: usize) -> Option<usize> {
        let [frames, rows, columns] = [self.frames(), self.rows(), self.columns()];
        let inside = frame < frames && row < rows && column < columns;
        inside.then(|| (frame * rows + row) * columns + column)
    }

    /// The code at a place: `None` outside ([`Part::index`]) and where no token stands.
    pub fn get(&self, frame: usize, row: usize, column: usize) -> Option<u32> {
        self.code(self.index(frame, row, column)?)
    }

    /// The cell at a place in [`Part::codes`], if this is part `number`.
    pub fn cell(&self, number: usize, at: usize) -> Cell {
        let (columns, rows) = (self.columns().max(1), self.rows().max(1));
        Cell {
            part: number as u16,
            frame: (at / columns / rows) as u16,
            row: (at / columns % rows) as u16,
            column: (at % columns) as u32,
        }
    }

    /// FNV-1a over what it is and holds.
    pub(super) fn mix_into(&self, hash: u64) -> u64 {
        let PartShape { frames, rows, columns, book } = self.shape;
        let sides = [frames as u32, rows as u32, columns as u32, book.into(), self.codebook_size];
        sides
            .iter()
            .chain(self.codes.iter())
            .flat_map(|word| word.to_le_bytes())
            .fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_code_outside_the_codebook_and_names_its_place() {
        let part =
            |rows, columns, codes: Vec<u32>| Part::new(PartShape::grid(rows, columns), 10, codes);
        let error = part(2, 3, vec![0, 1, 2, 3, 10, 5]).unwrap_err();
        assert!(error.to_string().contains("code 10 at row 1, column 1"), "{error}");
        assert!(part(2, 3, vec![0; 5]).is_err());
        assert!(part(0, 0, vec![]).is_err());
        assert!(part(usize::MAX, 2, vec![0]).is_err());
        assert!(part(1, 2, vec![MASKED, 9]).is_ok(), "a masked cell is no code");
        let huge = Part::new(PartShape::grid(1, 1), u32::MAX, vec![5]).unwrap_err().to_string();
        assert!(huge.contains("codebook of 4294967295"), "{huge}");
    }
}
