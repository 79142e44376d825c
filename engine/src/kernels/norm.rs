//! Group normalisation with SiLU on the CPU, fused, with its gradient.
//!
//! In (B, C, H, W) the values of a group lie together, so a group is one task: two passes for its
//! mean and variance, one to normalise. The gradient makes one pass for the sums and one for dx.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp3, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::raw::{LANES, sigmoid, sum_of, values, wide, with_values};

const NAME: &str = "group_norm";

/// The operation as candle sees it.
pub(super) struct GroupNorm {
    groups: usize,
    eps: f64,
    silu: bool,
    /// Mean and 1 / standard deviation of each group, kept from the forward pass.
    stats: Mutex<Vec<(f32, f32)>>,
}

impl GroupNorm {
    pub(super) fn new(groups: usize, eps: f64, silu: bool) -> Self {
        Self { groups, eps, silu, stats: Mutex::default() }
    }

    fn sizes(&self, dims: &[usize], parameters: [usize; 2]) -> Result<Sizes> {
        let &[batch, channels, height, width] = dims else {
            return Err(Error::Msg(format!("group_norm: {dims:?} should be (B, C, H, W)")));
        };
        if self.groups == 0 || channels % self.groups != 0 || parameters != [channels; 2] {
            return Err(Error::Msg(format!(
                "group_norm: {channels} channels do not fit {} groups and {parameters:?} parameters",
                self.groups
            )));
        }
        Ok(Sizes {
            batch,
            channels,
            pixels: height * width,
            groups: self.groups,
            per_group: channels / self.groups,
        })
    }
}

#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    channels: usize,
    pixels: usize,
    groups: usize,
    per_group: usize,
}

impl Sizes {
    /// Values of a group.
    fn slab(&self) -> usize {
        self.per_group * self.pixels
    }
}

fn mean_and_scale(slab: &[f32], eps: f64) -> (f32, f32) {
    let n = slab.len() as f64;
    let mean = (wide(|| sum_of(slab.len(), |i| slab[i])) / n) as f32;
    let variance = wide(|| {
        sum_of(slab.len(), |i| {
            let d = slab[i] - mean;
            d * d
        })
    }) / n;
    (mean, (1.0 / (variance + eps).sqrt()) as f32)
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled for the caller's instruction set")]
fn normalise(x: &[f32], y: &mut [f32], (scale, shift): (f32, f32), silu: bool) {
    if silu {
        for (y, &x) in y.iter_mut().zip(x) {
            let z = x * scale + shift;
            *y = z * sigmoid(z);
        }
    } else {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * scale + shift;
        }
    }
}

/// Writes d loss / d (normalised value times weight plus bias) into `g`; gives its sum and the sum
/// of its product with the normalised value.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled for the caller's instruction set")]
fn channel_sums(
    (x, dy, g): (&[f32], &[f32], &mut [f32]),
    (mean, inverse): (f32, f32),
    (weight, bias): (f32, f32),
    silu: bool,
) -> (f64, f64) {
    if silu {
        for ((g, &dy), &x) in g.iter_mut().zip(dy).zip(x) {
            let z = (x - mean) * inverse * weight + bias;
            let s = sigmoid(z);
            *g = dy * (s * (1.0 + z * (1.0 - s)));
        }
    } else {
        g.copy_from_slice(dy);
    }
    let g = &*g;
    (sum_of(g.len(), |i| g[i]), sum_of(g.len(), |i| g[i] * ((x[i] - mean) * inverse)))
}

