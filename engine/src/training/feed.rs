//! What a run learns from, step by step: images, or the tokens of images.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;

use super::recipe::Recipe;
use super::supplies::Supplies;
use super::token_pool::{TokenBatch, TokenPool};
use crate::Result;
use crate::data::{Batch, Loader, LoaderOptions, SkipReport};
use crate::images::Picture;

/// What a run learns from.
#[derive(Debug)]
pub(super) enum Feed {
    /// Images, loaded ahead.
    Images(Loader),
    /// Tokens of images.
    Tokens(Box<TokenPool>),
}

/// What a step learns from; pictures, or tokens.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Crops of one size.
    pub(super) pictures: Vec<Picture>,
    /// The tokens of each picture, all parts one after the other.
    pub(super) tokens: Vec<Arc<[u32]>>,
    /// The class of each, where it has one.
    pub(super) classes: Vec<Option<u32>>,
}

impl Given {
    /// How many pictures.
    pub(super) fn len(&self) -> usize {
        self.classes.len()
    }
}

impl From<Batch> for Given {
    fn from(batch: Batch) -> Self {
        Self { pictures: batch.pictures, classes: batch.classes, tokens: Vec::new() }
    }
}

impl From<TokenBatch> for Given {
    fn from(batch: TokenBatch) -> Self {
        Self { tokens: batch.tokens, classes: batch.classes, pictures: Vec::new() }
    }
}

/// Loading takes a sixth of the time of all cores where the processor trains; a card leaves the processor
/// idle, and wants more images than it can load.
fn loader_threads(device: &Device) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if device.is_cpu() { cores.div_ceil(6) } else { cores.saturating_sub(2).max(1) }
}

impl Feed {
    /// That of a recipe from a step on. `folder` is the run's.
    ///
    /// # Errors
    /// If images, or a tokenizer, cannot be used.
    pub(super) fn open(
        recipe: &Recipe,
        supplies: &Supplies,
        folder: &Path,
        device: &Device,
        step: u64,
    ) -> Result<Self> {
        if recipe.generator.is_some() {
            let pool = TokenPool::open(recipe, supplies, folder, device, step)?;
            return Ok(Self::Tokens(Box::new(pool)));
        }
        let options = LoaderOptions {
            seed: recipe.seed,
            batch_size: recipe.batch as u32,
            crop: recipe.crop.clone(),
            threads: loader_threads(device),
        };
        Ok(Self::Images(Loader::start_at(supplies.source(), options, step)?))
    }

    /// What the next step learns from; waits for it. `between` is told how far that is, where it takes long.
    ///
    /// # Errors
    /// If images cannot be read, or encoded; and that of `between`.
    pub(super) fn next(
        &mut self,
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Given> {
        match self {
            Self::Images(loader) => loader.next_batch().map(Given::from),
            Self::Tokens(pool) => pool.next_batch(between).map(Given::from),
        }
    }

    /// What could not be read so far.
    pub(super) fn skipped(&self) -> SkipReport {
        match self {
            Self::Images(loader) => loader.skipped(),
            Self::Tokens(pool) => pool.skipped(),
        }
    }
}
