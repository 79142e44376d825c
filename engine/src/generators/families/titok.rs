//! The generator of TiTok's 1-D tokens: a BERT whose class token stands first, norms last.
//!
//! Source: Yu et al., "An Image is Worth 32 Tokens", arXiv 2406.07550, whose network is Hugging Face's `BertModel`
//! (Devlin et al., arXiv 1810.04805).

use candle_core::Tensor;
use serde_json::Value;

use super::super::condition::{Conditions, classes};
use super::super::config::NetworkSize;
use super::super::network::Network;
use super::super::ways::MaskedNetwork;
use super::kind::{GeneratorFamily, said, within};
use super::masked::{assumed_heads, attend, class_row, generator, heads, inputs, rows};
use crate::layers::{Init, LayerNorm, Linear, Weights};
use crate::tokenizers::family::{any, count, settings, settings_value, size};
use crate::tokenizers::{Beside, Called, Shapes};
use crate::tokens::PartShape;
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
    /// Rows of the head: K, or one for each id, where the library tied them.
    pub outputs: usize,
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
        let ImageBertConfig { cells, codes, classes, outputs, .. } = *config;
        let NetworkSize { layers, dim, .. } = config.network;
        within("cells", cells, 1, 1 << 14)?;
        within("codes", codes, 2, 1 << 26)?;
        within("classes", classes, 0, 1 << 20)?;
        within("outputs", outputs, codes, codes + classes + 2)?;
        within("mlp", config.mlp, 1, 1 << 16)?;
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
            head: Linear::new(&model.pp("lm_head"), (dim, outputs))?,
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
        let all = self.head.forward(&hidden.narrow(1, 1, self.config.cells)?.contiguous()?)?;
        Ok(all.narrow(2, 0, self.config.codes)?)
    }
}

impl MaskedNetwork for ImageBert {
    fn logits(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Tensor> {
        Self::logits(self, tokens, &classes(conditions))
    }
}

/// TiTok's generator.
#[derive(Debug)]
pub(super) struct ImageBertFamily;

/// Classes of the published networks, where the head does not tell them.
const CLASSES: usize = 1000;

impl GeneratorFamily for ImageBertFamily {
    fn id(&self) -> &'static str {
        "titok-imagebert"
    }

    fn title(&self) -> &'static str {
        "TiTok's ImageBert"
    }

    fn tokenizer(&self) -> &'static str {
        "the TiTok that it was trained on (such as tokenizer_titok_l32_imagenet)"
    }

    fn mark(&self) -> &'static str {
        "model.embeddings.word_embeddings.weight"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        any(shapes, "model.lm_head.") && any(shapes, "model.encoder.layer.0.attention.self.query.")
    }

    fn configure(
        &self,
        _: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        let dim = size(shapes, "model.embeddings.word_embeddings.weight", 1)?;
        let ids = size(shapes, "model.embeddings.word_embeddings.weight", 0)?;
        let outputs = size(shapes, "model.lm_head.weight", 0)?;
        let keys = ["/nclass", "/model/generator/condition_num_classes"];
        let named: Option<usize> = said(beside, &keys)?;
        // Codes, the mask, the classes, and no class.
        let codes = if outputs < ids {
            outputs
        } else {
            let special = named.unwrap_or(CLASSES).saturating_add(2);
            ids.checked_sub(special).filter(|codes| *codes > 0).ok_or_else(|| {
                let reason = format!("{ids} ids are too few for {CLASSES} classes");
                let hint = "say nclass in a config.json beside the file";
                EngineError::bad_input("model.embeddings.word_embeddings.weight", reason, hint)
            })?
        };
        let layer = "model.encoder.layer";
        settings_value(&ImageBertConfig {
            network: NetworkSize {
                layers: count(shapes, |at| format!("{layer}.{at}.attention.self.query.weight")),
                dim,
                heads: heads(beside, dim, &[16, 12, 8, 4])?,
            },
            mlp: size(shapes, "model.encoder.layer.0.intermediate.dense.weight", 0)?,
            cells: size(shapes, "model.embeddings.position_embeddings.weight", 0)?
                .saturating_sub(1),
            codes,
            classes: named.unwrap_or_else(|| ids.saturating_sub(codes.saturating_add(2))),
            outputs,
        })
    }

    fn assumed(
        &self,
        _: Called<'_>,
        settings: &Value,
        _: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Vec<String> {
        assumed_heads(settings, beside).into_iter().collect()
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Network> {
        let config: ImageBertConfig = settings(value)?;
        let layers = Box::new(ImageBert::new(&config, weights)?);
        let shape = PartShape::grid(1, config.cells);
        generator(config.network, (config.codes, config.classes), shape, layers, weights)
    }
}
