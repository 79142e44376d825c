//! The two sets of Winograd's small transforms, each in one dimension.
//!
//! Source: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308,
//! section 4. Both work on windows of 6x6 pixels that give 4x4 results, so that they share all that
//! reads and writes images: F(4x4) takes the window as one, F(2x2) as four that overlap.

use super::super::simd::Simd;

/// Vectors of a window's side after its transform: at most 8.
pub(super) type Side<V> = [V; 8];

/// How a window becomes products.
pub(super) trait Scheme: Copy + Send + Sync + 'static {
    /// Values of a side after the transform.
    const POINTS: usize;
    /// Values of a side of one transform; its square is the number of products for each weight.
    const SIDE: usize;
    /// Transforms of a window.
    const PARTS: usize;
    /// Products for each weight.
    const FREQUENCIES: usize = Self::SIDE * Self::SIDE;

    /// Six pixels to `POINTS` values.
    fn input<S: Simd>(s: S, d: [S::V; 6]) -> Side<S::V>;
    /// `POINTS` values to four results.
    fn output<S: Simd>(s: S, m: Side<S::V>) -> [S::V; 4];
    /// Three weights to the first `SIDE` values.
    fn weight<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; 6];

    /// Which product and which part of the window a place of the transformed window belongs to.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
    fn place(row: usize, column: usize) -> (usize, usize) {
        let n = Self::SIDE;
        ((row % n) * n + column % n, (row / n) * (Self::POINTS / n) + column / n)
    }
}

/// F(4x4, 3x3): 36 products for 16 results, a quarter of the plain ones. About five times the error
/// of the plain sum.
#[derive(Clone, Copy)]
pub(super) struct Four;

#[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
impl Scheme for Four {
    const POINTS: usize = 6;
    const SIDE: usize = 6;
    const PARTS: usize = 1;

    #[inline(always)]
    fn input<S: Simd>(s: S, d: [S::V; 6]) -> Side<S::V> {
        let [d0, d1, d2, d3, d4, d5] = d;
        let (four, five, two) = (s.splat(4.0), s.splat(-5.0), s.splat(2.0));
        let minus = s.splat(-4.0);
        let p = s.mul_add(minus, d2, d4);
        let q = s.mul_add(minus, d1, d3);
        let r = s.sub(d4, d2);
        let t = s.mul(two, s.sub(d3, d1));
        let first = s.mul_add(four, d0, s.mul_add(five, d2, d4));
        let last = s.mul_add(four, d1, s.mul_add(five, d3, d5));
        [first, s.add(p, q), s.sub(p, q), s.add(r, t), s.sub(r, t), last, last, last]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: Side<S::V>) -> [S::V; 4] {
        let (a, b) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (c, d) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        [
            s.add(s.add(m[0], a), c),
            s.mul_add(s.splat(2.0), d, b),
            s.mul_add(s.splat(4.0), c, a),
            s.mul_add(s.splat(8.0), d, s.add(b, m[5])),
        ]
    }

    #[inline(always)]
    fn weight<S: Simd>(s: S, [g0, g1, g2]: [S::V; 3]) -> [S::V; 6] {
        let even = s.mul(s.splat(-1.0 / 6.0), s.add(g0, g2));
        let odd = s.mul(s.splat(-1.0 / 6.0), g1);
        let far = s.mul_add(s.splat(1.0 / 24.0), g0, s.mul(s.splat(1.0 / 6.0), g2));
        let tilt = s.mul(s.splat(1.0 / 12.0), g1);
        [
            s.mul(s.splat(0.25), g0),
            s.add(even, odd),
            s.sub(even, odd),
            s.add(far, tilt),
            s.sub(far, tilt),
            g2,
        ]
    }
}

impl Four {
    /// Four gradients of results to six values: the transposed of [`Scheme::output`].
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
    pub(super) fn output_gradient<S: Simd>(s: S, g: [S::V; 4]) -> [S::V; 6] {
        let [g0, g1, g2, g3] = g;
        let (a, b) = (s.add(g0, g2), s.add(g1, g3));
        let four = s.splat(4.0);
        let c = s.mul_add(four, g2, g0);
        let d = s.mul(s.splat(2.0), s.mul_add(four, g3, g1));
        [g0, s.add(a, b), s.sub(a, b), s.add(c, d), s.sub(c, d), g3]
    }

    /// Six gradients of transformed weights to three: the transposed of [`Scheme::weight`].
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
    pub(super) fn weight_gradient<S: Simd>(s: S, u: [S::V; 6]) -> [S::V; 3] {
        let (near, near_odd) = (s.add(u[1], u[2]), s.sub(u[2], u[1]));
        let (far, far_odd) = (s.add(u[3], u[4]), s.sub(u[3], u[4]));
        let sixth = s.splat(1.0 / 6.0);
        let minus = s.splat(-1.0 / 6.0);
        let first = s.mul_add(s.splat(0.25), u[0], s.mul(minus, near));
        [
            s.mul_add(s.splat(1.0 / 24.0), far, first),
            s.mul_add(sixth, near_odd, s.mul(s.splat(1.0 / 12.0), far_odd)),
            s.mul_add(sixth, s.sub(far, near), u[5]),
        ]
    }
}

/// F(2x2, 3x3): 16 products for 4 results, 4/9 of the plain ones. Its sums are shorter than the
/// plain ones and its factors small, so its error is below theirs: it may decide codes.
#[derive(Clone, Copy)]
pub(super) struct Two;

#[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
impl Scheme for Two {
    const POINTS: usize = 8;
    const SIDE: usize = 4;
    const PARTS: usize = 4;

    #[inline(always)]
    fn input<S: Simd>(s: S, d: [S::V; 6]) -> Side<S::V> {
        let one = |a, b, c, e| [s.sub(a, c), s.add(b, c), s.sub(c, b), s.sub(b, e)];
        let [p0, p1, p2, p3] = one(d[0], d[1], d[2], d[3]);
        let [q0, q1, q2, q3] = one(d[2], d[3], d[4], d[5]);
        [p0, p1, p2, p3, q0, q1, q2, q3]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: Side<S::V>) -> [S::V; 4] {
        let one = |a, b, c, e| [s.add(s.add(a, b), c), s.sub(s.sub(b, c), e)];
        let [p0, p1] = one(m[0], m[1], m[2], m[3]);
        let [q0, q1] = one(m[4], m[5], m[6], m[7]);
        [p0, p1, q0, q1]
    }

    #[inline(always)]
    fn weight<S: Simd>(s: S, [g0, g1, g2]: [S::V; 3]) -> [S::V; 6] {
        let half = s.splat(0.5);
        let (even, odd) = (s.mul(half, s.add(g0, g2)), s.mul(half, g1));
        [g0, s.add(even, odd), s.sub(even, odd), g2, g2, g2]
    }
}
