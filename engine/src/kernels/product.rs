//! The micro kernel: a few rows times two vectors of columns, all sums in registers.
//!
//! 14 rows x 2 vectors of 16 are 28 sums, two vectors of the right factor and one number of the left:
//! 31 of 32 registers, 28 multiply-adds for 16 loads, so that the multiply-add unit is what limits.
//! Rows are split into nearly equal groups (`groups`), so there is no slow remainder.
#![expect(unsafe_code, reason = "reads and writes scratch by pointer")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use super::simd::{PointerKernel, Simd};

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

/// What a product is added to.
#[derive(Clone, Copy)]
pub(super) enum To {
    Nothing,
    /// What `c` holds. Added to the whole sum at the end: the error is that of shorter sums.
    Result,
    /// A number for each row, with which the sums start.
    Rows(*const f32),
}

impl To {
    /// The first of several products replaces what `c` holds, the others are added to it.
    pub(super) fn after(is_first: bool) -> Self {
        if is_first { Self::Nothing } else { Self::Result }
    }
}

/// The left factor's `LEFT` where it is packed.
pub(super) const PACKED: usize = 0;

/// `c = to + a b` for a group of rows and some vectors of columns, on several planes.
///
/// The left factor is [`PACKED`] (element (row, k) at `k * rows + row`), or has rows `LEFT` numbers
/// apart (at `row * LEFT + k`); a constant, because that many pointers would fill all registers.
pub(super) struct Product<const VECTORS: usize, const LEFT: usize> {
    /// In 1..=[`Simd::ROWS`].
    pub(super) rows: usize,
    /// Columns of the left factor, rows of the right one.
    pub(super) depth: usize,
    pub(super) a: *const f32,
    pub(super) b: Matrix<*const f32>,
    pub(super) c: Matrix<*mut f32>,
    /// Vectors of columns, in units of `VECTORS`.
    pub(super) columns: usize,
    /// Products of the same shape: their number, and the distances of their a, b and c. Where those of
    /// c are 0, the products are summed.
    pub(super) planes: (usize, [usize; 3]),
    /// What the (first) product is added to.
    pub(super) to: To,
}

impl<const VECTORS: usize, const LEFT: usize> Product<VECTORS, LEFT> {
    /// Computes it.
    ///
    /// # Safety
    /// On every plane `a` must be readable as said above, `b` have `depth` rows and `c` `rows` rows of
    /// `columns * VECTORS` vectors, [`To::Rows`] `rows` numbers; this thread alone writes `c`. For
    /// [`To::Result`], and where products are summed, `c` must hold numbers.
    pub(super) unsafe fn run<S: Simd>(&self, s: S) {
        macro_rules! rows {
            ($($n:literal)*) => {
                match self.rows {
                    $($n if $n <= S::ROWS => {
                        // SAFETY: by the caller's promise, of a product with so many rows.
                        unsafe { s.follow(Rows::<$n, VECTORS, LEFT>(self)) }
                    })*
                    // Nothing would be written, and callers hand out what is.
                    _ => unreachable!("a group has 1 to {} rows", S::ROWS),
                }
            };
        }
        rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
}

/// The product of a known number of rows: a function of its own for each, shared by all who call it. By
/// reference: a copy is read in wider pieces than the product was just written in, for which the processor
/// waits until all results before it are in the cache. That took up to a fifth of the time. What
/// [`Product::run`] asks for must hold.
struct Rows<'a, const ROWS: usize, const VECTORS: usize, const LEFT: usize>(
    &'a Product<VECTORS, LEFT>,
);

