//! The discrete image tokenizer of Cosmos (DI): wavelets, the network that taming-transformers began,
//! and FSQ.
//!
//! It is published as TorchScript archives, one that encodes and one that decodes, whose tensors have
//! different names and belong together; or both in one.
//!
//! Source: NVIDIA, "Cosmos Tokenizer: A suite of image and video neural tokenizers" (2024), and its
//! published code. The release runs in bfloat16, here everything is f32, so that a few tokens of a
//! photograph differ from those of the release.

mod config;
mod network;
pub mod patch;
#[cfg(test)]
mod tests;

pub use config::{CosmosConfig, PatchMethod, claims, configure};

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::facts::{Facts, Input, widest};
use super::family::{Beside, Called, Family, Shapes, settings, settings_value};
use super::{Tokenizer, check_images, check_quantized};
use crate::Result;
use crate::layers::{Conv2d, Init, Probe, Sequence, Weights};
use crate::quantizers::{Fsq, Quantizer, QuantizerConfig};
use config::{QUANTIZERS, holds_levels};

/// The discrete image tokenizer of Cosmos.
#[derive(Debug)]
pub struct CosmosDi;

impl Family for CosmosDi {
    fn id(&self) -> &'static str {
        "cosmos_di"
    }

    fn title(&self) -> &'static str {
        "Cosmos DI"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        claims(shapes)
    }

    fn classes(&self) -> &'static [&'static str] {
        &["CosmosTokenizer", "cosmos"]
    }

    fn assumed(&self, value: &Value, shapes: &Shapes<'_>, beside: Option<&Beside>) -> Vec<String> {
        let said = beside.and_then(|beside| beside.value.get("levels"));
        if holds_levels(shapes) || said.is_some_and(|said| !said.is_null()) {
            return Vec::new();
        }
        let levels = &value["levels"];
        vec![format!("levels of {levels} were assumed: put its configuration beside it to be sure")]
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
        Ok(Box::new(Cosmos::new(&settings(value)?, weights)?))
    }
}

/// The tokenizer.
#[derive(Debug)]
pub struct Cosmos {
    config: CosmosConfig,
    facts: Facts,
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
    /// [`crate::EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &CosmosConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let mut config = config.clone();
        read_buffers(&mut config, weights)?;
        config.validate()?;
        let (z, dim) = (config.z_channels, config.embedding_dim);
        let before = weights.elements();
        let quantizer = Fsq::new(&config.fsq(), dim, weights.device())?;
        let encoder = network::encoder(&config, weights)?;
        let quant_conv = Conv2d::one(&weights.pp("quant_conv"), (z, dim))?;
        let post_quant_conv = Conv2d::one(&weights.pp("post_quant_conv"), (dim, z))?;
        let decoder = network::decoder(&config, weights)?;
        let facts = Facts {
            family: CosmosDi.id().to_owned(),
            input: Input::Multiple(config.spatial_compression),
            channels: config.in_channels,
            factor: config.spatial_compression,
            books: quantizer.books().to_vec(),
            spatial: true,
            prefixes: false,
            width: widest(config.channels_mult.len(), |level| config.level_channels(level))
                .div_ceil(config.patch_size * config.patch_size),
            parameters: weights.elements() - before,
            quantizer: QuantizerConfig::Fsq(config.fsq()).words(quantizer.books()[0].dim),
        };
        let device = weights.device().clone();
        Ok(Self { config, facts, device, encoder, quant_conv, quantizer, post_quant_conv, decoder })
    }

    /// Its settings, levels and wavelets as the file holds them.
    pub fn config(&self) -> &CosmosConfig {
        &self.config
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

    /// What quantizing rounds, (B, D, h, w), of latents of that shape.
    pub fn bounded(&self, latents: &Tensor) -> Result<Tensor> {
        self.quantizer.bounded(latents)
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

impl Tokenizer for Cosmos {
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

/// Takes what a TorchScript archive holds beside the parameters.
fn read_buffers(config: &mut CosmosConfig, weights: &Weights) -> Result<()> {
    let held = |weights: &Weights, name: &str, shape: &[usize]| -> Result<Vec<f32>> {
        if !weights.contains(name) {
            return Ok(Vec::new());
        }
        let buffer = weights.buffer(shape, name, Init::Constant(0.0))?;
        Ok(buffer.flatten_all()?.to_vec1()?)
    };
    for name in QUANTIZERS {
        let quantizer = weights.pp(name);
        let levels = held(&quantizer, "_levels", &[config.embedding_dim])?;
        let levels: Vec<u32> = levels.into_iter().map(|level| level as u32).collect();
        // Zeros stand for what was not read: a tensor of another shape, or of which only that is known.
        if !levels.is_empty() && levels.iter().all(|level| *level >= 2) {
            config.levels = levels;
        }
        // Both follow from the levels.
        quantizer.skip("_basis");
        quantizer.skip("implicit_codebook");
    }
    for name in ["encoder.patcher", "decoder.unpatcher"] {
        let patcher = weights.pp(name);
        patcher.skip("_arange");
        match held(&patcher, "wavelets", &[2])?.first() {
            Some(1.0) => config.patch_method = PatchMethod::Rearrange,
            Some(scale) if (scale - std::f32::consts::FRAC_1_SQRT_2).abs() < 1e-2 => {
                config.patch_method = PatchMethod::Haar;
            }
            _ => {}
        }
    }
    Ok(())
}
