//! A classifier as a file: Smalti's own model file of kind "classifier".

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use serde_json::{Map, Value};

use super::{Classifier, ClassifierConfig};
use crate::checkpoints::{self, Precision};
use crate::layers::Weights;
use crate::{EngineError, Result};

/// What the metadata calls it.
const KIND: &str = "classifier";

/// Writes a classifier, its weights as f16. `more` stands beside its configuration in the metadata: the
/// recipe, the names of the classes, what was measured.
///
/// # Errors
/// As [`checkpoints::save_model`].
pub fn save_classifier(
    path: &Path,
    config: &ClassifierConfig,
    tensors: &BTreeMap<String, Tensor>,
    more: Map<String, Value>,
) -> Result<()> {
    let mut metadata = more;
    metadata.insert("kind".to_owned(), KIND.into());
    metadata.insert("config".to_owned(), serde_json::json!(config));
    checkpoints::save_model(path, tensors, &Value::Object(metadata), Precision::F16)
}

impl Classifier {
    /// Opens what [`save_classifier`] wrote, to be used and not trained.
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
