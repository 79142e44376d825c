//! Single-head attention between all places of a feature map.

use candle_core::{D, Tensor};

use super::{Conv2d, GroupNorm, Grouping, Weights};
use crate::Result;

/// Scores held at once, so that a large picture does not need (H·W)² numbers.
const SCORES: usize = 1 << 24;

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
        let q = (self.q.forward(&normal)?.reshape((b, c, n))? * (c as f64).powf(-0.5))?;
        let k = self.k.forward(&normal)?.reshape((b, c, n))?;
        let v = self.v.forward(&normal)?.reshape((b, c, n))?;
        let attended = if b * n * n <= SCORES {
            attend(&q, &k, &v)?
        } else {
            let rows = (SCORES / (b * n)).max(1);
            let parts = (0..n)
                .step_by(rows)
                .map(|start| {
                    let part = q.narrow(2, start, rows.min(n - start))?.contiguous()?;
                    attend(&part, &k, &v)
                })
                .collect::<Result<Vec<_>>>()?;
            Tensor::cat(&parts, 2)?
        };
        let out = self.proj_out.forward(&attended.reshape((b, c, h, w))?)?;
        Ok((x + out)?)
    }
}

/// Queries (B, C, M), keys and values (B, C, N); gives (B, C, M).
fn attend(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let scores = q.transpose(1, 2)?.matmul(k)?;
    // Not a fused softmax: candle's drops the gradient.
    let peak = scores.max_keepdim(D::Minus1)?.detach();
    let weights = scores.broadcast_sub(&peak)?.exp()?;
    let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
    Ok(v.matmul(&weights.transpose(1, 2)?)?)
}
