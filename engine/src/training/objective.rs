//! What a run learns: losses, what moves, and what happens after a step.

mod adversary;
mod classifier;
mod generator;
mod rule;
mod tokenizer;

use candle_core::Device;

use super::recipe::Recipe;
use super::start::Start;
use super::supplies::Supplies;
use crate::{EngineError, Result};
use classifier::ClassifierObjective;
use generator::GeneratorObjective;
use tokenizer::TokenizerObjective;

pub(super) use rule::{Images, Objective, Outcome};

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
    if recipe.generator.is_some() {
        return Ok(Box::new(GeneratorObjective::new(recipe, supplies, start, device)?));
    }
    let Some(config) = &recipe.tokenizer else {
        return Err(EngineError::bad_input("recipe", "it trains nothing", ""));
    };
    let perceptual = recipe.perceptual.as_ref();
    let perceptual = perceptual.map(|loss| supplies.perceptual(&loss.network, device));
    let perceptual = perceptual.transpose()?;
    Ok(Box::new(TokenizerObjective::new(recipe, config, perceptual, start, device)?))
}
