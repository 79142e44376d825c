//! Multi-scale residual quantization: codes of a few places first, then of more and more, each scale
//! for what those before it left over.
//!
//! For each scale the rest is shrunk to its size (means of areas), each place takes the nearest code,
//! the codes' vectors are enlarged again (bicubic) and smoothed by a convolution (phi), and what comes
//! out is added to the sum and taken from the rest. All scales share one codebook.
//!
//! Source: Tian et al., "Visual Autoregressive Modeling: Scalable Image Generation via Next-Scale
//! Prediction", arXiv 2404.02905, and its code (FoundationVision/VAR), which shrinks by areas, enlarges
//! bicubically and blends phi with its input, of which the paper says nothing.

use candle_core::{D, DType, Device, Tensor, Var};

use super::knobs::{listed, turned};
use super::rows::{check_latents, codes_from_tensor, latents_from_rows, rows_from_latents};
use super::vq::CodebookStart;
use super::{Book, Observed, Pass, Place, Quantized, Quantizer};
use crate::layers::{Conv2d, Init, Resize, Weights};
use crate::tokens::PartShape;
use crate::{EngineError, Knob, Result, kernels};

/// Scores held at once when codes are chosen by direction.
const SCORES: usize = 1 << 24;

/// Settings of [`MultiScale`], with the published names and defaults.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MultiScaleConfig {
    /// Number of codes, K.
    pub vocab_size: u32,
    /// Places along a side of each scale; the last is the size of the latents.
    pub v_patch_nums: Vec<usize>,
    /// Codes are chosen by direction alone; what is taken is the code as it is all the same.
    pub using_znorm: bool,
    /// Weight of the commitment loss.
    pub beta: f64,
    /// How much of phi is its convolution; near 0 there is no phi.
    pub quant_resi: f64,
    /// Number of phis that the scales share; 0: as many as `default_qresi_counts`.
    pub share_quant_resi: usize,
    /// Number of phis that are not shared; 0: one for each scale.
    pub default_qresi_counts: usize,
    /// A code that is chosen less often a step is dead and becomes something that a batch looked for; 0
    /// restarts none. Ours, as the next two.
    pub restart: f64,
    /// Decay of the counts per step.
    pub decay: f64,
    /// The first codes.
    pub start: CodebookStart,
}

impl Default for MultiScaleConfig {
    fn default() -> Self {
        Self {
            vocab_size: 4096,
            v_patch_nums: vec![1, 2, 3, 4, 5, 6, 8, 10, 13, 16],
            using_znorm: false,
            beta: 0.25,
            quant_resi: 0.5,
            share_quant_resi: 4,
            default_qresi_counts: 0,
            restart: 0.0,
            decay: 0.99,
            start: CodebookStart::default(),
        }
    }
}

impl MultiScaleConfig {
    /// Checks the settings for codes of `dim` channels, before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self, dim: usize) -> Result<()> {
        let bad = |field: &str, reason: String, hint: &str| {
            Err(EngineError::bad_input(field, reason, hint))
        };
        let numbers = (self.vocab_size as usize).saturating_mul(dim);
        if numbers == 0 || numbers > 1 << 28 {
            let reason = format!("{} codes of {dim} channels", self.vocab_size);
            return bad("vocab_size", reason, "at least one code, and at most 2^28 numbers in all");
        }
        // With one scale the publisher's choice of phi divides by zero.
        if !(2..=64).contains(&self.v_patch_nums.len()) {
            let reason = format!("{} scales", self.v_patch_nums.len());
            return bad("v_patch_nums", reason, "2 to 64 can be used");
        }
        let last = self.side();
        if last > 1024 || self.v_patch_nums.iter().any(|&side| side == 0 || side > last) {
            let reason = format!("{:?} is no list of growing scales", self.v_patch_nums);
            return bad("v_patch_nums", reason, "the last is the largest, at most 1024");
        }
        if !(self.beta.is_finite() && self.beta >= 0.0) {
            return bad(
                "beta",
                format!("{} is not a weight", self.beta),
                "the usual value is 0.25",
            );
        }
        if !(self.quant_resi.is_finite() && self.quant_resi.abs() <= 16.0) {
            return bad("quant_resi", format!("{} is no share", self.quant_resi), "usual: 0.5");
        }
        if !(self.restart.is_finite() && self.restart >= 0.0) {
            return bad("restart", format!("{} is not a count", self.restart), "0 switches it off");
        }
        if !(0.0..1.0).contains(&self.decay) {
            return bad("decay", format!("{} is not in [0, 1)", self.decay), "usual: 0.99");
        }
        if matches!(self.start, CodebookStart::Data(steps) if steps > 1000) {
            return bad("start", "more than 1000 steps of k-means".to_owned(), "ten are plenty");
        }
        if self.phis() > 64 {
            return bad("share_quant_resi", format!("{} phis", self.phis()), "at most 64");
        }
        Ok(())
    }

    /// What may be turned while it trains.
    fn knob(&mut self, knob: Knob) -> Option<&mut f64> {
        match knob {
            Knob::Commitment => Some(&mut self.beta),
            Knob::Restart => Some(&mut self.restart),
            _ => None,
        }
    }

    /// Places along a side of the latents.
    pub fn side(&self) -> usize {
        self.v_patch_nums.last().copied().unwrap_or_default()
    }

    /// How many phis there are.
    fn phis(&self) -> usize {
        match (self.share_quant_resi, self.default_qresi_counts) {
            (0, 0) => self.v_patch_nums.len(),
            (0, given) => given,
            (shared, _) => shared,
        }
    }

    /// In words, such as "VQ in 10 scales".
    pub fn words(&self) -> String {
        let unit = if self.using_znorm { ", by direction" } else { "" };
        format!("VQ in {} scales{unit}", self.v_patch_nums.len())
    }
}

