//! Quantizers: latents become codes and come back, one file a rule.

pub mod bits;
pub mod bsq;
pub mod entropy;
pub mod fsq;
pub mod fsq_entropy;
pub mod fsq_residual;
pub mod gumbel;
pub mod ibq;
pub mod kmeans;
pub mod lfq;
pub mod multiscale;
pub mod residual;
pub mod rotation;
pub mod rows;
pub mod simvq;
#[cfg(test)]
mod tests;
pub mod vq;
mod vq_entropy;
mod vq_learn;

pub use bits::BitOrder;
pub use bsq::Bsq;
pub use entropy::LogFloor;
pub use fsq::{Fsq, FsqBound, FsqConfig};
pub use fsq_residual::{ResidualFsq, ResidualQuantized};
pub use gumbel::{Gumbel, GumbelConfig};
pub use ibq::{Ibq, IbqConfig};
pub use lfq::{Lfq, LfqConfig};
pub use multiscale::{MultiScale, MultiScaleConfig, Scale};
pub use residual::{ResidualVq, ResidualVqConfig};
pub use rotation::Through;
pub use simvq::{SimVq, SimVqConfig};
pub use vq::{BetaPlacement, CodebookStart, CodebookUpdate, Vq, VqConfig};

use candle_core::Tensor;

use crate::layers::Weights;
use crate::tokens::PartShape;
use crate::{EngineError, Result};

/// Which rule, with its settings.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum QuantizerConfig {
    /// The nearest vector of a learned codebook.
    Vq(VqConfig),
    /// Each channel rounded to a few levels; no codebook.
    Fsq(FsqConfig),
    /// The sign of each channel.
    Lfq(LfqConfig),
    /// The sign of each channel, on a sphere.
    Bsq(LfqConfig),
    /// A codebook, another for what it missed, and so on.
    Residual(ResidualVqConfig),
    /// The vector of a learned codebook with the largest product.
    Ibq(IbqConfig),
    /// The nearest vector of a frozen codebook that a learned matrix moves.
    SimVq(SimVqConfig),
    /// The best of learned logits, drawn in training.
    Gumbel(GumbelConfig),
}

impl QuantizerConfig {
    /// Checks the settings for codes of `dim` channels, before anything is allocated.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self, dim: usize) -> Result<()> {
        match self {
            Self::Vq(config) => config.validate(dim),
            Self::Fsq(config) => config.validate(dim),
            Self::Lfq(config) | Self::Bsq(config) => config.validate(dim),
            Self::Residual(config) => config.validate(dim),
            Self::Ibq(config) => config.validate(dim),
            Self::SimVq(config) => config.validate(dim),
            Self::Gumbel(config) => config.validate(dim),
        }
    }

    /// In words, such as "VQ, EMA" or "FSQ 8,5,5,5"; `dim` is the channels of a code.
    pub fn words(&self, dim: usize) -> String {
        match self {
            Self::Vq(config) => config.words(),
            Self::Fsq(config) => config.words(),
            Self::Lfq(_) => format!("LFQ, {dim} bits"),
            Self::Bsq(_) => format!("BSQ, {dim} bits"),
            Self::Residual(config) => config.words(),
            Self::Ibq(_) => "IBQ".to_owned(),
            Self::SimVq(_) => "SimVQ".to_owned(),
            Self::Gumbel(_) => "Gumbel".to_owned(),
        }
    }

    /// The levels of an FSQ code, lowest digit first; empty for other rules.
    pub fn levels(&self) -> Vec<u32> {
        match self {
            Self::Fsq(config) => config.levels.clone(),
            _ => Vec::new(),
        }
    }

    /// Numbers of codebooks of `dim` channels that no gradient trains, but moving averages.
    pub fn averaged(&self, dim: usize) -> usize {
        let (vq, books) = match self {
            Self::Vq(vq) => (vq, 1),
            Self::Residual(residual) => (&residual.vq, residual.levels),
            _ => return 0,
        };
        let ema = vq.update == CodebookUpdate::Ema;
        if ema { books * vq.codes as usize * dim } else { 0 }
    }

    /// Whether the first few parts alone decode to something: residual levels.
    pub fn has_prefixes(&self) -> bool {
        matches!(self, Self::Residual(_))
    }
}

/// Makes the quantizer of a configuration for codes of `dim` channels.
pub fn build(
    config: &QuantizerConfig,
    dim: usize,
    weights: &Weights,
) -> Result<Box<dyn Quantizer>> {
    config.validate(dim)?;
    let device = weights.device();
    Ok(match config {
        QuantizerConfig::Vq(config) => Box::new(Vq::new(config, dim, weights)?),
        QuantizerConfig::Fsq(config) => Box::new(Fsq::new(config, dim, device)?),
        QuantizerConfig::Lfq(config) => Box::new(Lfq::new(config, dim, device)?),
        QuantizerConfig::Bsq(config) => Box::new(Bsq::new(config, dim, device)?),
        QuantizerConfig::Residual(config) => Box::new(ResidualVq::new(config, dim, weights)?),
        QuantizerConfig::Ibq(config) => Box::new(Ibq::new(config, dim, weights)?),
        QuantizerConfig::SimVq(config) => Box::new(SimVq::new(config, dim, weights)?),
        QuantizerConfig::Gumbel(config) => Box::new(Gumbel::new(config, (dim, dim), weights)?),
    })
}

