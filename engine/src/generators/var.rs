//! The network of VAR: a transformer that writes all codes of a scale at once, from coarse to fine.
//!
//! Source: Tian et al., arXiv 2404.02905, and its code (FoundationVision/VAR), whose names the tensors have. The
//! first scale is written from the class alone; each other one from the sum of those before it, at its size.
//! A place sees its own scale and those before. The class also scales, shifts and gates every block
//! (Peebles & Xie, arXiv 2212.09748).

use candle_core::{D, Tensor};

use super::condition::{Conditions, classes};
use super::config::NetworkSize;
use super::ways::ScaleNetwork;
use crate::kernels::{self, Mask, SequenceLink};
use crate::layers::{Init, KvCache, Linear, Weights};
use crate::{EngineError, Result};

/// Of the norms, which have no parameters.
const EPS: f64 = 1e-6;
/// Logarithms of scales of attention above this count as this.
const MOST_SCALE: f64 = 4.605_170_185_988_092;

/// What a [`Var`] is before it has weights.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VarConfig {
    /// Sizes of the transformer.
    pub network: NetworkSize,
    /// Codes of the tokenizer's book, K.
    pub codes: usize,
    /// Channels of a code.
    pub code_dim: usize,
    /// Places along a side of each scale.
    pub patch_nums: Vec<usize>,
    /// Classes; one more stands for no class.
    pub classes: usize,
    /// How much wider than a place the MLP is.
    pub mlp_ratio: f64,
    /// Whether one layer says of all blocks what the class does to them.
    pub shared_aln: bool,
    /// Whether queries and keys are brought to length 1, and a head scales them.
    pub attn_l2_norm: bool,
}

/// Scale, shift and gate of the two halves of a block, (B, 1, C) each.
struct Moves {
    gate: [Tensor; 2],
    scale: [Tensor; 2],
    shift: [Tensor; 2],
}

/// What the class does to a block.
#[derive(Debug)]
enum Adaptive {
    /// A layer of the block.
    Own(Linear),
    /// What the block adds to the shared layer's, (1, 1, 6, C).
    Shared(Tensor),
}

/// Attention whose keys have no bias.
#[derive(Debug)]
struct Attention {
    heads: usize,
    qkv: Tensor,
    q_bias: Tensor,
    v_bias: Tensor,
    /// (1, H, 1, 1), where queries and keys have length 1.
    scale: Option<Tensor>,
    proj: Linear,
}

impl Attention {
    fn new(weights: &Weights, config: &VarConfig) -> Result<Self> {
        let NetworkSize { dim, heads, .. } = config.network;
        let init = Init::Uniform(1.0 / (dim as f32).sqrt());
        // State that is a number of zeros.
        weights.skip("zero_k_bias");
        let scale = if config.attn_l2_norm {
            let init = Init::Constant(4.0_f32.ln());
            Some(weights.get(&[1, heads, 1, 1], "scale_mul_1H11", init)?)
        } else {
            None
        };
        Ok(Self {
            heads,
            qkv: weights.pp("mat_qkv").get(&[3 * dim, dim], "weight", init)?,
            q_bias: weights.get(&[dim], "q_bias", Init::Constant(0.0))?,
            v_bias: weights.get(&[dim], "v_bias", Init::Constant(0.0))?,
            scale,
            proj: Linear::new(&weights.pp("proj"), (dim, dim))?,
        })
    }

    /// (B, L, C) to the same; with a cache, the places behind those that it has seen.
    fn forward(&self, x: &Tensor, mask: Mask<'_>, cache: Option<&mut KvCache>) -> Result<Tensor> {
        let (b, l, c) = x.dims3()?;
        let size = c / self.heads;
        let bias = Tensor::cat(&[&self.q_bias, &self.q_bias.zeros_like()?, &self.v_bias], 0)?;
        let link = SequenceLink::Linear { weight: &self.qkv, bias: Some(&bias), gelu: false };
        let rows = kernels::sequence(x, &[link], false)?.reshape((b, l, 3, self.heads, size))?;
        let part = |at: usize| rows.narrow(2, at, 1)?.squeeze(2)?.transpose(1, 2);
        let (mut q, mut k, v) = (part(0)?, part(1)?, part(2)?);
        let scale = match &self.scale {
            Some(scale) => {
                let scale = scale.clamp(f64::NEG_INFINITY, MOST_SCALE)?.exp()?;
                q = unit(&q)?.broadcast_mul(&scale)?;
                k = unit(&k)?;
                1.0
            }
            // As published, and not 1 / sqrt(D).
            None => 0.25 * (size as f64).powf(-0.5),
        };
        let attended = match cache {
            Some(cache) => cache.attend(&q, (&k, &v), scale, mask)?,
            None => kernels::attention(&q, &k, &v, scale, mask)?,
        };
        self.proj.forward(&attended.transpose(1, 2)?.reshape((b, l, c))?)
    }
}

/// Vectors of length 1 along the last dimension.
fn unit(x: &Tensor) -> Result<Tensor> {
    let length = x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?.maximum(1e-12)?;
    Ok(x.broadcast_div(&length)?)
}

