//! Batch normalization: each channel over all images of a batch.
//!
//! Source: Ioffe & Szegedy, arXiv 1502.03167; eps 1e-5 and momentum 0.1 are PyTorch's.

use candle_core::{Tensor, Var};

use crate::layers::{Init, Weights};
use crate::{EngineError, Result, kernels};

/// Added to the variance.
const EPS: f64 = 1e-5;
/// The share of a batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// What a batch's channels were: its mean and its unbiased variance, both (C,), without gradient.
#[derive(Debug, Clone)]
pub struct ChannelStatistics {
    mean: Tensor,
    variance: Tensor,
}

/// Batch normalization with affine parameters and running statistics.
#[derive(Debug)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Var,
    variance: Var,
    name: String,
}

impl BatchNorm {
    /// Over `channels`. Tensors `weight`, `bias`, and as state `running_mean` and `running_var`, which a
    /// checkpoint may lack: they then are 0 and 1. Fresh weights are normal around 1, as published for
    /// discriminators.
    pub fn new(weights: &Weights, channels: usize) -> Result<Self> {
        // PyTorch counts batches for a momentum that we do not have.
        weights.skip("num_batches_tracked");
        Ok(Self {
            weight: weights.get(&[channels], "weight", Init::Around(1.0, 0.02))?,
            bias: weights.get(&[channels], "bias", Init::Constant(0.0))?,
            mean: weights.optional_buffer(&[channels], "running_mean", Init::Constant(0.0))?,
            variance: weights.optional_buffer(&[channels], "running_var", Init::Constant(1.0))?,
            name: weights.name(""),
        })
    }

    /// Normalizes (B, C, H, W) by the statistics of the batch, which it gives as well; changes nothing.
    /// With `still` parameters get no gradient.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if a channel has a single number: it has no variance.
    pub fn by_batch(&self, x: &Tensor, still: bool) -> Result<(Tensor, ChannelStatistics)> {
        let (b, c, h, w) = x.dims4()?;
        if b * h * w < 2 {
            return Err(EngineError::Shape {
                what: "what a batch is normalized by".to_owned(),
                expected: "(B, C, H, W) with two numbers or more a channel".to_owned(),
                found: x.dims().to_vec(),
            });
        }
        // The batch as one image: each channel is a group of it.
        let one = x.transpose(0, 1)?.contiguous()?.reshape((1, c, b * h, w))?;
        let rows = one.detach().reshape((c, b * h * w))?;
        let mean = rows.mean_keepdim(1)?;
        let squares = rows.broadcast_sub(&mean)?.sqr()?.sum(1)?;
        let variance = (squares / (b * h * w - 1) as f64)?;
        let hold = |t: &Tensor| if still { t.detach() } else { t.clone() };
        let affine = (&hold(&self.weight), &hold(&self.bias));
        let y = kernels::group_norm(&one, affine, c, EPS, false)?;
        let y = y.reshape((c, b, h, w))?.transpose(0, 1)?.contiguous()?;
        Ok((y, ChannelStatistics { mean: mean.squeeze(1)?, variance }))
    }

    /// Normalizes (B, C, H, W) by the running statistics.
    pub fn by_running(&self, x: &Tensor) -> Result<Tensor> {
        let inverse = (self.variance.as_detached_tensor() + EPS)?.sqrt()?.recip()?;
        let scale = (&self.weight * inverse)?;
        let shift = (&self.bias - (&scale * self.mean.as_detached_tensor())?)?;
        let each = |t: Tensor| t.reshape((1, (), 1, 1));
        Ok(x.broadcast_mul(&each(scale)?)?.broadcast_add(&each(shift)?)?)
    }

    /// Moves the running statistics towards a batch's, by a tenth.
    pub fn observe(&mut self, batch: &ChannelStatistics) -> Result<()> {
        for (running, now) in [(&self.mean, &batch.mean), (&self.variance, &batch.variance)] {
            let kept = (running.as_detached_tensor() * (1.0 - MOMENTUM))?;
            running.set(&(kept + (now * MOMENTUM)?)?)?;
        }
        Ok(())
    }

    /// The running statistics by full name, to be saved.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        vec![
            (format!("{}running_mean", self.name), self.mean.as_detached_tensor()),
            (format!("{}running_var", self.name), self.variance.as_detached_tensor()),
        ]
    }
}
