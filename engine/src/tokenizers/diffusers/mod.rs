//! `VQModel` of diffusers, the form in which most public VQ models are shared today, and MoVQ, which
//! is the same with a decoder whose norms are told the quantized latents.
//!
//! The network is the one that taming-transformers began, under other names and with linear layers
//! in attention.
//!
//! Sources: Esser et al., arXiv 2012.09841; Zheng et al., "MoVQ: Modulating Quantized Vectors for
//! High-Fidelity Image Generation", arXiv 2209.09002; as published in diffusers and Kandinsky 2.

mod config;
mod network;
#[cfg(test)]
mod tests;

pub use config::{BlockType, NormType, VqModelConfig, claims, configure};

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::facts::{Facts, Input, widest};
use super::family::{Beside, Called, Family, Shapes, settings, settings_value};
use super::{Tokenizer, check_images, check_quantized};
use crate::Result;
use crate::layers::{Conv2d, Probe, Sequence, Weights};
use crate::quantizers::{BetaPlacement, CodebookUpdate, Quantizer, QuantizerConfig, Vq, VqConfig};

/// `VQModel` of diffusers, with or without the spatial norms of MoVQ.
#[derive(Debug)]
pub struct DiffusersVq;

impl Family for DiffusersVq {
    fn id(&self) -> &'static str {
        "diffusers"
    }

    fn title(&self) -> &'static str {
        "diffusers VQModel"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        claims(shapes)
    }

    fn classes(&self) -> &'static [&'static str] {
        &config::CLASSES
    }

    fn assumed(&self, value: &Value, _: &Shapes<'_>, beside: Option<&Beside>) -> Vec<String> {
        let said = beside.and_then(|beside| beside.value.get("norm_num_groups"));
        if said.is_some_and(|said| !said.is_null()) {
            return Vec::new();
        }
        let groups = &value["norm_num_groups"];
        vec![format!(
            "norms of {groups} groups were assumed: put its config.json beside it to be sure"
        )]
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
        Ok(Box::new(VqModel::new(&settings(value)?, weights)?))
    }
}

/// A `VQModel`.
#[derive(Debug)]
pub struct VqModel {
    config: VqModelConfig,
    facts: Facts,
    device: Device,
    encoder: Sequence,
    quant_conv: Conv2d,
    quantizer: Vq,
    post_quant_conv: Conv2d,
    decoder: Sequence,
}

impl VqModel {
    /// The network of a configuration.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &VqModelConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let (latent, dim) = (config.latent_channels, config.vq_embed_dim);
        let vq = VqConfig {
            codes: config.num_vq_embeddings,
            placement: BetaPlacement::Codebook,
            update: CodebookUpdate::Gradient,
            ..VqConfig::default()
        };
        let before = weights.elements();
        let quantizer = Vq::new(&vq, dim, &weights.pp("quantize"))?;
        let encoder = network::encoder(config, weights)?;
        let quant_conv = Conv2d::one(&weights.pp("quant_conv"), (latent, dim))?;
        let post_quant_conv = Conv2d::one(&weights.pp("post_quant_conv"), (dim, latent))?;
        let decoder = network::decoder(config, weights)?;
        let facts = Facts {
            family: DiffusersVq.id().to_owned(),
            input: Input::Multiple(config.factor()),
            channels: config.in_channels,
            factor: config.factor(),
            books: quantizer.books().to_vec(),
            spatial: true,
            prefixes: false,
            width: widest(config.block_out_channels.len(), |level| {
                config.block_out_channels[level]
            }),
            parameters: weights.elements() - before,
            quantizer: QuantizerConfig::Vq(vq).words(quantizer.books()[0].dim),
        };
        Ok(Self {
            config: config.clone(),
            facts,
            device: weights.device().clone(),
            encoder,
            quant_conv,
            quantizer,
            post_quant_conv,
            decoder,
        })
    }

    /// Its settings.
    pub fn config(&self) -> &VqModelConfig {
        &self.config
    }

    /// Latents before quantization, (B, D, H/f, W/f), of images (B, C, H, W) in [-1, 1]; `probe` sees
    /// every named layer.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        check_images(images, self.config.in_channels, self.config.factor())?;
        let latents = self.quant_conv.forward(&self.encoder.forward(images, probe)?)?;
        probe.show("quant_conv", &latents);
        Ok(latents)
    }

    /// Images (B, C, h·f, w·f), about [-1, 1] but not clamped, of quantized latents (B, D, h, w).
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        check_quantized(latents, self.config.vq_embed_dim)?;
        let z = self.post_quant_conv.forward(latents)?;
        probe.show("post_quant_conv", &z);
        match self.config.norm_type {
            NormType::Group => self.decoder.forward(&z, probe),
            NormType::Spatial => self.decoder.forward_told(&z, latents, probe),
        }
    }
}

impl Tokenizer for VqModel {
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
