//! The convolutional family that taming-transformers (VQGAN) began and LlamaGen continued.
//!
//! Residual blocks at a few sizes, attention where the map is small, then a 1x1 convolution to the
//! channels of a code. No tanh at the end. Fully convolutional: any size that divides by the factor.
//!
//! Source: Esser et al., "Taming Transformers for High-Resolution Image Synthesis", arXiv
//! 2012.09841; Sun et al., "Autoregressive Model Beats Diffusion: Llama for Scalable Image
//! Generation", arXiv 2406.06525.

mod config;
mod family;
pub(in crate::tokenizers) mod network;
#[cfg(test)]
mod tests;

pub use config::{LdmConfig, Naming};
pub use family::{LlamaGen, Taming};

use candle_core::{Device, Tensor};

use super::facts::{Facts, Input};
use super::{Tokenizer, TokenizerConfig};
use crate::layers::{Conv2d, Probe, Sequence, Weights};
use crate::quantizers::{self, CodebookUpdate, Quantizer, QuantizerConfig};
use crate::{EngineError, Result};

/// A tokenizer of the convolutional family.
#[derive(Debug)]
pub struct Ldm {
    facts: Facts,
    device: Device,
    encoder: Sequence,
    quant_conv: Conv2d,
    quantizer: Box<dyn Quantizer>,
    post_quant_conv: Conv2d,
    decoder: Sequence,
}

impl Ldm {
    /// The network of a configuration.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &TokenizerConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let network = &config.network;
        let before = weights.elements();
        let (encoded, dim) = (network.encoded(), network.embed_dim);
        let encoder = network::encoder(network, weights)?;
        let quant_conv = Conv2d::one(&weights.pp("quant_conv"), (encoded, dim))?;
        let post = (dim, network.z_channels);
        let post_quant_conv = Conv2d::one(&weights.pp("post_quant_conv"), post)?;
        let decoder = network::decoder(network, weights)?;
        let quantizer = quantizers::build(&config.quantizer, dim, &weights.pp("quantize"))?;
        // A codebook that no gradient trains is part of the model all the same.
        let averaged = match &config.quantizer {
            QuantizerConfig::Vq(vq) if vq.update == CodebookUpdate::Ema => vq.codes as usize * dim,
            _ => 0,
        };
        let family = match network.naming {
            Naming::Taming => "taming",
            Naming::LlamaGen => "llamagen",
        };
        let facts = Facts {
            family: family.to_owned(),
            input: Input::Multiple(network.factor()),
            channels: network.in_channels,
            factor: network.factor(),
            books: quantizer.books().to_vec(),
            spatial: true,
            prefixes: false,
            parameters: weights.elements() - before + averaged,
            quantizer: config.quantizer.words(),
        };
        let device = weights.device().clone();
        Ok(Self { facts, device, encoder, quant_conv, quantizer, post_quant_conv, decoder })
    }

    /// [`Tokenizer::encode`], with `probe` seeing every named layer.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let (factor, channels) = (self.facts.factor, self.facts.channels);
        let fits = match *images.dims() {
            [b, c, h, w] => {
                let whole = h.is_multiple_of(factor) && w.is_multiple_of(factor);
                c == channels && b * h * w > 0 && whole
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
        let encoded = self.encoder.forward(images, probe)?;
        let latents = self.quant_conv.forward(&encoded)?;
        probe.show("quant_conv", &latents);
        Ok(latents)
    }

    /// [`Tokenizer::decode`], with `probe` seeing every named layer.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let dim = self.facts.book(0).dim;
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

impl Tokenizer for Ldm {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, images: &Tensor) -> Result<Tensor> {
        self.encode_probed(images, &mut Probe::none())
    }

    fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        self.decode_probed(latents, &mut Probe::none())
    }

    fn quantizer(&self) -> &dyn Quantizer {
        self.quantizer.as_ref()
    }

    fn quantizer_mut(&mut self) -> &mut dyn Quantizer {
        self.quantizer.as_mut()
    }
}
