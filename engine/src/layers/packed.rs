//! Single-head attention whose queries, keys and values come from one convolution, as VAR has it.

use candle_core::Tensor;

use super::{Conv2d, GroupNorm, Grouping, Weights};
use crate::Result;
use crate::kernels;

/// `x + proj_out(attention(qkv(norm(x))))`, both projections 1x1 convolutions; `qkv` gives queries, keys
/// and values in that order.
#[derive(Debug)]
pub struct PackedAttention {
    norm: GroupNorm,
    qkv: Conv2d,
    proj_out: Conv2d,
}

impl PackedAttention {
    /// Over `channels`.
    pub fn new(weights: &Weights, channels: usize, grouping: Grouping) -> Result<Self> {
        Ok(Self {
            norm: GroupNorm::new(&weights.pp("norm"), channels, grouping)?,
            qkv: Conv2d::one(&weights.pp("qkv"), (channels, 3 * channels))?,
            proj_out: Conv2d::one(&weights.pp("proj_out"), (channels, channels))?,
        })
    }

    /// (B, C, H, W) to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let all = self.qkv.forward(&self.norm.forward(x)?)?;
        let part = |at: usize| all.narrow(1, at * c, c)?.reshape((b, c, h * w));
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let attended = kernels::map_attention(&q, &k, &v, (c as f64).powf(-0.5))?;
        let out = self.proj_out.forward(&attended.reshape((b, c, h, w))?)?;
        Ok((x + out)?)
    }
}
