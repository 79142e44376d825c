//! What the kernels share: the numbers behind a tensor, products of matrices inside slices, wide
//! instructions, and sums that do not depend on the number of threads.
#![expect(unsafe_code, reason = "calls into gemm, disjoint writes of threads")]

use candle_core::{CpuStorage, Error, Layout, Result, Storage, Tensor};

use super::simd::{self, Kernel, Simd, with_simd};

/// The contiguous f32 values that a custom operation was given.
pub(super) fn values<'a>(
    storage: &'a CpuStorage,
    layout: &Layout,
    op: &'static str,
) -> Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else {
        return Err(Error::UnsupportedDTypeForOp(storage_dtype(storage), op).bt());
    };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&values[start..end]),
        None => Err(Error::RequiresContiguous { op }.bt()),
    }
}

fn storage_dtype(storage: &CpuStorage) -> candle_core::DType {
    candle_core::backend::BackendStorage::dtype(storage)
}

/// Runs `f` on the values of a contiguous f32 tensor on the CPU.
pub(super) fn with_values<R>(
    tensor: &Tensor,
    op: &'static str,
    f: impl FnOnce(&[f32]) -> R,
) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(values(storage, layout, op)?)),
        _ => Err(Error::Msg(format!("{op}: this kernel computes on the CPU")).bt()),
    }
}

/// A matrix inside memory: element (r, c) is at `r * rows + c * columns`.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    /// Distance from one row to the next.
    pub(super) rows: usize,
    /// Distance from one column to the next.
    pub(super) columns: usize,
}

impl Strides {
    /// Row by row, `width` apart.
    pub(super) fn by_rows(width: usize) -> Self {
        Self { rows: width, columns: 1 }
    }

    /// The transposed matrix.
    pub(super) fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows }
    }

    fn last(self, (rows, columns): (usize, usize)) -> usize {
        (rows - 1) * self.rows + (columns - 1) * self.columns
    }
}

/// Memory that several threads write, each to places of its own.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    start: *mut f32,
    len: usize,
}

// SAFETY: whoever writes through it promises (at the unsafe calls below) that no other thread
// touches the same places.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The slice to be written; it stays borrowed by the caller while threads write.
    pub(super) fn new(slice: &mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len() }
    }

    /// A part of it.
    ///
    /// # Safety
    /// No other reference to these places may exist while this one does.
    #[expect(clippy::mut_from_ref, reason = "the places are disjoint by the caller's promise")]
    pub(super) unsafe fn part(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start <= self.len && len <= self.len - start, "a part outside of the slice");
        // SAFETY: inside the slice (just checked); unique by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }

    /// `dst += a b` on one thread, where `dst` is the (m, n) matrix that starts at `start`.
    ///
    /// # Safety
    /// No other thread may touch the places of `dst` meanwhile.
    pub(super) unsafe fn add_product(
        &self,
        (start, strides): (usize, Strides),
        (m, n, k): (usize, usize, usize),
        (a, a_strides): (&[f32], Strides),
        (b, b_strides): (&[f32], Strides),
    ) {
        if m == 0 || n == 0 || k == 0 {
            return;
        }
        assert!(start + strides.last((m, n)) < self.len, "product outside of its result");
        assert!(a_strides.last((m, k)) < a.len(), "left factor outside of its slice");
        assert!(b_strides.last((k, n)) < b.len(), "right factor outside of its slice");
        // SAFETY: the three largest offsets were checked, offsets grow with row and column, and
        // nobody else touches the result by the caller's promise.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                self.start.add(start),
                strides.columns as isize,
                strides.rows as isize,
                true,
                a.as_ptr(),
                a_strides.columns as isize,
                a_strides.rows as isize,
                b.as_ptr(),
                b_strides.columns as isize,
                b_strides.rows as isize,
                1.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

/// `dst += a b` on one thread, all inside slices: `dst` (m, n), `a` (m, k), `b` (k, n).
pub(super) fn add_product(
    (dst, strides): (&mut [f32], Strides),
    shape: (usize, usize, usize),
    a: (&[f32], Strides),
    b: (&[f32], Strides),
) {
    // SAFETY: `dst` is borrowed mutably here, so nobody else touches it.
    unsafe { Shared::new(dst).add_product((0, strides), shape, a, b) }
}

/// Runs `f` compiled for the best instructions of this processor. Multiplications and additions stay
/// separate, so the result is the same with and without.
pub(super) fn wide<R>(f: impl FnOnce() -> R) -> R {
    struct Plain<F>(F);
    impl<S: Simd, R, F: FnOnce() -> R> Kernel<S> for Plain<F> {
        type Output = R;

        #[inline(always)]
        #[expect(
            clippy::inline_always,
            reason = "the instruction set reaches only what is inlined"
        )]
        fn run(self, _: S) -> R {
            (self.0)()
        }
    }
    with_simd!(simd::best(), s => s.vectorize(Plain(f)))
}

/// Lanes of a sum: as many partial sums run beside each other.
pub(super) const LANES: usize = 16;
/// Values whose f32 sum is folded into f64 at once.
pub(super) const CHUNK: usize = 1024;

/// The sum of `f(i)` over 0..n, in a fixed order: lanes inside chunks, chunks in f64.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled for the caller's instruction set")]
pub(super) fn sum_of(n: usize, f: impl Fn(usize) -> f32) -> f64 {
    let mut total = 0.0_f64;
    let mut start = 0;
    while start < n {
        let end = (start + CHUNK).min(n);
        let mut lanes = [0.0_f32; LANES];
        let mut at = start;
        while at + LANES <= end {
            for (lane, sum) in lanes.iter_mut().enumerate() {
                *sum += f(at + lane);
            }
            at += LANES;
        }
        let mut rest = 0.0_f64;
        while at < end {
            rest += f64::from(f(at));
            at += 1;
        }
        total += lanes.iter().map(|&x| f64::from(x)).sum::<f64>() + rest;
        start = end;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_where_f32_would_lose_them() {
        let n = 100_003;
        let sum = sum_of(n, |i| if i % 2 == 0 { 1.0e6 } else { 1.0 });
        assert_eq!(sum, 1.0e6 * 50_002.0 + 50_001.0);
        assert_eq!(sum_of(0, |_| 1.0), 0.0);
        assert_eq!(sum_of(17, |i| i as f32), 136.0);
    }
}
