//! What an instruction set can do, and what is compiled for each.
#![expect(unsafe_code, reason = "declares what reads and writes by pointer")]

/// Work to be compiled for an instruction set. A trait and no closure, because `run` must be marked
/// `#[inline(always)]`: what is not inlined is compiled without the instructions.
pub(in crate::kernels) trait Kernel<S> {
    /// What it gives.
    type Output;
    /// Does it.
    fn run(self, s: S) -> Self::Output;
}

/// Work that follows pointers, to be compiled as a [`Kernel`] is. Anybody can make one, but only who
/// promises what is said of its fields can run it: by [`Simd::follow`].
pub(in crate::kernels) trait PointerKernel<S> {
    /// What it gives.
    type Output;
    /// Does it.
    ///
    /// # Safety
    /// What is said of the fields must hold while it runs.
    unsafe fn run(self, s: S) -> Self::Output;
}

/// A kernel whose pointers may be followed. Only [`Simd::follow`] makes one.
struct Promised<K>(K);

impl<S, K: PointerKernel<S>> Kernel<S> for Promised<K> {
    type Output = K::Output;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    fn run(self, s: S) -> K::Output {
        // SAFETY: whoever called `follow`, which alone makes this, promised it.
        unsafe { self.0.run(s) }
    }
}

/// Instructions on vectors of [`Simd::LANES`] numbers.
pub(in crate::kernels) trait Simd: Copy + Send + Sync + 'static {
    /// A vector.
    type V: Copy;
    /// Numbers of a vector: 4, 8 or 16.
    const LANES: usize;
    /// Rows of the product's micro kernel: as many as registers hold at two vectors each.
    const ROWS: usize;

    /// Runs a kernel compiled with these instructions.
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output;

    /// Runs a kernel that follows pointers, compiled in the same way.
    ///
    /// # Safety
    /// What is said of the kernel's fields must hold until it has run.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call is what `vectorize` is")]
    unsafe fn follow<K: PointerKernel<Self>>(self, kernel: K) -> K::Output {
        self.vectorize(Promised(kernel))
    }

    /// The same number in every lane.
    fn splat(self, x: f32) -> Self::V;
    /// a + b
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a - b
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a b
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a b + c, rounded once where the processor can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a / b
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller of both; NaN in `v` stays.
    fn at_most(self, v: Self::V, limit: Self::V) -> Self::V;
    /// The larger of both; NaN in `v` stays.
    fn at_least(self, v: Self::V, limit: Self::V) -> Self::V;
    /// The lanes where a < b, a bit each.
    fn less(self, a: Self::V, b: Self::V) -> u32;
    /// The bits of `yes` where a < b, else those of `no`.
    fn where_less(self, a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// 2^n of n + 1.5 * 2^23, for whole n of -126 to 127.
    fn power_of_two(self, shifted: Self::V) -> Self::V;
    /// The bits of both: joins vectors of which at most one is not 0 in each lane.
    fn join(self, a: Self::V, b: Self::V) -> Self::V;

    /// # Safety
    /// The vector at `from` must be readable.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// # Safety
    /// The vector at `to` must be writable, by this thread alone.
    unsafe fn store(self, to: *mut f32, v: Self::V);
    /// Writes past the caches: memory that nobody reads soon is not read before it is written. Others see
    /// it after [`Simd::settle`].
    ///
    /// # Safety
    /// The vector at `to` must be writable, by this thread alone, and aligned to its size.
    unsafe fn stream(self, to: *mut f32, v: Self::V);
    /// Ends what [`Simd::stream`] began.
    fn settle(self);
    /// The lanes whose bit is set; the others are 0 and not read.
    ///
    /// # Safety
    /// The lanes of the mask must be readable; `from` itself may lie outside of any memory.
    unsafe fn load_part(self, from: *const f32, mask: u32) -> Self::V;
    /// Writes the lanes whose bit is set and touches no other.
    ///
    /// # Safety
    /// The lanes of the mask must be writable, by this thread alone.
    unsafe fn store_part(self, to: *mut f32, v: Self::V, mask: u32);

    /// Asks for the line at `from` in the second-level cache; it may lie outside of any memory.
    fn prefetch(self, from: *const f32);

    /// Every second number of a, then of b, from the first on.
    fn evens(self, a: Self::V, b: Self::V) -> Self::V;
    /// a and b in turn: the first number of a, the first of b, the second of a ...
    fn zip(self, a: Self::V, b: Self::V) -> [Self::V; 2];
    /// Transposes the 4x4 matrix that each group of four lanes makes.
    fn transpose4(self, v: [Self::V; 4]) -> [Self::V; 4];
    /// Writes the transposed square of `LANES` rows.
    ///
    /// # Safety
    /// `LANES` rows at both places, their strides apart, must be readable and writable.
    unsafe fn transpose(self, from: (*const f32, usize), to: (*mut f32, usize));
    /// Writes the transposed of `LANES` rows of eight numbers.
    ///
    /// # Safety
    /// `LANES` rows of eight and eight rows of `LANES`, their strides apart, must be readable and writable.
    unsafe fn transpose8(self, from: (*const f32, usize), to: (*mut f32, usize));
}