/// The gradient of one group into `dx`; gives each channel's gradient of weight and bias.
fn group_gradient(
    (x, dy, dx): (&[f32], &[f32], &mut [f32]),
    (mean, inverse): (f32, f32),
    (weight, bias): (&[f32], &[f32]),
    silu: bool,
) -> Vec<(f32, f32)> {
    let pixels = x.len() / weight.len();
    let (mut first, mut second) = (0.0_f64, 0.0_f64);
    let mut sums = Vec::with_capacity(weight.len());
    for (c, (&w, &b)) in weight.iter().zip(bias).enumerate() {
        let range = c * pixels..(c + 1) * pixels;
        let parts = (&x[range.clone()], &dy[range.clone()], &mut dx[range]);
        let (sum, product) = wide(|| channel_sums(parts, (mean, inverse), (w, b), silu));
        first += sum * f64::from(w);
        second += product * f64::from(w);
        sums.push((product as f32, sum as f32));
    }
    let n = x.len() as f64;
    let (first, second) = ((first / n) as f32, (second / n) as f32);
    for (c, &w) in weight.iter().enumerate() {
        let range = c * pixels..(c + 1) * pixels;
        let (x, dx) = (&x[range.clone()], &mut dx[range]);
        wide(|| {
            for (g, &x) in dx.iter_mut().zip(x) {
                *g = inverse * (w * *g - first - (x - mean) * inverse * second);
            }
        });
    }
    sums
}

impl CustomOp3 for GroupNorm {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = values(x, x_layout, NAME)?;
        let weight = values(weight, weight_layout, NAME)?;
        let bias = values(bias, bias_layout, NAME)?;
        let sizes = self.sizes(x_layout.dims(), [weight.len(), bias.len()])?;
        let mut y = vec![0.0; x.len()];
        let slab = sizes.slab().max(1);
        let stats: Vec<(f32, f32)> = y
            .par_chunks_mut(slab)
            .zip(x.par_chunks(slab))
            .enumerate()
            .map(|(task, (y, x))| {
                let (mean, inverse) = mean_and_scale(x, self.eps);
                let first = task % sizes.groups * sizes.per_group;
                let maps = y.chunks_mut(sizes.pixels).zip(x.chunks(sizes.pixels));
                for (c, (y, x)) in (first..).zip(maps) {
                    let scale = weight[c] * inverse;
                    let shift = bias[c] - mean * scale;
                    wide(|| normalise(x, y, (scale, shift), self.silu));
                }
                (mean, inverse)
            })
            .collect();
        *self.stats.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = stats;
        Ok((CpuStorage::F32(y), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _result: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let sizes = self.sizes(x.dims(), [weight.elem_count(), bias.elem_count()])?;
        let stats = self.stats.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let (dx, dw, db) = with_values(x, NAME, |x| {
            with_values(&dy, NAME, |dy| {
                with_values(weight, NAME, |weight| {
                    with_values(bias, NAME, |bias| {
                        self.gradients((x, dy), (weight, bias), sizes, &stats)
                    })
                })
            })
        })????;
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), x.device())?),
            Some(Tensor::from_vec(dw, weight.shape(), weight.device())?),
            Some(Tensor::from_vec(db, bias.shape(), bias.device())?),
        ))
    }
}

impl GroupNorm {
    fn gradients(
        &self,
        (x, dy): (&[f32], &[f32]),
        (weight, bias): (&[f32], &[f32]),
        sizes: Sizes,
        stats: &[(f32, f32)],
    ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let slab = sizes.slab().max(1);
        let mut dx = vec![0.0; x.len()];
        let sums: Vec<Vec<(f32, f32)>> = dx
            .par_chunks_mut(slab)
            .zip(x.par_chunks(slab).zip(dy.par_chunks(slab)))
            .enumerate()
            .map(|(task, (dx, (x, dy)))| {
                let first = task % sizes.groups * sizes.per_group;
                let channels = first..first + sizes.per_group;
                let parameters = (&weight[channels.clone()], &bias[channels]);
                group_gradient((x, dy, dx), stats[task], parameters, self.silu)
            })
            .collect();
        let mut totals = vec![(0.0_f64, 0.0_f64); sizes.channels];
        for (at, &(w, b)) in sums.iter().flatten().enumerate() {
            let total = &mut totals[at % sizes.channels];
            total.0 += f64::from(w);
            total.1 += f64::from(b);
        }
        debug_assert_eq!(sums.len(), sizes.batch * sizes.groups);
        let (dw, db) = totals.into_iter().map(|(w, b)| (w as f32, b as f32)).unzip();
        (dx, dw, db)
    }
}

const _: () = assert!(LANES % 8 == 0, "lanes fill whole vectors");
