//! Single-head attention between all places of a feature map.

use candle_core::Tensor;

use super::{Conv2d, GroupNorm, Grouping, Weights};
use crate::Result;
use crate::kernels;

/// `x + proj_out(attention(norm(x)))`, all projections 1x1 convolutions.
#[derive(Debug)]
pub struct Attention {
    norm: GroupNorm,
    inputs: Inputs,
    proj_out: Conv2d,
}

/// What makes queries, keys and values.
#[derive(Debug)]
enum Inputs {
    /// A convolution each.
    Apart([Conv2d; 3]),
    /// One for all, to three times the channels.
    Together(Conv2d),
}

impl Attention {
    /// Over `channels`, with projections `q`, `k` and `v`.
    pub fn new(weights: &Weights, channels: usize, grouping: Grouping) -> Result<Self> {
        let project = |name: &str| Conv2d::one(&weights.pp(name), (channels, channels));
        let inputs = Inputs::Apart([project("q")?, project("k")?, project("v")?]);
        Self::of(weights, channels, grouping, inputs)
    }

    /// Over `channels`, with one projection `qkv` to queries, keys and values in that order, as VAR
    /// has it.
    pub fn packed(weights: &Weights, channels: usize, grouping: Grouping) -> Result<Self> {
        let inputs = Conv2d::one(&weights.pp("qkv"), (channels, 3 * channels))?;
        Self::of(weights, channels, grouping, Inputs::Together(inputs))
    }

    fn of(weights: &Weights, channels: usize, grouping: Grouping, inputs: Inputs) -> Result<Self> {
        Ok(Self {
            norm: GroupNorm::new(&weights.pp("norm"), channels, grouping)?,
            inputs,
            proj_out: Conv2d::one(&weights.pp("proj_out"), (channels, channels))?,
        })
    }

    /// (B, C, H, W) to the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let n = h * w;
        let normal = self.norm.forward(x)?;
        let [q, k, v] = match &self.inputs {
            Inputs::Apart([q, k, v]) => {
                [q.forward(&normal)?, k.forward(&normal)?, v.forward(&normal)?]
            }
            Inputs::Together(qkv) => {
                let all = qkv.forward(&normal)?;
                [all.narrow(1, 0, c)?, all.narrow(1, c, c)?, all.narrow(1, 2 * c, c)?]
            }
        };
        let flat = |map: Tensor| map.reshape((b, c, n));
        let (q, k, v) = (flat(q)?, flat(k)?, flat(v)?);
        let attended = kernels::map_attention(&q, &k, &v, (c as f64).powf(-0.5))?;
        let out = self.proj_out.forward(&attended.reshape((b, c, h, w))?)?;
        Ok((x + out)?)
    }
}
