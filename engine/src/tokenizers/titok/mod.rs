//! TiTok: a picture as one short row of tokens that have no place in it.
//!
//! A transformer sees the patches and a row of learned tokens, and only the latter survive; another
//! makes the picture of them and of a grid of empty places. Pictures have one fixed size. Inside they
//! are in [0, 1]. Two published forms: the legacy one, whose decoder predicts codes of MaskGIT-VQGAN and
//! has that tokenizer's decoder behind it, and one that makes pixels itself.
//!
//! Source: Yu et al., "An Image is Worth 32 Tokens for Reconstruction and Generation", arXiv 2406.07550;
//! bytedance/1d-tokenizer.

mod config;
mod network;
#[cfg(test)]
mod tests;
mod vit;

pub use config::{PixelConfig, TitokConfig, VitConfig, claims_direct, claims_legacy, configure};

use candle_core::{Device, Tensor};

use super::maskgit_vqgan::{from_unit, to_unit};
use crate::layers::{Probe, Weights};
use crate::quantizers::{Quantized, Quantizer, Vq};
use crate::{EngineError, Result};
use network::{Decoder, Encoder};

/// What training leaves beside the network: how often codes were used.
pub const BOOKKEEPING: [&str; 1] = ["quantize.embed_prob"];

/// A tokenizer of one row.
#[derive(Debug)]
pub struct Titok {
    config: TitokConfig,
    device: Device,
    parameters: usize,
    encoder: Encoder,
    quantizer: Vq,
    decoder: Decoder,
}

impl Titok {
    /// The network of a configuration.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &TitokConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let before = weights.elements();
        let encoder = Encoder::new(config, weights)?;
        let quantizer = Vq::new(&config.vq(), config.token_size, &weights.pp("quantize"))?;
        let decoder = Decoder::new(config, &weights.clone().fast())?;
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
    pub fn config(&self) -> &TitokConfig {
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

    /// Latents (B, D, 1, n) of images (B, C, H, W) in [-1, 1]; `probe` sees every named layer.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for images of another size than the network's.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let (channels, side) = (self.config.num_channels, self.config.crop_size);
        match *images.dims() {
            [b, c, h, w] if b > 0 && (c, h, w) == (channels, side, side) => {}
            _ => {
                return Err(EngineError::Shape {
                    what: "images".to_owned(),
                    expected: format!("(B, {channels}, {side}, {side}), the network's only size"),
                    found: images.dims().to_vec(),
                });
            }
        }
        self.encoder.forward(&to_unit(images)?, probe)
    }

    /// Codes (B, 1, n) of latents (B, D, 1, n).
    ///
    /// # Errors
    /// As for [`Vq`].
    pub fn quantize(&self, latents: &Tensor, training: bool) -> Result<Quantized> {
        self.quantizer.quantize(latents, training)
    }

    /// Latents (B, D, 1, n) of codes (B, 1, n).
    ///
    /// # Errors
    /// As for [`Vq`].
    pub fn dequantize(&self, codes: &Tensor) -> Result<Tensor> {
        self.quantizer.decode(codes)
    }

    /// Images (B, C, H, W), about [-1, 1] but not cut off, of latents (B, D, 1, n); `probe` sees every
    /// named layer, in [0, 1] still.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for latents of another shape.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let (dim, n) = (self.config.token_size, self.config.num_latent_tokens);
        match *latents.dims() {
            [b, d, h, w] if b > 0 && (d, h, w) == (dim, 1, n) => {}
            _ => {
                return Err(EngineError::Shape {
                    what: "quantized latents".to_owned(),
                    expected: format!("(B, {dim}, 1, {n})"),
                    found: latents.dims().to_vec(),
                });
            }
        }
        from_unit(&self.decoder.forward(latents, probe)?)
    }
}
