//! From a checkpoint file of any kind to a tokenizer that runs.

use std::path::Path;

use candle_core::Device;

use super::recognize::{Family, NOT_THE_NETWORK, Recognized, recognize};
use super::{Checkpoint, read};
use crate::layers::Weights;
use crate::tokenizers::{self, Tokenizer, TokenizerConfig};
use crate::{EngineError, Result};

/// A tokenizer with what its file says about it.
#[derive(Debug)]
pub struct Opened {
    /// The tokenizer, on the device that was asked for.
    pub tokenizer: Box<dyn Tokenizer>,
    /// What it was built from.
    pub config: TokenizerConfig,
    /// What Smalti wrote beside the weights; `None` for files of others.
    pub metadata: Option<serde_json::Value>,
    /// What the file was recognized as.
    pub recognized: Recognized,
}

/// Opens a tokenizer: Smalti's own file, or a public checkpoint of a family that can be built.
///
/// # Errors
/// As [`read`] and [`recognize`]; [`EngineError::BadFile`] if the tensors are those of no such
/// network; [`EngineError::BadInput`] listing the first few tensors that are missing, wrongly shaped
/// or too many, or naming one with a NaN.
pub fn open_tokenizer(path: &Path, device: &Device) -> Result<Opened> {
    let checkpoint = read(path)?;
    let recognized = recognize(&checkpoint, path)?;
    let Some(config) = recognized.config.clone() else {
        return Err(not_a_tokenizer(path, &checkpoint, &recognized));
    };
    let foreign = |name: &str| NOT_THE_NETWORK.iter().any(|prefix| name.starts_with(prefix));
    let tensors = checkpoint.to_tensors_where(device, |name| !foreign(name))?;
    let weights = Weights::loaded(tensors, false, device);
    let tokenizer = tokenizers::build(&config, &weights)?;
    weights.finish(&path.display().to_string(), &NOT_THE_NETWORK)?;
    let metadata = checkpoint.smalti(path)?;
    Ok(Opened { tokenizer, config, metadata, recognized })
}

fn not_a_tokenizer(path: &Path, checkpoint: &Checkpoint, found: &Recognized) -> EngineError {
    let hint = "tokenizers of Smalti, taming-transformers (VQModel) and LlamaGen can be opened";
    let reason = match (found.family, found.problems.first()) {
        (_, Some(problem)) => problem.clone(),
        (Family::Smalti, None) => "a file of Smalti, but not a tokenizer".to_owned(),
        (Family::Unknown, None) => {
            let names: Vec<&str> = checkpoint.tensors.keys().map(String::as_str).take(3).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            format!("no tokenizer that is known here (its first tensors: {names})")
        }
        (family, None) => format!("a {family}, which cannot be opened yet"),
    };
    EngineError::bad_file(path, reason, hint)
}
