//! What a run needs to go on: one safetensors file, replaced atomically.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::recipe::Recipe;
use crate::atomic::PARTIAL;
use crate::checkpoints::{self, Precision};
use crate::{EngineError, Result};

/// The version of the run's checkpoint.
const FORMAT: u64 = 1;

/// Writes a file so that at any moment either the old or the new one is there, whole.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    crate::atomic::write_atomically(path, |file| file.write_all(bytes))
}

/// Removes what a run that was killed while writing has left in its folder.
pub(super) fn remove_partial_files(folder: &Path) -> Result<()> {
    let io = |source| EngineError::io(folder, source);
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            std::fs::remove_file(entry.path()).map_err(io)?;
        }
    }
    Ok(())
}

/// Serializes named tensors with JSON metadata under the key `smalti`.
pub(super) fn to_bytes(
    tensors: &BTreeMap<String, Tensor>,
    metadata: &serde_json::Value,
) -> Result<Vec<u8>> {
    let map = std::collections::HashMap::from([("smalti".to_owned(), metadata.to_string())]);
    let mut views = Vec::new();
    for (name, tensor) in tensors {
        views.push((name.clone(), tensor.contiguous()?));
    }
    safetensors::serialize(views.iter().map(|(name, t)| (name.clone(), t)), Some(map))
        .map_err(|error| EngineError::bad_input("checkpoint", error, ""))
}

/// A saved run.
pub(super) struct Saved {
    pub(super) tensors: BTreeMap<String, Tensor>,
    pub(super) step: u64,
    pub(super) seconds: f64,
}

/// Writes the checkpoint of a run.
pub(super) fn save_run(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    recipe: &Recipe,
    (step, seconds): (u64, f64),
) -> Result<()> {
    let metadata = serde_json::json!({
        "format": FORMAT, "kind": "run", "step": step, "seconds": seconds, "recipe": recipe,
    });
    write_atomically(path, &to_bytes(tensors, &metadata)?)
}

/// Reads the checkpoint of a run of this recipe.
pub(super) fn load_run(path: &Path, recipe: &Recipe, device: &Device) -> Result<Saved> {
    let bytes = crate::images::file::read_file(path, 16 << 30)?;
    let hint = "start the run anew without --resume, or choose its own folder";
    let bad = |reason: String| EngineError::bad_file(path, reason, hint);
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes)
        .map_err(|error| bad(format!("no checkpoint: {error}")))?;
    let text = header.metadata().as_ref().and_then(|m| m.get("smalti")).cloned();
    let metadata: serde_json::Value = text
        .and_then(|text| serde_json::from_str(&text).ok())
        .ok_or_else(|| bad("no checkpoint of a run".to_owned()))?;
    let format = metadata["format"].as_u64();
    if format != Some(FORMAT) {
        return Err(bad(format!("written as format {:?}, this is {FORMAT}", metadata["format"])));
    }
    let ours = serde_json::to_value(recipe).map_err(|error| bad(error.to_string()))?;
    // The number of steps may be raised; everything else decides the numbers.
    // These decide how long and how a run goes, not its numbers.
    let free = ["steps", "recompute"];
    let same = |field: &str| free.contains(&field) || metadata["recipe"][field] == ours[field];
    if let Some(field) = ours.as_object().and_then(|o| o.keys().find(|f| !same(f))) {
        return Err(bad(format!("the run was started with another {field:?} in its recipe")));
    }
    let tensors = candle_core::safetensors::load_buffer(&bytes, device)?.into_iter().collect();
    Ok(Saved {
        tensors,
        step: metadata["step"].as_u64().unwrap_or(0),
        seconds: metadata["seconds"].as_f64().unwrap_or(0.0),
    })
}

/// Writes a finished model, weights as f16.
pub(super) fn save_model(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    recipe: &Recipe,
    step: u64,
) -> Result<()> {
    let metadata = serde_json::json!({
        "kind": "tokenizer", "config": recipe.tokenizer, "recipe": recipe,
        "steps": step,
    });
    checkpoints::save_model(path, tensors, &metadata, Precision::F16)
}
