//! What a run needs to go on: one safetensors file, replaced atomically.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::Read as _;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde::Deserialize;
use serde_json::Value;

use super::orders::Order;
use super::recipe::Recipe;
use crate::atomic::PARTIAL;
use crate::checkpoints::{self, Precision};
use crate::{EngineError, Result};

/// The version of the run's checkpoint.
const FORMAT: u64 = 1;
/// Headers beyond this are no checkpoint's.
const MOST_HEADER: u64 = 64 << 20;
/// Locked while a run goes on in its folder.
const LOCK: &str = "run.lock";

/// Writes a file so that at any moment either the old or the new one is there, whole.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    crate::atomic::write_atomically(path, |file| file.write_all(bytes))
}

/// Takes a run's folder for this run until the file is dropped, or the program ends in any way. `None` where
/// the system does not lock files.
pub(super) fn claim(folder: &Path) -> Result<Option<File>> {
    let path = folder.join(LOCK);
    let lock = File::options().read(true).create(true).append(true).open(&path);
    let lock = lock.map_err(|source| EngineError::io(&path, source))?;
    // Who only looks whether a run goes on there holds it for a moment.
    let mut tries = 0;
    let locked = loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if tries < 10 => {
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            other => break other,
        }
    };
    match locked {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(EngineError::bad_file(
            folder,
            "a run is going on there",
            "wait for its end or stop it, or choose another folder",
        )),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Whether a run goes on in a folder, here or in another program.
pub(super) fn is_claimed(folder: &Path) -> bool {
    let lock = File::open(folder.join(LOCK));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Removes what a run that was killed while writing has left in its folder.
pub(super) fn remove_partial_files(folder: &Path) -> Result<()> {
    let io = |source| EngineError::io(folder, source);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io)?,
    };
    for entry in entries {
        let entry = entry.map_err(io)?;
        if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            std::fs::remove_file(entry.path()).map_err(io)?;
        }
    }
    Ok(())
}

/// Serializes named tensors with JSON metadata under the key `smalti`.
pub(super) fn to_bytes(tensors: &BTreeMap<String, Tensor>, metadata: &Value) -> Result<Vec<u8>> {
    let map = std::collections::HashMap::from([("smalti".to_owned(), metadata.to_string())]);
    let mut views = Vec::new();
    for (name, tensor) in tensors {
        views.push((name.clone(), tensor.contiguous()?));
    }
    safetensors::serialize(views.iter().map(|(name, t)| (name.clone(), t)), Some(map))
        .map_err(|error| EngineError::bad_input("checkpoint", error, ""))
}

/// A saved run.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) tensors: BTreeMap<String, Tensor>,
    pub(super) at: Done,
}

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Done {
    /// Steps done.
    pub(super) step: u64,
    /// Seconds of training.
    pub(super) seconds: f64,
    /// What was turned on the way.
    pub(super) orders: Vec<Order>,
    /// Codes that were replaced since the last report.
    pub(super) restarted: usize,
}

/// Writes the checkpoint of a run.
pub(super) fn save_run(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    recipe: &Recipe,
    at: &Done,
) -> Result<()> {
    let metadata = serde_json::json!({
        "format": FORMAT, "kind": "run", "step": at.step, "seconds": at.seconds, "orders": at.orders,
        "restarted": at.restarted, "recipe": recipe,
    });
    write_atomically(path, &to_bytes(tensors, &metadata)?)
}

/// What is written beside the tensors of a run's checkpoint.
fn metadata_of(path: &Path, bytes: &[u8]) -> Result<Value> {
    let bad = |reason: String| {
        let hint = "go on from a kept checkpoint with --from and --at, or choose another folder";
        EngineError::bad_file(path, reason, hint)
    };
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes)
        .map_err(|error| bad(format!("no checkpoint: {error}")))?;
    let text = header.metadata().as_ref().and_then(|m| m.get("smalti")).cloned();
    metadata_from(path, text)
}

