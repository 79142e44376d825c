//! Products of a few rows with a matrix whose columns lie whole in memory, as a weight's rows do: what decoding one
//! token at a time is made of. The weight is read once, as it is, and columns are dealt out to threads; packing it
//! would be three times the traffic, by one thread. What bounds it: memory.
#![expect(unsafe_code, reason = "rows are read by pointer")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use rayon::prelude::*;

use super::grid::Grid;
use super::moments::mask;
use super::scratch::Place;
use super::simd::{Level, PointerKernel, Simd, with_simd};

/// So many rows go this way.
pub(super) const MOST: usize = 8;

/// Columns of a task.
const COLUMNS: usize = 64;
/// Columns whose sums are computed side by side.
const SIDE: usize = 4;

/// Whether factors of (rows, ...) are of this kind: few rows of side by side numbers, and columns of such.
pub(super) fn fits(rows: usize, a: Grid<*const f32>, b: Grid<*const f32>) -> bool {
    rows <= MOST && a.columns == 1 && b.rows == 1
}

/// `c = a b` (m, n), row by row, of `a` (m, k) and `b` (k, n).
///
/// # Safety
/// The factors must [`fits`] and be readable, and `c` be writable, m * n numbers, by this call alone; all of them are
/// written.
pub(super) unsafe fn multiply(
    level: Level,
    shape: (usize, usize, usize),
    (a, b): (Place<Grid<*const f32>>, Place<Grid<*const f32>>),
    c: Place<*mut f32>,
) {
    let (_, n, _) = shape;
    (0..n.div_ceil(COLUMNS)).into_par_iter().for_each(|task| {
        let first = task * COLUMNS;
        let part = (first, COLUMNS.min(n - first));
        let job = Columns { shape, part, a: a.get(), b: b.get(), c: c.get() };
        // SAFETY: the factors and the result are the caller's promise; tasks have columns of their own.
        with_simd!(level, s => unsafe { s.follow(job) });
    });
}

/// Some columns of the result, all of its rows.
struct Columns {
    shape: (usize, usize, usize),
    /// The first of them, and how many; inside of the result.
    part: (usize, usize),
    /// Rows of side by side numbers, readable.
    a: Grid<*const f32>,
    /// Columns of side by side numbers, readable.
    b: Grid<*const f32>,
    /// Row by row; these columns are written by nobody else.
    c: *mut f32,
}

impl<S: Simd> PointerKernel<S> for Columns {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let (m, n, k) = self.shape;
        let (first, count) = self.part;
        let end = first + count;
        for column in (first..end).step_by(SIDE) {
            // Behind the last column the last one is taken again.
            let place = |i: usize| (column + i).min(end - 1) * self.b.columns;
            let weights: [*const f32; SIDE] =
                std::array::from_fn(|i| self.b.start.wrapping_add(place(i)));
            for row in 0..m {
                let x = self.a.start.wrapping_add(row * self.a.rows);
                let mut sums = [s.splat(0.0); SIDE];
                // SAFETY: the row and the columns are inside of the factors, read up to `k` numbers by mask. The
                // four sums of a vector of at most 16 numbers lie in `lanes`. Results are those of these
                // columns alone.
                unsafe {
                    for d in (0..k).step_by(S::LANES) {
                        let lanes = mask::<S>(d, k);
                        let v = s.load_part(x.wrapping_add(d), lanes);
                        for (sum, weight) in sums.iter_mut().zip(weights) {
                            let w = s.load_part(weight.wrapping_add(d), lanes);
                            *sum = s.mul_add(w, v, *sum);
                        }
                    }
                    let [p, q, r, t] = s.transpose4(sums);
                    let mut lanes = [0.0_f32; 16];
                    s.store(lanes.as_mut_ptr(), s.add(s.add(p, q), s.add(r, t)));
                    for i in 0..SIDE.min(end - column) {
                        let sum: f32 = lanes.iter().skip(i).step_by(4).sum();
                        *self.c.add(row * n + column + i) = sum;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{flat, is_run, noise};
    use super::*;
    use crate::kernels::simd::levels;

    #[test]
    fn every_instruction_set_gives_the_product_whatever_the_number_of_threads() {
        for (m, n, k) in [
            (1, 1, 1),
            (1, 256, 256),
            (2, 65, 33),
            (8, 130, 100),
            (3, 3, 17),
            (5, 64, 1),
            (2, 7, 0),
            (1, 1024, 19),
        ] {
            if !is_run(m * n * k) {
                continue;
            }
            let (x, weight) = (noise(1, &[m * k + 1]), noise(2, &[n * k + 1]));
            let (x64, weight64) = (flat(&x), flat(&weight));
            let (x, weight): (Vec<f32>, Vec<f32>) =
                (x.to_vec1().unwrap(), weight.to_vec1().unwrap());
            for level in levels() {
                let with = |threads| {
                    let mut c = vec![f32::NAN; m * n];
                    let a = Place::new(Grid { start: x.as_ptr(), rows: k, columns: 1 });
                    let b = Place::new(Grid { start: weight.as_ptr(), rows: 1, columns: k });
                    assert!(fits(m, a.get(), b.get()));
                    let to = Place::new(c.as_mut_ptr());
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                    // SAFETY: the factors have m rows and n columns of k numbers, and c m * n numbers.
                    pool.unwrap().install(|| unsafe { multiply(level, (m, n, k), (a, b), to) });
                    c
                };
                let found = with(1);
                assert_eq!(found, with(3), "{level:?} {m}x{n}x{k}");
                for (at, y) in found.iter().enumerate() {
                    let (row, column) = (at / n, at % n);
                    let exact: f64 =
                        (0..k).map(|i| x64[row * k + i] * weight64[column * k + i]).sum();
                    let apart = (f64::from(*y) - exact).abs();
                    assert!(apart < 1e-4, "{level:?} {m}x{n}x{k} at {at}: {y} and {exact}");
                }
            }
        }
    }
}
