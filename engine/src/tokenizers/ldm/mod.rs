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
mod network;
#[cfg(test)]
mod tests;

pub use config::{LdmConfig, Naming};
pub(in crate::tokenizers) use family::network as network_of;
pub use family::{Janus, LlamaGen, Taming};

use candle_core::{Device, Tensor};

use super::facts::{Facts, Input, widest};
use super::{Tokenizer, TokenizerConfig};
use crate::Result;
use crate::layers::{Conv2d, Probe, Sequence, Weights};
use crate::quantizers::{self, Quantizer, QuantizerConfig};

/// A tokenizer of the convolutional family.
#[derive(Debug)]
pub struct Ldm {
    facts: Facts,
    device: Device,
    encoder: Sequence,
    quant_conv: Conv2d,
    /// Channels of a code, D.
    dim: usize,
    quantizer: Box<dyn Quantizer>,
    post_quant_conv: Conv2d,
    decoder: Sequence,
}

impl Ldm {
    /// The weight of the decoder's last layer.
    pub const LAST_WEIGHT: &'static str = "decoder.conv_out.weight";
    /// What the tensors of encoder and quantizer, which decide the tokens, begin with.
    pub const TOKENS: [&'static str; 3] = ["encoder.", "quant_conv.", "quantize."];

    /// The network of a configuration.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if the configuration cannot be used.
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
        let averaged = config.quantizer.averaged(dim);
        let family = match (network.naming, &config.quantizer) {
            (Naming::Taming, QuantizerConfig::Gumbel(_)) => "taming-gumbel",
            (Naming::Taming, _) => "taming",
            (Naming::LlamaGen, _) => "llamagen",
            (Naming::Janus, _) => "janus",
        };
        let facts = Facts {
            family: family.to_owned(),
            input: match config.quantizer.side() {
                Some(side) => {
                    let side = side * network.factor();
                    Input::Fixed { height: side, width: side }
                }
                None => Input::Multiple(network.factor()),
            },
            channels: network.in_channels,
            factor: network.factor(),
            books: quantizer.books().to_vec(),
            spatial: true,
            prefixes: config.quantizer.has_prefixes(),
            width: widest(network.ch_mult.len(), |level| network.channels(level)),
            parameters: weights.elements() - before + averaged,
            quantizer: config.quantizer.words(dim),
        };
        let device = weights.device().clone();
        Ok(Self { facts, device, encoder, quant_conv, dim, quantizer, post_quant_conv, decoder })
    }

    /// [`Tokenizer::encode`], with `probe` seeing every named layer.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        super::check_images(images, self.facts.channels, self.facts.factor)?;
        let encoded = self.encoder.forward(images, probe)?;
        let latents = self.quant_conv.forward(&encoded)?;
        probe.show("quant_conv", &latents);
        Ok(latents)
    }

    /// What the last layer makes images of, (B, ch, H, W): [`Ldm::paint`] goes on.
    pub fn decode_to_last(&self, latents: &Tensor) -> Result<Tensor> {
        super::check_quantized(latents, self.dim)?;
        self.decoder.forward_but_last(&self.post_quant_conv.forward(latents)?)
    }

    /// The images (B, C, H, W) of the last layer's input; its weight is [`Ldm::LAST_WEIGHT`].
    pub fn paint(&self, last: &Tensor) -> Result<Tensor> {
        self.decoder.forward_last(last)
    }

    /// [`Tokenizer::decode`], with `probe` seeing every named layer.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        super::check_quantized(latents, self.dim)?;
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
