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

use crate::kernels::Conv;
use crate::layers::{Conv2d, Probe, Sequence, Weights};
use crate::quantizers::{MultiScale, Scales};
use crate::{EngineError, Result};

/// What training leaves beside the network: how often each code was used at each scale.
pub const BOOKKEEPING: [&str; 1] = ["quantize.ema_vocab_hit_SV"];

/// VAR's tokenizer.
#[derive(Debug)]
pub struct Var {
    config: VarConfig,
    device: Device,
    parameters: usize,
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
        let around =
            |weights: Weights| Conv2d::new(&weights, (dim, dim), window, Conv::same(window / 2));
        let encoder = network::encoder(config, weights)?;
        let quant_conv = around(weights.pp("quant_conv"))?;
        let quantizer = MultiScale::new(&config.quantize, dim, &weights.pp("quantize"))?;
        let post_quant_conv = around(pictures.pp("post_quant_conv"))?;
        let decoder = network::decoder(config, &pictures)?;
        Ok(Self {
            config: config.clone(),
            device: weights.device().clone(),
            parameters: weights.elements() - before,
            encoder,
            quant_conv,
            quantizer,
            post_quant_conv,
            decoder,
        })
    }

    /// The settings.
    pub fn config(&self) -> &VarConfig {
        &self.config
    }

    /// Where its weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The quantizer.
    pub fn quantizer(&self) -> &MultiScale {
        &self.quantizer
    }

    /// Latents (B, D, side, side) of images (B, C, H, W) in [-1, 1]; `probe` sees every named layer.
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

    /// Codes of latents (B, D, side, side), one tensor a scale.
    ///
    /// # Errors
    /// As for [`MultiScale::quantize`].
    pub fn quantize(&self, latents: &Tensor, training: bool) -> Result<Scales> {
        self.quantizer.quantize(latents, training)
    }

    /// Latents (B, D, side, side) of the codes of all scales or of the first few.
    ///
    /// # Errors
    /// As for [`MultiScale::decode`].
    pub fn dequantize(&self, codes: &[Tensor]) -> Result<Tensor> {
        self.quantizer.decode(codes)
    }

    /// Images (B, C, H, W), cut off at -1 and 1 as published, of latents (B, D, side, side); `probe`
    /// sees every named layer, the last before it is cut off.
    ///
    /// # Errors
    /// [`EngineError::Shape`] for latents of another number of channels.
    pub fn decode_probed(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        if latents.rank() != 4 || latents.dim(1)? != self.config.z_channels {
            return Err(EngineError::Shape {
                what: "quantized latents".to_owned(),
                expected: format!("(B, {}, h, w)", self.config.z_channels),
                found: latents.dims().to_vec(),
            });
        }
        let z = self.post_quant_conv.forward(latents)?;
        probe.show("post_quant_conv", &z);
        Ok(self.decoder.forward(&z, probe)?.clamp(-1.0_f32, 1.0_f32)?)
    }
}
