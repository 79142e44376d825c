//! 3x3 convolutions with stride 1 by Winograd's minimal filtering, on images as they are.
//!
//! Sixteen neighboring windows are the lanes of a vector, so that (B, C, H, W) needs no transposing
//! pass; output channels are the rows of the products. A block of 32 windows goes through all three
//! phases while its data stay in the second-level cache: transform of the windows, one product
//! (outputs, inputs) x (inputs, windows) for each frequency, transform back. Blocks are independent
//! and nothing is summed across them, so results do not depend on the number of threads.
//!
//! What bounds it: the products run at over 90 % of the multiply-add unit; with few channels the
//! transforms weigh as much as the products.
#![expect(unsafe_code, reason = "blocks of images are read and written by several threads")]

mod blocks;
mod gradient;
mod scheme;
#[cfg(test)]
mod tests;
mod transform;
mod weights;

use rayon::prelude::*;

pub(super) use blocks::Shape;
pub(super) use gradient::weight_gradient;
pub(super) use weights::Taps;

use super::product::{Matrix, PACKED, Product, To, groups};
use super::scratch::{Place, Scratch, with_scratch, written};
use super::simd::{Kernel, Level, Simd, with_simd};
use blocks::Lanes;
use scheme::{Four, Scheme, Two};
use transform::Steps;

/// With fewer blocks, the products are shared out by output channels instead of by blocks.
const FEW_BLOCKS: usize = 8;
/// Products of a block that wait for their transform back: 256 KB of them.
const CHUNK: usize = 64 * 1024;
/// With at most so many channels, one call computes the products of all frequencies.
const AT_ONCE: usize = 32;
/// Channels whose pixels are asked for before they are needed: a block reads a little of every channel,
/// and these pieces are too far apart for the processor to foresee them. Waiting for them took half the
/// time of the input transform.
const AHEAD: usize = 2;

/// Numbers between the planes of two frequencies: planes a power of two apart would fight for the
/// same few lines of the first-level cache.
const PAD: usize = 16;

/// y (B, Cout, H', W'). `exact`: by F(2x2), whose error is below that of the plain sum; otherwise by
/// F(4x4), nearly twice as fast with about five times the error.
pub(super) fn forward(
    level: Level,
    shape: &Shape,
    x: &[f32],
    (taps, bias): (Taps<'_>, Option<&[f32]>),
    exact: bool,
) -> Vec<f32> {
    assert_eq!(x.len(), shape.in_len(), "images of another size");
    assert!(bias.is_none_or(|bias| bias.len() == shape.outputs), "as many biases as channels");
    with_simd!(level, s => if exact {
        Forward::<_, Two>::new(s, shape, x, taps, bias).run()
    } else {
        Forward::<_, Four>::new(s, shape, x, taps, bias).run()
    })
}

struct Forward<'a, S, T> {
    s: S,
    shape: &'a Shape,
    x: Place<*const f32>,
    taps: Taps<'a>,
    bias: Option<&'a [f32]>,
    groups: Vec<(usize, usize)>,
    scheme: std::marker::PhantomData<T>,
}

impl<'a, S: Simd, T: Scheme> Forward<'a, S, T> {
    /// Windows of a block.
    const WINDOWS: usize = if T::PARTS == 1 { 32 } else { 16 };
    /// Columns of the products of a block.
    const COLUMNS: usize = Self::WINDOWS * T::PARTS;
    /// Vectors that hold the windows of a block.
    const VECTORS: usize = Self::WINDOWS / S::LANES;

    fn new(s: S, shape: &'a Shape, x: &'a [f32], taps: Taps<'a>, bias: Option<&'a [f32]>) -> Self {
        let groups = groups(shape.outputs, S::ROWS);
        let scheme = std::marker::PhantomData;
        Self { s, shape, x: Place::new(x.as_ptr()), taps, bias, groups, scheme }
    }

    fn run(&self) -> Vec<f32> {
        let blocks = self.shape.windows().div_ceil(Self::WINDOWS);
        // SAFETY: both ways write every result of every window, and windows cover all results. The length does
        // not overflow: `Plan::new` counted it.
        unsafe {
            written(self.shape.out_len(), |y| {
                if blocks < FEW_BLOCKS {
                    self.by_channels(blocks, Place::new(y));
                } else {
                    self.by_blocks(blocks, Place::new(y));
                }
            })
        }
    }

    fn plane(&self) -> usize {
        self.shape.inputs * Self::COLUMNS + PAD
    }

