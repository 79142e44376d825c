//! Matrices transposed by squares of vectors.
#![expect(unsafe_code, reason = "reads and writes matrices by pointer")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use super::product::Matrix;
use super::simd::Simd;

/// Writes the transposed of (rows, columns) numbers; the rows of the result are rounded up to whole
/// vectors, with zeros.
///
/// # Safety
/// `from` must be readable, and `columns` rows of that length, rounded up to whole vectors, at `to` writable
/// by this thread alone.
#[inline(always)]
pub(super) unsafe fn turn<S: Simd>(
    s: S,
    from: Matrix<*const f32>,
    (rows, columns): (usize, usize),
    to: Matrix<*mut f32>,
) {
    for row in (0..rows).step_by(S::LANES) {
        let height = S::LANES.min(rows - row);
        for column in (0..columns).step_by(S::LANES) {
            let width = S::LANES.min(columns - column);
            let source = from.start.wrapping_add(row * from.stride + column);
            let target = to.start.wrapping_add(column * to.stride + row);
            // SAFETY: whole squares lie inside both matrices, by the caller's promise. Of others the rows and
            // columns that do are copied by mask to a square here, and back whole: rows of the result have
            // room for whole vectors. A vector has at most 16 numbers, a square 256.
            unsafe {
                if height == S::LANES && width == S::LANES {
                    s.transpose((source, from.stride), (target, to.stride));
                    continue;
                }
                let (mut cut, mut turned) = ([0.0_f32; 256], [0.0_f32; 256]);
                for i in 0..height {
                    let v = s.load_part(source.add(i * from.stride), (1 << width) - 1);
                    s.store(cut.as_mut_ptr().add(i * S::LANES), v);
                }
                s.transpose((cut.as_ptr(), S::LANES), (turned.as_mut_ptr(), S::LANES));
                for i in 0..width {
                    let v = s.load(turned.as_ptr().add(i * S::LANES));
                    s.store(target.add(i * to.stride), v);
                }
            }
        }
    }
}
