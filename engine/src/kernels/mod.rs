//! The operations that networks spend their time in, one function each.
//!
//! Everything goes through these functions, so that a faster kernel reaches every network at once.
//! On a device without a kernel of ours they are made of candle's own operations (`plain`).

mod conv;
mod nearest;
mod norm;
pub mod plain;
mod raw;
#[cfg(test)]
mod tests;
mod upsample;

use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{DType, Tensor};

use crate::{EngineError, Result};

static PLAIN: AtomicBool = AtomicBool::new(false);

/// Which kernels the process uses on the CPU: candle's own operations if `plain`, else the ones of
/// this module. To compare the two; meant to be called once, by `main`.
pub fn use_plain(plain: bool) {
    PLAIN.store(plain, Ordering::Relaxed);
}

/// Whether the kernels of this module can take these tensors.
fn ours(tensors: &[&Tensor]) -> bool {
    !PLAIN.load(Ordering::Relaxed)
        && tensors.iter().all(|t| t.device().is_cpu() && t.dtype() == DType::F32)
}

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
    if !ours(&[x, weight]) {
        return plain::conv2d(x, weight, bias, conv);
    }
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    Ok(match bias {
        Some(bias) => x.apply_op3(&weight, &bias.contiguous()?, conv::Convolution(conv))?,
        None => x.apply_op2(&weight, conv::Convolution(conv))?,
    })
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
    if !ours(&[x, weight, bias]) {
        return plain::group_norm(x, (weight, bias), groups, eps, silu);
    }
    let op = norm::GroupNorm::new(groups, eps, silu);
    Ok(x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op)?)
}

/// Index of the nearest row by squared distance, the first of equals. No gradient.
///
/// # Shapes
/// - `vectors`: (N, D); `codebook`: (K, D); gives (N,) u32
///
/// # Errors
/// [`EngineError::BadInput`] if a value is not finite (on the CPU); its place is named.
pub fn nearest(vectors: &Tensor, codebook: &Tensor) -> Result<Tensor> {
    if !ours(&[vectors, codebook]) {
        return plain::nearest(vectors, codebook);
    }
    let ((n, dim), (_, code_dim)) = (vectors.dims2()?, codebook.dims2()?);
    if dim != code_dim {
        return Err(EngineError::Shape {
            what: "latents".to_owned(),
            expected: format!("(N, {code_dim})"),
            found: vectors.dims().to_vec(),
        });
    }
    let (vectors, codebook) = (vectors.contiguous()?, codebook.contiguous()?);
    let found = raw::with_values(&vectors, "nearest", |vectors| {
        raw::with_values(&codebook, "nearest", |codes| nearest::nearest(vectors, codes, dim))
    })???;
    Ok(Tensor::from_vec(found, n, vectors.device())?)
}

/// Doubles height and width by repeating pixels. Differentiable.
///
/// # Shapes
/// - `x`: (B, C, H, W); gives (B, C, 2H, 2W)
pub fn upsample2(x: &Tensor) -> Result<Tensor> {
    if !ours(&[x]) {
        return plain::upsample2(x);
    }
    Ok(x.contiguous()?.apply_op1(upsample::Upsample2)?)
}
