//! A generator as a file: Smalti's own model file of kind "generator".

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;

use super::{GeneratorConfig, KIND, Network};
use crate::checkpoints;
use crate::layers::Weights;
use crate::{EngineError, Result};

/// A generator with what its file says about it.
#[derive(Debug)]
pub struct OpenedGenerator {
    /// The network, to be used and not trained.
    pub network: Arc<Network>,
    /// What the tokenizer whose tokens it writes is called.
    pub tokenizer: String,
    /// Identifies the tokens that it writes: any tokenizer of this hash decodes them.
    pub token_hash: String,
    /// All that was written beside the weights.
    pub metadata: serde_json::Value,
}

/// Opens a file that [`checkpoints::save_model`] wrote with `kind` [`KIND`].
///
/// # Errors
/// [`EngineError::Io`] if the file cannot be read; [`EngineError::BadFile`] if it is no generator of
/// Smalti, or damaged; [`EngineError::BadInput`] listing tensors that do not fit.
pub fn open_generator(path: &Path, device: &Device) -> Result<OpenedGenerator> {
    let checkpoint = checkpoints::read(path)?;
    let hint = "train a generator with Smalti, or choose the file of one";
    let Some(metadata) = checkpoint.smalti(path)? else {
        return Err(EngineError::bad_file(path, "no generator of Smalti", hint));
    };
    if metadata["kind"] != KIND {
        let kind = metadata["kind"].as_str().unwrap_or("tokenizer");
        let reason = format!("a {kind} of Smalti, not a generator");
        return Err(EngineError::bad_file(path, reason, hint));
    }
    let config: GeneratorConfig =
        serde::Deserialize::deserialize(&metadata["config"]).map_err(|error| {
            let reason = format!("its configuration cannot be read: {error}");
            EngineError::bad_file(path, reason, "update Smalti")
        })?;
    config.validate().map_err(|error| EngineError::bad_file(path, error, ""))?;
    let weights = Weights::loaded(checkpoint.to_tensors(device)?, false, device);
    let network = Arc::new(Network::new(&config, &weights)?);
    weights.finish(&path.display().to_string(), &[])?;
    let said = |key: &str| metadata["tokenizer"][key].as_str().unwrap_or_default().to_owned();
    Ok(OpenedGenerator {
        network,
        tokenizer: said("name"),
        token_hash: said("token_hash"),
        metadata,
    })
}
