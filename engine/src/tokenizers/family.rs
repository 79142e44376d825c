//! The table of families: who recognizes, configures and builds which published network.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::Tokenizer;
use super::cosmos::CosmosDi;
use super::diffusers::DiffusersVq;
use super::emu3::Emu3Vq;
use super::gumbel::TamingGumbel;
use super::ldm::{LlamaGen, Taming};
use super::magvit2::OpenMagvit2;
use super::maskgit_vqgan::MaskGit;
use super::titok::TiTok;
use super::var::VarVqvae;
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

/// A family of published networks.
pub trait Family: std::fmt::Debug + Sync {
    /// A short name that stays, for files and the command line, such as "taming".
    fn id(&self) -> &'static str;
    /// What people call it, such as "taming VQModel".
    fn title(&self) -> &'static str;
    /// Whether the names and shapes are this family's: enough to name it even where some tensors are
    /// missing or wrong, but not another family's.
    fn claims(&self, shapes: &Shapes<'_>) -> bool;
    /// The settings that [`Family::build`] takes, from the shapes and from the configuration that lies
    /// beside the checkpoint, which wins where both say something. `name` is what a person calls it.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with what is missing or makes no sense.
    fn configure(
        &self,
        name: &str,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<serde_json::Value>;
    /// The network. Tensors that are missing or do not fit are noted in `weights`.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    fn build(&self, settings: &serde_json::Value, weights: &Weights) -> Result<Box<dyn Tokenizer>>;
}

/// All families, the more particular ones first: the first that claims a checkpoint has it.
pub static FAMILIES: &[&dyn Family] = &[
    &OpenMagvit2,
    &DiffusersVq,
    &Emu3Vq,
    &CosmosDi,
    &TamingGumbel,
    &VarVqvae,
    &TiTok,
    &MaskGit,
    &Taming,
    &LlamaGen,
];

/// The family of an id.
pub fn family(id: &str) -> Option<&'static dyn Family> {
    FAMILIES.iter().copied().find(|family| family.id() == id)
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
