//! Vectors of f32: one source for every instruction set, chosen when the program runs.
//!
//! A value of a type that implements [`Simd`] is the proof that the processor has these
//! instructions; it is only made by [`best`]. Kernels are generic over it, are inlined whole
//! (`#[inline(always)]`) into [`Simd::vectorize`], and so are compiled once for each set.

mod check;
mod portable;
mod traits;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

pub(super) use portable::Portable;
pub(super) use traits::{Kernel, PointerKernel, Simd};
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// What this processor has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    Portable(Portable<8, 6>),
    /// As wide as AVX-512, so that any processor can test what is written for it.
    #[cfg(test)]
    Wide(Portable<16, 5>),
}

/// Evaluates an expression that is generic over [`Simd`] for a [`Level`].
macro_rules! with_simd {
    ($level:expr, $s:ident => $body:expr) => {
        match $level {
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::simd::Level::Avx512($s) => $body,
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::simd::Level::Avx2($s) => $body,
            $crate::kernels::simd::Level::Portable($s) => $body,
            #[cfg(test)]
            $crate::kernels::simd::Level::Wide($s) => $body,
        }
    };
}
/// The best of them that gives right answers here: the check takes microseconds, once.
pub(super) fn best() -> Level {
    static BEST: OnceLock<Level> = OnceLock::new();
    *BEST.get_or_init(|| {
        let right = levels().into_iter().find(|&level| with_simd!(level, s => check::agrees(s)));
        right.unwrap_or(Level::Portable(Portable))
    })
}

/// All that this processor has, the best first.
pub(super) fn levels() -> Vec<Level> {
    let mut levels = Vec::with_capacity(4);
    #[cfg(target_arch = "x86_64")]
    {
        levels.extend(Avx512::detect().map(Level::Avx512));
        levels.extend(Avx2::detect().map(Level::Avx2));
    }
    levels.push(Level::Portable(Portable));
    #[cfg(test)]
    levels.push(Level::Wide(Portable));
    levels
}

pub(super) use with_simd;
