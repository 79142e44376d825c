//! Group normalisation with SiLU on the CPU, fused, with its gradient.
//!
//! In (B, C, H, W) the values of a group lie together, so a group is one task: two passes for its
//! mean and variance, one to normalise. The gradient makes one pass for the sums and one for dx.

#![expect(unsafe_code, reason = "groups of one tensor are written by several threads")]

use candle_core::{Error, Result};
use rayon::prelude::*;

use super::raw::{CHUNK, LANES, sigmoid, sum_of, wide};
use super::scratch::{Place, written};

/// How to normalise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rule {
    pub(super) groups: usize,
    pub(super) eps: f64,
    /// Whether SiLU follows.
    pub(super) silu: bool,
}

/// Mean and 1 / standard deviation of each group of each image.
pub(super) type Stats = Vec<(f32, f32)>;

impl Rule {
    /// Checks and names the sizes of x (B, C, H, W) and of both parameters.
    pub(super) fn sizes(&self, dims: &[usize], parameters: [usize; 2]) -> Result<Sizes> {
        let &[_, channels, height, width] = dims else {
            return Err(Error::Msg(format!("group_norm: {dims:?} should be (B, C, H, W)")));
        };
        if self.groups == 0 || channels % self.groups != 0 || parameters != [channels; 2] {
            return Err(Error::Msg(format!(
                "group_norm: {channels} channels do not fit {} groups and {parameters:?} parameters",
                self.groups
            )));
        }
        Ok(Sizes {
            channels,
            pixels: height * width,
            groups: self.groups,
            per_group: channels / self.groups,
        })
    }
}

#[derive(Clone, Copy)]
pub(super) struct Sizes {
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
    let one = |x: f32, dy: f32| {
        let normal = (x - mean) * inverse;
        let g = if silu {
            let z = normal * weight + bias;
            let s = sigmoid(z);
            dy * (s * (1.0 + z * (1.0 - s)))
        } else {
            dy
        };
        (g, g * normal)
    };
    let (mut first, mut second) = (0.0_f64, 0.0_f64);
    for ((g, dy), x) in g.chunks_mut(CHUNK).zip(dy.chunks(CHUNK)).zip(x.chunks(CHUNK)) {
        // Both sums on the way: a pass for each would cost as much as the pass itself.
        let (mut sums, mut products) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let (mut gs, mut dys, mut xs) =
            (g.chunks_exact_mut(LANES), dy.chunks_exact(LANES), x.chunks_exact(LANES));
        for ((g, dy), x) in gs.by_ref().zip(dys.by_ref()).zip(xs.by_ref()) {
            for lane in 0..LANES {
                let (value, product) = one(x[lane], dy[lane]);
                g[lane] = value;
                sums[lane] += value;
                products[lane] += product;
            }
        }
        for ((g, &dy), &x) in
            gs.into_remainder().iter_mut().zip(dys.remainder()).zip(xs.remainder())
        {
            let (value, product) = one(x, dy);
            *g = value;
            sums[0] += value;
            products[0] += product;
        }
        first += sums.iter().map(|&v| f64::from(v)).sum::<f64>();
        second += products.iter().map(|&v| f64::from(v)).sum::<f64>();
    }
    (first, second)
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

impl Rule {
    /// Normalises x (B, C, H, W).
    pub(super) fn forward(
        &self,
        x: &[f32],
        (weight, bias): (&[f32], &[f32]),
        dims: &[usize],
    ) -> Result<(Vec<f32>, Stats)> {
        let sizes = self.sizes(dims, [weight.len(), bias.len()])?;
        let slab = sizes.slab().max(1);
        let mut stats = Vec::new();
        let all = |y: *mut f32| {
            let y = Place::new(y);
            x.par_chunks(slab)
                .enumerate()
                .map(|(task, x)| {
                    let (mean, inverse) = mean_and_scale(x, self.eps);
                    let first = task % sizes.groups * sizes.per_group;
                    for (c, x) in (first..).zip(x.chunks(sizes.pixels)) {
                        let scale = weight[c] * inverse;
                        let shift = bias[c] - mean * scale;
                        // SAFETY: the map of this channel, which is this task's.
                        let y = unsafe {
                            let map = task * slab + (c - first) * sizes.pixels;
                            std::slice::from_raw_parts_mut(y.get().add(map), x.len())
                        };
                        wide(|| normalise(x, y, (scale, shift), self.silu));
                    }
                    (mean, inverse)
                })
                .collect_into_vec(&mut stats);
        };
        // SAFETY: each map of each group is written, and those are all.
        let y = unsafe { written(x.len(), all) };
        Ok((y, stats))
    }

    /// The gradients of x, weight and bias.
    pub(super) fn backward(
        &self,
        (x, dy): (&[f32], &[f32]),
        (weight, bias): (&[f32], &[f32]),
        dims: &[usize],
        stats: &[(f32, f32)],
    ) -> Result<(Vec<f32>, Vec<f32>, Vec<f32>)> {
        let sizes = self.sizes(dims, [weight.len(), bias.len()])?;
        let slab = sizes.slab().max(1);
        let mut sums: Vec<Vec<(f32, f32)>> = Vec::new();
        let all = |dx: *mut f32| {
            let dx = Place::new(dx);
            x.par_chunks(slab)
                .zip(dy.par_chunks(slab))
                .enumerate()
                .map(|(task, (x, dy))| {
                    let first = task % sizes.groups * sizes.per_group;
                    let channels = first..first + sizes.per_group;
                    let parameters = (&weight[channels.clone()], &bias[channels]);
                    // SAFETY: the values of this group, which is this task's.
                    let dx = unsafe {
                        std::slice::from_raw_parts_mut(dx.get().add(task * slab), x.len())
                    };
                    group_gradient((x, dy, dx), stats[task], parameters, self.silu)
                })
                .collect_into_vec(&mut sums);
        };
        // SAFETY: each group is written, and those are all.
        let dx = unsafe { written(x.len(), all) };
        let mut totals = vec![(0.0_f64, 0.0_f64); sizes.channels];
        for (at, &(w, b)) in sums.iter().flatten().enumerate() {
            let total = &mut totals[at % sizes.channels];
            total.0 += f64::from(w);
            total.1 += f64::from(b);
        }
        let (dw, db) = totals.into_iter().map(|(w, b)| (w as f32, b as f32)).unzip();
        Ok((dx, dw, db))
    }
}

const _: () = assert!(LANES.is_multiple_of(8), "lanes fill whole vectors");
