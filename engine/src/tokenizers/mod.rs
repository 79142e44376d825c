//! Tokenizers: image → latents → codes of each part → latents → image, one folder a family.

mod beside;
mod clues;
pub mod cosmos;
pub mod diffusers;
pub mod emu3;
pub mod facts;
pub mod family;
pub mod gumbel;
pub mod ldm;
pub mod magvit2;
pub mod maskgit_vqgan;
pub mod run;
pub mod titok;
pub mod var;

pub use facts::{Facts, Input};
pub use family::{Beside, FAMILIES, Family, Shapes};
pub use ldm::{Ldm, LdmConfig, Naming};
pub use run::{check_layout, detokenize, images_of, pictures_of, tokenize};

use candle_core::{Device, Tensor};

use crate::layers::Weights;
use crate::quantizers::{Pass, Quantized, Quantizer, QuantizerConfig};
use crate::tokens::PartShape;
use crate::{EngineError, Result};

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

/// An error unless images are (B, C, H, W) with `channels` and sides that divide by `factor`.
fn check_images(images: &Tensor, channels: usize, factor: usize) -> Result<()> {
    let fits = match *images.dims() {
        [b, c, h, w] => {
            let whole = h.is_multiple_of(factor) && w.is_multiple_of(factor);
            c == channels && b * h * w > 0 && whole
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(EngineError::Shape {
        what: "images".to_owned(),
        expected: format!("(B, {channels}, H, W) with sides that divide by {factor}"),
        found: images.dims().to_vec(),
    })
}

/// An error unless quantized latents are (B, D, h, w) with D of `dim`.
fn check_quantized(latents: &Tensor, dim: usize) -> Result<()> {
    if latents.rank() == 4 && latents.dim(1)? == dim {
        return Ok(());
    }
    Err(EngineError::Shape {
        what: "quantized latents".to_owned(),
        expected: format!("(B, {dim}, h, w)"),
        found: latents.dims().to_vec(),
    })
}
