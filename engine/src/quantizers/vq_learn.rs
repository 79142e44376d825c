//! What a VQ codebook learns outside of the gradient: moving averages, restarts, its first codes.

use candle_core::{Tensor, Var};

use super::kmeans::{Clusters, lloyd};
use super::rows::codes_from_tensor;
use super::vq::{Vq, VqConfig};
use super::{Observed, Place};
use crate::kernels::{Averaging, Members, average_codes, replace_rows};
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
        let vectors = self.vectors(&latents.detach())?;
        let list = codes_from_tensor(codes, self.config.codes)?;
        if list.len() != vectors.dim(0)? {
            return Err(EngineError::Shape {
                what: "codes".to_owned(),
                expected: format!("{} codes, one for each latent", vectors.dim(0)?),
                found: codes.dims().to_vec(),
            });
        }
        let VqConfig { decay, restart, normalize: unit, .. } = self.config;
        let mut sizes = wide(&averages.cluster_size)?;
        let members = Members::new(list, sizes.len())?;
        for (size, count) in sizes.iter_mut().zip(members.counts()) {
            *size = decay * *size + (1.0 - decay) * f64::from(count);
        }
        if let Some(sums) = &averages.embed_avg {
            let (codebook, rule) = (variable(&self.embedding)?, Averaging { decay, unit });
            let smoothed = smoothed(&sizes, self.config.eps);
            average_codes((&codebook, sums), (&vectors, &members), &smoothed, rule)?;
        }
        let dead = restarted(&mut sizes, restart);
        if !dead.is_empty() {
            let picks = picks(place, vectors.dim(0)?, dead.len());
            let rows = vectors.index_select(&Tensor::new(picks, vectors.device())?, 0)?;
            replace_rows(&variable(&self.embedding)?, &dead, &rows)?;
            if let Some(sums) = &averages.embed_avg {
                replace_rows(sums, &dead, &(rows * restart)?)?;
            }
        }
        averages.cluster_size.set(&narrow(&sizes, sizes.len(), &self.embedding)?)?;
        Ok(Observed::replacing(&self.embedding, dead))
    }

    /// First codes: different latents, then `steps` of Lloyd's algorithm. A cluster that nobody
    /// chose keeps its code. With fewer latents than codes they are repeated, a little apart.
    pub(super) fn start_codebook(&mut self, latents: &Tensor, steps: u32, seed: u64) -> Result<()> {
        let dim = self.code_dim();
        let vectors = self.vectors(&latents.detach())?;
        let (k, sphere) = (self.config.codes as usize, self.config.normalize);
        let Clusters { means, counts } = first_codes(&vectors, k, (steps, sphere), seed)?;
        set_codebook(&self.embedding, &means)?;
        let table = wide(&means)?;
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

/// Counts with Laplace smoothing, as many together: what sums are divided by.
fn smoothed(sizes: &[f64], eps: f64) -> Vec<f64> {
    let total: f64 = sizes.iter().sum();
    let whole = total + sizes.len() as f64 * eps;
    sizes.iter().map(|size| (size + eps) / whole * total).collect()
}

/// The codes that are chosen fewer than `least` times a step; they count as chosen so often from now on.
pub(super) fn restarted(sizes: &mut [f64], least: f64) -> Vec<usize> {
    let dead: Vec<usize> = (0..sizes.len()).filter(|&code| sizes[code] < least).collect();
    for &code in &dead {
        sizes[code] = least;
    }
    dead
}

/// Which of `n` vectors take the place of so many dead codes.
pub(super) fn picks(place: Place, n: usize, dead: usize) -> Vec<u32> {
    let picks = distinct(place.seed, Purpose::Restart, place.step, n, dead);
    picks.into_iter().map(|pick| pick as u32).collect()
}

/// The codebook (K, D) as what can be changed.
pub(super) fn variable(embedding: &Tensor) -> Result<Var> {
    // A frozen codebook (not trainable weights) would be copied here and stay as it is.
    if !embedding.is_variable() {
        return Err(EngineError::bad_input(
            "codebook",
            "these weights were loaded to be used, not trained",
            "load them as trainable",
        ));
    }
    Ok(Var::from_tensor(embedding)?)
}

/// Another codebook (K, D) in place of the one that is trained.
pub(super) fn set_codebook(embedding: &Tensor, table: &Tensor) -> Result<()> {
    Ok(variable(embedding)?.set(table)?)
}

/// `count` different numbers below `n` in random order; the same ones again where `n` is too small.
fn distinct(seed: u64, purpose: Purpose, step: u32, n: usize, count: usize) -> Vec<usize> {
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
