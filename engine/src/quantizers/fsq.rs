//! Finite scalar quantization (FSQ): each latent channel is bounded and rounded to a few levels.
//!
//! The code is a number in mixed radix, the first level its fastest digit. There is no codebook to
//! learn, so none can collapse.
//!
//! Source: Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", arXiv 2309.15505,
//! appendix; and vector-quantize-pytorch, whose bound differs near the edges. The symmetric form is
//! of arXiv 2411.19842. The original code truncates a float sum to get the code, which is one too
//! low now and then; here each digit is rounded.

use candle_core::{DType, Device, Tensor};

use super::fsq_entropy;
use super::knobs::{listed, turned};
use super::rows::{check_latents, codes_from_tensor};
use super::{Book, Pass, Place, Quantized, Quantizer, only};
use crate::random::{Noise, Purpose};
use crate::{EngineError, Knob, Result};

/// Adding and subtracting 1.5·2^23 rounds an f32 to the nearest whole number, half to even, with
/// additions that every device has.
const ROUNDER: f64 = 12_582_912.0;

/// Codes are listed as vectors up to this many.
const LISTED: u32 = 1 << 18;

/// How a latent channel is brought into the range of its levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum FsqBound {
    /// half = (L-1)(1+eps)/2, shift = atanh(offset/half): vector-quantize-pytorch and Cosmos.
    #[default]
    Atanh,
    /// half = (L-1)(1-eps)/2, shift = tan(offset/half): the code published with the paper.
    Tan,
    /// Levels symmetric around zero for odd and even L; the only form that allows two levels.
    Symmetric,
}

/// Settings of [`Fsq`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FsqConfig {
    /// Levels of each channel, the fastest digit first.
    pub levels: Vec<u32>,
    /// How channels are bounded.
    pub bound: FsqBound,
    /// Clamp to [-1, 1] instead of tanh.
    pub hard_clamp: bool,
    /// Margin of the bound; the published value is 1e-3.
    pub eps: f64,
    /// Probability in training that an element is moved by up to half of the code's unit.
    pub noise_dropout: f64,
    /// Weight of the entropy loss in training, 0 as published: see [`super::fsq_entropy`].
    pub entropy_weight: f64,
}

impl Default for FsqConfig {
    fn default() -> Self {
        Self {
            levels: vec![8, 5, 5, 5],
            bound: FsqBound::default(),
            hard_clamp: false,
            eps: 1e-3,
            noise_dropout: 0.0,
            entropy_weight: 0.0,
        }
    }
}

impl FsqConfig {
    /// The product of the levels, if it is at most 2^24 (codes stay exact in f32).
    pub fn codebook_size(&self) -> Option<u32> {
        self.levels
            .iter()
            .try_fold(1_u32, |size, &level| size.checked_mul(level))
            .filter(|&size| size <= 1 << 24)
    }

    pub(super) fn validate(&self, dim: usize) -> Result<()> {
        let least = if self.bound == FsqBound::Symmetric { 2 } else { 3 };
        if self.levels.is_empty() {
            return Err(EngineError::bad_input("levels", "there are none", "for example 8,5,5,5"));
        }
        if let Some(level) = self.levels.iter().find(|&&level| level < least) {
            return Err(EngineError::bad_input(
                "levels",
                format!("{level} is below {least}"),
                "two levels are allowed with the symmetric bound only",
            ));
        }
        if self.codebook_size().is_none() {
            return Err(EngineError::bad_input(
                "levels",
                "their product is above 2^24",
                "use fewer or smaller levels",
            ));
        }
        if dim != self.levels.len() {
            return Err(EngineError::bad_input(
                "embed_dim",
                format!("{dim} channels for {} levels", self.levels.len()),
                "FSQ needs one channel a level",
            ));
        }
        // Beyond that a saturated channel would round to a level that does not exist.
        if let Some(level) = self.levels.iter().find(|&&l| f64::from(l - 1) * self.eps >= 1.0) {
            return Err(EngineError::bad_input(
                "levels",
                format!("{level} levels are too many for eps {}", self.eps),
                "use fewer levels or a smaller eps",
            ));
        }
        if !(0.0..0.5).contains(&self.eps) || !(0.0..=1.0).contains(&self.noise_dropout) {
            return Err(EngineError::bad_input(
                "fsq",
                "eps should be in [0, 0.5) and noise_dropout in [0, 1]",
                "",
            ));
        }
        if !(self.entropy_weight.is_finite() && self.entropy_weight >= 0.0) {
            return Err(EngineError::bad_input(
                "entropy_weight",
                format!("{} is not a weight", self.entropy_weight),
                "0 switches the entropy loss off",
            ));
        }
        Ok(())
    }

    /// What may be turned while it trains.
    fn knob(&mut self, knob: Knob) -> Option<&mut f64> {
        (knob == Knob::EntropyWeight).then_some(&mut self.entropy_weight)
    }

