//! Gumbel quantization: a linear layer says how well each code fits, and the best one is taken. In
//! training codes are drawn, with Gumbel noise on the logits, and a softmax carries the gradient.
//!
//! The published code adds the noise in inference too, so that its tokens differ from run to run; here
//! tokens are those of the largest logit.
//!
//! Sources: Jang et al., "Categorical Reparameterization with Gumbel-Softmax", arXiv 1611.01144; Esser
//! et al., taming-transformers, GumbelQuantize.

use candle_core::{D, Tensor};
use rayon::prelude::*;

use super::entropy::softmax;
use super::rows::{decode_rows, latents_from_rows, rows_from_latents};
use super::{Book, Pass, Place, Quantized, Quantizer};
use crate::layers::{Init, Weights};
use crate::random::{Noise, Purpose};
use crate::{EngineError, Result, kernels};

/// Settings of [`Gumbel`], with the published names.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GumbelConfig {
    /// Number of codes, K.
    pub n_embed: u32,
    /// Weight of the loss that keeps all codes possible.
    pub kl_weight: f64,
    /// Temperature of the softmax in training.
    pub temp_init: f64,
    /// In training the drawn code alone is decoded, not a mixture of all.
    pub straight_through: bool,
}

impl Default for GumbelConfig {
    fn default() -> Self {
        Self { n_embed: 8192, kl_weight: 5e-4, temp_init: 1.0, straight_through: true }
    }
}

impl GumbelConfig {
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
        if !(self.kl_weight.is_finite() && self.kl_weight >= 0.0) {
            let reason = format!("{} is not a weight", self.kl_weight);
            return Err(EngineError::bad_input("kl_weight", reason, "the usual value is 5e-4"));
        }
        if !(self.temp_init.is_finite() && self.temp_init > 0.0) {
            let reason = format!("{} is not above 0", self.temp_init);
            return Err(EngineError::bad_input("temp_init", reason, "the usual value is 1"));
        }
        Ok(())
    }
}

/// Gumbel quantization.
#[derive(Debug)]
pub struct Gumbel {
    config: GumbelConfig,
    /// (K, Din, 1, 1)
    weight: Tensor,
    /// (K,)
    bias: Tensor,
    /// (K, D)
    embed: Tensor,
    books: [Book; 1],
}

impl Gumbel {
    /// From latents of `inputs` channels to codes of `dim`; tensors `proj.weight` (K, Din, 1, 1),
    /// `proj.bias` (K,) and `embed.weight` (K, D).
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    pub fn new(
        config: &GumbelConfig,
        (inputs, dim): (usize, usize),
        weights: &Weights,
    ) -> Result<Self> {
        config.validate(dim)?;
        config.validate(inputs)?;
        let (k, proj) = (config.n_embed as usize, weights.pp("proj"));
        let init = Init::Uniform(1.0 / (inputs as f32).sqrt());
        Ok(Self {
            config: config.clone(),
            weight: proj.get(&[k, inputs, 1, 1], "weight", init)?,
            bias: proj.get(&[k], "bias", init)?,
            embed: weights.get(&[k, dim], "embed.weight", Init::Normal(1.0))?,
            books: [Book::of_vectors(config.n_embed, dim)],
        })
    }

    fn rows(&self, latents: &Tensor) -> Result<Tensor> {
        rows_from_latents(latents, self.weight.dims()[1])
    }

    /// The linear layer's weight, (K, Din); with gradient. Not kept in this shape, which would take memory
    /// where only shapes are known.
    fn matrix(&self) -> Result<Tensor> {
        Ok(self.weight.flatten_from(1)?)
    }

    /// How well each code fits each latent (B, Din, h, w), as rows (B·h·w, K); with gradient.
    pub fn logits(&self, latents: &Tensor) -> Result<Tensor> {
        let logits = self.rows(latents)?.matmul(&self.matrix()?.t()?)?;
        Ok(logits.broadcast_add(&self.bias)?)
    }

    /// Quantizes as in training, with this noise on the logits, (B·h·w, K).
    ///
    /// # Errors
    /// If the latents have another number of channels or are not finite, or there is another number of
    /// noises.
    pub fn sample(&self, latents: &Tensor, gumbels: &Tensor) -> Result<Quantized> {
        let logits = self.logits(latents)?;
        let (b, _, h, w) = latents.dims4()?;
        let noisy = (&logits + gumbels)?;
        let list = noisy.detach().argmax(D::Minus1)?;
        let shares = softmax(&(noisy / self.config.temp_init)?)?;
        let mixed = if self.config.straight_through {
            // The softmax counts as 1 at the drawn code and 0 elsewhere, but has its own gradient.
            let nothing = (&shares - shares.detach())?.matmul(&self.embed)?;
            (self.embed.index_select(&list, 0)? + nothing)?
        } else {
            shares.matmul(&self.embed)?
        };
        let kl = (self.divergence(&logits)? * self.config.kl_weight)?;
        Ok(Quantized {
            latents: latents_from_rows(&mixed, (b, self.books[0].dim, h, w))?,
            codes: vec![list.reshape((b, h, w))?],
            losses: vec![("kl", kl)],
        })
    }

    /// How far the softmax of logits (N, K) is from even, in nats, averaged over rows.
    fn divergence(&self, logits: &Tensor) -> Result<Tensor> {
        let shares = softmax(logits)?;
        let log = ((&shares * f64::from(self.config.n_embed))? + 1e-10)?.log()?;
        let rows = logits.dim(0)? as f64;
        Ok(((shares * log)?.sum_all()? / rows)?)
    }

    /// Standard Gumbel noise for every code of every latent, (B·h·w, K).
    fn draw(&self, latents: &Tensor, place: Place) -> Result<Tensor> {
        let (b, _, h, w) = latents.dims4()?;
        let k = self.config.n_embed as usize;
        let mut values = vec![0.0_f32; b * h * w * k];
        values.par_chunks_mut(k).enumerate().for_each(|(row, values)| {
            let picture = u64::from(place.first_picture) + (row / (h * w)) as u64;
            let cell = picture << 32 | (row % (h * w)) as u64;
            let noise = Noise::new(place.seed, Purpose::Choice, place.step, cell);
            for (lane, value) in values.iter_mut().enumerate() {
                // Never 0 or 1, where the logarithms end.
                let uniform = (f64::from(noise.bits(lane as u32)) + 0.5) / 4_294_967_296.0;
                *value = -libm::log(-libm::log(uniform)) as f32;
            }
        });
        Ok(Tensor::from_vec(values, (b * h * w, k), latents.device())?)
    }
}

impl Quantizer for Gumbel {
    fn books(&self) -> &[Book] {
        &self.books
    }

    fn entries(&self, _book: u16) -> Result<Option<Tensor>> {
        Ok(Some(self.embed.detach()))
    }

    fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<Quantized> {
        if let Pass::Training(place) = pass {
            let gumbels = self.draw(latents, place)?;
            return self.sample(latents, &gumbels);
        }
        let rows = self.rows(&latents.detach())?;
        let (b, _, h, w) = latents.dims4()?;
        let list = kernels::highest(&rows, &self.matrix()?.detach(), Some(&self.bias.detach()))?;
        let chosen = self.embed.detach().index_select(&list, 0)?;
        let latents = latents_from_rows(&chosen, (b, self.books[0].dim, h, w))?;
        Ok(Quantized { latents, codes: vec![list.reshape((b, h, w))?], losses: Vec::new() })
    }

    fn decode(&self, codes: &[Tensor]) -> Result<Tensor> {
        decode_rows(&self.embed, codes)
    }
}