/// Where the phis stand between the first scale (0) and the last (1).
///
/// # Panics
/// Never; there are none for `count` 0.
pub fn phi_ticks(count: usize) -> Vec<f64> {
    // Numbers as numpy's `linspace` rounds them: with four phis and ten scales, two scales stand
    // exactly between two phis, and the last bit decides.
    let of_count = count as f64;
    let start = if count == 4 { 1.0 / 3.0 / of_count } else { 1.0 / 2.0 / of_count };
    let stop = 1.0 - start;
    let step = (stop - start) / (count.max(2) - 1) as f64;
    let tick = |at: usize| {
        if at > 0 && at + 1 == count { stop } else { at as f64 * step + start }
    };
    (0..count).map(tick).collect()
}

/// Which of `count` phis each of `scales` scales uses: the one that stands nearest, the first of equals.
pub fn phi_choice(count: usize, scales: usize) -> Vec<usize> {
    let ticks = phi_ticks(count);
    let nearest = |scale: usize| {
        let at = scale as f64 / (scales.max(2) - 1) as f64;
        let far = |tick: usize| (ticks[tick] - at).abs();
        (0..count).fold(0, |best, tick| if far(tick) < far(best) { tick } else { best })
    };
    (0..scales).map(nearest).collect()
}

/// What a list of scales gives, from the coarsest.
#[derive(Debug, Clone)]
pub struct Scale {
    /// What the scale adds, (B, D, H, W).
    pub added: Tensor,
    /// The sum up to it, (B, D, H, W).
    pub sum: Tensor,
}

/// Multi-scale residual vector quantization.
#[derive(Debug)]
pub struct MultiScale {
    config: MultiScaleConfig,
    books: [Book; 1],
    /// (K, D)
    embedding: Tensor,
    phis: Vec<Conv2d>,
    /// Which phi each scale uses.
    choice: Vec<usize>,
    /// How often each code is chosen a step over all scales, (K,); only where codes are restarted.
    sizes: Option<Var>,
    name: String,
}

impl MultiScale {
    /// For latents of `dim` channels. Tensors: `embedding.weight` (K, D), and the phis' `weight`
    /// (D, D, 3, 3) and `bias` (D,) below `quant_resi.qresi_ls.N` (shared by several scales),
    /// `quant_resi.qresi` (one for all) or `quant_resi.N` (not shared).
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    pub fn new(config: &MultiScaleConfig, dim: usize, weights: &Weights) -> Result<Self> {
        config.validate(dim)?;
        let k = config.vocab_size as usize;
        let init = Init::Uniform(1.0 / k as f32);
        let table = weights.pp("embedding");
        let embedding = table.get(&[k, dim], "weight", init)?;
        let sizes = if config.restart > 0.0 {
            Some(table.optional_buffer(&[k], "cluster_size", Init::Constant(1.0))?)
        } else {
            None
        };
        let below = weights.pp("quant_resi");
        let phi = |at: usize| {
            let weights = match config.share_quant_resi {
                0 => below.pp(at),
                1 => below.pp("qresi"),
                _ => below.pp("qresi_ls").pp(at),
            };
            Conv2d::three(&weights, (dim, dim))
        };
        // How often each code was used at each scale, while it was trained.
        weights.skip("ema_vocab_hit_SV");
        // The publisher has no convolution where it would count for nothing.
        let count = if config.quant_resi.abs() > 1e-6 { config.phis() } else { 0 };
        Ok(Self {
            config: config.clone(),
            books: [Book::of_vectors(config.vocab_size, dim)],
            embedding,
            phis: (0..count).map(phi).collect::<Result<_>>()?,
            choice: phi_choice(config.phis(), config.v_patch_nums.len()),
            sizes,
            name: table.name(""),
        })
    }

