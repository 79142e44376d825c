//! Products of matrices of any strides, packed for the micro kernel.
//!
//! The right factor is packed once into panels; a task takes a block of rows of the left one and packs
//! it. A few rows of it stay in the first cache while panels stream from the second, which is fast
//! enough for the multiply-add unit, so that each call of the micro kernel is long. Every result is
//! summed by one task in one order. What bounds it: the multiply-add unit; packing takes a few percent
//! where a matrix has hundreds of rows. A few rows go another way: [`few_rows`].
#![expect(unsafe_code, reason = "packs matrices by pointer and writes blocks of the result")]

use rayon::prelude::*;

use super::few_rows;
use super::grid::{CopyGrid, Grid, Pack};
use super::product::{Matrix, PACKED, Product, To, groups};
use super::raw::holds;
use super::scratch::{Place, with_scratch};
use super::simd::{Level, Simd, with_simd};

/// Columns of a panel: what every instruction set has pairs of vectors for.
const WIDTH: usize = 32;
/// Rows of the right factor at once.
const DEPTH: usize = 256;
/// Panels at once: with `DEPTH` rows half of a second cache of 512 KB.
const PANELS: usize = 8;
/// Rows of a block, in rows of the micro kernel.
const BLOCK_ROWS: usize = 16;
/// Numbers between packed groups of rows: whole vectors are written, beyond the end of a group.
const PAD: usize = 16;

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
            let down = (rows - 1).checked_mul(self.rows);
            let across = (columns - 1).checked_mul(self.columns);
            let last = down.zip(across).and_then(|(down, across)| down.checked_add(across));
            assert!(
                last.is_some_and(|at| at < self.values.len()),
                "a factor outside of its values"
            );
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
    if few_rows::fits(m, a.get(), b.get()) {
        // SAFETY: as below; all numbers are written before they are lent out as a slice.
        unsafe {
            few_rows::multiply(level, (m, n, k), (a, b), Place::new(c));
            finish(0, std::slice::from_raw_parts_mut(c, m * n));
        }
        return;
    }
    with_simd!(level, s => {
        let job = Job { s, shape: (m, n, k), a, b };
        // SAFETY: `grid` checked both factors, which stay borrowed until the product is there; the result is
        // the caller's promise.
        unsafe { job.run(Place::new(c), &finish) }
    });
}

/// `c = scale a^T b` (m, n) of `a` (k, m) and `b` (k, n), row by row: a sum over many rows, as the gradient
/// of a weight is. By `gemm`, which is a quarter faster than [`multiply`] where the left factor must be
/// transposed from rows that are pages apart; it sums in one order whatever the number of threads.
pub(super) fn multiply_turned(
    (m, n, k): (usize, usize, usize),
    (a, b): (&[f32], &[f32]),
    scale: f32,
    c: &mut [f32],
) {
    let fits = holds(a.len(), &[k, m]) && holds(b.len(), &[k, n]) && holds(c.len(), &[m, n]);
    assert!(fits, "factors of another shape");
    if k == 0 || c.is_empty() {
        c.fill(0.0);
        return;
    }
    let (a_row, row) = (m as isize, n as isize);
    let threads = gemm::Parallelism::Rayon(rayon::current_num_threads());
    // SAFETY: the three slices hold their matrices row by row, as was checked (a is read transposed), and
    // none of them is empty; c is borrowed mutably, and not read, since `fresh` is false.
    unsafe {
        let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
        let (fresh, no) = (false, false);
        gemm::gemm(
            m, n, k, c, 1, row, fresh, a, a_row, 1, b, 1, row, 0.0, scale, no, no, no, threads,
        );
    }
}

struct Job<S> {
    s: S,
    shape: (usize, usize, usize),
    a: Place<Grid<*const f32>>,
    b: Place<Grid<*const f32>>,
}

