//! Tokenizers by reference, and what is known of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::image::Stamp;
use crate::checkpoints::{self, Design};
use crate::session::{Desk, Question};
use crate::token_files::Maker;
use crate::tokenizers::{Facts, Tokenizer};
use crate::tokens::{PartShape, Tokens};
use crate::{EngineError, Result};

/// A tokenizer by reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum ModelRef {
    /// One that comes with Smalti, such as "worlds-fsq".
    Shipped(Arc<str>),
    /// A file.
    File {
        /// Where it is.
        path: Arc<Path>,
        /// Which version of it, and of what is read with it.
        stamp: Stamp,
    },
}

/// Names of checkpoints, and of folders that they lie in, that do not tell one from another.
const NAMELESS: [&str; 22] = [
    "autoencoder",
    "best",
    "checkpoint",
    "checkpoints",
    "ckpt",
    "ckpts",
    "decoder",
    "diffusion_pytorch_model",
    "ema",
    "encoder",
    "epoch",
    "final",
    "last",
    "latest",
    "model",
    "models",
    "pytorch_model",
    "snapshots",
    "state_dict",
    "step",
    "vae",
    "weights",
];

/// Whether a name tells nothing: one that many have, also with a number or with what follows in a set of shards.
fn is_nameless(name: &str) -> bool {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".index").unwrap_or(&name);
    let name =
        [".safetensors", ".bin"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let name = name.split("-of-").next().unwrap_or(name);
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || "-_=.".contains(c));
    // A version of a hub is its hash.
    let is_hash = name.len() == 40 && name.chars().all(|c| c.is_ascii_hexdigit());
    bare.is_empty() || is_hash || NAMELESS.contains(&bare)
}

impl ModelRef {
    /// A shipped name, or else a path. A name that nothing shipped has is what lies under it, if something does.
    pub fn named(name_or_path: &str, assets: &Path) -> Self {
        let shipped = shipped_path(name_or_path, assets);
        let is_name = !name_or_path.contains(['/', '\\', '.']);
        let is_there = Path::new(name_or_path).exists();
        let is_shipped =
            if is_name { shipped.is_file() || !is_there } else { shipped.is_file() && !is_there };
        if is_shipped {
            Self::Shipped(name_or_path.into())
        } else {
            Self::File { path: Path::new(name_or_path).into(), stamp: Stamp::default() }.now()
        }
    }

    /// The same tokenizer in the version that its files have now: its own, and those that are read with it
    /// (configuration, shards, the other half). Looks at the disk.
    #[must_use]
    pub fn now(self) -> Self {
        let Self::File { path, .. } = self else { return self };
        let (file, _) = checkpoints::split_part(&path);
        let stamp = Stamp::with(&file, &checkpoints::read_with(&file));
        Self::File { path, stamp }
    }

    /// What a person calls it.
    pub fn label(&self) -> String {
        match self {
            Self::Shipped(name) => name.to_string(),
            Self::File { path, .. } => {
                let stem = |path: &Path| {
                    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
                };
                let name = stem(path);
                // What half of all checkpoints are called says nothing; the folder does. And the second run of
                // a recipe, in NAME-2, writes NAME again.
                let numbered = |folder: &Path| {
                    let number = stem(folder).strip_prefix(&name)?.strip_prefix('-')?.to_owned();
                    number.parse::<u32>().is_ok().then(|| stem(folder))
                };
                if let Some(run) = path.parent().and_then(numbered) {
                    return run;
                }
                if !is_nameless(&name) {
                    return name;
                }
                // The nearest folder that has a name; a relative path may begin below it.
                let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
                let folders = whole.ancestors().skip(1).filter_map(Path::file_name);
                let mut folders = folders.map(|folder| folder.to_string_lossy().into_owned());
                match folders.find(|folder| !is_nameless(folder)) {
                    Some(folder) => format!("{folder}/{name}"),
                    None => name,
                }
            }
        }
    }

