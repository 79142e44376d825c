//! The outline of a region of cells: the straight lines between what is inside and what is not.

use std::sync::Arc;

/// A straight line along the edges of cells, from one corner of cells to another: (column, row) each.
pub(super) type Line = [(u32, u32); 2];

/// A region of a grid of cells and its outline, holes included.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    /// Whether each cell is inside, row by row.
    pub(super) inside: Arc<[bool]>,
    /// Its lines.
    pub(super) lines: Vec<Line>,
    /// How many cells are inside.
    pub(super) count: usize,
}

impl Outline {
    /// Of the cells that are inside, row by row.
    pub(super) fn of(inside: Vec<bool>, columns: usize) -> Self {
        let columns = columns.max(1);
        let rows = inside.len() / columns;
        // Outside of the grid nothing is inside.
        let at = |row: Option<usize>, column: Option<usize>| match (row, column) {
            (Some(row), Some(column)) if row < rows && column < columns => {
                inside[row * columns + column]
            }
            _ => false,
        };
        let mut lines = Vec::new();
        for row in 0..=rows {
            let is_edge =
                |column| at(row.checked_sub(1), Some(column)) != at(Some(row), Some(column));
            for (from, to) in runs(columns, is_edge) {
                lines.push([(from, row as u32), (to, row as u32)]);
            }
        }
        for column in 0..=columns {
            let is_edge = |row| at(Some(row), column.checked_sub(1)) != at(Some(row), Some(column));
            for (from, to) in runs(rows, is_edge) {
                lines.push([(column as u32, from), (column as u32, to)]);
            }
        }
        let count = inside.iter().filter(|inside| **inside).count();
        Self { inside: inside.into(), lines, count }
    }
}

/// The stretches of the numbers below `length` for which something holds, each with its end.
fn runs(length: usize, holds: impl Fn(usize) -> bool) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    let mut start = None;
    for at in 0..=length {
        match (at < length && holds(at), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                found.push((from as u32, at as u32));
                start = None;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(rows: &[&str]) -> Outline {
        let inside = rows.iter().flat_map(|row| row.chars().map(|c| c == '#')).collect();
        Outline::of(inside, rows[0].len())
    }

    /// All edges of single cells that the lines are made of, sorted.
    fn edges(lines: &[Line]) -> Vec<Line> {
        let mut edges = Vec::new();
        for [(left, top), (right, bottom)] in lines {
            edges.extend((*left..*right).map(|x| [(x, *top), (x + 1, *top)]));
            edges.extend((*top..*bottom).map(|y| [(*left, y), (*left, y + 1)]));
        }
        edges.sort_unstable();
        edges
    }

    #[test]
    fn a_rectangle_has_four_lines_however_large_it_is() {
        let found = outline(&["....", ".##.", ".##.", "...."]);
        let mut lines = found.lines.clone();
        lines.sort_unstable();
        let wanted = [[(1, 1), (1, 3)], [(1, 1), (3, 1)], [(1, 3), (3, 3)], [(3, 1), (3, 3)]];
        assert_eq!((lines.as_slice(), found.count), (wanted.as_slice(), 4));
        assert_eq!(Outline::of(vec![true; 256 * 256], 256).lines.len(), 4);
    }

    #[test]
    fn holes_corners_and_the_border_of_the_grid_have_their_edges_and_nothing_else_has() {
        for rows in [
            vec!["###", "#.#", "###"],
            vec!["#..", ".#.", "..#"],
            vec!["##.", "#..", "..."],
            vec!["#"],
            vec!["...", "..."],
        ] {
            let found = outline(&rows);
            let (height, width) = (rows.len() as u32, rows[0].len() as u32);
            let at = |x: u32, y: u32| {
                let inside = x < width && y < height;
                inside && found.inside[(y * width + x) as usize]
            };
            let mut wanted = Vec::new();
            for y in 0..height {
                for x in 0..width {
                    if !at(x, y) {
                        continue;
                    }
                    let sides = [
                        (at(x, y.wrapping_sub(1)), [(x, y), (x + 1, y)]),
                        (at(x, y + 1), [(x, y + 1), (x + 1, y + 1)]),
                        (at(x.wrapping_sub(1), y), [(x, y), (x, y + 1)]),
                        (at(x + 1, y), [(x + 1, y), (x + 1, y + 1)]),
                    ];
                    wanted.extend(sides.iter().filter(|(beside, _)| !beside).map(|(_, e)| *e));
                }
            }
            wanted.sort_unstable();
            assert_eq!(edges(&found.lines), wanted, "{rows:?}");
        }
    }
}
