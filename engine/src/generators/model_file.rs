//! A generator as a file: Smalti's own model file of kind "generator", or one of a published family.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;

use super::families::{FAMILIES, find_generator};
use super::{GeneratorConfig, KIND, Network, Way};
use crate::checkpoints::{self, Checkpoint};
use crate::layers::Weights;
use crate::{EngineError, Result};

/// A generator with what its file says about it.
#[derive(Debug)]
pub struct OpenedGenerator {
    /// The network, to be used and not trained.
    pub network: Arc<Network>,
    /// What the tokenizer whose tokens it writes is called.
    pub tokenizer: String,
    /// Identifies the tokens that it writes: any tokenizer of this hash decodes them. `None` where a file of others
    /// does not say it.
    pub token_hash: Option<String>,
    /// All that was written beside the weights; of others their family and its settings.
    pub metadata: serde_json::Value,
    /// What was stepped over, and what was assumed of a file of others.
    pub notes: Vec<String>,
}

/// Opens a file that [`checkpoints::save_model`] wrote with `kind` [`KIND`], or a checkpoint of a published family.
///
/// # Errors
/// [`EngineError::Io`] if the file cannot be read; [`EngineError::BadFile`] if it is no generator that is known here,
/// or damaged; [`EngineError::BadInput`] listing tensors that do not fit.
pub fn open_generator(path: &Path, device: &Device) -> Result<OpenedGenerator> {
    let checkpoint = checkpoints::read(path)?;
    let Some(metadata) = checkpoint.smalti(path)? else {
        return open_published(&checkpoint, path, device);
    };
    let config = own_config(path, &metadata)?;
    let weights = Weights::loaded(checkpoint.to_tensors(device)?, false, device);
    let network = Arc::new(Network::new(&config, &weights)?);
    weights.finish(&path.display().to_string(), &[])?;
    let said = |key: &str| metadata["tokenizer"][key].as_str().unwrap_or_default().to_owned();
    Ok(OpenedGenerator {
        network,
        tokenizer: said("name"),
        token_hash: Some(said("token_hash")),
        metadata,
        notes: Vec::new(),
    })
}

/// What a generator of Smalti's own is, by what was written beside its weights.
///
/// # Errors
/// [`EngineError::BadFile`] if it is none, or damaged.
pub fn own_config(path: &Path, metadata: &serde_json::Value) -> Result<GeneratorConfig> {
    if let Some((_, hint)) = training_in(path, metadata) {
        let reason = "the checkpoint of a training, which does not say what the generator writes";
        return Err(EngineError::bad_file(path, reason, hint));
    }
    if metadata["kind"] != KIND {
        let kind = metadata["kind"].as_str().unwrap_or("tokenizer");
        let reason = format!("a {kind} of Smalti, not a generator");
        let hint = "train a generator with Smalti, or choose the file of one";
        return Err(EngineError::bad_file(path, reason, hint));
    }
    let config: GeneratorConfig =
        serde::Deserialize::deserialize(&metadata["config"]).map_err(|error| {
            let reason = format!("its configuration cannot be read: {error}");
            EngineError::bad_file(path, reason, "update Smalti")
        })?;
    config.validate().map_err(|error| EngineError::bad_file(path, error, ""))?;
    Ok(config)
}

/// How the generator writes whose training a checkpoint is of, and which file is its model; `None` if it is of no such
/// training.
pub fn training_in(path: &Path, metadata: &serde_json::Value) -> Option<(Way, String)> {
    if metadata["kind"] != "run" {
        return None;
    }
    let recipe = &metadata["recipe"];
    let way = serde::Deserialize::deserialize(&recipe["generator"]["way"]).ok()?;
    let name = format!("{}.safetensors", recipe["name"].as_str()?);
    let beside = path.with_file_name(&name);
    // Kept checkpoints are in a folder of the run's.
    let above = path.parent().and_then(Path::parent).map(|folder| folder.join(&name));
    let found = [Some(beside), above].into_iter().flatten().find(|file| file.is_file());
    let hint = match found {
        Some(file) => format!("use {}, which the training wrote", file.display()),
        None => format!(
            "its training writes {name} when it ends: go on with it (smalti train --resume)"
        ),
    };
    Some((way, hint))
}

fn open_published(
    checkpoint: &Checkpoint,
    path: &Path,
    device: &Device,
) -> Result<OpenedGenerator> {
    let beside = checkpoints::beside(path);
    let Some(found) = find_generator(checkpoint, path, beside.as_ref()) else {
        let titles: Vec<&str> = FAMILIES.iter().map(|family| family.title()).collect();
        let names: Vec<&str> = checkpoint.tensors.keys().map(String::as_str).take(3).collect();
        let reason =
            format!("not a generator that is known here (its first tensors: {})", names.join(", "));
        let hint = format!("generators that can be opened: Smalti's own, {}", titles.join(", "));
        return Err(EngineError::bad_file(path, reason, hint));
    };
    let network = Arc::new(found.open(path, device)?);
    Ok(OpenedGenerator {
        network,
        tokenizer: found.family.tokenizer().to_owned(),
        token_hash: None,
        metadata: serde_json::json!({
            "kind": KIND, "family": found.family.id(), "config": found.settings,
        }),
        notes: found.notes,
    })
}
