//! The order of Halton: every stretch of it is spread evenly over the grid.
//!
//! Source: Halton 1960; for masked generators Besnier et al., arXiv 2503.17076.

/// One coordinate of the sequence, n / d, by whole numbers, so that nothing drifts.
struct Digits {
    base: u64,
    n: u64,
    d: u64,
}

impl Digits {
    fn new(base: u64) -> Self {
        Self { base, n: 0, d: 1 }
    }

    /// The cell among `cells` in which the next number lies.
    fn next_cell(&mut self, cells: usize) -> usize {
        let left = self.d - self.n;
        if left == 1 {
            self.n = 1;
            self.d *= self.base;
        } else {
            let mut y = self.d / self.base;
            while left <= y {
                y /= self.base;
            }
            self.n = (self.base + 1) * y - left;
        }
        (self.n * cells as u64 / self.d) as usize
    }
}

/// The places of a grid, row by row, in the order in which the Halton sequence first comes to them: its digits to
/// base 2 choose the row, those to base 3 the column. Every place is in it once.
pub fn halton_order(rows: usize, columns: usize) -> Vec<u32> {
    let cells = rows * columns;
    let (mut row, mut column) = (Digits::new(2), Digits::new(3));
    let mut seen = vec![false; cells];
    let mut order = Vec::with_capacity(cells);
    // It ends: 2^a 3^b numbers on end come to every cell whose sides are at least 2 / 2^a and 2 / 3^b.
    while order.len() < cells {
        let place = row.next_cell(rows) * columns + column.next_cell(columns);
        if !seen[place] {
            seen[place] = true;
            order.push(place as u32);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number's digits mirrored at the point.
    fn mirrored(mut number: u64, base: u64) -> (u64, u64) {
        let (mut n, mut d) = (0, 1);
        while number > 0 {
            n = n * base + number % base;
            d *= base;
            number /= base;
        }
        (n, d)
    }

    #[test]
    fn every_place_is_visited_once_on_grids_of_any_shape() {
        let shapes = [(1, 1), (1, 32), (257, 1), (6, 6), (16, 16), (3, 50), (127, 121), (128, 128)];
        for (rows, columns) in shapes {
            let mut order = halton_order(rows, columns);
            order.sort_unstable();
            assert!(order.into_iter().eq(0..(rows * columns) as u32), "{rows} x {columns}");
        }
    }

    #[test]
    fn it_begins_where_mirrored_digits_lie() {
        let (rows, columns) = (16, 24);
        let mut expected = Vec::new();
        for number in 1..60 {
            let ((a, b), (c, d)) = (mirrored(number, 2), mirrored(number, 3));
            let place = (a * rows / b * columns + c * columns / d) as u32;
            if !expected.contains(&place) {
                expected.push(place);
            }
        }
        assert_eq!(halton_order(rows as usize, columns as usize)[..expected.len()], expected);
    }

    #[test]
    fn every_quarter_of_the_grid_gets_its_share_early() {
        let mut counts = [0; 4];
        for place in halton_order(16, 16).into_iter().take(64) {
            let (row, column) = (place / 16, place % 16);
            counts[(row / 8 * 2 + column / 8) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (13..=19).contains(count)), "{counts:?}");
    }
}
