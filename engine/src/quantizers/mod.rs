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
mod knobs;
pub mod lfq;
pub mod multiscale;
mod multiscale_learn;
pub mod residual;
mod resized;
pub mod rotation;
pub mod rows;
mod rule;
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
pub use rule::{Book, Observed, Pass, Place, Quantized, Quantizer, only};
pub use simvq::{SimVq, SimVqConfig};
pub use vq::{BetaPlacement, CodebookStart, CodebookUpdate, Vq, VqConfig};

use crate::Result;
use crate::layers::Weights;

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
    /// The codes of a few places first, then of more and more, for what those before them missed.
    MultiScale(MultiScaleConfig),
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
            Self::MultiScale(config) => config.validate(dim),
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
            Self::MultiScale(config) => config.words(),
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

    /// Codes of the first part, of latents of `dim` channels; what is beyond a u64 counts as the largest.
    pub fn codes(&self, dim: usize) -> u64 {
        match self {
            Self::Vq(config) => config.codes.into(),
            Self::Residual(config) => config.vq.codes.into(),
            Self::SimVq(config) => config.codes.into(),
            Self::Ibq(config) => config.n_embed.into(),
            Self::Gumbel(config) => config.n_embed.into(),
            Self::MultiScale(config) => config.vocab_size.into(),
            Self::Fsq(config) => {
                config.levels.iter().fold(1, |n: u64, level| n.saturating_mul((*level).into()))
            }
            Self::Lfq(_) | Self::Bsq(_) => {
                u32::try_from(dim).ok().and_then(|dim| 1_u64.checked_shl(dim)).unwrap_or(u64::MAX)
            }
        }
    }

    /// Whether the first few parts alone decode to something: scales and residual levels.
    pub fn has_prefixes(&self) -> bool {
        matches!(self, Self::Residual(_) | Self::MultiScale(_))
    }

    /// The side of the latents, where they have one size.
    pub fn side(&self) -> Option<usize> {
        match self {
            Self::MultiScale(config) => Some(config.side()),
            _ => None,
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
    let device = weights.device();
    Ok(match config {
        QuantizerConfig::Vq(config) => Box::new(Vq::new(config, dim, weights)?),
        QuantizerConfig::Fsq(config) => Box::new(Fsq::new(config, dim, device)?),
        QuantizerConfig::Lfq(config) => Box::new(Lfq::new(config, dim, device)?),
        QuantizerConfig::Bsq(config) => Box::new(Bsq::new(config, dim, device)?),
        QuantizerConfig::Residual(config) => Box::new(ResidualVq::new(config, dim, weights)?),
        QuantizerConfig::Ibq(config) => Box::new(Ibq::new(config, dim, weights)?),
        QuantizerConfig::SimVq(config) => Box::new(SimVq::new(config, dim, weights)?),
        QuantizerConfig::MultiScale(config) => Box::new(MultiScale::new(config, dim, weights)?),
        QuantizerConfig::Gumbel(config) => Box::new(Gumbel::new(config, (dim, dim), weights)?),
    })
}
