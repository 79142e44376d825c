//! Residual vector quantization: a codebook for the latents, another for what the first one missed, and
//! so on. Each level is a part of the tokens; the first ones alone give the latents more coarsely.
//!
//! Sources: Zeghidour et al., SoundStream, arXiv 2107.03312, algorithm 1; Lee et al., RQ-VAE, arXiv
//! 2203.01941; vector-quantize-pytorch, whose levels pass their gradients on one by one.

use candle_core::Tensor;

use super::vq::{Vq, VqConfig};
use super::{Book, Observed, Pass, Place, Quantized, Quantizer};
use crate::layers::Weights;
use crate::tokens::PartShape;
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
        self.vq.validate(dim)?;
        let numbers = (self.vq.codes as usize).saturating_mul(dim).saturating_mul(self.levels);
        if numbers > 1 << 28 {
            let (levels, codes) = (self.levels, self.vq.codes);
            let reason = format!("{levels} levels of {codes} codes of {dim} channels are too many");
            return Err(EngineError::bad_input("levels", reason, "at most 2^28 numbers in all"));
        }
        Ok(())
    }

    /// In words, such as "residual VQ of 4 levels, EMA".
    pub fn words(&self) -> String {
        let vq = self.vq.words();
        format!("residual VQ of {} levels, {}", self.levels, vq.trim_start_matches("VQ, "))
    }
}

/// Residual vector quantization.
#[derive(Debug)]
pub struct ResidualVq {
    levels: Vec<Vq>,
    books: Vec<Book>,
}

impl ResidualVq {
    /// For latents of `dim` channels; the tensors of [`Vq`] below `layers.{level}`.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    pub fn new(config: &ResidualVqConfig, dim: usize, weights: &Weights) -> Result<Self> {
        config.validate(dim)?;
        let level = |level| Vq::new(&config.vq, dim, &weights.pp(format!("layers.{level}")));
        let books = vec![Book::of_vectors(config.vq.codes, dim); config.levels];
        Ok(Self { levels: (0..config.levels).map(level).collect::<Result<_>>()?, books })
    }

    /// What each level makes of what the ones before it missed, for latents (B, D, h, w).
    ///
    /// # Errors
    /// If the latents have another number of channels or are not finite.
    pub fn quantize_levels(&self, latents: &Tensor, pass: Pass) -> Result<Vec<Quantized>> {
        let mut missed = latents.clone();
        let mut found = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            let quantized = level.quantize(&missed, pass)?;
            missed = (&missed - quantized.latents.detach())?;
            found.push(quantized);
        }
        Ok(found)
    }
}

impl Quantizer for ResidualVq {
    fn books(&self) -> &[Book] {
        &self.books
    }

    fn layout(&self, rows: usize, columns: usize) -> Vec<PartShape> {
        let part = |book| PartShape { book: book as u16, ..PartShape::grid(rows, columns) };
        (0..self.levels.len()).map(part).collect()
    }

    fn entries(&self, book: u16) -> Result<Option<Tensor>> {
        match self.levels.get(usize::from(book)) {
            Some(level) => level.entries(0),
            None => Ok(None),
        }
    }

    fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<Quantized> {
        let found = self.quantize_levels(latents, pass)?;
        let sum = total(found.iter().map(|level| &level.latents))?;
        let mut losses: Vec<(&'static str, Tensor)> = Vec::new();
        for (name, loss) in found.iter().flat_map(|level| &level.losses) {
            match losses.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum = (&*sum + loss)?,
                None => losses.push((name, loss.clone())),
            }
        }
        let codes = found.into_iter().flat_map(|level| level.codes).collect();
        Ok(Quantized { latents: sum, codes, losses })
    }

    fn decode(&self, codes: &[Tensor]) -> Result<Tensor> {
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
        let parts = codes.iter().zip(&self.levels);
        let parts = parts.map(|(codes, level)| level.decode(std::slice::from_ref(codes)));
        total(parts.collect::<Result<Vec<_>>>()?.iter())
    }

    fn observe(&mut self, latents: &Tensor, codes: &[Tensor], place: Place) -> Result<Observed> {
        let mut missed = latents.detach();
        let mut restarted = 0;
        for (at, (level, codes)) in self.levels.iter_mut().zip(codes.chunks(1)).enumerate() {
            // By the codes as they were chosen, not as they are after learning.
            let chosen = level.decode(codes)?;
            let place = Place { seed: own_seed(place.seed, at), ..place };
            restarted += level.observe(&missed, codes, place)?.restarted;
            missed = (missed - chosen)?;
        }
        Ok(Observed { restarted })
    }

    fn start_from(&mut self, latents: &Tensor, seed: u64) -> Result<()> {
        let mut missed = latents.detach();
        for (at, level) in self.levels.iter_mut().enumerate() {
            level.start_from(&missed, own_seed(seed, at))?;
            missed = (&missed - level.quantize(&missed, Pass::Inference)?.latents)?;
        }
        Ok(())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
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
