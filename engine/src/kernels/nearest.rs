//! The nearest code on the CPU: products whose sums are scores, and a running minimum, so that no
//! (vectors, codes) matrix exists.
//!
//! Vectors are the lanes, codes the rows of the micro kernel. Sums start at |e|^2 / 2 and products with
//! -e are added, so that the registers end with |e - v|^2 / 2 - |v|^2 / 2, which orders codes as the
//! distance does. Most groups of codes hold no score below the smallest so far: they cost a minimum a
//! row and one comparison, and scores never leave the registers. A block of codes stays in the
//! second-level cache while all vectors of a task pass by. Sums that start at other numbers order codes
//! by their products with the vector: at 0, or at what is taken off.
//!
//! What bounds it: the multiply-add unit; with few dimensions the minimum weighs an eighth of it.
#![expect(unsafe_code, reason = "reads and writes scratch by pointer")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use rayon::prelude::*;

use super::product::{Matrix, PACKED, sum};
use super::raw::wide;
use super::scratch::{Place, Scratch, with_scratch};
use super::simd::{self, Level, PointerKernel, Simd, with_simd};
use super::turn::turn;
use crate::{EngineError, Result};

/// Vectors of a task.
const TASK: usize = 128;
/// Numbers of a block of codes: 256 KB.
const BLOCK: usize = 64 * 1024;
/// With at most so many dimensions, scores are computed again where one of them is the smallest so far.
const AGAIN: usize = 16;
/// Numbers that are looked at together for one that is not finite.
const CHECKED: usize = 1024;

/// Indices of the nearest codes of `vectors` (N, dim) among `codes` (K, dim), by squared distance,
/// the first of equals.
///
/// # Errors
/// [`EngineError::BadInput`] if there are no codes, or a value is not finite; its place is named.
pub(super) fn nearest(vectors: &[f32], codes: &[f32], dim: usize) -> Result<Vec<u32>> {
    nearest_by(simd::best(), vectors, codes, dim)
}

/// Indices of the codes with the largest product with each vector plus the code's bias, the first of
/// equals; no biases are zeros.
///
/// # Errors
/// As [`nearest`].
pub(super) fn highest(
    vectors: &[f32],
    codes: &[f32],
    biases: &[f32],
    dim: usize,
) -> Result<Vec<u32>> {
    check(biases, 1, "biases of codes")?;
    let start = |place: usize, _: &[f32]| biases.get(place).map_or(0.0, |bias| -bias);
    least(simd::best(), vectors, codes, dim, start)
}

fn nearest_by(level: Level, vectors: &[f32], codes: &[f32], dim: usize) -> Result<Vec<u32>> {
    least(level, vectors, codes, dim, |_, code| half(code))
}

/// Indices of the codes with the smallest `start` (of its place and numbers) less the product.
fn least(
    level: Level,
    vectors: &[f32],
    codes: &[f32],
    dim: usize,
    start: impl Fn(usize, &[f32]) -> f32 + Sync,
) -> Result<Vec<u32>> {
    if codes.is_empty() || dim == 0 {
        return Err(EngineError::bad_input("codebook", "there are no codes", ""));
    }
    check(vectors, dim, "latents")?;
    check(codes, dim, "codebook")?;
    let mut found = vec![0_u32; vectors.len() / dim];
    with_simd!(level, s => {
        let codes = Codes::new(s, codes, dim, &start);
        found.par_chunks_mut(TASK).zip(vectors.par_chunks(TASK * dim)).for_each(
            |(found, vectors)| task(s, &codes, vectors, found),
        );
    });
    Ok(found)
}

/// An error that names the place of the first value that is not finite.
pub(super) fn check(values: &[f32], dim: usize, what: &str) -> Result<()> {
    // Whole chunks first: a search for the place cannot be done by vectors.
    let finite = |chunk: &[f32]| chunk.iter().fold(true, |all, x| all & x.is_finite());
    let chunk = wide(|| values.chunks(CHECKED).position(|chunk| !finite(chunk)));
    let Some(start) = chunk.map(|chunk| chunk * CHECKED) else { return Ok(()) };
    match values[start..].iter().position(|x| !x.is_finite()).map(|at| start + at) {
        None => Ok(()),
        Some(at) => Err(EngineError::bad_input(
            what,
            format!("vector {}, dimension {} is {}", at / dim, at % dim, values[at]),
            "the weights or the training run may have diverged",
        )),
    }
}

