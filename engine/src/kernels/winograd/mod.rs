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

use std::ops::Range;

use rayon::prelude::*;

pub(super) use blocks::Shape;
pub(super) use gradient::{bias_gradient, weight_gradient};
pub(super) use weights::Taps;

use super::product::{Matrix, PACKED, Product, To, groups};
use super::scratch::{Place, Scratch, with_scratch, written};
use super::simd::{Level, PointerKernel, Simd, with_simd};
use blocks::Lanes;
use scheme::{Four, Scheme, Two};
use transform::Steps;

/// With fewer blocks, the products are shared out by output channels instead of by blocks.
const FEW_BLOCKS: usize = 8;
/// Products of a block that wait for their transform back: 256 KB of them.
const CHUNK: usize = 64 * 1024;
/// Numbers of windows, and of products, that stay in the second-level cache where products are shared out
/// by output channels: 160 KB of each.
const PART: usize = 40 * 1024;
/// Input channels of a part: at least so many that adding to the products so far weighs little.
const DEPTHS: (usize, usize) = (16, weights::ROW);
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
    /// All images.
    x: &'a [f32],
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
        Self { s, shape, x, taps, bias, groups, scheme }
    }

    fn run(&self) -> Vec<f32> {
        let blocks = self.shape.windows().div_ceil(Self::WINDOWS);
        // SAFETY: both ways have all results to themselves and write every result of every window, and windows
        // cover all results. The length does not overflow: `Plan::new` counted it.
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

    /// The vectors of a block that hold windows; all of them where windows have parts, which lie
    /// behind each other.
    fn lanes(&self, block: usize) -> Vec<[Lanes; 4]> {
        let one = |first| Lanes::new(self.shape, first, S::LANES / 4);
        let left = self.shape.windows() - block * Self::WINDOWS;
        let vectors = if T::PARTS == 1 { left.div_ceil(S::LANES) } else { Self::VECTORS };
        (0..vectors.min(Self::VECTORS))
            .map(|v| {
                let first = block * Self::WINDOWS + v * S::LANES;
                std::array::from_fn(|k| one(first + k * (S::LANES / 4)))
            })
            .collect()
    }

    /// Each block on its own, with all weights transformed before.
    ///
    /// # Safety
    /// All results must be writable at `y`, by this call alone.
    unsafe fn by_blocks(&self, blocks: usize, y: Place<*mut f32>) {
        let (inputs, outputs) = (self.shape.inputs, self.shape.outputs);
        let frequency = inputs * outputs + PAD;
        let mut packed = Scratch::new(T::FREQUENCIES * frequency);
        let packed = Place::new(packed.start());
        self.groups.par_iter().for_each(|&group| {
            let to = packed.get().wrapping_add(group.0 * inputs);
            let pack = Pack { job: self, group, inputs: 0..inputs, to, frequency };
            // SAFETY: a frequency has a row of `inputs` weights for each output; a group is one task.
            unsafe { self.s.follow(pack) };
        });
        let chunk = self.chunk(CHUNK, Self::COLUMNS);
        let windows = T::FREQUENCIES * self.plane();
        let products = T::FREQUENCIES * (chunk * S::ROWS * Self::COLUMNS + PAD);
        (0..blocks).into_par_iter().for_each(|block| {
            let lanes = self.lanes(block);
            with_scratch(windows + products, |v| {
                let transform = Windows { job: self, lanes: &lanes, channels: 0..inputs, to: v };
                // SAFETY: the scratch begins with room for all planes of windows.
                unsafe { self.s.follow(transform) };
                let m = v.wrapping_add(windows);
                for groups in self.groups.chunks(chunk) {
                    let channels = channels(groups);
                    let weights = packed.get().wrapping_add(channels.start * inputs).cast_const();
                    let wait = channels.len() * Self::COLUMNS + PAD;
                    let (at, lanes) = (Places { weights, frequency, windows: v, m, wait }, &lanes);
                    let (depth, to) = (inputs, To::Nothing);
                    let products =
                        Products::<_, _, PACKED> { job: self, groups, lanes, depth, at, to };
                    let m = (m.cast_const(), wait);
                    let results = Results { job: self, channels, lanes, m, y: y.get() };
                    // SAFETY: weights and windows of all input channels are transformed, and behind the windows is
                    // room for the products of a chunk. Results are the caller's promise, and those of a block
                    // this task's.
                    unsafe {
                        self.s.follow(products);
                        self.s.follow(results);
                    }
                }
            });
        });
    }

    /// Groups of output channels whose products of so many columns wait together in `room` numbers.
    fn chunk(&self, room: usize, columns: usize) -> usize {
        let one = T::FREQUENCIES * columns * S::ROWS;
        (room / one.max(1)).clamp(1, self.groups.len().max(1))
    }

    /// All windows first, then some groups of output channels at a time, a part of the input channels
    /// after the other: as many as a row of weights holds, which are transformed when they are needed.
    /// The windows of the part and the sums so far stay in the second-level cache.
    ///
    /// # Safety
    /// As for `by_blocks`.
    unsafe fn by_channels(&self, blocks: usize, y: Place<*mut f32>) {
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
            let transform = Windows { job: self, lanes: &lanes[block], channels, to };
            // SAFETY: each block has room for all its planes, in which these channels are this task's.
            unsafe { self.s.follow(transform) };
        });
        let columns: usize = lanes.iter().map(|lanes| lanes.len() * S::LANES * T::PARTS).sum();
        let depth = (PART / (T::FREQUENCIES * columns.max(1))).clamp(DEPTHS.0, DEPTHS.1);
        // As many tasks for each thread; which results a task computes changes none of them.
        let threads = rayon::current_num_threads();
        let chunk = self.chunk(PART, columns);
        let tasks = self.groups.len().div_ceil(chunk).next_multiple_of(threads);
        let tasks = groups(self.groups.len(), self.groups.len().div_ceil(tasks));
        tasks.par_iter().for_each(|&(first, count)| {
            let groups = &self.groups[first..first + count];
            // SAFETY: all windows are transformed, and only read from here on. Results are the caller's promise;
            // groups are shared out, so that these channels are this task's.
            unsafe { self.some_channels(groups, (&lanes, v.get()), depth, y.get()) };
        });
    }

    /// Some groups of output channels of all blocks, whose windows are transformed, `depth` input channels
    /// at a time.
    ///
    /// # Safety
    /// The windows of all blocks must be written, the results writable at `y`, and those of these channels
    /// this thread's alone; `depth` is at most [`weights::ROW`].
    unsafe fn some_channels(
        &self,
        groups: &[(usize, usize)],
        (blocks, windows): (&[Vec<[Lanes; 4]>], *mut f32),
        depth: usize,
        y: *mut f32,
    ) {
        let (inputs, channels) = (self.shape.inputs, channels(groups));
        let frequency = S::ROWS * weights::ROW + PAD;
        let weights = T::FREQUENCIES * frequency;
        let wait = channels.len() * Self::COLUMNS + PAD;
        let (plane, products) = (T::FREQUENCIES * self.plane(), T::FREQUENCIES * wait);
        with_scratch(weights + blocks.len() * products, |u| {
            let m = |block| u.wrapping_add(weights + block * products);
            let starts = (0..inputs.max(1)).step_by(depth);
            for (start, group) in starts.flat_map(|start| groups.iter().map(move |g| (start, g))) {
                let inputs = start..(start + depth).min(inputs);
                let (depth, to) = (inputs.len(), To::after(start == 0));
                let rows = Pack { job: self, group: *group, inputs, to: u, frequency };
                // SAFETY: a frequency has `S::ROWS` rows of as many weights as there are input channels at most.
                unsafe { self.s.follow(Rows(rows)) };
                for (block, lanes) in blocks.iter().enumerate() {
                    let windows = windows.wrapping_add(block * plane + start * Self::COLUMNS);
                    let m = m(block).wrapping_add((group.0 - channels.start) * Self::COLUMNS);
                    let at = Places { weights: u, frequency, windows, m, wait };
                    let groups = std::slice::from_ref(group);
                    let products = Products::<_, _, { weights::ROW }> {
                        job: self,
                        groups,
                        lanes,
                        depth,
                        at,
                        to,
                    };
                    // SAFETY: the weights were just written, the windows are the caller's promise, and each block has
                    // room for the products of all these channels; the first part writes what others are added to.
                    unsafe { self.s.follow(products) };
                }
            }
            for (block, lanes) in blocks.iter().enumerate() {
                let (channels, m) = (channels.clone(), (m(block).cast_const(), wait));
                // SAFETY: all products of these channels are summed; the results are the caller's promise.
                unsafe { self.s.follow(Results { job: self, channels, lanes, m, y }) };
            }
        });
    }
}

