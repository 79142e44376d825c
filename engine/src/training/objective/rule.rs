//! What every objective is: the images of a step, what it gives, what it can do.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Tensor;
use serde_json::Value;

use super::super::learner::At;
use crate::images::Picture;
use crate::measure::BookStatistics;
use crate::quantizers::Place;
use crate::{Knob, Result};

/// The images of a step that go through the network at once.
#[derive(Debug)]
pub(in crate::training) struct Images<'a> {
    /// Crops of one size; none where tokens are learned from.
    pub(in crate::training) pictures: &'a [Picture],
    /// The tokens of each picture, all parts one after the other; none where pictures are learned from.
    pub(in crate::training) tokens: &'a [Arc<[u32]>],
    /// Class of each, where it has one.
    pub(in crate::training) classes: &'a [Option<u32>],
    /// Where they stand in the run; the first image is number 0 in the first part of a step.
    pub(in crate::training) place: Place,
    /// Their share of the step's batch.
    pub(in crate::training) share: f64,
}

/// What a step gives.
#[derive(Debug, Default)]
pub(in crate::training) struct Outcome {
    /// Global norm of the gradients before clipping.
    pub(in crate::training) gradient_norm: f64,
    /// Learning rate.
    pub(in crate::training) lr: f64,
    /// Codes that were replaced because nothing chose them.
    pub(in crate::training) restarted: usize,
}

/// What is said of the steps since the last report.
#[derive(Debug, Default)]
pub(in crate::training) struct Told {
    /// By name, such as "usage" or "accuracy".
    pub(in crate::training) figures: Vec<(String, f64)>,
    /// The use of each book.
    pub(in crate::training) books: Vec<BookStatistics>,
    /// How often each code of each book was chosen.
    pub(in crate::training) counts: Vec<Arc<[u64]>>,
}

/// What a run learns. A step is: [`Objective::learn`] for each part of the batch, then
/// [`Objective::move_on`]; only the latter changes parameters.
pub(in crate::training) trait Objective: std::fmt::Debug + Send {
    /// Losses and gradients of some images. The first part of a step drops what an earlier try left.
    ///
    /// # Errors
    /// If an operation fails.
    fn learn(&mut self, images: &Images<'_>) -> Result<()>;

    /// The losses of the step so far, by name, weighted; the total first.
    fn losses(&self) -> Vec<(String, f64)>;

    /// Moves the parameters by what was learned, then does what is done outside of gradients.
    ///
    /// # Errors
    /// If a gradient is missing or not finite.
    fn move_on(&mut self, at: At, place: Place) -> Result<Outcome>;

    /// What is said since the last time; counting begins again.
    fn tell(&mut self) -> Told;

    /// Codes of all books together; 0 where nothing is counted.
    fn codes(&self) -> usize;

    /// Everything that a resumed run needs, by the names of its checkpoint.
    fn state(&self) -> Result<BTreeMap<String, Tensor>>;

    /// The model as it is now: averaged parameters and state beside them.
    fn model(&self) -> Result<BTreeMap<String, Tensor>>;

    /// What stands beside the tensors of a model file: its kind and configuration.
    fn metadata(&self) -> Value;

    /// Pictures as the model that is now gives them back; none where it gives no pictures.
    fn reconstruct(&self, pictures: &[Picture]) -> Result<Vec<Picture>>;

    /// What may be turned, and where it stands.
    fn knobs(&self) -> Vec<(Knob, f64)>;

    /// Turns one of them.
    ///
    /// # Errors
    /// If there is no such knob here, or the value makes no sense; nothing is changed.
    fn turn(&mut self, knob: Knob, value: f64) -> Result<()>;
}

/// Adds the losses of a part to those of the parts before it, by name.
pub(super) fn add_up(sums: &mut Vec<(String, f64)>, name: &str, value: f64) {
    match sums.iter_mut().find(|(known, _)| known == name) {
        Some((_, sum)) => *sum += value,
        None => sums.push((name.to_owned(), value)),
    }
}
