//! The arithmetic of a norm on slices, for every instruction set.
//!
//! Mean and variance take one pass over memory: a chunk is read twice, but the second time from the
//! first-level cache, and chunks are joined in f64 (Chan et al., "Updating formulae and a pairwise
//! algorithm for computing sample variances", 1979). What bounds it: memory; with SiLU the division.
#![expect(unsafe_code, reason = "reads and writes slices by vectors")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use std::mem::MaybeUninit;

use super::exp::exp_minus;
use super::simd::{Kernel, PointerKernel, Simd};

/// Values that are read twice.
const CHUNK: usize = 2048;

/// The lanes of a vector at `at` that lie inside `n` values.
#[inline(always)]
pub(super) fn mask<S: Simd>(at: usize, n: usize) -> u32 {
    let all = (1 << S::LANES) - 1;
    if n - at >= S::LANES { all } else { (1 << (n - at)) - 1 }
}

/// The sum of a vector, in f64.
#[inline(always)]
pub(super) fn total<S: Simd>(s: S, v: S::V) -> f64 {
    let mut lanes = [0.0_f32; 16];
    // SAFETY: a vector has at most 16 numbers, and there are 16.
    unsafe { s.store(lanes.as_mut_ptr(), v) };
    lanes.iter().map(|&x| f64::from(x)).sum()
}

/// 1 / (1 + e^-x), relative error below 3e-7; NaN stays NaN.
#[inline(always)]
fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    s.div(one, s.add(exp_minus(s, x), one))
}

/// Sums of a chunk that are added to side by side: one alone would wait for each addition.
const SUMS: usize = 8;

/// The sum of x, or of the squares of its distances from `middle`.
#[inline(always)]
fn sum<S: Simd, const SQUARES: bool>(s: S, x: &[f32], middle: f32) -> f64 {
    let mut sums = [s.splat(0.0); SUMS];
    let parts = x.chunks_exact(SUMS * S::LANES);
    let rest = parts.remainder();
    for part in parts {
        for (i, sum) in sums.iter_mut().enumerate() {
            // SAFETY: a part is a slice of SUMS vectors.
            let v = unsafe { s.load(part.as_ptr().add(i * S::LANES)) };
            *sum = term::<S, SQUARES>(s, v, middle, *sum);
        }
    }
    for part in rest.chunks(S::LANES) {
        // What adds nothing fills the last vector.
        let mut last = [if SQUARES { middle } else { 0.0 }; 16];
        last[..part.len()].copy_from_slice(part);
        // SAFETY: a vector has at most 16 numbers, and there are 16.
        let v = unsafe { s.load(last.as_ptr()) };
        sums[0] = term::<S, SQUARES>(s, v, middle, sums[0]);
    }
    let [a, b, c, d, e, f, g, h] = sums;
    total(s, s.add(s.add(s.add(a, b), s.add(c, d)), s.add(s.add(e, f), s.add(g, h))))
}

/// `sum + v`, or `sum + (v - middle)^2`. A function and no closure, because a closure is compiled
/// without the instructions.
#[inline(always)]
fn term<S: Simd, const SQUARES: bool>(s: S, v: S::V, middle: f32, sum: S::V) -> S::V {
    if SQUARES {
        let d = s.sub(v, s.splat(middle));
        s.mul_add(d, d, sum)
    } else {
        s.add(sum, v)
    }
}

/// Mean and variance.
pub(super) struct Moments<'a>(pub(super) &'a [f32]);

impl<S: Simd> Kernel<S> for Moments<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run(self, s: S) -> (f64, f64) {
        let (mut count, mut mean, mut squares) = (0.0_f64, 0.0_f64, 0.0_f64);
        for chunk in self.0.chunks(CHUNK) {
            let n = chunk.len() as f64;
            let own = sum::<S, false>(s, chunk, 0.0) / n;
            let found = sum::<S, true>(s, chunk, own as f32);
            // Around the rounded mean; the difference is what the rounding adds.
            let rounding = own - f64::from(own as f32);
            squares += found - n * rounding * rounding;
            let (all, apart) = (count + n, own - mean);
            squares += apart * apart * count * n / all;
            mean += apart * n / all;
            count = all;
        }
        (mean, (squares / count.max(1.0)).max(0.0))
    }
}