/// One codebook of a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Book {
    /// Number of codes, K.
    pub size: u32,
    /// Channels of a code, D.
    pub dim: usize,
    /// For codes that are digits, the levels of each, lowest digit first: FSQ's levels, twos for the
    /// bits of LFQ and BSQ; empty for codes without an inner order.
    pub levels: Vec<u32>,
}

impl Book {
    /// A codebook of learned vectors.
    pub fn of_vectors(size: u32, dim: usize) -> Self {
        Self { size, dim, levels: Vec::new() }
    }

    /// Whether each digit of a code is a bit.
    pub fn is_bits(&self) -> bool {
        !self.levels.is_empty() && self.levels.iter().all(|level| *level == 2)
    }

    /// The digits of a code, lowest first; empty for codes without an inner order.
    pub fn digits(&self, code: u32) -> Vec<u32> {
        let mut rest = code;
        let digit = |level: &u32| {
            let digit = rest % level;
            rest /= level;
            digit
        };
        self.levels.iter().map(digit).collect()
    }

    /// The code of digits, lowest first.
    pub fn code(&self, digits: &[u32]) -> u32 {
        let pairs = self.levels.iter().zip(digits).rev();
        pairs.fold(0, |code, (level, digit)| code * level + digit)
    }
}

/// Where in a run a training pass stands; addresses everything random in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The run's seed.
    pub seed: u64,
    /// The step.
    pub step: u32,
    /// Which picture of the step's batch is the first in this call (micro-batches).
    pub first_picture: u32,
}

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Tokens only: no losses, no noise, no gradient.
    Inference,
    /// Training, there.
    Training(Place),
}

impl Pass {
    /// Training at the beginning of a run, for tests and figures.
    pub const FIRST: Self = Self::Training(Place { seed: 0, step: 0, first_picture: 0 });

    /// Whether losses, noise and gradients are wanted.
    pub fn is_training(self) -> bool {
        matches!(self, Self::Training(_))
    }
}

/// What a quantizer gives for latents (B, D, H, W).
#[derive(Debug)]
pub struct Quantized {
    /// The quantized latents, (B, D, H, W): in training with the straight-through gradient,
    /// otherwise exactly what [`Quantizer::decode`] gives, without a gradient.
    pub latents: Tensor,
    /// The codes of each part, (B, rows, columns) u32, each below its book's size.
    pub codes: Vec<Tensor>,
    /// Losses of the quantizer by name, scalars, already weighted; empty where there are none.
    pub losses: Vec<(&'static str, Tensor)>,
}

/// What [`Quantizer::observe`] did to the codebook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observed {
    /// Dead codes that were replaced by latents of the batch.
    pub restarted: usize,
}

/// A rule that maps latents to codes and codes to latents.
pub trait Quantizer: std::fmt::Debug + Send + Sync {
    /// Its codebooks; at least one.
    fn books(&self) -> &[Book];
    /// The parts of latents of that many rows and columns; one plane of the first book by default.
    fn layout(&self, rows: usize, columns: usize) -> Vec<PartShape> {
        vec![PartShape::grid(rows, columns)]
    }
    /// The vectors of a book, (K, D), where it has vectors that can be listed.
    fn entries(&self, book: u16) -> Result<Option<Tensor>>;
    /// Quantizes (B, D, H, W). Training adds the losses and training-time noise.
    fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<Quantized>;
    /// The latents (B, D, H, W) of the codes of each part, (B, rows, columns) u32. Rules whose parts
    /// add up take the first few of them as well.
    ///
    /// # Errors
    /// [`crate::EngineError`] if parts are missing or a code is outside of its book.
    fn decode(&self, codes: &[Tensor]) -> Result<Tensor>;
    /// Learns from a training batch outside of the gradient: initialization from data, EMA of the
    /// codebook, restart of dead codes. `latents` are those before quantization, (B, D, H, W);
    /// `codes` those of each part. Call after the optimizer's step. Does nothing by default.
    fn observe(&mut self, _latents: &Tensor, _codes: &[Tensor], _place: Place) -> Result<Observed> {
        Ok(Observed::default())
    }
    /// Prepares the codebook from the first batch's latents (B, D, H, W); does nothing by default.
    fn start_from(&mut self, _latents: &Tensor, _seed: u64) -> Result<()> {
        Ok(())
    }
    /// State that is saved with the weights but is no parameter, by full name: EMA sums and counts,
    /// and the codebook itself where no gradient trains it.
    fn state(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }
}

/// The codes of a rule with one part.
///
/// # Errors
/// [`EngineError::Shape`] if there are none or several.
pub fn only(codes: &[Tensor]) -> Result<&Tensor> {
    match codes {
        [codes] => Ok(codes),
        other => Err(EngineError::Shape {
            what: "codes".to_owned(),
            expected: "one part".to_owned(),
            found: vec![other.len()],
        }),
    }
}
