//! A training recipe: everything that decides a run, in one RON file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::augment::Augment;
use super::keep::Keep;
use super::optimizer::Optimizer;
use crate::adversarial::DiscriminatorConfig;
use crate::data::worlds::Worlds;
use crate::data::{CropRule, Mix, Named, Source, open_source};
use crate::generators::{NetworkSize, Order, Way};
use crate::perceptual::ClassifierConfig;
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
    /// The tokenizer that learns; this, `classifier` or `generator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<TokenizerConfig>,
    /// The classifier that learns: a network for perceptual losses and measures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<ClassifierConfig>,
    /// The generator that learns the tokens of a frozen tokenizer; one of the three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<GeneratorRecipe>,
    /// A model to start from, as far as names and shapes agree; relative to the recipe, or `assets:`.
    #[serde(default)]
    pub init: Option<PathBuf>,
    /// Which part of the network is trained.
    #[serde(default)]
    pub trains: Trains,
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
    /// A loss of how alike pictures look to a network.
    #[serde(default)]
    pub perceptual: Option<Perceptual>,
    /// A discriminator that learns to tell pictures from reconstructions.
    #[serde(default)]
    pub adversarial: Option<Adversarial>,
    /// How images are changed before a classifier sees them.
    #[serde(default)]
    pub augment: Augment,
    /// Seconds between checkpoints.
    #[serde(default = "default_checkpoint_secs")]
    pub checkpoint_every_secs: f64,
    /// Steps between reports.
    #[serde(default = "default_report")]
    pub report_every: u64,
    /// Checkpoints that are kept to go back to.
    #[serde(default)]
    pub keep: Keep,
}

/// A generator that learns the tokens of a frozen tokenizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorRecipe {
    /// In which order it writes.
    pub way: Way,
    /// In which order raster writes the cells.
    #[serde(default)]
    pub order: Order,
    /// Sizes of its transformer.
    pub network: NetworkSize,
    /// The tokenizer. Paths as those of data.
    pub tokenizer: PathBuf,
    /// Different pictures that it learns from: each is made into tokens once.
    #[serde(default = "default_pictures")]
    pub pictures: u32,
    /// The share of pictures whose class it is not told, which guidance needs.
    #[serde(default = "default_label_dropout")]
    pub label_dropout: f32,
}

fn default_pictures() -> u32 {
    40_000
}
fn default_label_dropout() -> f32 {
    0.1
}

/// A loss of how alike pictures look to a network that is not trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perceptual {
    /// Its weight beside the pixels' losses.
    pub weight: f64,
    /// The network. Paths as those of data.
    pub network: PerceptualNetwork,
}

/// The network of a perceptual loss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PerceptualNetwork {
    /// A classifier of Smalti, each channel weighing the same.
    Classifier(PathBuf),
    /// Published LPIPS on VGG16: torchvision's weights, then the heads of the `lpips` package.
    Vgg16(PathBuf, PathBuf),
    /// The same on AlexNet.
    AlexNet(PathBuf, PathBuf),
}

/// A discriminator that learns beside the tokenizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adversarial {
    /// Weight of its loss, before it is adapted.
    pub weight: f64,
    /// The step at which it begins to play.
    #[serde(default)]
    pub start: u64,
    /// Whether its pull at the decoder's last layer is made as strong as that of reconstruction.
    #[serde(default = "yes")]
    pub adaptive: bool,
    /// The network.
    #[serde(default)]
    pub discriminator: DiscriminatorConfig,
    /// Its optimizer; the tokenizer's settings where not given.
    #[serde(default)]
    pub optimizer: Option<Optimizer>,
}

fn yes() -> bool {
    true
}

