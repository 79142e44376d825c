//! The transformer of taming-transformers (minGPT): what leads it stands as tokens before those of the picture.
//!
//! Source: Esser et al., arXiv 2012.09841, and its code (CompVis/taming-transformers), whose names the tensors have.
//! A class is one such token, another picture (depth, a segmentation) as many as it has. They are rows of the same
//! table as the picture's codes, without an offset: class 7 and code 7 are the same row.

mod family;

use candle_core::{Device, Tensor};

use super::rows::rows_of;
use super::within;
use crate::generators::condition::{Condition, Conditions};
use crate::generators::config::NetworkSize;
use crate::generators::ways::{RasterNetwork, Reading};
use crate::kernels::{self, Mask};
use crate::layers::{Init, KvCache, LayerNorm, Linear, Weights};
use crate::{EngineError, Result};

pub(super) use family::TamingGpt;

/// What stands before the tokens of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Leads {
    /// A token that is always the same.
    Nothing,
    /// The number of a class, below this.
    Classes(usize),
    /// So many tokens of something else.
    Tokens(usize),
}

/// What it is before it has weights.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TamingConfig {
    network: NetworkSize,
    /// Codes of the table that all tokens share.
    codes: usize,
    /// Places that have an embedding.
    block_size: usize,
    /// Tokens along a side.
    side: usize,
    leads: Leads,
}

impl TamingConfig {
    /// Tokens before those of the picture.
    fn before(&self) -> usize {
        if let Leads::Tokens(count) = self.leads { count } else { 1 }
    }

    fn validate(&self) -> Result<()> {
        self.network.validate()?;
        within("vocab_size", self.codes, 2, 1 << 24)?;
        within("grid", self.side, 1, 128)?;
        within("block_size", self.block_size, 1, 1 << 15)?;
        // The last token is never read.
        let needed = self.before() + self.side * self.side - 1;
        if self.before() == 0 || needed > self.block_size {
            let reason = format!(
                "{} tokens before {} x {} need {needed} places, and it has {}",
                self.before(),
                self.side,
                self.side,
                self.block_size
            );
            let hint = "say grid and cond_len in a config.json beside the file";
            return Err(EngineError::bad_input("block_size", reason, hint));
        }
        Ok(())
    }
}

/// A block.
#[derive(Debug)]
struct Block {
    heads: usize,
    ln1: LayerNorm,
    qkv: [Linear; 3],
    proj: Linear,
    ln2: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(weights: &Weights, NetworkSize { dim, heads, .. }: NetworkSize) -> Result<Self> {
        let attention = weights.pp("attn");
        // Which places see which; told by `unmasked`.
        attention.skip("mask");
        let linear = |name: &str| Linear::new(&attention.pp(name), (dim, dim));
        let mlp = weights.pp("mlp");
        Ok(Self {
            heads,
            ln1: LayerNorm::new(&weights.pp("ln1"), dim)?,
            qkv: [linear("query")?, linear("key")?, linear("value")?],
            proj: linear("proj")?,
            ln2: LayerNorm::new(&weights.pp("ln2"), dim)?,
            up: Linear::new(&mlp.pp(0), (dim, 4 * dim))?,
            down: Linear::new(&mlp.pp(2), (4 * dim, dim))?,
        })
    }

    fn forward(&self, x: &Tensor, mask: Mask<'_>, cache: Option<&mut KvCache>) -> Result<Tensor> {
        let (b, l, c) = x.dims3()?;
        let size = c / self.heads;
        let normal = self.ln1.forward(x)?;
        let [q, k, v] = [0, 1, 2].map(|at: usize| -> Result<Tensor> {
            let rows = self.qkv[at].forward(&normal)?;
            Ok(rows.reshape((b, l, self.heads, size))?.transpose(1, 2)?)
        });
        let (q, k, v) = (q?, k?, v?);
        let scale = (size as f64).powf(-0.5);
        let attended = match cache {
            Some(cache) => cache.attend(&q, (&k, &v), scale, mask)?,
            None => kernels::attention(&q, &k, &v, scale, mask)?,
        };
        let attended = attended.transpose(1, 2)?.reshape((b, l, c))?;
        let x = (x + self.proj.forward(&attended)?)?;
        let inner = self.up.forward(&self.ln2.forward(&x)?)?.gelu_erf()?;
        Ok((&x + self.down.forward(&inner)?)?)
    }
}

/// The network.
#[derive(Debug)]
struct Taming {
    config: TamingConfig,
    tokens: Tensor,
    places: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    /// The first so many places see each other.
    unmasked: usize,
    device: Device,
}

impl Taming {
    fn new(config: &TamingConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let NetworkSize { layers, dim, .. } = config.network;
        let init = Init::Normal(0.02);
        let block = |at| Block::new(&weights.pp("blocks").pp(at), config.network);
        let unmasked = unmasked(config.block_size, &weights.pp("blocks").pp(0).pp("attn"))?;
        if unmasked > config.before() {
            let reason = format!(
                "its first {unmasked} places see each other, of which {} stand before the picture",
                config.before()
            );
            let hint = "such models are not written token by token here";
            return Err(EngineError::bad_input("n_unmasked", reason, hint));
        }
        Ok(Self {
            tokens: weights.pp("tok_emb").get(&[config.codes, dim], "weight", init)?,
            places: weights.get(&[1, config.block_size, dim], "pos_emb", init)?,
            blocks: (0..layers).map(block).collect::<Result<_>>()?,
            norm: LayerNorm::new(&weights.pp("ln_f"), dim)?,
            head: Linear::without_bias(&weights.pp("head"), (dim, config.codes))?,
            unmasked,
            device: weights.device().clone(),
            config: config.clone(),
        })
    }

