//! MaskGIT as valeoai published it (v1.0): a class token behind those of the image, norms first.
//!
//! Source: Besnier & Chen, arXiv 2310.14400, after Chang et al., arXiv 2202.04200. All ids, of codes, mask and
//! classes, share one table, which also gives the logits.

use candle_core::Tensor;

use super::super::config::NetworkSize;
use super::masked::{class_row, inputs, rows};
use crate::kernels::{self, Mask, SequenceLink};
use crate::layers::{Init, LayerNorm, Linear, Weights};
use crate::{EngineError, Result};

/// Of the norms outside of the blocks; those inside have PyTorch's.
const OUTER_EPS: f64 = 1e-12;

/// What a [`MaskTransformer`] is before it has weights.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskTransformerConfig {
    /// Sizes of the transformer.
    pub network: NetworkSize,
    /// Width of the MLP of a block.
    pub mlp: usize,
    /// Cells along a side of the grid of tokens.
    pub side: usize,
    /// Codes of the tokenizer's book, K.
    pub codes: usize,
    /// Classes; one more stands for no class.
    pub classes: usize,
}

/// Attention and MLP, each behind its norm.
#[derive(Debug)]
struct Block {
    heads: usize,
    norm1: LayerNorm,
    qkv: (Tensor, Tensor),
    out: Linear,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(weights: &Weights, config: &MaskTransformerConfig) -> Result<Self> {
        let NetworkSize { dim, heads, .. } = config.network;
        let (attention, mlp) = (weights.pp(0), weights.pp(1));
        let (mha, net) = (attention.pp("fn").pp("mha"), mlp.pp("fn").pp("net"));
        let init = Init::Uniform(1.0 / (dim as f32).sqrt());
        Ok(Self {
            heads,
            norm1: LayerNorm::new(&attention.pp("norm"), dim)?,
            qkv: (
                mha.get(&[3 * dim, dim], "in_proj_weight", init)?,
                mha.get(&[3 * dim], "in_proj_bias", Init::Constant(0.0))?,
            ),
            out: Linear::new(&mha.pp("out_proj"), (dim, dim))?,
            norm2: LayerNorm::new(&mlp.pp("norm"), dim)?,
            up: Linear::new(&net.pp(0), (dim, config.mlp))?,
            down: Linear::new(&net.pp(3), (config.mlp, dim))?,
        })
    }

    /// (B, L, C) to the same.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let qkv =
            SequenceLink::Linear { weight: &self.qkv.0, bias: Some(&self.qkv.1), gelu: false };
        let attention = SequenceLink::Attention { heads: self.heads, mask: Mask::None };
        let x = kernels::sequence(x, &[self.norm1.link(), qkv, attention, self.out.link()], true)?;
        let wide = kernels::sequence(&x, &[self.norm2.link(), self.up.link()], false)?;
        Ok((&x + self.down.forward(&wide.gelu_erf()?)?)?)
    }
}

/// The network.
#[derive(Debug)]
pub struct MaskTransformer {
    config: MaskTransformerConfig,
    ids: Tensor,
    places: Tensor,
    first: (LayerNorm, Linear, LayerNorm, Linear),
    blocks: Vec<Block>,
    last: (LayerNorm, Linear, LayerNorm),
    bias: Tensor,
}

impl MaskTransformer {
    /// Tensors by their published names.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &MaskTransformerConfig, weights: &Weights) -> Result<Self> {
        config.network.validate()?;
        let MaskTransformerConfig { side, codes, classes, .. } = *config;
        let NetworkSize { layers, dim, .. } = config.network;
        let cells = side.checked_mul(side).filter(|cells| *cells > 0);
        let (Some(cells), true) = (cells, codes > 0) else {
            let reason = format!("{codes} codes on a grid of {side} x {side}");
            return Err(EngineError::bad_input("network", reason, ""));
        };
        // Codes, the mask, the classes, and no class.
        let all = codes + classes + 2;
        let (first, last) = (weights.pp("first_layer"), weights.pp("last_layer"));
        let norm = |weights: Weights| LayerNorm::with_eps(&weights, dim, OUTER_EPS);
        let linear = |weights: Weights| Linear::new(&weights, (dim, dim));
        let blocks = weights.pp("transformer").pp("layers");
        let block = |at| Block::new(&blocks.pp(at), config);
        Ok(Self {
            config: config.clone(),
            ids: weights.pp("tok_emb").get(&[all, dim], "weight", Init::Normal(0.02))?,
            places: weights.get(&[1, cells + 1, dim], "pos_emb", Init::Normal(0.02))?,
            first: (
                norm(first.pp(0))?,
                linear(first.pp(2))?,
                norm(first.pp(4))?,
                linear(first.pp(6))?,
            ),
            blocks: (0..layers).map(block).collect::<Result<_>>()?,
            last: (norm(last.pp(0))?, linear(last.pp(2))?, norm(last.pp(4))?),
            bias: weights.get(&[cells + 1, all], "bias", Init::Constant(0.0))?,
        })
    }

    /// What it is.
    pub fn config(&self) -> &MaskTransformerConfig {
        &self.config
    }

    /// Logits (B, N, K + 1) of every token of some pictures, masked where none stands
    /// ([`crate::tokens::MASKED`]); the last is that of the mask itself.
    ///
    /// # Errors
    /// If there are not N tokens each, or a token or class is none.
    pub fn logits(&self, tokens: &[&[u32]], classes: &[Option<u32>]) -> Result<Tensor> {
        let MaskTransformerConfig { side, codes, .. } = self.config;
        let cells = side * side;
        let mut ids = Vec::with_capacity(tokens.len() * (cells + 1));
        for (tokens, class) in tokens.iter().zip(classes) {
            ids.extend(inputs(tokens, cells, codes)?);
            ids.push(codes as u32 + 1 + class_row(*class, self.config.classes)?);
        }
        let mut x = rows(&self.ids, ids, tokens.len())?.broadcast_add(&self.places)?;
        let (norm, inner, second, outer) = &self.first;
        x = kernels::sequence(&x, &[norm.link(), inner.link()], false)?.gelu_erf()?;
        x = kernels::sequence(&x, &[second.link(), outer.link()], false)?;
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        let (norm, inner, second) = &self.last;
        x = x.narrow(1, 0, cells)?.contiguous()?;
        x = kernels::sequence(&x, &[norm.link(), inner.link()], false)?.gelu_erf()?;
        let written = self.ids.narrow(0, 0, codes + 1)?.contiguous()?;
        let head = SequenceLink::Linear { weight: &written, bias: None, gelu: false };
        let logits = kernels::sequence(&x, &[second.link(), head], false)?;
        let bias = self.bias.narrow(0, 0, cells)?.narrow(1, 0, codes + 1)?;
        Ok(logits.broadcast_add(&bias)?)
    }
}