/// Output channels of some groups.
fn channels(groups: &[(usize, usize)]) -> Range<usize> {
    match (groups.first(), groups.last()) {
        (Some(&(first, _)), Some(&(last, rows))) => first..last + rows,
        _ => 0..0,
    }
}

/// Transforms and packs the weights from some input channels to a group of output channels.
struct Pack<'a, S, T> {
    job: &'a Forward<'a, S, T>,
    /// One of the job's.
    group: (usize, usize),
    inputs: Range<usize>,
    /// Room for as many numbers as rows of the group times input channels, at every frequency, that nobody
    /// else uses; for [`Rows`] for rows of [`weights::ROW`] numbers, and not more input channels.
    to: *mut f32,
    frequency: usize,
}

impl<S: Simd, T: Scheme> PointerKernel<S> for Pack<'_, S, T> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        let Self { job, group, inputs, to, frequency } = self;
        // SAFETY: the room is the caller's promise; a group has at most `S::ROWS` rows, less than 16.
        unsafe { weights::pack::<S, T>(s, &job.taps, inputs, group, (to, frequency)) };
    }
}

/// The same row by row, for a few input channels.
struct Rows<'a, S, T>(Pack<'a, S, T>);

impl<S: Simd, T: Scheme> PointerKernel<S> for Rows<'_, S, T> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        let Pack { job, group, inputs, to, frequency } = self.0;
        // SAFETY: as for [`Pack`].
        unsafe { weights::rows::<S, T>(s, &job.taps, inputs, group, (to, frequency)) };
    }
}

