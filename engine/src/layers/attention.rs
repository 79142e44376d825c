//! Single-head attention between all places of a feature map.

use candle_core::Tensor;

use super::{BlockNames, Conv2d, GroupNorm, Grouping, Weights};
use crate::Result;
use crate::kernels;

/// Queries, keys, values and output of attention: `out(attention(q(x), k(x), v(x)))`.
#[derive(Debug)]
pub struct Projections {
    q: Conv2d,
    k: Conv2d,
    v: Conv2d,
    out: Conv2d,
}

impl Projections {
    /// Over `channels`.
    pub fn new(weights: &Weights, channels: usize, names: BlockNames) -> Result<Self> {
        let [q, k, v, out] = names.projections(weights);
        let project = |name: &str| match names {
            BlockNames::Taming => Conv2d::one(&weights.pp(name), (channels, channels)),
            BlockNames::Diffusers => Conv2d::linear(&weights.pp(name), (channels, channels)),
        };
        Ok(Self { q: project(q)?, k: project(k)?, v: project(v)?, out: project(out)? })
    }

    /// (B, C, H, W), already normalized, to the same.
    pub fn attend(&self, normal: &Tensor) -> Result<Tensor> {
        let (b, c, h, w) = normal.dims4()?;
        let n = h * w;
        let q = self.q.forward(normal)?.reshape((b, c, n))?;
        let k = self.k.forward(normal)?.reshape((b, c, n))?;
        let v = self.v.forward(normal)?.reshape((b, c, n))?;
        let attended = kernels::map_attention(&q, &k, &v, (c as f64).powf(-0.5))?;
        self.out.forward(&attended.reshape((b, c, h, w))?)
    }
}

/// `x + out(attention(norm(x)))`, all projections 1x1 convolutions.
#[derive(Debug)]
pub struct Attention {
    norm: GroupNorm,
    projections: Projections,
}

impl Attention {
    /// Over `channels`, with the names of taming-transformers.
    pub fn new(weights: &Weights, channels: usize, grouping: Grouping) -> Result<Self> {
        Self::named(weights, channels, grouping, BlockNames::Taming)
    }

    /// Over `channels`, with other names.
    pub fn named(
        weights: &Weights,
        channels: usize,
        grouping: Grouping,
        names: BlockNames,
    ) -> Result<Self> {
        Ok(Self {
            norm: GroupNorm::new(&weights.pp(names.attention_norm()), channels, grouping)?,
            projections: Projections::new(weights, channels, names)?,
        })
    }

    /// (B, C, H, W) to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok((x + self.projections.attend(&self.norm.forward(x)?)?)?)
    }
}
