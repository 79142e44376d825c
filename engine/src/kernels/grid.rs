//! Matrices of any strides: copied, transposed, and packed for the products.
#![expect(unsafe_code, reason = "reads and writes matrices by pointer")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use super::moments::mask;
use super::scratch::Pointer;
use super::simd::{PointerKernel, Simd};

/// A matrix in memory: element (r, c) is `r * rows + c * columns` behind the start.
#[derive(Clone, Copy)]
pub(super) struct Grid<P> {
    pub(super) start: P,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

// SAFETY: a pointer and two numbers.
unsafe impl<P: Pointer> Pointer for Grid<P> {}

impl<P> Grid<P> {
    /// Columns for rows.
    pub(super) fn turned(self) -> Self {
        Self { start: self.start, rows: self.columns, columns: self.rows }
    }
}

/// Copies a matrix: by vectors where both sides have unit stride, by squares that are transposed
/// where one has it along rows and the other along columns.
pub(super) struct CopyGrid {
    pub(super) from: Grid<*const f32>,
    pub(super) to: Grid<*mut f32>,
    /// Rows and columns. All of `from` must be readable and all of `to` writable, by this thread alone.
    pub(super) size: (usize, usize),
}

impl<S: Simd> PointerKernel<S> for CopyGrid {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { mut from, mut to, size: (mut rows, mut columns) } = self;
        if from.columns != 1 && from.rows == 1 {
            (from, to, rows, columns) = (from.turned(), to.turned(), columns, rows);
        }
        // SAFETY: both matrices have `size`, readable and writable by the caller's promise, and
        // turning both keeps that. Vectors are masked to the columns, squares are those that are whole, and
        // the rest is read and written number by number.
        unsafe {
            if from.columns == 1 && to.columns == 1 {
                for row in 0..rows {
                    for at in (0..columns).step_by(S::LANES) {
                        let lanes = mask::<S>(at, columns);
                        let v = s.load_part(from.start.add(row * from.rows + at), lanes);
                        s.store_part(to.start.add(row * to.rows + at), v, lanes);
                    }
                }
                return;
            }
            let (mut whole_rows, mut whole_columns) = (0, 0);
            if from.columns == 1 && to.rows == 1 {
                whole_rows = rows / S::LANES * S::LANES;
                whole_columns = columns / S::LANES * S::LANES;
                for row in (0..whole_rows).step_by(S::LANES) {
                    for column in (0..whole_columns).step_by(S::LANES) {
                        s.transpose(
                            (from.start.add(row * from.rows + column), from.rows),
                            (to.start.add(column * to.columns + row), to.columns),
                        );
                    }
                }
            }
            for row in 0..rows {
                let first = if row < whole_rows { whole_columns } else { 0 };
                for column in first..columns {
                    *to.start.add(row * to.rows + column * to.columns) =
                        *from.start.add(row * from.rows + column * from.columns);
                }
            }
        }
    }
}

/// Lays out a few rows as the packed left factor of a product: element (r, k) at `k * rows + r`.
///
/// Whole vectors are written, each over what the one before wrote too much: up to 16 numbers behind
/// the end are arbitrary afterwards.
pub(super) struct Pack {
    /// All rows must be readable.
    pub(super) from: Grid<*const f32>,
    /// At most as many as a vector has lanes.
    pub(super) rows: usize,
    pub(super) depth: usize,
    /// Room for `rows * depth + 16` numbers that nobody else uses.
    pub(super) to: *mut f32,
}

impl<S: Simd> PointerKernel<S> for Pack {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { from, rows, depth, to } = self;
        // SAFETY: rows and columns are inside the matrix, and a vector at any of the packed columns
        // ends before the 16 numbers behind them do, by the caller's promise. There are at most
        // as many rows as lanes (`S::ROWS` is less for every instruction set), so rows fit the squares.
        unsafe {
            if from.rows == 1 {
                let lanes = mask::<S>(0, rows);
                for k in 0..depth {
                    let v = s.load_part(from.start.add(k * from.columns), lanes);
                    s.store(to.add(k * rows), v);
                }
            } else if from.columns == 1 {
                let mut square = [0.0_f32; 256];
                let mut turned = [0.0_f32; 256];
                for first in (0..depth).step_by(S::LANES) {
                    let lanes = mask::<S>(first, depth);
                    for row in 0..rows {
                        let v = s.load_part(from.start.add(row * from.rows + first), lanes);
                        s.store(square.as_mut_ptr().add(row * S::LANES), v);
                    }
                    s.transpose((square.as_ptr(), S::LANES), (turned.as_mut_ptr(), S::LANES));
                    for k in first..depth.min(first + S::LANES) {
                        let v = s.load(turned.as_ptr().add((k - first) * S::LANES));
                        s.store(to.add(k * rows), v);
                    }
                }
            } else {
                for k in 0..depth {
                    for row in 0..rows {
                        *to.add(k * rows + row) =
                            *from.start.add(row * from.rows + k * from.columns);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::{Level, levels, with_simd};
    use super::*;

    #[test]
    fn matrices_are_copied_and_packed_whatever_their_order() {
        let from: Vec<f32> = (0..4000).map(|i| i as f32).collect();
        for (rows, columns) in [(1, 1), (3, 40), (17, 5), (33, 34), (16, 16), (0, 3)] {
            for order in [(columns + 3, 1), (1, rows + 2), (2 * columns, 2)] {
                let grid = Grid { start: from.as_ptr(), rows: order.0, columns: order.1 };
                let value = |r: usize, c: usize| from[r * order.0 + c * order.1];
                for level in levels() {
                    for to_order in [(columns, 1), (1, rows), (columns + 1, 1)] {
                        copies(level, grid, to_order, (rows, columns), &value);
                    }
                    packs(level, grid, (rows, columns), &value);
                }
            }
        }
    }

    fn copies(
        level: Level,
        from: Grid<*const f32>,
        order: (usize, usize),
        (rows, columns): (usize, usize),
        value: &dyn Fn(usize, usize) -> f32,
    ) {
        let mut to = vec![-1.0_f32; (rows + 1) * (columns + 1)];
        let grid = Grid { start: to.as_mut_ptr(), rows: order.0, columns: order.1 };
        let job = CopyGrid { from, to: grid, size: (rows, columns) };
        // SAFETY: both have room for the rows and columns in all the orders that are tried.
        with_simd!(level, s => unsafe { s.follow(job) });
        for at in 0..rows * columns {
            let (r, c) = (at / columns, at % columns);
            assert_eq!(to[r * order.0 + c * order.1], value(r, c), "{level:?}");
        }
        let left = to.iter().filter(|&&x| x == -1.0).count();
        assert_eq!(left, to.len() - rows * columns, "{level:?}: nothing else is written");
    }

    fn packs(
        level: Level,
        from: Grid<*const f32>,
        (rows, depth): (usize, usize),
        value: &dyn Fn(usize, usize) -> f32,
    ) {
        let rows = rows.min(with_simd!(level, s => rows_of(s)));
        let mut packed = vec![0.0; rows * depth + 16];
        let to = packed.as_mut_ptr();
        // SAFETY: the rows are there, at most as many as lanes, and `packed` has 16 numbers more.
        with_simd!(level, s => unsafe { s.follow(Pack { from, rows, depth, to }) });
        for (at, &x) in packed.iter().enumerate().take(rows * depth) {
            assert_eq!(x, value(at % rows, at / rows), "{level:?}");
        }
    }

    fn rows_of<S: Simd>(_: S) -> usize {
        S::ROWS
    }
}
