//! The adaptive norm of Open-MAGVIT2's decoder: scale and shift come from statistics of all codes.
//!
//! What one token changes reaches the whole picture this way, so that the decoder cannot work by tiles.

use candle_core::{DType, Tensor};

use crate::layers::{Grouping, Linear, Weights};
use crate::{EngineError, Result, kernels};

/// What is added to the variance of the codes.
const EPS: f64 = 1e-6;

/// Deviation and mean of each channel over a map of codes, (B, 1, D) each.
#[derive(Debug)]
pub(super) struct Style {
    deviation: Tensor,
    mean: Tensor,
}

impl Style {
    /// Of codes (B, D, h, w). The variance is the unbiased one, as published.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] for a single token, which has no such variance.
    pub(super) fn new(codes: &Tensor) -> Result<Self> {
        let (b, dim, h, w) = codes.dims4()?;
        if h * w < 2 {
            return Err(EngineError::bad_input(
                "tokens",
                "this decoder needs the deviation of the tokens, and a single one has none",
                "use an image of two tokens or more",
            ));
        }
        let rows = codes.reshape((b, dim, h * w))?;
        let mean = rows.mean_keepdim(2)?;
        let squares = rows.broadcast_sub(&mean)?.sqr()?.sum_keepdim(2)?;
        let deviation = ((squares / (h * w - 1) as f64)? + EPS)?.sqrt()?;
        let turned = |x: Tensor| x.transpose(1, 2)?.contiguous();
        Ok(Self { deviation: turned(deviation)?, mean: turned(mean)? })
    }
}

/// Group normalization without parameters, then scale and shift by a [`Style`].
#[derive(Debug)]
pub(super) struct AdaptiveNorm {
    gamma: Linear,
    beta: Linear,
    ones: Tensor,
    zeros: Tensor,
    grouping: Grouping,
}

impl AdaptiveNorm {
    /// Of `channels`, by codes of `dim` bits.
    pub(super) fn new(
        weights: &Weights,
        (dim, channels): (usize, usize),
        grouping: Grouping,
    ) -> Result<Self> {
        let device = weights.device();
        Ok(Self {
            gamma: Linear::new(&weights.pp("gamma"), (dim, channels))?,
            beta: Linear::new(&weights.pp("beta"), (dim, channels))?,
            ones: Tensor::ones(channels, DType::F32, device)?,
            zeros: Tensor::zeros(channels, DType::F32, device)?,
            grouping,
        })
    }

    /// (B, C, H, W) to the same.
    pub(super) fn forward(&self, x: &Tensor, style: &Style) -> Result<Tensor> {
        let Grouping { groups, eps } = self.grouping;
        let normal = kernels::group_norm(x, (&self.ones, &self.zeros), groups, eps, false)?;
        let (b, c, _, _) = x.dims4()?;
        let gamma = self.gamma.forward(&style.deviation)?.reshape((b, c, 1, 1))?;
        let beta = self.beta.forward(&style.mean)?.reshape((b, c, 1, 1))?;
        Ok(normal.broadcast_mul(&gamma)?.broadcast_add(&beta)?)
    }
}
