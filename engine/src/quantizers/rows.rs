//! Latents as rows of vectors, and the checks that every quantizer makes on what it is given.

use candle_core::{DType, Tensor};

use super::only;
use crate::{EngineError, Result};

/// Latents (B, D, H, W) as (B·H·W, D), raster order within each picture.
///
/// # Errors
/// [`EngineError::Shape`] unless there are four dimensions and D is `dim`; [`EngineError::BadInput`]
/// with the first place where a number is not finite.
pub fn rows_from_latents(latents: &Tensor, dim: usize) -> Result<Tensor> {
    check_latents(latents, dim)?;
    let (b, d, h, w) = latents.dims4()?;
    Ok(latents.permute((0, 2, 3, 1))?.reshape((b * h * w, d))?)
}

/// The reverse of [`rows_from_latents`] for `shape` (B, D, H, W).
pub fn latents_from_rows(rows: &Tensor, shape: (usize, usize, usize, usize)) -> Result<Tensor> {
    let (b, d, h, w) = shape;
    Ok(rows.reshape((b, h, w, d))?.permute((0, 3, 1, 2))?.contiguous()?)
}

/// See [`rows_from_latents`].
pub fn check_latents(latents: &Tensor, dim: usize) -> Result<()> {
    if latents.rank() != 4 || latents.dim(1)? != dim || latents.elem_count() == 0 {
        return Err(EngineError::Shape {
            what: "latents".to_owned(),
            expected: format!("(B, {dim}, H, W)"),
            found: latents.dims().to_vec(),
        });
    }
    // A sum is one pass and finds every NaN and infinity; the slow search only follows a hit.
    let sum = latents.detach().sum_all()?.to_scalar::<f32>()?;
    if sum.is_finite() {
        return Ok(());
    }
    let (_, d, h, w) = latents.dims4()?;
    let values = latents.detach().flatten_all()?.to_vec1::<f32>()?;
    let Some(at) = values.iter().position(|v| !v.is_finite()) else {
        return Ok(());
    };
    Err(EngineError::bad_input(
        "latents",
        format!(
            "{} in picture {}, channel {}, row {}, column {}",
            values[at],
            at / (d * h * w),
            at / (h * w) % d,
            at / w % h,
            at % w
        ),
        "the network diverged or its weights are damaged; lower the learning rate or use another \
         checkpoint",
    ))
}

/// The codes (B, H, W) as a list, each checked to be below `size`.
///
/// # Errors
/// [`EngineError::Shape`] or [`EngineError::BadInput`] with the place of the first wrong code.
pub fn codes_from_tensor(codes: &Tensor, size: u32) -> Result<Vec<u32>> {
    if codes.rank() != 3 || codes.dtype() != DType::U32 {
        return Err(EngineError::Shape {
            what: format!("codes ({})", codes.dtype().as_str()),
            expected: "(B, H, W) u32".to_owned(),
            found: codes.dims().to_vec(),
        });
    }
    let (_, h, w) = codes.dims3()?;
    let list = codes.flatten_all()?.to_vec1::<u32>()?;
    match list.iter().position(|&code| code >= size) {
        None => Ok(list),
        Some(at) => Err(EngineError::bad_input(
            "codes",
            format!(
                "code {} in picture {}, row {}, column {} is outside the codebook 0..{size}",
                list[at],
                at / (h * w),
                at / w % h,
                at % w
            ),
            "use tokens that were made with this tokenizer",
        )),
    }
}

/// The rows of a codebook (K, D) for the only part of tokens, as latents (B, D, h, w) without gradient.
pub(super) fn decode_rows(codebook: &Tensor, codes: &[Tensor]) -> Result<Tensor> {
    let codes = only(codes)?;
    let (k, dim) = codebook.dims2()?;
    let list = codes_from_tensor(codes, k as u32)?;
    let (b, h, w) = codes.dims3()?;
    let list = Tensor::from_vec(list, b * h * w, codebook.device())?;
    latents_from_rows(&codebook.detach().index_select(&list, 0)?, (b, dim, h, w))
}
