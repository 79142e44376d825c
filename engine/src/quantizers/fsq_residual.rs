//! Residual finite scalar quantization: several layers, each a finer grid over what the last one left.
//!
//! Source: ResidualFSQ of vector-quantize-pytorch, and the reference page of tokenizers: symmetric
//! levels and a hard clamp, the input softly clamped first, layer q on a grid scaled by L^-q.

use candle_core::{DType, Device, Tensor};

use super::{Fsq, FsqBound, FsqConfig, Pass, Quantizer};
use crate::Result;

/// What residual layers give for latents (B, D, H, W).
#[derive(Debug)]
pub struct ResidualQuantized {
    /// The sum over layers, (B, D, H, W), with the straight-through gradient.
    pub latents: Tensor,
    /// What each layer adds, scaled, (B, D, H, W) each.
    pub layers: Vec<Tensor>,
    /// The codes of each layer, (B, H, W) u32 each.
    pub codes: Vec<Tensor>,
}

/// Residual finite scalar quantization.
#[derive(Debug)]
pub struct ResidualFsq {
    rule: Fsq,
    levels: Vec<u32>,
    layers: usize,
    device: Device,
}

impl ResidualFsq {
    /// `layers` layers over the same levels.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if the levels cannot be used.
    pub fn new(levels: &[u32], layers: usize, device: &Device) -> Result<Self> {
        let config = FsqConfig {
            levels: levels.to_vec(),
            bound: FsqBound::Symmetric,
            hard_clamp: true,
            ..FsqConfig::default()
        };
        let rule = Fsq::new(&config, levels.len(), device)?;
        Ok(Self { rule, levels: levels.to_vec(), layers, device: device.clone() })
    }

    /// Where the input is softly clamped, 1 + 1/(L - 1) for each channel: the outermost cell's edge.
    pub fn soft_clamp(&self) -> Vec<f64> {
        self.levels.iter().map(|&level| 1.0 + 1.0 / (f64::from(level) - 1.0)).collect()
    }

    /// The scale of a layer's grid, L^-layer for each channel.
    pub fn scale(&self, layer: usize) -> Vec<f64> {
        self.levels.iter().map(|&level| f64::from(level).powi(-(layer as i32))).collect()
    }

    fn channels(&self, values: Vec<f64>) -> Result<Tensor> {
        let n = values.len();
        let values = Tensor::from_vec(values, (1, n, 1, 1), &Device::Cpu)?;
        Ok(values.to_dtype(DType::F32)?.to_device(&self.device)?)
    }

    /// Quantizes (B, D, H, W).
    ///
    /// # Errors
    /// If the latents have another number of channels or are not finite.
    pub fn quantize(&self, latents: &Tensor) -> Result<ResidualQuantized> {
        let clamp = self.channels(self.soft_clamp())?;
        let mut residual = latents.broadcast_div(&clamp)?.tanh()?.broadcast_mul(&clamp)?;
        let mut sum: Option<Tensor> = None;
        let (mut layers, mut codes) = (Vec::new(), Vec::new());
        for layer in 0..self.layers {
            let scale = self.channels(self.scale(layer))?;
            let quantized = self.rule.quantize(&residual.broadcast_div(&scale)?, Pass::FIRST)?;
            let values = quantized.latents.broadcast_mul(&scale)?;
            residual = (residual - values.detach())?;
            sum = Some(match sum {
                None => values.clone(),
                Some(sum) => (sum + &values)?,
            });
            layers.push(values);
            codes.extend(quantized.codes);
        }
        let latents = match sum {
            Some(sum) => sum,
            None => latents.zeros_like()?,
        };
        Ok(ResidualQuantized { latents, layers, codes })
    }
}
