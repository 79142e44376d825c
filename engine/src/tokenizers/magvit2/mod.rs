//! Open-MAGVIT2's tokenizer of images: convolutions without attention, codes of bits, and a decoder
//! whose norms follow the statistics of all codes.
//!
//! There is no `quant_conv`: what the encoder gives has a channel for each bit.
//!
//! Sources: Luo et al., "Open-MAGVIT2: An Open-Source Project Toward Democratizing Auto-Regressive
//! Visual Generation", arXiv 2409.04410; Yu et al., MAGVIT-v2, arXiv 2310.05737.

mod config;
mod network;
mod norm;

pub use config::{Magvit2Config, claims, configure};
pub use network::depth_to_space;

use candle_core::{Device, Tensor};

use crate::layers::{Probe, Weights};
use crate::quantizers::lfq::Lfq;
use crate::quantizers::pass::{InParts, Pass};
use crate::{EngineError, Result};

/// A tokenizer of the family.
#[derive(Debug)]
pub struct Magvit2 {
    config: Magvit2Config,
    device: Device,
    encoder: network::Encoder,
    quantizer: Lfq,
    decoder: network::Decoder,
}

impl Magvit2 {
    /// The network of a configuration.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &Magvit2Config, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let weights = if config.use_ema { weights.clone().averaged() } else { weights.clone() };
        let device = weights.device().clone();
        Ok(Self {
            config: config.clone(),
            encoder: network::Encoder::new(config, &weights)?,
            quantizer: Lfq::new(&config.quantizer, config.z_channels, &device)?,
            decoder: network::Decoder::new(config, &weights)?,
            device,
        })
    }

    /// Where weights are, and images and codes have to be.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The rule that makes codes.
    pub fn quantizer(&self) -> &Lfq {
        &self.quantizer
    }

    /// Latents (B, D, H/f, W/f) of images (B, C, H, W) in [-1, 1]; `probe` sees every named layer.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if the channels are others or a side does not divide by the factor.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        super::check_images(images, self.config.in_channels, self.config.factor())?;
        self.encoder.forward(images, probe)
    }

    /// Quantizes latents (B, D, h, w).
    ///
    /// # Errors
    /// If the latents have another number of channels or are not finite.
    pub fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<InParts> {
        self.quantizer.quantize(latents, pass)
    }

    /// The quantized latents (B, D, h, w) of the codes of every part, (B, h, w) u32 each.
    ///
    /// # Errors
    /// If parts are missing or differ in size, or a code is outside of its part.
    pub fn dequantize(&self, codes: &[Tensor]) -> Result<Tensor> {
        self.quantizer.decode(codes)
    }

    /// Images (B, C, H, W), about [-1, 1], of quantized latents; `probe` sees every named layer.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if the latents have other channels, [`EngineError::BadInput`] for a
    /// single token, which the published norm cannot take.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let dim = self.config.z_channels;
        if latents.rank() != 4 || latents.dim(1)? != dim {
            return Err(EngineError::Shape {
                what: "quantized latents".to_owned(),
                expected: format!("(B, {dim}, h, w)"),
                found: latents.dims().to_vec(),
            });
        }
        self.decoder.forward(latents, probe)
    }
}
