//! `VQModel` of diffusers, the form in which most public VQ models are shared today, and MoVQ, which
//! is the same with a decoder whose norms are told the quantized latents.
//!
//! The network is the one that taming-transformers began, under other names and with linear layers
//! in attention.
//!
//! Sources: Esser et al., arXiv 2012.09841; Zheng et al., "MoVQ: Modulating Quantized Vectors for
//! High-Fidelity Image Generation", arXiv 2209.09002; as published in diffusers and Kandinsky 2.

mod config;
mod network;
#[cfg(test)]
mod tests;

pub use config::{BlockType, NormType, VqModelConfig, claims, configure};

use candle_core::{Device, Tensor};

use super::published::{check_images, check_quantized};
use crate::Result;
use crate::layers::{Conv2d, Probe, Sequence, Weights};
use crate::quantizers::{BetaPlacement, CodebookUpdate, Quantized, Quantizer, Vq, VqConfig};

/// What a person reads.
pub(super) const TITLE: &str = "diffusers VQModel";

/// A `VQModel`.
#[derive(Debug)]
pub struct VqModel {
    config: VqModelConfig,
    device: Device,
    encoder: Sequence,
    quant_conv: Conv2d,
    quantizer: Vq,
    post_quant_conv: Conv2d,
    decoder: Sequence,
}

impl VqModel {
    /// The network of a configuration.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &VqModelConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let (latent, dim) = (config.latent_channels, config.vq_embed_dim);
        let vq = VqConfig {
            codes: config.num_vq_embeddings,
            placement: BetaPlacement::Codebook,
            update: CodebookUpdate::Gradient,
            ..VqConfig::default()
        };
        Ok(Self {
            config: config.clone(),
            device: weights.device().clone(),
            quantizer: Vq::new(&vq, dim, &weights.pp("quantize"))?,
            encoder: network::encoder(config, weights)?,
            quant_conv: Conv2d::one(&weights.pp("quant_conv"), (latent, dim))?,
            post_quant_conv: Conv2d::one(&weights.pp("post_quant_conv"), (dim, latent))?,
            decoder: network::decoder(config, weights)?,
        })
    }

    /// Its settings.
    pub fn config(&self) -> &VqModelConfig {
        &self.config
    }

    /// Where its weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Latents before quantization, (B, D, H/f, W/f), of images (B, C, H, W) in [-1, 1]; `probe` sees
    /// every named layer.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        check_images(images, self.config.in_channels, self.config.factor())?;
        let latents = self.quant_conv.forward(&self.encoder.forward(images, probe)?)?;
        probe.show("quant_conv", &latents);
        Ok(latents)
    }

    /// Quantizes latents (B, D, h, w) to the nearest codes.
    pub fn quantize(&self, latents: &Tensor, training: bool) -> Result<Quantized> {
        self.quantizer.quantize(latents, training)
    }

    /// The quantized latents (B, D, h, w) of codes (B, h, w).
    pub fn dequantize(&self, codes: &Tensor) -> Result<Tensor> {
        self.quantizer.decode(codes)
    }

    /// Images (B, C, h·f, w·f), about [-1, 1] but not clamped, of quantized latents (B, D, h, w).
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        check_quantized(latents, self.config.vq_embed_dim)?;
        let z = self.post_quant_conv.forward(latents)?;
        probe.show("post_quant_conv", &z);
        match self.config.norm_type {
            NormType::Group => self.decoder.forward(&z, probe),
            NormType::Spatial => self.decoder.forward_told(&z, latents, probe),
        }
    }
}
