//! The kernels made of candle's own operations: the reference, and the path of other devices.

use candle_core::{D, DType, Tensor};

use super::Conv;
use crate::{EngineError, Result};

/// See [`super::conv2d`].
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, conv: Conv) -> Result<Tensor> {
    let x = if conv.before == 0 && conv.after == 0 {
        x.clone()
    } else {
        x.pad_with_zeros(2, conv.before, conv.after)?.pad_with_zeros(3, conv.before, conv.after)?
    };
    // Rows and columns that no window reaches are cut: candle's gradient fails on them.
    let (_, _, h, w) = x.dims4()?;
    let (_, _, kh, kw) = weight.dims4()?;
    if h < kh || w < kw {
        return Err(EngineError::Shape {
            what: "images of a convolution, with their zeros".to_owned(),
            expected: format!("(B, C, H, W) of at least {kh}x{kw} pixels"),
            found: x.dims().to_vec(),
        });
    }
    let reached = |size: usize, kernel: usize| {
        let steps = size.checked_sub(kernel)? / conv.stride.max(1);
        Some(steps * conv.stride + kernel)
    };
    let x = match (reached(h, kh), reached(w, kw)) {
        (Some(rows), Some(columns)) => x.narrow(2, 0, rows)?.narrow(3, 0, columns)?,
        _ => x,
    };
    let y = x.conv2d(weight, 0, conv.stride, 1, 1)?;
    match bias {
        Some(bias) => Ok(y.broadcast_add(&bias.reshape((1, (), 1, 1))?)?),
        None => Ok(y),
    }
}

/// See [`super::group_norm`].
pub fn group_norm(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    groups: usize,
    eps: f64,
    silu: bool,
) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let grouped = x.reshape((b, groups, (c / groups) * h * w))?;
    let centered = grouped.broadcast_sub(&grouped.mean_keepdim(D::Minus1)?)?;
    let variance = centered.sqr()?.mean_keepdim(D::Minus1)?;
    let normal = centered.broadcast_div(&(variance + eps)?.sqrt()?)?.reshape((b, c, h, w))?;
    let y = normal
        .broadcast_mul(&weight.reshape((1, c, 1, 1))?)?
        .broadcast_add(&bias.reshape((1, c, 1, 1))?)?;
    if silu { Ok(y.silu()?) } else { Ok(y) }
}

/// See [`super::nearest`].
pub fn nearest(vectors: &Tensor, codebook: &Tensor) -> Result<Tensor> {
    if vectors.device().is_cpu() {
        for (tensor, what) in [(vectors, "latents"), (codebook, "codebook")] {
            let values: Vec<f32> = tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
            super::nearest::check(&values, tensor.dim(1)?.max(1), what)?;
        }
    }
    let norms = codebook.sqr()?.sum(1)?;
    let scores = (vectors.matmul(&codebook.t()?)? * -2.0)?.broadcast_add(&norms)?;
    Ok(scores.argmin(D::Minus1)?)
}

/// See [`super::upsample2`].
pub fn upsample2(x: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    // Not candle's `upsample_nearest2d`: its gradient overwrites what other uses of x contributed.
    Ok(x.reshape((b, c, h, 1, w, 1))?.broadcast_as((b, c, h, 2, w, 2))?.reshape((
        b,
        c,
        2 * h,
        2 * w,
    ))?)
}
