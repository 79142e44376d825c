//! Vectors of AVX-512 and of AVX2 with FMA.
#![expect(unsafe_code, reason = "instruction sets beyond the baseline")]
#![allow(clippy::wildcard_imports, reason = "some forty intrinsics; tests are not checked for it")]

use std::arch::x86_64::*;

use super::traits::{Kernel, Simd};

/// Sixteen numbers; proof that the processor has AVX-512F, AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        // The others come with AVX-512 on every processor, but a virtual machine may hide any.
        let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx2");
        (has && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

/// Eight numbers; proof that the processor has AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

// SAFETY, for every block below without a word of its own: the value of `self` is the proof that the
// processor has the instructions, since only `detect` makes one. Pointers are what the caller promised; loads
// and stores need no alignment, except `stream`, whose caller promises it; masked ones do not touch what the
// mask leaves out; and asking for a line that is not there does nothing.

#[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "said once, above")]
impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const ROWS: usize = 14;

    #[inline(always)]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn inner<S, K: Kernel<S>>(s: S, kernel: K) -> K::Output {
            kernel.run(s)
        }
        unsafe { inner(self, kernel) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn at_most(self, v: __m512, limit: __m512) -> __m512 {
        // Of two operands of which one is NaN the instruction gives the second.
        unsafe { _mm512_min_ps(limit, v) }
    }
    #[inline(always)]
    fn at_least(self, v: __m512, limit: __m512) -> __m512 {
        unsafe { _mm512_max_ps(limit, v) }
    }
    #[inline(always)]
    fn less(self, a: __m512, b: __m512) -> u32 {
        unsafe { u32::from(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b)) }
    }
    #[inline(always)]
    fn where_less(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), no, yes) }
    }
    #[inline(always)]
    fn power_of_two(self, shifted: __m512) -> __m512 {
        unsafe {
            let high = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
            _mm512_castsi512_ps(_mm512_add_epi32(high, _mm512_set1_epi32(127 << 23)))
        }
    }
    #[inline(always)]
    fn join(self, a: __m512, b: __m512) -> __m512 {
        unsafe {
            _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(a), _mm512_castps_si512(b)))
        }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn stream(self, to: *mut f32, v: __m512) {
        unsafe { _mm512_stream_ps(to, v) }
    }
    #[inline(always)]
    fn settle(self) {
        unsafe { _mm_sfence() }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, mask: u32) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(mask as __mmask16, from) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: __m512, mask: u32) {
        unsafe { _mm512_mask_storeu_ps(to, mask as __mmask16, v) }
    }
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
    #[inline(always)]
    fn evens(self, a: __m512, b: __m512) -> __m512 {
        unsafe {
            let places =
                _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            _mm512_permutex2var_ps(a, places, b)
        }
    }
    #[inline(always)]
    fn zip(self, a: __m512, b: __m512) -> [__m512; 2] {
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
            [_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b)]
        }
    }
    #[inline(always)]
    fn transpose4(self, [a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
        unsafe {
            let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            let (ef, gh) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            [
                _mm512_shuffle_ps::<0b01_00_01_00>(ab, cd),
                _mm512_shuffle_ps::<0b11_10_11_10>(ab, cd),
                _mm512_shuffle_ps::<0b01_00_01_00>(ef, gh),
                _mm512_shuffle_ps::<0b11_10_11_10>(ef, gh),
            ]
        }
    }
    #[inline(always)]
    unsafe fn transpose(self, from: (*const f32, usize), to: (*mut f32, usize)) {
        unsafe {
            // parts[i][q]: lane group g holds column 4 g + q of rows 4 i .. 4 i + 4.
            let mut parts = [[_mm512_setzero_ps(); 4]; 4];
            for (i, part) in parts.iter_mut().enumerate() {
                let row = |j: usize| _mm512_loadu_ps(from.0.add((4 * i + j) * from.1));
                *part = self.transpose4([row(0), row(1), row(2), row(3)]);
            }
            let [p0, p1, p2, p3] = parts;
            for (q, (((a, b), c), d)) in p0.into_iter().zip(p1).zip(p2).zip(p3).enumerate() {
                let (ab, cd) =
                    (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0x44>(c, d));
                let (ef, gh) =
                    (_mm512_shuffle_f32x4::<0xEE>(a, b), _mm512_shuffle_f32x4::<0xEE>(c, d));
                let out = |g: usize| to.0.add((4 * g + q) * to.1);
                _mm512_storeu_ps(out(0), _mm512_shuffle_f32x4::<0x88>(ab, cd));
                _mm512_storeu_ps(out(1), _mm512_shuffle_f32x4::<0xDD>(ab, cd));
                _mm512_storeu_ps(out(2), _mm512_shuffle_f32x4::<0x88>(ef, gh));
                _mm512_storeu_ps(out(3), _mm512_shuffle_f32x4::<0xDD>(ef, gh));
            }
        }
    }
    #[inline(always)]
    unsafe fn transpose8(self, from: (*const f32, usize), to: (*mut f32, usize)) {
        unsafe {
            // Rows i and i + 4, below them those of the other half.
            let pair = |i: usize| {
                let low = _mm256_loadu_ps(from.0.add(i * from.1));
                let high = _mm256_loadu_ps(from.0.add((i + 4) * from.1));
                let (low, high) = (_mm512_castps256_ps512(low), _mm256_castps_pd(high));
                _mm512_castpd_ps(_mm512_insertf64x4::<1>(_mm512_castps_pd(low), high))
            };
            // Lane groups: columns q and q + 4 of four rows, then of the next four.
            let top = self.transpose4([pair(0), pair(1), pair(2), pair(3)]);
            let bottom = self.transpose4([pair(8), pair(9), pair(10), pair(11)]);
            for q in 0..4 {
                let left = _mm512_shuffle_f32x4::<0x88>(top[q], bottom[q]);
                let right = _mm512_shuffle_f32x4::<0xDD>(top[q], bottom[q]);
                _mm512_storeu_ps(to.0.add(q * to.1), left);
                _mm512_storeu_ps(to.0.add((q + 4) * to.1), right);
            }
        }
    }
}

