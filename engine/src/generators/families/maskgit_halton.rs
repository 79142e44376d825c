//! MaskGIT as valeoai publishes it with the Halton order: the class scales, shifts and gates every block.
//!
//! Source: Besnier et al., "Halton Scheduler for Masked Generative Image Transformer", arXiv 2503.17076.
//! Registers (Darcet et al., arXiv 2309.16588) stand behind the tokens and have no place.

use candle_core::Tensor;
use serde_json::Value;

use super::super::condition::{Conditions, classes};
use super::super::config::NetworkSize;
use super::super::network::Network;
use super::super::ways::MaskedNetwork;
use super::kind::{GeneratorFamily, said, side_of, within};
use super::masked::{assumed_heads, attend, class_row, generator, inputs, rows};
use crate::Result;
use crate::kernels;
use crate::layers::{Init, Linear, Weights};
use crate::tokenizers::family::{any, count, settings, settings_value, size};
use crate::tokenizers::{Beside, Called, Shapes};
use crate::tokens::PartShape;

/// Of all norms.
const EPS: f64 = 1e-5;

/// What a [`HaltonTransformer`] is before it has weights.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HaltonConfig {
    /// Sizes of the transformer. Heads that do not divide the width leave the rest of it out of attention, as
    /// the published one of 512 with 6 heads does.
    pub network: NetworkSize,
    /// Width inside the MLP of a block.
    pub mlp: usize,
    /// Cells along a side of the grid of tokens.
    pub side: usize,
    /// Codes of the tokenizer's book, K.
    pub codes: usize,
    /// Classes; one more stands for no class.
    pub classes: usize,
    /// Registers.
    pub registers: usize,
}

impl HaltonConfig {
    /// Width of queries, keys and values.
    fn inner(&self) -> usize {
        let NetworkSize { dim, heads, .. } = self.network;
        dim.checked_div(heads).map_or(0, |size| size * heads)
    }

    fn validate(&self) -> Result<()> {
        NetworkSize { dim: self.inner(), ..self.network }.validate()?;
        within("dim", self.network.dim, 1, 1 << 13)?;
        within("side", self.side, 1, 1 << 7)?;
        within("codes", self.codes, 2, 1 << 26)?;
        within("classes", self.classes, 0, 1 << 20)?;
        within("registers", self.registers, 0, 1 << 10)?;
        within("mlp", self.mlp, 1, 1 << 16)
    }
}

/// Attention whose queries and keys are brought to one length over all heads.
#[derive(Debug)]
struct Attention {
    heads: usize,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    ones: Tensor,
}

impl Attention {
    fn new(weights: &Weights, config: &HaltonConfig) -> Result<Self> {
        let (dim, inner) = (config.network.dim, config.inner());
        let into = |name: &str| Linear::without_bias(&weights.pp(name), (dim, inner));
        Ok(Self {
            heads: config.network.heads,
            q: into("wq")?,
            k: into("wk")?,
            v: into("wv")?,
            out: Linear::without_bias(&weights.pp("wo"), (inner, dim))?,
            ones: Tensor::ones(inner, candle_core::DType::F32, weights.device())?,
        })
    }

    /// (B, L, C) to the same.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let q = kernels::rms_norm(&self.q.forward(x)?, &self.ones, EPS)?;
        let k = kernels::rms_norm(&self.k.forward(x)?, &self.ones, EPS)?;
        self.out.forward(&attend(&q, &k, &self.v.forward(x)?, self.heads)?)
    }
}

/// A block.
#[derive(Debug)]
struct Block {
    moves: Linear,
    norm1: Tensor,
    attention: Attention,
    norm2: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(weights: &Weights, config: &HaltonConfig) -> Result<Self> {
        let (dim, mlp) = (config.network.dim, config.mlp);
        let one = |name: &str| weights.pp(name).get(&[dim], "weight", Init::Constant(1.0));
        let ff = weights.pp("ff");
        Ok(Self {
            moves: Linear::starting(&weights.pp("mlp").pp(1), (dim, 6 * dim), Init::Constant(0.0))?,
            norm1: one("ln1")?,
            attention: Attention::new(&weights.pp("attn"), config)?,
            norm2: one("ln2")?,
            gate: Linear::without_bias(&ff.pp("w1"), (dim, mlp))?,
            up: Linear::without_bias(&ff.pp("w3"), (dim, mlp))?,
            down: Linear::without_bias(&ff.pp("w2"), (mlp, dim))?,
        })
    }