    /// The file; that of a shipped one is in `assets`, the folder of what comes with Smalti.
    pub fn path(&self, assets: &Path) -> PathBuf {
        match self {
            Self::Shipped(name) => shipped_path(name, assets),
            Self::File { path, .. } => path.to_path_buf(),
        }
    }
}

fn shipped_path(name: &str, assets: &Path) -> PathBuf {
    assets.join("models").join(format!("{name}.safetensors"))
}

/// Names of the tokenizers that come with Smalti, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShippedModels;

impl Question for ShippedModels {
    type Answer = Vec<String>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Vec<String>> {
        // Classifiers and generators lie there, too.
        let others = [crate::perceptual::KIND, crate::generators::KIND];
        shipped_of_kind(desk.assets(), |kind| !kind.is_some_and(|kind| others.contains(&kind)))
    }

    fn bytes(answer: &Vec<String>) -> usize {
        answer.len() * 64
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// Names of the shipped models whose kind, if their file says one, is wanted, sorted. What cannot be read stays:
/// opening it says why.
pub(super) fn shipped_of_kind(
    assets: &Path,
    is_wanted: impl Fn(Option<&str>) -> bool,
) -> Result<Vec<String>> {
    let folder = assets.join("models");
    let mut names = names_in(&folder, "safetensors")?;
    names.retain(|name| {
        let path = folder.join(format!("{name}.safetensors"));
        let written = checkpoints::read(&path).and_then(|checkpoint| checkpoint.smalti(&path));
        match written {
            Ok(Some(written)) => is_wanted(written["kind"].as_str()),
            _ => is_wanted(None),
        }
    });
    Ok(names)
}

/// Names of the training recipes that come with Smalti, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShippedRecipes;

impl Question for ShippedRecipes {
    type Answer = Vec<String>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Vec<String>> {
        names_in(&desk.assets().join("recipes"), "ron")
    }

    fn bytes(answer: &Vec<String>) -> usize {
        answer.len() * 64
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// Names without suffix of the files with that suffix, sorted.
fn names_in(folder: &Path, suffix: &str) -> Result<Vec<String>> {
    let entries = folder.read_dir().map_err(|source| EngineError::io(folder, source))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_one = path.extension().is_some_and(|s| s == suffix);
            is_one.then(|| path.file_stem().map(|s| s.to_string_lossy().into_owned()))?
        })
        .collect();
    names.sort();
    Ok(names)
}

/// The network itself; stays inside the engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LoadModel {
    pub(crate) model: ModelRef,
}

/// See [`LoadModel`].
#[derive(Debug)]
pub(crate) struct LoadedModel {
    pub(crate) tokenizer: Arc<dyn Tokenizer>,
    pub(crate) facts: ModelFacts,
}

impl Question for LoadModel {
    type Answer = LoadedModel;

    fn answer(&self, desk: &Desk<'_>) -> Result<LoadedModel> {
        let path = shipped_or_file(desk, &self.model)?;
        let opened = checkpoints::open_tokenizer(&path, desk.device())?;
        let Design { family, settings } = &opened.design;
        let config = serde_json::json!({ "family": family, "config": settings });
        let configuration = opened.metadata.unwrap_or(config);
        let facts = ModelFacts {
            name: self.model.label(),
            facts: opened.tokenizer.facts().clone(),
            container: opened.recognized.container.to_string(),
            quality: configuration.get("quality").cloned(),
            configuration,
            notes: opened.recognized.notes,
            layout: match opened.tokenizer.facts().fixed_size() {
                Some((height, width)) => Some(opened.tokenizer.layout(height, width)?),
                None => None,
            },
            others: opened.recognized.others,
            token_hash: opened.token_hash,
        };
        Ok(LoadedModel { tokenizer: Arc::from(opened.tokenizer), facts })
    }

    fn bytes(answer: &LoadedModel) -> usize {
        answer.facts.facts.parameters * 4
    }
}

/// What is known of a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelInfo {
    /// Which one.
    pub model: ModelRef,
}

