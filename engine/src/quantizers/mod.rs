//! Quantizers: latents become codes and come back, one file a rule.

pub mod fsq;
pub mod fsq_entropy;
pub mod fsq_residual;
pub mod multiscale;
pub mod rows;
#[cfg(test)]
mod tests;
pub mod vq;
mod vq_learn;

pub use fsq::{Fsq, FsqBound, FsqConfig};
pub use fsq_residual::{ResidualFsq, ResidualQuantized};
pub use multiscale::{MultiScale, MultiScaleConfig, Scale, Scales};
pub use vq::{BetaPlacement, CodebookStart, CodebookUpdate, Vq, VqConfig};

use candle_core::Tensor;

use crate::Result;
use crate::layers::Weights;

/// Which rule, with its settings.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum QuantizerConfig {
    /// The nearest vector of a learned codebook.
    Vq(VqConfig),
    /// Each channel rounded to a few levels; no codebook.
    Fsq(FsqConfig),
}

impl QuantizerConfig {
    /// Number of codes, K; 0 if it does not fit.
    pub fn codebook_size(&self) -> u32 {
        match self {
            Self::Vq(config) => config.codes,
            Self::Fsq(config) => config.codebook_size().unwrap_or(0),
        }
    }

    /// Checks the settings for codes of `dim` channels, before anything is allocated.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self, dim: usize) -> Result<()> {
        match self {
            Self::Vq(config) => config.validate(dim),
            Self::Fsq(config) => config.validate(dim),
        }
    }

    /// In words, such as "VQ, EMA" or "FSQ 8,5,5,5".
    pub fn words(&self) -> String {
        match self {
            Self::Vq(config) => config.words(),
            Self::Fsq(config) => config.words(),
        }
    }

    /// The levels of an FSQ code, lowest digit first; empty for other rules.
    pub fn levels(&self) -> Vec<u32> {
        match self {
            Self::Vq(_) => Vec::new(),
            Self::Fsq(config) => config.levels.clone(),
        }
    }
}

/// Makes the quantizer of a configuration for codes of `dim` channels.
pub fn build(
    config: &QuantizerConfig,
    dim: usize,
    weights: &Weights,
) -> Result<Box<dyn Quantizer>> {
    config.validate(dim)?;
    Ok(match config {
        QuantizerConfig::Vq(config) => Box::new(Vq::new(config, dim, weights)?),
        QuantizerConfig::Fsq(config) => Box::new(Fsq::new(config, dim, weights.device())?),
    })
}

/// What a quantizer gives for latents (B, D, H, W).
#[derive(Debug)]
pub struct Quantized {
    /// The quantized latents, (B, D, H, W): in training with the straight-through gradient,
    /// otherwise exactly what [`Quantizer::decode`] gives, without a gradient.
    pub latents: Tensor,
    /// The codes, (B, H, W) u32, each below the codebook's size.
    pub codes: Tensor,
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
    /// Number of codes, K.
    fn codebook_size(&self) -> u32;
    /// Channels of a code, D.
    fn code_dim(&self) -> usize;
    /// The codebook as vectors, (K, D), where it exists or can be listed.
    fn codebook(&self) -> Result<Option<Tensor>>;
    /// Quantizes (B, D, H, W). `training` adds the losses and training-time noise.
    fn quantize(&self, latents: &Tensor, training: bool) -> Result<Quantized>;
    /// The latents (B, D, H, W) of codes (B, H, W) u32.
    fn decode(&self, codes: &Tensor) -> Result<Tensor>;
    /// Says where in a run the next training call of [`Quantizer::quantize`] stands, for rules that
    /// draw noise there: the run's seed, the step, and which picture of the step's batch is the
    /// first in the call (micro-batches). Does nothing by default.
    fn prepare(&mut self, _seed: u64, _step: u32, _first_picture: u32) {}
    /// Learns from a training batch outside of the gradient: initialization from data, EMA of the
    /// codebook, restart of dead codes. `latents` are those before quantization, (B, D, H, W);
    /// `codes` (B, H, W); `seed` and `step` address the noise. Call after the optimizer's step.
    fn observe(
        &mut self,
        latents: &Tensor,
        codes: &Tensor,
        seed: u64,
        step: u32,
    ) -> Result<Observed>;
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
