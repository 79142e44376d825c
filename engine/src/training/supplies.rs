//! What a recipe names and a run needs: images, and models to start from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;

use super::recipe::{PerceptualNetwork, Recipe};
use super::seen_data::SeenPart;
use super::start::Start;
use crate::data::{Mix, Source};
use crate::layers::Weights;
use crate::perceptual::{Classifier, Lpips, Published};
use crate::tokenizers::Tokenizer;
use crate::{EngineError, Result, checkpoints};

/// What a run needs beside its recipe.
#[derive(Debug, Clone)]
pub struct Supplies {
    source: Arc<dyn Source>,
    /// What was found of the recipe's data; empty where they come from elsewhere.
    seen: Vec<SeenPart>,
    init: Option<PathBuf>,
    /// Where paths of the recipe start, and what comes with Smalti.
    folders: [PathBuf; 2],
}

/// The tokenizer whose tokens a generator learns.
#[derive(Debug)]
pub(super) struct Maker {
    /// What people call it.
    pub(super) name: String,
    /// It.
    pub(super) tokenizer: Box<dyn Tokenizer>,
    /// Identifies its tokens.
    pub(super) token_hash: String,
}

impl Maker {
    /// Tokens of a square picture.
    ///
    /// # Errors
    /// If pictures cannot have that side.
    pub(super) fn cells(&self, side: u32) -> Result<usize> {
        let layout = self.tokenizer.layout(side as usize, side as usize)?;
        let cells = layout.iter().try_fold(0_usize, |sum, part| sum.checked_add(part.cells()?));
        cells.ok_or_else(|| EngineError::bad_input("tokens", "too many of them", ""))
    }

    /// The size of its largest book.
    pub(super) fn most_codes(&self) -> u32 {
        self.tokenizer.facts().books.iter().map(|book| book.size).max().unwrap_or(0)
    }
}

impl Supplies {
    /// What a recipe names. `folder` is the recipe's, `assets` that of what comes with Smalti.
    ///
    /// # Errors
    /// Those of the sources.
    pub fn of(recipe: &Recipe, folder: &Path, assets: &Path) -> Result<Self> {
        let parts = recipe.open_parts(folder, assets)?;
        let seen = std::iter::zip(&recipe.data, &parts)
            .map(|(part, (source, _))| SeenPart::of(part, source.as_ref(), (folder, assets)))
            .collect();
        let source = Arc::new(Mix::new(parts, recipe.seed)?);
        let folders = [folder, assets].map(Path::to_owned);
        Ok(Self { source, seen, init: recipe.init_path(folder, assets), folders })
    }

    /// Images alone, for a recipe that names nothing else.
    pub fn images(source: Arc<dyn Source>) -> Self {
        Self { source, seen: Vec::new(), init: None, folders: Default::default() }
    }

    /// What was found of the recipe's data.
    pub(super) fn seen(&self) -> &[SeenPart] {
        &self.seen
    }

    /// Where relative paths of the recipe start.
    pub(super) fn recipe_folder(&self) -> &Path {
        &self.folders[0]
    }

    /// The images.
    pub(super) fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    /// The network of a perceptual loss.
    pub(super) fn perceptual(&self, network: &PerceptualNetwork, device: &Device) -> Result<Lpips> {
        let [folder, assets] = &self.folders;
        let path = |path| Recipe::path(path, folder, assets);
        match network {
            PerceptualNetwork::Classifier(file) => {
                let classifier = Classifier::open(&path(file), device)?;
                let weights = Weights::loaded(BTreeMap::new(), false, device);
                Lpips::with_mean_heads(classifier, &weights)
            }
            PerceptualNetwork::Vgg16(trunk, heads) => {
                Lpips::open(Published::Vgg16, &path(trunk), &path(heads), device)
            }
            PerceptualNetwork::AlexNet(trunk, heads) => {
                Lpips::open(Published::AlexNet, &path(trunk), &path(heads), device)
            }
        }
    }

    /// The tokenizer whose tokens a generator learns. `path` is the recipe's.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn maker(&self, path: &Path, device: &Device) -> Result<Maker> {
        let [folder, assets] = &self.folders;
        let file = Recipe::path(path, folder, assets);
        let opened = checkpoints::open_tokenizer(&file, device)?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Maker { name, tokenizer: opened.tokenizer, token_hash: opened.token_hash })
    }

    /// Where a new run starts.
    pub(super) fn start(&self, device: &Device) -> Result<Start> {
        let Some(path) = &self.init else { return Ok(Start::Fresh) };
        Ok(Start::Model(checkpoints::model_tensors(path, device)?))
    }
}
