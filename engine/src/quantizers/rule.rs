//! What every rule is: books, places in a run, what it gives, what it can do.

use candle_core::{Tensor, TensorId};

use crate::tokens::PartShape;
use crate::{EngineError, Knob, Result};

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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Dead codes that were replaced by latents of the batch.
    pub restarted: usize,
    /// Which rows of which codebook they are. What an optimizer knew of them is of no use any more.
    pub replaced: Vec<(TensorId, Vec<usize>)>,
}

impl Observed {
    /// What was replaced in one codebook (K, D).
    pub(super) fn replacing(codebook: &Tensor, rows: Vec<usize>) -> Self {
        let restarted = rows.len();
        let replaced = if rows.is_empty() { Vec::new() } else { vec![(codebook.id(), rows)] };
        Self { restarted, replaced }
    }

    /// Adds what was done to another codebook.
    pub(super) fn add(&mut self, other: Self) {
        self.restarted += other.restarted;
        self.replaced.extend(other.replaced);
    }
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
    /// The rule itself, where somebody needs what it alone can do, such as the scales of
    /// [`super::MultiScale`].
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        None
    }
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
    /// How many parts of each picture of a training pass counted, where that is drawn (levels of
    /// residual VQ): the codes of later ones are reported, but nothing was learned from them. `None` if all
    /// parts of all pictures count.
    fn parts_kept(&self, _pictures: usize, _place: Place) -> Option<Vec<usize>> {
        None
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
    /// What may be turned while it trains, and where it stands; nothing by default.
    fn knobs(&self) -> Vec<(Knob, f64)> {
        Vec::new()
    }
    /// Turns one of [`Quantizer::knobs`] to a value; the next pass goes by it.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if there is no such knob, or the value makes no sense; nothing is changed.
    fn turn(&mut self, knob: Knob, _value: f64) -> Result<()> {
        Err(knob.missing())
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
