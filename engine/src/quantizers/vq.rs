//! Vector quantization (VQ): each latent vector becomes the nearest row of a learned codebook.
//!
//! The gradient goes straight through. The codebook learns by gradient (codebook loss) or as a
//! moving average of the latents it was chosen for; `vq_learn` has what happens outside of the
//! gradient.
//!
//! Sources: van den Oord et al., "Neural Discrete Representation Learning", arXiv 1711.00937, eq. 3
//! and appendix A.1; Esser et al. (VQGAN), arXiv 2012.09841, whose code puts beta on the other term;
//! Yu et al., arXiv 2110.04627, for unit vectors of few dimensions.

use candle_core::{D, Tensor, Var};

use super::knobs::{listed, turned};
use super::rotation::Through;
use super::rows::{codes_from_tensor, latents_from_rows, rows_from_latents};
use super::{Book, Observed, Pass, Place, Quantized, Quantizer, only};
use crate::layers::{Init, Weights};
use crate::{EngineError, Knob, Result, kernels};

/// Which of the two losses carries beta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum BetaPlacement {
    /// The commitment loss, as in the paper.
    #[default]
    Commitment,
    /// The codebook loss, as in the published VQGAN code ("legacy").
    Codebook,
}

/// How the codebook learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum CodebookUpdate {
    /// By the gradient of the codebook loss.
    Gradient,
    /// As a moving average of the latents that chose each code.
    #[default]
    Ema,
}

/// Where the first codes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum CodebookStart {
    /// Uniform in ±1/K.
    #[default]
    Uniform,
    /// Different latents of the first batch, then this many steps of Lloyd's algorithm (k-means).
    Data(u32),
}

/// Settings of [`Vq`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VqConfig {
    /// Number of codes, K.
    pub codes: u32,
    /// Weight of one of the losses.
    pub beta: f64,
    /// Of which one; without meaning for [`CodebookUpdate::Ema`], where only commitment is left.
    pub placement: BetaPlacement,
    /// Latents and codes are brought to length one.
    pub normalize: bool,
    /// How the codebook learns.
    pub update: CodebookUpdate,
    /// Decay of the moving averages (codebook and counts) per step.
    pub decay: f64,
    /// Laplace smoothing of the counts.
    pub eps: f64,
    /// Codes chosen fewer than this many times a step, on average, are replaced by latents of the
    /// batch; 0 leaves dead codes dead.
    pub restart: f64,
    /// Where the first codes come from.
    pub start: CodebookStart,
    /// How the gradient of codes reaches the latents.
    pub through: Through,
    /// Weight of the entropy loss: each latent should choose clearly, and all codes be used alike.
    pub entropy_weight: f64,
    /// Temperature of the soft choices whose entropies are asked for.
    pub entropy_temperature: f64,
}

impl Default for VqConfig {
    fn default() -> Self {
        Self {
            codes: 512,
            beta: 0.25,
            placement: BetaPlacement::default(),
            normalize: false,
            update: CodebookUpdate::default(),
            decay: 0.99,
            eps: 1e-5,
            restart: 0.0,
            start: CodebookStart::default(),
            through: Through::default(),
            entropy_weight: 0.0,
            entropy_temperature: 0.01,
        }
    }
}

