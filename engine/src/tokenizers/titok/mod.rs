//! TiTok: a picture as one short row of tokens that have no place in it.
//!
//! A transformer sees the patches and a row of learned tokens, and only the latter survive; another
//! makes the picture of them and of a grid of empty places. Pictures have one fixed size. Inside they
//! are in [0, 1]. Two published forms: the legacy one, whose decoder predicts codes of MaskGIT-VQGAN and
//! has that tokenizer's decoder behind it, and one that makes pixels itself.
//!
//! Source: Yu et al., "An Image is Worth 32 Tokens for Reconstruction and Generation", arXiv 2406.07550;
//! bytedance/1d-tokenizer.

mod config;
mod network;
#[cfg(test)]
mod tests;
mod vit;

pub use config::{PixelConfig, TitokConfig, VitConfig, claims, configure};

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::Tokenizer;
use super::facts::{Facts, Input};
use super::family::{Beside, Called, Family, Shapes, settings, settings_value};
use super::maskgit_vqgan::{from_unit, to_unit};
use crate::layers::{Probe, Weights};
use crate::quantizers::{Quantizer, QuantizerConfig, Vq};
use crate::tokens::PartShape;
use crate::{EngineError, Result};
use network::{Decoder, Encoder};

/// TiTok among the families, in both forms.
#[derive(Debug)]
pub struct TiTok;

impl Family for TiTok {
    fn id(&self) -> &'static str {
        "titok"
    }

    fn title(&self) -> &'static str {
        "TiTok"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        claims(shapes)
    }

    fn classes(&self) -> &'static [&'static str] {
        &["titok"]
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
        Ok(Box::new(Titok::new(&settings(value)?, weights)?))
    }
}

/// A tokenizer of one row.
#[derive(Debug)]
pub struct Titok {
    config: TitokConfig,
    facts: Facts,
    device: Device,
    encoder: Encoder,
    quantizer: Vq,
    decoder: Decoder,
}

impl Titok {
    /// The network of a configuration.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &TitokConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let (before, below) = (weights.elements(), weights.pp("quantize"));
        let encoder = Encoder::new(config, weights)?;
        let quantizer = Vq::new(&config.vq(), config.token_size, &below)?;
        // How often codes were used, while it was trained.
        below.skip("embed_prob");
        let decoder = Decoder::new(config, weights)?;
        let side = config.crop_size;
        let facts = Facts {
            family: TiTok.id().to_owned(),
            input: Input::Fixed { height: side, width: side },
            channels: config.num_channels,
            factor: config.encoder.patch_size,
            books: quantizer.books().to_vec(),
            spatial: false,
            prefixes: false,
            width: config.width(),
            parameters: weights.elements() - before,
            quantizer: QuantizerConfig::Vq(config.vq()).words(quantizer.books()[0].dim),
        };
        let (config, device) = (config.clone(), weights.device().clone());
        Ok(Self { config, facts, device, encoder, quantizer, decoder })
    }

    /// The settings.
    pub fn config(&self) -> &TitokConfig {
        &self.config
    }

    /// [`Tokenizer::encode`], with `probe` seeing every named layer.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for images of another size than the network's.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let (channels, side) = (self.config.num_channels, self.config.crop_size);
        match *images.dims() {
            [b, c, h, w] if b > 0 && (c, h, w) == (channels, side, side) => {}
            _ => {
                return Err(EngineError::Shape {
                    what: "images".to_owned(),
                    expected: format!("(B, {channels}, {side}, {side}), the network's only size"),
                    found: images.dims().to_vec(),
                });
            }
        }
        self.encoder.forward(&to_unit(images)?, probe)
    }

    /// [`Tokenizer::decode`], not cut off; `probe` sees every named layer, in [0, 1] still.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for latents of another shape.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let (dim, n) = (self.config.token_size, self.config.num_latent_tokens);
        match *latents.dims() {
            [b, d, h, w] if b > 0 && (d, h, w) == (dim, 1, n) => {}
            _ => {
                return Err(EngineError::Shape {
                    what: "quantized latents".to_owned(),
                    expected: format!("(B, {dim}, 1, {n})"),
                    found: latents.dims().to_vec(),
                });
            }
        }
        from_unit(&self.decoder.forward(latents, probe)?)
    }
}

impl Tokenizer for Titok {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn device(&self) -> &Device {
        &self.device
    }

    /// One row, whatever the patches.
    fn layout(&self, height: usize, width: usize) -> Result<Vec<PartShape>> {
        self.facts.latent_size(height, width)?;
        Ok(vec![PartShape::grid(1, self.config.num_latent_tokens)])
    }

    /// Latents stand in a row, too: (B, D, 1, n).
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
