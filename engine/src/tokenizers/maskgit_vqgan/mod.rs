//! MaskGIT-VQGAN: a convolutional tokenizer without attention, whose pictures are in [0, 1] inside.
//!
//! The tokenizer of MaskGIT as it was brought to PyTorch; TiTok was trained against its codes and has
//! its decoder inside. Fully convolutional: any size that divides by the factor.
//!
//! Source: Chang et al., "MaskGIT: Masked Generative Image Transformer", arXiv 2202.04200; the PyTorch
//! form in bytedance/1d-tokenizer.

mod config;
mod network;

pub use config::{MaskGitConfig, claims, configure};
pub(super) use network::{Decoder, Levels};

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::Tokenizer;
use super::facts::{Facts, Input, widest};
use super::family::{Beside, Called, Family, Shapes, settings, settings_value};
use crate::layers::{Probe, Weights};
use crate::quantizers::{Quantizer, QuantizerConfig, Vq};
use crate::{EngineError, Result};
use network::Encoder;

/// MaskGIT's tokenizer among the families.
#[derive(Debug)]
pub struct MaskGit;

impl Family for MaskGit {
    fn id(&self) -> &'static str {
        "maskgit"
    }

    fn title(&self) -> &'static str {
        "MaskGIT-VQGAN"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        claims(shapes)
    }

    fn classes(&self) -> &'static [&'static str] {
        &["MaskGitVQGAN", "maskgit"]
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
        Ok(Box::new(MaskGitVqgan::new(&settings(value)?, weights)?))
    }
}

/// MaskGIT's tokenizer.
#[derive(Debug)]
pub struct MaskGitVqgan {
    facts: Facts,
    device: Device,
    encoder: Encoder,
    quantizer: Vq,
    decoder: Decoder,
}

impl MaskGitVqgan {
    /// The network of a configuration.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &MaskGitConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let (before, sizes) = (weights.elements(), config.levels());
        let encoder = Encoder::new(&sizes, config.hidden_channels, &weights.pp("encoder"))?;
        let quantizer = Vq::new(&config.vq(), config.z_channels, &weights.pp("quantize"))?;
        let decoder = Decoder::new(&sizes, weights, "decoder")?;
        let facts = Facts {
            family: MaskGit.id().to_owned(),
            input: Input::Multiple(config.factor()),
            channels: config.num_channels,
            factor: config.factor(),
            books: quantizer.books().to_vec(),
            spatial: true,
            prefixes: false,
            width: widest(sizes.channels.len(), |level| sizes.channels[level]),
            parameters: weights.elements() - before,
            quantizer: QuantizerConfig::Vq(config.vq()).words(quantizer.books()[0].dim),
        };
        Ok(Self { facts, device: weights.device().clone(), encoder, quantizer, decoder })
    }

    /// The quantizer, with what only this rule can do.
    pub fn vq(&self) -> &Vq {
        &self.quantizer
    }

    /// [`Tokenizer::encode`], with `probe` seeing every named layer.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if a side does not divide by the factor.
    pub fn encode_probed(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let (channels, factor) = (self.facts.channels, self.facts.factor);
        let fits = match *images.dims() {
            [b, c, h, w] => {
                let whole = h.is_multiple_of(factor) && w.is_multiple_of(factor);
                c == channels && b > 0 && h > 0 && w > 0 && whole
            }
            _ => false,
        };
        if !fits {
            return Err(EngineError::Shape {
                what: "images".to_owned(),
                expected: format!("(B, {channels}, H, W) with sides that divide by {factor}"),
                found: images.dims().to_vec(),
            });
        }
        self.encoder.forward(&to_unit(images)?, probe)
    }

    /// [`Tokenizer::decode`], not cut off; `probe` sees every named layer, in [0, 1] still.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for latents of another number of channels.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let dim = self.facts.book(0).dim;
        if latents.rank() != 4 || latents.dim(1)? != dim || latents.elem_count() == 0 {
            return Err(EngineError::Shape {
                what: "quantized latents".to_owned(),
                expected: format!("(B, {dim}, h, w)"),
                found: latents.dims().to_vec(),
            });
        }
        from_unit(&self.decoder.forward(latents, probe)?)
    }
}

impl Tokenizer for MaskGitVqgan {
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

/// Images in [-1, 1] as networks of this family want them, in [0, 1].
pub(super) fn to_unit(images: &Tensor) -> Result<Tensor> {
    Ok(images.affine(0.5, 0.5)?)
}

/// The reverse of [`to_unit`].
pub(super) fn from_unit(images: &Tensor) -> Result<Tensor> {
    Ok(images.affine(2.0, -1.0)?)
}
