//! The gradients: scores are computed again, tile by tile, from the logarithms that were kept.
//!
//! With P = exp(scale Q K^T - lse): dV = P^T dO, dS = P (dO V^T - sum(dO O)) scale, dQ = dS K and
//! dK = dS^T Q (FlashAttention, arXiv 2205.14135, appendix B). Five products a tile. A head is one
//! task, so that the sums of keys and values have one order whatever the number of threads.
#![expect(unsafe_code, reason = "tiles are read and written by pointer")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use super::super::exp::exp;
use super::super::grid::{CopyGrid, Grid};
use super::super::product::{Matrix, PACKED, Product, To};
use super::super::scratch::with_scratch;
use super::super::simd::{PointerKernel, Simd};
use super::forward::{load_turned, pack_columns, pack_keys};
use super::heads::Heads;
use super::job::{Job, PANEL};

/// Panels of a tile of queries.
const PANELS: usize = 2;

/// One backward pass.
pub(super) struct Backward<'a, S> {
    pub(super) s: S,
    pub(super) job: &'a Job,
    pub(super) out: Heads<*const f32>,
    pub(super) dy: Heads<*const f32>,
    /// (B, H, Lq), as the forward pass wrote it.
    pub(super) lse: &'a [f32],
    /// Gradients of q, k and v, written whole.
    pub(super) gradients: [Heads<*mut f32>; 3],
}

/// What a head needs for all its tiles.
#[derive(Clone, Copy)]
struct Head {
    /// Keys and values packed by rows, keys packed by columns.
    keys: *const f32,
    values: *const f32,
    key_columns: *const f32,
    /// Sums (Lk, width).
    dk: *mut f32,
    dv: *mut f32,
    /// `dim` rounded up to whole panels.
    width: usize,
}

