//! Cells as people write them: `r3-6,c2-9`, lists of these, `all`, and `s4:...` for a part.
//!
//! Rows, columns and parts count from 0, as everywhere. What is left out is all of it: `r3` is a whole row. Where
//! no part is named, the finest one is meant, the last.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::{Cell, PartShape};
use crate::{EngineError, Result};

/// How cells are written.
pub const CELLS: &str = "cells are written as r3-6,c2-9 (rows and columns from 0), all, s4:r0,c1 (in part 4), and \
                         several of these with ; between them";
/// How forced cells are written.
pub const FORCED: &str = "forced cells are written as r3,c4=17, several with , or ; between them, in part 4 as s4:r0,c1=17";

/// The cells that a text says, of tokens of a layout; `what` is the option that it stands in.
///
/// # Errors
/// [`EngineError::BadInput`] with the piece that cannot be read, and what could stand there.
pub fn cells(what: &str, said: &str, layout: &[PartShape]) -> Result<BTreeSet<Cell>> {
    let mut found = BTreeSet::new();
    for piece in said.split(';') {
        let piece = Piece { what, text: piece.trim(), hint: CELLS };
        found.extend(piece.cells(layout)?);
    }
    Ok(found)
}

/// The codes that a text puts into cells; `codes` is the size of a part's codebook.
///
/// # Errors
/// As [`cells`], if a code is outside of its codebook, and if a cell gets two codes.
pub fn forced(
    what: &str,
    said: &str,
    layout: &[PartShape],
    codes: impl Fn(usize) -> u32,
) -> Result<BTreeMap<Cell, u32>> {
    let mut found = BTreeMap::new();
    let mut rest = said.trim();
    loop {
        let whole = Piece { what, text: rest, hint: FORCED };
        let Some((of, after)) = rest.split_once('=') else {
            return Err(whole.bad("no code is said for it"));
        };
        // Between cells and codes only a code has no separator in it.
        let (code, next) = match after.split_once([',', ';']) {
            Some((code, next)) => (code.trim(), Some(next)),
            None => (after.trim(), None),
        };
        let piece = Piece { what, text: of.trim(), hint: FORCED };
        if of.contains(';') {
            return Err(piece.bad("no code is said for the first of them"));
        }
        let Ok(number) = code.parse::<u32>() else {
            return Err(piece.bad(&format!("{code:?} is no code")));
        };
        for cell in piece.cells(layout)? {
            let size = codes(cell.part.into());
            if number >= size {
                let reason = format!("code {number} is outside the codebook, 0 to {}", size - 1);
                return Err(piece.bad(&reason));
            }
            let before = found.insert(cell, number);
            if let Some(before) = before.filter(|before| *before != number) {
                return Err(piece.bad(&format!("{cell} gets code {before} and code {number}")));
            }
        }
        match next {
            Some(next) => rest = next,
            None => return Ok(found),
        }
    }
}

/// A piece of what was said.
#[derive(Clone, Copy)]
struct Piece<'a> {
    what: &'a str,
    text: &'a str,
    hint: &'a str,
}

