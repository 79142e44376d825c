//! What the kernels share: the numbers behind a tensor, wide instructions, and sums that do not depend
//! on the number of threads.

use candle_core::{CpuStorage, Error, Layout, Result, Storage, Tensor};

use super::simd::{self, Kernel, Simd, with_simd};

/// How many numbers a tensor of these sizes has. Tensors without numbers of their own (a size of 0, or
/// repeated by strides of 0) may have sizes whose product is beyond `usize`: what is left of it would be
/// room for a few numbers, and kernels write by the sizes.
pub(super) fn count(sizes: &[usize]) -> Result<usize> {
    if sizes.contains(&0) {
        return Ok(0);
    }
    let most = isize::MAX as usize / size_of::<f32>();
    let all = sizes.iter().try_fold(1_usize, |all, &size| all.checked_mul(size));
    all.filter(|&all| all <= most)
        .ok_or_else(|| Error::Msg(format!("{sizes:?} are more numbers than memory can hold")).bt())
}

/// Whether memory of `len` numbers has exactly these sizes.
pub(super) fn holds(len: usize, sizes: &[usize]) -> bool {
    count(sizes).is_ok_and(|all| all == len)
}

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
        Some((start, end)) if holds(end.wrapping_sub(start), layout.dims()) => {
            values.get(start..end).ok_or_else(|| {
                Error::Msg(format!("{op}: {:?} numbers outside of their memory", start..end)).bt()
            })
        }
        Some(_) => Err(Error::Msg(format!("{op}: {:?} overflow", layout.dims())).bt()),
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

/// As [`with_values`], of several tensors; they may have any strides.
pub(super) fn with_all_values<R>(
    tensors: &[&Tensor],
    op: &'static str,
    f: impl FnOnce(&[&[f32]]) -> R,
) -> Result<R> {
    let tensors = tensors.iter().map(|t| t.contiguous()).collect::<Result<Vec<_>>>()?;
    let guards: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let slices = guards
        .iter()
        .map(|(storage, layout)| match &**storage {
            Storage::Cpu(storage) => values(storage, layout, op),
            _ => Err(Error::Msg(format!("{op}: this kernel computes on the CPU")).bt()),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(f(&slices))
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
const LANES: usize = 16;
/// Values whose f32 sum is folded into f64 at once.
const CHUNK: usize = 1024;

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
    fn sizes_that_overflow_are_no_small_number() {
        assert_eq!(count(&[2, 3, 4]).unwrap(), 24);
        assert_eq!(count(&[]).unwrap(), 1);
        assert_eq!(count(&[usize::MAX, usize::MAX, 0]).unwrap(), 0);
        // Twice 2^63 would be 0, and 2^62 + 1 times 4 would be 4.
        assert!(count(&[1 << 63, 2]).is_err() && count(&[(1 << 62) + 1, 4]).is_err());
        assert!(count(&[1 << 61]).is_err(), "more bytes than a pointer can be moved by");
        assert!(holds(6, &[2, 3]) && !holds(5, &[2, 3]) && !holds(0, &[1 << 63, 2]));
    }

    #[test]
    fn sums_are_exact_where_f32_would_lose_them() {
        let n = 100_003;
        let sum = sum_of(n, |i| if i % 2 == 0 { 1.0e6 } else { 1.0 });
        assert_eq!(sum, 1.0e6 * 50_002.0 + 50_001.0);
        assert_eq!(sum_of(0, |_| 1.0), 0.0);
        assert_eq!(sum_of(17, |i| i as f32), 136.0);
    }
}
