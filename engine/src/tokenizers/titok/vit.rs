//! The transformer of TiTok's encoder and decoder: blocks of attention and MLP before their norms, as in
//! CLIP.
//!
//! Not `layers::Transformer`, whose MLP has the tanh form of GELU: these weights were trained with the
//! exact one, and names and beginnings are others.

use candle_core::Tensor;

use super::config::VitConfig;
use crate::Result;
use crate::kernels::{self, Mask, SequenceLink};
use crate::layers::{Init, LayerNorm, Linear, Probe, Weights};

/// How fresh weights start.
const SPREAD: Init = Init::Normal(0.02);

/// `x + attention(ln_1(x))`, then `x + c_proj(gelu(c_fc(ln_2(x))))`.
#[derive(Debug)]
struct Block {
    heads: usize,
    ln_1: LayerNorm,
    /// Queries, keys and values, (3 W, W), and their bias.
    in_proj: (Tensor, Tensor),
    out_proj: Linear,
    ln_2: LayerNorm,
    c_fc: Linear,
    c_proj: Linear,
}

impl Block {
    fn new(weights: &Weights, width: usize, heads: usize) -> Result<Self> {
        let (attn, mlp) = (weights.pp("attn"), weights.pp("mlp"));
        Ok(Self {
            heads,
            ln_1: LayerNorm::new(&weights.pp("ln_1"), width)?,
            in_proj: (
                attn.get(&[3 * width, width], "in_proj_weight", SPREAD)?,
                attn.get(&[3 * width], "in_proj_bias", Init::Constant(0.0))?,
            ),
            out_proj: Linear::new(&attn.pp("out_proj"), (width, width))?,
            ln_2: LayerNorm::new(&weights.pp("ln_2"), width)?,
            c_fc: Linear::new(&mlp.pp("c_fc"), (width, 4 * width))?,
            c_proj: Linear::new(&mlp.pp("c_proj"), (4 * width, width))?,
        })
    }

    /// (B, L, W) to the same.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (&self.in_proj.0, Some(&self.in_proj.1));
        let links = [
            self.ln_1.link(),
            SequenceLink::Linear { weight, bias, gelu: false },
            SequenceLink::Attention { heads: self.heads, mask: Mask::None },
            self.out_proj.link(),
        ];
        let x = kernels::sequence(x, &links, true)?;
        let wide = kernels::sequence(&x, &[self.ln_2.link(), self.c_fc.link()], false)?;
        Ok((&x + self.c_proj.forward(&wide.gelu_erf()?)?)?)
    }
}

/// A sequence that starts with a class and a grid of places and ends with latent tokens, through blocks.
#[derive(Debug)]
pub(super) struct Vit {
    /// (1, W): the place before the grid.
    class_embedding: Tensor,
    /// (1 + places of the grid, W)
    positional_embedding: Tensor,
    /// (n, W)
    latent_positions: Tensor,
    ln_pre: LayerNorm,
    blocks: Vec<Block>,
    ln_post: LayerNorm,
    name: &'static str,
}

impl Vit {
    /// For a grid of `places` and `tokens` latent tokens; tensors and layers are below `name`.
    pub(super) fn new(
        config: &VitConfig,
        (places, tokens): (usize, usize),
        weights: &Weights,
        name: &'static str,
    ) -> Result<Self> {
        let weights = weights.pp(name);
        let width = config.width;
        let spread = Init::Normal((width as f32).powf(-0.5));
        let block = |at: usize| Block::new(&weights.pp("transformer").pp(at), width, config.heads);
        Ok(Self {
            class_embedding: weights.get(&[1, width], "class_embedding", spread)?,
            positional_embedding: weights.get(
                &[places + 1, width],
                "positional_embedding",
                spread,
            )?,
            latent_positions: weights.get(
                &[tokens, width],
                "latent_token_positional_embedding",
                spread,
            )?,
            ln_pre: LayerNorm::new(&weights.pp("ln_pre"), width)?,
            blocks: (0..config.layers).map(block).collect::<Result<_>>()?,
            ln_post: LayerNorm::new(&weights.pp("ln_post"), width)?,
            name,
        })
    }

    /// All places (B, 1 + places + n, W) behind the last block, of a grid (B, places, W) and latent tokens
    /// (B, n, W). A probe sees the blocks as published: place by place, (L, B, W).
    fn run(&self, grid: &Tensor, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let (b, _, width) = grid.dims3()?;
        let class = self.class_embedding.unsqueeze(0)?.broadcast_as((b, 1, width))?;
        let seen = Tensor::cat(&[&class, grid], 1)?.broadcast_add(&self.positional_embedding)?;
        let latents = latents.broadcast_add(&self.latent_positions)?;
        let mut x = self.ln_pre.forward(&Tensor::cat(&[seen, latents], 1)?)?;
        probe.show(&format!("{}.ln_pre", self.name), &x);
        for (at, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x)?;
            if probe.looks() {
                let turned = x.transpose(0, 1)?.contiguous()?;
                probe.show(&format!("{}.transformer.{at}", self.name), &turned);
            }
        }
        Ok(x)
    }

    /// What becomes of the latent tokens (B, n, W) beside a grid (B, places, W): (B, n, W).
    pub(super) fn tokens(
        &self,
        grid: &Tensor,
        latents: &Tensor,
        probe: &mut Probe<'_>,
    ) -> Result<Tensor> {
        let (first, count) = (1 + grid.dim(1)?, latents.dim(1)?);
        self.end(&self.run(grid, latents, probe)?.narrow(1, first, count)?, probe)
    }

    /// What becomes of the grid (B, places, W) beside latent tokens (B, n, W): (B, places, W).
    pub(super) fn places(
        &self,
        grid: &Tensor,
        latents: &Tensor,
        probe: &mut Probe<'_>,
    ) -> Result<Tensor> {
        self.end(&self.run(grid, latents, probe)?.narrow(1, 1, grid.dim(1)?)?, probe)
    }

    fn end(&self, x: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let y = self.ln_post.forward(&x.contiguous()?)?;
        probe.show(&format!("{}.ln_post", self.name), &y);
        Ok(y)
    }
}