/// A block.
#[derive(Debug)]
struct Block {
    adaptive: Adaptive,
    attention: Attention,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(weights: &Weights, config: &VarConfig) -> Result<Self> {
        let dim = config.network.dim;
        let hidden = (dim as f64 * config.mlp_ratio).round_ties_even() as usize;
        let adaptive = if config.shared_aln {
            let init = Init::Normal((dim as f32).powf(-0.5));
            Adaptive::Shared(weights.get(&[1, 1, 6, dim], "ada_gss", init)?)
        } else {
            Adaptive::Own(gentle(&weights.pp("ada_lin").pp(1), (dim, 6 * dim))?)
        };
        let ffn = weights.pp("ffn");
        Ok(Self {
            adaptive,
            attention: Attention::new(&weights.pp("attn"), config)?,
            up: Linear::new(&ffn.pp("fc1"), (dim, hidden))?,
            down: Linear::new(&ffn.pp("fc2"), (hidden, dim))?,
        })
    }

    /// What the class does: from SiLU of it (B, 1, C), or of what all blocks share (B, 1, 6, C).
    fn moves(&self, class: &Tensor, shared: Option<&Tensor>) -> Result<Moves> {
        let six = match (&self.adaptive, shared) {
            (Adaptive::Own(layer), _) => {
                let (b, _, c) = class.dims3()?;
                layer.forward(class)?.reshape((b, 1, 6, c))?
            }
            (Adaptive::Shared(own), Some(shared)) => shared.broadcast_add(own)?,
            (Adaptive::Shared(_), None) => {
                return Err(EngineError::bad_input("network", "nothing is shared in it", ""));
            }
        };
        let part = |at: usize| Ok::<_, EngineError>(six.narrow(2, at, 1)?.squeeze(2)?);
        Ok(Moves {
            gate: [part(0)?, part(1)?],
            scale: [part(2)?, part(3)?],
            shift: [part(4)?, part(5)?],
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        moves: &Moves,
        mask: Mask<'_>,
        cache: Option<&mut KvCache>,
    ) -> Result<Tensor> {
        let into = moved(x, &moves.scale[0], &moves.shift[0])?;
        let attended = self.attention.forward(&into, mask, cache)?;
        let x = (x + attended.broadcast_mul(&moves.gate[0])?)?;
        let into = moved(&x, &moves.scale[1], &moves.shift[1])?;
        let links = [self.up.link_gelu(), self.down.link()];
        let known = kernels::sequence(&into, &links, false)?;
        Ok((x + known.broadcast_mul(&moves.gate[1])?)?)
    }
}

/// A norm without parameters, scaled by 1 + s and shifted.
fn moved(x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
    let dim = x.dim(D::Minus1)?;
    let one = Tensor::ones(dim, x.dtype(), x.device())?;
    let normed = kernels::layer_norm(x, (&one, &one.zeros_like()?), EPS)?;
    Ok(normed.broadcast_mul(&(scale + 1.0)?)?.broadcast_add(shift)?)
}

/// A layer whose fresh weights are small: blocks begin near what they would be without a class.
fn gentle(weights: &Weights, sizes: (usize, usize)) -> Result<Linear> {
    Linear::starting(weights, sizes, Init::Uniform(0.1 / (sizes.0 as f32).sqrt()))
}

/// The network of VAR.
#[derive(Debug)]
pub struct Var {
    config: VarConfig,
    classes: Tensor,
    start: Tensor,
    places: Tensor,
    levels: Tensor,
    word: Linear,
    shared: Option<Linear>,
    blocks: Vec<Block>,
    head_moves: Linear,
    head: Linear,
    /// Places of each scale.
    sizes: Vec<usize>,
}

impl Var {
    /// Tensors by their published names.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &VarConfig, weights: &Weights) -> Result<Self> {
        config.network.validate()?;
        let NetworkSize { layers, dim, .. } = config.network;
        let sizes: Vec<usize> = config.patch_nums.iter().map(|side| side * side).collect();
        let cells: usize = sizes.iter().sum();
        let first = sizes.first().copied().unwrap_or_default();
        // State that follows from the scales.
        weights.skip("lvl_1L");
        weights.skip("attn_bias_for_masking");
        let init = Init::Normal((1.0 / dim as f32 / 3.0).sqrt());
        let block = |at| Block::new(&weights.pp("blocks").pp(at), config);
        let shared = weights.pp("shared_ada_lin").pp(1);
        Ok(Self {
            classes: weights.pp("class_emb").get(&[config.classes + 1, dim], "weight", init)?,
            start: weights.get(&[1, first, dim], "pos_start", init)?,
            places: weights.get(&[1, cells, dim], "pos_1LC", init)?,
            levels: weights.pp("lvl_embed").get(&[sizes.len(), dim], "weight", init)?,
            word: Linear::new(&weights.pp("word_embed"), (config.code_dim, dim))?,
            shared: if config.shared_aln { Some(gentle(&shared, (dim, 6 * dim))?) } else { None },
            blocks: (0..layers).map(block).collect::<Result<_>>()?,
            head_moves: gentle(&weights.pp("head_nm").pp("ada_lin").pp(1), (dim, 2 * dim))?,
            head: Linear::new(&weights.pp("head"), (dim, config.codes))?,
            config: config.clone(),
            sizes,
        })
    }

    /// What it is.
    pub fn config(&self) -> &VarConfig {
        &self.config
    }

    /// Rows (B, C) of classes; `None` stands for no class.
    fn class_rows(&self, classes: &[Option<u32>]) -> Result<Tensor> {
        let none = self.config.classes as u32;
        // A card would not refuse a strange class but stop for good.
        if let Some(class) = classes.iter().flatten().find(|class| **class >= none) {
            let reason = format!("{class} is not below {none}");
            return Err(EngineError::bad_input("class", reason, ""));
        }
        let rows: Vec<u32> = classes.iter().map(|class| class.unwrap_or(none)).collect();
        let rows = Tensor::from_vec(rows, classes.len(), self.classes.device())?;
        Ok(self.classes.index_select(&rows, 0)?)
    }

    /// What stands at each place beside what it was told, (1, L, C): its place, and its scale.
    fn places(&self) -> Result<Tensor> {
        let of_scale = (0..).zip(&self.sizes);
        let scales: Vec<u32> =
            of_scale.flat_map(|(scale, size)| std::iter::repeat_n(scale, *size)).collect();
        let scales =
            Tensor::from_vec(scales, self.sizes.iter().sum::<usize>(), self.levels.device())?;
        Ok((&self.places + self.levels.index_select(&scales, 0)?.unsqueeze(0)?)?)
    }

    /// Logits (B, L, K) of all scales: `inputs` (B, L - first, D) is the sum of the scales before each
    /// ([`crate::quantizers::MultiScale::inputs`]).
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn forward(&self, inputs: &Tensor, classes: &[Option<u32>]) -> Result<Tensor> {
        let class = self.class_rows(classes)?;
        let start = class.unsqueeze(1)?.broadcast_add(&self.start)?;
        let x = Tensor::cat(&[start, self.word.forward(inputs)?], 1)?;
        let x = x.broadcast_add(&self.places()?)?;
        self.run(x, &class, Mask::BlockCausal(&self.sizes), None)
    }

    /// Caches for a batch, one a block.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn caches(&self, batch: usize) -> Result<Vec<KvCache>> {
        let NetworkSize { dim, heads, .. } = self.config.network;
        let cells = self.sizes.iter().sum();
        let cache =
            |_: &Block| KvCache::new((batch, heads, dim / heads), cells, self.start.device());
        self.blocks.iter().map(cache).collect()
    }