/// See [`ModelInfo`].
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFacts {
    /// What a person calls it.
    pub name: String,
    /// Factor, K, D, levels.
    pub facts: Facts,
    /// The file's container, such as "safetensors".
    pub container: String,
    /// Its configuration as JSON.
    pub configuration: serde_json::Value,
    /// Its measured quality as JSON, if the file records it.
    pub quality: Option<serde_json::Value>,
    /// What was stepped over when it was read.
    pub notes: Vec<String>,
    /// The parts of an image's tokens, if all images have the same size.
    pub layout: Option<Vec<PartShape>>,
    /// Other tokenizers in the same file.
    pub others: Vec<checkpoints::Other>,
    /// Identifies what decides tokens, encoder and quantizer: tokens of one hash mean the same.
    pub token_hash: String,
}

impl ModelFacts {
    /// Rows and columns of codes in a file of this tokenizer's tokens, if all images have the same size:
    /// of the one part, or of all parts in a row.
    pub fn fixed_grid(&self) -> Option<(usize, usize)> {
        match self.layout.as_deref()? {
            [only] => Some((only.frames * only.rows, only.columns)),
            several => Some((1, several.iter().filter_map(PartShape::cells).sum())),
        }
    }

    /// It, as what made tokens.
    pub fn maker(&self) -> Maker {
        let (model, token_hash) = (Some(self.name.clone()), Some(self.token_hash.clone()));
        Maker { model, token_hash, is_size_assumed: false }
    }

    /// Whether a file of tokens says that another tokenizer made them; `said` is its hash.
    pub fn is_other_maker(&self, said: Option<&str>) -> bool {
        said.is_some_and(|said| checkpoints::is_other_maker(said, &self.token_hash))
    }

    /// Tokens that stand in a row in a file, in the parts that this tokenizer wants.
    ///
    /// # Errors
    /// As [`Tokens::laid_out`].
    pub fn laid_out(&self, tokens: &Tokens) -> Result<Tokens> {
        match &self.layout {
            Some(layout) => tokens.laid_out(layout, |book| self.facts.book(book).size),
            None => Ok(tokens.clone()),
        }
    }
}

impl Question for ModelInfo {
    type Answer = ModelFacts;

    fn answer(&self, desk: &Desk<'_>) -> Result<ModelFacts> {
        Ok(desk.ask(&LoadModel { model: self.model.clone() })?.facts.clone())
    }

    fn bytes(_: &ModelFacts) -> usize {
        4096
    }
}

/// The path of a model; one of a name that nothing shipped has is refused with the names that there are.
pub(super) fn shipped_or_file(desk: &Desk<'_>, model: &ModelRef) -> Result<PathBuf> {
    let path = model.path(desk.assets());
    match model {
        ModelRef::Shipped(name) if !path.is_file() => {
            let known = desk.ask(&ShippedModels).map(|names| names.join(", ")).unwrap_or_default();
            Err(EngineError::bad_input(
                "model",
                format!("no shipped model is called {name:?}, nor is there such a file or folder"),
                format!("use one of {known}, or the path of a checkpoint"),
            ))
        }
        ModelRef::Shipped(_) | ModelRef::File { .. } => Ok(path),
    }
}

