//! Training runs and recipes by reference.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smalti_engine::EngineError;
use smalti_engine::questions::SourceRef;
use smalti_engine::training::{DataPart, DataSource, Recipe};

use super::slot::Slot;

/// A training recipe by reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecipeRef {
    /// The recipe of a tokenizer that comes with Smalti, such as "worlds-fsq".
    Shipped(Arc<str>),
    /// A file.
    File(Arc<Path>),
}

/// A training run by its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFolder {
    /// Where its checkpoint and its model are.
    pub folder: PathBuf,
    /// What it trains by.
    pub recipe: RecipeRef,
}

/// What a person wants otherwise than a recipe says, before its run begins; what is none stays as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes {
    /// The images, in place of all of the recipe's.
    pub data: Option<DataSource>,
    /// Steps of the whole run.
    pub steps: Option<u64>,
    /// The side of its images in pixels.
    pub side: Option<u32>,
    /// Images of a step.
    pub batch: Option<usize>,
    /// The run's folder; otherwise a new one among the others.
    pub folder: Option<PathBuf>,
    /// The slot in which it is seen; otherwise a free one.
    pub slot: Option<Slot>,
    /// Its tokenizer becomes a point of rate against quality, with so many codes.
    pub point: Option<NewPoint>,
}

/// A tokenizer that is trained to be measured beside others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPoint {
    /// Codes of a book, as [`smalti_engine::quantizers::QuantizerConfig::with_codes`] takes them.
    pub codes: u64,
    /// On which set it is measured.
    pub on: (SourceRef, u64),
}

impl NewPoint {
    /// A recipe whose tokenizer has so many codes, and is called by what it is: "fsq-f8-1000".
    ///
    /// # Errors
    /// If the recipe's quantizer cannot have so many, or it trains no tokenizer.
    pub fn apply(&self, mut recipe: Recipe) -> smalti_engine::Result<Recipe> {
        let Some(tokenizer) = &mut recipe.tokenizer else {
            let hint = "choose the recipe of one";
            return Err(EngineError::bad_input("recipe", "it trains no tokenizer", hint));
        };
        let (quantizer, dim) =
            tokenizer.quantizer.with_codes(self.codes, tokenizer.network.embed_dim)?;
        let (kind, codes) = (quantizer.kind().to_lowercase(), quantizer.codes(dim));
        (tokenizer.quantizer, tokenizer.network.embed_dim) = (quantizer, dim);
        tokenizer.name = format!("{kind}-f{}-{codes}", tokenizer.network.factor());
        recipe.name.clone_from(&tokenizer.name);
        Ok(recipe)
    }
}

impl Changes {
    /// The recipe with what is wanted otherwise.
    #[must_use]
    pub fn apply(&self, mut recipe: Recipe) -> Recipe {
        if let Some(from) = &self.data {
            recipe.data = vec![DataPart { weight: 1.0, from: from.clone(), class: None }];
        }
        recipe.steps = self.steps.unwrap_or(recipe.steps);
        recipe.crop.side = self.side.unwrap_or(recipe.crop.side);
        recipe.batch = self.batch.unwrap_or(recipe.batch);
        match &self.point {
            // Where it cannot be so, that was said before.
            Some(point) => point.apply(recipe.clone()).unwrap_or(recipe),
            None => recipe,
        }
    }
}
