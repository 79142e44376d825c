//! Lookup-free quantization (LFQ): each channel of a latent becomes its sign, and signs are the bits of
//! the code. Nothing is searched and no codebook is kept, however many codes there are.
//!
//! In training two entropies are asked for: each latent should choose clearly, and all codes be used
//! alike. Both are exact, without a row of 2^D numbers for each latent.
//!
//! Sources: Yu et al., "Language Model Beats Diffusion", MAGVIT-v2, arXiv 2310.05737, section 3.1;
//! Luo et al., Open-MAGVIT2, arXiv 2409.04410, whose first channel is the lowest bit, and
//! vector-quantize-pytorch, whose last one is.

use candle_core::{DType, Device, Tensor};

use super::bits::{self, BitOrder, Bits};
use super::entropy::{LogFloor, TINY, soft_entropies};
use super::knobs::{listed, turned};
use super::rows::{check_latents, rows_from_latents};
use super::{Book, Pass, Quantized, Quantizer};
use crate::tokens::PartShape;
use crate::{EngineError, Knob, Result, kernels};

/// The most bits whose codes the entropies can go through.
const COUNTED: usize = 24;
/// The same where each latent has a row of all codes.
const TABLED: usize = 12;

/// Settings of [`Lfq`], with the published names where there are some.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LfqConfig {
    /// Which channel is the lowest bit.
    pub order: BitOrder,
    /// Bits of each part, the first channels first; empty for one part (two above 24 bits, and so on).
    pub factorized_bits: Vec<u32>,
    /// A channel of a code is this or its negative.
    pub scale: f64,
    /// Temperature of the soft assignments whose entropies are asked for.
    pub temperature: f64,
    /// Share of each latent's own entropy in the entropy loss.
    pub sample_minimization_weight: f64,
    /// Share of the entropy of all codes, which is raised.
    pub batch_maximization_weight: f64,
    /// Weight of the entropy loss.
    pub entropy_weight: f64,
    /// What keeps the logarithm finite.
    pub log_floor: LogFloor,
    /// Weight of the commitment loss.
    pub commitment_weight: f64,
}

impl Default for LfqConfig {
    fn default() -> Self {
        Self {
            order: BitOrder::default(),
            factorized_bits: Vec::new(),
            scale: 1.0,
            temperature: 0.01,
            sample_minimization_weight: 1.0,
            batch_maximization_weight: 1.0,
            entropy_weight: 0.1,
            log_floor: LogFloor::default(),
            commitment_weight: 0.25,
        }
    }
}

impl LfqConfig {
    /// Checks the settings for codes of `dim` bits.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self, dim: usize) -> Result<()> {
        bits::split(&self.factorized_bits, dim)?;
        let positive = |field: &str, value: f64, usual: &str| {
            if value.is_finite() && value > 0.0 {
                return Ok(());
            }
            Err(EngineError::bad_input(field, format!("{value} is not above 0"), usual))
        };
        positive("scale", self.scale, "the usual value is 1")?;
        positive("temperature", self.temperature, "the usual value is 0.01")?;
        for (field, weight) in [
            ("sample_minimization_weight", self.sample_minimization_weight),
            ("batch_maximization_weight", self.batch_maximization_weight),
            ("entropy_weight", self.entropy_weight),
            ("commitment_weight", self.commitment_weight),
        ] {
            if !(weight.is_finite() && weight >= 0.0) {
                let reason = format!("{weight} is not a weight");
                return Err(EngineError::bad_input(field, reason, "0 switches it off"));
            }
        }
        Ok(())
    }

    /// What may be turned while it trains.
    fn knob(&mut self, knob: Knob) -> Option<&mut f64> {
        match knob {
            Knob::Commitment => Some(&mut self.commitment_weight),
            Knob::EntropyWeight => Some(&mut self.entropy_weight),
            Knob::Temperature => (self.entropy_weight > 0.0).then_some(&mut self.temperature),
            _ => None,
        }
    }

    /// The most bits whose entropies can be computed.
    fn counted(&self) -> usize {
        if self.log_floor == LogFloor::Clamped { TABLED } else { COUNTED }
    }
}

/// Lookup-free quantization.
#[derive(Debug)]
pub struct Lfq {
    config: LfqConfig,
    bits: Bits,
    books: Vec<Book>,
}

