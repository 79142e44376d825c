//! e^x on vectors.
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use super::simd::Simd;

/// e^x, relative error below 3e-7. From 88 on it is e^88, up to -88 it is 0; NaN stays NaN.
///
/// e^x = 2^n e^r with |r| <= ln 2 / 2 and a polynomial of degree 6 for e^r: about fifteen instructions
/// a vector.
#[inline(always)]
pub(super) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits. n reaches from -127,
    // which makes 0, to 127.
    let shift = s.splat(12_582_912.0);
    let t = s.at_least(s.at_most(x, s.splat(88.0)), s.splat(-88.0));
    let shifted = s.mul_add(t, s.splat(std::f32::consts::LOG2_E), shift);
    let n = s.sub(shifted, shift);
    let r = s.mul_add(n, s.splat(2.121_944_4e-4), s.mul_add(n, s.splat(-0.693_359_4), t));
    // By halves (Estrin): chains of multiply-adds are half as long as in Horner's order.
    let square = s.mul(r, r);
    let high = s.mul_add(r, s.splat(1.0 / 120.0), s.splat(1.0 / 24.0));
    let high = s.mul_add(square, s.splat(1.0 / 720.0), high);
    let middle = s.mul_add(r, s.splat(1.0 / 6.0), s.splat(0.5));
    let p = s.mul_add(s.mul_add(high, square, middle), square, s.add(r, s.splat(1.0)));
    s.mul(p, s.power_of_two(shifted))
}

#[cfg(test)]
mod tests {
    #![expect(unsafe_code, reason = "kernels read and write by pointer")]

    use super::super::simd::{Kernel, Simd, levels, with_simd};
    use super::exp;

    struct All<'a>(&'a mut [f32]);

    impl<S: Simd> Kernel<S> for All<'_> {
        type Output = ();

        #[inline(always)]
        fn run(self, s: S) {
            for part in self.0.chunks_exact_mut(S::LANES) {
                // SAFETY: a whole vector.
                unsafe { s.store(part.as_mut_ptr(), exp(s, s.load(part.as_ptr()))) }
            }
        }
    }

    #[test]
    fn it_agrees_with_f64_up_to_its_ends() {
        let x: Vec<f32> = (0..17_600).map(|i| i as f32 * 0.01 - 87.3).take(17_504).collect();
        for level in levels() {
            let mut y = x.clone();
            with_simd!(level, s => s.vectorize(All(&mut y)));
            for (&x, y) in x.iter().zip(y) {
                let exact = f64::from(x).exp();
                let error = (f64::from(y) - exact).abs() / exact;
                assert!(error < 3e-7, "{level:?}: exp({x}) is {y}");
            }
            let mut ends = [f32::NAN, f32::NEG_INFINITY, -100.0, 0.0];
            let mut all = ends.repeat(4);
            with_simd!(level, s => s.vectorize(All(&mut all)));
            ends.copy_from_slice(&all[..4]);
            assert!(ends[0].is_nan() && ends[1..] == [0.0, 0.0, 1.0], "{level:?}: {ends:?}");
        }
    }
}
