//! e^x on vectors.
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use super::simd::Simd;

/// e^x, relative error below 3e-7. From 88 on it is e^88, up to -88 it is 0; NaN stays NaN.
#[inline(always)]
pub(super) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    signed::<S, false>(s, x)
}

/// e^-x, as [`exp`], without a negation.
#[inline(always)]
pub(super) fn exp_minus<S: Simd>(s: S, x: S::V) -> S::V {
    signed::<S, true>(s, x)
}

/// What belongs to an odd power.
#[inline(always)]
fn odd<S: Simd, const MINUS: bool>(s: S, c: f32) -> S::V {
    s.splat(if MINUS { -c } else { c })
}

/// e^x = 2^n e^r with |r| <= ln 2 / 2, and for e^r a polynomial of degree 5 that begins with 1 + r and
/// has the least relative error there (1.05e-7, Remez): thirteen instructions a vector.
#[inline(always)]
fn signed<S: Simd, const MINUS: bool>(s: S, x: S::V) -> S::V {
    // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits. n reaches from -127,
    // which makes 0, to 127.
    let shift = s.splat(12_582_912.0);
    let t = s.at_least(s.at_most(x, s.splat(88.0)), s.splat(-88.0));
    let shifted = s.mul_add(t, odd::<S, MINUS>(s, std::f32::consts::LOG2_E), shift);
    let n = s.sub(shifted, shift);
    // r, or -r for e^-x: then the odd powers change their sign.
    let r = s.mul_add(
        n,
        odd::<S, MINUS>(s, 2.121_944_4e-4),
        s.mul_add(n, odd::<S, MINUS>(s, -0.693_359_4), t),
    );
    // By halves (Estrin): chains of multiply-adds are shorter than in Horner's order.
    let square = s.mul(r, r);
    let high = s.mul_add(odd::<S, MINUS>(s, 0.008_312_52), r, s.splat(0.041_890_156));
    let middle = s.mul_add(odd::<S, MINUS>(s, 0.166_671_15), r, s.splat(0.499_992_3));
    let low = s.mul_add(odd::<S, MINUS>(s, 1.0), r, s.splat(1.0));
    let p = s.mul_add(s.mul_add(high, square, middle), square, low);
    s.mul(p, s.power_of_two(shifted))
}

#[cfg(test)]
mod tests {
    #![expect(unsafe_code, reason = "kernels read and write by pointer")]

    use super::super::simd::{Kernel, Simd, levels, with_simd};
    use super::{exp, exp_minus};

    /// e^x of all, or e^-x.
    struct All<'a>(&'a mut [f32], bool);

    impl<S: Simd> Kernel<S> for All<'_> {
        type Output = ();

        #[inline(always)]
        fn run(self, s: S) {
            for part in self.0.chunks_exact_mut(S::LANES) {
                // SAFETY: a part is a slice of exactly one vector.
                unsafe {
                    let x = s.load(part.as_ptr());
                    s.store(part.as_mut_ptr(), if self.1 { exp_minus(s, x) } else { exp(s, x) });
                }
            }
        }
    }

    #[test]
    fn it_agrees_with_f64_up_to_its_ends() {
        let x: Vec<f32> = (0..17_600).map(|i| i as f32 * 0.01 - 87.3).take(17_504).collect();
        for level in levels() {
            let mut y = x.clone();
            with_simd!(level, s => s.vectorize(All(&mut y, false)));
            let mut back: Vec<f32> = x.iter().map(|x| -x).collect();
            with_simd!(level, s => s.vectorize(All(&mut back, true)));
            for ((&x, y), back) in x.iter().zip(y).zip(back) {
                let exact = f64::from(x).exp();
                let error = |y: f32| (f64::from(y) - exact).abs() / exact;
                assert!(error(y) < 3e-7, "{level:?}: exp({x}) is {y}");
                assert!(error(back) < 3e-7, "{level:?}: exp_minus({}) is {back}", -x);
            }
            let mut ends = [f32::NAN, f32::NEG_INFINITY, -100.0, 0.0];
            let mut all = ends.repeat(4);
            with_simd!(level, s => s.vectorize(All(&mut all, false)));
            ends.copy_from_slice(&all[..4]);
            assert!(ends[0].is_nan() && ends[1..] == [0.0, 0.0, 1.0], "{level:?}: {ends:?}");
        }
    }
}