    /// The vectors of a block that hold windows, always as many as the micro kernel takes.
    fn lanes(&self, block: usize) -> Vec<[Lanes; 4]> {
        let one = |first| Lanes::new(self.shape, first, S::LANES / 4);
        let left = self.shape.windows() - block * Self::WINDOWS;
        let vectors = left.div_ceil(2 * S::LANES) * 2;
        (0..vectors.min(Self::VECTORS))
            .map(|v| {
                let first = block * Self::WINDOWS + v * S::LANES;
                std::array::from_fn(|k| one(first + k * (S::LANES / 4)))
            })
            .collect()
    }

    /// Each block on its own, with all weights transformed before.
    fn by_blocks(&self, blocks: usize, y: Place<*mut f32>) {
        let (inputs, outputs) = (self.shape.inputs, self.shape.outputs);
        let frequency = inputs * outputs + PAD;
        let mut packed = Scratch::new(T::FREQUENCIES * frequency);
        let packed = Place::new(packed.start());
        self.groups.par_iter().for_each(|&group| {
            let to = packed.get().wrapping_add(group.0 * inputs);
            self.s.vectorize(Pack { job: self, group, to, frequency });
        });
        let chunk = self.chunk();
        let windows = T::FREQUENCIES * self.plane();
        let products = T::FREQUENCIES * (chunk * S::ROWS * Self::COLUMNS + PAD);
        (0..blocks).into_par_iter().for_each(|block| {
            let lanes = self.lanes(block);
            with_scratch(windows + products, |v| {
                self.s.vectorize(Windows { job: self, lanes: &lanes, channels: 0..inputs, to: v });
                let m = v.wrapping_add(windows);
                for groups in self.groups.chunks(chunk) {
                    let weights = packed.get().wrapping_add(groups[0].0 * inputs).cast_const();
                    let at = Places { weights, frequency, windows: v, m, y: y.get() };
                    self.s.vectorize(Products { job: self, groups, lanes: &lanes, at });
                }
            });
        });
    }

    /// Groups of output channels whose products wait together.
    fn chunk(&self) -> usize {
        (CHUNK / (T::FREQUENCIES * Self::COLUMNS * S::ROWS)).clamp(1, self.groups.len().max(1))
    }

    /// All windows first, then each group of output channels on its own: its weights are transformed
    /// when they are needed and never leave the cache.
    fn by_channels(&self, blocks: usize, y: Place<*mut f32>) {
        let inputs = self.shape.inputs;
        let size = T::FREQUENCIES * self.plane();
        let mut windows = Scratch::new(blocks * size);
        let v = Place::new(windows.start());
        let lanes: Vec<_> = (0..blocks).map(|block| self.lanes(block)).collect();
        let step = inputs.div_ceil(16).max(1);
        let parts = inputs.div_ceil(step);
        (0..blocks * parts).into_par_iter().for_each(|task| {
            let (block, part) = (task / parts, task % parts);
            let channels = part * step..((part + 1) * step).min(inputs);
            let to = v.get().wrapping_add(block * size);
            self.s.vectorize(Windows { job: self, lanes: &lanes[block], channels, to });
        });
        self.groups.par_iter().for_each(|&group| {
            let frequency = inputs * group.1 + PAD;
            let weights = T::FREQUENCIES * frequency.next_multiple_of(16);
            let products = T::FREQUENCIES * (S::ROWS * Self::COLUMNS + PAD);
            with_scratch(weights + products, |u| {
                self.s.vectorize(Pack { job: self, group, to: u, frequency });
                let m = u.wrapping_add(weights);
                for (block, lanes) in lanes.iter().enumerate() {
                    let windows = v.get().wrapping_add(block * size);
                    let at = Places { weights: u, frequency, windows, m, y: y.get() };
                    self.s.vectorize(Products { job: self, groups: &[group], lanes, at });
                }
            });
        });
    }
}

/// Transforms and packs the weights of a group of output channels.
struct Pack<'a, S, T> {
    job: &'a Forward<'a, S, T>,
    group: (usize, usize),
    /// Room for them; nobody else writes there.
    to: *mut f32,
    frequency: usize,
}

impl<S: Simd, T: Scheme> Kernel<S> for Pack<'_, S, T> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    fn run(self, s: S) {
        let Self { job, group, to, frequency } = self;
        // SAFETY: both places that make this value have room for `inputs * rows` numbers of this group at every
        // frequency, and hand each group to one task; a group has at most `S::ROWS` rows, less than 16.
        unsafe {
            weights::pack::<S, T>(s, &job.taps, job.shape.inputs, group, (to, frequency));
        }
    }
}