impl<S: Simd> Backward<'_, S> {
    /// All gradients of a head.
    ///
    /// # Safety
    /// The inputs must be readable, and this head's gradients writable by this call alone.
    pub(super) unsafe fn head(&self, head: (usize, usize)) {
        let (s, job) = (self.s, self.job);
        let size = job.keys * job.dim + 16;
        let width = job.dim.next_multiple_of(PANEL);
        let sums = job.keys * width;
        with_scratch(3 * size + 2 * sums, |keys| {
            let (values, key_columns) = (keys.wrapping_add(size), keys.wrapping_add(2 * size));
            let dk = keys.wrapping_add(3 * size);
            let dv = dk.wrapping_add(sums);
            // SAFETY: five parts one behind the other in the scratch just taken: three of `keys * dim + 16`
            // packed numbers, two of sums (keys, width), which begin as 0.0 (bytes of 0). Inputs are readable
            // and this head's gradients this task's, by the caller's promise.
            unsafe {
                pack_keys(s, job, job.k.rows(head, 0), keys);
                pack_keys(s, job, job.v.rows(head, 0), values);
                pack_columns(s, job, job.k.rows(head, 0), key_columns);
                dk.write_bytes(0, 2 * sums);
                let parts = Head { keys, values, key_columns, dk, dv, width };
                for first in (0..job.queries).step_by(PANELS * PANEL) {
                    let queries = first..job.queries.min(first + PANELS * PANEL);
                    self.queries(head, queries, parts);
                }
                for (sum, gradient) in [(dk, self.gradients[1]), (dv, self.gradients[2])] {
                    let from = Grid { start: sum.cast_const(), rows: width, columns: 1 };
                    let to = gradient.rows(head, 0);
                    s.follow(CopyGrid { from, to, size: (job.keys, job.dim) });
                }
            }
        });
    }

    /// # Safety
    /// As for `head`.
    unsafe fn queries(&self, head: (usize, usize), queries: std::ops::Range<usize>, parts: Head) {
        let (s, job, dim, width) = (self.s, self.job, self.job.dim, parts.width);
        let (count, panels) = (queries.len(), queries.len().div_ceil(PANEL));
        let (tile, turned) = (panels * job.tile * PANEL, panels * dim * PANEL);
        let rows = panels * PANEL * width;
        let size = 2 * tile + 3 * turned + 2 * rows + 2 * panels * PANEL;
        with_scratch(size, |p| {
            let ds = p.wrapping_add(tile);
            let q = ds.wrapping_add(tile);
            let dy = q.wrapping_add(turned);
            let dq = dy.wrapping_add(turned);
            let q_rows = dq.wrapping_add(turned);
            let dy_rows = q_rows.wrapping_add(rows);
            let lse = dy_rows.wrapping_add(rows);
            let delta = lse.wrapping_add(panels * PANEL);
            // SAFETY: nine parts one behind the other in the scratch just taken, with the sizes in `size`;
            // from `q_rows` on they begin as 0.0 (bytes of 0), so that rows behind the last query add
            // nothing. There is a logarithm for each query (`backward` checked it). Inputs are readable and
            // these gradients this task's, by the caller's promise; the first tile is always used, because
            // each query sees a key, and writes all of `dq`.
            unsafe {
                let (q_from, dy_from) =
                    (job.q.rows(head, queries.start), self.dy.rows(head, queries.start));
                load_turned(s, q_from, (count, dim), q);
                load_turned(s, dy_from, (count, dim), dy);
                // The results' place is needed for a moment only.
                load_turned(s, self.out.rows(head, queries.start), (count, dim), dq);
                q_rows.write_bytes(0, 2 * rows + 2 * panels * PANEL);
                for (from, to) in [(q_from, q_rows), (dy_from, dy_rows)] {
                    let to = Grid { start: to, rows: width, columns: 1 };
                    s.follow(CopyGrid { from, to, size: (count, dim) });
                }
                let place = (head.0 * job.heads + head.1) * job.queries + queries.start;
                std::ptr::copy_nonoverlapping(self.lse.as_ptr().add(place), lse, count);
                for panel in 0..panels {
                    let at = panel * dim * PANEL;
                    let (a, b) = (dy.add(at), dq.add(at));
                    s.follow(Dots { a, b, dim, to: delta.add(panel * PANEL) });
                }
                let turned_rows = Turned { q, dy, dq, q_rows, dy_rows, lse, delta };
                for at in 0..job.tiles.len() {
                    if job.tiles[at].first >= job.seen(queries.end - 1) {
                        break;
                    }
                    self.tile(queries.clone(), at, (p, ds), parts, turned_rows);
                }
                for panel in 0..panels {
                    let first = queries.start + panel * PANEL;
                    let start = dq.add(panel * dim * PANEL).cast_const();
                    let from = Grid { start, rows: 1, columns: PANEL };
                    let to = self.gradients[0].rows(head, first);
                    s.follow(CopyGrid { from, to, size: (PANEL.min(queries.end - first), dim) });
                }
            }
        });
    }

    /// A tile of queries against one of keys.
    ///
    /// # Safety
    /// All pointers lead to what their names say.
    unsafe fn tile(
        &self,
        queries: std::ops::Range<usize>,
        at: usize,
        (p, ds): (*mut f32, *mut f32),
        parts: Head,
        rows_of: Turned,
    ) {
        let (s, job, dim, width) = (self.s, self.job, self.job.dim, parts.width);
        let tile = &job.tiles[at];
        let (first, count) = (tile.first, tile.count);
        let panels = queries.len().div_ceil(PANEL);
        let step = job.tile * PANEL;
        let columns = PANEL / (2 * S::LANES);
        // SAFETY: rows of groups are below `count`, at most a tile, so scores and their gradients lie inside
        // `p` and `ds`, (tile, PANEL) for each panel, and sums inside (keys, width); groups of `dims` lie
        // inside (dim, PANEL). Packed keys and values of the tile begin at `first * dim`.
        unsafe {
            for &(row, rows) in &tile.groups {
                for (packed, right, to) in
                    [(parts.keys, rows_of.q, p), (parts.values, rows_of.dy, ds)]
                {
                    Product::<2, PACKED> {
                        rows,
                        depth: dim,
                        a: packed.add((first + row) * dim),
                        b: Matrix { start: right, stride: PANEL },
                        c: Matrix { start: to.add(row * PANEL), stride: PANEL },
                        columns,
                        planes: (panels, [0, dim * PANEL, step]),
                        to: To::Nothing,
                    }
                    .run(s);
                }
            }
            job.hide(queries, (first, count), p);
            for panel in 0..panels {
                s.follow(ScoreGradient {
                    p: p.add(panel * step),
                    ds: ds.add(panel * step),
                    count,
                    lse: rows_of.lse.add(panel * PANEL),
                    delta: rows_of.delta.add(panel * PANEL),
                    scale: job.scale,
                });
            }
            for &(row, rows) in &job.dims {
                Product::<2, PACKED> {
                    rows,
                    depth: count,
                    a: parts.key_columns.add(first * dim + row * count),
                    b: Matrix { start: ds, stride: PANEL },
                    c: Matrix { start: rows_of.dq.add(row * PANEL), stride: PANEL },
                    columns,
                    planes: (panels, [0, step, dim * PANEL]),
                    to: To::after(first == 0),
                }
                .run(s);
            }
            for &(row, rows) in &tile.groups {
                for (left, right, to) in
                    [(p, rows_of.dy_rows, parts.dv), (ds, rows_of.q_rows, parts.dk)]
                {
                    let to = to.add((first + row) * width);
                    Product::<2, PANEL> {
                        rows,
                        depth: PANEL,
                        a: left.add(row * PANEL),
                        b: Matrix { start: right, stride: width },
                        c: Matrix { start: to, stride: width },
                        columns: width / (2 * S::LANES),
                        planes: (panels, [step, PANEL * width, 0]),
                        to: To::Result,
                    }
                    .run(s);
                }
            }
        }
    }
}

