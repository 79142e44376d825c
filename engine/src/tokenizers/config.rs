//! A tokenizer that Smalti trains: everything that decides it but its weights.

use super::ldm::LdmConfig;
use crate::Result;
use crate::quantizers::QuantizerConfig;

/// A tokenizer that Smalti trains: everything that decides it but its weights.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerConfig {
    /// What a person calls it, such as "worlds-fsq".
    pub name: String,
    /// Encoder and decoder.
    pub network: LdmConfig,
    /// How latents become codes.
    pub quantizer: QuantizerConfig,
}

impl TokenizerConfig {
    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self) -> Result<()> {
        self.network.validate()?;
        self.quantizer.validate(self.network.embed_dim)
    }
}