impl Lfq {
    /// For latents of `dim` channels.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    pub fn new(config: &LfqConfig, dim: usize, device: &Device) -> Result<Self> {
        config.validate(dim)?;
        let bits = Bits::new(config.order, &config.factorized_bits, dim, device)?;
        Ok(Self { config: config.clone(), books: bits.books(), bits })
    }

    /// Whether the entropies of so many bits can be computed.
    fn has_entropies(&self) -> bool {
        self.bits.dim() <= self.config.counted()
    }

    /// Codes from bits that are 0 or 1, f32: the scale or its negative.
    fn values(&self, bits: &Tensor) -> Result<Tensor> {
        Ok(bits.affine(2.0 * self.config.scale, -self.config.scale)?)
    }

    /// The mean entropy of each latent's soft choice and that of all codes' mean, in nats, of latents
    /// (B, D, h, w). Differentiable.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if there are too many bits to go through all codes.
    pub fn entropies(&self, latents: &Tensor) -> Result<[Tensor; 2]> {
        let (dim, most) = (self.bits.dim(), self.config.counted());
        if !self.has_entropies() {
            return Err(EngineError::bad_input(
                "entropy_weight",
                format!("the entropies of {dim} bits are not computed"),
                format!("use at most {most} bits, or an entropy_weight of 0"),
            ));
        }
        let rows = rows_from_latents(latents, dim)?;
        // The logit of a code c is 2 x·c / T, so that of one bit against its opposite is twice that.
        let sharpness = 2.0 * self.config.scale / self.config.temperature;
        match self.config.log_floor {
            LogFloor::Added => {
                let both = kernels::bit_entropies(&rows, 2.0 * sharpness, TINY)?;
                Ok([both.get(0)?, both.get(1)?])
            }
            LogFloor::Clamped => {
                // Signs of all codes; how bits are split into parts makes no difference here.
                let whole = Bits::new(self.config.order, &[dim as u32], dim, rows.device())?;
                let listed = whole.listed(0)?.ok_or_else(|| {
                    EngineError::bad_input("entropy_weight", "too many codes to list", "")
                })?;
                let signs = listed.affine(2.0 * sharpness, -sharpness)?;
                soft_entropies(&rows.matmul(&signs.t()?)?, LogFloor::Clamped)
            }
        }
    }
}

impl Quantizer for Lfq {
    fn books(&self) -> &[Book] {
        &self.books
    }

    fn layout(&self, rows: usize, columns: usize) -> Vec<PartShape> {
        self.bits.layout(rows, columns)
    }

    fn entries(&self, book: u16) -> Result<Option<Tensor>> {
        self.bits.listed(usize::from(book))?.map(|bits| self.values(&bits)).transpose()
    }

    fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<Quantized> {
        check_latents(latents, self.bits.dim())?;
        let fixed = latents.detach();
        // A channel that is exactly 0 counts as negative, as published.
        let bits = fixed.gt(0.0)?;
        let codes = self.bits.codes(&bits.to_dtype(DType::U32)?)?;
        let values = self.values(&bits.to_dtype(DType::F32)?)?;
        if !pass.is_training() {
            return Ok(Quantized { latents: values, codes, losses: Vec::new() });
        }
        let mut losses = Vec::with_capacity(2);
        if self.config.entropy_weight > 0.0 {
            let [own, all] = self.entropies(latents)?;
            let loss = ((own * self.config.sample_minimization_weight)?
                - (all * self.config.batch_maximization_weight)?)?;
            losses.push(("entropy", (loss * self.config.entropy_weight)?));
        }
        let commitment = (latents - &values)?.sqr()?.mean_all()?;
        losses.push(("commitment", (commitment * self.config.commitment_weight)?));
        let through = (latents + (values - fixed)?)?;
        Ok(Quantized { latents: through, codes, losses })
    }

    fn decode(&self, codes: &[Tensor]) -> Result<Tensor> {
        self.values(&self.bits.decode(codes)?)
    }

    fn knobs(&self) -> Vec<(Knob, f64)> {
        let mut knobs = listed(&self.config, LfqConfig::knob);
        knobs.retain(|(knob, _)| *knob == Knob::Commitment || self.has_entropies());
        knobs
    }

    fn turn(&mut self, knob: Knob, value: f64) -> Result<()> {
        if knob != Knob::Commitment && !self.has_entropies() {
            return Err(knob.missing());
        }
        let config = turned(&self.config, LfqConfig::knob, knob, value)?;
        config.validate(self.bits.dim())?;
        self.config = config;
        Ok(())
    }
}
