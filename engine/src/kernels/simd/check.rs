//! Whether an instruction set does what [`Simd`] says, tried on numbers.
//!
//! Nobody can test every processor; a kernel must fall back rather than give a wrong number.
#![expect(unsafe_code, reason = "loads and stores of arrays on the stack")]

use super::traits::{Kernel, Simd};

/// Whether every operation gives what plain code gives.
pub(super) fn agrees<S: Simd>(s: S) -> bool {
    s.vectorize(Check)
}

struct Check;

impl<S: Simd> Kernel<S> for Check {
    type Output = bool;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    fn run(self, s: S) -> bool {
        let n = S::LANES;
        let from: [f32; 256] = std::array::from_fn(|i| i as f32 * 0.5 - 31.0);
        let mut to = [0.0_f32; 256];
        // SAFETY: `LANES` is at most 16, so squares fit both arrays and vectors any place below 241.
        unsafe {
            let (a, b, c) = (
                s.load(from.as_ptr()),
                s.load(from.as_ptr().add(17)),
                s.load(from.as_ptr().add(40)),
            );
            let mut results = [a; 7];
            results[1] = s.add(a, b);
            results[2] = s.sub(a, b);
            results[3] = s.mul(a, b);
            results[4] = s.mul_add(a, b, c);
            results[5] = s.splat(2.5);
            // Lanes of the one mask, then the others.
            let even = 0x5555_u32 & ((1 << n) - 1);
            results[6] = s.join(
                s.load_part(from.as_ptr().add(3), even),
                s.load_part(from.as_ptr().add(3), (0xFFFF & ((1 << n) - 1)) ^ even),
            );
            for (i, &v) in results.iter().enumerate() {
                s.store(to.as_mut_ptr().add(i * 16), v);
            }
            let plain = |i: usize, lane: usize| {
                let (a, b, c) = (from[lane], from[lane + 17], from[lane + 40]);
                [a, a + b, a - b, a * b, a * b + c, 2.5, from[lane + 3]][i]
            };
            let mut right = (0..7 * n).all(|at| to[at / n * 16 + at % n] == plain(at / n, at % n));

            let whole = s.load(from.as_ptr().add(100));
            to[..n].fill(7.0);
            s.store_part(to.as_mut_ptr(), whole, even);
            right &= (0..n).all(|i| to[i] == if i % 2 == 0 { from[100 + i] } else { 7.0 });

            let row = |i: usize| s.load(from.as_ptr().add(i * n));
            for (i, v) in s.transpose4([row(0), row(1), row(2), row(3)]).into_iter().enumerate() {
                s.store(to.as_mut_ptr().add(i * n), v);
            }
            right &= (0..4 * n).all(|at| {
                let (row, lane) = (at / n, at % n);
                to[at] == from[lane % 4 * n + lane / 4 * 4 + row]
            });

            let odd = s.load_part(from.as_ptr().add(100), !even & ((1 << n) - 1));
            right &= s.less(odd, whole) == even && s.less(s.splat(f32::NAN), whole) == 0;
            s.store(to.as_mut_ptr(), s.where_less(odd, whole, a, b));
            right &= (0..n).all(|i| to[i] == from[if i % 2 == 0 { i } else { 17 + i }]);

            let [low, high] = s.zip(a, b);
            for (i, v) in [low, high, s.evens(low, high)].into_iter().enumerate() {
                s.store(to.as_mut_ptr().add(i * n), v);
            }
            right &= (0..2 * n).all(|i| to[i] == from[i / 2 + 17 * (i % 2)])
                && (0..n).all(|i| to[2 * n + i] == from[i]);

            let (nan, shift) = (f32::NAN, 12_582_912.0);
            let power = s.power_of_two(s.splat(shift - 3.0));
            let (low, high) = (s.at_least(whole, s.splat(20.0)), s.at_most(whole, s.splat(20.0)));
            let kept = s.at_least(s.at_most(s.splat(nan), s.splat(1.0)), s.splat(0.0));
            for (i, v) in [power, low, high, kept, s.div(a, s.splat(4.0))].into_iter().enumerate() {
                s.store(to.as_mut_ptr().add(i * 16), v);
            }
            right &= (0..n).all(|i| {
                to[i] == 0.125
                    && to[16 + i] == from[100 + i].max(20.0)
                    && to[32 + i] == from[100 + i].min(20.0)
                    && to[48 + i].is_nan()
                    && to[64 + i] == from[i] / 4.0
            });

            s.transpose8((from.as_ptr(), 9), (to.as_mut_ptr(), n));
            right &= (0..8 * n).all(|at| to[at] == from[at % n * 9 + at / n]);

            s.transpose((from.as_ptr(), n), (to.as_mut_ptr(), n));
            right && (0..n * n).all(|at| to[at] == from[at % n * n + at / n])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{levels, with_simd};
    use super::agrees;

    #[test]
    fn every_instruction_set_does_what_it_says() {
        for level in levels() {
            assert!(with_simd!(level, s => agrees(s)), "{level:?}");
        }
    }
}
