//! Vectors for any processor: arrays that the compiler may put into whatever registers there are.
#![expect(unsafe_code, reason = "reads and writes the places that a kernel names by pointer")]

use super::traits::{Kernel, Simd};

/// `N` numbers, no instruction set in particular; `ROWS` as in [`Simd::ROWS`].
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Portable<const N: usize, const ROWS: usize>;

#[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
impl<const N: usize, const R: usize> Simd for Portable<N, R> {
    type V = [f32; N];
    const LANES: usize = N;
    const ROWS: usize = R;

    #[inline(always)]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; N]
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Not `f32::mul_add`: without the instruction that is a slow function.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn at_most(self, v: Self::V, limit: Self::V) -> Self::V {
        std::array::from_fn(|i| if v[i] > limit[i] { limit[i] } else { v[i] })
    }
    #[inline(always)]
    fn at_least(self, v: Self::V, limit: Self::V) -> Self::V {
        std::array::from_fn(|i| if v[i] < limit[i] { limit[i] } else { v[i] })
    }
    #[inline(always)]
    fn less(self, a: Self::V, b: Self::V) -> u32 {
        (0..N).fold(0, |bits, i| bits | u32::from(a[i] < b[i]) << i)
    }
    #[inline(always)]
    fn where_less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] < b[i] { yes[i] } else { no[i] })
    }
    #[inline(always)]
    fn power_of_two(self, shifted: Self::V) -> Self::V {
        std::array::from_fn(|i| {
            f32::from_bits((shifted[i].to_bits() << 23).wrapping_add(127 << 23))
        })
    }
    #[inline(always)]
    fn join(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| f32::from_bits(a[i].to_bits() | b[i].to_bits()))
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the caller promises a vector of N numbers, which is what the array is; no alignment is needed.
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: as for `load`, to be written by this thread alone.
        unsafe { to.cast::<Self::V>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn stream(self, to: *mut f32, v: Self::V) {
        // SAFETY: the caller promises all that `store` asks for, and more.
        unsafe { self.store(to, v) }
    }
    #[inline(always)]
    fn settle(self) {}
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, mask: u32) -> Self::V {
        if mask == (1 << N) - 1 {
            // SAFETY: the lanes of the mask, all, are readable by the caller's promise.
            return unsafe { self.load(from) };
        }
        std::array::from_fn(|i| {
            if mask & (1 << i) == 0 {
                0.0
            } else {
                // SAFETY: the lanes of the mask are readable by the caller's promise.
                unsafe { *from.wrapping_add(i) }
            }
        })
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: Self::V, mask: u32) {
        for (i, &x) in v.iter().enumerate() {
            if mask & (1 << i) != 0 {
                // SAFETY: the lanes of the mask are writable by the caller's promise.
                unsafe { *to.wrapping_add(i) = x };
            }
        }
    }
    #[inline(always)]
    fn prefetch(self, _: *const f32) {}
    #[inline(always)]
    fn evens(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if i < N / 2 { a[2 * i] } else { b[2 * i - N] })
    }
    #[inline(always)]
    fn zip(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
        let from = |first: usize| {
            std::array::from_fn(|i| if i % 2 == 0 { a[first + i / 2] } else { b[first + i / 2] })
        };
        [from(0), from(N / 2)]
    }
    #[inline(always)]
    fn transpose4(self, v: [Self::V; 4]) -> [Self::V; 4] {
        std::array::from_fn(|row| std::array::from_fn(|i| v[i % 4][i / 4 * 4 + row]))
    }
    #[inline(always)]
    unsafe fn transpose(self, from: (*const f32, usize), to: (*mut f32, usize)) {
        for row in 0..N {
            // SAFETY: the rows are readable by the caller's promise.
            let v = unsafe { self.load(from.0.add(row * from.1)) };
            for (column, &x) in v.iter().enumerate() {
                // SAFETY: the rows are writable by the caller's promise.
                unsafe { *to.0.add(column * to.1 + row) = x };
            }
        }
    }
    #[inline(always)]
    unsafe fn transpose8(self, from: (*const f32, usize), to: (*mut f32, usize)) {
        for row in 0..N {
            for column in 0..8 {
                // SAFETY: the numbers are readable and writable by the caller's promise.
                unsafe { *to.0.add(column * to.1 + row) = *from.0.add(row * from.1 + column) };
            }
        }
    }
}