impl VqConfig {
    pub(super) fn validate(&self, dim: usize) -> Result<()> {
        let bad = |field: &str, reason: String, hint: &str| {
            Err(EngineError::bad_input(field, reason, hint))
        };
        if self.codes == 0 {
            return bad("codes", "a codebook needs at least one code".to_owned(), "");
        }
        if dim == 0 {
            return bad("embed_dim", "codes need at least one channel".to_owned(), "");
        }
        if (self.codes as usize).saturating_mul(dim) > 1 << 28 {
            let reason = format!("{} codes of {dim} channels are too many", self.codes);
            return bad("codes", reason, "at most 2^28 numbers in all");
        }
        if !(self.beta.is_finite() && self.beta >= 0.0) {
            return bad(
                "beta",
                format!("{} is not a weight", self.beta),
                "the usual value is 0.25",
            );
        }
        if !(0.0..1.0).contains(&self.decay) {
            return bad("decay", format!("{} is not in [0, 1)", self.decay), "usual: 0.99");
        }
        if !(self.eps > 0.0 && self.eps < 1.0) {
            return bad("eps", format!("{} is not in (0, 1)", self.eps), "usual: 1e-5");
        }
        if !(self.restart.is_finite() && self.restart >= 0.0) {
            return bad("restart", format!("{} is not a count", self.restart), "0 switches it off");
        }
        if !(self.entropy_weight.is_finite() && self.entropy_weight >= 0.0) {
            let reason = format!("{} is not a weight", self.entropy_weight);
            return bad("entropy_weight", reason, "0 switches it off");
        }
        if !(self.entropy_temperature.is_finite() && self.entropy_temperature > 0.0) {
            let reason = format!("{} is not above 0", self.entropy_temperature);
            return bad("entropy_temperature", reason, "usual: 0.01");
        }
        if matches!(self.start, CodebookStart::Data(steps) if steps > 1000) {
            return bad("start", "more than 1000 steps of k-means".to_owned(), "ten are plenty");
        }
        Ok(())
    }

    pub(super) fn words(&self) -> String {
        let update = match self.update {
            CodebookUpdate::Gradient => "gradient",
            CodebookUpdate::Ema => "EMA",
        };
        let unit = if self.normalize { ", unit length" } else { "" };
        format!("VQ, {update}{unit}")
    }

    /// What may be turned while it trains. In the published VQGAN's placement beta weighs another loss.
    fn knob(&mut self, knob: Knob) -> Option<&mut f64> {
        let ema = self.update == CodebookUpdate::Ema;
        let on_commitment = ema || self.placement == BetaPlacement::Commitment;
        match knob {
            Knob::Commitment => on_commitment.then_some(&mut self.beta),
            Knob::Decay => ema.then_some(&mut self.decay),
            Knob::Restart => Some(&mut self.restart),
            Knob::EntropyWeight => Some(&mut self.entropy_weight),
            Knob::Temperature => {
                (self.entropy_weight > 0.0).then_some(&mut self.entropy_temperature)
            }
            _ => None,
        }
    }

    /// Whether counts of the codes are kept.
    pub(super) fn counts(&self) -> bool {
        self.update == CodebookUpdate::Ema || self.restart > 0.0
    }
}

/// What is known of the codes beside the codebook.
#[derive(Debug)]
pub(super) struct Averages {
    /// How often each code is chosen a step, (K,).
    pub(super) cluster_size: Var,
    /// The sum of the latents that chose each code a step, (K, D); only for EMA.
    pub(super) embed_avg: Option<Var>,
}

/// Vector quantization with straight-through gradient.
#[derive(Debug)]
pub struct Vq {
    pub(super) config: VqConfig,
    /// (K, D): a parameter, or state for EMA.
    pub(super) embedding: Tensor,
    pub(super) averages: Option<Averages>,
    books: [Book; 1],
    name: String,
}

