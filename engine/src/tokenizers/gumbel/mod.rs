//! taming-transformers' GumbelVQ: the convolutional family's network around a Gumbel quantizer.
//!
//! Source: Esser et al., "Taming Transformers for High-Resolution Image Synthesis", arXiv 2012.09841,
//! and its code. Tokens are those of the largest logit; the published inference adds noise to it.

mod config;

pub use config::{GumbelVqConfig, claims, configure};

use candle_core::{Device, Tensor};

use super::ldm::network;
use crate::layers::{Conv2d, Probe, Sequence, Weights};
use crate::quantizers::gumbel::Gumbel;
use crate::quantizers::pass::{InParts, Pass};
use crate::{EngineError, Result};

/// A tokenizer of the family.
#[derive(Debug)]
pub struct GumbelVq {
    config: GumbelVqConfig,
    device: Device,
    encoder: Sequence,
    quant_conv: Conv2d,
    quantizer: Gumbel,
    post_quant_conv: Conv2d,
    decoder: Sequence,
}

impl GumbelVq {
    /// The network of a configuration.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &GumbelVqConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let network = &config.network;
        let dim = network.embed_dim;
        let quant_conv = Conv2d::one(&weights.pp("quant_conv"), (network.encoded(), dim))?;
        let post = (dim, network.z_channels);
        Ok(Self {
            config: config.clone(),
            device: weights.device().clone(),
            encoder: network::encoder(network, weights)?,
            quant_conv,
            quantizer: Gumbel::new(&config.quantizer, (dim, dim), &weights.pp("quantize"))?,
            post_quant_conv: Conv2d::one(&weights.pp("post_quant_conv"), post)?,
            decoder: network::decoder(network, weights)?,
        })
    }

    /// Where weights are, and images and codes have to be.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The rule that chooses codes.
    pub fn quantizer(&self) -> &Gumbel {
        &self.quantizer
    }

    /// Latents (B, D, H/f, W/f) of images (B, C, H, W) in [-1, 1]; `probe` sees every named layer.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if the channels are others or a side does not divide by the factor.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let network = &self.config.network;
        super::check_images(images, network.in_channels, network.factor())?;
        let encoded = self.encoder.forward(images, probe)?;
        let latents = self.quant_conv.forward(&encoded)?;
        probe.show("quant_conv", &latents);
        Ok(latents)
    }

    /// Quantizes latents (B, D, h, w); one part.
    ///
    /// # Errors
    /// If the latents have another number of channels or are not finite.
    pub fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<InParts> {
        self.quantizer.quantize(latents, pass)
    }

    /// The quantized latents (B, D, h, w) of codes (B, h, w) u32.
    ///
    /// # Errors
    /// If there is not one part, or a code is outside of the codebook.
    pub fn dequantize(&self, codes: &[Tensor]) -> Result<Tensor> {
        self.quantizer.decode(codes)
    }

    /// Images (B, C, H, W), about [-1, 1], of quantized latents; `probe` sees every named layer.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if the latents have other channels.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let dim = self.config.network.embed_dim;
        if latents.rank() != 4 || latents.dim(1)? != dim {
            return Err(EngineError::Shape {
                what: "quantized latents".to_owned(),
                expected: format!("(B, {dim}, h, w)"),
                found: latents.dims().to_vec(),
            });
        }
        let z = self.post_quant_conv.forward(latents)?;
        probe.show("post_quant_conv", &z);
        self.decoder.forward(&z, probe)
    }
}