/// Codes as the micro kernel reads them, in groups of `S::ROWS`.
struct Codes {
    dim: usize,
    /// Of each group and dimension, the numbers of its codes, negative.
    numbers: Scratch,
    /// Of each code, where its sum starts: half of its squared length for distances. Places after the last
    /// code are infinitely far.
    starts: Scratch,
    groups: usize,
}

impl Codes {
    fn new<S: Simd>(
        _: S,
        codes: &[f32],
        dim: usize,
        start: &(impl Fn(usize, &[f32]) -> f32 + Sync),
    ) -> Self {
        let groups = (codes.len() / dim).div_ceil(S::ROWS);
        let mut numbers = Scratch::new(groups * S::ROWS * dim);
        let mut starts = Scratch::new(groups * S::ROWS);
        let places = (Place::new(numbers.start()), Place::new(starts.start()));
        (0..groups).into_par_iter().for_each(|group| {
            for row in 0..S::ROWS {
                let place = group * S::ROWS + row;
                let code = codes.get(place * dim..(place + 1) * dim);
                // SAFETY: `row` and `k` are below those of a group, for which both have room; a group is one task.
                // All places are written, also those behind the last code.
                unsafe {
                    let to = places.0.get().add(group * S::ROWS * dim + row);
                    for k in 0..dim {
                        *to.add(k * S::ROWS) = code.map_or(0.0, |code| -code[k]);
                    }
                    *places.1.get().add(place) =
                        code.map_or(f32::INFINITY, |code| start(place, code));
                }
            }
        });
        Self { dim, numbers, starts, groups }
    }
}

/// |code|^2 / 2, summed in f64.
fn half(code: &[f32]) -> f32 {
    let mut sums = [0.0_f64; 8];
    for numbers in code.chunks(8) {
        for (sum, &x) in sums.iter_mut().zip(numbers) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    (sums.iter().sum::<f64>() / 2.0) as f32
}

/// Finds the codes of up to [`TASK`] vectors.
fn task<S: Simd>(s: S, codes: &Codes, vectors: &[f32], found: &mut [u32]) {
    let (dim, width) = (codes.dim, 2 * S::LANES);
    let panels = found.len().div_ceil(width);
    // Vectors by panels (dimension, vector), then the smallest scores, then the codes that have them.
    let size = panels * width * dim;
    with_scratch(size + 2 * panels * width, |scratch| {
        let (scores, places) =
            (scratch.wrapping_add(size), scratch.wrapping_add(size + panels * width));
        // SAFETY: the scratch is `panels` panels of (dim, width) numbers, as many scores as lanes of all panels
        // and as many places. A panel has at least one vector, since `panels` is rounded up from vectors.
        unsafe {
            for lane in 0..panels * width {
                *scores.add(lane) = f32::INFINITY;
                *places.add(lane) = f32::from_bits(0);
            }
            for panel in 0..panels {
                let (first, start) = (panel * width, scratch.add(panel * width * dim));
                let vectors = &vectors[first * dim..];
                let rows = (vectors.len() / dim).min(width);
                s.follow(Panel { vectors, rows, dim, to: Matrix { start, stride: width } });
            }
        }
        let block = (BLOCK / (dim * S::ROWS)).max(1);
        for first in (0..codes.groups).step_by(block) {
            let groups = first..(first + block).min(codes.groups);
            for panel in 0..panels {
                let vectors = scratch.wrapping_add(panel * width * dim).cast_const();
                let best = (scores.wrapping_add(panel * width), places.wrapping_add(panel * width));
                let groups = groups.clone();
                macro_rules! scan {
                    ($($rows:literal)*) => {
                        match (S::ROWS, dim <= AGAIN) {
                            // SAFETY: groups have `S::ROWS` codes, which are the rows; the panel is written, and so
                            // are its scores and places, which are this task's.
                            $(($rows, true) => unsafe {
                                s.follow(Scan::<$rows, true> { codes, groups, vectors, best });
                            },
                            // SAFETY: as above.
                            ($rows, false) => unsafe {
                                s.follow(Scan::<$rows, false> { codes, groups, vectors, best });
                            })*
                            (rows, _) => unreachable!("no scan of {rows} rows"),
                        }
                    };
                }
                scan!(5 6 14);
            }
        }
        for (lane, found) in found.iter_mut().enumerate() {
            // SAFETY: there are at most as many vectors as lanes, whose places were all written.
            *found = unsafe { (*places.add(lane)).to_bits() };
        }
    });
}

/// Transposes up to a panel of vectors to (dimension, vector).
struct Panel<'a> {
    vectors: &'a [f32],
    /// At most what `vectors` holds, and two vectors of lanes.
    rows: usize,
    dim: usize,
    /// Room for a panel that nobody else uses.
    to: Matrix<*mut f32>,
}

