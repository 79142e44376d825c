//! VAR's multi-scale VQVAE: a picture is ten small grids of codes, from one token to 16x16.
//!
//! Encoder and decoder are those of taming-transformers with attention at the coarsest level only, and
//! 3x3 convolutions around the quantizer ([`MultiScale`]). One part of tokens for each scale; the first
//! few parts give the picture so far. The number of places of each scale is fixed, so pictures have one
//! size: the last scale times the factor.
//!
//! Source: Tian et al., "Visual Autoregressive Modeling: Scalable Image Generation via Next-Scale
//! Prediction", arXiv 2404.02905; FoundationVision/VAR.

mod config;
mod network;

pub use config::{VarConfig, claims, configure};

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::Tokenizer;
use super::facts::{Facts, Input, widest};
use super::family::{Beside, Called, Family, Shapes, settings, settings_value};
use crate::kernels::Conv;
use crate::layers::{Conv2d, Probe, Sequence, Weights};
use crate::quantizers::{MultiScale, Quantizer};
use crate::{EngineError, Result};

/// VAR's tokenizer among the families.
#[derive(Debug)]
pub struct VarVqvae;

impl Family for VarVqvae {
    fn id(&self) -> &'static str {
        "var"
    }

    fn title(&self) -> &'static str {
        "VAR VQVAE"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        claims(shapes)
    }

    fn classes(&self) -> &'static [&'static str] {
        &["var", "vqvae"]
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
        Ok(Box::new(Var::new(&settings(value)?, weights)?))
    }
}

/// VAR's tokenizer.
#[derive(Debug)]
pub struct Var {
    config: VarConfig,
    facts: Facts,
    device: Device,
    encoder: Sequence,
    quant_conv: Conv2d,
    quantizer: MultiScale,
    post_quant_conv: Conv2d,
    decoder: Sequence,
}

impl Var {
    /// The network of a configuration.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &VarConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let (before, pictures) = (weights.elements(), weights.clone().fast());
        let (dim, window) = (config.z_channels, config.quant_conv_ks);
        let around = |weights: &Weights, name: &str| {
            Conv2d::new(&weights.pp(name), (dim, dim), window, Conv::same(window / 2))
        };
        let encoder = network::encoder(config, weights)?;
        let quant_conv = around(weights, "quant_conv")?;
        let quantizer = MultiScale::new(&config.quantize, dim, &weights.pp("quantize"))?;
        let post_quant_conv = around(&pictures, "post_quant_conv")?;
        let decoder = network::decoder(config, &pictures)?;
        let side = config.image_side();
        let facts = Facts {
            family: VarVqvae.id().to_owned(),
            input: Input::Fixed { height: side, width: side },
            channels: config.in_channels,
            factor: config.factor(),
            books: quantizer.books().to_vec(),
            spatial: true,
            prefixes: true,
            width: widest(config.ch_mult.len(), |level| config.channels(level)),
            parameters: weights.elements() - before,
            quantizer: config.quantize.words(),
        };
        let (config, device) = (config.clone(), weights.device().clone());
        Ok(Self { config, facts, device, encoder, quant_conv, quantizer, post_quant_conv, decoder })
    }

    /// The settings.
    pub fn config(&self) -> &VarConfig {
        &self.config
    }

    /// The quantizer, with what only this rule can do.
    pub fn scales(&self) -> &MultiScale {
        &self.quantizer
    }

    /// [`Tokenizer::encode`], with `probe` seeing every named layer.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for images of another size than that of the scales.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let (channels, side) = (self.config.in_channels, self.config.image_side());
        match *images.dims() {
            [b, c, h, w] if b > 0 && (c, h, w) == (channels, side, side) => {}
            _ => {
                return Err(EngineError::Shape {
                    what: "images".to_owned(),
                    expected: format!("(B, {channels}, {side}, {side}), the size of the scales"),
                    found: images.dims().to_vec(),
                });
            }
        }
        let encoded = self.encoder.forward(images, probe)?;
        let latents = self.quant_conv.forward(&encoded)?;
        probe.show("quant_conv", &latents);
        Ok(latents)
    }

    /// [`Tokenizer::decode`], cut off at -1 and 1 as published; `probe` sees every named layer, the last
    /// before it is cut off.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for latents of another number of channels.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let dim = self.config.z_channels;
        if latents.rank() != 4 || latents.dim(1)? != dim || latents.elem_count() == 0 {
            return Err(EngineError::Shape {
                what: "quantized latents".to_owned(),
                expected: format!("(B, {dim}, h, w)"),
                found: latents.dims().to_vec(),
            });
        }
        let z = self.post_quant_conv.forward(latents)?;
        probe.show("post_quant_conv", &z);
        Ok(self.decoder.forward(&z, probe)?.clamp(-1.0_f32, 1.0_f32)?)
    }
}

impl Tokenizer for Var {
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