    /// What stands before the tokens of each picture.
    fn before(&self, conditions: Conditions<'_>) -> Result<Vec<Vec<u32>>> {
        let bad = |what: &str, reason: String| Err(EngineError::bad_input(what, reason, ""));
        let one = |condition: &Condition| match (self.config.leads, condition) {
            (Leads::Nothing, Condition::Nothing) => Ok(vec![0]),
            (Leads::Classes(classes), Condition::Class(class)) if (*class as usize) < classes => {
                Ok(vec![*class])
            }
            (Leads::Tokens(count), Condition::Tokens(tokens)) if tokens.len() == count => {
                Ok(tokens.to_vec())
            }
            (Leads::Classes(classes), _) => {
                bad("class", format!("it needs one that is below {classes}"))
            }
            (Leads::Tokens(count), _) => bad("prefix", format!("it needs {count} tokens")),
            (Leads::Nothing, _) => bad("class", "it knows none".to_owned()),
        };
        conditions.iter().map(one).collect()
    }

    /// (B, L, C) of tokens whose first is at place `first`.
    fn embed(&self, tokens: &[&[u32]], first: usize) -> Result<Tensor> {
        let rows = rows_of(&self.tokens, "tokens", tokens)?;
        let count = rows.dim(1)?;
        if first + count > self.config.block_size {
            let reason = format!("place {} of {}", first + count, self.config.block_size);
            return Err(EngineError::bad_input("tokens", reason, "the picture is full"));
        }
        Ok(rows.broadcast_add(&self.places.narrow(1, first, count)?)?)
    }

    /// Blocks over a sequence from its beginning.
    fn run(&self, mut x: Tensor, mut caches: Option<&mut [KvCache]>) -> Result<Tensor> {
        let count = x.dim(1)?;
        let mut groups = vec![1; count];
        if self.unmasked > 1 {
            groups.splice(..self.unmasked, [self.unmasked]);
        }
        for (at, block) in self.blocks.iter().enumerate() {
            let cache = caches.as_deref_mut().and_then(|caches| caches.get_mut(at));
            x = block.forward(&x, Mask::BlockCausal(&groups), cache)?;
        }
        Ok(x)
    }

    fn logits_of(&self, x: &Tensor) -> Result<Tensor> {
        self.head.forward(&self.norm.forward(&x.contiguous()?)?)
    }
}

/// How many places, from the first, see each other: what the first row of a block's mask says; 0 where it says
/// nothing beyond the usual.
fn unmasked(block_size: usize, attention: &Weights) -> Result<usize> {
    if !attention.contains("mask") {
        return Ok(0);
    }
    let init = Init::Constant(0.0);
    let mask = attention.buffer(&[1, 1, block_size, block_size], "mask", init)?;
    let row = mask.flatten_all()?;
    let row = row.narrow(0, 0, block_size.min(row.elem_count()))?.to_vec1::<f32>()?;
    let seen = row.iter().filter(|x| **x != 0.0).count();
    Ok(if seen > 1 { seen } else { 0 })
}

impl RasterNetwork for Taming {
    fn sub_tokens(&self) -> Vec<u32> {
        vec![self.config.codes as u32]
    }

    fn begin(&self, batch: usize) -> Result<Reading> {
        let NetworkSize { dim, heads, .. } = self.config.network;
        let places = self.config.before() + self.config.side * self.config.side - 1;
        let cache = |_: &Block| KvCache::new((batch, heads, dim / heads), places, &self.device);
        Ok(Reading::new(self.blocks.iter().map(cache).collect::<Result<_>>()?))
    }

    fn next_logits(
        &self,
        last: Option<&[u32]>,
        conditions: Conditions<'_>,
        reading: &mut Reading,
    ) -> Result<Tensor> {
        let x = match last {
            None => {
                let before = self.before(conditions)?;
                let before: Vec<&[u32]> = before.iter().map(Vec::as_slice).collect();
                self.run(self.embed(&before, 0)?, Some(&mut reading.caches))?
            }
            Some(last) => {
                let last: Vec<&[u32]> = last.iter().map(std::slice::from_ref).collect();
                let place = self.config.before() + reading.read() - 1;
                let mut x = self.embed(&last, place)?;
                for (block, cache) in self.blocks.iter().zip(&mut reading.caches) {
                    x = block.forward(&x, Mask::Causal, Some(cache))?;
                }
                x
            }
        };
        reading.advance();
        let count = x.dim(1)?;
        Ok(self.logits_of(&x.narrow(1, count - 1, 1)?)?.squeeze(1)?)
    }

    fn logits(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Vec<Tensor>> {
        let mut all = self.before(conditions)?;
        for (before, row) in all.iter_mut().zip(tokens) {
            before.extend(row.iter().take(row.len().saturating_sub(1)));
        }
        let all: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
        let x = self.run(self.embed(&all, 0)?, None)?;
        let count = tokens.first().map_or(0, |row| row.len());
        Ok(vec![self.logits_of(&x.narrow(1, self.config.before() - 1, count)?)?])
    }
}
