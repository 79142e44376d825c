//! Products of matrices of any strides, packed for the micro kernel.
//!
//! The right factor is packed once into panels of two vectors; a task takes a block of rows of the
//! left one, packs it and passes over all panels, so that a panel stays in the first cache and the
//! block in the second. Every result is summed by one task in one order. What bounds it: the
//! multiply-add unit; packing takes a few percent where a matrix has hundreds of rows.
#![expect(unsafe_code, reason = "packs matrices by pointer and writes blocks of the result")]

use rayon::prelude::*;

use super::grid::{Copy, Grid, Pack};
use super::product::{Matrix, Product, groups};
use super::scratch::{Place, Scratch, with_scratch};
use super::simd::{Level, Simd, with_simd};

/// Rows of the right factor at once: a panel of them fills half of a first cache of 32 KB.
const DEPTH: usize = 256;
/// Rows of a block, in rows of the micro kernel.
const BLOCK_ROWS: usize = 16;

/// A factor: element (r, c) of `values` is at `r * rows + c * columns`.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
}

impl<'a> Factor<'a> {
    /// Row by row, `width` apart.
    pub(super) fn by_rows(values: &'a [f32], width: usize) -> Self {
        Self { values, rows: width, columns: 1 }
    }

    /// Rows and columns exchanged.
    pub(super) fn turned(self) -> Self {
        Self { rows: self.columns, columns: self.rows, ..self }
    }

    /// Checks that the matrix is inside its values.
    fn grid(self, rows: usize, columns: usize) -> Place<Grid<*const f32>> {
        if rows > 0 && columns > 0 {
            let last = (rows - 1) * self.rows + (columns - 1) * self.columns;
            assert!(last < self.values.len(), "a factor outside of its values");
        }
        let start = self.values.as_ptr();
        Place::new(Grid { start, rows: self.rows, columns: self.columns })
    }
}

/// `c = a b` (m, n), row by row; `finish` then gets every block of rows while it is in the cache: the
/// number of its first row and its values.
///
/// Shapes are (m, n, k): `a` (m, k), `b` (k, n).
///
/// # Safety
/// `c` must be writable, m * n numbers, by this call alone; all of them are written.
pub(super) unsafe fn multiply(
    level: Level,
    (m, n, k): (usize, usize, usize),
    (a, b): (Factor<'_>, Factor<'_>),
    c: *mut f32,
    finish: impl Fn(usize, &mut [f32]) + Sync,
) {
    if m == 0 || n == 0 {
        return;
    }
    let (a, b) = (a.grid(m, k), b.grid(k, n));
    with_simd!(level, s => {
        let job = Job { s, shape: (m, n, k), a, b };
        // SAFETY: the factors were checked; the result is the caller's promise.
        unsafe { job.run(Place::new(c), &finish) }
    });
}

struct Job<S> {
    s: S,
    shape: (usize, usize, usize),
    a: Place<Grid<*const f32>>,
    b: Place<Grid<*const f32>>,
}

impl<S: Simd> Job<S> {
    const WIDTH: usize = 2 * S::LANES;

    /// # Safety
    /// As for [`multiply`]; the factors must be readable.
    unsafe fn run(&self, c: Place<*mut f32>, finish: &(impl Fn(usize, &mut [f32]) + Sync)) {
        let (m, n, k) = self.shape;
        let panels = n.div_ceil(Self::WIDTH);
        let mut packed = Scratch::new(panels * Self::WIDTH * k);
        let to = Place::new(packed.start());
        (0..panels).into_par_iter().for_each(|panel| {
            // SAFETY: the place of this panel, and no other task's.
            unsafe { self.pack_panel(panel, to.get().add(panel * Self::WIDTH * k)) }
        });
        let block = BLOCK_ROWS * S::ROWS;
        (0..m.div_ceil(block)).into_par_iter().for_each(|at| {
            let (first, rows) = (at * block, block.min(m - at * block));
            // SAFETY: rows of this task; the panels are packed.
            unsafe {
                let c = c.get().add(first * n);
                self.block((first, rows), to.get().cast_const(), c);
                finish(first, std::slice::from_raw_parts_mut(c, rows * n));
            }
        });
    }

    /// Columns of the right factor as (k, WIDTH), zeros behind the last.
    ///
    /// # Safety
    /// `to` has room for them.
    unsafe fn pack_panel(&self, panel: usize, to: *mut f32) {
        let (_, n, k) = self.shape;
        let first = panel * Self::WIDTH;
        let columns = Self::WIDTH.min(n - first);
        if columns < Self::WIDTH {
            // SAFETY: the place of the panel.
            unsafe { std::slice::from_raw_parts_mut(to, Self::WIDTH * k).fill(0.0) };
        }
        let b = self.b.get();
        let from = Grid { start: b.start.wrapping_add(first * b.columns), ..b };
        let to = Grid { start: to, rows: Self::WIDTH, columns: 1 };
        self.s.vectorize(Copy { from, to, size: (k, columns) });
    }

