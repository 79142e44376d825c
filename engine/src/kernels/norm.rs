//! Group normalization with SiLU on the CPU, fused, with its gradient.
//!
//! In (B, C, H, W) the values of a group lie together, so a group is one task: two passes for its
//! mean and variance, one to normalize. The gradient makes one pass for the sums and one for dx.

#![expect(unsafe_code, reason = "groups of one tensor are written by several threads")]

use std::mem::MaybeUninit;

use candle_core::{Error, Result};
use rayon::prelude::*;

use super::moments::{ChannelSums, Moments, Normalize, Spread};
use super::raw::holds;
use super::scratch::{Place, written};
use super::simd::{self, Simd, with_simd};
use super::tally;

/// Numbers from which on a result is written past the caches: 16 MB. It would not stay there until
/// the next layer reads it, and written the usual way it would be read from memory first.
const STREAMED: usize = 4 << 20;

/// How to normalize.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rule {
    pub(super) groups: usize,
    pub(super) eps: f64,
    /// Whether SiLU follows.
    pub(super) silu: bool,
}

/// Mean and 1 / standard deviation of each group of each image.
pub(super) type Stats = Vec<(f32, f32)>;

/// The gradients of weight and bias that were asked for.
pub(super) type Parameters = (Option<Vec<f32>>, Option<Vec<f32>>);

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
    let (mean, variance) = with_simd!(simd::best(), s => s.vectorize(Moments(slab)));
    (mean as f32, (1.0 / (variance + eps).sqrt()) as f32)
}

/// The gradient of one group into `dx`; gives each channel's gradient of weight and bias. There are as many
/// numbers in all three, and as many for each weight.
fn group_gradient(
    (x, dy, dx): (&[f32], &[f32], &mut [MaybeUninit<f32>]),
    stats: (f32, f32),
    (weight, bias): (&[f32], &[f32]),
    silu: bool,
) -> Vec<(f32, f32)> {
    let pixels = (x.len() / weight.len()).max(1);
    let maps = || x.chunks(pixels).zip(weight);
    let (mut first, mut second) = (0.0_f64, 0.0_f64);
    let mut sums = Vec::with_capacity(weight.len());
    for (((x, &weight), (dy, g)), &bias) in
        maps().zip(dy.chunks(pixels).zip(dx.chunks_mut(pixels))).zip(bias)
    {
        let job = ChannelSums { x, dy, g, stats, weight, bias, silu };
        let (sum, product) = with_simd!(simd::best(), s => s.vectorize(job));
        first += sum * f64::from(weight);
        second += product * f64::from(weight);
        sums.push((product as f32, sum as f32));
    }
    // SAFETY: a channel for each weight, `pixels` numbers each, are all of the group; each was written.
    let dx = unsafe { dx.assume_init_mut() };
    let n = x.len() as f64;
    let means = ((first / n) as f32, (second / n) as f32);
    for ((x, &weight), g) in maps().zip(dx.chunks_mut(pixels)) {
        let job = Spread { x, g, stats, weight, means };
        with_simd!(simd::best(), s => s.vectorize(job));
    }
    sums
}

impl Rule {
    /// Normalizes x (B, C, H, W).
    pub(super) fn forward(
        &self,
        x: &[f32],
        (weight, bias): (&[f32], &[f32]),
        dims: &[usize],
    ) -> Result<(Vec<f32>, Stats)> {
        let sizes = self.sizes(dims, [weight.len(), bias.len()])?;
        if !holds(x.len(), dims) {
            return Err(Error::Msg(format!("group_norm: {} numbers for {dims:?}", x.len())).bt());
        }
        let slab = sizes.slab().max(1);
        let mut stats = Vec::new();
        let stream = x.len() >= STREAMED;
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
                        // The map of this channel, which is this task's: as far from the first number of y
                        // as that of x from the first of x.
                        let y = y.get().wrapping_add(task * slab + (c - first) * sizes.pixels);
                        let job = Normalize { x, y, scale, shift, silu: self.silu, stream };
                        // SAFETY: as many numbers as the map of x has, inside the result, which has as many as all of
                        // x; groups are one task each.
                        with_simd!(simd::best(), s => unsafe { s.follow(job) });
                    }
                    (mean, inverse)
                })
                .collect_into_vec(&mut stats);
        };
        // SAFETY: each map of each group is written whole by `Normalize`, and those are all numbers of x.
        let y = unsafe { written(x.len(), all) };
        Ok((y, stats))
    }

    /// The gradient of x, and those of weight and bias, each if it is asked for.
    pub(super) fn backward(
        &self,
        (x, dy): (&[f32], &[f32]),
        (weight, bias): (&[f32], &[f32]),
        dims: &[usize],
        stats: &[(f32, f32)],
        asked: (bool, bool),
    ) -> Result<(Vec<f32>, Parameters)> {
        tally::add(asked);
        let sizes = self.sizes(dims, [weight.len(), bias.len()])?;
        if !holds(x.len(), dims) || x.len() != dy.len() {
            let text = format!("group_norm: {} gradients for {dims:?}", dy.len());
            return Err(Error::Msg(text).bt());
        }
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
                    // SAFETY: as far from the first number of dx as this group from the first of x, which has
                    // as many; groups are one task each. They need no value yet.
                    let dx = unsafe {
                        let start = dx.get().add(task * slab).cast::<MaybeUninit<f32>>();
                        std::slice::from_raw_parts_mut(start, x.len())
                    };
                    group_gradient((x, dy, dx), stats[task], parameters, self.silu)
                })
                .collect_into_vec(&mut sums);
        };
        // SAFETY: `group_gradient` writes each group whole, and those are all numbers of x, which dy has too.
        let dx = unsafe { written(x.len(), all) };
        // The gradient of x needs the sums of each image anyway.
        let total = |of: fn(&(f32, f32)) -> f32| {
            let mut totals = vec![0.0_f64; sizes.channels];
            for (at, sums) in sums.iter().flatten().enumerate() {
                totals[at % sizes.channels] += f64::from(of(sums));
            }
            totals.into_iter().map(|total| total as f32).collect()
        };
        Ok((dx, (asked.0.then(|| total(|sums| sums.0)), asked.1.then(|| total(|sums| sums.1)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit_the_sizes_are_an_error() {
        let rule = Rule { groups: 1, eps: 1e-5, silu: true };
        let (x, w, dims) = ([1.0_f32; 12], [1.0_f32; 2], [1, 2, 2, 3]);
        let (_, stats) = rule.forward(&x, (&w, &w), &dims).unwrap();
        assert!(rule.forward(&x[1..], (&w, &w), &dims).is_err());
        let backward =
            |x: &[f32], dy: &[f32]| rule.backward((x, dy), (&w, &w), &dims, &stats, (true, true));
        assert!(backward(&x, &x).is_ok());
        assert!(backward(&x, &x[1..]).is_err(), "a part of the gradient would never be written");
        assert!(backward(&x[1..], &x).is_err());
    }
}
