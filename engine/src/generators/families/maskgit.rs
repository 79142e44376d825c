//! MaskGIT as valeoai published it (v1.0): a class token behind those of the image, norms first.
//!
//! Source: Besnier & Chen, arXiv 2310.14400, after Chang et al., arXiv 2202.04200. All ids, of codes, mask and
//! classes, share one table, which also gives the logits.

use candle_core::Tensor;
use serde_json::Value;

use super::super::condition::{Conditions, classes};
use super::super::config::NetworkSize;
use super::super::network::Network;
use super::super::ways::MaskedNetwork;
use super::kind::{GeneratorFamily, said, side_of, within};
use super::masked::{assumed_heads, class_row, generator, heads, inputs, rows};
use crate::kernels::{self, Mask, SequenceLink};
use crate::layers::{Init, LayerNorm, Linear, Weights};
use crate::tokenizers::family::{any, count, settings, settings_value, size};
use crate::tokenizers::{Beside, Called, Shapes};
use crate::tokens::PartShape;
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
        within("side", side, 1, 1 << 7)?;
        within("codes", codes, 2, 1 << 26)?;
        within("classes", classes, 0, 1 << 20)?;
        within("mlp", config.mlp, 1, 1 << 16)?;
        let cells = side * side;
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

impl MaskedNetwork for MaskTransformer {
    fn logits(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Tensor> {
        // The mask itself is nothing to be drawn.
        let all = Self::logits(self, tokens, &classes(conditions))?;
        Ok(all.narrow(2, 0, self.config.codes)?)
    }
}

/// valeoai's MaskGIT, v1.0.
#[derive(Debug)]
pub(super) struct MaskGitFamily;

/// Classes of the published networks; shapes tell codes and classes together alone.
const CLASSES: usize = 1000;

impl GeneratorFamily for MaskGitFamily {
    fn id(&self) -> &'static str {
        "maskgit"
    }

    fn title(&self) -> &'static str {
        "MaskGIT (valeoai v1.0)"
    }

    fn tokenizer(&self) -> &'static str {
        "the VQGAN that it was trained on (taming-transformers, f16, 1024 codes)"
    }

    fn mark(&self) -> &'static str {
        "transformer.layers.0.0.fn.mha.in_proj_weight"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        any(shapes, "first_layer.") && any(shapes, "tok_emb.")
    }

    fn configure(
        &self,
        _: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        let dim = size(shapes, "tok_emb.weight", 1)?;
        let ids = size(shapes, "tok_emb.weight", 0)?;
        let too_few = || {
            let reason = format!("{ids} ids are too few for {CLASSES} classes");
            let hint = "say codebook_size and nclass in a config.json beside the file";
            EngineError::bad_input("tok_emb.weight", reason, hint)
        };
        let codes: Option<usize> = said(beside, &["/codebook_size"])?;
        let named: Option<usize> = said(beside, &["/nclass", "/nb_class"])?;
        // Codes, the mask, the classes, and no class.
        let codes = match (codes, named) {
            (Some(codes), _) => codes,
            (None, named) => {
                let special = named.unwrap_or(CLASSES).saturating_add(2);
                ids.checked_sub(special).filter(|codes| *codes > 0).ok_or_else(too_few)?
            }
        };
        let places = size(shapes, "pos_emb", 1)?.saturating_sub(1);
        settings_value(&MaskTransformerConfig {
            network: NetworkSize {
                layers: count(shapes, |at| {
                    format!("transformer.layers.{at}.0.fn.mha.in_proj_weight")
                }),
                dim,
                heads: heads(beside, dim, &[16, 8, 4])?,
            },
            mlp: size(shapes, "transformer.layers.0.1.fn.net.0.weight", 0)?,
            side: side_of(places)?,
            codes,
            classes: named.unwrap_or_else(|| ids.saturating_sub(codes.saturating_add(2))),
        })
    }

    fn assumed(
        &self,
        _: Called<'_>,
        settings: &Value,
        _: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Vec<String> {
        let says = |key: &str| beside.is_some_and(|beside| beside.value.get(key).is_some());
        let is_said = ["codebook_size", "nclass", "nb_class"].into_iter().any(says);
        let classes = (!is_said).then(|| {
            format!("{CLASSES} classes are assumed (say nclass in a config.json beside the file)")
        });
        classes.into_iter().chain(assumed_heads(settings, beside)).collect()
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Network> {
        let config: MaskTransformerConfig = settings(value)?;
        let layers = Box::new(MaskTransformer::new(&config, weights)?);
        let shape = PartShape::grid(config.side, config.side);
        generator(config.network, (config.codes, config.classes), shape, layers, weights)
    }
}