    /// Logits (B, places, K) of a scale: `input` (B, D, side, side) is the sum of those before at its size; `None`
    /// for the first. The caches have seen all scales before it. Without gradient.
    ///
    /// # Errors
    /// If shapes do not fit, or the caches are of another scale.
    pub fn next_scale(
        &self,
        input: Option<&Tensor>,
        classes: &[Option<u32>],
        caches: &mut [KvCache],
    ) -> Result<Tensor> {
        let seen = caches.first().map_or(0, KvCache::len);
        let class = self.class_rows(classes)?;
        let x = match input {
            None => class.unsqueeze(1)?.broadcast_add(&self.start)?,
            Some(input) => {
                let rows = input.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
                self.word.forward(&rows)?
            }
        };
        let places = self.places()?.narrow(1, seen, x.dim(1)?)?;
        self.run(x.broadcast_add(&places)?, &class, Mask::None, Some(caches))
    }

    fn run(
        &self,
        mut x: Tensor,
        class: &Tensor,
        mask: Mask<'_>,
        mut caches: Option<&mut [KvCache]>,
    ) -> Result<Tensor> {
        let (b, c) = class.dims2()?;
        let class = class.silu()?.unsqueeze(1)?;
        let shared = self
            .shared
            .as_ref()
            .map(|layer| Ok::<_, EngineError>(layer.forward(&class)?.reshape((b, 1, 6, c))?));
        let shared = shared.transpose()?;
        for (at, block) in self.blocks.iter().enumerate() {
            let moves = block.moves(&class, shared.as_ref())?;
            let cache = caches.as_deref_mut().and_then(|caches| caches.get_mut(at));
            x = block.forward(&x, &moves, mask, cache)?;
        }
        let moves = self.head_moves.forward(&class)?;
        let x = moved(&x, &moves.narrow(2, 0, c)?, &moves.narrow(2, c, c)?)?;
        self.head.forward(&x)
    }
}

impl ScaleNetwork for Var {
    fn caches(&self, batch: usize) -> Result<Vec<KvCache>> {
        Self::caches(self, batch)
    }

    fn next_scale(
        &self,
        input: Option<&Tensor>,
        conditions: Conditions<'_>,
        caches: &mut [KvCache],
    ) -> Result<Tensor> {
        Self::next_scale(self, input, &classes(conditions), caches)
    }

    fn logits(&self, inputs: &Tensor, conditions: Conditions<'_>) -> Result<Tensor> {
        self.forward(inputs, &classes(conditions))
    }
}
