//! Quantizers: latents become codes and come back.

use candle_core::Tensor;

use crate::Result;

/// What a quantizer gives for latents (B, D, H, W).
#[derive(Debug)]
pub struct Quantized {
    /// The quantized latents, (B, D, H, W), with the straight-through gradient.
    pub latents: Tensor,
    /// The codes, (B, H, W) u32, each below the codebook's size.
    pub codes: Tensor,
    /// Losses of the quantizer by name, scalars, already weighted; empty where there are none.
    pub losses: Vec<(&'static str, Tensor)>,
}

/// What [`Quantizer::observe`] did to the codebook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observed {
    /// Dead codes that were replaced by latents of the batch.
    pub restarted: usize,
}

/// A rule that maps latents to codes and codes to latents.
pub trait Quantizer: std::fmt::Debug + Send {
    /// Number of codes, K.
    fn codebook_size(&self) -> u32;
    /// Channels of a code, D.
    fn code_dim(&self) -> usize;
    /// The codebook as vectors, (K, D), where it exists or can be listed.
    fn codebook(&self) -> Result<Option<Tensor>>;
    /// Quantizes (B, D, H, W). `training` adds the losses and training-time noise.
    fn quantize(&self, latents: &Tensor, training: bool) -> Result<Quantized>;
    /// The latents (B, D, H, W) of codes (B, H, W) u32.
    fn decode(&self, codes: &Tensor) -> Result<Tensor>;
    /// Learns from a training batch outside of the gradient: initialisation from data, EMA of the
    /// codebook, restart of dead codes. `latents` are those before quantization, (B, D, H, W);
    /// `codes` (B, H, W); `seed` and `step` address the noise. Call after the optimizer's step.
    fn observe(
        &mut self,
        latents: &Tensor,
        codes: &Tensor,
        seed: u64,
        step: u32,
    ) -> Result<Observed>;
    /// Prepares the codebook from the first batch's latents (B, D, H, W); does nothing by default.
    fn start_from(&mut self, _latents: &Tensor, _seed: u64) -> Result<()> {
        Ok(())
    }
    /// State that is saved with the weights but is no parameter (EMA sums and counts), by full name.
    fn state(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }
}
