//! The forward pass: a tile of queries against a tile of keys at a time.
//!
//! Queries lie along the vectors: a tile of scores is K Q^T, its softmax goes down the columns and
//! needs no sum across lanes, and V^T P^T adds the weighted values, all with the one micro kernel.
//! Maximum and sum of each query run along (online softmax; Milakov & Gimelshein, arXiv 1805.02867,
//! in tiles as in FlashAttention, arXiv 2205.14135), so scores never leave the first caches.
#![expect(unsafe_code, reason = "tiles are read and written by pointer")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use rayon::prelude::*;

use super::super::exp::exp;
use super::super::grid::{CopyGrid, Grid, Pack};
use super::super::product::{Matrix, PACKED, Product, To};
use super::super::scratch::{Place, with_scratch};
use super::super::simd::{PointerKernel, Simd};
use super::heads::Heads;
use super::job::{Job, PANEL};

/// Panels of a tile of queries.
const PANELS: usize = 2;

/// One forward pass.
pub(super) struct Forward<'a, S> {
    pub(super) s: S,
    pub(super) job: &'a Job,
    /// Written whole.
    pub(super) out: Heads<*mut f32>,
    /// Logarithm of the sum of the exponentials, (B, H, Lq); not written if there is no place.
    pub(super) lse: Option<Place<*mut f32>>,
}

impl<S: Simd> Forward<'_, S> {
    /// All queries of a head: keys and values are packed once, then tiles of queries are independent.
    ///
    /// # Safety
    /// The job's inputs must be readable, and this head's results writable by this call alone.
    pub(super) unsafe fn head(&self, head: (usize, usize)) {
        let job = self.job;
        let size = job.keys * job.dim + 16;
        with_scratch(2 * size, |keys| {
            let values = keys.wrapping_add(size);
            // SAFETY: `keys` and `values` are the halves of the scratch, `keys * dim + 16` numbers each, which
            // only this thread has yet; the inputs are readable by the caller's promise.
            unsafe {
                pack_keys(self.s, job, job.k.rows(head, 0), keys);
                pack_columns(self.s, job, job.v.rows(head, 0), values);
            }
            let packed = Place::new((keys.cast_const(), values.cast_const()));
            let tile = PANELS * PANEL;
            (0..job.queries.div_ceil(tile)).into_par_iter().for_each(|at| {
                let queries = at * tile..job.queries.min((at + 1) * tile);
                // SAFETY: both are packed and only read from here on; the scratch lives until all tasks are
                // done, also if one panics, because `for_each` waits for them. Each task has queries of its
                // own, so no other writes their results.
                unsafe { self.queries(head, queries, packed.get()) }
            });
        });
    }

    /// # Safety
    /// As for `head`; `keys` and `values` are packed.
    unsafe fn queries(
        &self,
        head: (usize, usize),
        queries: std::ops::Range<usize>,
        (keys, values): (*const f32, *const f32),
    ) {
        let (s, job, dim) = (self.s, self.job, self.job.dim);
        let panels = queries.len().div_ceil(PANEL);
        let tile = job.tile * PANEL;
        let columns = PANEL / (2 * S::LANES);
        with_scratch(panels * (2 * dim * PANEL + tile + 2 * PANEL), |q| {
            let o = q.wrapping_add(panels * dim * PANEL);
            let scores = o.wrapping_add(panels * dim * PANEL);
            let peaks = scores.wrapping_add(panels * tile);
            // SAFETY: the four parts lie one behind the other in the scratch just taken: for each panel
            // (dim, PANEL) of queries and of sums, (tile, PANEL) of scores, 2 PANEL of peaks and sums. Packed
            // keys and values of a tile begin at `first * dim` in both. The first tile is always used,
            // because each query sees a key, and writes all sums and peaks before they are read.
            unsafe {
                load_turned(s, job.q.rows(head, queries.start), (queries.len(), dim), q);
                for tile_at in &job.tiles {
                    let (first, count) = (tile_at.first, tile_at.count);
                    if first >= job.seen(queries.end - 1) {
                        break;
                    }
                    for &(row, rows) in &tile_at.groups {
                        Product::<2, PACKED> {
                            rows,
                            depth: dim,
                            a: keys.add((first + row) * dim),
                            b: Matrix { start: q, stride: PANEL },
                            c: Matrix { start: scores.add(row * PANEL), stride: PANEL },
                            columns,
                            planes: (panels, [0, dim * PANEL, tile]),
                            to: To::Nothing,
                        }
                        .run(s);
                    }
                    job.hide(queries.clone(), (first, count), scores);
                    for panel in 0..panels {
                        s.follow(Softmax {
                            scores: scores.add(panel * tile),
                            count,
                            out: o.add(panel * dim * PANEL),
                            dim,
                            peaks: peaks.add(panel * 2 * PANEL),
                            scale: job.scale,
                            first: first == 0,
                        });
                    }
                    for &(row, rows) in &job.dims {
                        Product::<2, PACKED> {
                            rows,
                            depth: count,
                            a: values.add(first * dim + row * count),
                            b: Matrix { start: scores, stride: PANEL },
                            c: Matrix { start: o.add(row * PANEL), stride: PANEL },
                            columns,
                            planes: (panels, [0, tile, dim * PANEL]),
                            to: To::after(first == 0),
                        }
                        .run(s);
                    }
                }
                for panel in 0..panels {
                    let first = queries.start + panel * PANEL;
                    let count = PANEL.min(queries.end - first);
                    let (o, peaks) = (o.add(panel * dim * PANEL), peaks.add(panel * 2 * PANEL));
                    s.follow(Divide { out: o, dim, peaks, scale: job.scale });
                    let from = Grid { start: o.cast_const(), rows: 1, columns: PANEL };
                    let to = self.out.rows(head, first);
                    s.follow(CopyGrid { from, to, size: (count, dim) });
                    if let Some(lse) = self.lse {
                        let place = (head.0 * job.heads + head.1) * job.queries + first;
                        std::ptr::copy_nonoverlapping(peaks, lse.get().add(place), count);
                    }
                }
            }
        });
    }
}