    pub(super) fn words(&self) -> String {
        let levels: Vec<String> = self.levels.iter().map(ToString::to_string).collect();
        format!("FSQ {}", levels.join(","))
    }
}

/// Constants of the channels, each (1, D, 1, 1).
#[derive(Debug)]
struct Constants {
    half: Tensor,
    offset: Tensor,
    shift: Tensor,
    /// Digit = round(bounded) + middle.
    middle: Tensor,
    /// Code = round(bounded) / unit (minus 1 for the symmetric form).
    unit: Tensor,
    /// Weight of a digit in the code, u32.
    basis: Tensor,
}

/// Finite scalar quantization.
#[derive(Debug)]
pub struct Fsq {
    config: FsqConfig,
    books: [Book; 1],
    constants: Constants,
    device: Device,
}

impl Fsq {
    /// For latents of `dim` channels.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    pub fn new(config: &FsqConfig, dim: usize, device: &Device) -> Result<Self> {
        config.validate(dim)?;
        let channels = |values: Vec<f64>| -> Result<Tensor> {
            Ok(Tensor::from_vec(values, (1, dim, 1, 1), &Device::Cpu)?
                .to_dtype(DType::F32)?
                .to_device(device)?)
        };
        let each = |f: &dyn Fn(u32) -> f64| channels(config.levels.iter().map(|&l| f(l)).collect());
        let mut basis = Vec::with_capacity(dim);
        let mut size = 1;
        for &level in &config.levels {
            basis.push(size);
            size *= level;
        }
        let symmetric = config.bound == FsqBound::Symmetric;
        let middle = |level: u32| if symmetric { 0.0 } else { f64::from(level / 2) };
        let unit = |level: u32| {
            if symmetric { f64::from(level - 1) / 2.0 } else { f64::from(level / 2) }
        };
        let constants = Constants {
            half: each(&|level| config.half(level))?,
            offset: each(&|level| config.offset(level))?,
            shift: each(&|level| config.shift(level))?,
            middle: each(&middle)?,
            unit: each(&unit)?,
            basis: Tensor::from_vec(basis, (1, dim, 1, 1), device)?,
        };
        Ok(Self {
            config: config.clone(),
            books: [Book { size, dim, levels: config.levels.clone() }],
            constants,
            device: device.clone(),
        })
    }

    /// The latents brought into the range of the levels, (B, D, H, W): what is rounded.
    pub fn bounded(&self, latents: &Tensor) -> Result<Tensor> {
        let c = &self.constants;
        let squash = |x: &Tensor| -> Result<Tensor> {
            if self.config.hard_clamp { Ok(x.clamp(-1.0, 1.0)?) } else { Ok(x.tanh()?) }
        };
        if self.config.bound == FsqBound::Symmetric {
            // (tanh z + 1)(L - 1)/2; rounding half up is the published floor(x + 1/2).
            return Ok((squash(latents)? + 1.0)?.broadcast_mul(&c.half)?);
        }
        let x = squash(&latents.broadcast_add(&c.shift)?)?;
        Ok(x.broadcast_mul(&c.half)?.broadcast_sub(&c.offset)?)
    }

    /// Codes per channel of whole numbers (or of anything between them), (B, D, H, W).
    fn code(&self, x: &Tensor) -> Result<Tensor> {
        let code = x.broadcast_div(&self.constants.unit)?;
        if self.config.bound == FsqBound::Symmetric { Ok((code - 1.0)?) } else { Ok(code) }
    }

    /// The digits of codes (B, H, W), first level first: (B, H, W, D).
    ///
    /// # Errors
    /// As [`Quantizer::decode`].
    pub fn digits(&self, codes: &Tensor) -> Result<Tensor> {
        let (b, h, w) = codes.dims3()?;
        let mut digits = Vec::with_capacity(b * h * w * self.config.levels.len());
        for mut code in codes_from_tensor(codes, self.books[0].size)? {
            for &level in &self.config.levels {
                digits.push(code % level);
                code /= level;
            }
        }
        Ok(Tensor::from_vec(digits, (b, h, w, self.config.levels.len()), &self.device)?)
    }

    /// Moves some elements of the codes (B, D, H, W): where `mask` is 1 the offset is added, then
    /// everything is clamped to [-1, 1]. What was clamped has no gradient.
    pub fn disturb(code: &Tensor, mask: &Tensor, offset: &Tensor) -> Result<Tensor> {
        let moved = (code.detach() + (mask * offset)?)?;
        let inside = moved.abs()?.le(1.0)?.to_dtype(DType::F32)?;
        let kept = (code * &inside)?;
        let value = moved.clamp(-1.0, 1.0)?;
        Ok((&kept + (value - kept.detach())?)?)
    }

    /// Draws the mask and the offsets of noise dropout, (B, D, H, W) each.
    fn noise(&self, shape: (usize, usize, usize, usize), place: Place) -> Result<(Tensor, Tensor)> {
        let (b, d, h, w) = shape;
        let Place { seed, step, first_picture: first } = place;
        let (mut mask, mut offset) = (vec![0.0_f32; b * d * h * w], vec![0.0_f32; b * d * h * w]);
        for picture in 0..b {
            for within in 0..h * w {
                let cell = (u64::from(first) + picture as u64) << 32 | within as u64;
                let noise = Noise::new(seed, Purpose::Dropout, step, cell);
                for channel in 0..d {
                    let at = (picture * d + channel) * h * w + within;
                    let lane = 2 * channel as u32;
                    let hit = f64::from(noise.uniform(lane)) < self.config.noise_dropout;
                    mask[at] = f32::from(u8::from(hit));
                    offset[at] = noise.uniform(lane + 1) - 0.5;
                }
            }
        }
        Ok((
            Tensor::from_vec(mask, shape, &self.device)?,
            Tensor::from_vec(offset, shape, &self.device)?,
        ))
    }
}