/// What is written beside the tensors of a run's checkpoint, from its text.
fn metadata_from(path: &Path, text: Option<String>) -> Result<Value> {
    let bad = |reason: String| {
        let hint = "go on from a kept checkpoint with --from and --at, or choose another folder";
        EngineError::bad_file(path, reason, hint)
    };
    let metadata: Value = text
        .and_then(|text| serde_json::from_str(&text).ok())
        .ok_or_else(|| bad("no checkpoint of a run".to_owned()))?;
    let format = metadata["format"].as_u64();
    if format != Some(FORMAT) {
        return Err(bad(format!("written as format {:?}, this is {FORMAT}", metadata["format"])));
    }
    Ok(metadata)
}

/// The same, without reading the tensors.
fn head_of(path: &Path) -> Result<Value> {
    let io = |source| EngineError::io(path, source);
    let mut file = File::open(path).map_err(io)?;
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(io)?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(length).min(MOST_HEADER)).read_to_end(&mut header).map_err(io)?;
    let header: Option<Value> = serde_json::from_slice(&header).ok();
    let text =
        header.and_then(|header| header["__metadata__"]["smalti"].as_str().map(str::to_owned));
    metadata_from(path, text)
}

/// The steps that a run had done when it wrote a checkpoint.
pub(super) fn step_of(path: &Path) -> Result<u64> {
    Ok(head_of(path)?["step"].as_u64().unwrap_or(0))
}

/// How far a run was when it wrote a checkpoint, and by which recipe.
pub(super) fn done_of(path: &Path) -> Result<(Done, Recipe)> {
    let head = head_of(path)?;
    let bad = |error: serde_json::Error| {
        let hint = "a newer Smalti may read it";
        EngineError::bad_file(path, format!("it cannot be read: {error}"), hint)
    };
    let orders = head.get("orders").map_or(Ok(Vec::new()), Vec::deserialize).map_err(bad)?;
    let recipe = Recipe::deserialize(&head["recipe"]).map_err(bad)?;
    Ok((done_from(&head, orders), recipe))
}

/// How far a run was, as it stands beside its tensors. What an older checkpoint does not have is 0.
fn done_from(metadata: &Value, orders: Vec<Order>) -> Done {
    Done {
        step: metadata["step"].as_u64().unwrap_or(0),
        seconds: metadata["seconds"].as_f64().unwrap_or(0.0),
        orders,
        restarted: metadata["restarted"].as_u64().unwrap_or(0) as usize,
    }
}

/// Reads the checkpoint of a run of this recipe.
pub(super) fn load_run(path: &Path, recipe: &Recipe, device: &Device) -> Result<Saved> {
    let bytes = crate::images::file::read_file(path, 16 << 30)?;
    let hint = "go on from a kept checkpoint with --from and --at, or choose another folder";
    let bad = |reason: String| EngineError::bad_file(path, reason, hint);
    let metadata = metadata_of(path, &bytes)?;
    check_recipe(path, &metadata, recipe)?;
    let tensors = candle_core::safetensors::load_buffer(&bytes, device)?.into_iter().collect();
    // Those of before knobs could be turned have none.
    let orders = metadata.get("orders").map_or(Ok(Vec::new()), Vec::deserialize);
    let orders = orders.map_err(|error| bad(format!("its orders cannot be read: {error}")))?;
    Ok(Saved { tensors, at: done_from(&metadata, orders) })
}

/// Whether a run of this recipe can go on from a checkpoint.
///
/// # Errors
/// [`EngineError::BadFile`] with the field that differs, or if it is no checkpoint of a run.
pub(super) fn is_of_recipe(path: &Path, recipe: &Recipe) -> Result<()> {
    check_recipe(path, &head_of(path)?, recipe)
}