    /// (B, L, C) to the same; `class` is SiLU of its embedding, (B, 1, C).
    fn forward(&self, x: &Tensor, class: &Tensor) -> Result<Tensor> {
        let dim = x.dim(2)?;
        let six = self.moves.forward(class)?;
        // Shift, scale and gate of attention, then those of the MLP.
        let part = |at: usize| six.narrow(2, at * dim, dim);
        let into = moved(&kernels::rms_norm(x, &self.norm1, EPS)?, &part(0)?, &part(1)?)?;
        let attended = self.attention.forward(&into)?;
        let x = (x + attended.broadcast_mul(&part(2)?)?)?;
        let into = moved(&kernels::rms_norm(&x, &self.norm2, EPS)?, &part(3)?, &part(4)?)?;
        let wide = (self.gate.forward(&into)?.silu()? * self.up.forward(&into)?)?;
        Ok((&x + self.down.forward(&wide)?.broadcast_mul(&part(5)?)?)?)
    }
}

/// x (1 + scale) + shift.
fn moved(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor> {
    Ok(x.broadcast_mul(&(scale + 1.0)?)?.broadcast_add(shift)?)
}

/// The network.
#[derive(Debug)]
pub struct HaltonTransformer {
    config: HaltonConfig,
    class: Tensor,
    ids: Tensor,
    places: Tensor,
    registers: Option<Tensor>,
    blocks: Vec<Block>,
    last_norm: (Tensor, Tensor),
    last_moves: Linear,
    head: Linear,
}

impl HaltonTransformer {
    /// Tensors by their published names.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &HaltonConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let HaltonConfig { side, codes, classes, registers, .. } = *config;
        let NetworkSize { layers, dim, .. } = config.network;
        let init = Init::Normal(0.02);
        let table = |name: &str, rows| weights.pp(name).get(&[rows, dim], "weight", init);
        let last = weights.pp("last_norm");
        let norm = last.pp("norm_final");
        let blocks = weights.pp("transformer").pp("layers");
        let block = |at| Block::new(&blocks.pp(at), config);
        Ok(Self {
            config: config.clone(),
            class: table("cls_emb", classes + 1)?,
            ids: table("tok_emb", codes + 1)?,
            places: table("pos_emb", side * side)?,
            registers: (registers > 0).then(|| table("reg_tokens", registers)).transpose()?,
            blocks: (0..layers).map(block).collect::<Result<_>>()?,
            last_norm: (
                norm.get(&[dim], "weight", Init::Constant(1.0))?,
                norm.get(&[dim], "bias", Init::Constant(0.0))?,
            ),
            last_moves: Linear::new(&last.pp("mlp").pp(1), (dim, 2 * dim))?,
            // Published files repeat the table of ids here.
            head: Linear::new(&weights.pp("head"), (dim, codes + 1))?,
        })
    }

    /// What it is.
    pub fn config(&self) -> &HaltonConfig {
        &self.config
    }

    /// Logits (B, N, K + 1) of every token of some pictures, masked where none stands
    /// ([`crate::tokens::MASKED`]); the last is that of the mask itself.
    ///
    /// # Errors
    /// If there are not N tokens each, or a token or class is none.
    pub fn logits(&self, tokens: &[&[u32]], classes: &[Option<u32>]) -> Result<Tensor> {
        let HaltonConfig { side, codes, .. } = self.config;
        let (batch, cells, dim) = (tokens.len(), side * side, self.config.network.dim);
        let mut ids = Vec::with_capacity(batch * cells);
        let mut numbers = Vec::with_capacity(batch);
        for (tokens, class) in tokens.iter().zip(classes) {
            ids.extend(inputs(tokens, cells, codes)?);
            numbers.push(class_row(*class, self.config.classes)?);
        }
        let class = rows(&self.class, numbers, batch)?.silu()?;
        let mut x = rows(&self.ids, ids, batch)?.broadcast_add(&self.places)?;
        if let Some(registers) = &self.registers {
            let registers = registers.unsqueeze(0)?;
            let registers = registers.broadcast_as((batch, self.config.registers, dim))?;
            x = Tensor::cat(&[&x, &registers.contiguous()?], 1)?;
        }
        for block in &self.blocks {
            x = block.forward(&x, &class)?;
        }
        let (weight, bias) = &self.last_norm;
        let x = kernels::rms_norm(&x.narrow(1, 0, cells)?.contiguous()?, weight, EPS)?;
        let moves = self.last_moves.forward(&class)?;
        let (shift, scale) = (moves.narrow(2, 0, dim)?, moves.narrow(2, dim, dim)?);
        self.head.forward(&moved(&x.broadcast_add(bias)?, &shift, &scale)?)
    }
}