impl FsqConfig {
    /// Half of the range that a channel is bounded to.
    pub fn half(&self, level: u32) -> f64 {
        let range = f64::from(level) - 1.0;
        match self.bound {
            FsqBound::Atanh => range * (1.0 + self.eps) / 2.0,
            FsqBound::Tan => range * (1.0 - self.eps) / 2.0,
            FsqBound::Symmetric => range / 2.0,
        }
    }

    /// What is taken off, so that an even number of levels is rounded to whole numbers.
    pub fn offset(&self, level: u32) -> f64 {
        if self.bound != FsqBound::Symmetric && level.is_multiple_of(2) { 0.5 } else { 0.0 }
    }

    /// What is added before tanh, so that zero stays zero.
    pub fn shift(&self, level: u32) -> f64 {
        let ratio = self.offset(level) / self.half(level);
        match (self.bound, self.hard_clamp) {
            (FsqBound::Symmetric, _) => 0.0,
            (_, true) => ratio,
            (FsqBound::Atanh, false) => libm::atanh(ratio),
            (FsqBound::Tan, false) => libm::tan(ratio),
        }
    }
}

impl Quantizer for Fsq {
    fn books(&self) -> &[Book] {
        &self.books
    }

    fn entries(&self, _book: u16) -> Result<Option<Tensor>> {
        let Book { size, dim, .. } = self.books[0];
        if size > LISTED {
            return Ok(None);
        }
        let all = Tensor::arange(0, size, &self.device)?.reshape((1, 1, size as usize))?;
        let vectors = self.decode(&[all])?.reshape((dim, size as usize))?;
        Ok(Some(vectors.t()?.contiguous()?))
    }

    fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<Quantized> {
        check_latents(latents, self.books[0].dim)?;
        let bounded = self.bounded(latents)?;
        let fixed = bounded.detach();
        let whole = if self.config.bound == FsqBound::Symmetric {
            (&fixed + 0.5)?.floor()?
        } else {
            ((&fixed + ROUNDER)? - ROUNDER)?
        };
        let digits = whole.broadcast_add(&self.constants.middle)?.to_dtype(DType::U32)?;
        let codes = digits.broadcast_mul(&self.constants.basis)?.sum(1)?;
        let mut losses = Vec::new();
        if pass.is_training() && self.config.entropy_weight > 0.0 {
            let digits = bounded.broadcast_add(&self.constants.middle)?;
            let lack = fsq_entropy::lack_of_entropy(&digits, &self.config.levels)?;
            losses.push(("entropy", (lack * self.config.entropy_weight)?));
        }
        let latents = if let Pass::Training(place) = pass {
            let rounded = (&bounded + (whole - fixed)?)?;
            let code = self.code(&rounded)?;
            if self.config.noise_dropout > 0.0 {
                let (mask, offset) = self.noise(code.dims4()?, place)?;
                Self::disturb(&code, &mask, &offset)?
            } else {
                code
            }
        } else {
            self.code(&whole)?
        };
        Ok(Quantized { latents, codes: vec![codes], losses })
    }

    fn decode(&self, codes: &[Tensor]) -> Result<Tensor> {
        let digits = self.digits(only(codes)?)?.to_dtype(DType::F32)?.permute((0, 3, 1, 2))?;
        self.code(&digits.broadcast_sub(&self.constants.middle)?.contiguous()?)
    }

    fn knobs(&self) -> Vec<(Knob, f64)> {
        listed(&self.config, FsqConfig::knob)
    }

    fn turn(&mut self, knob: Knob, value: f64) -> Result<()> {
        let config = turned(&self.config, FsqConfig::knob, knob, value)?;
        config.validate(self.books[0].dim)?;
        self.config = config;
        Ok(())
    }
}