/// Transforms the windows of a block, some channels of it.
struct Windows<'a, S, T> {
    job: &'a Forward<'a, S, T>,
    /// Of the block.
    lanes: &'a [[Lanes; 4]],
    /// At most those of the job.
    channels: Range<usize>,
    /// Room for all planes; nobody else uses these channels of them.
    to: *mut f32,
}

impl<S: Simd, T: Scheme> PointerKernel<S> for Windows<'_, S, T> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        let Self { job, lanes, channels, to } = self;
        let steps = Steps { frequency: job.plane(), part: Forward::<S, T>::WINDOWS };
        for c in channels {
            let map = job.x.as_ptr().wrapping_add(c * job.shape.in_pixels());
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

/// Products of the windows of a block with the weights of some groups of output channels.
struct Products<'a, S, T, const LEFT: usize> {
    job: &'a Forward<'a, S, T>,
    groups: &'a [(usize, usize)],
    lanes: &'a [[Lanes; 4]],
    /// Input channels.
    depth: usize,
    at: Places,
    to: To,
}

/// Where [`Products`] read and write.
#[derive(Clone, Copy)]
struct Places {
    /// Packed weights of the first group, of all these groups and input channels.
    weights: *const f32,
    /// Distance from one frequency of them to the next.
    frequency: usize,
    /// Transformed windows, from the first input channel on.
    windows: *mut f32,
    /// Room for the products of the first group and those behind it, which nobody else uses; written if they
    /// are added to.
    m: *mut f32,
    /// Distance from one frequency of them to the next.
    wait: usize,
}