    /// The settings.
    pub fn config(&self) -> &MultiScaleConfig {
        &self.config
    }

    /// (K, D)
    pub(super) fn embedding(&self) -> &Tensor {
        &self.embedding
    }

    pub(super) fn sizes(&self) -> Option<&Var> {
        self.sizes.as_ref()
    }

    /// The quantizer as this rule, if it is: what a generator of scales needs.
    pub fn of(quantizer: &dyn Quantizer) -> Option<&Self> {
        quantizer.as_any()?.downcast_ref()
    }

    /// Where its codes are.
    pub fn device(&self) -> &Device {
        self.embedding.device()
    }

    /// Channels of a code, D.
    pub fn code_dim(&self) -> usize {
        self.embedding.dims()[1]
    }

    /// What each of the first few scales adds, and the sum up to it.
    ///
    /// # Errors
    /// [`EngineError`] if there are none, too many, or some of another size or codebook.
    pub fn scales(&self, codes: &[Tensor]) -> Result<Vec<Scale>> {
        let layout = &self.config.v_patch_nums;
        if codes.is_empty() || codes.len() > layout.len() {
            let reason = format!("{} scales, but this tokenizer has {}", codes.len(), layout.len());
            let hint = "use tokens that were made with this tokenizer";
            return Err(EngineError::bad_input("codes", reason, hint));
        }
        let mut scales: Vec<Scale> = Vec::with_capacity(codes.len());
        for (scale, (codes, &side)) in codes.iter().zip(layout).enumerate() {
            let batch = codes.dims().first().copied().unwrap_or_default();
            let first = scales.first().map_or(Ok(batch), |first| first.sum.dim(0))?;
            if codes.dims() != [first, side, side] || first == 0 {
                return Err(EngineError::Shape {
                    what: format!("codes of scale {scale}"),
                    expected: format!("({}, {side}, {side}) u32", first.max(1)),
                    found: codes.dims().to_vec(),
                });
            }
            let list = codes_from_tensor(codes, self.config.vocab_size)?;
            let list = Tensor::from_vec(list, first * side * side, self.embedding.device())?;
            let added = self.added(scale, &list, first)?.detach();
            let sum = match scales.last() {
                Some(before) => (&before.sum + &added)?,
                None => added.clone(),
            };
            scales.push(Scale { added, sum });
        }
        Ok(scales)
    }

    /// What a generator sees before it predicts the scale behind `scale`: the sum up to that scale at
    /// the size of the next, (B, D, side, side). Behind the last scale it is the sum itself.
    pub fn next_input(&self, sum: &Tensor, scale: usize) -> Result<Tensor> {
        match self.config.v_patch_nums.get(scale + 1) {
            Some(&side) => Resize::Area.forward(sum, (side, side)),
            None => Ok(sum.clone()),
        }
    }

    /// What a generator sees of known codes while it is trained (teacher forcing): for each scale but
    /// the first the sum of those before it, place after place: (B, L, D).
    ///
    /// # Errors
    /// As for [`MultiScale::scales`].
    pub fn inputs(&self, codes: &[Tensor]) -> Result<Tensor> {
        let known = codes.len().min(self.config.v_patch_nums.len() - 1);
        let parts = self.scales(&codes[..known])?.into_iter().enumerate().map(|(at, scale)| {
            Ok(self.next_input(&scale.sum, at)?.flatten_from(2)?.transpose(1, 2)?)
        });
        Ok(Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 1)?)
    }

    /// What a scale adds to the latents, (B, D, H, W), by the list of its codes; with gradient.
    pub(super) fn added(&self, scale: usize, list: &Tensor, batch: usize) -> Result<Tensor> {
        let (place, side) = (self.config.v_patch_nums[scale], self.config.side());
        let rows = self.embedding.index_select(list, 0)?;
        let map = latents_from_rows(&rows, (batch, self.code_dim(), place, place))?;
        let map = Resize::Bicubic.forward(&map, (side, side))?;
        let Some(phi) = self.phis.get(self.choice[scale]) else { return Ok(map) };
        let share = self.config.quant_resi.abs();
        Ok(((&map * (1.0 - share))? + (phi.forward(&map)? * share)?)?)
    }

    /// The codes (N,) of vectors (N, D).
    fn nearest(&self, rows: &Tensor) -> Result<Tensor> {
        let table = self.embedding.detach();
        if !self.config.using_znorm {
            return kernels::nearest(rows, &table);
        }
        let (rows, table) = (directions(rows)?, directions(&table)?.t()?);
        let count = rows.dim(0)?;
        let at_once = (SCORES / self.config.vocab_size as usize).max(1);
        let parts = (0..count).step_by(at_once).map(|first| {
            let scores = rows.narrow(0, first, at_once.min(count - first))?.matmul(&table)?;
            // A card's argmax gives any of several equals.
            Ok(scores.to_device(&Device::Cpu)?.argmax(D::Minus1)?)
        });
        let list = Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?;
        Ok(list.to_dtype(DType::U32)?.to_device(rows.device())?)
    }
}

