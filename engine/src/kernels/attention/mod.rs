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
mod job;
mod op;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

pub(super) use heads::Heads;
pub(super) use job::{Rule, Sizes};
pub(super) use op::{Order, attention};

use super::raw::holds;
use super::scratch::Place;
use super::simd::{Level, with_simd};
use backward::Backward;
use forward::Forward;
use job::Job;

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
