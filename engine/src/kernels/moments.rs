//! The arithmetic of a norm on slices, for every instruction set.
//!
//! Mean and variance take one pass over memory: a chunk is read twice, but the second time from the
//! first-level cache, and chunks are joined in f64 (Chan et al., "Updating formulae and a pairwise
//! algorithm for computing sample variances", 1979). What bounds it: memory; with SiLU the division.
#![expect(unsafe_code, reason = "reads and writes slices by vectors")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use super::exp::exp;
use super::simd::{Kernel, Simd};

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
    // SAFETY: a vector has at most 16 numbers.
    unsafe { s.store(lanes.as_mut_ptr(), v) };
    lanes.iter().map(|&x| f64::from(x)).sum()
}

/// 1 / (1 + e^-x), relative error below 3e-7; NaN stays NaN.
#[inline(always)]
fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    s.div(one, s.add(exp(s, s.sub(s.splat(0.0), x)), one))
}

/// Mean and variance.
pub(super) struct Moments<'a>(pub(super) &'a [f32]);

impl<S: Simd> Kernel<S> for Moments<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn run(self, s: S) -> (f64, f64) {
        let (mut count, mut mean, mut squares) = (0.0_f64, 0.0_f64, 0.0_f64);
        for chunk in self.0.chunks(CHUNK) {
            let n = chunk.len();
            let mut sums = [s.splat(0.0); 4];
            for at in (0..n).step_by(S::LANES) {
                // SAFETY: masked to the chunk.
                let v = unsafe { s.load_part(chunk.as_ptr().add(at), mask::<S>(at, n)) };
                let sum = &mut sums[at / S::LANES % 4];
                *sum = s.add(*sum, v);
            }
            let sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
            let own = total(s, sum) / n as f64;
            let middle = s.splat(own as f32);
            let mut sums = [s.splat(0.0); 4];
            for at in (0..n).step_by(S::LANES) {
                let lanes = mask::<S>(at, n);
                // SAFETY: masked to the chunk.
                let v = unsafe { s.load_part(chunk.as_ptr().add(at), lanes) };
                let d = s.sub(v, middle);
                let sum = &mut sums[at / S::LANES % 4];
                *sum = s.mul_add(d, d, *sum);
                if at + S::LANES > n {
                    // Lanes beyond the end were 0 and must not count.
                    let beyond = (at + S::LANES - n) as f64 * f64::from(own as f32).powi(2);
                    squares -= beyond;
                }
            }
            let sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
            // Around the rounded mean; the difference is what the rounding adds.
            let rounding = own - f64::from(own as f32);
            squares += total(s, sum) - n as f64 * rounding * rounding;
            let (all, apart) = (count + n as f64, own - mean);
            squares += apart * apart * count * n as f64 / all;
            mean += apart * n as f64 / all;
            count = all;
        }
        (mean, (squares / count.max(1.0)).max(0.0))
    }
}

/// `y = x scale + shift`, then SiLU if `silu`.
pub(super) struct Normalize<'a> {
    pub(super) x: &'a [f32],
    /// As many values as x, written by this thread alone.
    pub(super) y: *mut f32,
    pub(super) scale: f32,
    pub(super) shift: f32,
    pub(super) silu: bool,
}

impl<S: Simd> Kernel<S> for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let (scale, shift) = (s.splat(self.scale), s.splat(self.shift));
        let n = self.x.len();
        for at in (0..n).step_by(S::LANES) {
            let lanes = mask::<S>(at, n);
            // SAFETY: masked to both slices.
            unsafe {
                let z = s.mul_add(s.load_part(self.x.as_ptr().add(at), lanes), scale, shift);
                let y = if self.silu { s.mul(z, sigmoid(s, z)) } else { z };
                s.store_part(self.y.add(at), y, lanes);
            }
        }
    }
}

/// Writes d loss / d (normalized value times weight plus bias) of a channel into `g`; gives its sum
/// and the sum of its product with the normalized value.
pub(super) struct ChannelSums<'a> {
    pub(super) x: &'a [f32],
    pub(super) dy: &'a [f32],
    pub(super) g: &'a mut [f32],
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
                // SAFETY: masked to the three slices.
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
                    s.store_part(self.g.as_mut_ptr().add(at), g, lanes);
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
            // SAFETY: masked to both slices.
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
                let mut y = vec![0.0_f32; x.len()];
                let job = Normalize { x, y: y.as_mut_ptr(), scale: 1.0, shift: 0.0, silu: true };
                with_simd!(level, s => s.vectorize(job));
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