impl Piece<'_> {
    fn bad(&self, reason: &str) -> EngineError {
        EngineError::bad_input(self.what, format!("{:?}: {reason}", self.text), self.hint)
    }

    fn cells(&self, layout: &[PartShape]) -> Result<Vec<Cell>> {
        if self.text.is_empty() {
            return Err(self.bad("no cells are said"));
        }
        let last = layout.len().saturating_sub(1);
        let (part, places) = match self.text.split_once(':') {
            None => (last, self.text),
            Some((part, places)) => {
                let Some(number) = part.trim().strip_prefix(['s', 'S']) else {
                    return Err(self.bad(&format!("{part:?} is no part, such as s{last}")));
                };
                (self.number(number, "part", last)?, places.trim())
            }
        };
        let Some(shape) = layout.get(part) else {
            return Err(self.bad("there are no parts"));
        };
        let (rows, columns) = self.places(places, shape)?;
        let mut cells = Vec::new();
        for frame in 0..shape.frames {
            for row in rows.clone() {
                cells.extend(columns.clone().map(|column| Cell {
                    part: part as u16,
                    frame: frame as u16,
                    row: row as u16,
                    column: column as u32,
                }));
            }
        }
        Ok(cells)
    }

    /// Rows and columns of a part.
    fn places(
        &self,
        text: &str,
        shape: &PartShape,
    ) -> Result<(RangeInclusive<usize>, RangeInclusive<usize>)> {
        let (rows, columns) = (shape.rows.saturating_sub(1), shape.columns.saturating_sub(1));
        if text.eq_ignore_ascii_case("all") {
            return Ok((0..=rows, 0..=columns));
        }
        let (mut row, mut column) = (None, None);
        for axis in text.split(',').map(str::trim) {
            let (place, numbers, name, last) =
                match (axis.strip_prefix(['r', 'R']), axis.strip_prefix(['c', 'C'])) {
                    (Some(numbers), _) => (&mut row, numbers, "row", rows),
                    (_, Some(numbers)) => (&mut column, numbers, "column", columns),
                    _ => {
                        let reason = format!("{axis:?} is neither rows (r3-6) nor columns (c2-9)");
                        return Err(self.bad(&reason));
                    }
                };
            if place.is_some() {
                return Err(self.bad(&format!("{name}s are said twice")));
            }
            *place = Some(self.range(numbers, name, last)?);
        }
        Ok((row.unwrap_or(0..=rows), column.unwrap_or(0..=columns)))
    }

    fn range(&self, text: &str, name: &str, last: usize) -> Result<RangeInclusive<usize>> {
        let Some((from, to)) = text.split_once('-') else {
            let only = self.number(text, name, last)?;
            return Ok(only..=only);
        };
        let (from, to) = (self.number(from, name, last)?, self.number(to, name, last)?);
        if from > to {
            return Err(self.bad(&format!("{from}-{to} goes backwards: {to}-{from} is meant")));
        }
        Ok(from..=to)
    }

    fn number(&self, text: &str, name: &str, last: usize) -> Result<usize> {
        let text = text.trim();
        let Ok(number) = text.parse::<usize>() else {
            return Err(self.bad(&format!("{text:?} is no number of a {name}")));
        };
        if number > last {
            let reason = format!("there is no {name} {number}: they are 0 to {last}");
            return Err(self.bad(&reason));
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Vec<PartShape> {
        vec![PartShape::grid(4, 6)]
    }

    fn scales() -> Vec<PartShape> {
        [1, 2, 4].map(|side| PartShape::grid(side, side)).to_vec()
    }

    fn read(said: &str, layout: &[PartShape]) -> Vec<Cell> {
        cells("--lock", said, layout).unwrap().into_iter().collect()
    }

    #[test]
    fn rows_and_columns_are_ranges_and_what_is_left_out_is_all() {
        let expected = [(1, 2), (1, 3), (2, 2), (2, 3)].map(|(row, column)| Cell::at(row, column));
        assert_eq!(read("r1-2,c2-3", &grid()), expected);
        assert_eq!(read(" c2-3 , R1-2 ", &grid()), expected, "in any order");
        assert_eq!(read("r1,c2-3;r2,c2-3; r1,c2", &grid()), expected, "several, once each");
        assert_eq!(read("r3", &grid()).len(), 6);
        assert_eq!(read("c5", &grid()).len(), 4);
        assert_eq!(read("all", &grid()).len(), 24);
        assert_eq!(read("r0,c0", &grid()), [Cell::at(0, 0)]);
    }

    #[test]
    fn the_finest_part_is_meant_where_none_is_named() {
        assert_eq!(read("r3,c3", &scales()), [Cell::of(2, 3, 3)]);
        assert_eq!(read("s1:r1,c0", &scales()), [Cell::of(1, 1, 0)]);
        assert_eq!(read("s0:all;s1:all", &scales()).len(), 5);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_place_and_what_could_stand_there() {
        let cases = [
            ("r9,c0", "\"r9,c0\": there is no row 9: they are 0 to 3"),
            ("r0-1,c2-8", "there is no column 8: they are 0 to 5"),
            ("r0,c0;;r1", "\"\": no cells are said"),
            ("", "no cells are said"),
            ("r3-1", "3-1 goes backwards: 1-3 is meant"),
            ("3,4", "\"3\" is neither rows (r3-6) nor columns (c2-9)"),
            ("rx", "\"x\" is no number of a row"),
            ("r-1", "\"\" is no number of a row"),
            ("r1,r2", "rows are said twice"),
            ("r1,", "\"\" is neither rows"),
            ("s1:all", "there is no part 1: they are 0 to 0"),
            ("t0:all", "\"t0\" is no part, such as s0"),
            ("r99999999999999999999", "is no number of a row"),
            ("ä", "\"ä\" is neither rows"),
        ];
        for (said, expected) in cases {
            let problem = cells("--lock", said, &grid()).unwrap_err().problem();
            assert!(problem.summary.starts_with("--lock: "), "{said}: {problem}");
            assert!(problem.summary.contains(expected), "{said}: {problem}");
            assert!(problem.hint.contains("r3-6,c2-9"), "{problem}");
        }
    }

    #[test]
    fn forced_cells_come_with_their_codes() {
        let read = |said: &str| forced("--force", said, &grid(), |_| 20);
        let found = read("r0,c1=7,r2,c3-4=19;r3,c0=0").unwrap();
        let expected = [((0, 1), 7), ((2, 3), 19), ((2, 4), 19), ((3, 0), 0)];
        let expected = expected.map(|((row, column), code)| (Cell::at(row, column), code));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
        let cases = [
            ("r0,c1", "no code is said for it"),
            ("r0,c1=7,", "\"\": no code is said for it"),
            ("r0,c1;r0,c2=3", "no code is said for the first of them"),
            ("r0,c1=", "\"\" is no code"),
            ("r0,c1=x", "\"x\" is no code"),
            ("r0,c1=-1", "\"-1\" is no code"),
            ("r0,c1=20", "code 20 is outside the codebook, 0 to 19"),
            ("r4,c1=2", "there is no row 4: they are 0 to 3"),
            ("r0=1,r0,c3=2", "row 0, column 3 gets code 1 and code 2"),
            ("=3", "no cells are said"),
        ];
        for (said, expected) in cases {
            let text = read(said).unwrap_err().problem().to_string();
            assert!(text.contains(expected), "{said}: {text}");
        }
    }
}
