//! The discrete image tokenizer of Cosmos (DI): wavelets, the network that taming-transformers began,
//! and FSQ.
//!
//! It is published as TorchScript archives: one that encodes and one that decodes, or both in one.
//! `archives` joins the two.
//!
//! Source: NVIDIA, "Cosmos Tokenizer: A suite of image and video neural tokenizers" (2024), and its
//! published code. The release runs in bfloat16, here everything is f32, so that a few tokens of a
//! photograph differ from those of the release.

pub mod archives;
mod config;
mod network;
pub mod patch;
#[cfg(test)]
mod tests;

pub use config::{CosmosConfig, PatchMethod, claims, configure};

use candle_core::{Device, Tensor};

use super::published::{check_images, check_quantized};
use crate::layers::{Conv2d, Init, Probe, Sequence, Weights};
use crate::quantizers::{Fsq, Quantized, Quantizer};
use crate::{EngineError, Result};

/// What a person reads.
pub(super) const TITLE: &str = "Cosmos DI";

/// Where an archive holds the quantizer: the one that encodes (and that of both), the one that decodes.
const QUANTIZERS: [&str; 2] = ["quantizer", "inv_quant.quantizer"];

/// The tokenizer.
#[derive(Debug)]
pub struct Cosmos {
    config: CosmosConfig,
    device: Device,
    encoder: Sequence,
    quant_conv: Conv2d,
    quantizer: Fsq,
    post_quant_conv: Conv2d,
    decoder: Sequence,
}

impl Cosmos {
    /// The network of a configuration. What an archive holds of it (levels, wavelets) is what it ran
    /// with, and beats the configuration.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &CosmosConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let mut config = config.clone();
        read_buffers(&mut config, weights)?;
        config.validate()?;
        let (z, dim) = (config.z_channels, config.embedding_dim);
        Ok(Self {
            device: weights.device().clone(),
            quantizer: Fsq::new(&config.fsq(), dim, weights.device())?,
            encoder: network::encoder(&config, weights)?,
            quant_conv: Conv2d::one(&weights.pp("quant_conv"), (z, dim))?,
            post_quant_conv: Conv2d::one(&weights.pp("post_quant_conv"), (dim, z))?,
            decoder: network::decoder(&config, weights)?,
            config,
        })
    }

    /// Its settings, levels and wavelets as the file holds them.
    pub fn config(&self) -> &CosmosConfig {
        &self.config
    }

    /// Where its weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Latents before quantization, (B, D, H/f, W/f), of images (B, C, H, W) in [-1, 1]; `probe` sees
    /// every named layer.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let config = &self.config;
        check_images(images, config.in_channels, config.spatial_compression)?;
        let patches = patch::patch(images, config.patch_size, config.patch_method)?;
        probe.show("encoder.patcher", &patches);
        let latents = self.quant_conv.forward(&self.encoder.forward(&patches, probe)?)?;
        probe.show("quant_conv", &latents);
        Ok(latents)
    }

    /// Quantizes latents (B, D, h, w).
    pub fn quantize(&self, latents: &Tensor, training: bool) -> Result<Quantized> {
        self.quantizer.quantize(latents, training)
    }

    /// What quantizing rounds, (B, D, h, w), of latents of that shape.
    pub fn bounded(&self, latents: &Tensor) -> Result<Tensor> {
        self.quantizer.bounded(latents)
    }

    /// The quantized latents (B, D, h, w) of codes (B, h, w).
    pub fn dequantize(&self, codes: &Tensor) -> Result<Tensor> {
        self.quantizer.decode(codes)
    }

    /// Images (B, C, h·f, w·f), about [-1, 1] but not clamped, of quantized latents (B, D, h, w).
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        check_quantized(latents, self.config.embedding_dim)?;
        let z = self.post_quant_conv.forward(latents)?;
        probe.show("post_quant_conv", &z);
        let patches = self.decoder.forward(&z, probe)?;
        patch::unpatch(&patches, self.config.patch_size, self.config.patch_method)
    }
}

/// Takes what a TorchScript archive holds beside the parameters.
fn read_buffers(config: &mut CosmosConfig, weights: &Weights) -> Result<()> {
    let values = |weights: &Weights, name: &str, shape: &[usize]| -> Result<Option<Vec<f32>>> {
        if !weights.contains(name) {
            return Ok(None);
        }
        let buffer = weights.buffer(shape, name, Init::Constant(0.0))?;
        Ok(Some(buffer.flatten_all()?.to_vec1()?))
    };
    let dim = config.embedding_dim;
    for name in QUANTIZERS {
        let quantizer = weights.pp(name);
        let held = values(&quantizer, "_levels", &[dim])?;
        // Zeros stand for what was not read: tensors of another shape, or of which only shapes are known.
        let held: Option<Vec<u32>> = held.map(|held| held.iter().map(|x| *x as u32).collect());
        if let Some(held) = held.filter(|held| held.iter().all(|level| *level >= 2)) {
            config.levels = held;
        }
    }
    if config.levels.is_empty() {
        let hint = "put the model's configuration beside its weights";
        return Err(EngineError::bad_input("levels", "there are none", hint));
    }
    let codes = config.fsq().codebook_size().unwrap_or(0) as usize;
    for name in QUANTIZERS {
        let quantizer = weights.pp(name);
        values(&quantizer, "_basis", &[dim])?;
        if quantizer.contains("implicit_codebook") {
            quantizer.buffer(&[codes, dim], "implicit_codebook", Init::Constant(0.0))?;
        }
    }
    for name in ["encoder.patcher", "decoder.unpatcher"] {
        let patcher = weights.pp(name);
        values(&patcher, "_arange", &[2])?;
        match values(&patcher, "wavelets", &[2])?.and_then(|held| held.first().copied()) {
            Some(1.0) => config.patch_method = PatchMethod::Rearrange,
            Some(scale) if (scale - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-2 => {
                config.patch_method = PatchMethod::Haar;
            }
            _ => {}
        }
    }
    Ok(())
}