impl Vq {
    /// For latents of `dim` channels. Tensors: `embedding.weight` (K, D), and where they are needed
    /// `embedding.cluster_size` (K,) and `embedding.embed_avg` (K, D), which may be missing from a
    /// checkpoint: averages then start from the codebook with counts of one.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    pub fn new(config: &VqConfig, dim: usize, weights: &Weights) -> Result<Self> {
        config.validate(dim)?;
        let weights = weights.pp("embedding");
        let (k, ema) = (config.codes as usize, config.update == CodebookUpdate::Ema);
        let init = Init::Uniform(1.0 / k as f32);
        let embedding = if ema {
            weights.buffer(&[k, dim], "weight", init)?.as_tensor().clone()
        } else {
            weights.get(&[k, dim], "weight", init)?
        };
        let averages = if config.counts() {
            let cluster_size =
                weights.optional_buffer(&[k], "cluster_size", Init::Constant(1.0))?;
            let embed_avg = match (ema, weights.contains("embed_avg")) {
                (false, _) => None,
                (true, true) => {
                    Some(weights.buffer(&[k, dim], "embed_avg", Init::Constant(0.0))?)
                }
                // Where only shapes are known, the codebook is a single number.
                (true, false) => Some(Var::from_tensor(&embedding.detach().copy()?)?),
            };
            Some(Averages { cluster_size, embed_avg })
        } else {
            None
        };
        let books = [Book::of_vectors(config.codes, dim)];
        Ok(Self { config: config.clone(), embedding, averages, books, name: weights.name("") })
    }

    /// Channels of a code, D.
    pub(super) fn code_dim(&self) -> usize {
        self.books[0].dim
    }

    /// The codebook as it is compared with latents, (K, D), without gradient.
    pub(super) fn table(&self) -> Result<Tensor> {
        let table = self.embedding.detach();
        if self.config.normalize { unit(&table) } else { Ok(table) }
    }

    /// The latents as they are compared with codes, (B·H·W, D).
    pub fn vectors(&self, latents: &Tensor) -> Result<Tensor> {
        let rows = rows_from_latents(latents, self.code_dim())?;
        if self.config.normalize { unit(&rows) } else { Ok(rows) }
    }

    /// Squared distance of each latent (B, D, H, W) to each code: (B·H·W, K). For looking at;
    /// quantizing never makes this table.
    pub fn distances(&self, latents: &Tensor) -> Result<Tensor> {
        let (vectors, table) = (self.vectors(&latents.detach())?, self.table()?);
        let cross = (vectors.matmul(&table.t()?)? * -2.0)?;
        Ok(cross
            .broadcast_add(&vectors.sqr()?.sum_keepdim(1)?)?
            .broadcast_add(&table.sqr()?.sum(1)?)?)
    }

    /// The losses, to which pictures that are not `kept` add nothing.
    fn losses(
        &self,
        vectors: &Tensor,
        chosen: &Tensor,
        kept: Option<&[bool]>,
    ) -> Result<Vec<(&'static str, Tensor)>> {
        let (on_codebook, on_commitment) = match self.config.placement {
            _ if self.config.update == CodebookUpdate::Ema => (0.0, self.config.beta),
            BetaPlacement::Commitment => (1.0, self.config.beta),
            BetaPlacement::Codebook => (self.config.beta, 1.0),
        };
        let rows = kept.map(|kept| Rows::of(kept, vectors)).transpose()?;
        let mean_square = |difference: Tensor| -> Result<Tensor> {
            let squares = difference.sqr()?;
            Ok(match &rows {
                Some(rows) => squares.broadcast_mul(&rows.mask)?.mean_all()?,
                None => squares.mean_all()?,
            })
        };
        let mut losses = Vec::with_capacity(3);
        if self.config.update == CodebookUpdate::Gradient {
            let codebook = mean_square((chosen - vectors.detach())?)?;
            losses.push(("codebook", (codebook * on_codebook)?));
        }
        let commitment = mean_square((vectors - chosen.detach())?)?;
        losses.push(("commitment", (commitment * on_commitment)?));
        let weight = self.config.entropy_weight;
        if weight > 0.0 {
            let entropies = match &rows {
                Some(Rows { list: None, .. }) => None,
                Some(Rows { list: Some(list), share, .. }) => {
                    Some((self.entropies(&vectors.index_select(list, 0)?)?, weight * share))
                }
                None => Some((self.entropies(vectors)?, weight)),
            };
            if let Some(([own, all], weight)) = entropies {
                losses.push(("entropy", ((own - all)? * weight)?));
            }
        }
        Ok(losses)
    }

    /// As [`Quantizer::quantize`], where the losses are those of the pictures that are `kept`: means over
    /// all, to which the others add nothing.
    pub(super) fn quantize_kept(
        &self,
        latents: &Tensor,
        pass: Pass,
        kept: Option<&[bool]>,
    ) -> Result<Quantized> {
        let vectors = self.vectors(latents)?;
        let shape = latents.dims4()?;
        let list = kernels::nearest(&vectors.detach(), &self.table()?)?;
        let codes = vec![list.reshape((shape.0, shape.2, shape.3))?];
        let chosen = self.chosen(&list)?;
        let rows = chosen.detach();
        if !pass.is_training() {
            let latents = latents_from_rows(&rows, shape)?;
            return Ok(Quantized { latents, codes, losses: Vec::new() });
        }
        let losses = self.losses(&vectors, &chosen, kept)?;
        let through = self.config.through.pass(&vectors, &rows)?;
        Ok(Quantized { latents: latents_from_rows(&through, shape)?, codes, losses })
    }

    /// The codebook's rows of a list of codes (N,): (N, D), with gradient.
    fn chosen(&self, list: &Tensor) -> Result<Tensor> {
        let rows = self.embedding.index_select(list, 0)?;
        if self.config.normalize { unit(&rows) } else { Ok(rows) }
    }
}

