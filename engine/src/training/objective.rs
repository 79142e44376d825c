//! What a run learns: losses, what moves, and what happens after a step.

mod adversary;
mod classifier;
mod tokenizer;

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::learner::At;
use super::recipe::Recipe;
use super::start::Start;
use super::supplies::Supplies;
use crate::images::Picture;
use crate::measure::BookStatistics;
use crate::quantizers::Place;
use crate::{EngineError, Knob, Result};

use classifier::ClassifierObjective;
use tokenizer::TokenizerObjective;

/// The images of a step that go through the network at once.
#[derive(Debug)]
pub(super) struct Images<'a> {
    /// Crops of one size.
    pub(super) pictures: &'a [Picture],
    /// Class of each, where it has one.
    pub(super) classes: &'a [Option<u32>],
    /// Where they stand in the run; the first image is number 0 in the first part of a step.
    pub(super) place: Place,
    /// Their share of the step's batch.
    pub(super) share: f64,
}

/// What a step gives.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Global norm of the gradients before clipping.
    pub(super) gradient_norm: f64,
    /// Learning rate.
    pub(super) lr: f64,
    /// Codes that were replaced because nothing chose them.
    pub(super) restarted: usize,
}

/// What is said of the steps since the last report.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By name, such as "usage" or "accuracy".
    pub(super) figures: Vec<(String, f64)>,
    /// The use of each book.
    pub(super) books: Vec<BookStatistics>,
    /// How often each code of each book was chosen.
    pub(super) counts: Vec<Arc<[u64]>>,
}

/// What a run learns. A step is: [`Objective::learn`] for each part of the batch, then
/// [`Objective::move_on`]; only the latter changes parameters.
pub(super) trait Objective: std::fmt::Debug + Send {
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

/// The objective of a recipe.
///
/// # Errors
/// If what is given does not fit the recipe.
pub(super) fn of(
    recipe: &Recipe,
    supplies: &Supplies,
    start: &Start,
    device: &Device,
) -> Result<Box<dyn Objective>> {
    if let Some(config) = &recipe.classifier {
        let source = supplies.source();
        let made = ClassifierObjective::new(recipe, config, source.classes(), start, device)?;
        return Ok(Box::new(made));
    }
    let Some(config) = &recipe.tokenizer else {
        return Err(EngineError::bad_input("recipe", "it trains nothing", ""));
    };
    let perceptual = recipe.perceptual.as_ref();
    let perceptual = perceptual.map(|loss| supplies.perceptual(&loss.network, device));
    let perceptual = perceptual.transpose()?;
    Ok(Box::new(TokenizerObjective::new(recipe, config, perceptual, start, device)?))
}

/// Adds the losses of a part to those of the parts before it, by name.
fn add_up(sums: &mut Vec<(String, f64)>, name: &str, value: f64) {
    match sums.iter_mut().find(|(known, _)| known == name) {
        Some((_, sum)) => *sum += value,
        None => sums.push((name.to_owned(), value)),
    }
}