impl<S: Simd> Job<S> {
    /// # Safety
    /// As for [`multiply`]; the factors must be readable.
    unsafe fn run(&self, c: Place<*mut f32>, finish: &(impl Fn(usize, &mut [f32]) + Sync)) {
        let (m, n, k) = self.shape;
        let panels = n.div_ceil(WIDTH);
        with_scratch(panels * WIDTH * k, |packed| {
            let packed = Place::new(packed);
            (0..panels).into_par_iter().for_each(|panel| {
                // SAFETY: the scratch has room for all panels, and a panel has places of its own in each part of
                // the depth; it lives until all tasks are done, since `for_each` waits for them.
                unsafe { self.pack_panel(panel, packed.get()) }
            });
            let block = BLOCK_ROWS * S::ROWS;
            (0..m.div_ceil(block)).into_par_iter().for_each(|at| {
                let (first, rows) = (at * block, block.min(m - at * block));
                // SAFETY: the panels are packed and only read from here on. Blocks are disjoint rows of c, and
                // `block` writes all numbers of its rows before they are lent out as a slice.
                unsafe {
                    let c = c.get().add(first * n);
                    self.block((first, rows), packed.get().cast_const(), c);
                    finish(first, std::slice::from_raw_parts_mut(c, rows * n));
                }
            });
        });
    }

