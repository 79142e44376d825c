//! What a VQ codebook learns outside of the gradient: moving averages, restarts, its first codes.

use candle_core::{Tensor, Var};

use super::kmeans::{Clusters, gather, lloyd};
use super::rows::codes_from_tensor;
use super::vq::{CodebookUpdate, Vq};
use super::{Observed, Place};
use crate::random::{Noise, Purpose};
use crate::{EngineError, Result};

impl Vq {
    /// One step of the averages, then dead codes are replaced.
    ///
    /// counts ← d·counts + (1-d)·n, sums ← d·sums + (1-d)·Σz, code = sum / smoothed count, with
    /// smoothed = (count + eps) / (total + K·eps) · total.
    pub(super) fn learn(
        &mut self,
        latents: &Tensor,
        codes: &Tensor,
        place: Place,
    ) -> Result<Observed> {
        let Some(averages) = &self.averages else {
            return Ok(Observed::default());
        };
        let dim = self.code_dim();
        let vectors = self.vectors(&latents.detach())?.to_vec2::<f32>()?;
        let list = codes_from_tensor(codes, self.config.codes)?;
        if list.len() != vectors.len() {
            return Err(EngineError::Shape {
                what: "codes".to_owned(),
                expected: format!("{} codes, one for each latent", vectors.len()),
                found: codes.dims().to_vec(),
            });
        }
        let decay = self.config.decay;
        let ema = self.config.update == CodebookUpdate::Ema;
        let mut sizes = wide(&averages.cluster_size)?;
        let (counts, sums) = gather(&vectors, &list, sizes.len(), dim);
        for (size, count) in sizes.iter_mut().zip(&counts) {
            *size = decay * *size + (1.0 - decay) * count;
        }
        let mut table = wide(&self.embedding)?;
        let mut averaged = match &averages.embed_avg {
            Some(var) => wide(var)?,
            None => Vec::new(),
        };
        if ema {
            for (average, sum) in averaged.iter_mut().zip(&sums) {
                *average = decay * *average + (1.0 - decay) * sum;
            }
            self.average_codes(&mut table, &averaged, &sizes);
        }
        let dead: Vec<usize> =
            (0..sizes.len()).filter(|&code| sizes[code] < self.config.restart).collect();
        let picks = distinct(place.seed, Purpose::Restart, place.step, vectors.len(), dead.len());
        for (&code, &pick) in dead.iter().zip(&picks) {
            let row = vectors[pick].iter().map(|&x| f64::from(x));
            sizes[code] = self.config.restart;
            for (channel, x) in row.enumerate() {
                table[code * dim + channel] = x;
                if ema {
                    averaged[code * dim + channel] = x * self.config.restart;
                }
            }
        }
        if ema || !dead.is_empty() {
            set_codebook(&self.embedding, &table)?;
        }
        self.set_averages(&sizes, &averaged)?;
        Ok(Observed { restarted: dead.len() })
    }

    /// Each code from its sum and smoothed count.
    fn average_codes(&self, table: &mut [f64], sums: &[f64], sizes: &[f64]) {
        let dim = self.code_dim();
        let total: f64 = sizes.iter().sum();
        if total <= 0.0 {
            return;
        }
        let eps = self.config.eps;
        for (code, size) in sizes.iter().enumerate() {
            let smoothed = (size + eps) / (total + sizes.len() as f64 * eps) * total;
            let row = &mut table[code * dim..(code + 1) * dim];
            for (x, sum) in row.iter_mut().zip(&sums[code * dim..]) {
                *x = sum / smoothed;
            }
            if self.config.normalize {
                let length = row.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
                for x in row {
                    *x /= length;
                }
            }
        }
    }