/// `y = x scale + shift`, then SiLU if `silu`.
pub(super) struct Normalize<'a> {
    pub(super) x: &'a [f32],
    /// Room for as many values as x has, used by this thread alone.
    pub(super) y: *mut f32,
    pub(super) scale: f32,
    pub(super) shift: f32,
    pub(super) silu: bool,
    /// Whether y is written past the caches.
    pub(super) stream: bool,
}

impl Normalize<'_> {
    #[inline(always)]
    fn one<S: Simd>(&self, s: S, x: S::V) -> S::V {
        let z = s.mul_add(x, s.splat(self.scale), s.splat(self.shift));
        if self.silu { s.div(z, s.add(exp_minus(s, z), s.splat(1.0))) } else { z }
    }

    /// A few values.
    ///
    /// # Safety
    /// As for the kernel; the range must be inside x.
    #[inline(always)]
    unsafe fn part<S: Simd>(&self, s: S, range: std::ops::Range<usize>) {
        for at in range.clone().step_by(S::LANES) {
            let lanes = mask::<S>(at, range.end);
            // SAFETY: `at` is below the range's end, at most the length of x, and lanes are masked to it; y has
            // as many places by the caller's promise.
            unsafe {
                let x = s.load_part(self.x.as_ptr().add(at), lanes);
                s.store_part(self.y.add(at), self.one(s, x), lanes);
            }
        }
    }
}

impl<S: Simd> PointerKernel<S> for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let n = self.x.len();
        // Up to the first place that is aligned, pairs of vectors, the rest.
        let head = if self.stream { self.y.align_offset(size_of::<S::V>()).min(n) } else { 0 };
        let whole = head + (n - head) / (2 * S::LANES) * (2 * S::LANES);
        // SAFETY: `head` is at most the length of x, and y is the caller's promise.
        unsafe { self.part(s, 0..head) };
        for at in (head..whole).step_by(2 * S::LANES) {
            // SAFETY: two vectors from `at` on end at `whole` at the latest, at most the length of x, which y has
            // too. Where it streams, `head` numbers led to a place that is aligned to a vector, and steps are
            // whole vectors; if there is no such place, `head` is all and nothing is left.
            unsafe {
                let (x, y) = (self.x.as_ptr().add(at), self.y.add(at));
                let (a, b) = (s.load(x), s.load(x.add(S::LANES)));
                let (a, b) = (self.one(s, a), self.one(s, b));
                if self.stream {
                    s.stream(y, a);
                    s.stream(y.add(S::LANES), b);
                } else {
                    s.store(y, a);
                    s.store(y.add(S::LANES), b);
                }
            }
        }
        // SAFETY: as above.
        unsafe { self.part(s, whole..n) };
        if self.stream {
            s.settle();
        }
    }
}

/// Writes d loss / d (normalized value times weight plus bias) of a channel into `g`, whole if it is not
/// longer than x and dy; gives its sum and the sum of its product with the normalized value.
pub(super) struct ChannelSums<'a> {
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) g: &'a mut [MaybeUninit<f32>],
    /// Mean and 1 / standard deviation.
    pub(super) stats: (f32, f32),
    pub(super) weight: f32,
    pub(super) bias: f32,
    pub(super) silu: bool,
}

impl<S: Simd> Kernel<S> for ChannelSums<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run(self, s: S) -> (f64, f64) {
        let (inverse, one) = (s.splat(self.stats.1), s.splat(1.0));
        let shift = s.splat(-self.stats.0 * self.stats.1);
        let (weight, bias) = (s.splat(self.weight), s.splat(self.bias));
        let (mut first, mut second) = (0.0, 0.0);
        let n = self.x.len().min(self.dy.len()).min(self.g.len());
        for start in (0..n).step_by(CHUNK) {
            let end = (start + CHUNK).min(n);
            let (mut sums, mut products) = (s.splat(0.0), s.splat(0.0));
            for at in (start..end).step_by(S::LANES) {
                let lanes = mask::<S>(at, end);
                // SAFETY: `at` is below `n`, the shortest of the three slices, and lanes are masked to `end`, at
                // most `n`.
                unsafe {
                    let x = s.load_part(self.x.as_ptr().add(at), lanes);
                    let dy = s.load_part(self.dy.as_ptr().add(at), lanes);
                    let normal = s.mul_add(x, inverse, shift);
                    let g = if self.silu {
                        let z = s.mul_add(normal, weight, bias);
                        let y = sigmoid(s, z);
                        s.mul(dy, s.mul(y, s.mul_add(z, s.sub(one, y), one)))
                    } else {
                        dy
                    };
                    s.store_part(self.g.as_mut_ptr().add(at).cast(), g, lanes);
                    // Where lanes are masked, dy is 0 and so is g.
                    sums = s.add(sums, g);
                    products = s.mul_add(g, normal, products);
                }
            }
            first += total(s, sums);
            second += total(s, products);
        }
        (first, second)
    }
}

