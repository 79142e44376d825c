//! The convolutional family that taming-transformers (VQGAN) began and LlamaGen continued.
//!
//! Residual blocks at a few sizes, attention where the map is small, then a 1x1 convolution to the
//! channels of a code. No tanh at the end. Fully convolutional: any size that divides by the factor.
//!
//! Source: Esser et al., "Taming Transformers for High-Resolution Image Synthesis", arXiv
//! 2012.09841; Sun et al., "Autoregressive Model Beats Diffusion: Llama for Scalable Image
//! Generation", arXiv 2406.06525.

mod config;
pub(in crate::tokenizers) mod network;
pub(crate) mod shapes;
#[cfg(test)]
mod tests;

pub use config::{LdmConfig, Naming};
pub use shapes::Shapes;

use candle_core::{Device, Tensor};

use super::{Facts, Tokenizer, TokenizerConfig};
use crate::layers::{Conv2d, Probe, Sequence, Weights};
use crate::quantizers::{self, CodebookUpdate, Quantized, Quantizer, QuantizerConfig};
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
            factor: network.factor(),
            codebook_size: quantizer.codebook_size(),
            code_dim: quantizer.code_dim(),
            levels: config.quantizer.levels(),
            parameters: weights.elements() - before + averaged,
            quantizer: config.quantizer.words(),
        };
        let device = weights.device().clone();
        Ok(Self { facts, device, encoder, quant_conv, quantizer, post_quant_conv, decoder })
    }

    /// [`Tokenizer::encode`], with `probe` seeing every named layer.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        super::check_images(images, 3, self.facts.factor)?;
        let encoded = self.encoder.forward(images, probe)?;
        let latents = self.quant_conv.forward(&encoded)?;
        probe.show("quant_conv", &latents);
        Ok(latents)
    }

    /// [`Tokenizer::decode`], with `probe` seeing every named layer.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        if latents.rank() != 4 || latents.dim(1)? != self.facts.code_dim {
            return Err(EngineError::Shape {
                what: "quantized latents".to_owned(),
                expected: format!("(B, {}, h, w)", self.facts.code_dim),
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

    fn quantize(&self, latents: &Tensor, training: bool) -> Result<Quantized> {
        self.quantizer.quantize(latents, training)
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
