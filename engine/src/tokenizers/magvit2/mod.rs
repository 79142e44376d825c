//! Open-MAGVIT2's tokenizer of images: convolutions without attention, codes of bits, and a decoder
//! whose norms follow the statistics of all codes.
//!
//! There is no `quant_conv`: what the encoder gives has a channel for each bit.
//!
//! Sources: Luo et al., "Open-MAGVIT2: An Open-Source Project Toward Democratizing Auto-Regressive
//! Visual Generation", arXiv 2409.04410; Yu et al., MAGVIT-v2, arXiv 2310.05737.

mod config;
mod family;
mod network;
mod norm;

pub use config::Magvit2Config;
pub use family::OpenMagvit2;
pub use network::depth_to_space;

use candle_core::{Device, Tensor};

use super::facts::{Facts, Input, widest};
use super::{Tokenizer, check_images, check_quantized};
use crate::layers::{Probe, Weights};
use crate::quantizers::{Lfq, Quantizer};
use crate::tokens::PartShape;
use crate::{EngineError, Result};

/// A tokenizer of the family.
#[derive(Debug)]
pub struct Magvit2 {
    facts: Facts,
    device: Device,
    /// Channels of a latent, D: its bits.
    dim: usize,
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
        let device = weights.device().clone();
        let before = weights.elements();
        let encoder = network::Encoder::new(config, weights)?;
        let quantizer = Lfq::new(&config.quantizer, config.z_channels, &device)?;
        let decoder = network::Decoder::new(config, weights)?;
        let facts = Facts {
            family: "open-magvit2".to_owned(),
            input: Input::Multiple(config.factor()),
            channels: config.in_channels,
            factor: config.factor(),
            books: quantizer.books().to_vec(),
            spatial: true,
            prefixes: false,
            width: widest(config.ch_mult.len(), |level| config.channels(level)),
            parameters: weights.elements() - before,
            quantizer: format!("LFQ, {} bits", config.z_channels),
        };
        Ok(Self { facts, device, dim: config.z_channels, encoder, quantizer, decoder })
    }

    /// [`Tokenizer::encode`], with `probe` seeing every named layer.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        check_images(images, self.facts.channels, self.facts.factor)?;
        self.encoder.forward(images, probe)
    }

    /// [`Tokenizer::decode`], with `probe` seeing every named layer.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        check_quantized(latents, self.dim)?;
        self.decoder.forward(latents, probe)
    }
}

impl Tokenizer for Magvit2 {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn layout(&self, height: usize, width: usize) -> Result<Vec<PartShape>> {
        let (rows, columns) = self.facts.latent_size(height, width)?;
        // The norms of the decoder need the deviation of the tokens.
        if rows * columns < 2 {
            return Err(EngineError::bad_input(
                "picture",
                format!("{width}x{height} is a single token, from which this network cannot paint"),
                format!("use at least {0}x{1} pixels", 2 * self.facts.factor, self.facts.factor),
            ));
        }
        Ok(self.quantizer.layout(rows, columns))
    }

    fn encode(&self, images: &Tensor) -> Result<Tensor> {
        self.encode_probed(images, &mut Probe::none())
    }

    fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        self.decode_probed(latents, &mut Probe::none())
    }

    fn quantizer(&self) -> &dyn Quantizer {
        &self.quantizer
    }

    fn quantizer_mut(&mut self) -> &mut dyn Quantizer {
        &mut self.quantizer
    }
}