/// `g = inverse (weight g - first - normal second)`: the gradient of x.
pub(super) struct Spread<'a> {
    pub(super) x: &'a [f32],
    pub(super) g: &'a mut [f32],
    /// Mean and 1 / standard deviation.
    pub(super) stats: (f32, f32),
    pub(super) weight: f32,
    /// Means over the group of the weighted gradient, and of its product with the normal values.
    pub(super) means: (f32, f32),
}

impl<S: Simd> Kernel<S> for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let (mean, inverse) = self.stats;
        // inverse (weight g - first - (x - mean) inverse second), collected by g, x and the rest.
        let by_g = s.splat(inverse * self.weight);
        let by_x = s.splat(-inverse * inverse * self.means.1);
        let middle = s.splat(mean);
        let rest = s.splat(-inverse * self.means.0);
        let n = self.x.len().min(self.g.len());
        for at in (0..n).step_by(S::LANES) {
            let lanes = mask::<S>(at, n);
            // SAFETY: `at` is below `n`, the shorter of both slices, and lanes are masked to it.
            unsafe {
                let x = s.sub(s.load_part(self.x.as_ptr().add(at), lanes), middle);
                let to = self.g.as_mut_ptr().add(at);
                let g = s.mul_add(s.load_part(to, lanes), by_g, s.mul_add(x, by_x, rest));
                s.store_part(to, g, lanes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::{levels, with_simd};
    use super::*;

    #[test]
    fn silu_agrees_with_f64_and_keeps_nan() {
        let x: Vec<f32> = (-20_000..=20_000).map(|i| i as f32 * 0.005).collect();
        for level in levels() {
            let run = |x: &[f32]| {
                let silu = |stream| {
                    // One number further, so that streams have to align themselves.
                    let mut y = vec![0.0_f32; x.len() + 1];
                    let to = y[1..].as_mut_ptr();
                    let job = Normalize { x, y: to, scale: 1.0, shift: 0.0, silu: true, stream };
                    // SAFETY: `y` is a number longer than `x` and begins one further.
                    with_simd!(level, s => unsafe { s.follow(job) });
                    y.split_off(1)
                };
                let (y, streamed) = (silu(false), silu(true));
                let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&y), bits(&streamed), "{level:?}");
                y
            };
            for (&x, y) in x.iter().zip(run(&x)) {
                let exact = f64::from(x) / (1.0 + (-f64::from(x)).exp());
                let error = (f64::from(y) - exact).abs() / exact.abs().max(1e-35);
                assert!(error < 7e-7 || x < -86.0, "{level:?}: silu({x}) is {y}");
            }
            let ends = run(&[f32::NAN, f32::INFINITY, -200.0]);
            assert!(ends[0].is_nan() && ends[1] == f32::INFINITY && ends[2].abs() < 1e-30);
        }
    }

    #[test]
    fn moments_are_exact_where_f32_would_lose_them() {
        for (n, offset) in [(1, 3.0), (5, 0.0), (2047, 100.0), (70_001, 1000.0)] {
            let x: Vec<f32> = (0..n).map(|i| offset + (i % 7) as f32 * 0.25).collect();
            let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
            let variance = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n as f64;
            for level in levels() {
                let found = with_simd!(level, s => s.vectorize(Moments(&x)));
                assert!((found.0 - mean).abs() < 1e-5 * mean.abs().max(1.0), "{level:?} {n}");
                assert!(
                    (found.1 - variance).abs() < 1e-4 * variance.max(0.01),
                    "{level:?} {n}: {found:?} {variance}"
                );
            }
        }
    }
}
