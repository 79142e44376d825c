//! A region of tokens as it is copied: the cells of a selection with their codes, and whose codes these are. On the
//! clipboard it is a text, so that it is pasted in another image, another document and another window as well.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use smalti_engine::tokens::{Cell, Part, Tokens};

/// What the text of a region begins with.
const BEGINS: &str = "smalti tokens ";
/// A text that is longer is none: some million cells.
const LONGEST: usize = 64 << 20;

/// Cells with their codes, from the upper left corner of all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// The tokenizer, as people call it.
    pub tokenizer: String,
    /// What tells its codes from those of others.
    pub token_hash: String,
    /// The book of the codes.
    pub book: u16,
    /// How many rows there are.
    pub rows: usize,
    /// How many columns there are.
    pub columns: usize,
    /// Row, column and code of each cell; not every place of the rows and columns has one.
    pub cells: Vec<(usize, usize, u32)>,
}

impl Region {
    /// The cells of a part that hold a token, by a tokenizer of this name and hash; `None` if there are none.
    pub fn of(
        cells: &BTreeSet<Cell>,
        (number, tokens): (usize, &Tokens),
        (tokenizer, token_hash): (&str, &str),
    ) -> Option<Self> {
        let part = tokens.part(number)?;
        let height = part.rows();
        let place = |cell: &Cell| {
            (usize::from(cell.frame) * height + usize::from(cell.row), cell.column as usize)
        };
        let own = cells.iter().filter(|cell| usize::from(cell.part) == number);
        let all: Vec<(usize, usize, u32)> = own
            .filter_map(|cell| Some((place(cell), tokens.get(*cell)?)))
            .map(|((row, column), code)| (row, column, code))
            .collect();
        let top = all.iter().map(|(row, ..)| *row).min()?;
        let left = all.iter().map(|(_, column, _)| *column).min()?;
        let cells: Vec<_> =
            all.into_iter().map(|(row, column, code)| (row - top, column - left, code)).collect();
        Some(Self {
            tokenizer: tokenizer.to_owned(),
            token_hash: token_hash.to_owned(),
            book: part.book(),
            rows: cells.iter().map(|(row, ..)| row + 1).max()?,
            columns: cells.iter().map(|(_, column, _)| column + 1).max()?,
            cells,
        })
    }

    /// As a text for the clipboard.
    pub fn to_text(&self) -> String {
        format!("{BEGINS}{}", serde_json::to_string(self).unwrap_or_default())
    }

    /// From a text; `None` if it is another one.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim().strip_prefix(BEGINS).filter(|text| text.len() <= LONGEST)?;
        let region: Self = serde_json::from_str(text).ok()?;
        let is_inside =
            |(row, column, _): &(usize, usize, u32)| *row < region.rows && *column < region.columns;
        let fits = !region.cells.is_empty() && region.cells.iter().all(is_inside);
        let is_small = region.rows <= 1 << 20 && region.columns <= 1 << 20;
        (fits && is_small).then_some(region)
    }

    /// The cells of a part that it covers where its corner is at a row and a column, which may lie outside, with the
    /// codes that they get; what lies outside is left out.
    pub fn at(
        &self,
        (row, column): (isize, isize),
        (number, part): (usize, &Part),
    ) -> Vec<(Cell, u32)> {
        let height = part.rows().max(1);
        let place = |(down, right, code): &(usize, usize, u32)| {
            let row = row.checked_add_unsigned(*down).and_then(|row| usize::try_from(row).ok())?;
            let column = column.checked_add_unsigned(*right);
            let column = column.and_then(|column| usize::try_from(column).ok())?;
            let at = part.index(row / height, row % height, column)?;
            Some((part.cell(number, at), *code))
        };
        self.cells.iter().filter_map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::grid(4, 5, 30, (0..20).collect::<Vec<u32>>()).unwrap()
    }

    fn region() -> Region {
        // An angle: its lower right place is none of it.
        let cells = [Cell::at(1, 2), Cell::at(1, 3), Cell::at(2, 2)].into();
        Region::of(&cells, (0, &tokens()), ("tiny", "abc")).unwrap()
    }

    #[test]
    fn a_region_comes_back_from_its_text_and_another_text_is_none() {
        let region = region();
        assert_eq!((region.rows, region.columns), (2, 2));
        assert_eq!(region.cells, [(0, 0, 7), (0, 1, 8), (1, 0, 12)]);
        assert_eq!(Region::from_text(&region.to_text()), Some(region.clone()));
        for other in ["", "/some/path.png", "smalti tokens {}", "smalti tokens 7"] {
            assert_eq!(Region::from_text(other), None, "{other}");
        }
        let outside = Region { columns: 1, ..region };
        assert_eq!(Region::from_text(&outside.to_text()), None, "a cell outside of it");
        assert!(Region::of(&BTreeSet::new(), (0, &tokens()), ("tiny", "abc")).is_none());
    }

    #[test]
    fn it_lands_where_it_is_put_and_what_is_outside_is_left_out() {
        let (tokens, region) = (tokens(), region());
        let part = (0, tokens.first());
        let inside = region.at((0, 0), part);
        assert_eq!(inside, [(Cell::at(0, 0), 7), (Cell::at(0, 1), 8), (Cell::at(1, 0), 12)]);
        assert_eq!(region.at((-1, 4), part), [(Cell::at(0, 4), 12)]);
        assert_eq!(region.at((3, -1), part), [(Cell::at(3, 0), 8)]);
        assert!(region.at((9, 9), part).is_empty());
    }
}