impl MaskedNetwork for HaltonTransformer {
    fn logits(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Tensor> {
        // The mask itself is nothing to be drawn.
        let all = Self::logits(self, tokens, &classes(conditions))?;
        Ok(all.narrow(2, 0, self.config.codes)?)
    }
}

/// valeoai's MaskGIT with the Halton order.
#[derive(Debug)]
pub(super) struct HaltonFamily;

/// Widths and heads of the published networks, from tiny to xlarge.
const PUBLISHED: [(usize, usize); 5] = [(384, 6), (512, 6), (768, 12), (1024, 16), (1152, 16)];

impl GeneratorFamily for HaltonFamily {
    fn id(&self) -> &'static str {
        "maskgit-halton"
    }

    fn title(&self) -> &'static str {
        "Halton-MaskGIT (valeoai)"
    }

    fn tokenizer(&self) -> &'static str {
        "LlamaGen's VQ tokenizer (vq_ds16_c2i.pt)"
    }

    fn mark(&self) -> &'static str {
        "transformer.layers.0.attn.wq.weight"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        any(shapes, "cls_emb.") && any(shapes, "last_norm.mlp.")
    }

    fn configure(
        &self,
        _: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        let dim = size(shapes, "tok_emb.weight", 1)?;
        let inner = size(shapes, "transformer.layers.0.attn.wq.weight", 0)?;
        // Heads take the same part of the width each, and nothing where it does not divide.
        let gives = |heads: &usize| dim / heads * heads == inner;
        let published = PUBLISHED.iter().find(|(width, _)| *width == dim).map(|(_, heads)| *heads);
        let usual = published.into_iter().chain([dim / 64, 8, 4, 2, 1]).filter(|heads| *heads > 0);
        let usual = usual.into_iter().find(gives).unwrap_or(1);
        settings_value(&HaltonConfig {
            network: NetworkSize {
                layers: count(shapes, |at| format!("transformer.layers.{at}.attn.wq.weight")),
                dim,
                heads: said(beside, &["/heads"])?.unwrap_or(usual),
            },
            mlp: size(shapes, "transformer.layers.0.ff.w1.weight", 0)?,
            side: side_of(size(shapes, "pos_emb.weight", 0)?)?,
            codes: size(shapes, "tok_emb.weight", 0)?.saturating_sub(1),
            classes: size(shapes, "cls_emb.weight", 0)?.saturating_sub(1),
            registers: shapes
                .get("reg_tokens.weight")
                .and_then(|shape| shape.first())
                .copied()
                .unwrap_or(0),
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
        let config: HaltonConfig = settings(value)?;
        let layers = Box::new(HaltonTransformer::new(&config, weights)?);
        let shape = PartShape::grid(config.side, config.side);
        // Told by the width that its heads have.
        let network = NetworkSize { dim: config.inner(), ..config.network };
        generator(network, (config.codes, config.classes), shape, layers, weights)
    }
}
