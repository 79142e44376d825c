//! Tokens: which code stands where.
//!
//! Tokens come in parts. A still image with one codebook is one part; a multi-scale image has one
//! part a scale, a residual quantizer one a level, a one-dimensional tokenizer a single row, a clip
//! several frames. Every part names its book, so that text and images can stand side by side.

mod cell;
mod part;
mod places;
pub mod said;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use cell::{Cell, Code};
pub use part::{MASKED, MOST_CODES, Part, PartShape};
pub use places::Places;

use crate::{EngineError, Result};

/// The tokens of an image, in parts. Cheap to clone, to compare and to hash: what identifies them is
/// computed once.
#[derive(Debug, Clone)]
pub struct Tokens {
    parts: Arc<[Part]>,
    hash: u64,
}

impl Tokens {
    /// Tokens of these parts, in the order in which they are decoded.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if there is no part, or more than 2^16, or their codebooks have more codes
    /// together than can be counted.
    pub fn new(parts: impl Into<Arc<[Part]>>) -> Result<Self> {
        let parts = parts.into();
        if parts.is_empty() || parts.len() > 1 << 16 {
            let reason = format!("{} parts, tokens have 1 to 65536", parts.len());
            return Err(EngineError::bad_input("tokens", reason, ""));
        }
        // Each of them is counted: a small file could name a hundred books of gigabytes.
        let books: BTreeMap<u16, u32> =
            parts.iter().map(|part| (part.book(), part.codebook_size())).collect();
        let codes: u64 = books.values().map(|size| u64::from(*size)).sum();
        if codes > 2 * u64::from(MOST_CODES) {
            let reason = format!("{} codebooks of {codes} codes in all", books.len());
            let hint = format!("at most {} can be counted", 2 * u64::from(MOST_CODES));
            return Err(EngineError::bad_input("tokens", reason, hint));
        }
        let hash = parts.iter().fold(FNV_START, |hash, part| part.mix_into(hash));
        Ok(Self { parts, hash })
    }

    /// A still image of one part.
    ///
    /// # Errors
    /// As [`Part::new`].
    pub fn grid(
        rows: usize,
        columns: usize,
        codebook_size: u32,
        codes: impl Into<Arc<[u32]>>,
    ) -> Result<Self> {
        Self::new([Part::new(PartShape::grid(rows, columns), codebook_size, codes)?])
    }

    /// All parts.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// One part, if there is one of that number.
    pub fn part(&self, number: usize) -> Option<&Part> {
        self.parts.get(number)
    }

    /// The first part: the only one of a still image with one codebook.
    pub fn first(&self) -> &Part {
        &self.parts[0]
    }

