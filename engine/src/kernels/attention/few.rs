//! A few queries, as when tokens are generated one at a time: keys and values are read once, as they
//! are. Nothing is packed, since that would cost more than the products; memory is what bounds it.
#![expect(unsafe_code, reason = "rows are read by pointer")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use super::super::exp::exp;
use super::super::moments::mask;
use super::super::scratch::with_scratch;
use super::super::simd::{PointerKernel, Simd};
use super::heads::Heads;
use super::job::Job;

/// So many queries go this way.
pub(super) const MOST: usize = 4;

/// Keys whose scores are computed side by side.
const SIDE: usize = 4;

/// Whether the job is of this kind: few queries, and keys and values in rows.
pub(super) fn fits(job: &Job) -> bool {
    job.queries <= MOST && job.k.strides[3] == 1 && job.v.strides[3] == 1
}

/// All queries of a head.
///
/// # Safety
/// The inputs must be readable, and this head's results writable by this call alone.
pub(super) unsafe fn head<S: Simd>(
    s: S,
    job: &Job,
    at: (usize, usize),
    out: Heads<*mut f32>,
    lse: Option<*mut f32>,
) {
    let width = job.dim.next_multiple_of(S::LANES);
    let room = job.keys.next_multiple_of(16) + 16;
    with_scratch(2 * width + room, |scores| {
        let q = scores.wrapping_add(room);
        let sum = q.wrapping_add(width);
        for query in 0..job.queries {
            let keys = job.seen(query);
            // SAFETY: the scratch has room for the scores up to a whole group and vector, then for the query
            // and for its result, each of whole vectors. The query's `dim` numbers, the keys and values it
            // sees (`Rule::check`: never more than there are) and its result are the caller's promise.
            unsafe {
                let from = job.q.rows(at, query);
                for d in 0..width {
                    *q.add(d) = if d < job.dim { *from.start.add(d * from.columns) } else { 0.0 };
                }
                s.follow(Scores { job, at, keys, q, to: scores });
                let (peak, total) = s.follow(Soften { scores, keys, scale: job.scale });
                s.follow(Sum { job, at, keys, scores, inverse: 1.0 / total, to: sum });
                let to = out.rows(at, query);
                for d in 0..job.dim {
                    *to.start.add(d * to.columns) = *sum.add(d);
                }
                if let Some(lse) = lse {
                    let place = (at.0 * job.heads + at.1) * job.queries + query;
                    *lse.add(place) = peak * job.scale + total.ln();
                }
            }
        }
    });
}

/// Products of a query with the keys that it sees.
struct Scores<'a> {
    /// Its keys must be readable.
    job: &'a Job,
    at: (usize, usize),
    /// At most as many as there are.
    keys: usize,
    /// A whole number of vectors, zeros behind `dim`.
    q: *const f32,
    /// Room for as many numbers as keys and 16 more, which nobody else uses.
    to: *mut f32,
}

impl<S: Simd> PointerKernel<S> for Scores<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let (dim, keys) = (self.job.dim, self.job.k.rows(self.at, 0));
        for first in (0..self.keys).step_by(SIDE) {
            // Behind the last key the last one is taken again.
            let row =
                |i: usize| keys.start.wrapping_add((first + i).min(self.keys - 1) * keys.rows);
            let rows: [*const f32; SIDE] = std::array::from_fn(row);
            let mut sums = [s.splat(0.0); SIDE];
            // SAFETY: rows are those of keys that are seen, read up to `dim` by mask; the query is padded to
            // whole vectors. Scores have room for 16 numbers behind the last, a group has 4, and the four
            // sums of a vector of 16 numbers lie in `lanes`.
            unsafe {
                for d in (0..dim).step_by(S::LANES) {
                    let (lanes, q) = (mask::<S>(d, dim), s.load(self.q.add(d)));
                    for (sum, row) in sums.iter_mut().zip(rows) {
                        *sum = s.mul_add(s.load_part(row.add(d), lanes), q, *sum);
                    }
                }
                let [a, b, c, d] = s.transpose4(sums);
                let mut lanes = [0.0_f32; 16];
                s.store(lanes.as_mut_ptr(), s.add(s.add(a, b), s.add(c, d)));
                for (i, score) in (0..SIDE).map(|i| (i, lanes.iter().skip(i).step_by(4).sum())) {
                    *self.to.add(first + i) = score;
                }
            }
        }
    }
}

/// Exponentials of the scores around the largest; gives the largest and the sum.
struct Soften {
    /// As many as keys, written, and room for 16 more; nobody else uses them.
    scores: *mut f32,
    keys: usize,
    scale: f32,
}

impl<S: Simd> PointerKernel<S> for Soften {
    type Output = (f32, f32);

    #[inline(always)]
    unsafe fn run(self, s: S) -> (f32, f32) {
        let (mut top, mut sum) = (s.splat(f32::NEG_INFINITY), s.splat(0.0));
        let mut lanes = [0.0_f32; 16];
        // SAFETY: there is room for a whole vector behind the last score, and it is filled before it is read.
        // A vector has at most 16 numbers.
        unsafe {
            let end = self.keys.next_multiple_of(S::LANES);
            for at in self.keys..end {
                *self.scores.add(at) = f32::NEG_INFINITY;
            }
            for at in (0..end).step_by(S::LANES) {
                top = s.at_least(s.load(self.scores.add(at)), top);
            }
            lanes.fill(f32::NEG_INFINITY);
            s.store(lanes.as_mut_ptr(), top);
            let peak = lanes.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let (scale, down) = (s.splat(self.scale), s.splat(-peak * self.scale));
            for at in (0..end).step_by(S::LANES) {
                let p = exp(s, s.mul_add(s.load(self.scores.add(at)), scale, down));
                s.store(self.scores.add(at), p);
                sum = s.add(sum, p);
            }
            lanes.fill(0.0);
            s.store(lanes.as_mut_ptr(), sum);
            (peak, lanes.iter().sum())
        }
    }
}

/// The weighted mean of the values.
struct Sum<'a> {
    /// Its values must be readable.
    job: &'a Job,
    at: (usize, usize),
    /// At most as many as there are.
    keys: usize,
    /// As many as keys, written.
    scores: *const f32,
    inverse: f32,
    /// Room for `dim` numbers that nobody else uses.
    to: *mut f32,
}

impl<S: Simd> PointerKernel<S> for Sum<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let (dim, values) = (self.job.dim, self.job.v.rows(self.at, 0));
        let inverse = s.splat(self.inverse);
        for d in (0..dim).step_by(4 * S::LANES) {
            let lanes: [u32; 4] = std::array::from_fn(|i| {
                let at = d + i * S::LANES;
                if at < dim { mask::<S>(at, dim) } else { 0 }
            });
            let mut sums = [s.splat(0.0); 4];
            // SAFETY: the first `keys` scores are written, rows are those of keys that are seen, and both rows
            // and result are masked to `dim` numbers.
            unsafe {
                for key in 0..self.keys {
                    let (p, row) =
                        (s.splat(*self.scores.add(key)), values.start.add(key * values.rows + d));
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let v = s.load_part(row.wrapping_add(i * S::LANES), lanes[i]);
                        *sum = s.mul_add(p, v, *sum);
                    }
                }
                for (i, &sum) in sums.iter().enumerate() {
                    let to = self.to.wrapping_add(d + i * S::LANES);
                    s.store_part(to, s.mul(sum, inverse), lanes[i]);
                }
            }
        }
    }
}