impl<S: Simd, T: Scheme, const LEFT: usize> PointerKernel<S> for Products<'_, S, T, LEFT> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        let Self { job, groups, lanes, depth, at, to } = self;
        let columns = Forward::<S, T>::COLUMNS;
        let (start, plane) = (channels(groups).start, job.plane());
        // Sixteen windows are a single vector of AVX-512, as in maps of 16x16 pixels.
        let vectors = lanes.len() * T::PARTS;
        let pairs = vectors / 2;
        // A call has its price, so it takes all frequencies at once, unless a plane of windows fills the
        // first-level cache and has to be used by all groups while it is there.
        let all = depth <= AT_ONCE || groups.len() == 1;
        let at_once = if all { T::FREQUENCIES } else { 1 };
        for f in (0..T::FREQUENCIES).step_by(at_once) {
            for &(first, rows) in groups {
                // SAFETY: at every frequency there are `depth` weights for each row of a group, `depth` rows of
                // COLUMNS windows, of which `lanes` are written, and `wait` products: a row for each channel
                // of these groups. All by the caller's promise.
                unsafe {
                    let row = if LEFT == PACKED { depth } else { LEFT };
                    let a = at.weights.add(f * at.frequency + (first - start) * row);
                    let b = at.windows.add(f * plane).cast_const();
                    let c = at.m.add(f * at.wait + (first - start) * columns);
                    let (b, c) = (
                        Matrix { start: b, stride: columns },
                        Matrix { start: c, stride: columns },
                    );
                    let planes = (at_once, [at.frequency, plane, at.wait]);
                    if pairs > 0 {
                        let columns = pairs;
                        Product::<2, LEFT> { rows, depth, a, b, c, columns, planes, to }.run(s);
                    }
                    if vectors > 2 * pairs {
                        let done = 2 * pairs * S::LANES;
                        let b = Matrix { start: b.start.wrapping_add(done), ..b };
                        let c = Matrix { start: c.start.wrapping_add(done), ..c };
                        let columns = 1;
                        Product::<1, LEFT> { rows, depth, a, b, c, columns, planes, to }.run(s);
                    }
                }
            }
        }
    }
}

/// Transforms the products of some output channels of a block back.
struct Results<'a, S, T> {
    job: &'a Forward<'a, S, T>,
    /// At most those of the job.
    channels: Range<usize>,
    /// Of the block.
    lanes: &'a [[Lanes; 4]],
    /// Their products, written, and the distance from one frequency to the next.
    m: (*const f32, usize),
    /// All results, writable; nobody else uses these channels of this block.
    y: *mut f32,
}

impl<S: Simd, T: Scheme> PointerKernel<S> for Results<'_, S, T> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        let Self { job, channels, lanes, m: (m, wait), y } = self;
        let steps = Steps { frequency: wait, part: Forward::<S, T>::WINDOWS };
        for (row, o) in channels.enumerate() {
            let map = y.wrapping_add(o * job.shape.out_pixels());
            let bias = job.bias.map_or(0.0, |bias| bias[o]);
            let ahead = map.wrapping_add(AHEAD * job.shape.out_pixels()).cast_const();
            for (i, lanes) in lanes.iter().enumerate() {
                transform::expect_results(s, (ahead, job.shape.out_width), lanes);
                // SAFETY: the products of these windows are written at every frequency, by the caller's promise, as
                // is that these channels of these windows are its own. `Lanes` lets through what is inside the
                // results.
                unsafe {
                    let from = m.add(row * Forward::<S, T>::COLUMNS + i * S::LANES);
                    let to = (map, job.shape.out_width);
                    transform::output::<S, T>(s, (from, steps), lanes, bias, to);
                }
            }
        }
    }
}