/// Used by other answers.
pub(crate) fn load(desk: &Desk<'_>, model: &ModelRef) -> Result<Arc<LoadedModel>> {
    desk.ask(&LoadModel { model: model.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stamp of a model's path before and after a file is written.
    fn changes(path: &Path, file: &Path, text: &str) -> bool {
        let stamp = || ModelRef::named(&path.to_string_lossy(), Path::new("assets"));
        let before = stamp();
        std::fs::write(file, text).unwrap();
        before != stamp()
    }

    #[test]
    fn a_name_that_nothing_shipped_has_is_the_folder_of_that_name() {
        // Tests run in the folder of their package, in which `src` is.
        let assets = Path::new("../assets");
        assert!(matches!(ModelRef::named("src", assets), ModelRef::File { .. }));
        for name in ["worlds-fsq", "nothing-is-called-that"] {
            assert_eq!(ModelRef::named(name, assets), ModelRef::Shipped(name.into()));
        }
    }

    #[test]
    fn a_model_is_another_version_when_any_file_that_is_read_with_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (one, part) = (at("net.safetensors"), at("net.safetensors#first_stage_model"));
        std::fs::write(&one, "weights").unwrap();
        for path in [&one, &part] {
            let is_new = |file: &str, text: &str| changes(path, &at(file), text);
            assert!(!is_new("notes.txt", "nothing that is read"), "{}", path.display());
            assert!(is_new("net.yaml", "ch: 96"), "a configuration that comes to be");
            assert!(is_new("net.yaml", "ch: 128"), "and one that is longer");
            assert!(is_new("net.safetensors", "other weights"));
            std::fs::remove_file(at("net.yaml")).unwrap();
            std::fs::write(&one, "weights").unwrap();
        }
        let index = at("model.safetensors.index.json");
        let map = |file: &str| format!("{{\"weight_map\": {{\"a\": \"{file}\"}}}}");
        std::fs::write(at("model-1-of-2.safetensors"), "shard").unwrap();
        std::fs::write(&index, map("model-1-of-2.safetensors")).unwrap();
        for path in [index.as_path(), folder.path()] {
            let is_new = |file: &str, text: &str| changes(path, &at(file), text);
            let text = path.display().to_string();
            assert!(is_new("model-1-of-2.safetensors", &text), "a shard of {text}");
            assert!(is_new("config.json", &text), "the configuration of {text}");
            assert!(is_new(
                "model.safetensors.index.json",
                &(map("model-1-of-2.safetensors") + &" ".repeat(text.len()))
            ));
        }
    }

    #[test]
    fn models_of_two_runs_of_one_recipe_have_names_of_their_own() {
        let labels = [
            "runs/vq-1/vq.safetensors",
            "runs/vq-2/vq.safetensors",
            "vq/vq.safetensors",
            "vq-a/vq.safetensors",
            "vq-2/checkpoint.safetensors",
        ];
        let labels = labels.map(|path| {
            ModelRef::File { path: Path::new(path).into(), stamp: Stamp::default() }.label()
        });
        assert_eq!(labels, ["vq-1", "vq-2", "vq", "vq", "vq-2/checkpoint"]);
    }

    #[test]
    fn a_model_is_never_called_what_half_of_all_are_called() {
        let labels = [
            "/nets/own/checkpoints/last.ckpt",
            "/nets/own/model.safetensors.index.json",
            "/nets/own/pytorch_model-00001-of-00002.bin",
            "/nets/own/vae/diffusion_pytorch_model.safetensors",
            "/nets/own/step=001000.ckpt",
            "/nets/models--a--b/snapshots/0123456789abcdef0123456789abcdef01234567/model.safetensors",
            "/nets/own/vqgan_f16.ckpt",
        ];
        let labels = labels.map(|path| {
            ModelRef::File { path: Path::new(path).into(), stamp: Stamp::default() }.label()
        });
        let wanted = [
            "own/last",
            "own/model.safetensors.index",
            "own/pytorch_model-00001-of-00002",
            "own/diffusion_pytorch_model",
            "own/step=001000",
            "models--a--b/model",
            "vqgan_f16",
        ];
        assert_eq!(labels, wanted);
        // Also where the path begins beside it.
        let label =
            ModelRef::File { path: Path::new("weights.ckpt").into(), stamp: Stamp::default() };
        assert_ne!(label.label(), "weights");
    }

    #[test]
    fn a_stamp_of_before_files_beside_were_looked_at_is_still_read() {
        let old: Stamp = serde_json::from_str(r#"{"modified": 5, "length": 7}"#).unwrap();
        assert_eq!(old, Stamp { modified: 5, length: 7, beside: 0 });
        assert_eq!(serde_json::to_string(&old).unwrap(), r#"{"modified":5,"length":7}"#);
    }
}
