//! Residual vector quantization: a codebook for the latents, another for what the first one missed, and
//! so on. Each level is a part of the tokens; the first ones alone give the latents more coarsely.
//!
//! Sources: Zeghidour et al., SoundStream, arXiv 2107.03312, algorithm 1; Lee et al., RQ-VAE, arXiv
//! 2203.01941; vector-quantize-pytorch, whose levels pass their gradients on one by one, and which draws the
//! number of levels once for a batch where we draw it for each picture, as Kumar et al., arXiv 2306.06546.

use candle_core::Tensor;

use super::vq::{Vq, VqConfig};
use super::{Book, Observed, Pass, Place, Quantized, Quantizer, only};
use crate::layers::Weights;
use crate::random::{Noise, Purpose};
use crate::tokens::PartShape;
use crate::{EngineError, Knob, Result};

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
    /// In training a number of levels is drawn for each picture, and later ones add nothing to it: so the
    /// first levels alone decode well, however many.
    pub quantize_dropout: bool,
}

impl Default for ResidualVqConfig {
    fn default() -> Self {
        Self { levels: 4, vq: VqConfig::default(), quantize_dropout: false }
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
    quantize_dropout: bool,
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
        let levels = (0..config.levels).map(level).collect::<Result<_>>()?;
        Ok(Self { levels, books, quantize_dropout: config.quantize_dropout })
    }

    /// What each level makes of what the ones before it missed, for latents (B, D, h, w). Levels beyond
    /// those that were drawn for a picture give zeros for it; codes are there all the same.
    ///
    /// # Errors
    /// If the latents have another number of channels or are not finite.
    pub fn quantize_levels(&self, latents: &Tensor, pass: Pass) -> Result<Vec<Quantized>> {
        let pictures = latents.dims().first().copied().unwrap_or_default();
        let drawn = match pass {
            Pass::Training(place) => self.parts_kept(pictures, place),
            Pass::Inference => None,
        };
        let mut missed = latents.clone();
        let mut found = Vec::with_capacity(self.levels.len());
        for (at, level) in self.levels.iter().enumerate() {
            let kept = drawn.as_deref().and_then(|drawn| kept_at(drawn, at));
            let mut quantized = level.quantize_kept(&missed, pass, kept.as_deref())?;
            missed = (&missed - quantized.latents.detach())?;
            if let Some(kept) = kept {
                let mask: Vec<f32> = kept.iter().map(|&kept| f32::from(u8::from(kept))).collect();
                let mask = Tensor::from_vec(mask, (pictures, 1, 1, 1), missed.device())?;
                quantized.latents = quantized.latents.broadcast_mul(&mask)?;
            }
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
        let drawn = self.parts_kept(latents.dim(0)?, place);
        let mut observed = Observed::default();
        for (at, (level, codes)) in self.levels.iter_mut().zip(codes.chunks(1)).enumerate() {
            // By the codes as they were chosen, not as they are after learning.
            let chosen = level.decode(codes)?;
            let place = Place { seed: own_seed(place.seed, at), ..place };
            observed.add(match drawn.as_deref().and_then(|drawn| kept_at(drawn, at)) {
                None => level.observe(&missed, codes, place)?,
                Some(kept) => observe_kept(level, (&missed, only(codes)?), &kept, place)?,
            });
            missed = (missed - chosen)?;
        }
        Ok(observed)
    }

    fn start_from(&mut self, latents: &Tensor, seed: u64) -> Result<()> {
        let mut missed = latents.detach();
        for (at, level) in self.levels.iter_mut().enumerate() {
            level.start_from(&missed, own_seed(seed, at))?;
            missed = (&missed - level.quantize(&missed, Pass::Inference)?.latents)?;
        }
        Ok(())
    }

    /// How many levels were drawn for each picture, all numbers alike often.
    fn parts_kept(&self, pictures: usize, place: Place) -> Option<Vec<usize>> {
        let Place { seed, step, first_picture } = place;
        let levels = self.levels.len() as u32;
        let draw = |picture: usize| {
            let cell = u64::from(first_picture) + picture as u64;
            1 + Noise::new(seed, Purpose::Dropout, step, cell).below(0, levels) as usize
        };
        self.quantize_dropout.then(|| (0..pictures).map(draw).collect())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        self.levels.iter().flat_map(Quantizer::state).collect()
    }

    /// Those of the levels, which are alike.
    fn knobs(&self) -> Vec<(Knob, f64)> {
        self.levels.first().map(Quantizer::knobs).unwrap_or_default()
    }

    /// Turns it at every level: what the first one takes, all take.
    fn turn(&mut self, knob: Knob, value: f64) -> Result<()> {
        self.levels.iter_mut().try_for_each(|level| level.turn(knob, value))
    }
}

/// Which pictures keep a level, of the number of levels that each keeps; `None` if all do.
fn kept_at(drawn: &[usize], level: usize) -> Option<Vec<bool>> {
    let kept: Vec<bool> = drawn.iter().map(|&levels| levels > level).collect();
    (!kept.iter().all(|&kept| kept)).then_some(kept)
}

/// A level learns from what is kept of latents and codes; where that is nothing, it stays as it is.
fn observe_kept(
    level: &mut Vq,
    (missed, codes): (&Tensor, &Tensor),
    kept: &[bool],
    place: Place,
) -> Result<Observed> {
    let list = kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(at, _)| at as u32);
    let list: Vec<u32> = list.collect();
    if list.is_empty() {
        return Ok(Observed::default());
    }
    let list = Tensor::new(list, missed.device())?;
    let codes = codes.index_select(&list, 0)?;
    level.observe(&missed.index_select(&list, 0)?, &[codes], place)
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
