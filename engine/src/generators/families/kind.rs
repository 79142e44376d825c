//! What every family of generators can do, and what they read configurations with.

use serde::de::DeserializeOwned;

use super::super::network::Network;
use crate::layers::Weights;
use crate::tokenizers::{Beside, Called, Shapes};
use crate::tokens::PartShape;
use crate::{EngineError, Result};

/// A family of published generators.
pub trait GeneratorFamily: std::fmt::Debug + Sync {
    /// A short name that stays, for files and the command line, such as "llamagen-c2i".
    fn id(&self) -> &'static str;
    /// What people call it, such as "LlamaGen, class to image".
    fn title(&self) -> &'static str;
    /// The tokenizer whose tokens it writes, as people call it, such as "LlamaGen's VQ tokenizer (vq_ds16_c2i.pt)".
    fn tokenizer(&self) -> &'static str;
    /// The name of a tensor that each of its networks has: what stands before it is the prefix of all of them.
    fn mark(&self) -> &'static str;
    /// Whether names and shapes, below such a prefix, are this family's: enough to name it even where some tensors
    /// are missing or wrong, but not another family's.
    fn claims(&self, shapes: &Shapes<'_>) -> bool;
    /// The settings that [`GeneratorFamily::build`] takes, from the shapes and from the configuration that lies
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
    /// What [`GeneratorFamily::configure`] took as published because nothing told it, and another value would
    /// give other tokens; a sentence each, for people.
    fn assumed(
        &self,
        _called: Called<'_>,
        _settings: &serde_json::Value,
        _shapes: &Shapes<'_>,
        _beside: Option<&Beside>,
    ) -> Vec<String> {
        Vec::new()
    }
    /// Begins of names below the prefix that belong to no generator: tokenizers in the same file.
    fn beside_it(&self) -> &'static [&'static str] {
        &[]
    }
    /// The network. Tensors that are missing or do not fit are noted in `weights`. Weights may be shapes alone
    /// ([`Weights::of_shapes`]); the network is not run then.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    fn build(&self, settings: &serde_json::Value, weights: &Weights) -> Result<Network>;
}

/// What a configuration beside a checkpoint says at one of these JSON pointers, such as "/model/params/n_head"; the
/// first that is there counts.
///
/// # Errors
/// [`EngineError::BadFile`] naming the key if its value is of another kind.
pub fn said<T: DeserializeOwned>(beside: Option<&Beside>, pointers: &[&str]) -> Result<Option<T>> {
    let Some(beside) = beside else { return Ok(None) };
    let found = pointers.iter().find_map(|at| Some((*at, beside.value.pointer(at)?)));
    let Some((at, value)) = found.filter(|(_, value)| !value.is_null()) else { return Ok(None) };
    serde_json::from_value(value.clone()).map(Some).map_err(|error| {
        let hint = "correct it, or move the file away to take what shapes tell";
        let key = at.trim_start_matches('/').replace('/', ".");
        EngineError::bad_file(&beside.path, format!("{key}: {error}"), hint)
    })
}

/// What a configuration of a transformer says, wherever its publishers keep it: below `transformer_config` of a model of
/// taming-transformers or Open-MAGVIT2, or at the top.
///
/// # Errors
/// As [`said`].
pub(super) fn said_of_transformer<T: DeserializeOwned>(
    beside: Option<&Beside>,
    key: &str,
) -> Result<Option<T>> {
    let places = [
        "/model/params/transformer_config/params",
        "/model/init_args/transformer_config/params",
        "",
    ];
    let pointers = places.map(|place| format!("{place}/{key}"));
    said(beside, &pointers.each_ref().map(String::as_str))
}

/// Classes that nobody named: their numbers.
pub fn classes_of_numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// The layout of a square grid of tokens.
pub fn grid(side: usize) -> Vec<PartShape> {
    vec![PartShape::grid(side, side)]
}

/// The side of the square of so many tokens.
///
/// # Errors
/// [`EngineError::BadInput`] if they are no square.
pub fn side_of(tokens: usize) -> Result<usize> {
    let side = tokens.isqrt();
    if side > 0 && side * side == tokens {
        return Ok(side);
    }
    let reason = format!("{tokens} tokens of an image are no square");
    Err(EngineError::bad_input("configuration", reason, ""))
}

/// That a size is within bounds, before anything is allocated.
///
/// # Errors
/// [`EngineError::BadInput`] with the field.
pub fn within(field: &str, value: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(EngineError::bad_input(field, format!("{value} is not between {least} and {most}"), ""))
}