    /// Number of cells of all parts.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.codes().len()).sum()
    }

    /// Never: there is at least one cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shapes of all parts.
    pub fn layout(&self) -> Vec<PartShape> {
        self.parts.iter().map(Part::shape).collect()
    }

    /// Whether there is such a place, with or without a token.
    pub fn contains(&self, cell: Cell) -> bool {
        let (frame, row, column) = (cell.frame.into(), cell.row.into(), cell.column as usize);
        self.part(cell.part.into()).is_some_and(|part| part.index(frame, row, column).is_some())
    }

    /// The code at a place: `None` outside ([`Tokens::contains`]) and where no token stands.
    pub fn get(&self, cell: Cell) -> Option<u32> {
        self.part(cell.part.into())?.get(cell.frame.into(), cell.row.into(), cell.column as usize)
    }

    /// The first cell that holds no token.
    pub fn first_masked(&self) -> Option<Cell> {
        self.cells().find(|(_, code)| code.is_none()).map(|(cell, _)| cell)
    }

    /// All cells with their codes, part by part, frame by frame, row by row.
    pub fn cells(&self) -> impl Iterator<Item = (Cell, Option<u32>)> + '_ {
        self.parts.iter().enumerate().flat_map(|(number, part)| {
            (0..part.codes().len()).map(move |at| (part.cell(number, at), part.code(at)))
        })
    }

    /// The same tokens with some places changed, `None` masks a cell; places outside are ignored.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if a code is not below its codebook's size, with its place.
    pub fn with(&self, changes: impl IntoIterator<Item = (Cell, Option<u32>)>) -> Result<Self> {
        let mut changed: Vec<Option<Vec<u32>>> = vec![None; self.parts.len()];
        for (cell, code) in changes {
            let number = usize::from(cell.part);
            let Some(part) = self.parts.get(number) else { continue };
            let Some(at) = part.index(cell.frame.into(), cell.row.into(), cell.column as usize)
            else {
                continue;
            };
            changed[number].get_or_insert_with(|| part.codes().to_vec())[at] =
                code.unwrap_or(MASKED);
        }
        let parts = self.parts.iter().zip(changed).map(|(part, codes)| match codes {
            None => Ok(part.clone()),
            Some(codes) => Part::new(part.shape(), part.codebook_size(), codes),
        });
        Self::new(parts.collect::<Result<Vec<_>>>()?)
    }

    /// The first `parts` of them: the coarse scales, the first levels.
    #[must_use]
    pub fn up_to(&self, parts: usize) -> Self {
        let parts: Vec<Part> = self.parts.iter().take(parts.max(1)).cloned().collect();
        let hash = parts.iter().fold(FNV_START, |hash, part| part.mix_into(hash));
        Self { parts: parts.into(), hash }
    }

    /// The codes of one part that stand in a row, cut into the parts of a layout one after the other, as
    /// programs write multi-scale tokens: the same tokens if they are not one part of as many cells.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if a code is not below its part's codebook size, with its place.
    pub fn laid_out(&self, layout: &[PartShape], sizes: impl Fn(u16) -> u32) -> Result<Self> {
        let cells: usize = layout.iter().filter_map(PartShape::cells).sum();
        if self.parts.len() != 1 || cells != self.len() || layout == self.layout() {
            return Ok(self.clone());
        }
        let codes = self.first().codes();
        let mut at = 0;
        let part = |shape: &PartShape| {
            let end = at + shape.cells().unwrap_or(0);
            let own = codes.get(at..end).unwrap_or_default().to_vec();
            at = end;
            Part::new(*shape, sizes(shape.book), own)
        };
        Self::new(layout.iter().map(part).collect::<Result<Vec<_>>>()?)
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        self.len() * 4
    }

    /// In words: "16 x 16", "10 parts, 1 x 1 to 16 x 16".
    pub fn words(&self) -> String {
        words(&self.layout())
    }
}

