//! In which pass a quantizer is asked, and what it gives for tokens in parts.

use candle_core::Tensor;

/// Where in a run a training pass stands: the address of everything random in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The run's seed.
    pub seed: u64,
    /// The step.
    pub step: u32,
    /// Which picture of the step's batch is the first of the pass (micro-batches).
    pub first_picture: u32,
}

/// Why latents are quantized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// To have their codes; nothing is random.
    Inference,
    /// To learn from them: with gradients, losses and noise.
    Training(Place),
}

impl Pass {
    /// Whether gradients and losses are wanted.
    pub fn is_training(self) -> bool {
        matches!(self, Self::Training(_))
    }
}

/// What a quantizer of several parts gives for latents (B, D, h, w).
#[derive(Debug)]
pub struct InParts {
    /// The quantized latents, (B, D, h, w): in training with a gradient, otherwise exactly what the
    /// codes decode to.
    pub latents: Tensor,
    /// The codes of each part, (B, rows, columns) u32.
    pub codes: Vec<Tensor>,
    /// Losses by name, scalars, already weighted; none outside of training.
    pub losses: Vec<(&'static str, Tensor)>,
}
