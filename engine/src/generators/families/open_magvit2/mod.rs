//! Open-MAGVIT2's generator: each token of 2^18 codes is told as two sub-tokens.
//!
//! Source: Luo et al., arXiv 2409.04410, and its code (TencentARC/SEED-Voken), whose names the tensors have. Blocks
//! over the picture (as LlamaGen's) tell what each place knows; a small stack over two places, that and the
//! first sub-token, tells first the one and then the other. So a token's probability is a product of two.

mod family;

use candle_core::{Device, Tensor};

use super::rotary::{BlockSize, Rms, RotaryBlock, Turns, caches, through};
use super::rows::rows_of;
use super::within;
use crate::generators::condition::{Condition, Conditions};
use crate::generators::config::NetworkSize;
use crate::generators::ways::{RasterNetwork, Reading, split};
use crate::layers::{Init, Linear, Weights};
use crate::{EngineError, Result};

pub(super) use family::OpenMagvit2Ar;

/// What it is before it has weights.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenMagvit2Config {
    /// Of the blocks over the picture.
    network: NetworkSize,
    /// Blocks of the stack over sub-tokens.
    factorized_layers: usize,
    /// Width inside SwiGLU.
    hidden: usize,
    /// Values of the two sub-tokens.
    sub_tokens: [usize; 2],
    /// Tokens along a side.
    side: usize,
    classes: usize,
    rope_base: f64,
    norm_eps: f64,
}

impl OpenMagvit2Config {
    fn block(&self) -> BlockSize {
        BlockSize { network: self.network, hidden: self.hidden, eps: self.norm_eps }
    }

    fn validate(&self) -> Result<()> {
        self.block().validate()?;
        within("factorized_n_layer", self.factorized_layers, 1, 64)?;
        for size in self.sub_tokens {
            within("factorized_bits", size, 2, 1 << 13)?;
        }
        within("block_size", self.side, 1, 128)?;
        within("class_num", self.classes, 0, 1 << 20)?;
        if self.rope_base > 1.0 && self.rope_base.is_finite() {
            return Ok(());
        }
        let reason = format!("{} is not above 1", self.rope_base);
        Err(EngineError::bad_input("rope_base", reason, "usual: 10000"))
    }
}

/// The network.
#[derive(Debug)]
struct OpenMagvit2 {
    config: OpenMagvit2Config,
    classes: Tensor,
    pre: Tensor,
    post: Tensor,
    spatial: Vec<RotaryBlock>,
    factorized: Vec<RotaryBlock>,
    norm: Rms,
    heads: [Linear; 2],
    turns: Turns,
    device: Device,
}

impl OpenMagvit2 {
    fn new(config: &OpenMagvit2Config, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let NetworkSize { layers, dim, .. } = config.network;
        let size = config.block();
        let init = Init::Normal(0.02);
        let [pre, post] = config.sub_tokens;
        let table = |name: &str, rows| weights.pp(name).get(&[rows, dim], "weight", init);
        let head =
            |at: usize, outputs| Linear::without_bias(&weights.pp("head").pp(at), (dim, outputs));
        let blocks = |name: &str, count: usize| {
            let block = |at| RotaryBlock::new(&weights.pp(name).pp(at), &size);
            (0..count).map(block).collect::<Result<Vec<_>>>()
        };
        // Follows from the sizes.
        weights.skip("freqs_cis");
        let device = weights.device();
        Ok(Self {
            classes: table("class_emb.embedding_table", config.classes + 1)?,
            pre: table("pre_emb", pre)?,
            post: table("post_emb", post)?,
            spatial: blocks("spatial_blocks", layers)?,
            factorized: blocks("factorized_blocks", config.factorized_layers)?,
            norm: Rms::new(&weights.pp("norm"), &size)?,
            heads: [head(0, pre)?, head(1, post)?],
            turns: Turns::new(1, config.side, size.head(), config.rope_base, device)?,
            device: device.clone(),
            config: config.clone(),
        })
    }

    fn sizes(&self) -> [u32; 2] {
        self.config.sub_tokens.map(|size| size as u32)
    }

