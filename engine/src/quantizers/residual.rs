//! Residual vector quantization: a codebook for the latents, another for what the first one missed, and
//! so on. Each level is a part of the tokens; the first ones alone give the latents more coarsely.
//!
//! Sources: Zeghidour et al., SoundStream, arXiv 2107.03312, algorithm 1; Lee et al., RQ-VAE, arXiv
//! 2203.01941; vector-quantize-pytorch, whose levels pass their gradients on one by one.

use candle_core::Tensor;

use super::pass::{InParts, Pass};
use super::vq::{Vq, VqConfig};
use super::{Observed, Quantized, Quantizer};
use crate::layers::Weights;
use crate::{EngineError, Result};

/// The most levels.
const MOST: usize = 64;

/// Settings of [`ResidualVq`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResidualVqConfig {
    /// Number of levels.
    pub levels: usize,
    /// What every level is.
    pub vq: VqConfig,
}

impl Default for ResidualVqConfig {
    fn default() -> Self {
        Self { levels: 4, vq: VqConfig::default() }
    }
}

impl ResidualVqConfig {
    /// Checks the settings for codes of `dim` channels.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self, dim: usize) -> Result<()> {
        if !(1..=MOST).contains(&self.levels) {
            let reason = format!("{} is not between 1 and {MOST}", self.levels);
            return Err(EngineError::bad_input("levels", reason, "four are usual"));
        }
        self.vq.validate(dim)
    }
}

/// Residual vector quantization.
#[derive(Debug)]
pub struct ResidualVq {
    levels: Vec<Vq>,
}

impl ResidualVq {
    /// For latents of `dim` channels; the tensors of [`Vq`] below `layers.{level}`.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    pub fn new(config: &ResidualVqConfig, dim: usize, weights: &Weights) -> Result<Self> {
        config.validate(dim)?;
        let level = |level| Vq::new(&config.vq, dim, &weights.pp(format!("layers.{level}")));
        Ok(Self { levels: (0..config.levels).map(level).collect::<Result<_>>()? })
    }

    /// Number of codes of each part.
    pub fn sizes(&self) -> Vec<u32> {
        self.levels.iter().map(Quantizer::codebook_size).collect()
    }

    /// What each level makes of what the ones before it missed, for latents (B, D, h, w).
    ///
    /// # Errors
    /// If the latents have another number of channels or are not finite.
    pub fn quantize_levels(&self, latents: &Tensor, pass: Pass) -> Result<Vec<Quantized>> {
        let mut missed = latents.clone();
        let mut found = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            let quantized = level.quantize(&missed, pass.is_training())?;
            missed = (&missed - quantized.latents.detach())?;
            found.push(quantized);
        }
        Ok(found)
    }

    /// Quantizes (B, D, h, w): the sum over levels, and a part for each.
    ///
    /// # Errors
    /// As [`ResidualVq::quantize_levels`].
    pub fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<InParts> {
        let found = self.quantize_levels(latents, pass)?;
        let sum = total(found.iter().map(|level| &level.latents))?;
        let mut losses: Vec<(&'static str, Tensor)> = Vec::new();
        for (name, loss) in found.iter().flat_map(|level| &level.losses) {
            match losses.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum = (&*sum + loss)?,
                None => losses.push((name, loss.clone())),
            }
        }
        let codes = found.into_iter().map(|level| level.codes).collect();
        Ok(InParts { latents: sum, codes, losses })
    }

    /// The latents (B, D, h, w) of the codes of the first levels, (B, h, w) u32 each; with fewer levels
    /// than there are, what these make of the picture.
    ///
    /// # Errors
    /// If there is no part or more than levels, parts differ in size, or a code is outside of its
    /// codebook.
    pub fn decode(&self, codes: &[Tensor]) -> Result<Tensor> {
        if codes.is_empty() || codes.len() > self.levels.len() {
            return Err(EngineError::bad_input(
                "levels of tokens",
                format!("{} of them for {} codebooks", codes.len(), self.levels.len()),
                "use tokens that were made with this tokenizer",
            ));
        }
        if let Some(other) = codes.iter().find(|part| part.dims() != codes[0].dims()) {
            return Err(EngineError::Shape {
                what: "a level of tokens".to_owned(),
                expected: format!("{:?} as the first", codes[0].dims()),
                found: other.dims().to_vec(),
            });
        }
        let parts = codes.iter().zip(&self.levels).map(|(codes, level)| level.decode(codes));
        total(parts.collect::<Result<Vec<_>>>()?.iter())
    }

    /// The codebook of a level, (K, D).
    pub fn entries(&self, level: u16) -> Result<Option<Tensor>> {
        match self.levels.get(usize::from(level)) {
            Some(level) => level.codebook(),
            None => Ok(None),
        }
    }

    /// Every level learns from what it was asked; see [`Quantizer::observe`].
    ///
    /// # Errors
    /// As [`ResidualVq::decode`].
    pub fn observe(
        &mut self,
        latents: &Tensor,
        codes: &[Tensor],
        seed: u64,
        step: u32,
    ) -> Result<Observed> {
        let mut missed = latents.detach();
        let mut restarted = 0;
        for (at, (level, codes)) in self.levels.iter_mut().zip(codes).enumerate() {
            // By the codes as they were chosen, not as they are after learning.
            let chosen = level.decode(codes)?;
            restarted += level.observe(&missed, codes, own_seed(seed, at), step)?.restarted;
            missed = (missed - chosen)?;
        }
        Ok(Observed { restarted })
    }

    /// Every codebook starts from what the ones before it miss; see [`Quantizer::start_from`].
    ///
    /// # Errors
    /// If the latents have another number of channels or are not finite.
    pub fn start_from(&mut self, latents: &Tensor, seed: u64) -> Result<()> {
        let mut missed = latents.detach();
        for (at, level) in self.levels.iter_mut().enumerate() {
            level.start_from(&missed, own_seed(seed, at))?;
            missed = (&missed - level.quantize(&missed, false)?.latents)?;
        }
        Ok(())
    }

    /// See [`Quantizer::state`].
    pub fn state(&self) -> Vec<(String, Tensor)> {
        self.levels.iter().flat_map(Quantizer::state).collect()
    }
}

/// Levels draw different latents of a batch.
fn own_seed(seed: u64, level: usize) -> u64 {
    seed.wrapping_add(level as u64)
}

fn total<'a>(mut parts: impl Iterator<Item = &'a Tensor>) -> Result<Tensor> {
    let first =
        parts.next().ok_or_else(|| EngineError::bad_input("levels", "there are none", ""))?;
    parts.try_fold(first.clone(), |sum, part| Ok((sum + part)?))
}