    /// Columns of the right factor as (depth, WIDTH), zeros behind the last: beside the other panels of
    /// the same rows, since panels that are a power of two apart would fight for the same cache lines.
    ///
    /// # Safety
    /// `to` has room for all panels; this one's places are this call's alone.
    unsafe fn pack_panel(&self, panel: usize, to: *mut f32) {
        let (_, n, k) = self.shape;
        let (first, all) = (panel * WIDTH, n.div_ceil(WIDTH) * WIDTH);
        let columns = WIDTH.min(n - first);
        let b = self.b.get();
        for start in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - start);
            let to = to.wrapping_add(start * all + first * depth);
            if columns < WIDTH {
                // SAFETY: the place of this panel in this part of the depth; bytes of 0 are 0.0.
                unsafe { to.write_bytes(0, WIDTH * depth) };
            }
            let place = start * b.rows + first * b.columns;
            let from = Grid { start: b.start.wrapping_add(place), ..b };
            let to = Grid { start: to, rows: WIDTH, columns: 1 };
            // SAFETY: these rows and columns are inside the right factor, which is readable by the caller's
            // promise; the rows of a panel are WIDTH numbers.
            unsafe { self.s.follow(CopyGrid { from, to, size: (depth, columns) }) };
        }
    }

    /// A block of rows of the result. The last columns, if they are less than a panel, go by way of a
    /// panel of scratch.
    ///
    /// # Safety
    /// `panels` holds the packed right factor, `c` has room for the rows.
    unsafe fn block(&self, (first, rows): (usize, usize), panels: *const f32, c: *mut f32) {
        let (_, n, k) = self.shape;
        let whole = n / WIDTH;
        let groups = groups(rows, S::ROWS);
        let size = rows * DEPTH.min(k) + groups.len() * PAD;
        with_scratch(rows * WIDTH + size, |edge| {
            let packed = edge.wrapping_add(rows * WIDTH);
            // SAFETY: `rows` rows of c are the caller's promise, and `panels` whole panels of every part of the
            // depth. The scratch has room for a panel of results and behind it for the packed rows of a part,
            // with PAD numbers behind each group; the panel is written before it is copied, since there is
            // depth.
            unsafe {
                if k == 0 {
                    c.write_bytes(0, rows * n);
                    return;
                }
                for start in (0..k).step_by(DEPTH) {
                    let depth = DEPTH.min(k - start);
                    self.pack_rows(first, &groups, (start, depth), packed);
                    let b = panels.add(start * n.div_ceil(WIDTH) * WIDTH);
                    for panel in (0..whole).step_by(PANELS) {
                        let count = PANELS.min(whole - panel);
                        let b = b.add(panel * WIDTH * depth);
                        let to = Matrix { start: c.add(panel * WIDTH), stride: n };
                        self.panels(&groups, depth, (packed, b, count), to, To::after(start == 0));
                    }
                    if whole * WIDTH < n {
                        let b = b.add(whole * WIDTH * depth);
                        let to = Matrix { start: edge, stride: WIDTH };
                        self.panels(&groups, depth, (packed, b, 1), to, To::after(start == 0));
                    }
                }
                let done = whole * WIDTH;
                let from = Grid { start: edge.cast_const(), rows: WIDTH, columns: 1 };
                let to = Grid { start: c.add(done), rows: n, columns: 1 };
                self.s.follow(CopyGrid { from, to, size: (rows, n - done) });
            }
        });
    }

    /// Packs rows of the left factor from row `first`, columns `start` to `start + depth`.
    ///
    /// # Safety
    /// `to` has room for all groups with their padding.
    unsafe fn pack_rows(
        &self,
        first: usize,
        groups: &[(usize, usize)],
        (start, depth): (usize, usize),
        to: *mut f32,
    ) {
        let a = self.a.get();
        // Where rows lie side by side, parts of the depth are packed for all groups in turn: the memory
        // of a column then is read once.
        let part = if a.rows == 1 { 16 } else { depth };
        for from in (0..depth).step_by(part) {
            for (at, &(row, rows)) in groups.iter().enumerate() {
                let place = (first + row) * a.rows + (start + from) * a.columns;
                let grid = Grid { start: a.start.wrapping_add(place), ..a };
                let to = to.wrapping_add(row * depth + at * PAD + from * rows);
                let depth = part.min(depth - from);
                // SAFETY: these rows and columns are inside the left factor, which is readable by the caller's
                // promise; a group has at most `S::ROWS` rows, and room for them and PAD numbers more, of
                // which those behind a part are written by the next.
                unsafe { self.s.follow(Pack { from: grid, rows, depth, to }) };
            }
        }
    }

    /// All rows of a block for some panels.
    ///
    /// # Safety
    /// `a` holds the packed rows, `b` the panels.
    unsafe fn panels(
        &self,
        groups: &[(usize, usize)],
        depth: usize,
        (a, b, count): (*const f32, *const f32, usize),
        c: Matrix<*mut f32>,
        to: To,
    ) {
        for (at, &(row, rows)) in groups.iter().enumerate() {
            let c = Matrix { start: c.start.wrapping_add(row * c.stride), ..c };
            let b = Matrix { start: b, stride: WIDTH };
            let a = a.wrapping_add(row * depth + at * PAD);
            let planes = (count, [0, WIDTH * depth, WIDTH]);
            let columns = WIDTH / (2 * S::LANES);
            // SAFETY: packed rows and panels are the caller's promise. A group has 1 to `S::ROWS` rows, and
            // `columns` pairs of vectors are the WIDTH columns of a panel and of c.
            unsafe {
                Product::<2, PACKED> { rows, depth, a, b, c, columns, planes, to }.run(self.s);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{deviation, flat, is_run, noise};
    use super::*;
    use crate::kernels::simd::levels;

    #[test]
    fn a_long_sum_does_not_depend_on_the_number_of_threads() {
        for (m, n, k) in [(3, 5, 2), (96, 80, 1500), (2, 3, 0), (0, 3, 2)] {
            let (a, b) = (noise(1, &[k * m]), noise(2, &[k * n]));
            let (a64, b64) = (flat(&a), flat(&b));
            let (a, b): (Vec<f32>, Vec<f32>) = (a.to_vec1().unwrap(), b.to_vec1().unwrap());
            let with = |threads| {
                let mut c = vec![f32::NAN; m * n];
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| multiply_turned((m, n, k), (&a, &b), 0.5, &mut c));
                c
            };
            let found = with(1);
            assert_eq!(found, with(3));
            for (at, &x) in found.iter().enumerate() {
                let (row, column) = (at / n, at % n);
                let exact: f64 = (0..k).map(|i| a64[i * m + row] * b64[i * n + column]).sum();
                assert!((f64::from(x) - 0.5 * exact).abs() < 1e-4, "{m}x{n}x{k}: {x} {exact}");
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_product_of_any_strides() {
        for (m, n, k) in [
            (1, 1, 1),
            (5, 7, 3),
            (97, 33, 300),
            (230, 64, 17),
            (3, 40, 0),
            (0, 3, 2),
            (2, 0, 2),
            (100, 37, 5),
            (3, 5, 300),
        ] {
            if !is_run(m * n * k) {
                continue;
            }
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
                    // SAFETY: `c` has room for the whole result.
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
