//! Which cells of a grid a drag of the pointer is about: those of a rectangle, those that are drawn round, those that
//! are drawn over. Places of the pointer are in cells: 0.5, 0.5 is the middle of the first one.

use std::collections::BTreeSet;

use egui::{Pos2, pos2};

/// A place of the sheet: row and column.
pub(super) type Place = (usize, usize);

/// Rows and columns.
type Size = (usize, usize);

/// The cells whose middle lies inside of a closed line. The line is gone along once, whatever rows there are: it is
/// asked at every move of a hand that draws it.
pub(super) fn inside(line: &[Pos2], (rows, columns): Size) -> BTreeSet<Place> {
    let mut found = BTreeSet::new();
    let Some(last) = line.last() else { return found };
    // Where the line crosses the middle of each row.
    let mut crossings: Vec<Vec<f32>> = vec![Vec::new(); rows];
    for (a, b) in std::iter::once(last).chain(line).zip(line) {
        let (top, bottom) = (a.y.min(b.y), a.y.max(b.y));
        // From the first row whose middle is not above the upper end.
        let first = ((top - 0.5).ceil().max(0.0) as usize).min(rows);
        let end = ((bottom + 0.5).ceil().max(0.0) as usize).min(rows);
        for (row, crossings) in crossings.iter_mut().enumerate().take(end).skip(first) {
            let middle = row as f32 + 0.5;
            if (a.y <= middle) != (b.y <= middle) {
                crossings.push(a.x + (b.x - a.x) * (middle - a.y) / (b.y - a.y));
            }
        }
    }
    for (row, crossings) in crossings.iter_mut().enumerate() {
        crossings.sort_by(f32::total_cmp);
        for pair in crossings.chunks_exact(2) {
            let first = (pair[0] - 0.5).ceil().max(0.0) as usize;
            let end = ((pair[1] - 0.5).ceil().max(0.0) as usize).min(columns);
            found.extend((first..end).map(|column| (row, column)));
        }
    }
    found
}

/// The cells that a line goes through, and those within `reach` cells of them.
pub(super) fn along(line: &[Pos2], reach: u8, (rows, columns): Size) -> BTreeSet<Place> {
    let reach = isize::from(reach);
    let mut found = BTreeSet::new();
    let mut touch = |at: Pos2| {
        let (row, column) = (at.y.floor() as isize, at.x.floor() as isize);
        for (down, right) in (-reach..=reach).flat_map(|d| (-reach..=reach).map(move |r| (d, r))) {
            // Round, as a brush is.
            let is_near = down * down + right * right <= reach * reach + reach / 2;
            let (row, column) = (row + down, column + right);
            if is_near && row >= 0 && column >= 0 {
                let place = (row as usize, column as usize);
                if place.0 < rows && place.1 < columns {
                    found.insert(place);
                }
            }
        }
    };
    if let Some(first) = line.first() {
        touch(*first);
    }
    for pair in line.windows(2) {
        // A fast hand leaves no holes.
        let steps = (pair[1] - pair[0]).length().mul_add(3.0, 1.0).ceil() as usize;
        for step in 1..=steps {
            touch(pair[0] + (pair[1] - pair[0]) * (step as f32 / steps as f32));
        }
    }
    found
}

/// A place of the screen in cells of a picture that is seen there.
pub(super) fn in_cells(at: Pos2, picture: egui::Rect, (rows, columns): Size) -> Pos2 {
    let part = (at - picture.min) / picture.size();
    pos2(part.x * columns as f32, part.y * rows as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(f32, f32)]) -> Vec<Pos2> {
        points.iter().map(|(x, y)| pos2(*x, *y)).collect()
    }

    /// What a lasso selects: also what it goes through, so that nothing is too small to be drawn round.
    fn lasso(line: &[Pos2], size: Size) -> BTreeSet<Place> {
        &inside(line, size) | &along(line, 0, size)
    }

    #[test]
    fn what_is_drawn_round_is_inside_also_of_a_line_with_a_dent() {
        let square = line(&[(1.5, 1.5), (4.5, 1.5), (4.5, 4.5), (1.5, 4.5)]);
        let found = lasso(&square, (8, 8));
        let wanted: BTreeSet<Place> = (1..=4).flat_map(|r| (1..=4).map(move |c| (r, c))).collect();
        assert_eq!(found, wanted);
        // A letter U: between its arms is outside.
        let arms =
            [(0.5, 0.5), (2.5, 0.5), (2.5, 5.5), (5.5, 5.5), (5.5, 0.5), (7.5, 0.5), (7.5, 7.5)];
        let mut arms = line(&arms);
        arms.push(pos2(0.5, 7.5));
        let found = lasso(&arms, (8, 8));
        assert!(found.contains(&(3, 1)) && found.contains(&(6, 4)) && found.contains(&(3, 6)));
        assert!(!found.contains(&(3, 4)), "between the arms");
    }

    #[test]
    fn a_small_loop_selects_what_it_touches_and_nothing_lies_outside_of_the_grid() {
        let dot = line(&[(2.2, 3.2), (2.3, 3.2), (2.3, 3.3)]);
        assert_eq!(lasso(&dot, (8, 8)), [(3, 2)].into());
        assert!(lasso(&[], (8, 8)).is_empty());
        let wide = line(&[(-3.0, -3.0), (40.0, -3.0), (40.0, 40.0), (-3.0, 40.0)]);
        assert_eq!(inside(&wide, (3, 5)).len(), 15);
        // Beside the grid on every side: nothing of it is inside.
        for (x, y) in [(-9.0, 0.0), (9.0, 0.0), (0.0, -9.0), (0.0, 9.0)] {
            let beside = line(&[(x, y), (x + 3.0, y), (x + 3.0, y + 3.0), (x, y + 3.0)]);
            assert!(inside(&beside, (3, 5)).is_empty(), "{x} {y}");
        }
    }

    #[test]
    fn a_brush_leaves_no_holes_however_fast_the_hand_is() {
        let stroke = line(&[(0.5, 2.5), (9.5, 2.5)]);
        assert_eq!(along(&stroke, 0, (6, 10)), (0..10).map(|column| (2, column)).collect());
        let thick = along(&stroke[..1], 1, (6, 10));
        assert_eq!(thick, [(1, 0), (2, 0), (2, 1), (3, 0)].into(), "a small disc, cut at the edge");
        let steep = along(&line(&[(0.5, 0.5), (5.5, 5.5)]), 0, (6, 6));
        assert!((0..6).all(|at| steep.contains(&(at, at))));
    }

    #[test]
    fn a_place_of_the_screen_is_found_in_cells() {
        let picture = egui::Rect::from_min_max(pos2(100.0, 50.0), pos2(300.0, 150.0));
        assert_eq!(in_cells(pos2(150.0, 75.0), picture, (8, 16)), pos2(4.0, 2.0));
    }
}
