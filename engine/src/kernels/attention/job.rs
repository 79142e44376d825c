//! What attention is done with: sizes, inputs, the mask, and the tiles that they are cut into.
#![expect(unsafe_code, reason = "writes scores by pointer")]

use candle_core::{Error, Result};

use super::super::product::groups;
use super::super::simd::Simd;
use super::heads::Heads;

/// Queries side by side: what every instruction set has whole vectors for, and the rows of a left
/// factor that is not packed.
pub(super) const PANEL: usize = 32;
/// Keys of a tile, in rows of the micro kernel.
const TILE_ROWS: usize = 16;

/// Numbers of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernels) struct Sizes {
    pub(in crate::kernels) batch: usize,
    pub(in crate::kernels) heads: usize,
    pub(in crate::kernels) queries: usize,
    pub(in crate::kernels) keys: usize,
    pub(in crate::kernels) dim: usize,
}

/// How scores become weights.
#[derive(Debug, Clone)]
pub(in crate::kernels) struct Rule {
    /// Scores are multiplied by it; above 0.
    pub(in crate::kernels) scale: f32,
    /// How many keys, from the first, each query sees: never 0 and never fewer than the query before.
    /// `None`: all see all.
    pub(in crate::kernels) seen: Option<Vec<usize>>,
}

impl Rule {
    /// Checks what is said above: the kernel reads as many keys as a query sees.
    pub(in crate::kernels) fn check(&self, queries: usize, keys: usize) -> Result<()> {
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
pub(super) struct Tile {
    pub(super) first: usize,
    pub(super) count: usize,
    /// Rows of the products, from `first`.
    pub(super) groups: Vec<(usize, usize)>,
}

/// Everything about the inputs.
pub(super) struct Job {
    pub(super) heads: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) dim: usize,
    pub(super) q: Heads<*const f32>,
    pub(super) k: Heads<*const f32>,
    pub(super) v: Heads<*const f32>,
    pub(super) scale: f32,
    pub(super) seen: Option<Vec<usize>>,
    /// Keys of a whole tile.
    pub(super) tile: usize,
    pub(super) tiles: Vec<Tile>,
    /// Rows of the products whose results are (dim, queries).
    pub(super) dims: Vec<(usize, usize)>,
}

impl Job {
    pub(super) fn new<S: Simd>(
        _: S,
        sizes: Sizes,
        [q, k, v]: [Heads<*const f32>; 3],
        rule: &Rule,
    ) -> Self {
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
    pub(super) fn seen(&self, query: usize) -> usize {
        self.seen.as_ref().map_or(self.keys, |seen| seen[query])
    }

    /// Writes -infinity over the scores that the queries do not see.
    ///
    /// # Safety
    /// `scores` holds panels (tile, PANEL), one for each 32 queries, whose first `count` rows are written
    /// and are this thread's alone.
    pub(super) unsafe fn hide(
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