/// Each row divided by its length.
pub(super) fn unit(rows: &Tensor) -> Result<Tensor> {
    // The tiny term keeps the gradient of the root finite at zero, as max(length, 1e-12) would.
    let length = (rows.sqr()?.sum_keepdim(D::Minus1)? + 1e-24)?.sqrt()?;
    Ok(rows.broadcast_div(&length)?)
}

/// The rows (N, D) of the pictures that are kept.
struct Rows {
    /// (N, 1) of ones and zeros.
    mask: Tensor,
    /// Their numbers, where there are any.
    list: Option<Tensor>,
    /// How many of all they are.
    share: f64,
}

impl Rows {
    /// Of as many rows of each picture, one picture after the other.
    fn of(kept: &[bool], rows: &Tensor) -> Result<Self> {
        let n = rows.dim(0)?;
        let each = n / kept.len().max(1);
        let is_kept = |row: &usize| kept.get(row / each.max(1)).copied().unwrap_or(false);
        let mask: Vec<f32> = (0..n).map(|row| f32::from(u8::from(is_kept(&row)))).collect();
        let list: Vec<u32> = (0..n).filter(is_kept).map(|row| row as u32).collect();
        let share = list.len() as f64 / n.max(1) as f64;
        let mask = Tensor::from_vec(mask, (n, 1), rows.device())?;
        let list = if list.is_empty() { None } else { Some(Tensor::new(list, rows.device())?) };
        Ok(Self { mask, list, share })
    }
}

impl Quantizer for Vq {
    fn books(&self) -> &[Book] {
        &self.books
    }

    fn entries(&self, _book: u16) -> Result<Option<Tensor>> {
        Ok(Some(self.table()?))
    }

    fn quantize(&self, latents: &Tensor, pass: Pass) -> Result<Quantized> {
        self.quantize_kept(latents, pass, None)
    }

    fn decode(&self, codes: &[Tensor]) -> Result<Tensor> {
        let codes = only(codes)?;
        let list = codes_from_tensor(codes, self.config.codes)?;
        let (b, h, w) = codes.dims3()?;
        let list = Tensor::from_vec(list, b * h * w, self.embedding.device())?;
        latents_from_rows(&self.chosen(&list)?.detach(), (b, self.code_dim(), h, w))
    }

    fn observe(&mut self, latents: &Tensor, codes: &[Tensor], place: Place) -> Result<Observed> {
        self.learn(latents, only(codes)?, place)
    }

    fn start_from(&mut self, latents: &Tensor, seed: u64) -> Result<()> {
        match self.config.start {
            CodebookStart::Uniform => Ok(()),
            CodebookStart::Data(steps) => self.start_codebook(latents, steps, seed),
        }
    }

    fn knobs(&self) -> Vec<(Knob, f64)> {
        let mut knobs = listed(&self.config, VqConfig::knob);
        knobs.retain(|(knob, _)| *knob != Knob::Restart || self.averages.is_some());
        knobs
    }

    fn turn(&mut self, knob: Knob, value: f64) -> Result<()> {
        if knob == Knob::Restart && self.averages.is_none() {
            return Err(knob.missing());
        }
        let config = turned(&self.config, VqConfig::knob, knob, value)?;
        config.validate(self.code_dim())?;
        self.config = config;
        Ok(())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = Vec::new();
        if self.config.update == CodebookUpdate::Ema {
            state.push((format!("{}weight", self.name), self.embedding.detach()));
        }
        if let Some(averages) = &self.averages {
            let size = averages.cluster_size.as_tensor().detach();
            state.push((format!("{}cluster_size", self.name), size));
            if let Some(sums) = &averages.embed_avg {
                state.push((format!("{}embed_avg", self.name), sums.as_tensor().detach()));
            }
        }
        state
    }
}