/// Packs all keys in groups of rows, tile by tile: those from row `r` start at `r * dim`.
///
/// # Safety
/// `from` holds the keys, and there is room for `keys * dim + 16` numbers that nobody else uses.
pub(super) unsafe fn pack_keys<S: Simd>(s: S, job: &Job, from: Grid<*const f32>, to: *mut f32) {
    for tile in &job.tiles {
        for &(row, rows) in &tile.groups {
            let first = tile.first + row;
            let start = from.start.wrapping_add(first * from.rows);
            let to = to.wrapping_add(first * job.dim);
            // SAFETY: a group has at most `S::ROWS` of the keys; there is room for all and 16 numbers, and what is
            // written too much the next group overwrites.
            unsafe { s.follow(Pack { from: Grid { start, ..from }, rows, depth: job.dim, to }) };
        }
    }
}

/// Packs all columns in groups, tile by tile: those from column `d` of a tile of `count` rows from
/// `first` start at `first * dim + d * count`.
///
/// # Safety
/// As for [`pack_keys`].
pub(super) unsafe fn pack_columns<S: Simd>(s: S, job: &Job, from: Grid<*const f32>, to: *mut f32) {
    for tile in &job.tiles {
        for &(d, rows) in &job.dims {
            let start = from.start.wrapping_add(tile.first * from.rows + d * from.columns);
            let to = to.wrapping_add(tile.first * job.dim + d * tile.count);
            let from = Grid { start, ..from.turned() };
            // SAFETY: as in `pack_keys`; a group of `dims` has at most `S::ROWS` of the columns.
            unsafe { s.follow(Pack { from, rows, depth: tile.count, to }) };
        }
    }
}

/// Rows (count, dim) as panels (dim, PANEL), with zeros behind the last row.
///
/// # Safety
/// `from` holds the rows; `to` has room for the panels, which nobody else uses.
pub(super) unsafe fn load_turned<S: Simd>(
    s: S,
    from: Grid<*const f32>,
    (count, dim): (usize, usize),
    to: *mut f32,
) {
    for (panel, first) in (0..count).step_by(PANEL).enumerate() {
        let (to, rows) = (to.wrapping_add(panel * dim * PANEL), PANEL.min(count - first));
        if rows < PANEL {
            // SAFETY: one whole panel, for which there is room by the caller's promise; bytes of 0 are 0.0.
            unsafe { to.write_bytes(0, dim * PANEL) };
        }
        let start = from.start.wrapping_add(first * from.rows);
        let to = Grid { start: to, rows: 1, columns: PANEL };
        // SAFETY: these are rows of `from`; columns of a panel are PANEL numbers apart, and `rows` at most PANEL.
        unsafe { s.follow(CopyGrid { from: Grid { start, ..from }, to, size: (rows, dim) }) };
    }
}

