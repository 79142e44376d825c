//! The operations that networks spend their time in, one function each.
//!
//! Everything goes through these functions, so that a faster kernel reaches every network at once.
//! On a device without a kernel of ours they are made of candle's own operations (`plain`).

pub mod plain;

use candle_core::Tensor;

use crate::Result;

/// Zero padding and stride of a 2-D convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Step of the window, both ways.
    pub stride: usize,
    /// Zeros before the first row and column.
    pub before: usize,
    /// Zeros after the last row and column.
    pub after: usize,
}

impl Conv {
    /// Stride 1, the same number of zeros on all sides.
    pub fn same(padding: usize) -> Self {
        Self { stride: 1, before: padding, after: padding }
    }
}

/// 2-D convolution (cross-correlation) with an optional bias. Differentiable in every argument.
///
/// # Shapes
/// - `x`: (B, Cin, H, W); `weight`: (Cout, Cin, kh, kw); `bias`: (Cout,)
/// - gives (B, Cout, H', W') with H' = (H + before + after - kh) / stride + 1
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, conv: Conv) -> Result<Tensor> {
    plain::conv2d(x, weight, bias, conv)
}

/// Group normalisation with affine parameters, then SiLU if `silu`. Differentiable.
///
/// # Shapes
/// - `x`: (B, C, H, W); `weight`, `bias`: (C,); `groups` consecutive groups of C / groups channels
pub fn group_norm(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    groups: usize,
    eps: f64,
    silu: bool,
) -> Result<Tensor> {
    plain::group_norm(x, (weight, bias), groups, eps, silu)
}

/// Index of the nearest row by squared distance, the first of equals. No gradient.
///
/// # Shapes
/// - `vectors`: (N, D); `codebook`: (K, D); gives (N,) u32
pub fn nearest(vectors: &Tensor, codebook: &Tensor) -> Result<Tensor> {
    plain::nearest(vectors, codebook)
}

/// Doubles height and width by repeating pixels. Differentiable.
///
/// # Shapes
/// - `x`: (B, C, H, W); gives (B, C, 2H, 2W)
pub fn upsample2(x: &Tensor) -> Result<Tensor> {
    plain::upsample2(x)
}
