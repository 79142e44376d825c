//! Blocks with RMS norms, SwiGLU and two-dimensional rotary positions, as LlamaGen and Open-MAGVIT2 have them.
//!
//! Half of the pairs of a head turn with the row of a token, half with its column (Su et al., arXiv 2104.09864, in
//! two dimensions); pairs lie side by side. What stands before the picture has no angle at all: cosine and
//! sine are both 0, so that its queries and keys become 0. That is how the published models were trained.

use candle_core::{Device, Tensor};

use crate::generators::config::NetworkSize;
use crate::kernels::{self, Mask};
use crate::layers::{Init, KvCache, Linear, Weights};
use crate::{EngineError, Result};

/// What the blocks are before they have weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BlockSize {
    /// Width and heads; of the layers as many as are built.
    pub(super) network: NetworkSize,
    /// Width inside SwiGLU.
    pub(super) hidden: usize,
    /// Added to the mean square of a norm.
    pub(super) eps: f64,
}

impl BlockSize {
    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field.
    pub(super) fn validate(&self) -> Result<()> {
        self.network.validate()?;
        super::within("hidden", self.hidden, 1, 1 << 16)?;
        if !(self.network.dim / self.network.heads).is_multiple_of(4) {
            let reason = format!(
                "heads of {} numbers have no pairs for rows and columns",
                self.network.dim / self.network.heads
            );
            let hint = "say the number of heads (n_head) in a config.json beside the file";
            return Err(EngineError::bad_input("n_head", reason, hint));
        }
        if !(self.eps > 0.0 && self.eps < 1.0) {
            let reason = format!("{} is not between 0 and 1", self.eps);
            return Err(EngineError::bad_input("norm_eps", reason, "usual: 1e-5"));
        }
        Ok(())
    }

    /// Numbers of a head.
    pub(super) fn head(&self) -> usize {
        self.network.dim / self.network.heads
    }
}

/// Cosines and sines of places, (L, D / 2) each.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    cos: Tensor,
    sin: Tensor,
}

impl Turns {
    /// Of `before` places without an angle, then of the tokens of a square picture, row by row.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub(super) fn new(
        before: usize,
        side: usize,
        head: usize,
        base: f64,
        device: &Device,
    ) -> Result<Self> {
        let quarter = head / 4;
        let speeds: Vec<f64> = (0..quarter)
            .map(|at| libm::pow(base, -((2 * at) as f64) / (head / 2) as f64))
            .collect();
        let (mut cos, mut sin) = (vec![0.0_f32; before * 2 * quarter], Vec::new());
        sin.clone_from(&cos);
        for row in 0..side {
            for column in 0..side {
                for along in [row, column] {
                    let angles = speeds.iter().map(|speed| along as f64 * speed);
                    for angle in angles {
                        cos.push(libm::cos(angle) as f32);
                        sin.push(libm::sin(angle) as f32);
                    }
                }
            }
        }
        let shape = (before + side * side, 2 * quarter);
        let (cos, sin) =
            (Tensor::from_vec(cos, shape, device)?, Tensor::from_vec(sin, shape, device)?);
        Ok(Self { cos, sin })
    }

    /// Those of some places.
    ///
    /// # Errors
    /// If there are no such places.
    pub(super) fn part(&self, first: usize, count: usize) -> Result<Self> {
        let all = self.cos.dim(0)?;
        if first + count > all {
            let reason = format!("place {} of {all}: the picture is full", first + count);
            return Err(EngineError::bad_input("tokens", reason, ""));
        }
        let of = |all: &Tensor| all.narrow(0, first, count);
        Ok(Self { cos: of(&self.cos)?, sin: of(&self.sin)? })
    }

    /// (B, L, H, D) turned.
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (b, l, h, d) = x.dims4()?;
        let pairs = x.reshape((b, l, h, d / 2, 2))?;
        let (even, odd) = (pairs.narrow(4, 0, 1)?, pairs.narrow(4, 1, 1)?);
        let shape = (1, l, 1, d / 2, 1);
        let (cos, sin) = (self.cos.reshape(shape)?, self.sin.reshape(shape)?);
        let first = (even.broadcast_mul(&cos)? - odd.broadcast_mul(&sin)?)?;
        let second = (odd.broadcast_mul(&cos)? + even.broadcast_mul(&sin)?)?;
        Ok(Tensor::cat(&[first, second], 4)?.reshape((b, l, h, d))?)
    }
}

