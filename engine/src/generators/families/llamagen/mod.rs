//! LlamaGen: a decoder like Llama that writes the tokens of a picture, led by a class or a caption.
//!
//! Source: Sun et al., arXiv 2406.06525, and its code (FoundationVision/LlamaGen), whose names the tensors have. A
//! class is one place before the tokens, a caption a place for each row of its features.

mod family;

use candle_core::{Device, Tensor};

use super::rotary::{BlockSize, Rms, RotaryBlock, Turns, caches, through};
use super::rows::rows_of;
use super::within;
use crate::generators::condition::{Caption, Condition, Conditions};
use crate::generators::config::NetworkSize;
use crate::generators::ways::{RasterNetwork, Reading};
use crate::layers::{Init, Linear, Weights};
use crate::{EngineError, Result};

pub(super) use family::LlamaGenBy;

/// What leads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Leads {
    /// So many classes.
    Classes(usize),
    /// Captions of at most so many rows of so many features.
    Captions { rows: usize, dim: usize },
}

/// What a LlamaGen is before it has weights.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LlamaGenConfig {
    network: NetworkSize,
    /// Width inside SwiGLU.
    hidden: usize,
    /// Codes of the tokenizer's book.
    codes: usize,
    /// Tokens along a side.
    side: usize,
    leads: Leads,
    rope_base: f64,
    norm_eps: f64,
}

impl LlamaGenConfig {
    fn block(&self) -> BlockSize {
        BlockSize { network: self.network, hidden: self.hidden, eps: self.norm_eps }
    }

    fn validate(&self) -> Result<()> {
        self.block().validate()?;
        within("vocab_size", self.codes, 2, 1 << 24)?;
        within("block_size", self.side, 1, 128)?;
        match self.leads {
            Leads::Classes(classes) => within("num_classes", classes, 0, 1 << 20)?,
            Leads::Captions { rows, dim } => {
                within("cls_token_num", rows, 1, 4096)?;
                within("caption_dim", dim, 1, 1 << 16)?;
            }
        }
        if self.rope_base > 1.0 && self.rope_base.is_finite() {
            return Ok(());
        }
        let reason = format!("{} is not above 1", self.rope_base);
        Err(EngineError::bad_input("rope_base", reason, "usual: 10000"))
    }

    /// Places before the first token.
    fn before(&self) -> usize {
        if let Leads::Captions { rows, .. } = self.leads { rows } else { 1 }
    }
}

/// What stands before the tokens.
#[derive(Debug)]
enum Prefix {
    /// A row a class, and one for none, (classes + 1, C).
    Classes(Tensor),
    /// Features to rows, and those of no caption, (rows, dim).
    Captions { fc1: Linear, fc2: Linear, none: Tensor },
}

/// The network.
#[derive(Debug)]
struct LlamaGen {
    config: LlamaGenConfig,
    prefix: Prefix,
    tokens: Tensor,
    blocks: Vec<RotaryBlock>,
    norm: Rms,
    output: Linear,
    turns: Turns,
    device: Device,
}

impl LlamaGen {
    fn new(config: &LlamaGenConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let NetworkSize { layers, dim, .. } = config.network;
        let size = config.block();
        let init = Init::Normal(0.02);
        let leads = weights.pp("cls_embedding");
        let prefix = match config.leads {
            Leads::Classes(classes) => {
                let table = leads.pp("embedding_table");
                Prefix::Classes(table.get(&[classes + 1, dim], "weight", init)?)
            }
            Leads::Captions { rows, dim: features } => Prefix::Captions {
                fc1: Linear::without_bias(&leads.pp("cap_proj").pp("fc1"), (features, dim))?,
                fc2: Linear::without_bias(&leads.pp("cap_proj").pp("fc2"), (dim, dim))?,
                none: leads.get(&[rows, features], "uncond_embedding", init)?,
            },
        };
        // Follow from the sizes.
        weights.skip("freqs_cis");
        weights.skip("causal_mask");
        let block = |at| RotaryBlock::new(&weights.pp("layers").pp(at), &size);
        let device = weights.device();
        Ok(Self {
            prefix,
            tokens: weights.pp("tok_embeddings").get(&[config.codes, dim], "weight", init)?,
            blocks: (0..layers).map(block).collect::<Result<_>>()?,
            norm: Rms::new(&weights.pp("norm"), &size)?,
            output: Linear::without_bias(&weights.pp("output"), (dim, config.codes))?,
            turns: Turns::new(config.before(), config.side, size.head(), config.rope_base, device)?,
            device: device.clone(),
            config: config.clone(),
        })
    }

