//! SimVQ: the codebook is a frozen random one times a learned matrix, so that all codes move together
//! and none is left behind.
//!
//! Source: Zhu et al., "Addressing Representation Collapse in Vector Quantized Models with One Linear
//! Layer", arXiv 2411.02038, equation 5; vector-quantize-pytorch, which turns gradients by default.

use std::sync::OnceLock;

use candle_core::Tensor;

use super::knobs::{listed, turned};
use super::rotation::Through;
use super::rows::{decode_rows, latents_from_rows, rows_from_latents};
use super::{Book, Pass, Quantized, Quantizer};
use crate::layers::{Init, Weights};
use crate::{EngineError, Knob, Result, kernels};

/// Settings of [`SimVq`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimVqConfig {
    /// Number of codes, K.
    pub codes: u32,
    /// Channels of the frozen codebook; those of a code where not given.
    pub frozen_dim: Option<usize>,
    /// Weight of both losses together.
    pub commitment_weight: f64,
    /// Weight of the latents' loss beside that of the codes.
    pub beta: f64,
    /// How the gradient reaches the latents.
    pub through: Through,
}

impl Default for SimVqConfig {
    fn default() -> Self {
        Self {
            codes: 8192,
            frozen_dim: None,
            commitment_weight: 1.0,
            beta: 0.25,
            through: Through::Rotation,
        }
    }
}

impl SimVqConfig {
    /// Checks the settings for codes of `dim` channels.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self, dim: usize) -> Result<()> {
        let widest = dim.max(self.frozen_dim.unwrap_or(dim));
        let size = (self.codes as usize).saturating_mul(widest);
        if dim == 0 || self.frozen_dim == Some(0) || size == 0 || size > 1 << 28 || widest > 1 << 14
        {
            let reason = format!("{} codes of {widest} channels", self.codes);
            return Err(EngineError::bad_input("codes", reason, "1 to 2^28 numbers in all"));
        }
        for (field, value) in [("commitment_weight", self.commitment_weight), ("beta", self.beta)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(EngineError::bad_input(field, format!("{value} is not a weight"), ""));
            }
        }
        Ok(())
    }

    /// What may be turned while it trains.
    fn knob(&mut self, knob: Knob) -> Option<&mut f64> {
        match knob {
            // Both losses together vanish without it, whatever beta is.
            Knob::Commitment if self.commitment_weight > 0.0 => Some(&mut self.beta),
            _ => None,
        }
    }
}

/// Vector quantization by a transformed codebook.
#[derive(Debug)]
pub struct SimVq {
    config: SimVqConfig,
    /// (K, F), never trained.
    frozen: Tensor,
    /// (D, F), a parameter.
    transform: Tensor,
    /// The codebook, (K, D), where weights do not change any more.
    codebook: OnceLock<Tensor>,
    books: [Book; 1],
    /// That of the frozen codebook.
    name: String,
}

impl SimVq {
    /// For latents of `dim` channels; tensors `frozen_codebook` (K, F) and `code_transform.weight`
    /// (D, F).
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    pub fn new(config: &SimVqConfig, dim: usize, weights: &Weights) -> Result<Self> {
        config.validate(dim)?;
        let inner = config.frozen_dim.unwrap_or(dim);
        let spread = 1.0 / (inner as f32).sqrt();
        let shape = [config.codes as usize, inner];
        let frozen = weights.buffer(&shape, "frozen_codebook", Init::Normal(spread))?;
        let transform =
            weights.pp("code_transform").get(&[dim, inner], "weight", Init::Uniform(spread))?;
        let frozen = frozen.as_tensor().detach();
        let books = [Book::of_vectors(config.codes, dim)];
        let (codebook, name) = (OnceLock::new(), weights.name("frozen_codebook"));
        Ok(Self { config: config.clone(), frozen, transform, codebook, books, name })
    }

    /// The codebook as it is now, (K, D), without gradient.
    pub fn table(&self) -> Result<Tensor> {
        if let Some(known) = self.codebook.get() {
            return Ok(known.clone());
        }
        let made = self.frozen.matmul(&self.transform.detach().t()?)?;
        if !self.transform.is_variable() {
            return Ok(self.codebook.get_or_init(|| made).clone());
        }
        Ok(made)
    }
}

impl Quantizer for SimVq {
    fn books(&self) -> &[Book] {
        &self.books
    }

    fn entries(&self, _book: u16) -> Result<Option<Tensor>> {
        Ok(Some(self.table()?))
    }

    fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<Quantized> {
        let rows = rows_from_latents(latents, self.books[0].dim)?;
        let shape = latents.dims4()?;
        let codebook = self.table()?;
        let list = kernels::nearest(&rows.detach(), &codebook)?;
        let codes = vec![list.reshape((shape.0, shape.2, shape.3))?];
        if !pass.is_training() {
            let latents = latents_from_rows(&codebook.index_select(&list, 0)?, shape)?;
            return Ok(Quantized { latents, codes, losses: Vec::new() });
        }
        let chosen = self.frozen.index_select(&list, 0)?.matmul(&self.transform.t()?)?;
        let fixed = chosen.detach();
        let code = (&chosen - rows.detach())?.sqr()?.mean_all()?;
        let latent = (&rows - &fixed)?.sqr()?.mean_all()?;
        let loss = ((code + (latent * self.config.beta)?)? * self.config.commitment_weight)?;
        let through = self.config.through.pass(&rows, &fixed)?;
        let latents = latents_from_rows(&through, shape)?;
        Ok(Quantized { latents, codes, losses: vec![("commitment", loss)] })
    }

    fn decode(&self, codes: &[Tensor]) -> Result<Tensor> {
        decode_rows(&self.table()?, codes)
    }

    fn knobs(&self) -> Vec<(Knob, f64)> {
        listed(&self.config, SimVqConfig::knob)
    }

    fn turn(&mut self, knob: Knob, value: f64) -> Result<()> {
        let config = turned(&self.config, SimVqConfig::knob, knob, value)?;
        config.validate(self.books[0].dim)?;
        self.config = config;
        Ok(())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        vec![(self.name.clone(), self.frozen.clone())]
    }
}
