//! A training recipe: everything that decides a run, in one RON file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::optimizer::Optimizer;
use crate::data::worlds::Worlds;
use crate::data::{CropRule, Mix, Source, open_source};
use crate::tokenizers::TokenizerConfig;
use crate::{EngineError, Result};

/// Everything that decides a training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What the model will be called.
    pub name: String,
    /// Decides initial weights, data order and crops.
    pub seed: u64,
    /// The network.
    pub tokenizer: TokenizerConfig,
    /// What it is trained on.
    pub data: Vec<DataPart>,
    /// How images are cut.
    pub crop: CropRule,
    /// Images of a step.
    pub batch: usize,
    /// Images that go through the network at once; fewer take less memory. 0: the whole batch.
    #[serde(default)]
    pub micro_batch: usize,
    /// Whether what lies inside the blocks of the network is computed again in the backward pass
    /// instead of being kept: less memory, more time, the same numbers.
    #[serde(default)]
    pub recompute: bool,
    /// Steps of the whole run.
    pub steps: u64,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// Decay of the moving average of the weights that becomes the model.
    #[serde(default = "default_ema")]
    pub ema_decay: f64,
    /// Weights of the reconstruction losses.
    #[serde(default)]
    pub losses: LossWeights,
    /// Seconds between checkpoints.
    #[serde(default = "default_checkpoint_secs")]
    pub checkpoint_every_secs: f64,
    /// Steps between reports.
    #[serde(default = "default_report")]
    pub report_every: u64,
}

fn default_ema() -> f64 {
    0.999
}
fn default_checkpoint_secs() -> f64 {
    120.0
}
fn default_report() -> u64 {
    10
}

/// One source of the training data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataPart {
    /// Its share, on any positive scale.
    pub weight: f64,
    /// What it is.
    pub from: DataSource,
}

/// Where training images come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DataSource {
    /// Painted worlds, those held out for measuring left out.
    Worlds(u64),
    /// A folder, archive or binary set. Relative to the recipe; `assets:` stands for the folder of
    /// what comes with Smalti.
    Path(PathBuf),
}

/// Weights of the reconstruction losses.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossWeights {
    /// Mean squared error, pixels in [-1, 1].
    pub mse: f64,
    /// Mean absolute error.
    pub l1: f64,
}

impl Default for LossWeights {
    fn default() -> Self {
        Self { mse: 1.0, l1: 0.0 }
    }
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// With line and column where the text is wrong, or the field that makes no sense.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = crate::images::file::read_file(path, 1 << 20)?;
        let text = String::from_utf8(bytes)
            .map_err(|_bytes| EngineError::bad_file(path, "this is not text", "choose a recipe"))?;
        Self::parse(&text).map_err(|error| match error {
            EngineError::BadInput { what, reason, hint } => {
                EngineError::bad_file(path, format!("{what}: {reason}"), hint)
            }
            other => other,
        })
    }

    /// As [`Recipe::read`], from text.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with line and column, or the field.
    pub fn parse(text: &str) -> Result<Self> {
        let options = ron::Options::default()
            .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let recipe: Self = options.from_str(text).map_err(|error| {
            let at = error.span.start;
            EngineError::bad_input(
                format!("line {}, column {}", at.line, at.col),
                error.code,
                "the recipes in assets/recipes show every field",
            )
        })?;
        recipe.validate()?;
        Ok(recipe)
    }

    /// Checks every value before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field.
    pub fn validate(&self) -> Result<()> {
        let bad = |field: &str, reason: String| Err(EngineError::bad_input(field, reason, ""));
        self.tokenizer.validate()?;
        self.optimizer.validate()?;
        if self.name.is_empty() || self.name.contains(['/', '\\']) {
            return bad("name", format!("{:?} cannot be a file's name", self.name));
        }
        if !(1..=4096).contains(&self.batch) {
            return bad("batch", format!("{} images a step", self.batch));
        }
        if self.steps == 0 || self.steps > u64::from(u32::MAX) {
            return bad("steps", format!("{} is out of range", self.steps));
        }
        if self.report_every == 0 {
            return bad("report_every", "0 steps between reports".to_owned());
        }
        if !(0.0..1.0).contains(&self.ema_decay) {
            return bad("ema_decay", format!("{} is not in [0, 1)", self.ema_decay));
        }
        let weights = [self.losses.mse, self.losses.l1];
        if weights.iter().any(|w| !w.is_finite() || *w < 0.0) || weights.iter().sum::<f64>() == 0.0
        {
            return bad("losses", "weights must not be negative, nor all zero".to_owned());
        }
        let factor = self.tokenizer.network.factor() as u32;
        if self.crop.side == 0 || !self.crop.side.is_multiple_of(factor) || self.crop.side > 4096 {
            let reason = format!("{} is not a multiple of {factor}", self.crop.side);
            return bad("crop.side", reason);
        }
        if let Some(side) = self.tokenizer.quantizer.side()
            && self.crop.side as usize != side * factor as usize
        {
            let reason = format!(
                "{}, but {side} places of {factor} pixels are {} a side",
                self.crop.side,
                side * factor as usize
            );
            return bad("crop.side", reason);
        }
        if self.data.is_empty() {
            return bad("data", "there is nothing to train on".to_owned());
        }
        Ok(())
    }

    /// Images of one pass through the network.
    pub fn images_at_once(&self) -> usize {
        if self.micro_batch == 0 { self.batch } else { self.micro_batch.min(self.batch) }
    }

    /// Opens the data. `folder` is the recipe's, `assets` that of what comes with Smalti.
    ///
    /// # Errors
    /// Those of the sources.
    pub fn open_data(&self, folder: &Path, assets: &Path) -> Result<Arc<dyn Source>> {
        let mut sources: Vec<(Arc<dyn Source>, f64)> = Vec::new();
        for part in &self.data {
            let source: Arc<dyn Source> = match &part.from {
                DataSource::Worlds(seed) => Arc::new(Worlds::training(*seed)),
                DataSource::Path(path) => open_source(&resolve(path, folder, assets))?,
            };
            sources.push((source, part.weight));
        }
        Ok(Arc::new(Mix::new(sources, self.seed)?))
    }
}

fn resolve(path: &Path, folder: &Path, assets: &Path) -> PathBuf {
    match path.to_str().and_then(|text| text.strip_prefix("assets:")) {
        Some(inside) => assets.join(inside),
        None => folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_named_with_line_and_column() {
        let text = "(\n  name: \"x\",\n  sede: 3,\n)";
        let error = Recipe::parse(text).unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("sede"), "{error}");
    }

    #[test]
    fn shipped_recipes_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/recipes");
        for name in ["worlds-fsq", "worlds-vqvae"] {
            let recipe = Recipe::read(&folder.join(format!("{name}.ron"))).unwrap();
            assert_eq!(recipe.name, name);
            assert_eq!(recipe.tokenizer.network.factor(), 4);
        }
    }
}
