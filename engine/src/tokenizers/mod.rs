//! Tokenizers: image → latents → codes of each part → latents → image, one folder a family.

pub mod cosmos;
pub mod diffusers;
pub mod emu3;
pub mod facts;
pub mod family;
pub mod ldm;
mod published;
pub mod run;

pub use facts::{Facts, Input};
pub use family::{Beside, FAMILIES, Family, Shapes};
pub use ldm::{Ldm, LdmConfig, Naming};
pub use run::{check_layout, detokenize, images_of, pictures_of, tokenize};

use candle_core::{Device, Tensor};

use crate::Result;
use crate::layers::Weights;
use crate::quantizers::{Pass, Quantized, Quantizer, QuantizerConfig};
use crate::tokens::PartShape;

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

/// Makes the tokenizer of a configuration from weights, fresh or loaded.
///
/// Tensors that are missing or do not fit are noted in `weights`: call [`Weights::finish`] next.
///
/// # Errors
/// [`crate::EngineError::BadInput`] if the configuration cannot be used.
pub fn build(config: &TokenizerConfig, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
    Ok(Box::new(Ldm::new(config, weights)?))
}

/// An image tokenizer.
pub trait Tokenizer: std::fmt::Debug + Send + Sync {
    /// What it is.
    fn facts(&self) -> &Facts;
    /// Where its weights are, and images and codes have to be.
    fn device(&self) -> &Device;
    /// The parts that an image of that many pixels becomes.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if images cannot have that size; says which they can have.
    fn layout(&self, height: usize, width: usize) -> Result<Vec<PartShape>> {
        let (rows, columns) = self.facts().latent_size(height, width)?;
        Ok(self.quantizer().layout(rows, columns))
    }
    /// Latents before quantization, (B, D, h, w), of images (B, C, H, W) in [-1, 1].
    fn encode(&self, images: &Tensor) -> Result<Tensor>;
    /// Quantizes latents (B, D, h, w).
    fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<Quantized> {
        self.quantizer().quantize(latents, pass)
    }
    /// Quantized latents (B, D, h, w) of the codes of each part, (B, rows, columns) u32; of the first
    /// few parts where parts add up.
    fn dequantize(&self, codes: &[Tensor]) -> Result<Tensor> {
        self.quantizer().decode(codes)
    }
    /// Images (B, C, H, W), about [-1, 1], of quantized latents (B, D, h, w).
    fn decode(&self, latents: &Tensor) -> Result<Tensor>;
    /// The quantizer.
    fn quantizer(&self) -> &dyn Quantizer;
    /// The quantizer, to let it learn from a batch.
    fn quantizer_mut(&mut self) -> &mut dyn Quantizer;
}