impl<S: Simd, const ROWS: usize, const VECTORS: usize, const LEFT: usize> PointerKernel<S>
    for Rows<'_, ROWS, VECTORS, LEFT>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let &Product { depth, a, b, c, columns, planes: (planes, steps), to, .. } = self.0;
        for plane in 0..planes {
            let to = if plane > 0 && steps[2] == 0 { To::Result } else { to };
            let a = a.wrapping_add(plane * steps[0]);
            for column in 0..columns {
                let column = column * VECTORS * S::LANES;
                let b = b.start.wrapping_add(plane * steps[1] + column);
                let c = c.start.wrapping_add(plane * steps[2] + column);
                let (b, c) = (Matrix { start: b, ..self.0.b }, Matrix { start: c, ..self.0.c });
                // SAFETY: `plane` and `column` are below those whose factors and results the caller promised, as
                // `Product::run` asks for them.
                unsafe { micro::<S, ROWS, VECTORS, LEFT>(s, depth, a, (b, c), to) }
            }
        }
    }
}

/// # Safety
/// As for [`Product::run`], of one product.
#[inline(always)]
unsafe fn micro<S: Simd, const ROWS: usize, const VECTORS: usize, const LEFT: usize>(
    s: S,
    depth: usize,
    a: *const f32,
    (b, c): (Matrix<*const f32>, Matrix<*mut f32>),
    to: To,
) {
    let mut sums = [[s.splat(0.0); VECTORS]; ROWS];
    if let To::Rows(numbers) = to {
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: a number for each row, by the caller's promise.
            *sums = [s.splat(unsafe { *numbers.add(row) }); VECTORS];
        }
    }
    // SAFETY: both factors are readable by the caller's promise, of ROWS rows and VECTORS vectors.
    let sums = unsafe { sum::<S, ROWS, VECTORS, LEFT>(s, depth, a, b, sums) };
    let add = matches!(to, To::Result);
    for (row, sums) in sums.into_iter().enumerate() {
        for (i, sum) in sums.into_iter().enumerate() {
            // SAFETY: vector `i` of VECTORS in row `row` of ROWS of `c`, which is this thread's by the caller's
            // promise, and holds numbers already where they are added to.
            unsafe {
                let to = c.start.add(row * c.stride + i * S::LANES);
                s.store(to, if add { s.add(sum, s.load(to)) } else { sum });
            }
        }
    }
}

/// Adds a product to sums in registers; `LEFT` as for [`Product`].
///
/// # Safety
/// `a` must be readable as said there, and `b` have `depth` rows of `VECTORS` vectors.
#[inline(always)]
pub(super) unsafe fn sum<S: Simd, const ROWS: usize, const VECTORS: usize, const LEFT: usize>(
    s: S,
    depth: usize,
    mut a: *const f32,
    b: Matrix<*const f32>,
    mut sums: [[S::V; VECTORS]; ROWS],
) -> [[S::V; VECTORS]; ROWS] {
    let mut at = b.start;
    for _ in 0..depth {
        let mut right = [s.splat(0.0); VECTORS];
        for (i, v) in right.iter_mut().enumerate() {
            // SAFETY: vector `i` of VECTORS in a row of `b`, of which there are `depth`.
            *v = unsafe { s.load(at.add(i * S::LANES)) };
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let place = if LEFT == PACKED { row } else { row * LEFT };
            // SAFETY: row `row` of ROWS in a column of `a`, of which there are `depth`.
            let left = s.splat(unsafe { *a.add(place) });
            for (sum, &v) in sums.iter_mut().zip(&right) {
                *sum = s.mul_add(left, v, *sum);
            }
        }
        a = a.wrapping_add(if LEFT == PACKED { ROWS } else { 1 });
        at = at.wrapping_add(b.stride);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::simd::Portable;
    use super::*;

    #[test]
    #[should_panic(expected = "a group has 1 to 6 rows")]
    fn a_group_of_too_many_rows_is_no_silent_nothing() {
        let (a, b, mut c) = ([1.0_f32; 7], [1.0_f32; 16], [0.0_f32; 7 * 16]);
        let product = Product::<2, PACKED> {
            rows: 7,
            depth: 1,
            a: a.as_ptr(),
            b: Matrix { start: b.as_ptr(), stride: 16 },
            c: Matrix { start: c.as_mut_ptr(), stride: 16 },
            columns: 1,
            planes: (1, [0; 3]),
            to: To::Nothing,
        };
        // SAFETY: both factors and the result have seven rows.
        unsafe { product.run(Portable::<8, 6>) };
    }
}