impl PartialEq for Tokens {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
            && (Arc::ptr_eq(&self.parts, &other.parts) || self.parts == other.parts)
    }
}
impl Eq for Tokens {}
impl std::hash::Hash for Tokens {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Where the hash of tokens begins (FNV-1a).
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// A layout in words: "16 x 16", "32 in a row", "4 parts of 16 x 16", "10 parts, 1 x 1 to 16 x 16".
pub fn words(layout: &[PartShape]) -> String {
    // Levels have books of their own, and one shape.
    let sides = |part: &PartShape| (part.frames, part.rows, part.columns);
    let is_one_shape = layout.windows(2).all(|pair| sides(&pair[0]) == sides(&pair[1]));
    match layout {
        [] => "nothing".to_owned(),
        [only] => only.to_string(),
        [first, .., _] if is_one_shape => format!("{} parts of {first}", layout.len()),
        [first, .., last] => format!("{} parts, {first} to {last}", layout.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scales() -> Tokens {
        let part = |side: usize| {
            let codes: Vec<u32> = (0..(side * side) as u32).collect();
            Part::new(PartShape::grid(side, side), 16, codes).unwrap()
        };
        Tokens::new([part(1), part(2), part(4)]).unwrap()
    }

    #[test]
    fn a_change_makes_new_tokens_in_the_part_it_names() {
        let tokens = scales();
        let changed = tokens.with([(Cell::of(1, 1, 0), Some(7)), (Cell::of(2, 0, 3), None)]);
        let changed = changed.unwrap();
        assert_eq!(changed.part(1).unwrap().codes()[..], [0, 1, 7, 3]);
        assert_eq!(changed.get(Cell::of(2, 0, 3)), None, "masked");
        assert!(changed.contains(Cell::of(2, 0, 3)));
        assert_eq!(changed.first_masked(), Some(Cell::of(2, 0, 3)));
        assert_eq!(tokens.get(Cell::of(1, 1, 0)), Some(2), "the old ones stay");
        assert_ne!(tokens, changed);
        assert_eq!(tokens.with([(Cell::of(9, 0, 0), Some(1))]).unwrap(), tokens, "outside");
        let error = tokens.with([(Cell::of(1, 0, 1), Some(16))]).unwrap_err().to_string();
        assert!(error.contains("code 16") && error.contains("column 1"), "{error}");
    }

    #[test]
    fn equal_codes_in_other_shapes_or_books_are_other_tokens() {
        let row = Tokens::grid(1, 4, 16, vec![0, 1, 2, 3]).unwrap();
        let square = Tokens::grid(2, 2, 16, vec![0, 1, 2, 3]).unwrap();
        let larger = Tokens::grid(1, 4, 17, vec![0, 1, 2, 3]).unwrap();
        assert!(row != square && row != larger && square != larger);
        assert_eq!(row, Tokens::grid(1, 4, 16, vec![0, 1, 2, 3]).unwrap());
    }

    #[test]
    fn the_first_parts_are_the_coarse_picture() {
        let tokens = scales();
        assert_eq!(tokens.up_to(2).layout(), [PartShape::grid(1, 1), PartShape::grid(2, 2)]);
        assert_eq!(tokens.up_to(0).parts().len(), 1, "never nothing");
        assert_eq!(tokens.up_to(99), tokens);
        assert_eq!(tokens.words(), "3 parts, 1 x 1 to 4 x 4");
        assert_eq!(tokens.len(), 21);
        assert!(Tokens::new(Vec::new()).is_err());
        let level = |book| PartShape { book, ..PartShape::grid(4, 6) };
        assert_eq!(words(&[level(0), level(1), level(2)]), "3 parts of 4 x 6");
    }

    #[test]
    fn a_row_of_all_scales_is_cut_into_them() {
        let row = Tokens::grid(1, 5, 16, vec![9, 0, 1, 2, 3]).unwrap();
        let layout = [PartShape::grid(1, 1), PartShape::grid(2, 2)];
        let cut = row.laid_out(&layout, |_| 16).unwrap();
        assert_eq!(cut.layout(), layout);
        assert_eq!(cut.part(1).unwrap().codes()[..], [0, 1, 2, 3]);
        assert_eq!(cut.laid_out(&layout, |_| 16).unwrap(), cut);
        let other = Tokens::grid(1, 4, 16, vec![0; 4]).unwrap();
        assert_eq!(other.laid_out(&layout, |_| 16).unwrap(), other, "another number of cells");
    }

    #[test]
    fn cells_come_part_by_part_with_their_places() {
        let clip = PartShape { frames: 2, rows: 1, columns: 2, book: 1 };
        let tokens = Tokens::new([Part::new(clip, 9, vec![5, MASKED, 7, 8]).unwrap()]).unwrap();
        let cells: Vec<(Cell, Option<u32>)> = tokens.cells().collect();
        let place = |frame, column| Cell { part: 0, frame, row: 0, column };
        assert_eq!(
            cells,
            [
                (place(0, 0), Some(5)),
                (place(0, 1), None),
                (place(1, 0), Some(7)),
                (place(1, 1), Some(8))
            ]
        );
        assert!(
            cells.iter().all(|(cell, code)| tokens.contains(*cell) && tokens.get(*cell) == *code)
        );
        assert_eq!(place(1, 1).to_string(), "frame 1, row 0, column 1");
    }

    #[test]
    fn a_cell_of_an_older_file_names_its_scale() {
        let cell: Cell =
            serde_json::from_str(r#"{"scale":2,"frame":0,"row":1,"column":70000}"#).unwrap();
        assert_eq!(cell, Cell { part: 2, frame: 0, row: 1, column: 70_000 });
    }
}
