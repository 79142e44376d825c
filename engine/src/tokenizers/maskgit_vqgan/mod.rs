//! MaskGIT-VQGAN: a convolutional tokenizer without attention, whose pictures are in [0, 1] inside.
//!
//! The tokenizer of MaskGIT as it was brought to PyTorch; TiTok was trained against its codes and has
//! its decoder inside. Fully convolutional: any size that divides by the factor.
//!
//! Source: Chang et al., "MaskGIT: Masked Generative Image Transformer", arXiv 2202.04200; the PyTorch
//! form in bytedance/1d-tokenizer.

mod config;
mod network;

pub use config::{MaskGitConfig, claims, configure};
pub(super) use network::{Decoder, Levels};

use candle_core::{Device, Tensor};

use crate::layers::{Probe, Weights};
use crate::quantizers::{Quantized, Quantizer, Vq};
use crate::{EngineError, Result};
use network::Encoder;

/// MaskGIT's tokenizer.
#[derive(Debug)]
pub struct MaskGitVqgan {
    config: MaskGitConfig,
    device: Device,
    parameters: usize,
    encoder: Encoder,
    quantizer: Vq,
    decoder: Decoder,
}

impl MaskGitVqgan {
    /// The network of a configuration.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &MaskGitConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let (before, sizes) = (weights.elements(), config.levels());
        let encoder = Encoder::new(&sizes, config.hidden_channels, &weights.pp("encoder"))?;
        let quantizer = Vq::new(&config.vq(), config.z_channels, &weights.pp("quantize"))?;
        let decoder = Decoder::new(&sizes, &weights.clone().fast(), "decoder")?;
        Ok(Self {
            config: config.clone(),
            device: weights.device().clone(),
            parameters: weights.elements() - before,
            encoder,
            quantizer,
            decoder,
        })
    }

    /// The settings.
    pub fn config(&self) -> &MaskGitConfig {
        &self.config
    }

    /// Where its weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The quantizer.
    pub fn quantizer(&self) -> &Vq {
        &self.quantizer
    }

    /// Latents (B, D, H/f, W/f) of images (B, C, H, W) in [-1, 1]; `probe` sees every named layer.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if a side does not divide by the factor.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let (channels, factor) = (self.config.num_channels, self.config.factor());
        let fits = match *images.dims() {
            [b, c, h, w] => {
                c == channels
                    && b * h * w > 0
                    && h.is_multiple_of(factor)
                    && w.is_multiple_of(factor)
            }
            _ => false,
        };
        if !fits {
            return Err(EngineError::Shape {
                what: "images".to_owned(),
                expected: format!("(B, {channels}, H, W) with sides that divide by {factor}"),
                found: images.dims().to_vec(),
            });
        }
        self.encoder.forward(&to_unit(images)?, probe)
    }

    /// Codes of latents (B, D, h, w).
    ///
    /// # Errors
    /// As for [`Vq`].
    pub fn quantize(&self, latents: &Tensor, training: bool) -> Result<Quantized> {
        self.quantizer.quantize(latents, training)
    }

    /// Latents (B, D, h, w) of codes (B, h, w).
    ///
    /// # Errors
    /// As for [`Vq`].
    pub fn dequantize(&self, codes: &Tensor) -> Result<Tensor> {
        self.quantizer.decode(codes)
    }

    /// Images (B, C, H, W), about [-1, 1] but not cut off, of latents (B, D, h, w); `probe` sees every
    /// named layer, in [0, 1] still.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for latents of another number of channels.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        if latents.rank() != 4 || latents.dim(1)? != self.config.z_channels {
            return Err(EngineError::Shape {
                what: "quantized latents".to_owned(),
                expected: format!("(B, {}, h, w)", self.config.z_channels),
                found: latents.dims().to_vec(),
            });
        }
        from_unit(&self.decoder.forward(latents, probe)?)
    }
}

/// Images in [-1, 1] as networks of this family want them, in [0, 1].
pub(super) fn to_unit(images: &Tensor) -> Result<Tensor> {
    Ok(images.affine(0.5, 0.5)?)
}

/// The reverse of [`to_unit`].
pub(super) fn from_unit(images: &Tensor) -> Result<Tensor> {
    Ok(images.affine(2.0, -1.0)?)
}