impl<S: Simd> PointerKernel<S> for Panel<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { vectors, rows, dim, to } = self;
        let from = Matrix { start: vectors.as_ptr(), stride: dim };
        // SAFETY: `vectors` holds at least `rows` rows of `dim` numbers, at most two vectors of lanes; the panel
        // has room for both, of which `turn` writes what rows fill and this the other.
        unsafe {
            turn(s, from, (rows, dim), to);
            if rows <= S::LANES {
                for k in 0..dim {
                    s.store(to.start.add(k * to.stride + S::LANES), s.splat(0.0));
                }
            }
        }
    }
}

/// Some groups of `ROWS` codes for a panel of two vectors of lanes. `AGAIN`: the scores of a group that holds
/// a smaller one are computed again. Kept for this rare case they would fill the registers of the
/// common one, which costs more if there are few dimensions.
struct Scan<'a, const ROWS: usize, const AGAIN: bool> {
    /// In groups of `ROWS`.
    codes: &'a Codes,
    groups: std::ops::Range<usize>,
    /// A panel (dimension, two vectors of lanes).
    vectors: *const f32,
    /// The smallest score of each lane so far and the bits of its code, two vectors of lanes each, written;
    /// nobody else uses them.
    best: (*mut f32, *mut f32),
}

impl<const ROWS: usize, const AGAIN: bool> Scan<'_, ROWS, AGAIN> {
    /// Scores of a group.
    ///
    /// # Safety
    /// The group must be one of the codes', and the panel readable.
    #[inline(always)]
    unsafe fn scores<S: Simd>(&self, s: S, group: usize) -> [[S::V; 2]; ROWS] {
        let Self { codes, vectors, .. } = self;
        let mut sums = [[s.splat(0.0); 2]; ROWS];
        // SAFETY: groups have ROWS = `S::ROWS` codes each (`task` matches them), and the panel is (dim, two
        // vectors). Codes are only read from here on.
        unsafe {
            let starts = codes.starts.read().add(group * ROWS);
            for (row, sums) in sums.iter_mut().enumerate() {
                *sums = [s.splat(*starts.add(row)); 2];
            }
            let a = codes.numbers.read().add(group * ROWS * codes.dim);
            let b = Matrix { start: *vectors, stride: 2 * S::LANES };
            sum::<S, ROWS, 2, PACKED>(s, codes.dim, a, b, sums)
        }
    }

    /// Keeps the smaller scores of a group, and whose they are.
    ///
    /// # Safety
    /// The results must be writable, by this thread alone.
    #[inline(always)]
    unsafe fn improve<S: Simd>(&self, s: S, group: usize, sums: [[S::V; 2]; ROWS]) {
        for i in 0..2 {
            // SAFETY: the results of a vector of lanes.
            unsafe {
                let (scores, places) =
                    (self.best.0.add(i * S::LANES), self.best.1.add(i * S::LANES));
                let (mut best, mut place) = (s.load(scores), s.load(places));
                for (row, sums) in sums.iter().enumerate() {
                    let code = s.splat(f32::from_bits((group * ROWS + row) as u32));
                    place = s.where_less(sums[i], best, code, place);
                    best = s.at_most(best, sums[i]);
                }
                s.store(scores, best);
                s.store(places, place);
            }
        }
    }
}

