//! In which order a raster generator writes the cells of a grid.
//!
//! A network learns one order: place i of its sequence is always the same cell, so that what it learns of a place
//! is about that cell, and it always knows where the next token stands.

use crate::random::shuffled;

/// An order of the cells of a grid.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub enum Order {
    /// Row by row, from the top.
    #[default]
    Rows,
    /// In a spiral from the middle outwards.
    Spiral,
    /// Drawn from a seed.
    Random(u64),
}

impl Order {
    /// Its name.
    pub fn name(self) -> String {
        match self {
            Self::Rows => "row by row".to_owned(),
            Self::Spiral => "spiral".to_owned(),
            Self::Random(seed) => format!("random ({seed})"),
        }
    }

    /// The cell of each place of the sequence; cells count row by row.
    pub fn cells(self, rows: usize, columns: usize) -> Vec<u32> {
        let count = rows * columns;
        match self {
            Self::Rows => (0..count as u32).collect(),
            Self::Random(seed) => {
                (0..count as u64).map(|at| shuffled(seed, 0, count as u64, at) as u32).collect()
            }
            Self::Spiral => {
                let mut inwards = spiral_inwards(rows, columns);
                inwards.reverse();
                inwards
            }
        }
    }
}

/// The ring at the border clockwise from the top left, then the one inside of it, and so on.
fn spiral_inwards(rows: usize, columns: usize) -> Vec<u32> {
    let (mut top, mut left, mut bottom, mut right) = (0, 0, rows, columns);
    let mut cells = Vec::with_capacity(rows * columns);
    let mut add = |row: usize, column: usize| cells.push((row * columns + column) as u32);
    while top < bottom && left < right {
        (left..right).for_each(|column| add(top, column));
        (top + 1..bottom).for_each(|row| add(row, right - 1));
        if bottom - top > 1 {
            (left..right - 1).rev().for_each(|column| add(bottom - 1, column));
        }
        if right - left > 1 {
            (top + 1..bottom.saturating_sub(1)).rev().for_each(|row| add(row, left));
        }
        (top, left) = (top + 1, left + 1);
        (bottom, right) = (bottom.saturating_sub(1), right.saturating_sub(1));
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_writes_every_cell_once() {
        for (rows, columns) in [(1, 1), (1, 5), (5, 1), (2, 2), (3, 4), (4, 3), (16, 16)] {
            for order in [Order::Rows, Order::Spiral, Order::Random(3), Order::Random(4)] {
                let mut cells = order.cells(rows, columns);
                cells.sort_unstable();
                let all: Vec<u32> = (0..(rows * columns) as u32).collect();
                assert_eq!(cells, all, "{order:?} {rows}x{columns}");
            }
        }
        assert_ne!(Order::Random(3).cells(4, 4), Order::Random(4).cells(4, 4));
    }

    #[test]
    fn a_spiral_begins_in_the_middle_and_goes_to_a_neighbor_each_time() {
        assert_eq!(Order::Spiral.cells(3, 3), [4, 3, 6, 7, 8, 5, 2, 1, 0]);
        let cells = Order::Spiral.cells(6, 5);
        for pair in cells.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|cell| (i64::from(cell) / 5, i64::from(cell) % 5));
            assert_eq!((a.0 - b.0).abs() + (a.1 - b.1).abs(), 1, "{cells:?}");
        }
    }
}
