//! Binary spherical quantization (BSQ): latents are brought onto the unit sphere, then each channel
//! becomes its sign over √D, which is on the sphere again.
//!
//! The quantization error is bounded, and the bits stay independent, so that codes and entropies are
//! those of lookup-free quantization.
//!
//! Source: Zhao et al., "Image and Video Tokenization with Binary Spherical Quantization", arXiv
//! 2406.07548, sections 4.1 and 4.2; vector-quantize-pytorch.

use candle_core::{Device, Tensor};

use super::lfq::{Lfq, LfqConfig};
use super::rows::check_latents;
use super::{Book, Pass, Quantized, Quantizer};
use crate::tokens::PartShape;
use crate::{Knob, Result};

/// Binary spherical quantization.
#[derive(Debug)]
pub struct Bsq {
    signs: Lfq,
    radius: f64,
    dim: usize,
}

impl Bsq {
    /// For latents of `dim` channels. The settings are those of lookup-free quantization; `scale` is
    /// the radius of the sphere, on which both latents and codes lie.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if the settings cannot be used.
    pub fn new(config: &LfqConfig, dim: usize, device: &Device) -> Result<Self> {
        config.validate(dim)?;
        let scale = config.scale / (dim as f64).sqrt();
        let signs = Lfq::new(&LfqConfig { scale, ..config.clone() }, dim, device)?;
        Ok(Self { signs, radius: config.scale, dim })
    }

    /// Latents (B, D, h, w) on the sphere.
    fn on_sphere(&self, latents: &Tensor) -> Result<Tensor> {
        // The tiny term keeps the gradient of the root finite at zero.
        let length = (latents.sqr()?.sum_keepdim(1)? + 1e-24)?.sqrt()?;
        Ok((latents.broadcast_div(&length)? * self.radius)?)
    }

    /// As [`Lfq::entropies`].
    pub fn entropies(&self, latents: &Tensor) -> Result<[Tensor; 2]> {
        self.signs.entropies(&self.on_sphere(latents)?)
    }
}

impl Quantizer for Bsq {
    fn books(&self) -> &[Book] {
        self.signs.books()
    }

    fn layout(&self, rows: usize, columns: usize) -> Vec<PartShape> {
        self.signs.layout(rows, columns)
    }

    fn entries(&self, book: u16) -> Result<Option<Tensor>> {
        self.signs.entries(book)
    }

    fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<Quantized> {
        check_latents(latents, self.dim)?;
        self.signs.quantize(&self.on_sphere(latents)?, pass)
    }

    fn decode(&self, codes: &[Tensor]) -> Result<Tensor> {
        self.signs.decode(codes)
    }

    fn knobs(&self) -> Vec<(Knob, f64)> {
        self.signs.knobs()
    }

    fn turn(&mut self, knob: Knob, value: f64) -> Result<()> {
        self.signs.turn(knob, value)
    }
}
