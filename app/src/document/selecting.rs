//! What cells are selected with, and what a selection becomes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use smalti_engine::tokens::{Cell, Part, Tokens};

/// What a drag on the grid of tokens does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Tool {
    /// Selects the cells of a rectangle.
    #[default]
    Rectangle,
    /// Selects the cells that are drawn round.
    Lasso,
    /// Selects the cells that are drawn over.
    Brush,
    /// Paints on the picture; the cells that are touched are encoded anew.
    Paint,
}

impl Tool {
    /// All, in the order of the tools.
    pub const ALL: [Self; 4] = [Self::Rectangle, Self::Lasso, Self::Brush, Self::Paint];

    /// What it is called.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rectangle => "Select by rectangle",
            Self::Lasso => "Select by lasso",
            Self::Brush => "Select by brush",
            Self::Paint => "Paint",
        }
    }

    /// What it does, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Rectangle => "Drag a rectangle over the cells",
            Self::Lasso => "Draw round the cells",
            Self::Brush => "Draw over the cells; [ and ] make the brush smaller and larger",
            Self::Paint => {
                "Paint on the picture: the tokens below the stroke are encoded anew; Alt picks a color"
            }
        }
    }
}

/// Cells round the one that the brush is on, at most.
pub const LARGEST_BRUSH: u8 = 8;

/// The brush of a document's file, which may say anything.
pub(super) fn read_brush<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    Ok(u8::deserialize(from)?.min(LARGEST_BRUSH))
}

/// The cells and all beside them, corners included, that there are.
pub fn grown(cells: &BTreeSet<Cell>, tokens: &Tokens) -> BTreeSet<Cell> {
    let around = cells.iter().flat_map(|cell| beside(*cell));
    let around = around.filter(|cell| tokens.contains(*cell));
    cells.iter().copied().chain(around).collect()
}

/// The cells without those at their edge. The edge of the grid is none.
pub fn shrunk(cells: &BTreeSet<Cell>, tokens: &Tokens) -> BTreeSet<Cell> {
    let is_inner =
        |cell: &&Cell| beside(**cell).all(|by| cells.contains(&by) || !tokens.contains(by));
    cells.iter().filter(is_inner).copied().collect()
}

/// All cells of a part but these.
pub fn inverted(cells: &BTreeSet<Cell>, (number, part): (usize, &Part)) -> BTreeSet<Cell> {
    let all = (0..part.codes().len()).map(|at| part.cell(number, at));
    all.filter(|cell| !cells.contains(cell)).collect()
}

/// The places round a cell; some may not be there.
fn beside(cell: Cell) -> impl Iterator<Item = Cell> {
    let steps = (-1..=1_i16).flat_map(|down| (-1..=1_i32).map(move |right| (down, right)));
    steps.filter(|step| *step != (0, 0)).filter_map(move |(down, right)| {
        let row = cell.row.checked_add_signed(down)?;
        let column = cell.column.checked_add_signed(right)?;
        Some(Cell { row, column, ..cell })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(places: &[(usize, usize)]) -> BTreeSet<Cell> {
        places.iter().map(|(row, column)| Cell::at(*row, *column)).collect()
    }

    #[test]
    fn a_selection_grows_to_the_edge_of_the_grid_and_shrinks_back() {
        let tokens = Tokens::grid(5, 6, 9, vec![0; 30]).unwrap();
        let one = cells(&[(2, 2)]);
        let nine = grown(&one, &tokens);
        assert_eq!(nine.len(), 9);
        assert!(nine.contains(&Cell::at(1, 1)) && nine.contains(&Cell::at(3, 3)));
        assert_eq!(shrunk(&nine, &tokens), one);
        let corner = grown(&cells(&[(0, 0)]), &tokens);
        assert_eq!(corner, cells(&[(0, 0), (0, 1), (1, 0), (1, 1)]));
        assert_eq!(shrunk(&corner, &tokens), cells(&[(0, 0)]));
        let all = inverted(&BTreeSet::new(), (0, tokens.first()));
        assert_eq!((all.len(), grown(&all, &tokens).len()), (30, 30), "never outside");
        assert_eq!(shrunk(&all, &tokens), all, "the edge of the grid is no edge of it");
    }

    #[test]
    fn what_is_inverted_twice_is_as_it_was() {
        let tokens = Tokens::grid(3, 3, 9, vec![0; 9]).unwrap();
        let some = cells(&[(0, 1), (2, 2)]);
        let others = inverted(&some, (0, tokens.first()));
        assert_eq!(others.len(), 7);
        assert_eq!(inverted(&others, (0, tokens.first())), some);
    }
}