    /// A block of rows of the result. The last columns, if they are less than a panel, go by way of a
    /// panel of scratch.
    ///
    /// # Safety
    /// `panels` holds the packed right factor, `c` has room for the rows.
    unsafe fn block(&self, (first, rows): (usize, usize), panels: *const f32, c: *mut f32) {
        let (_, n, k) = self.shape;
        let (whole, width, a) = (n / Self::WIDTH, Self::WIDTH, self.a.get());
        let groups = groups(rows, S::ROWS);
        with_scratch(rows * width + rows * DEPTH.min(k) + 16, |edge| {
            let packed = edge.wrapping_add(rows * width);
            // SAFETY: factors and results of this block; both parts of the scratch just taken.
            unsafe {
                if k == 0 {
                    std::slice::from_raw_parts_mut(c, rows * n).fill(0.0);
                    return;
                }
                for start in (0..k).step_by(DEPTH) {
                    let depth = DEPTH.min(k - start);
                    for &(row, rows) in &groups {
                        let at = (first + row) * a.rows + start * a.columns;
                        let from = Grid { start: a.start.wrapping_add(at), ..a };
                        let to = packed.add(row * depth);
                        self.s.vectorize(Pack { from, rows, depth, to });
                    }
                    for panel in 0..n.div_ceil(width) {
                        let b = panels.add(panel * width * k + start * width);
                        let to = if panel < whole {
                            Matrix { start: c.add(panel * width), stride: n }
                        } else {
                            Matrix { start: edge, stride: width }
                        };
                        self.panel(&groups, depth, (packed, b), to, start > 0);
                    }
                }
                let done = whole * width;
                let from = Grid { start: edge.cast_const(), rows: width, columns: 1 };
                let to = Grid { start: c.add(done), rows: n, columns: 1 };
                self.s.vectorize(Copy { from, to, size: (rows, n - done) });
            }
        });
    }

    /// All rows of a block for one panel.
    ///
    /// # Safety
    /// `a` holds the packed rows, `b` the panel.
    unsafe fn panel(
        &self,
        groups: &[(usize, usize)],
        depth: usize,
        (a, b): (*const f32, *const f32),
        c: Matrix<*mut f32>,
        add: bool,
    ) {
        for &(row, rows) in groups {
            let c = Matrix { start: c.start.wrapping_add(row * c.stride), ..c };
            let b = Matrix { start: b, stride: Self::WIDTH };
            let a = a.wrapping_add(row * depth);
            let planes = (1, [0; 3]);
            // SAFETY: by the promise above.
            unsafe {
                Product::<2, true> { rows, depth, a, b, c, columns: 1, planes, add }.run(self.s);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{deviation, flat, noise};
    use super::*;
    use crate::kernels::simd::levels;

    #[test]
    fn every_instruction_set_gives_the_product_of_any_strides() {
        for (m, n, k) in
            [(1, 1, 1), (5, 7, 3), (97, 33, 300), (230, 64, 17), (3, 40, 0), (0, 3, 2), (2, 0, 2)]
        {
            let (a, b) = (noise(1, &[m * k + 8]), noise(2, &[k * n + 8]));
            let (a64, b64) = (flat(&a), flat(&b));
            let (a, b): (Vec<f32>, Vec<f32>) = (a.to_vec1().unwrap(), b.to_vec1().unwrap());
            for turned in 0..4 {
                let factor = |values, rows, columns, turned| {
                    if turned {
                        Factor::by_rows(values, rows).turned()
                    } else {
                        Factor::by_rows(values, columns)
                    }
                };
                let (left, right) = (turned & 1 > 0, turned & 2 > 0);
                let (af, bf) = (factor(&a[..m * k], m, k, left), factor(&b[..k * n], k, n, right));
                let element =
                    |x: &[f64], f: Factor<'_>, r: usize, c: usize| x[r * f.rows + c * f.columns];
                let mut expected = Vec::new();
                for at in 0..m * n {
                    let (r, c) = (at / n, at % n);
                    expected.push(
                        (0..k)
                            .map(|i| element(&a64, af, r, i) * element(&b64, bf, i, c))
                            .sum::<f64>()
                            + 1.0,
                    );
                }
                for level in levels() {
                    let mut c = vec![f32::NAN; m * n];
                    // SAFETY: the whole result.
                    unsafe {
                        multiply(level, (m, n, k), (af, bf), c.as_mut_ptr(), |first, rows| {
                            assert!(rows.len() % n == 0 && first < m);
                            for x in rows {
                                *x += 1.0;
                            }
                        });
                    }
                    let found: Vec<f64> = c.iter().map(|&x| f64::from(x)).collect();
                    if !found.is_empty() {
                        assert!(
                            deviation(&found, &expected) < 1e-5,
                            "{level:?} {m}x{n}x{k} {turned}"
                        );
                    }
                }
            }
        }
    }
}
