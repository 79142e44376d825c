//! What a multi-scale codebook learns outside of the gradient: its first codes, and restarts.
//!
//! All scales share one codebook, so its first codes come from what all of them look for. The publisher
//! starts from small random codes and restarts none, which with few images lets most codes die.

use candle_core::{Tensor, Var};

use super::kmeans::Clusters;
use super::multiscale::MultiScale;
use super::rows::{codes_from_tensor, latents_from_rows, rows_from_latents};
use super::vq_learn::{distinct, first_codes, narrow, set_codebook, wide};
use super::{Observed, Place};
use crate::Result;
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
        let Clusters { means, counts } = first_codes(&vectors, k, (steps, false), seed)?;
        set_codebook(self.embedding(), &wide(&means)?)?;
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
        let (k, dim, decay) = (self.config().vocab_size, self.code_dim(), self.config().decay);
        let mut counts: Vec<f64> = wide(sizes)?.into_iter().map(|count| count * decay).collect();
        for part in codes {
            for code in codes_from_tensor(part, k)? {
                counts[code as usize] += 1.0 - decay;
            }
        }
        let restart = self.config().restart;
        let dead: Vec<usize> = (0..counts.len()).filter(|&code| counts[code] < restart).collect();
        if !dead.is_empty() {
            let vectors = self.wanted(latents, Some(codes))?.to_vec2::<f32>()?;
            let mut table = wide(self.embedding())?;
            let (purpose, step) = (Purpose::Restart, place.step);
            let picks = distinct(place.seed, purpose, step, vectors.len(), dead.len());
            for (number, (&code, pick)) in dead.iter().zip(picks).enumerate() {
                counts[code] = restart;
                // With fewer vectors than dead codes they are repeated, a little apart.
                let apart = if number < vectors.len() { 0.0 } else { 0.01 };
                let noise = Noise::new(place.seed, purpose, step, 1 + code as u64);
                for (channel, &x) in vectors[pick].iter().enumerate() {
                    let noise = 1.0 + apart * f64::from(noise.normal(channel as u32));
                    table[code * dim + channel] = f64::from(x) * noise;
                }
            }
            set_codebook(self.embedding(), &table)?;
        }
        sizes.set(&narrow(&counts, counts.len(), self.embedding())?)?;
        Ok(Observed { restarted: dead.len() })
    }
}