/// Which part of a tokenizer is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Trains {
    /// All of it.
    #[default]
    All,
    /// The decoder alone: encoder and codebook stay, so that the tokens are those of the model it starts from.
    Decoder,
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
    /// The one class of all its images, whichever they have by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
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
        self.optimizer.validate()?;
        self.augment.validate()?;
        if self.name.is_empty() || self.name.contains(['/', '\\']) {
            return bad("name", format!("{:?} cannot be a file's name", self.name));
        }
        // Its model would be written over the run's checkpoint.
        if self.name.eq_ignore_ascii_case("checkpoint") {
            return bad("name", "a run's own file is called so: choose another name".to_owned());
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
        if !(1..=4096).contains(&self.crop.side) {
            return bad("crop.side", format!("{} is not in 1 to 4096", self.crop.side));
        }
        match (&self.tokenizer, &self.classifier, &self.generator) {
            (Some(tokenizer), None, None) => self.validate_tokenizer(tokenizer)?,
            (None, Some(classifier), None) => self.validate_classifier(classifier)?,
            (None, None, Some(generator)) => self.validate_generator(generator)?,
            _ => {
                let reason = "a recipe trains one tokenizer, classifier or generator".to_owned();
                return bad("tokenizer", reason);
            }
        }
        if self.data.is_empty() {
            return bad("data", "there is nothing to train on".to_owned());
        }
        if !(self.checkpoint_every_secs.is_finite() && self.checkpoint_every_secs >= 0.0) {
            let reason = format!("{} is no time", self.checkpoint_every_secs);
            return bad("checkpoint_every_secs", reason);
        }
        Ok(())
    }

    /// What is asked of a new run beside [`Recipe::validate`]; those of before it was asked go on.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field.
    pub fn validate_beginning(&self) -> Result<()> {
        let (warmup, steps) = (self.optimizer.warmup, self.steps);
        if warmup > steps {
            let reason = format!("{warmup} steps, but the run ends after {steps}");
            let hint = format!("at least {warmup} steps, or a shorter warmup in the recipe");
            return Err(EngineError::bad_input("optimizer.warmup", reason, hint));
        }
        Ok(())
    }

    fn validate_tokenizer(&self, tokenizer: &TokenizerConfig) -> Result<()> {
        let bad = |field: &str, reason: String| Err(EngineError::bad_input(field, reason, ""));
        tokenizer.validate()?;
        if tokenizer.quantizer.codes(tokenizer.network.embed_dim) < 2 {
            return bad("quantizer", "one code tells nothing: at least two".to_owned());
        }
        if self.augment != Augment::default() {
            return bad("augment", "images are changed for classifiers only".to_owned());
        }
        let factor = tokenizer.network.factor() as u32;
        if !self.crop.side.is_multiple_of(factor) {
            let reason = format!("{} is not a multiple of {factor}", self.crop.side);
            return bad("crop.side", reason);
        }
        if let Some(side) = tokenizer.quantizer.side()
            && self.crop.side as usize != side * factor as usize
        {
            let reason = format!(
                "{}, but {side} places of {factor} pixels are {} a side",
                self.crop.side,
                side * factor as usize
            );
            return bad("crop.side", reason);
        }
        let weight = |field: &str, weight: f64| {
            if weight.is_finite() && weight >= 0.0 {
                return Ok(());
            }
            Err(EngineError::bad_input(field, format!("{weight} is not a weight"), ""))
        };
        if let Some(perceptual) = &self.perceptual {
            weight("perceptual.weight", perceptual.weight)?;
        }
        if let Some(adversarial) = &self.adversarial {
            weight("adversarial.weight", adversarial.weight)?;
            adversarial.discriminator.validate()?;
            if let Some(optimizer) = &adversarial.optimizer {
                optimizer.validate()?;
            }
            let (start, steps) = (adversarial.start, self.steps);
            if start >= steps {
                let reason = format!("step {start} is not before the end at {steps}");
                return bad("adversarial.start", reason);
            }
            let (sees, paints) = (adversarial.discriminator.in_channels, tokenizer.network.out_ch);
            if sees != paints {
                let reason = format!("{sees}, but pictures have {paints}");
                return bad("discriminator.in_channels", reason);
            }
            let least = adversarial.discriminator.least_side();
            if (self.crop.side as usize) < least {
                let reason = format!("{}, but the discriminator needs {least}", self.crop.side);
                return bad("crop.side", reason);
            }
        }
        Ok(())
    }

    fn validate_generator(&self, generator: &GeneratorRecipe) -> Result<()> {
        generator.network.validate()?;
        if !(1..=100_000_000).contains(&generator.pictures) {
            let reason = format!("{} pictures to learn from", generator.pictures);
            return Err(EngineError::bad_input("generator.pictures", reason, ""));
        }
        if !(0.0..=1.0).contains(&generator.label_dropout) {
            let reason = format!("{} is not in 0 to 1", generator.label_dropout);
            return Err(EngineError::bad_input("generator.label_dropout", reason, ""));
        }
        if self.augment != Augment::default() {
            let reason = "images are changed for classifiers only";
            return Err(EngineError::bad_input("augment", reason, ""));
        }
        self.refuse_of_tokenizers("generator")
    }

    fn validate_classifier(&self, classifier: &ClassifierConfig) -> Result<()> {
        classifier.validate()?;
        self.refuse_of_tokenizers("classifier")
    }

    /// What only tokenizers have.
    fn refuse_of_tokenizers(&self, what: &str) -> Result<()> {
        let of_tokenizers = [
            ("perceptual", self.perceptual.is_some()),
            ("adversarial", self.adversarial.is_some()),
            ("trains", self.trains != Trains::All),
        ];
        match of_tokenizers.iter().find(|(_, is_there)| *is_there) {
            None => Ok(()),
            Some((field, _)) => {
                let reason = format!("a {what} has no such thing, only tokenizers have");
                Err(EngineError::bad_input(*field, reason, "leave it out"))
            }
        }
    }

    /// A path that the recipe names: `folder` is the recipe's, `assets` that of what comes with Smalti.
    pub fn path(path: &Path, folder: &Path, assets: &Path) -> PathBuf {
        resolve(path, folder, assets)
    }

    /// The model to start from, if the recipe names one. Folders as in [`Recipe::open_data`].
    pub fn init_path(&self, folder: &Path, assets: &Path) -> Option<PathBuf> {
        self.init.as_ref().map(|path| resolve(path, folder, assets))
    }

    /// The seed of the painted worlds among the data, if there are any.
    pub(super) fn worlds(&self) -> Option<u64> {
        self.data.iter().find_map(|part| match part.from {
            DataSource::Worlds(seed) => Some(seed),
            DataSource::Path(_) => None,
        })
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
        Ok(Arc::new(Mix::new(self.open_parts(folder, assets)?, self.seed)?))
    }

    /// As [`Recipe::open_data`], each part by itself with its share.
    pub(super) fn open_parts(
        &self,
        folder: &Path,
        assets: &Path,
    ) -> Result<Vec<(Arc<dyn Source>, f64)>> {
        let mut sources: Vec<(Arc<dyn Source>, f64)> = Vec::new();
        for part in &self.data {
            let source: Arc<dyn Source> = match &part.from {
                DataSource::Worlds(seed) => Arc::new(Worlds::training(*seed)),
                DataSource::Path(path) => open_source(&resolve(path, folder, assets))?,
            };
            let source: Arc<dyn Source> = match &part.class {
                Some(class) => Arc::new(Named::new(source, class)),
                None => source,
            };
            sources.push((source, part.weight));
        }
        Ok(sources)
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
        let files: Vec<PathBuf> =
            folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() > 2, "{files:?}");
        for path in files {
            let recipe = Recipe::read(&path).unwrap();
            assert_eq!(Some(recipe.name.as_str()), path.file_stem().unwrap().to_str());
            let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
            let init = recipe.init_path(&folder, &models);
            assert!(
                init.is_none_or(|init| init.is_file()),
                "{}: what it starts from",
                path.display()
            );
            let data = recipe.open_data(&folder, &models).unwrap();
            if let Some(classifier) = recipe.classifier {
                assert_eq!(data.classes().len(), classifier.classes, "{:?}", data.classes());
            }
        }
    }
}