impl<S: Simd, const ROWS: usize, const AGAIN: bool> PointerKernel<S> for Scan<'_, ROWS, AGAIN> {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        for group in self.groups.clone() {
            // SAFETY: by the caller's promise.
            unsafe {
                let sums = self.scores(s, group);
                let best = [s.load(self.best.0), s.load(self.best.0.add(S::LANES))];
                // A score that is no number, beyond the range of f32, is no minimum. A loop and no closure, which
                // the compiler may leave outside of what has these instructions.
                let mut low = best;
                for sums in &sums {
                    low = [s.at_most(low[0], sums[0]), s.at_most(low[1], sums[1])];
                }
                if s.less(low[0], best[0]) | s.less(low[1], best[1]) == 0 {
                    continue;
                }
                if AGAIN {
                    s.follow(Improve { scan: &self, group });
                } else {
                    self.improve(s, group, sums);
                }
            }
        }
    }
}

/// Finds what a group of codes of a scan improves.
struct Improve<'a, const ROWS: usize, const AGAIN: bool> {
    scan: &'a Scan<'a, ROWS, AGAIN>,
    group: usize,
}

impl<S: Simd, const ROWS: usize, const AGAIN: bool> PointerKernel<S> for Improve<'_, ROWS, AGAIN> {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        // SAFETY: a group of the scan, and its results, which are the caller's promise.
        unsafe { self.scan.improve(s, self.group, self.scan.scores(s, self.group)) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::levels;
    use super::super::tests::is_run;
    use super::*;
    use crate::random::{Noise, Purpose};

    fn noise(cell: u64, n: usize) -> Vec<f32> {
        let noise = Noise::new(14, Purpose::Test, 0, cell);
        (0..n as u32).map(|lane| noise.normal(lane)).collect()
    }

    #[test]
    fn every_instruction_set_finds_the_first_of_the_nearest() {
        for (n, k, dim) in
            [(1, 1, 1), (67, 700, 3), (130, 513, 8), (5, 16, 64), (300, 1300, 17), (67, 30, 3)]
        {
            if !is_run(n * k * dim) {
                continue;
            }
            let (v, e) = (noise(1, n * dim), noise(2, k * dim));
            let twice = [&e[..], &e[..]].concat();
            for level in levels() {
                let found = nearest_by(level, &v, &e, dim).unwrap();
                for (v, &found) in v.chunks(dim).zip(&found) {
                    let distance = |code: &[f32]| -> f64 {
                        let squares = v.iter().zip(code).map(|(a, b)| f64::from(a - b).powi(2));
                        squares.sum()
                    };
                    let best = e.chunks(dim).map(distance).fold(f64::INFINITY, f64::min);
                    let own = distance(&e[found as usize * dim..][..dim]);
                    assert!(own <= best + 1e-5, "{level:?}: {n} {k} {dim}");
                }
                // Of equal codes the first, wherever they lie in groups and blocks.
                assert_eq!(nearest_by(level, &v, &twice, dim).unwrap(), found);
            }
        }
    }

    #[test]
    fn the_highest_product_is_found_with_and_without_biases() {
        for (n, k, dim) in [(1, 1, 1), (67, 701, 3), (30, 513, 18)] {
            let (v, e, biases) = (noise(1, n * dim), noise(2, k * dim), noise(3, k));
            for biases in [&[][..], &biases] {
                let found = highest(&v, &e, biases, dim).unwrap();
                for (v, &found) in v.chunks(dim).zip(&found) {
                    let score = |(place, code): (usize, &[f32])| -> f64 {
                        let bias = biases.get(place).map_or(0.0, |&bias| f64::from(bias));
                        bias + v.iter().zip(code).map(|(a, b)| f64::from(a * b)).sum::<f64>()
                    };
                    let best = e.chunks(dim).enumerate().map(score).fold(f64::MIN, f64::max);
                    let own = score((found as usize, &e[found as usize * dim..][..dim]));
                    assert!(own >= best - 1e-5, "{n} {k} {dim}: {own} of {best}");
                }
            }
        }
        let twice = [1.0, 0.0, 2.0, 0.0, 2.0, 0.0];
        assert_eq!(highest(&[3.0, 1.0], &twice, &[], 2).unwrap(), [1], "the first of equals");
        assert!(highest(&[3.0], &[1.0, 2.0], &[f32::NAN, 0.0], 1).is_err(), "a broken bias");
    }

    #[test]
    fn scores_beyond_the_range_of_f32_are_no_minimum() {
        for level in levels() {
            let codes = [3e38, -3e38, 1e19, 1.0, 2.0, 1.0];
            assert_eq!(nearest_by(level, &[1.25, 3e38], &codes, 1).unwrap()[0], 3, "{level:?}");
        }
    }
}