    /// First codes: different latents, then `steps` of Lloyd's algorithm. A cluster that nobody
    /// chose keeps its code. With fewer latents than codes they are repeated, a little apart.
    pub(super) fn start_codebook(&mut self, latents: &Tensor, steps: u32, seed: u64) -> Result<()> {
        let dim = self.code_dim();
        let vectors = self.vectors(&latents.detach())?;
        let (k, sphere) = (self.config.codes as usize, self.config.normalize);
        let Clusters { means, counts } = first_codes(&vectors, k, (steps, sphere), seed)?;
        let table = wide(&means)?;
        set_codebook(&self.embedding, &table)?;
        // An empty cluster counts as one, or the first average would divide by next to nothing.
        let sizes: Vec<f64> = counts.iter().map(|n| n.max(1.0)).collect();
        let sums: Vec<f64> = table.iter().enumerate().map(|(at, x)| x * sizes[at / dim]).collect();
        self.set_averages(&sizes, &sums)
    }

    fn set_averages(&self, sizes: &[f64], sums: &[f64]) -> Result<()> {
        let Some(averages) = &self.averages else {
            return Ok(());
        };
        averages.cluster_size.set(&narrow(sizes, sizes.len(), &self.embedding)?)?;
        if let Some(var) = &averages.embed_avg {
            var.set(&narrow(sums, (sizes.len(), self.code_dim()), &self.embedding)?)?;
        }
        Ok(())
    }
}

/// K first codes: different ones of vectors (N, D), then `steps` of Lloyd's algorithm, on the sphere or not. A
/// cluster that nobody chose keeps its code. With fewer vectors than codes they are repeated, a little apart.
pub(super) fn first_codes(
    vectors: &Tensor,
    k: usize,
    (steps, sphere): (u32, bool),
    seed: u64,
) -> Result<Clusters> {
    let rows = vectors.to_vec2::<f32>()?;
    let dim = vectors.dim(1)?;
    let spread = rows.iter().flatten().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
        / (vectors.elem_count() as f64).sqrt();
    let mut table = Vec::with_capacity(k * dim);
    let picks = distinct(seed, Purpose::CodebookStart, 0, rows.len(), k);
    for (code, pick) in picks.into_iter().enumerate() {
        let noise = Noise::new(seed, Purpose::CodebookStart, 1, code as u64);
        let apart = if code < rows.len() { 0.0 } else { 0.01 * spread };
        for (channel, &x) in rows[pick].iter().enumerate() {
            table.push(f64::from(x) + apart * f64::from(noise.normal(channel as u32)));
        }
    }
    lloyd(vectors, &narrow(&table, (k, dim), vectors)?, steps, sphere)
}

/// Another codebook (K, D) in place of the one that is trained.
pub(super) fn set_codebook(embedding: &Tensor, table: &[f64]) -> Result<()> {
    // A frozen codebook (not trainable weights) would be copied here and stay as it is.
    if !embedding.is_variable() {
        return Err(EngineError::bad_input(
            "codebook",
            "these weights were loaded to be used, not trained",
            "load them as trainable",
        ));
    }
    let var = Var::from_tensor(embedding)?;
    Ok(var.set(&narrow(table, embedding.dims2()?, embedding)?)?)
}

/// `count` different numbers below `n` in random order; the same ones again where `n` is too small.
pub(super) fn distinct(
    seed: u64,
    purpose: Purpose,
    step: u32,
    n: usize,
    count: usize,
) -> Vec<usize> {
    let noise = Noise::new(seed, purpose, step, 0);
    let mut order: Vec<usize> = (0..n).collect();
    for at in 0..count.min(n) {
        order.swap(at, at + noise.below(at as u32, (n - at) as u32) as usize);
    }
    (0..count).map(|at| order[at % n]).collect()
}

/// f32 of a tensor as a flat list of f64.
pub(super) fn wide(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f64::from).collect())
}

/// The reverse of [`wide`], on the device of `like`.
pub(super) fn narrow(
    values: &[f64],
    shape: impl Into<candle_core::Shape>,
    like: &Tensor,
) -> Result<Tensor> {
    let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
    Ok(Tensor::from_vec(values, shape, like.device())?)
}
