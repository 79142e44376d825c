//! Tokenizers: image → latents → codes → latents → image, one file a family.

use candle_core::Tensor;

use crate::Result;
use crate::quantizers::{Quantized, Quantizer};

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
pub trait Tokenizer: std::fmt::Debug + Send {
    /// What it is.
    fn facts(&self) -> &Facts;
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