fn check_recipe(path: &Path, metadata: &Value, recipe: &Recipe) -> Result<()> {
    let hint = "go on by the recipe that the run was started with, or start anew in another folder";
    let bad = |reason: String| EngineError::bad_file(path, reason, hint);
    // Through text, as the saved one: numbers must be rounded alike.
    let own = serde_json::to_string(recipe)
        .and_then(|text| serde_json::from_str(&text))
        .map_err(|error| bad(error.to_string()))?;
    match other_field(&metadata["recipe"], &own).map_err(bad)? {
        Some(field) => {
            Err(bad(format!("the run was started with another {field:?} in its recipe")))
        }
        None => Ok(()),
    }
}

/// The first field in which two recipes differ that decides the numbers of a run. Both are read first: an
/// older one may lack fields that have a default.
fn other_field(saved: &Value, own: &Value) -> Result<Option<String>, String> {
    // These decide how long and how a run goes, or how it began, not its numbers from there.
    const FREE: [&str; 5] = ["steps", "recompute", "checkpoint_every_secs", "keep", "init"];
    let read = |value: &Value| -> Result<Value, serde_json::Error> {
        serde_json::to_value(Recipe::deserialize(value)?.without_folders())
    };
    let unreadable = |error| format!("the recipe of the run cannot be read: {error}");
    let (saved, own) = (read(saved).map_err(unreadable)?, read(own).map_err(unreadable)?);
    let fields = own.as_object().into_iter().flatten();
    let other = fields
        .map(|(field, value)| (field, *value != saved[field]))
        .find(|(field, differs)| *differs && !FREE.contains(&field.as_str()));
    Ok(other.map(|(field, _)| field.clone()))
}

/// Writes a finished model, weights as f16; `metadata` says what it is.
pub(super) fn save_model(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    mut metadata: Value,
    recipe: &Recipe,
    step: u64,
) -> Result<()> {
    metadata["recipe"] = serde_json::json!(recipe.without_folders());
    metadata["steps"] = step.into();
    checkpoints::save_model(path, tensors, &metadata, Precision::F16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recipe as it stands in a checkpoint, changed.
    fn saved(change: impl Fn(&mut Value)) -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/recipes/worlds-fsq.ron");
        let mut value = serde_json::to_value(Recipe::read(&path).unwrap()).unwrap();
        change(&mut value);
        serde_json::from_str(&value.to_string()).unwrap()
    }

    #[test]
    fn runs_of_before_a_field_was_there_go_on_and_those_of_another_recipe_do_not() {
        let own = saved(|_| {});
        let without = |path: &[&str]| {
            saved(|value| {
                let (last, above) = path.split_last().unwrap();
                let parent = above.iter().fold(value, |value, field| &mut value[*field]);
                assert!(parent.as_object_mut().unwrap().remove(*last).is_some(), "{path:?}");
            })
        };
        for path in [&["micro_batch"][..], &["recompute"], &["losses"], &["losses", "l1"]] {
            assert_eq!(other_field(&without(path), &own), Ok(None), "{path:?}");
        }
        // 0 and 0.0 are one number.
        let whole = saved(|value| value["losses"]["l1"] = 0.into());
        assert_ne!(whole, own);
        assert_eq!(other_field(&whole, &own), Ok(None));
        for (field, value) in [("steps", 9.into()), ("checkpoint_every_secs", 1.5.into())] {
            let free = saved(|recipe| recipe[field] = Value::clone(&value));
            assert_eq!(other_field(&free, &own), Ok(None), "{field}");
        }
        let other = saved(|value| value["optimizer"]["lr"] = 0.125.into());
        assert_eq!(other_field(&other, &own), Ok(Some("optimizer".to_owned())));
        let other = saved(|value| value["micro_batch"] = 3.into());
        assert_eq!(other_field(&other, &own), Ok(Some("micro_batch".to_owned())));
        // A field that only a newer version knows may decide numbers.
        let newer = saved(|value| value["discriminator"] = true.into());
        let reason = other_field(&newer, &own).unwrap_err();
        assert!(reason.contains("discriminator"), "{reason}");
    }
}
