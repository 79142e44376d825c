//! What a multi-scale codebook learns outside of the gradient: its first codes, and restarts.
//!
//! All scales share one codebook, so its first codes come from what all of them look for. The publisher
//! starts from small random codes and restarts none, which with few images lets most codes die.

use candle_core::{Tensor, Var};

use super::kmeans::Clusters;
use super::multiscale::{MultiScale, directions};
use super::rows::{codes_from_tensor, latents_from_rows, rows_from_latents};
use super::vq_learn::{first_codes, narrow, picks, restarted, set_codebook, variable, wide};
use super::{Observed, Place};
use crate::Result;
use crate::kernels::{self, replace_rows};
use crate::layers::Resize;
use crate::random::{Noise, Purpose};

/// Pictures that are looked at together: a recipe's micro-batches are there as the whole would not fit.
const AT_ONCE: usize = 8;

impl MultiScale {
    /// What each scale looks for codes for, (N, D) together, in the order of scales: with `codes` of each
    /// scale (B, side, side) the rest that these leave, without what is left if every place is met.
    fn wanted(&self, latents: &Tensor, codes: Option<&[Tensor]>) -> Result<Tensor> {
        let pictures = latents.dim(0)?;
        let parts = (0..pictures).step_by(AT_ONCE).map(|first| {
            let count = AT_ONCE.min(pictures - first);
            let part = |all: &Tensor| all.narrow(0, first, count)?.contiguous();
            let codes =
                codes.map(|all| all.iter().map(part).collect::<candle_core::Result<Vec<_>>>());
            self.wanted_of(&part(latents)?, codes.transpose()?.as_deref())
        });
        Ok(Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 0)?)
    }

    fn wanted_of(&self, latents: &Tensor, codes: Option<&[Tensor]>) -> Result<Tensor> {
        let dim = self.code_dim();
        let mut rest = latents.detach();
        let (batch, side) = (rest.dim(0)?, self.config().side());
        let mut rows = Vec::new();
        for (scale, &places) in self.config().v_patch_nums.iter().enumerate() {
            let seen = Resize::Area.forward(&rest, (places, places))?;
            let list = rows_from_latents(&seen, dim)?;
            let added = if let Some(codes) = codes {
                let list = codes_from_tensor(&codes[scale], self.config().vocab_size)?;
                let list = Tensor::from_vec(list, batch * places * places, rest.device())?;
                self.added(scale, &list, batch)?.detach()
            } else {
                let met = latents_from_rows(&list, (batch, dim, places, places))?;
                Resize::Bicubic.forward(&met, (side, side))?
            };
            rest = (rest - added)?;
            rows.push(list);
        }
        Ok(Tensor::cat(&rows, 0)?)
    }

    /// First codes: different ones of what the scales look for, then `steps` of Lloyd's algorithm.
    pub(super) fn start_codebook(&self, latents: &Tensor, steps: u32, seed: u64) -> Result<()> {
        let k = self.config().vocab_size as usize;
        let vectors = self.wanted(latents, None)?;
        let sphere = self.config().using_znorm;
        let compared = if sphere { directions(&vectors)? } else { vectors.clone() };
        let Clusters { means, counts } = first_codes(&compared, k, (steps, sphere), seed)?;
        let codes = if sphere { with_lengths(&means, &vectors)? } else { means };
        set_codebook(self.embedding(), &codes)?;
        if let Some(sizes) = self.sizes() {
            let counts: Vec<f64> = counts.iter().map(|count| count.max(1.0)).collect();
            sizes.set(&narrow(&counts, k, &vectors)?)?;
        }
        Ok(())
    }

    /// One step of the counts, then dead codes become something that the batch looked for.
    ///
    /// counts ← d·counts + (1-d)·n, over all scales.
    pub(super) fn learn(
        &self,
        sizes: &Var,
        latents: &Tensor,
        codes: &[Tensor],
        place: Place,
    ) -> Result<Observed> {
        let (k, decay) = (self.config().vocab_size, self.config().decay);
        let mut counts: Vec<f64> = wide(sizes)?.into_iter().map(|count| count * decay).collect();
        for part in codes {
            for code in codes_from_tensor(part, k)? {
                counts[code as usize] += 1.0 - decay;
            }
        }
        let dead = restarted(&mut counts, self.config().restart);
        if !dead.is_empty() {
            let vectors = self.wanted(latents, Some(codes))?;
            let there = vectors.dim(0)?;
            let picks = picks(place, there, dead.len());
            let mut rows = vectors.index_select(&Tensor::new(picks, vectors.device())?, 0)?;
            if dead.len() > there {
                rows = (rows * apart(&dead, there, &vectors, place)?)?;
            }
            replace_rows(&variable(self.embedding())?, &dead, &rows)?;
        }
        sizes.set(&narrow(&counts, counts.len(), self.embedding())?)?;
        Ok(Observed::replacing(self.embedding(), dead))
    }
}

/// What rows for dead codes are multiplied by, (M, D): with fewer vectors than dead codes they are repeated, a
/// little apart.
fn apart(dead: &[usize], there: usize, like: &Tensor, place: Place) -> Result<Tensor> {
    let dim = like.dim(1)?;
    let mut factors = vec![1.0_f32; dead.len() * dim];
    for (&code, factors) in dead.iter().zip(factors.chunks_exact_mut(dim)).skip(there) {
        let noise = Noise::new(place.seed, Purpose::Restart, place.step, 1 + code as u64);
        for (channel, factor) in factors.iter_mut().enumerate() {
            *factor += 0.01 * noise.normal(channel as u32);
        }
    }
    Ok(Tensor::from_vec(factors, (dead.len(), dim), like.device())?)
}

/// Directions (K, D) with lengths, by which the vectors (N, D) that choose them are met best: the mean of what
/// they have along it. A direction that nobody chooses gets the mean of all.
fn with_lengths(directions: &Tensor, vectors: &Tensor) -> Result<Tensor> {
    let list = kernels::highest(vectors, directions, None)?;
    let along = (vectors * directions.index_select(&list, 0)?)?.sum(1)?.to_vec1::<f32>()?;
    let (mut sums, mut counts) =
        (vec![0.0_f64; directions.dim(0)?], vec![0_u32; directions.dim(0)?]);
    for (code, along) in list.to_vec1::<u32>()?.into_iter().zip(&along) {
        sums[code as usize] += f64::from(*along);
        counts[code as usize] += 1;
    }
    let all = sums.iter().sum::<f64>() / along.len().max(1) as f64;
    let length = |(sum, count): (f64, u32)| if count > 0 { sum / f64::from(count) } else { all };
    let lengths: Vec<f64> = sums.into_iter().zip(counts).map(length).collect();
    Ok(directions.broadcast_mul(&narrow(&lengths, (lengths.len(), 1), vectors)?)?)
}
