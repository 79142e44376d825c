//! Tokenizers: image → latents → codes → latents → image, one folder a family.

pub mod cosmos;
pub mod diffusers;
pub mod emu3;
pub mod ldm;
pub mod published;
pub mod run;

pub use ldm::{Ldm, LdmConfig, Naming};
pub use run::{detokenize, tokenize};

use candle_core::{Device, Tensor};

use crate::Result;
use crate::layers::Weights;
use crate::quantizers::{Quantized, Quantizer, QuantizerConfig};

/// Everything that decides a tokenizer but its weights; stored with every model file.
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

/// Makes the tokenizer of a configuration from weights, fresh or loaded.
///
/// Tensors that are missing or do not fit are noted in `weights`: call [`Weights::finish`] next.
///
/// # Errors
/// [`crate::EngineError::BadInput`] if the configuration cannot be used.
pub fn build(config: &TokenizerConfig, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
    Ok(Box::new(Ldm::new(config, weights)?))
}

/// What can be said of a tokenizer without running it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// The family's name, such as "taming" or "llamagen".
    pub family: String,
    /// Pixels per token along a side.
    pub factor: usize,
    /// Number of codes, K.
    pub codebook_size: u32,
    /// Channels of a code, D.
    pub code_dim: usize,
    /// The levels of an FSQ code, lowest digit first; empty for other quantizers.
    pub levels: Vec<u32>,
    /// Number of parameters.
    pub parameters: usize,
    /// The quantizer in words, such as "VQ, EMA" or "FSQ 8,5,5,5".
    pub quantizer: String,
}

/// An image tokenizer. Sides of images must divide by [`Facts::factor`].
pub trait Tokenizer: std::fmt::Debug + Send + Sync {
    /// What it is.
    fn facts(&self) -> &Facts;
    /// Where its weights are, and images and codes have to be.
    fn device(&self) -> &Device;
    /// Latents before quantization, (B, D, H/f, W/f), of images (B, 3, H, W) in [-1, 1].
    fn encode(&self, images: &Tensor) -> Result<Tensor>;
    /// Quantizes latents (B, D, h, w).
    fn quantize(&self, latents: &Tensor, training: bool) -> Result<Quantized>;
    /// Images (B, 3, H, W), about [-1, 1] but not clamped, of quantized latents (B, D, h, w).
    fn decode(&self, latents: &Tensor) -> Result<Tensor>;
    /// The quantizer.
    fn quantizer(&self) -> &dyn Quantizer;
    /// The quantizer, to let it learn from a batch.
    fn quantizer_mut(&mut self) -> &mut dyn Quantizer;
}
