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

use super::published::{check_images, check_quantized};
use crate::layers::{Probe, Sequence, Weights};
use crate::quantizers::{CodebookUpdate, Quantized, Quantizer, Vq, VqConfig};
use crate::{EngineError, Result};
use network::Temporal;
use temporal::CausalConv;

/// What a person reads.
pub(super) const TITLE: &str = "Emu3 VisionVQ";

/// The tokenizer.
#[derive(Debug)]
pub struct Emu3 {
    config: Emu3Config,
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
        Ok(Self {
            config: config.clone(),
            device: weights.device().clone(),
            quantizer: Vq::new(&vq, dim, &weights.pp("quantize"))?,
            encoder: network::encoder(config, weights)?,
            gather: Temporal::down(config, weights)?,
            quant_conv: across("quant_conv", (z, dim))?,
            post_quant_conv: across("post_quant_conv", (dim, z))?,
            scatter: Temporal::up(config, weights)?,
            decoder: network::decoder(config, weights)?,
        })
    }

    /// Its settings.
    pub fn config(&self) -> &Emu3Config {
        &self.config
    }

    /// Where its weights are.
    pub fn device(&self) -> &Device {
        &self.device
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

    /// Quantizes latents (B, D, h, w) to the nearest codes.
    pub fn quantize(&self, latents: &Tensor, training: bool) -> Result<Quantized> {
        self.quantizer.quantize(latents, training)
    }

    /// The quantized latents (B, D, h, w) of codes (B, h, w).
    pub fn dequantize(&self, codes: &Tensor) -> Result<Tensor> {
        self.quantizer.decode(codes)
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