/// All bits of the lanes of a mask.
#[inline(always)]
#[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
fn lanes(_: Avx2, mask: u32) -> __m256i {
    // SAFETY: the first argument is the proof that the processor has AVX2.
    unsafe {
        let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(mask as i32), bits), bits)
    }
}

#[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "said once, above")]
impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const ROWS: usize = 6;

    #[inline(always)]
    fn vectorize<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn inner<S, K: Kernel<S>>(s: S, kernel: K) -> K::Output {
            kernel.run(s)
        }
        unsafe { inner(self, kernel) }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn at_most(self, v: __m256, limit: __m256) -> __m256 {
        // Of two operands of which one is NaN the instruction gives the second.
        unsafe { _mm256_min_ps(limit, v) }
    }
    #[inline(always)]
    fn at_least(self, v: __m256, limit: __m256) -> __m256 {
        unsafe { _mm256_max_ps(limit, v) }
    }
    #[inline(always)]
    fn less(self, a: __m256, b: __m256) -> u32 {
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) as u32 }
    }
    #[inline(always)]
    fn where_less(self, a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) }
    }
    #[inline(always)]
    fn power_of_two(self, shifted: __m256) -> __m256 {
        unsafe {
            let high = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted));
            _mm256_castsi256_ps(_mm256_add_epi32(high, _mm256_set1_epi32(127 << 23)))
        }
    }
    #[inline(always)]
    fn join(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_or_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn stream(self, to: *mut f32, v: __m256) {
        unsafe { _mm256_stream_ps(to, v) }
    }
    #[inline(always)]
    fn settle(self) {
        unsafe { _mm_sfence() }
    }
    #[inline(always)]
    unsafe fn load_part(self, from: *const f32, mask: u32) -> __m256 {
        // Most vectors are whole, and a mask of vectors takes four instructions to make.
        if mask & 0xFF == 0xFF {
            unsafe { _mm256_loadu_ps(from) }
        } else {
            unsafe { _mm256_maskload_ps(from, lanes(self, mask)) }
        }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, v: __m256, mask: u32) {
        // Masked stores are slow on some processors.
        if mask & 0xFF == 0xFF {
            unsafe { _mm256_storeu_ps(to, v) }
        } else {
            unsafe { _mm256_maskstore_ps(to, lanes(self, mask), v) }
        }
    }
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
    #[inline(always)]
    fn evens(self, a: __m256, b: __m256) -> __m256 {
        unsafe {
            // a0 a2 b0 b2, a4 a6 b4 b6; then the middle pairs change places.
            let pairs = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(pairs))
        }
    }
    #[inline(always)]
    fn zip(self, a: __m256, b: __m256) -> [__m256; 2] {
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            [_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]
        }
    }
    #[inline(always)]
    fn transpose4(self, [a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        unsafe {
            let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            let (ef, gh) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            [
                _mm256_shuffle_ps::<0b01_00_01_00>(ab, cd),
                _mm256_shuffle_ps::<0b11_10_11_10>(ab, cd),
                _mm256_shuffle_ps::<0b01_00_01_00>(ef, gh),
                _mm256_shuffle_ps::<0b11_10_11_10>(ef, gh),
            ]
        }
    }
    #[inline(always)]
    unsafe fn transpose(self, from: (*const f32, usize), to: (*mut f32, usize)) {
        unsafe {
            let row = |i: usize| _mm256_loadu_ps(from.0.add(i * from.1));
            let top = self.transpose4([row(0), row(1), row(2), row(3)]);
            let bottom = self.transpose4([row(4), row(5), row(6), row(7)]);
            for q in 0..4 {
                let left = _mm256_permute2f128_ps::<0x20>(top[q], bottom[q]);
                let right = _mm256_permute2f128_ps::<0x31>(top[q], bottom[q]);
                _mm256_storeu_ps(to.0.add(q * to.1), left);
                _mm256_storeu_ps(to.0.add((q + 4) * to.1), right);
            }
        }
    }
    #[inline(always)]
    unsafe fn transpose8(self, from: (*const f32, usize), to: (*mut f32, usize)) {
        unsafe { self.transpose(from, to) }
    }
}