/// A tile of queries with what belongs to them: panels (dim, PANEL) and rows (PANEL, width).
#[derive(Clone, Copy)]
struct Turned {
    q: *const f32,
    dy: *const f32,
    dq: *mut f32,
    q_rows: *const f32,
    dy_rows: *const f32,
    lse: *const f32,
    delta: *const f32,
}

/// Sums over the rows of the products of two panels (dim, PANEL), both written.
struct Dots {
    a: *const f32,
    b: *const f32,
    dim: usize,
    /// Room for PANEL numbers that nobody else uses.
    to: *mut f32,
}

impl<S: Simd> PointerKernel<S> for Dots {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        for at in (0..PANEL).step_by(S::LANES) {
            // SAFETY: whole vectors divide PANEL, so each lies inside a row of both panels (dim, PANEL) and
            // inside the PANEL sums, which are the caller's promise.
            unsafe {
                let mut sum = s.splat(0.0);
                for d in 0..self.dim {
                    let place = d * PANEL + at;
                    sum = s.mul_add(s.load(self.a.add(place)), s.load(self.b.add(place)), sum);
                }
                s.store(self.to.add(at), sum);
            }
        }
    }
}

/// Probabilities in the place of the scores `p`, and the scores' gradients in that of those of the
/// probabilities, `ds`; both (count, PANEL), written, and used by nobody else.
struct ScoreGradient {
    p: *mut f32,
    ds: *mut f32,
    count: usize,
    /// PANEL numbers.
    lse: *const f32,
    /// PANEL numbers.
    delta: *const f32,
    scale: f32,
}

impl<S: Simd> PointerKernel<S> for ScoreGradient {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let (scale, zero) = (s.splat(self.scale), s.splat(0.0));
        for at in (0..PANEL).step_by(S::LANES) {
            // SAFETY: whole vectors divide PANEL, so each lies inside a row of both tiles and inside the
            // PANEL logarithms and sums, which are the caller's promise.
            unsafe {
                let down = s.sub(zero, s.load(self.lse.add(at)));
                let delta = s.mul(s.sub(zero, s.load(self.delta.add(at))), scale);
                for row in 0..self.count {
                    let (to_p, to_ds) =
                        (self.p.add(row * PANEL + at), self.ds.add(row * PANEL + at));
                    let p = exp(s, s.mul_add(s.load(to_p), scale, down));
                    s.store(to_p, p);
                    s.store(to_ds, s.mul(p, s.mul_add(s.load(to_ds), scale, delta)));
                }
            }
        }
    }
}
