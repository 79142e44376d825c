//! The vision tokenizer of Emu3: one network for images and clips.
//!
//! Each frame goes through the network that taming-transformers began, then convolutions in time make
//! one frame of tokens of four. An image is a clip of four equal frames, and of the four that its
//! tokens decode to the first is the reconstruction. The decoder's norms are told the codes, as in
//! MoVQ.
//!
//! Source: Wang et al., "Emu3: Next-Token Prediction is All You Need", arXiv 2409.18869, section 2.2,
//! and its published code. Only what is needed of a clip is here; clips are not opened yet.

mod config;
mod network;
mod temporal;
#[cfg(test)]
mod tests;

pub use config::{Emu3Config, claims, configure};

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::facts::{Facts, Input, widest};
use super::family::{Beside, Called, Family, Shapes, settings, settings_value};
use super::{Tokenizer, check_images, check_quantized};
use crate::layers::{Probe, Sequence, Weights};
use crate::quantizers::{CodebookUpdate, Quantizer, QuantizerConfig, Vq, VqConfig};
use crate::{EngineError, Result};
use network::Temporal;
use temporal::CausalConv;

/// The vision tokenizer of Emu3.
#[derive(Debug)]
pub struct Emu3Vq;

impl Family for Emu3Vq {
    fn id(&self) -> &'static str {
        "emu3"
    }

    fn title(&self) -> &'static str {
        "Emu3 VisionVQ"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        claims(shapes)
    }

    fn classes(&self) -> &'static [&'static str] {
        &config::CLASSES
    }

    fn configure(
        &self,
        _: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        settings_value(&configure(shapes, beside)?)
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
        Ok(Box::new(Emu3::new(&settings(value)?, weights)?))
    }
}

/// The tokenizer.
#[derive(Debug)]
pub struct Emu3 {
    config: Emu3Config,
    facts: Facts,
    device: Device,
    encoder: Sequence,
    gather: Temporal,
    quant_conv: CausalConv,
    quantizer: Vq,
    post_quant_conv: CausalConv,
    scatter: Temporal,
    decoder: Sequence,
}

impl Emu3 {
    /// The network of a configuration.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &Emu3Config, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let (z, dim) = (config.z_channels, config.embed_dim);
        let vq = VqConfig {
            codes: config.codebook_size,
            update: CodebookUpdate::Gradient,
            ..VqConfig::default()
        };
        let across = |name: &str, channels: (usize, usize)| {
            CausalConv::new(&weights.pp(name), channels, (3, 1), 1)
        };
        let before = weights.elements();
        let quantizer = Vq::new(&vq, dim, &weights.pp("quantize"))?;
        let encoder = network::encoder(config, weights)?;
        let gather = Temporal::down(config, weights)?;
        let quant_conv = across("quant_conv", (z, dim))?;
        let post_quant_conv = across("post_quant_conv", (dim, z))?;
        let scatter = Temporal::up(config, weights)?;
        let decoder = network::decoder(config, weights)?;
        let facts = Facts {
            family: Emu3Vq.id().to_owned(),
            input: Input::Multiple(config.factor()),
            channels: config.in_channels,
            factor: config.factor(),
            books: quantizer.books().to_vec(),
            spatial: true,
            prefixes: false,
            width: widest(config.ch_mult.len(), |level| config.channels(level)),
            parameters: weights.elements() - before,
            quantizer: QuantizerConfig::Vq(vq).words(quantizer.books()[0].dim),
        };
        Ok(Self {
            config: config.clone(),
            facts,
            device: weights.device().clone(),
            encoder,
            gather,
            quant_conv,
            quantizer,
            post_quant_conv,
            scatter,
            decoder,
        })
    }

    /// Its settings.
    pub fn config(&self) -> &Emu3Config {
        &self.config
    }

    /// Latents before quantization, (B, D, H/f, W/f), of images (B, C, H, W) in [-1, 1]; `probe` sees
    /// every named layer, spatial ones once for the equal frames.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        check_images(images, self.config.in_channels, self.config.factor())?;
        let z = self.encoder.forward(images, probe)?.unsqueeze(2)?;
        let (b, channels, _, h, w) = z.dims5()?;
        let frames = self.config.temporal_downsample_factor;
        let z = z.broadcast_as((b, channels, frames, h, w))?.contiguous()?;
        Ok(self.encode_time(&z, probe)?.squeeze(2)?)
    }

    /// Latents (B, D, T/t, H/f, W/f) of clips (B, T, C, H, W) whose frames divide by t.
    pub fn encode_clips_probed(&self, clips: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let at_once = self.config.temporal_downsample_factor;
        let (b, frames, c, h, w) = clips.dims5()?;
        if frames == 0 || !frames.is_multiple_of(at_once) {
            return Err(EngineError::Shape {
                what: "clips".to_owned(),
                expected: format!("(B, T, C, H, W) with a multiple of {at_once} frames"),
                found: clips.dims().to_vec(),
            });
        }
        let images = clips.reshape((b * frames, c, h, w))?;
        check_images(&images, self.config.in_channels, self.config.factor())?;
        let z = self.encoder.forward(&images, probe)?;
        let (_, channels, h, w) = z.dims4()?;
        let z = z.reshape((b, frames, channels, h, w))?.transpose(1, 2)?.contiguous()?;
        self.encode_time(&z, probe)
    }

    /// (B, z, T, h, w) to (B, D, T/t, h, w).
    fn encode_time(&self, z: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let latents = self.quant_conv.forward(&self.gather.gather(z, probe)?)?;
        probe.show("quant_conv", &latents);
        Ok(latents)
    }

    /// Images (B, C, h·f, w·f), about [-1, 1] but not clamped, of quantized latents (B, D, h, w): the
    /// first frame alone, which needs no other.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        check_quantized(latents, self.config.embed_dim)?;
        let clips = self.decode_frames(&latents.unsqueeze(2)?, 1, probe)?;
        Ok(clips.squeeze(1)?)
    }

    /// All frames, (B, T·t, C, h·f, w·f), of quantized latents (B, D, T, h, w).
    pub fn decode_clips_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let frames = latents.dims5()?.2 * self.config.temporal_downsample_factor;
        check_quantized(&latents.narrow(2, 0, 1)?.squeeze(2)?, self.config.embed_dim)?;
        self.decode_frames(latents, frames, probe)
    }

    fn decode_frames(
        &self,
        latents: &Tensor,
        frames: usize,
        probe: &mut Probe<'_>,
    ) -> Result<Tensor> {
        let z = self.post_quant_conv.forward(latents)?;
        probe.show("post_quant_conv", &z);
        // Both go through the same layers in time: what is decoded, and what the norms are told.
        let both = Tensor::cat(&[&z, latents], 0)?;
        let both = self.scatter.scatter(&both, frames, probe)?;
        let (twice, channels, frames, h, w) = both.dims5()?;
        let b = twice / 2;
        let half = |at: usize| {
            both.narrow(0, at, b)?.transpose(1, 2)?.reshape((b * frames, channels, h, w))
        };
        let images = self.decoder.forward_told(&half(0)?, &half(b)?, probe)?;
        let (_, c, h, w) = images.dims4()?;
        Ok(images.reshape((b, frames, c, h, w))?)
    }
}

impl Tokenizer for Emu3 {
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
        &self.quantizer
    }

    fn quantizer_mut(&mut self) -> &mut dyn Quantizer {
        &mut self.quantizer
    }
}
