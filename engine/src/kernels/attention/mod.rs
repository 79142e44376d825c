//! Attention on the CPU without the matrix of scores, forward and backward, with masks.
//!
//! Why it is fast: a tile of scores (keys of the first cache x 64 queries) is made, softened and used
//! up before the next; both products run on the micro kernel; inputs may have any strides, so heads
//! inside wider rows need no copy; what a mask hides as whole tiles is not computed. What bounds it:
//! the multiply-add unit in the two products, then the exponential and, with few keys, the packing.
#![expect(unsafe_code, reason = "views of tensors are handed out as pointers")]

mod backward;
mod few;
mod forward;
mod heads;
mod op;
#[cfg(test)]
mod tests;

use candle_core::{Error, Result};
use rayon::prelude::*;

pub(super) use heads::Heads;
pub(super) use op::{Order, attention};

use super::product::groups;
use super::raw::holds;
use super::scratch::Place;
use super::simd::{Level, Simd, with_simd};
use backward::Backward;
use forward::Forward;

/// Queries side by side: what every instruction set has whole vectors for, and the rows of a left
/// factor that is not packed.
const PANEL: usize = 32;
/// Keys of a tile, in rows of the micro kernel.
const TILE_ROWS: usize = 16;

/// Numbers of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) dim: usize,
}

/// How scores become weights.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// Scores are multiplied by it; above 0.
    pub(super) scale: f32,
    /// How many keys, from the first, each query sees: never 0 and never fewer than the query before.
    /// `None`: all see all.
    pub(super) seen: Option<Vec<usize>>,
}

impl Rule {
    /// Checks what is said above: the kernel reads as many keys as a query sees.
    pub(super) fn check(&self, queries: usize, keys: usize) -> Result<()> {
        let Some(seen) = &self.seen else { return Ok(()) };
        let ordered = seen.iter().is_sorted();
        let inside = seen.first().is_none_or(|&n| n > 0) && seen.last().is_none_or(|&n| n <= keys);
        if seen.len() == queries && ordered && inside {
            return Ok(());
        }
        Err(Error::Msg(format!("attention: a mask of another size than {queries} by {keys}")).bt())
    }
}

/// Some keys that are dealt with at once.
struct Tile {
    first: usize,
    count: usize,
    /// Rows of the products, from `first`.
    groups: Vec<(usize, usize)>,
}

/// Everything about the inputs.
struct Job {
    heads: usize,
    queries: usize,
    keys: usize,
    dim: usize,
    q: Heads<*const f32>,
    k: Heads<*const f32>,
    v: Heads<*const f32>,
    scale: f32,
    seen: Option<Vec<usize>>,
    /// Keys of a whole tile.
    tile: usize,
    tiles: Vec<Tile>,
    /// Rows of the products whose results are (dim, queries).
    dims: Vec<(usize, usize)>,
}

impl Job {
    fn new<S: Simd>(_: S, sizes: Sizes, [q, k, v]: [Heads<*const f32>; 3], rule: &Rule) -> Self {
        let Sizes { heads, queries, keys, dim, .. } = sizes;
        let tile = TILE_ROWS * S::ROWS;
        let tiles = (0..keys)
            .step_by(tile)
            .map(|first| {
                let count = tile.min(keys - first);
                Tile { first, count, groups: groups(count, S::ROWS) }
            })
            .collect();
        let dims = groups(dim, S::ROWS);
        let (scale, seen) = (rule.scale, rule.seen.clone());
        Self { heads, queries, keys, dim, q, k, v, scale, seen, tile, tiles, dims }
    }

    /// How many keys a query sees.
    fn seen(&self, query: usize) -> usize {
        self.seen.as_ref().map_or(self.keys, |seen| seen[query])
    }

    /// Writes -infinity over the scores that the queries do not see.
    ///
    /// # Safety
    /// `scores` holds panels (tile, PANEL), one for each 32 queries, whose first `count` rows are written
    /// and are this thread's alone.
    unsafe fn hide(
        &self,
        queries: std::ops::Range<usize>,
        (first, count): (usize, usize),
        scores: *mut f32,
    ) {
        if first + count <= self.seen(queries.start) {
            return;
        }
        for (panel, start) in queries.clone().step_by(PANEL).enumerate() {
            let end = queries.end.min(start + PANEL);
            let mut hidden = start;
            for row in 0..count {
                while hidden < end && self.seen(hidden) <= first + row {
                    hidden += 1;
                }
                let at = (panel * self.tile + row) * PANEL;
                // SAFETY: at most `PANEL` numbers from the beginning of row `row`, since `hidden` stops at the
                // panel's last query; they were written, by the caller's promise.
                unsafe { std::slice::from_raw_parts_mut(scores.add(at), hidden - start) }
                    .fill(f32::NEG_INFINITY);
            }
        }
    }
}

/// Weighted means of the values into `out` (B, H, Lq, D), and the logarithms of the sums of the
/// exponentials into `lse` (B, H, Lq) if it is given.
///
/// # Safety
/// The three inputs must be readable, and the results writable by this call alone, at all their sizes;
/// there must be keys, and `rule` must fit (see [`Rule::check`]).
pub(super) unsafe fn forward(
    level: Level,
    sizes: Sizes,
    inputs: [Heads<*const f32>; 3],
    rule: &Rule,
    (out, lse): (Heads<*mut f32>, Option<Place<*mut f32>>),
) {
    with_simd!(level, s => {
        let job = &Job::new(s, sizes, inputs, rule);
        each_head(sizes, |head| {
            // SAFETY: inputs and results are the caller's promise; each head is one task, and places of
            // different heads differ.
            unsafe {
                if few::fits(job) {
                    few::head(s, job, head, out, lse.map(Place::get));
                } else {
                    Forward { s, job, out, lse }.head(head);
                }
            }
        });
    });
}

/// The gradients of q, k and v from that of the result; `out` and `lse` are what [`forward`] gave.
///
/// # Safety
/// As for [`forward`].
pub(super) unsafe fn backward(
    level: Level,
    sizes: Sizes,
    inputs: [Heads<*const f32>; 3],
    rule: &Rule,
    (out, dy, lse): (Heads<*const f32>, Heads<*const f32>, &[f32]),
    gradients: [Heads<*mut f32>; 3],
) {
    let rows = [sizes.batch, sizes.heads, sizes.queries];
    assert!(holds(lse.len(), &rows), "kept from another pass");
    with_simd!(level, s => {
        let job = &Job::new(s, sizes, inputs, rule);
        each_head(sizes, |head| {
            // SAFETY: as in `forward`; there are as many logarithms as rows, as was checked.
            unsafe { Backward { s, job, out, dy, lse, gradients }.head(head) }
        });
    });
}

fn each_head(sizes: Sizes, f: impl Fn((usize, usize)) + Sync + Send) {
    (0..sizes.batch * sizes.heads)
        .into_par_iter()
        .for_each(|at| f((at / sizes.heads, at % sizes.heads)));
}