/// Exponentials of a tile of scores (count, PANEL) around the largest so far; what was summed before
/// is scaled to the new largest. Nobody else uses any of it.
struct Softmax {
    /// (count, PANEL), written.
    scores: *mut f32,
    count: usize,
    /// (dim, PANEL), written unless nothing came before.
    out: *mut f32,
    dim: usize,
    /// The largest score of each of PANEL queries, then the sums of its exponentials; written unless
    /// nothing came before.
    peaks: *mut f32,
    scale: f32,
    /// Whether nothing came before.
    first: bool,
}

impl<S: Simd> PointerKernel<S> for Softmax {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let scale = s.splat(self.scale);
        for at in (0..PANEL).step_by(2 * S::LANES) {
            let (left, right) = (at, at + S::LANES);
            // SAFETY: PANEL is a multiple of two vectors (32 of 16 numbers at most), so both vectors lie inside
            // every row of the tile and of the sums, and inside the peaks, which are the caller's promise.
            unsafe {
                let score = |row: usize, at: usize| self.scores.add(row * PANEL + at);
                let lowest = s.splat(f32::NEG_INFINITY);
                let (mut a, mut b) = (lowest, lowest);
                for row in 0..self.count {
                    a = s.at_least(s.load(score(row, left)), a);
                    b = s.at_least(s.load(score(row, right)), b);
                }
                let mut sums = [s.splat(0.0); 2];
                let mut tops = [a, b];
                let mut factors = [s.splat(0.0); 2];
                if !self.first {
                    for (i, at) in [left, right].into_iter().enumerate() {
                        let before = s.load(self.peaks.add(at));
                        tops[i] = s.at_least(tops[i], before);
                        factors[i] = exp(s, s.mul(s.sub(before, tops[i]), scale));
                        sums[i] = s.mul(s.load(self.peaks.add(PANEL + at)), factors[i]);
                    }
                }
                let zero = s.splat(0.0);
                let down_a = s.sub(zero, s.mul(tops[0], scale));
                let down_b = s.sub(zero, s.mul(tops[1], scale));
                let (mut a, mut b) = (zero, zero);
                for row in 0..self.count {
                    let p = exp(s, s.mul_add(s.load(score(row, left)), scale, down_a));
                    let q = exp(s, s.mul_add(s.load(score(row, right)), scale, down_b));
                    s.store(score(row, left), p);
                    s.store(score(row, right), q);
                    a = s.add(a, p);
                    b = s.add(b, q);
                }
                for (i, (at, sum)) in [(left, a), (right, b)].into_iter().enumerate() {
                    s.store(self.peaks.add(at), tops[i]);
                    s.store(self.peaks.add(PANEL + at), s.add(sums[i], sum));
                    if self.first {
                        continue;
                    }
                    for d in 0..self.dim {
                        let o = self.out.add(d * PANEL + at);
                        s.store(o, s.mul(s.load(o), factors[i]));
                    }
                }
            }
        }
    }
}

/// Divides the sums (dim, PANEL) by those of the exponentials, and leaves the logarithm of the sum of
/// the scores' exponentials in the place of the largest scores. Nobody else uses either.
struct Divide {
    /// (dim, PANEL), written.
    out: *mut f32,
    dim: usize,
    /// As [`Softmax`] left them.
    peaks: *mut f32,
    scale: f32,
}

impl<S: Simd> PointerKernel<S> for Divide {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        for at in (0..PANEL).step_by(S::LANES) {
            // SAFETY: as for `Softmax`; all of these are written, by the caller's promise.
            unsafe {
                let inverse = s.div(s.splat(1.0), s.load(self.peaks.add(PANEL + at)));
                for d in 0..self.dim {
                    let o = self.out.add(d * PANEL + at);
                    s.store(o, s.mul(s.load(o), inverse));
                }
            }
        }
        for at in 0..PANEL {
            // SAFETY: as above.
            unsafe {
                let (peak, sum) = (*self.peaks.add(at), *self.peaks.add(PANEL + at));
                *self.peaks.add(at) = peak * self.scale + sum.ln();
            }
        }
    }
}