impl Quantizer for MultiScale {
    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }

    fn books(&self) -> &[Book] {
        &self.books
    }

    /// The scales, which have one size whatever that of the latents.
    fn layout(&self, _: usize, _: usize) -> Vec<PartShape> {
        self.config.v_patch_nums.iter().map(|&side| PartShape::grid(side, side)).collect()
    }

    fn entries(&self, _: u16) -> Result<Option<Tensor>> {
        Ok(Some(self.embedding.detach()))
    }

    fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<Quantized> {
        check_latents(latents, self.code_dim())?;
        let (b, _, h, w) = latents.dims4()?;
        let (side, training) = (self.config.side(), pass.is_training());
        if (h, w) != (side, side) {
            return Err(EngineError::Shape {
                what: "latents".to_owned(),
                expected: format!("(B, {}, {side}, {side}), the last scale", self.code_dim()),
                found: latents.dims().to_vec(),
            });
        }
        let layout = &self.config.v_patch_nums;
        let fixed = latents.detach();
        let (mut rest, mut sum) = (fixed.clone(), None::<Tensor>);
        let mut codes = Vec::with_capacity(layout.len());
        let (mut on_codebook, mut on_commitment) = (Vec::new(), Vec::new());
        for (scale, &places) in layout.iter().enumerate() {
            let last = scale + 1 == layout.len();
            let seen =
                if last { rest.clone() } else { Resize::Area.forward(&rest, (places, places))? };
            let list = self.nearest(&rows_from_latents(&seen, self.code_dim())?)?;
            let added = self.added(scale, &list, b)?;
            let added = if training { added } else { added.detach() };
            rest = (rest - added.detach())?;
            let now = sum.map_or_else(|| Ok(added.clone()), |sum| sum + &added)?;
            if training {
                on_codebook.push((&now - &fixed)?.sqr()?.mean_all()?);
                on_commitment.push((latents - now.detach())?.sqr()?.mean_all()?);
            }
            sum = Some(now);
            codes.push(list.reshape((b, places, places))?);
        }
        let sum = sum.ok_or_else(|| EngineError::bad_input("v_patch_nums", "no scales", ""))?;
        if !training {
            return Ok(Quantized { latents: sum, codes, losses: Vec::new() });
        }
        let mean = |losses: &[Tensor]| Tensor::stack(losses, 0)?.mean_all();
        let losses = vec![
            ("codebook", mean(&on_codebook)?),
            ("commitment", (mean(&on_commitment)? * self.config.beta)?),
        ];
        let through = (latents + (sum.detach() - &fixed)?)?;
        Ok(Quantized { latents: through, codes, losses })
    }

    fn observe(&mut self, latents: &Tensor, codes: &[Tensor], place: Place) -> Result<Observed> {
        match &self.sizes {
            Some(sizes) => self.learn(sizes, latents, codes, place),
            None => Ok(Observed::default()),
        }
    }

    fn start_from(&mut self, latents: &Tensor, seed: u64) -> Result<()> {
        match self.config.start {
            CodebookStart::Uniform => Ok(()),
            CodebookStart::Data(steps) => self.start_codebook(latents, steps, seed),
        }
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let sizes = self.sizes.iter();
        sizes.map(|var| (format!("{}cluster_size", self.name), var.as_tensor().detach())).collect()
    }

    /// Without restart no counts are kept.
    fn knobs(&self) -> Vec<(Knob, f64)> {
        let mut knobs = listed(&self.config, MultiScaleConfig::knob);
        knobs.retain(|(knob, _)| *knob != Knob::Restart || self.sizes.is_some());
        knobs
    }

    fn turn(&mut self, knob: Knob, value: f64) -> Result<()> {
        if knob == Knob::Restart && self.sizes.is_none() {
            return Err(knob.missing());
        }
        let config = turned(&self.config, MultiScaleConfig::knob, knob, value)?;
        config.validate(self.code_dim())?;
        self.config = config;
        Ok(())
    }

    /// The first few scales alone give the picture so far.
    fn decode(&self, codes: &[Tensor]) -> Result<Tensor> {
        let mut scales = self.scales(codes)?;
        let last = scales.pop().ok_or_else(|| EngineError::bad_input("codes", "no scale", ""))?;
        Ok(last.sum)
    }
}

/// Each row divided by its length; nothing stays nothing.
pub(super) fn directions(rows: &Tensor) -> Result<Tensor> {
    let length = rows.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?.maximum(1e-12)?;
    Ok(rows.broadcast_div(&length)?)
}
