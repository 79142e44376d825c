//! The generator of TiTok's 1-D tokens: a BERT whose class token stands first, norms last.
//!
//! Source: Yu et al., "An Image is Worth 32 Tokens", arXiv 2406.07550, whose network is Hugging Face's `BertModel`
//! (Devlin et al., arXiv 1810.04805).

use candle_core::Tensor;

use super::super::config::NetworkSize;
use super::masked::{attend, class_row, inputs, rows};
use crate::layers::{Init, LayerNorm, Linear, Weights};
use crate::{EngineError, Result};

/// Of all norms.
const EPS: f64 = 1e-12;

/// What an [`ImageBert`] is before it has weights.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageBertConfig {
    /// Sizes of the transformer.
    pub network: NetworkSize,
    /// Width of the MLP of a block.
    pub mlp: usize,
    /// Tokens of an image.
    pub cells: usize,
    /// Codes of the tokenizer's book, K.
    pub codes: usize,
    /// Classes; one more stands for no class.
    pub classes: usize,
}

/// Attention and MLP, each before its norm.
#[derive(Debug)]
struct Block {
    heads: usize,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    norm1: LayerNorm,
    up: Linear,
    down: Linear,
    norm2: LayerNorm,
}

impl Block {
    fn new(weights: &Weights, config: &ImageBertConfig) -> Result<Self> {
        let NetworkSize { dim, heads, .. } = config.network;
        let attention = weights.pp("attention");
        let (own, output) = (attention.pp("self"), attention.pp("output"));
        let last = weights.pp("output");
        let linear = |weights: Weights| Linear::new(&weights, (dim, dim));
        Ok(Self {
            heads,
            q: linear(own.pp("query"))?,
            k: linear(own.pp("key"))?,
            v: linear(own.pp("value"))?,
            out: linear(output.pp("dense"))?,
            norm1: LayerNorm::with_eps(&output.pp("LayerNorm"), dim, EPS)?,
            up: Linear::new(&weights.pp("intermediate").pp("dense"), (dim, config.mlp))?,
            down: Linear::new(&last.pp("dense"), (config.mlp, dim))?,
            norm2: LayerNorm::with_eps(&last.pp("LayerNorm"), dim, EPS)?,
        })
    }

    /// (B, L, C) to the same.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (q, k, v) = (self.q.forward(x)?, self.k.forward(x)?, self.v.forward(x)?);
        let attended = self.out.forward(&attend(&q, &k, &v, self.heads)?)?;
        let x = self.norm1.forward(&(x + attended)?)?;
        let wide = self.up.forward(&x)?.gelu_erf()?;
        self.norm2.forward(&(&x + self.down.forward(&wide)?)?)
    }
}

/// The network.
#[derive(Debug)]
pub struct ImageBert {
    config: ImageBertConfig,
    ids: Tensor,
    places: Tensor,
    kinds: Tensor,
    norm: LayerNorm,
    blocks: Vec<Block>,
    head: Linear,
}

impl ImageBert {
    /// Tensors by their published names.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &ImageBertConfig, weights: &Weights) -> Result<Self> {
        config.network.validate()?;
        let ImageBertConfig { cells, codes, classes, .. } = *config;
        let NetworkSize { layers, dim, .. } = config.network;
        if cells == 0 || codes == 0 {
            let reason = format!("{codes} codes for {cells} tokens");
            return Err(EngineError::bad_input("network", reason, ""));
        }
        let model = weights.pp("model");
        let embeddings = model.pp("embeddings");
        // Counts from 0, which older versions of the library keep.
        embeddings.skip("position_ids");
        embeddings.skip("token_type_ids");
        let table = |name: &str, rows: usize| {
            embeddings.pp(name).get(&[rows, dim], "weight", Init::Normal(0.02))
        };
        let layer = model.pp("encoder").pp("layer");
        let block = |at| Block::new(&layer.pp(at), config);
        Ok(Self {
            config: config.clone(),
            ids: table("word_embeddings", codes + classes + 2)?,
            places: table("position_embeddings", cells + 1)?,
            kinds: table("token_type_embeddings", 2)?,
            norm: LayerNorm::with_eps(&embeddings.pp("LayerNorm"), dim, EPS)?,
            blocks: (0..layers).map(block).collect::<Result<_>>()?,
            head: Linear::new(&model.pp("lm_head"), (dim, codes))?,
        })
    }

    /// What it is.
    pub fn config(&self) -> &ImageBertConfig {
        &self.config
    }

    /// What stands before the logits, (B, 1 + N, C): of the class, then of every token; masked where none stands
    /// ([`crate::tokens::MASKED`]).
    ///
    /// # Errors
    /// If there are not N tokens each, or a token or class is none.
    pub fn hidden(&self, tokens: &[&[u32]], classes: &[Option<u32>]) -> Result<Tensor> {
        let ImageBertConfig { cells, codes, .. } = self.config;
        let mut ids = Vec::with_capacity(tokens.len() * (cells + 1));
        for (tokens, class) in tokens.iter().zip(classes) {
            ids.push(codes as u32 + 1 + class_row(*class, self.config.classes)?);
            ids.extend(inputs(tokens, cells, codes)?);
        }
        let x = rows(&self.ids, ids, tokens.len())?.broadcast_add(&self.places)?;
        // All places are of the first kind.
        let x = x.broadcast_add(&self.kinds.narrow(0, 0, 1)?)?;
        let x = self.norm.forward(&x)?;
        self.blocks.iter().try_fold(x, |x, block| block.forward(&x))
    }

    /// Logits (B, N, K) of every token of some pictures.
    ///
    /// # Errors
    /// As [`ImageBert::hidden`].
    pub fn logits(&self, tokens: &[&[u32]], classes: &[Option<u32>]) -> Result<Tensor> {
        let hidden = self.hidden(tokens, classes)?;
        self.head.forward(&hidden.narrow(1, 1, self.config.cells)?.contiguous()?)
    }
}
