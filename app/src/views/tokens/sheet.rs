//! A part of the tokens laid out flat: rows and columns that can be drawn and pointed at.

use smalti_engine::tokens::{Cell, Code, Part};

/// A part as a sheet of cells. The frames of a clip stand below each other; a row of tokens that
/// belong to no place is broken into lines, or it would be a thread.
#[derive(Debug, Clone, Copy)]
pub(in crate::views) struct Sheet<'a> {
    /// The part's number.
    pub number: usize,
    /// The part.
    pub part: &'a Part,
    /// Lines of cells.
    pub rows: usize,
    /// Cells a line.
    pub columns: usize,
}

impl<'a> Sheet<'a> {
    /// Lays a part out. `spatial`: its cells lie over the picture, and stay as they are.
    pub(in crate::views) fn new(number: usize, part: &'a Part, spatial: bool) -> Self {
        let (lines, columns) = (part.frames() * part.rows(), part.columns());
        if spatial || lines > 1 || columns < 4 {
            return Self { number, part, rows: lines, columns };
        }
        // Twice as wide as high reads like text.
        let side = ((columns * 2) as f64).sqrt().ceil() as usize;
        Self { number, part, rows: columns.div_ceil(side), columns: side }
    }

    /// Where a place of the sheet is in the part's codes.
    fn index(&self, row: usize, column: usize) -> Option<usize> {
        let inside = row < self.rows && column < self.columns;
        let at = row * self.columns + column;
        (inside && at < self.part.codes().len()).then_some(at)
    }

    /// The cell at a place of the sheet.
    pub(in crate::views) fn cell(&self, (row, column): (usize, usize)) -> Option<Cell> {
        Some(self.part.cell(self.number, self.index(row, column)?))
    }

    /// The number of the code at a place of the sheet; `None` where no token stands.
    pub(in crate::views) fn number_at(&self, (row, column): (usize, usize)) -> Option<u32> {
        self.part.code(self.index(row, column)?)
    }

    /// The code at a place of the sheet; `None` where no token stands.
    pub(in crate::views) fn code_at(&self, place: (usize, usize)) -> Option<Code> {
        let number = self.number_at(place)?;
        Some(Code { book: self.part.book(), number })
    }

    /// Where a cell is on the sheet; `None` if it is of another part or outside.
    pub(in crate::views) fn place(&self, cell: Cell) -> Option<(usize, usize)> {
        if usize::from(cell.part) != self.number {
            return None;
        }
        let at = self.part.index(cell.frame.into(), cell.row.into(), cell.column as usize)?;
        Some((at / self.columns, at % self.columns))
    }

    /// All places with a code of this book and number.
    pub(in crate::views) fn places_of(
        &self,
        code: Option<Code>,
    ) -> impl Iterator<Item = (usize, usize)> + '_ {
        let wanted = code.filter(|code| code.book == self.part.book()).map(|code| code.number);
        (0..self.part.codes().len())
            .filter(move |at| wanted.is_some() && self.part.code(*at) == wanted)
            .map(|at| (at / self.columns, at % self.columns))
    }

    /// All cells of a rectangle between two places.
    pub(in crate::views) fn rectangle(
        &self,
        a: (usize, usize),
        b: (usize, usize),
    ) -> impl Iterator<Item = Cell> + '_ {
        let (top, bottom) = (a.0.min(b.0), a.0.max(b.0));
        let (left, right) = (a.1.min(b.1), a.1.max(b.1));
        let places = (top..=bottom).flat_map(move |row| (left..=right).map(move |c| (row, c)));
        places.filter_map(|place| self.cell(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smalti_engine::tokens::{MASKED, PartShape};

    #[test]
    fn a_row_without_places_is_broken_into_lines_and_each_cell_is_found_again() {
        let row = PartShape { frames: 1, rows: 1, columns: 32, book: 1 };
        let mut codes: Vec<u32> = (0..32).collect();
        codes[9] = MASKED;
        let part = Part::new(row, 64, codes).unwrap();
        let sheet = Sheet::new(2, &part, false);
        assert_eq!((sheet.rows, sheet.columns), (4, 8));
        for place in (0..4).flat_map(|row| (0..8).map(move |column| (row, column))) {
            let cell = sheet.cell(place).unwrap();
            assert_eq!(cell.part, 2);
            assert_eq!(sheet.place(cell), Some(place));
        }
        assert_eq!(sheet.number_at((1, 1)), None, "no token stands there");
        assert_eq!(sheet.code_at((3, 7)), Some(Code { book: 1, number: 31 }));
        assert_eq!(sheet.places_of(Some(Code::first(31))).count(), 0, "another book");
        assert_eq!(sheet.cell((4, 0)), None);
        let over = Sheet::new(0, &part, true);
        assert_eq!((over.rows, over.columns), (1, 32), "over the picture it stays a row");
    }
}
