//! The micro kernel: a few rows times two vectors of columns, all sums in registers.
//!
//! 14 rows x 2 vectors of 16 are 28 sums, two vectors of the right factor and one number of the left:
//! 31 of 32 registers, 28 multiply-adds for 16 loads, so that the multiply-add unit is what limits.
//! Rows are split into nearly equal groups (`groups`), so there is no slow remainder.
#![expect(unsafe_code, reason = "reads and writes scratch by pointer")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use super::simd::Simd;

/// Splits `rows` into the fewest nearly equal groups of at most `most`: (first, rows) of each.
pub(super) fn groups(rows: usize, most: usize) -> Vec<(usize, usize)> {
    let count = rows.div_ceil(most);
    let mut first = 0;
    (0..count)
        .map(|i| {
            let size = rows / count + usize::from(i < rows % count);
            let group = (first, size);
            first += size;
            group
        })
        .collect()
}

/// A matrix of the product by its first element and the distance of its rows.
#[derive(Clone, Copy)]
pub(super) struct Matrix<P> {
    pub(super) start: P,
    pub(super) stride: usize,
}

/// `c = a b`, or `c += a b` if `ADD`, for `rows` rows and `VECTORS` vectors of columns.
///
/// # Safety
/// `rows` is in 1..=S::ROWS; `a` is readable as `left` says, `b` has `depth` rows, `c` has `rows` rows
/// of `VECTORS` vectors, written by this thread alone.
#[inline(always)]
pub(super) unsafe fn product<S: Simd, const VECTORS: usize, const ADD: bool, const PACKED: bool>(
    s: S,
    (rows, depth): (usize, usize),
    a: *const f32,
    b: Matrix<*const f32>,
    c: Matrix<*mut f32>,
) {
    macro_rules! rows {
        ($($n:literal)*) => {
            match rows {
                $($n if $n <= S::ROWS => {
                    // SAFETY: by the caller's promise.
                    unsafe { micro::<S, $n, VECTORS, ADD, PACKED>(s, depth, a, b, c) }
                })*
                _ => debug_assert!(false, "a group has 1 to {} rows", S::ROWS),
            }
        };
    }
    rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

#[inline(always)]
unsafe fn micro<
    S: Simd,
    const ROWS: usize,
    const VECTORS: usize,
    const ADD: bool,
    const PACKED: bool,
>(
    s: S,
    depth: usize,
    a: *const f32,
    b: Matrix<*const f32>,
    c: Matrix<*mut f32>,
) {
    let mut sums = [[s.splat(0.0); VECTORS]; ROWS];
    let (mut a, mut at) = (a, b.start);
    for _ in 0..depth {
        let mut right = [s.splat(0.0); VECTORS];
        for (i, v) in right.iter_mut().enumerate() {
            // SAFETY: inside row k of `b`.
            *v = unsafe { s.load(at.add(i * S::LANES)) };
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let place = if PACKED { row } else { row * 32 };
            // SAFETY: inside column k of `a`.
            let left = s.splat(unsafe { *a.add(place) });
            for (sum, &v) in sums.iter_mut().zip(&right) {
                *sum = s.mul_add(left, v, *sum);
            }
        }
        a = a.wrapping_add(if PACKED { ROWS } else { 1 });
        at = at.wrapping_add(b.stride);
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (i, sum) in sums.into_iter().enumerate() {
            // SAFETY: inside row `row` of `c`.
            unsafe {
                let to = c.start.add(row * c.stride + i * S::LANES);
                s.store(to, if ADD { s.add(sum, s.load(to)) } else { sum });
            }
        }
    }
}
