//! Index backpropagation quantization (IBQ): the code with the largest product, not the nearest one,
//! and in training a gradient for every code of the codebook.
//!
//! Source: Shi et al., "Scalable Image Tokenization with Index Backpropagation Quantization", arXiv
//! 2412.02692, section 3.2, and the published code, whose products are of raw vectors.

use candle_core::Tensor;

use super::entropy::{LogFloor, soft_entropies, softmax};
use super::rows::{decode_rows, latents_from_rows, rows_from_latents};
use super::{Book, Pass, Quantized, Quantizer};
use crate::layers::{Init, Weights};
use crate::{EngineError, Result, kernels};

/// Settings of [`Ibq`], with the published names.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IbqConfig {
    /// Number of codes, K.
    pub n_embed: u32,
    /// Weight of the codebook's own loss beside the two that move latents.
    pub beta: f64,
    /// Temperature of the soft assignments whose entropies are asked for.
    pub entropy_temperature: f64,
    /// Weight of the three losses together.
    pub quant_loss_weight: f64,
    /// Weight of the entropy loss.
    pub entropy_loss_weight: f64,
}

impl Default for IbqConfig {
    fn default() -> Self {
        Self {
            n_embed: 16384,
            beta: 0.25,
            entropy_temperature: 0.01,
            quant_loss_weight: 1.0,
            entropy_loss_weight: 0.05,
        }
    }
}

impl IbqConfig {
    /// Checks the settings for codes of `dim` channels.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self, dim: usize) -> Result<()> {
        let size = (self.n_embed as usize).saturating_mul(dim);
        if size == 0 || size > 1 << 28 {
            let reason = format!("{} codes of {dim} channels", self.n_embed);
            return Err(EngineError::bad_input("n_embed", reason, "1 to 2^28 numbers in all"));
        }
        for (field, value) in [
            ("beta", self.beta),
            ("quant_loss_weight", self.quant_loss_weight),
            ("entropy_loss_weight", self.entropy_loss_weight),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(EngineError::bad_input(field, format!("{value} is not a weight"), ""));
            }
        }
        if !(self.entropy_temperature.is_finite() && self.entropy_temperature > 0.0) {
            let reason = format!("{} is not above 0", self.entropy_temperature);
            return Err(EngineError::bad_input("entropy_temperature", reason, "usual: 0.01"));
        }
        Ok(())
    }
}

/// Index backpropagation quantization.
#[derive(Debug)]
pub struct Ibq {
    config: IbqConfig,
    /// (K, D), a parameter.
    embedding: Tensor,
    books: [Book; 1],
}

impl Ibq {
    /// For latents of `dim` channels; tensor `embedding.weight` (K, D).
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    pub fn new(config: &IbqConfig, dim: usize, weights: &Weights) -> Result<Self> {
        config.validate(dim)?;
        let shape = [config.n_embed as usize, dim];
        let embedding = weights.get(&shape, "embedding.weight", Init::Normal(1.0))?;
        let books = [Book::of_vectors(config.n_embed, dim)];
        Ok(Self { config: config.clone(), embedding, books })
    }

    /// The product of each latent (B, D, h, w) with each code, (B·h·w, K); with gradient.
    pub fn logits(&self, latents: &Tensor) -> Result<Tensor> {
        Ok(rows_from_latents(latents, self.books[0].dim)?.matmul(&self.embedding.t()?)?)
    }

    /// The mean entropy of each latent's soft choice and that of the mean choice, in nats, of latents
    /// (B, D, h, w). Differentiable.
    pub fn entropies(&self, latents: &Tensor) -> Result<[Tensor; 2]> {
        let logits = (self.logits(latents)? / self.config.entropy_temperature)?;
        soft_entropies(&logits, LogFloor::Added)
    }
}

impl Quantizer for Ibq {
    fn books(&self) -> &[Book] {
        &self.books
    }

    fn entries(&self, _book: u16) -> Result<Option<Tensor>> {
        Ok(Some(self.embedding.detach()))
    }

    fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<Quantized> {
        let rows = rows_from_latents(latents, self.books[0].dim)?;
        let shape = latents.dims4()?;
        let list = kernels::highest(&rows.detach(), &self.embedding.detach(), None)?;
        let codes = vec![list.reshape((shape.0, shape.2, shape.3))?];
        let chosen = self.embedding.index_select(&list, 0)?;
        if !pass.is_training() {
            let latents = latents_from_rows(&chosen.detach(), shape)?;
            return Ok(Quantized { latents, codes, losses: Vec::new() });
        }
        let logits = self.logits(latents)?;
        // The softmax counts as 1 at the chosen code and 0 elsewhere, but has its own gradient: with it
        // the mean of all codes moves, whose value is taken off again.
        let shares = softmax(&logits)?;
        let nothing = (&shares - shares.detach())?.matmul(&self.embedding)?;
        let through = (&chosen + nothing)?;
        let far = |a: &Tensor, b: &Tensor| -> Result<Tensor> { Ok((a - b)?.sqr()?.mean_all()?) };
        let both = far(&through, &rows)?;
        let latent = far(&chosen.detach(), &rows)?;
        let code = (far(&chosen, &rows.detach())? * self.config.beta)?;
        let quant = (((both + latent)? + code)? * self.config.quant_loss_weight)?;
        let mut losses = vec![("quantization", quant)];
        if self.config.entropy_loss_weight > 0.0 {
            let [own, all] = self.entropies(latents)?;
            losses.push(("entropy", ((own - all)? * self.config.entropy_loss_weight)?));
        }
        Ok(Quantized { latents: latents_from_rows(&through, shape)?, codes, losses })
    }

    fn decode(&self, codes: &[Tensor]) -> Result<Tensor> {
        decode_rows(&self.embedding, codes)
    }
}