    /// What stands before the tokens, (B, rows, C); the padding before a caption is left out, since nothing sees it.
    fn prefix(&self, conditions: Conditions<'_>) -> Result<Tensor> {
        match &self.prefix {
            Prefix::Classes(table) => {
                let none = (table.dim(0)? - 1) as u32;
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
                rows_of(table, "class", &classes)
            }
            Prefix::Captions { fc1, fc2, none } => {
                let (most, dim) = none.dims2()?;
                let features = |condition: &Condition| {
                    let rows = match condition {
                        Condition::Nothing => most,
                        Condition::Caption(caption) => caption.rows,
                        _ => 0,
                    };
                    if rows == 0 || rows > most {
                        let reason = format!("it takes captions of 1 to {most} rows");
                        return Err(EngineError::bad_input("caption", reason, ""));
                    }
                    match condition {
                        Condition::Caption(Caption { features: Some(own), .. }) => {
                            Ok(Tensor::from_slice(own, (1, rows, dim), &self.device)?)
                        }
                        // The last rows, where those of the caption stand.
                        _ => Ok(none.narrow(0, most - rows, rows)?.unsqueeze(0)?),
                    }
                };
                let all = conditions.iter().map(features).collect::<Result<Vec<_>>>()?;
                fc2.forward(&fc1.forward(&Tensor::cat(&all, 0)?.contiguous()?)?.gelu()?)
            }
        }
    }

    fn head(&self, x: &Tensor) -> Result<Tensor> {
        self.output.forward(&self.norm.forward(&x.contiguous()?)?)
    }
}

impl RasterNetwork for LlamaGen {
    fn sub_tokens(&self) -> Vec<u32> {
        vec![self.config.codes as u32]
    }

    fn begin(&self, batch: usize) -> Result<Reading> {
        // The last token is never read.
        let places = self.config.before() + self.config.side * self.config.side - 1;
        let size = self.config.block();
        let all = caches(self.blocks.len(), &size, (batch, places), &self.device)?;
        Ok(Reading::new(all))
    }

    fn next_logits(
        &self,
        last: Option<&[u32]>,
        conditions: Conditions<'_>,
        reading: &mut Reading,
    ) -> Result<Tensor> {
        let (x, first) = match last {
            None => {
                let x = self.prefix(conditions)?;
                let first = self.config.before() - x.dim(1)?;
                (x, first)
            }
            Some(last) => {
                let last: Vec<&[u32]> = last.iter().map(std::slice::from_ref).collect();
                let place = self.config.before() + reading.read() - 1;
                (rows_of(&self.tokens, "tokens", &last)?, place)
            }
        };
        let count = x.dim(1)?;
        let turns = self.turns.part(first, count)?;
        let x = through(&self.blocks, x, &turns, Some(&mut reading.caches))?;
        reading.advance();
        Ok(self.head(&x.narrow(1, count - 1, 1)?)?.squeeze(1)?)
    }

    fn logits(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Vec<Tensor>> {
        let prefix = self.prefix(conditions)?;
        let before = prefix.dim(1)?;
        let count = tokens.first().map_or(0, |row| row.len());
        let known: Vec<&[u32]> =
            tokens.iter().map(|row| &row[..row.len().saturating_sub(1)]).collect();
        let x = Tensor::cat(&[prefix, rows_of(&self.tokens, "tokens", &known)?], 1)?;
        let turns = self.turns.part(self.config.before() - before, x.dim(1)?)?;
        let x = through(&self.blocks, x, &turns, None)?;
        Ok(vec![self.head(&x.narrow(1, before - 1, count)?)?])
    }
}
