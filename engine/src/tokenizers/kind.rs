//! What every family can do, and what they read shapes and settings with.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::tokenizer::Tokenizer;
use crate::layers::Weights;
use crate::{EngineError, Result};

/// Shapes of tensors by name.
pub type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// A configuration that lies beside a checkpoint, as its publishers write it.
#[derive(Debug, Clone, PartialEq)]
pub struct Beside {
    /// The file it is from.
    pub path: PathBuf,
    /// What it says; YAML and JSON alike.
    pub value: serde_json::Value,
}

impl Beside {
    /// Whether it can be that of a network of these classes: not if it names another one, under
    /// `_class_name` (diffusers) or `model_type` (transformers).
    pub fn is_of(&self, classes: &[&str]) -> bool {
        let is_theirs = |said: &str| classes.iter().any(|class| class.eq_ignore_ascii_case(said));
        ["_class_name", "model_type"]
            .iter()
            .filter_map(|key| self.value.get(key)?.as_str())
            .all(is_theirs)
    }

    /// Whether it names one of these classes.
    pub fn names(&self, classes: &[&str]) -> bool {
        let said = |key: &&str| self.value.get(key).is_some_and(serde_json::Value::is_string);
        ["_class_name", "model_type"].iter().any(said) && self.is_of(classes)
    }

    /// The class that it is to build, such as "taming.models.vqgan.VQModel": the `target` or
    /// `class_path` of its `model`.
    pub fn target(&self) -> Option<&str> {
        let model = self.value.get("model")?;
        ["class_path", "target"].iter().find_map(|key| model.get(key)?.as_str())
    }

    /// It without all but the class that it is to build; `None` if it names none.
    #[must_use]
    pub fn class_alone(&self) -> Option<Self> {
        let target = self.target()?;
        let value = serde_json::json!({ "model": { "target": target } });
        Some(Self { path: self.path.clone(), value })
    }

    /// The value of a key, wherever such a configuration keeps it. taming-transformers,
    /// latent-diffusion and Open-MAGVIT2 nest the same keys differently: below `model.params` or
    /// `model.init_args`, and those of the network once more below `ddconfig`.
    pub fn find(&self, key: &str) -> Option<&serde_json::Value> {
        let mut places = vec![&self.value];
        // Latent diffusion keeps its tokenizer one level deeper.
        for inner in [
            &["model"][..],
            &["params", "init_args"],
            &["first_stage_config"],
            &["params"],
            &["ddconfig"],
        ] {
            let deeper: Vec<&serde_json::Value> = places
                .iter()
                .flat_map(|place| inner.iter().filter_map(|key| place.get(*key)))
                .collect();
            places.extend(deeper);
        }
        // The deepest is the most particular.
        let found = places.into_iter().rev().find_map(|place| place.get(key));
        found.filter(|value| !value.is_null())
    }
}

/// What people call a checkpoint: where shapes leave something open, a name may tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Called<'a> {
    /// Its file's name, without the ending.
    pub name: &'a str,
    /// The name of the folder that it lies in; may be empty.
    pub folder: &'a str,
}

impl Called<'_> {
    /// Whether a word stands in one of the names, in whatever letters.
    pub fn says(&self, word: &str) -> bool {
        [self.name, self.folder]
            .iter()
            .flat_map(|name| name.split(|letter: char| !letter.is_ascii_alphanumeric()))
            .any(|part| part.eq_ignore_ascii_case(word))
    }
}

impl<'a> From<&'a str> for Called<'a> {
    fn from(name: &'a str) -> Self {
        Self { name, folder: "" }
    }
}

/// A family of published networks.
pub trait Family: std::fmt::Debug + Sync {
    /// A short name that stays, for files and the command line, such as "taming".
    fn id(&self) -> &'static str;
    /// What people call it, such as "taming VQModel".
    fn title(&self) -> &'static str;
    /// Whether the names and shapes are this family's: enough to name it even where some tensors are
    /// missing or wrong, but not another family's.
    fn claims(&self, shapes: &Shapes<'_>) -> bool;
    /// What its configurations call themselves where they name a class ([`Beside::is_of`]); others with
    /// such a name are of other networks.
    fn classes(&self) -> &'static [&'static str] {
        &[]
    }
    /// The settings that [`Family::build`] takes, from the shapes and from the configuration that lies
    /// beside the checkpoint, which wins where both say something.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with what is missing or makes no sense; [`EngineError::BadFile`] of the
    /// configuration with the key whose value does not.
    fn configure(
        &self,
        called: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<serde_json::Value>;
    /// What [`Family::configure`] took as published because nothing told it, and another value would
    /// give other tokens or pictures; a sentence each, for people.
    fn assumed(
        &self,
        _settings: &serde_json::Value,
        _shapes: &Shapes<'_>,
        _beside: Option<&Beside>,
    ) -> Vec<String> {
        Vec::new()
    }
    /// The network. Tensors that are missing or do not fit are noted in `weights`.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    fn build(&self, settings: &serde_json::Value, weights: &Weights) -> Result<Box<dyn Tokenizer>>;
}

/// Settings as a family's own type.
///
/// # Errors
/// [`EngineError::BadInput`] with the field that does not fit.
pub fn settings<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T> {
    serde_json::from_value(value.clone()).map_err(|error| {
        let hint = "the file is damaged or newer than this program";
        EngineError::bad_input("configuration", error, hint)
    })
}

/// A family's own settings as a value.
///
/// # Errors
/// [`EngineError::BadInput`] if a number is not finite.
pub fn settings_value<T: serde::Serialize>(settings: &T) -> Result<serde_json::Value> {
    serde_json::to_value(settings)
        .map_err(|error| EngineError::bad_input("configuration", error, ""))
}

/// How many of a numbered name there are, from 0 without a gap.
pub fn count(shapes: &Shapes<'_>, name: impl Fn(usize) -> String) -> usize {
    (0..64).take_while(|i| shapes.contains_key(name(*i).as_str())).count()
}

/// Whether any name begins with `prefix`.
pub fn any(shapes: &Shapes<'_>, prefix: &str) -> bool {
    shapes.range(prefix..).next().is_some_and(|(name, _)| name.starts_with(prefix))
}

/// The size of a tensor along an axis.
///
/// # Errors
/// [`EngineError::BadInput`] naming the tensor that is missing.
pub fn size(shapes: &Shapes<'_>, name: &str, axis: usize) -> Result<usize> {
    shapes.get(name).and_then(|shape| shape.get(axis)).copied().ok_or_else(|| {
        EngineError::bad_input("network", format!("{name} is missing"), "the file is not whole")
    })
}
