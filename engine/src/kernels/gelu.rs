//! GELU by its tanh form, and its slope.
//!
//! x sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3) (Hendrycks & Gimpel, arXiv 1606.08415):
//! the same as 0.5 x (1 + tanh u) with one exponential and one division, which bound it where the
//! numbers are in a cache, as they are behind a product.
#![expect(unsafe_code, reason = "reads and writes slices by vectors")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use super::exp::exp;
use super::moments::mask;
use super::simd::{Kernel, PointerKernel, Simd};

/// 2 sqrt(2 / pi), and that times 0.044715.
const SLOPE: f32 = 1.595_769_2;
const CUBIC: f32 = 0.071_354_82;

/// Within what the cube can take; beyond, the gate is 0 or 1 to the last bit.
#[inline(always)]
fn limited<S: Simd>(s: S, x: S::V) -> S::V {
    s.at_least(s.at_most(x, s.splat(100.0)), s.splat(-100.0))
}

/// sigmoid(2 u) of a limited x.
#[inline(always)]
fn gate<S: Simd>(s: S, x: S::V) -> S::V {
    let square = s.mul(x, x);
    let down = s.mul(x, s.mul_add(square, s.splat(-CUBIC), s.splat(-SLOPE)));
    s.div(s.splat(1.0), s.add(exp(s, down), s.splat(1.0)))
}

/// `y = gelu(x)`
pub(super) struct Gelu<'a> {
    pub(super) x: &'a [f32],
    /// Room for as many numbers as x has, used by this thread alone.
    pub(super) y: *mut f32,
}

impl<S: Simd> PointerKernel<S> for Gelu<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let n = self.x.len();
        for at in (0..n).step_by(S::LANES) {
            let lanes = mask::<S>(at, n);
            // SAFETY: lanes are masked to the length of x; y has as many places by the caller's
            // promise.
            unsafe {
                let x = s.load_part(self.x.as_ptr().add(at), lanes);
                s.store_part(self.y.add(at), s.mul(x, gate(s, limited(s, x))), lanes);
            }
        }
    }
}

/// `dy *= gelu'(x)`
pub(super) struct GeluSlope<'a> {
    pub(super) x: &'a [f32],
    pub(super) dy: &'a mut [f32],
}

impl<S: Simd> Kernel<S> for GeluSlope<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let n = self.x.len().min(self.dy.len());
        let one = s.splat(1.0);
        for at in (0..n).step_by(S::LANES) {
            let lanes = mask::<S>(at, n);
            // SAFETY: lanes are masked to `n`, the shorter of both slices.
            unsafe {
                let x = limited(s, s.load_part(self.x.as_ptr().add(at), lanes));
                let to = self.dy.as_mut_ptr().add(at);
                let y = gate(s, x);
                let square = s.mul(x, x);
                // The slope of 2 u, times x.
                let rise = s.mul(x, s.mul_add(square, s.splat(3.0 * CUBIC), s.splat(SLOPE)));
                let slope = s.mul_add(s.mul(y, s.sub(one, y)), rise, y);
                s.store_part(to, s.mul(s.load_part(to, lanes), slope), lanes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::{levels, with_simd};
    use super::*;

    #[test]
    fn it_agrees_with_f64_in_value_and_slope() {
        let x: Vec<f32> = (-3001..3001).map(|i| i as f32 * 0.004).collect();
        let exact = |x: f64| {
            let (c, k) = ((2.0 / std::f64::consts::PI).sqrt(), 0.044715);
            let t = (c * (x + k * x.powi(3))).tanh();
            (
                0.5 * x * (1.0 + t),
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * c * (1.0 + 3.0 * k * x * x),
            )
        };
        for level in levels() {
            let (mut y, mut dy) = (vec![0.0; x.len()], vec![2.0; x.len()]);
            with_simd!(level, s => {
                // SAFETY: `y` is as long as `x`.
                unsafe { s.follow(Gelu { x: &x, y: y.as_mut_ptr() }) };
                s.vectorize(GeluSlope { x: &x, dy: &mut dy });
            });
            for ((&x, y), dy) in x.iter().zip(y).zip(dy) {
                let (value, slope) = exact(f64::from(x));
                assert!((f64::from(y) - value).abs() < 2e-6, "{level:?}: gelu({x}) is {y}");
                assert!(
                    (f64::from(dy) - 2.0 * slope).abs() < 4e-6,
                    "{level:?}: slope({x}) is {dy}"
                );
            }
            let mut slopes = [1.0; 3];
            let far = GeluSlope { x: &[-1e30, 1e30, f32::NAN], dy: &mut slopes };
            with_simd!(level, s => s.vectorize(far));
            assert!(slopes[0].abs() < 1e-30 && slopes[1] == 1.0 && slopes[2].is_nan());
            let mut ends = [f32::NAN, -1e20, 1e20, f32::INFINITY];
            // SAFETY: as long as its copy.
            with_simd!(level, s => unsafe {
                s.follow(Gelu { x: &ends.clone(), y: ends.as_mut_ptr() });
            });
            assert!(
                ends[0].is_nan()
                    && ends[1].abs() < 1e-15
                    && ends[2] == 1e20
                    && ends[3] == f32::INFINITY
            );
        }
    }
}