    /// The class, (B, 1, C).
    fn prefix(&self, conditions: Conditions<'_>) -> Result<Tensor> {
        let none = (self.classes.dim(0)? - 1) as u32;
        let class = |condition: &Condition| match condition {
            Condition::Nothing => Ok([none]),
            Condition::Class(class) if *class < none => Ok([*class]),
            Condition::Class(class) => {
                let reason = format!("{class} is not below {none}");
                Err(EngineError::bad_input("class", reason, ""))
            }
            _ => Err(EngineError::bad_input("condition", "it takes classes", "")),
        };
        let classes = conditions.iter().map(class).collect::<Result<Vec<_>>>()?;
        let classes: Vec<&[u32]> = classes.iter().map(<[u32; 1]>::as_slice).collect();
        rows_of(&self.classes, "class", &classes)
    }

    /// Sequences of tokens, (B, L, C): the sum of what their sub-tokens are.
    fn embed(&self, tokens: &[&[u32]]) -> Result<Tensor> {
        let part = |at: usize| -> Vec<Vec<u32>> {
            let own = |row: &&[u32]| row.iter().map(|t| split(*t, &self.sizes())[at]).collect();
            tokens.iter().map(own).collect()
        };
        let rows = |table: &Tensor, lists: Vec<Vec<u32>>| {
            let lists: Vec<&[u32]> = lists.iter().map(Vec::as_slice).collect();
            rows_of(table, "tokens", &lists)
        };
        Ok((rows(&self.pre, part(0))? + rows(&self.post, part(1))?)?)
    }

    /// Logits of a sub-token at the last place of the small stack: what a place knows (B, 1, C), and behind it the
    /// first sub-token where that is known.
    fn sub(&self, context: &Tensor, first: Option<Tensor>) -> Result<Tensor> {
        let (x, head) = match first {
            None => (context.clone(), &self.heads[0]),
            Some(first) => (Tensor::cat(&[context, &first], 1)?, &self.heads[1]),
        };
        let count = x.dim(1)?;
        let x = through(&self.factorized, x, &self.turns.part(0, count)?, None)?;
        let last = x.narrow(1, count - 1, 1)?.contiguous()?;
        Ok(head.forward(&self.norm.forward(&last)?)?.squeeze(1)?)
    }
}

impl RasterNetwork for OpenMagvit2 {
    fn sub_tokens(&self) -> Vec<u32> {
        self.sizes().to_vec()
    }

    fn begin(&self, batch: usize) -> Result<Reading> {
        let places = self.config.side * self.config.side;
        let size = self.config.block();
        let all = caches(self.spatial.len(), &size, (batch, places), &self.device)?;
        Ok(Reading::new(all))
    }

    fn next_logits(
        &self,
        last: Option<&[u32]>,
        conditions: Conditions<'_>,
        reading: &mut Reading,
    ) -> Result<Tensor> {
        let x = match last {
            None => self.prefix(conditions)?,
            Some(last) => {
                let last: Vec<&[u32]> = last.iter().map(std::slice::from_ref).collect();
                self.embed(&last)?
            }
        };
        let turns = self.turns.part(reading.read(), 1)?;
        let known = through(&self.spatial, x, &turns, Some(&mut reading.caches))?;
        let logits = self.sub(&known, None)?;
        reading.context = Some(known);
        reading.advance();
        Ok(logits)
    }

    fn sub_logits(&self, drawn: &[&[u32]], reading: &mut Reading) -> Result<Tensor> {
        let (&[pre], Some(context)) = (drawn, &reading.context) else {
            let reason = format!("{} sub-tokens of two are known", drawn.len());
            return Err(EngineError::bad_input("network", reason, ""));
        };
        let pre: Vec<&[u32]> = pre.iter().map(std::slice::from_ref).collect();
        self.sub(context, Some(rows_of(&self.pre, "sub-tokens", &pre)?))
    }

    fn logits(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Vec<Tensor>> {
        let known: Vec<&[u32]> =
            tokens.iter().map(|row| &row[..row.len().saturating_sub(1)]).collect();
        let x = Tensor::cat(&[self.prefix(conditions)?, self.embed(&known)?], 1)?;
        let (b, n, c) = x.dims3()?;
        let known = through(&self.spatial, x, &self.turns.part(0, n)?, None)?;
        let places = known.reshape((b * n, 1, c))?;
        let pre: Vec<u32> =
            tokens.iter().flat_map(|row| row.iter().map(|t| split(*t, &self.sizes())[0])).collect();
        let pre: Vec<&[u32]> = pre.iter().map(std::slice::from_ref).collect();
        let first = self.sub(&places, None)?;
        let second = self.sub(&places, Some(rows_of(&self.pre, "tokens", &pre)?))?;
        let [pre, post] = self.config.sub_tokens;
        Ok(vec![first.reshape((b, n, pre))?, second.reshape((b, n, post))?])
    }
}
