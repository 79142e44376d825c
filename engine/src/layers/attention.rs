//! Single-head attention between all places of a feature map.

use candle_core::Tensor;

use super::{Conv2d, GroupNorm, Grouping, Weights};
use crate::Result;
use crate::kernels;

/// `x + proj_out(attention(norm(x)))`, all projections 1x1 convolutions.
#[derive(Debug)]
pub struct Attention {
    norm: GroupNorm,
    q: Conv2d,
    k: Conv2d,
    v: Conv2d,
    proj_out: Conv2d,
}

impl Attention {
    /// Over `channels`.
    pub fn new(weights: &Weights, channels: usize, grouping: Grouping) -> Result<Self> {
        let project = |name: &str| Conv2d::one(&weights.pp(name), (channels, channels));
        Ok(Self {
            norm: GroupNorm::new(&weights.pp("norm"), channels, grouping)?,
            q: project("q")?,
            k: project("k")?,
            v: project("v")?,
            proj_out: project("proj_out")?,
        })
    }

    /// (B, C, H, W) to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let n = h * w;
        let normal = self.norm.forward(x)?;
        let q = self.q.forward(&normal)?.reshape((b, c, n))?;
        let k = self.k.forward(&normal)?.reshape((b, c, n))?;
        let v = self.v.forward(&normal)?.reshape((b, c, n))?;
        let attended = kernels::map_attention(&q, &k, &v, (c as f64).powf(-0.5))?;
        let out = self.proj_out.forward(&attended.reshape((b, c, h, w))?)?;
        Ok((x + out)?)
    }
}
