//! A classifier as a file: Smalti's own model file of kind "classifier".

use std::path::Path;

use candle_core::Device;

use super::{Classifier, ClassifierConfig};
use crate::checkpoints;
use crate::layers::Weights;
use crate::{EngineError, Result};

/// What the metadata of its file calls a classifier.
pub const KIND: &str = "classifier";

impl Classifier {
    /// Opens a file that [`checkpoints::save_model`] wrote with `kind` [`KIND`] and the `config` of the
    /// network in its metadata, to be used and not trained.
    ///
    /// # Errors
    /// [`EngineError::Io`] if the file cannot be read; [`EngineError::BadFile`] if it is no classifier of
    /// Smalti, or damaged; [`EngineError::BadInput`] listing tensors that do not fit.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let checkpoint = checkpoints::read(path)?;
        let hint = "train a classifier with Smalti, or choose the file of one";
        let Some(metadata) = checkpoint.smalti(path)? else {
            return Err(EngineError::bad_file(path, "no classifier of Smalti", hint));
        };
        if metadata["kind"] != KIND {
            let kind = metadata["kind"].as_str().unwrap_or("file");
            let reason = format!("a {kind} of Smalti, not a classifier");
            return Err(EngineError::bad_file(path, reason, hint));
        }
        let config: ClassifierConfig = serde::Deserialize::deserialize(&metadata["config"])
            .map_err(|error| {
                let reason = format!("its configuration cannot be read: {error}");
                EngineError::bad_file(path, reason, "update Smalti")
            })?;
        config.validate().map_err(|error| EngineError::bad_file(path, error, ""))?;
        let weights = Weights::loaded(checkpoint.to_tensors(device)?, false, device);
        let classifier = Self::new(&config, &weights)?;
        weights.finish(&path.display().to_string(), &[])?;
        Ok(classifier)
    }
}
