//! From a checkpoint file of any kind to a tokenizer that runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};

use super::recognize::{Design, Recognized, find};
use super::token_hash::token_hash;
use super::wrappers::View;
use super::{Checkpoint, beside, read};
use crate::layers::Weights;
use crate::tokenizers::{FAMILIES, Tokenizer};
use crate::{EngineError, Result};

/// A tokenizer with what its file says about it.
#[derive(Debug)]
pub struct Opened {
    /// The tokenizer, on the device that was asked for.
    pub tokenizer: Box<dyn Tokenizer>,
    /// What it was built from.
    pub design: Design,
    /// What Smalti wrote beside the weights; `None` for files of others.
    pub metadata: Option<serde_json::Value>,
    /// What the file was recognized as.
    pub recognized: Recognized,
    /// Identifies what decides tokens, the encoder and the quantizer; the decoder does not.
    pub token_hash: String,
}

/// A path and, behind `#`, the prefix below which the tokenizer is that is meant, for files with
/// several: "model.ckpt#first_stage_model".
pub fn split_part(path: &Path) -> (PathBuf, Option<String>) {
    let text = path.to_string_lossy();
    match text.rsplit_once('#') {
        Some((file, part)) if !path.exists() => (PathBuf::from(file), Some(part.to_owned())),
        _ => (path.to_owned(), None),
    }
}

/// Opens a tokenizer: Smalti's own file, or a public checkpoint of a family that can be built, with the
/// configuration that lies beside it. `#prefix` behind the path asks for one of several.
///
/// # Errors
/// As [`read`] and [`super::recognize`]; [`EngineError::BadFile`] if the tensors are those of no such
/// network; [`EngineError::BadInput`] listing the first few tensors that are missing, wrongly shaped
/// or too many, or naming one with a NaN.
pub fn open_tokenizer(path: &Path, device: &Device) -> Result<Opened> {
    let (file, part) = split_part(path);
    let checkpoint = read(&file)?;
    let beside = beside(&file);
    let (recognized, view) = find(&checkpoint, &file, beside.as_ref(), part.as_deref())?;
    let (Some(design), Some(view)) = (recognized.design.clone(), view) else {
        return Err(not_a_tokenizer(&file, &checkpoint, &recognized));
    };
    let tensors = view.to_tensors(device)?;
    let weights = Weights::loaded(tensors.clone(), false, device);
    let tokenizer = design.build(&weights)?;
    weights.finish(&path.display().to_string(), &[])?;
    let metadata = checkpoint.smalti(&file)?;
    let token_hash = token_hash(&design, tokenizer.facts(), &tensors)?;
    Ok(Opened { tokenizer, design, metadata, recognized, token_hash })
}

/// The tensors of a model by the names of its network, to train on from there: of Smalti's own files of any
/// kind, of a run's checkpoint its averages, of a public checkpoint the tokenizer in it.
///
/// # Errors
/// As [`read`]; [`EngineError::BadFile`] if there is no network in it.
pub fn model_tensors(path: &Path, device: &Device) -> Result<BTreeMap<String, Tensor>> {
    let (file, part) = split_part(path);
    let checkpoint = read(&file)?;
    if checkpoint.smalti(&file)?.is_some() {
        return View::own(&checkpoint).to_tensors(device);
    }
    let (recognized, view) = find(&checkpoint, &file, beside(&file).as_ref(), part.as_deref())?;
    match view {
        Some(view) => view.to_tensors(device),
        None => Err(not_a_tokenizer(&file, &checkpoint, &recognized)),
    }
}

fn not_a_tokenizer(path: &Path, checkpoint: &Checkpoint, found: &Recognized) -> EngineError {
    let titles: Vec<&str> = FAMILIES.iter().map(|family| family.title()).collect();
    let hint = match &found.hint {
        none if none.is_empty() => {
            format!("tokenizers that can be opened: Smalti's own, {}", titles.join(", "))
        }
        hint => hint.clone(),
    };
    let reason = if let Some(problem) = found.problems.first() {
        problem.clone()
    } else if found.is_own {
        "a file of Smalti, but not a tokenizer".to_owned()
    } else {
        let names: Vec<&str> = checkpoint.tensors.keys().map(String::as_str).take(3).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!("no tokenizer that is known here (its first tensors: {names})")
    };
    EngineError::bad_file(path, reason, hint)
}