/// Transforms the windows of a block, some channels of it.
struct Windows<'a, S, T> {
    job: &'a Forward<'a, S, T>,
    lanes: &'a [[Lanes; 4]],
    channels: std::ops::Range<usize>,
    /// Room for all planes; nobody else writes these channels there.
    to: *mut f32,
}

impl<S: Simd, T: Scheme> Kernel<S> for Windows<'_, S, T> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    fn run(self, s: S) {
        let Self { job, lanes, channels, to } = self;
        let steps = Steps { frequency: job.plane(), part: Forward::<S, T>::WINDOWS };
        for c in channels {
            let map = job.x.get().wrapping_add(c * job.shape.in_pixels());
            let ahead = map.wrapping_add(AHEAD * job.shape.in_pixels());
            for (i, lanes) in lanes.iter().enumerate() {
                transform::expect(s, (ahead, job.shape.width), lanes);
                // SAFETY: `Lanes` lets through what is inside the image, of which x has all, as `forward` checked.
                // A channel has COLUMNS numbers in each plane, a vector of windows for each part of them.
                unsafe {
                    let to = to.add(c * Forward::<S, T>::COLUMNS + i * S::LANES);
                    transform::input::<S, T>(s, (map, job.shape.width), lanes, (to, steps));
                }
            }
        }
    }
}

/// Products and transform back of some groups of output channels of a block.
struct Products<'a, S, T> {
    job: &'a Forward<'a, S, T>,
    groups: &'a [(usize, usize)],
    lanes: &'a [[Lanes; 4]],
    at: Places,
}

/// Where [`Products`] read and write. Nobody else writes these channels of this block.
#[derive(Clone, Copy)]
struct Places {
    /// Packed weights of the first group.
    weights: *const f32,
    /// Distance from one frequency of them to the next.
    frequency: usize,
    /// Transformed windows.
    windows: *mut f32,
    /// Room for the products.
    m: *mut f32,
    /// The results.
    y: *mut f32,
}

impl<S: Simd, T: Scheme> Kernel<S> for Products<'_, S, T> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    fn run(self, s: S) {
        let Self { job, groups, lanes, at } = self;
        let columns = Forward::<S, T>::COLUMNS;
        let (Some(&(start, _)), Some(&(last, rows))) = (groups.first(), groups.last()) else {
            return;
        };
        let (inputs, plane) = (job.shape.inputs, job.plane());
        let wait = (last + rows - start) * columns + PAD;
        // A call has its price, so it takes all frequencies at once, unless a plane of windows fills the
        // first-level cache and has to be used by all groups while it is there.
        let at_once = if inputs <= AT_ONCE { T::FREQUENCIES } else { 1 };
        for f in (0..T::FREQUENCIES).step_by(at_once) {
            for &(first, rows) in groups {
                // SAFETY: at every frequency there are `inputs * rows` weights of a group, `inputs` rows of
                // COLUMNS windows, of which `lanes` are written, and `wait` products: a row for each channel
                // of these groups.
                unsafe {
                    let a = at.weights.add(f * at.frequency + (first - start) * inputs);
                    let b = at.windows.add(f * plane).cast_const();
                    let c = at.m.add(f * wait + (first - start) * columns);
                    Product::<2, PACKED> {
                        rows,
                        depth: inputs,
                        a,
                        b: Matrix { start: b, stride: columns },
                        c: Matrix { start: c, stride: columns },
                        columns: lanes.len() * T::PARTS / 2,
                        planes: (at_once, [at.frequency, plane, wait]),
                        to: To::Nothing,
                    }
                    .run(s);
                }
            }
        }
        let steps = Steps { frequency: wait, part: Forward::<S, T>::WINDOWS };
        for o in start..last + rows {
            let map = at.y.wrapping_add(o * job.shape.out_pixels());
            let bias = job.bias.map_or(0.0, |bias| bias[o]);
            let ahead = map.wrapping_add(AHEAD * job.shape.out_pixels()).cast_const();
            for (i, lanes) in lanes.iter().enumerate() {
                transform::expect_results(s, (ahead, job.shape.out_width), lanes);
                // SAFETY: the products of these windows were just written at every frequency. `Lanes` lets through
                // what is inside the results; these channels of these windows are written by nobody else.
                unsafe {
                    let from = at.m.add((o - start) * columns + i * S::LANES);
                    let to = (map, job.shape.out_width);
                    transform::output::<S, T>(s, (from, steps), lanes, bias, to);
                }
            }
        }
    }
}
