//! Where the weights of a run come from.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::state::Saved;
use crate::layers::Weights;

/// Where the weights of a run come from.
#[derive(Debug)]
pub(super) enum Start {
    /// All are drawn from the seed.
    Fresh,
    /// As far as they fit from a model, the others from the seed.
    Model(BTreeMap<String, Tensor>),
    /// A checkpoint of the run.
    Saved(Saved),
}

impl Start {
    /// The weights, to be trained.
    pub(super) fn weights(&self, seed: u64, device: &Device) -> Weights {
        match self {
            Self::Fresh => Weights::fresh(seed, device),
            Self::Model(tensors) => Weights::partly(tensors.clone(), seed, device),
            Self::Saved(saved) => Weights::loaded(saved.tensors.clone(), true, device),
        }
    }

    /// What a checkpoint of the run holds.
    pub(super) fn saved(&self) -> Option<&BTreeMap<String, Tensor>> {
        match self {
            Self::Saved(saved) => Some(&saved.tensors),
            _ => None,
        }
    }

    /// Whether it is the model of another run.
    pub(super) fn is_from_model(&self) -> bool {
        matches!(self, Self::Model(_))
    }
}
