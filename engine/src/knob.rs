//! What may be turned while a run goes on.

use std::fmt;

use crate::{EngineError, Result};

/// A setting of a training run that may change between two of its steps. Everything else decides shapes or
/// the beginning, and needs a new run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Knob {
    /// The largest learning rate; the schedule keeps its shape.
    LearningRate,
    /// Weight of the commitment loss, beta.
    Commitment,
    /// Decay of the codebook's moving average per step.
    Decay,
    /// Codes chosen fewer times a step than this are replaced by latents; 0 leaves them dead.
    Restart,
    /// Weight of the entropy loss.
    EntropyWeight,
    /// Temperature of the soft choices whose entropies are asked for.
    Temperature,
    /// Weight of the perceptual loss.
    Perceptual,
    /// Weight of the adversarial loss, before it is adapted.
    Adversarial,
}

impl Knob {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::LearningRate,
        Self::Commitment,
        Self::Decay,
        Self::Restart,
        Self::EntropyWeight,
        Self::Temperature,
        Self::Perceptual,
        Self::Adversarial,
    ];

    /// What it is called on the command line and in files.
    pub fn id(self) -> &'static str {
        match self {
            Self::LearningRate => "lr",
            Self::Commitment => "commitment",
            Self::Decay => "decay",
            Self::Restart => "restart",
            Self::EntropyWeight => "entropy",
            Self::Temperature => "temperature",
            Self::Perceptual => "perceptual",
            Self::Adversarial => "adversarial",
        }
    }

    /// What a person reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::LearningRate => "learning rate",
            Self::Commitment => "commitment",
            Self::Decay => "EMA decay",
            Self::Restart => "restart threshold",
            Self::EntropyWeight => "entropy weight",
            Self::Temperature => "temperature",
            Self::Perceptual => "perceptual weight",
            Self::Adversarial => "adversarial weight",
        }
    }

    /// The knob of an id.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with all that there are.
    pub fn of_id(id: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|knob| knob.id() == id).ok_or_else(|| {
            let all = Self::ALL.map(Self::id).join(", ");
            let reason = format!("{id:?} is not among what may change while a run goes on");
            EngineError::bad_input("knob", reason, format!("one of {all}; else start a new run"))
        })
    }

    /// The error for a run that has no such setting.
    pub(crate) fn missing(self) -> EngineError {
        let reason = "this run has no such setting";
        EngineError::bad_input(self.name(), reason, "change the recipe and start a new run")
    }
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