/// A norm of rows by their mean square.
#[derive(Debug)]
pub(super) struct Rms {
    weight: Tensor,
    eps: f64,
}

impl Rms {
    /// The tensor `weight` below `weights`.
    ///
    /// # Errors
    /// None but those of candle.
    pub(super) fn new(weights: &Weights, size: &BlockSize) -> Result<Self> {
        let weight = weights.get(&[size.network.dim], "weight", Init::Constant(1.0))?;
        Ok(Self { weight, eps: size.eps })
    }

    /// (.., D) to the same.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        kernels::rms_norm(x, &self.weight, self.eps)
    }
}

/// A block: x + wo(attention(norm(x))), then x + w2(silu(w1 norm(x)) w3 norm(x)).
#[derive(Debug)]
pub(super) struct RotaryBlock {
    heads: usize,
    attention_norm: Rms,
    wqkv: Linear,
    wo: Linear,
    ffn_norm: Rms,
    w1: Linear,
    w2: Linear,
    w3: Linear,
}

impl RotaryBlock {
    /// Tensors by their published names.
    ///
    /// # Errors
    /// None but those of candle.
    pub(super) fn new(weights: &Weights, size: &BlockSize) -> Result<Self> {
        let NetworkSize { dim, heads, .. } = size.network;
        let attention = weights.pp("attention");
        let ffn = weights.pp("feed_forward");
        Ok(Self {
            heads,
            attention_norm: Rms::new(&weights.pp("attention_norm"), size)?,
            wqkv: Linear::without_bias(&attention.pp("wqkv"), (dim, 3 * dim))?,
            wo: Linear::without_bias(&attention.pp("wo"), (dim, dim))?,
            ffn_norm: Rms::new(&weights.pp("ffn_norm"), size)?,
            w1: Linear::without_bias(&ffn.pp("w1"), (dim, size.hidden))?,
            w2: Linear::without_bias(&ffn.pp("w2"), (size.hidden, dim))?,
            w3: Linear::without_bias(&ffn.pp("w3"), (dim, size.hidden))?,
        })
    }

    /// (B, L, C) to the same, each place seeing those before it; with a cache, the places behind those that it has
    /// seen.
    ///
    /// # Errors
    /// If shapes do not fit, or the cache is full.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        turns: &Turns,
        cache: Option<&mut KvCache>,
    ) -> Result<Tensor> {
        let (b, l, c) = x.dims3()?;
        let size = c / self.heads;
        let rows = self.wqkv.forward(&self.attention_norm.forward(x)?)?;
        let rows = rows.reshape((b, l, 3, self.heads, size))?;
        let part = |at: usize| rows.narrow(2, at, 1)?.squeeze(2);
        let q = turns.apply(&part(0)?)?.transpose(1, 2)?;
        let k = turns.apply(&part(1)?)?.transpose(1, 2)?;
        let v = part(2)?.transpose(1, 2)?;
        let scale = (size as f64).powf(-0.5);
        let attended = match cache {
            Some(cache) => cache.attend(&q, (&k, &v), scale, Mask::Causal)?,
            None => kernels::attention(&q, &k, &v, scale, Mask::Causal)?,
        };
        let attended = attended.transpose(1, 2)?.reshape((b, l, c))?;
        let x = (x + self.wo.forward(&attended)?)?;
        let normal = self.ffn_norm.forward(&x)?;
        let inner = (self.w1.forward(&normal)?.silu()? * self.w3.forward(&normal)?)?;
        Ok((&x + self.w2.forward(&inner)?)?)
    }
}

/// Blocks one after another.
///
/// # Errors
/// As [`RotaryBlock::forward`].
pub(super) fn through(
    blocks: &[RotaryBlock],
    mut x: Tensor,
    turns: &Turns,
    mut caches: Option<&mut [KvCache]>,
) -> Result<Tensor> {
    for (at, block) in blocks.iter().enumerate() {
        let cache = caches.as_deref_mut().and_then(|caches| caches.get_mut(at));
        x = block.forward(&x, turns, cache)?;
    }
    Ok(x)
}

/// Caches of blocks for a batch of so many places.
///
/// # Errors
/// If there is no memory for them.
pub(super) fn caches(
    layers: usize,
    size: &BlockSize,
    (batch, places): (usize, usize),
    device: &Device,
) -> Result<Vec<KvCache>> {
    let shape = (batch, size.network.heads, size.head());
    (0..layers).map(|_| KvCache::new(shape, places, device)).collect()
}
