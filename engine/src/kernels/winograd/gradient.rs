//! The gradient of the weights, by the transposed of F(4x4).
//!
//! Windows of x and of dy are transformed; for each frequency their product is summed over all
//! windows, and the sum is transformed to 3x3 at the end. Windows are shared out over a fixed number
//! of slots, each with sums of its own that are added in order: results do not depend on the number of
//! threads.
#![expect(unsafe_code, reason = "blocks of images are read by several threads, scratch is written")]

use rayon::prelude::*;

use super::super::product::{Matrix, Product, To, groups};
use super::super::scratch::{Place, Scratch, with_scratch, written};
use super::super::simd::{Level, PointerKernel, Simd, with_simd};
use super::blocks::{Lanes, Shape};
use super::scheme::Four;
use super::transform::{self, Steps};
use super::{AHEAD, AT_ONCE, PAD};

/// Windows of a block.
const WINDOWS: usize = 32;
/// Products for each weight.
const FREQUENCIES: usize = 36;
/// Partial sums, whatever the number of threads; fewer where they would need more than this.
const SLOTS: usize = 8;
const SLOT_NUMBERS: usize = 32 << 20;
/// The frequency whose transform of dy is the plain sum over a window.
const SUM: usize = 7;

/// The gradients of weights (Cout, Cin, 3, 3) and of the bias (Cout,) from x (B, Cin, H, W) and dy
/// (B, Cout, H', W').
pub(in crate::kernels) fn weight_gradient(
    level: Level,
    shape: &Shape,
    x: &[f32],
    dy: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    assert_eq!(x.len(), shape.in_len(), "images of another size");
    assert_eq!(dy.len(), shape.out_len(), "gradients of another size");
    with_simd!(level, s => Gradient::new(s, shape, x, dy).run())
}

/// The gradient of the bias alone (Cout,), the same bit by bit as [`weight_gradient`] gives it.
pub(in crate::kernels) fn bias_gradient(level: Level, shape: &Shape, dy: &[f32]) -> Vec<f32> {
    assert_eq!(dy.len(), shape.out_len(), "gradients of another size");
    with_simd!(level, s => Gradient::new(s, shape, &[], dy).run_bias())
}

fn s_lanes<S: Simd>(_: S) -> usize {
    S::LANES
}
fn rows_of<S: Simd>(_: S) -> usize {
    S::ROWS
}

struct Gradient<'a, S> {
    s: S,
    shape: &'a Shape,
    /// All images.
    x: &'a [f32],
    /// The gradients of all results.
    dy: &'a [f32],
    /// Input channels, rounded up to whole vectors.
    inputs: usize,
    groups: Vec<(usize, usize)>,
}

/// The parts of a thread's scratch, which nobody else uses.
struct Parts {
    /// Transformed windows of some channels: (frequency, channel, window).
    few: *mut f32,
    /// Transformed windows: (frequency, panel of channels, window, channel).
    v: *mut f32,
    /// Transformed gradients: (frequency, channel, window).
    g: *mut f32,
}

impl<'a, S: Simd> Gradient<'a, S> {
    fn new(s: S, shape: &'a Shape, x: &'a [f32], dy: &'a [f32]) -> Self {
        let inputs = shape.inputs.next_multiple_of(s_lanes(s));
        Self { s, shape, x, dy, inputs, groups: groups(shape.outputs, rows_of(s)) }
    }

    /// Numbers of the sums of a slot for one frequency.
    fn plane(&self) -> usize {
        self.inputs * self.shape.outputs + PAD
    }
    fn v_plane(&self) -> usize {
        self.inputs * WINDOWS + PAD
    }
    fn g_plane(&self) -> usize {
        self.shape.outputs * WINDOWS + PAD
    }
    fn few_plane() -> usize {
        S::LANES * WINDOWS + PAD
    }

    fn blocks(&self) -> usize {
        self.shape.windows().div_ceil(WINDOWS)
    }

    /// Numbers of the sums of a slot.
    fn size(&self) -> usize {
        FREQUENCIES * self.plane()
    }

    /// Numbers of the transformed windows and gradients of a block.
    fn kept(&self) -> usize {
        FREQUENCIES * (self.v_plane() + self.g_plane())
    }

    /// Over how many slots blocks are shared out; `None` with many channels and few windows, where keeping
    /// all windows is less than keeping sums for each slot.
    fn slots(&self) -> Option<usize> {
        let (blocks, size) = (self.blocks(), self.size());
        let slots = SLOTS.min(SLOT_NUMBERS / size.max(1)).min(blocks).max(1);
        (blocks * self.kept() >= slots * size).then_some(slots)
    }

    fn run(&self) -> (Vec<f32>, Vec<f32>) {
        let (sums, slots, biases) = if let Some(slots) = self.slots() {
            let (sums, biases) = self.by_slots(self.blocks(), slots);
            (sums, slots, biases)
        } else {
            let (sums, biases) = self.by_frequencies(self.blocks(), self.kept());
            (sums, 1, biases)
        };
        (self.finish(&sums, slots, self.size()), self.total(biases))
    }

    /// Adds up the parts of the gradient of the bias.
    fn total(&self, biases: Vec<Vec<f64>>) -> Vec<f32> {
        let mut bias = vec![0.0_f64; self.shape.outputs];
        for part in biases {
            for (total, x) in bias.iter_mut().zip(part) {
                *total += x;
            }
        }
        bias.into_iter().map(|x| x as f32).collect()
    }

    /// The gradient of the bias in the same parts as beside that of the weights; no window of x is read.
    fn run_bias(&self) -> Vec<f32> {
        let blocks = self.blocks();
        let tasks = self.slots().unwrap_or(blocks);
        let biases = (0..tasks).into_par_iter().map(|task| {
            let mut bias = vec![0.0_f64; self.shape.outputs];
            with_scratch(FREQUENCIES * self.g_plane(), |g| {
                for block in task * blocks / tasks..(task + 1) * blocks / tasks {
                    // SAFETY: the scratch is room for all planes of the gradients of a block.
                    unsafe { self.transform_gradients(&self.lanes(block), g, &mut bias) };
                }
            });
            bias
        });
        self.total(biases.collect())
    }

    /// Sums of each slot on its own, one block after the other.
    fn by_slots(&self, blocks: usize, slots: usize) -> (Scratch, Vec<Vec<f64>>) {
        let size = FREQUENCIES * self.plane();
        let few = FREQUENCIES * Self::few_plane();
        let v = FREQUENCIES * self.v_plane();
        let g = FREQUENCIES * self.g_plane();
        let steps = [self.g_plane(), self.v_plane(), self.plane()];
        let at_once = if self.shape.outputs <= AT_ONCE { FREQUENCIES } else { 1 };
        let mut sums = Scratch::new(slots * size);
        let place = Place::new(sums.start());
        let biases = (0..slots).into_par_iter().map(|slot| {
            let sums = place.get().wrapping_add(slot * size);
            let mut bias = vec![0.0_f64; self.shape.outputs];
            let range = slot * blocks / slots..(slot + 1) * blocks / slots;
            with_scratch(few + v + g, |start| {
                let g = start.wrapping_add(few + v);
                let parts = Parts { few: start, v: start.wrapping_add(few), g };
                for block in range.clone() {
                    // SAFETY: the scratch has room for the three parts, and the sums of a slot are this task's, as
                    // many as `plane` for each frequency; the first block writes what others are added to.
                    unsafe {
                        self.transform(block, &parts, &mut bias);
                        for f in (0..FREQUENCIES).step_by(at_once) {
                            self.s.follow(Products {
                                job: self,
                                parts: &parts,
                                frequencies: (f, (at_once, steps)),
                                sums,
                                to: To::after(block == range.start),
                            });
                        }
                    }
                }
            });
            bias
        });
        let biases = biases.collect();
        (sums, biases)
    }

    /// All windows first, `kept` numbers for each block; then the sums of each frequency on their own.
    fn by_frequencies(&self, blocks: usize, kept: usize) -> (Scratch, Vec<Vec<f64>>) {
        let mut windows = Scratch::new(blocks * kept);
        let place = Place::new(windows.start());
        let parts = |few: *mut f32, block: usize| {
            let v = place.get().wrapping_add(block * kept);
            Parts { few, v, g: v.wrapping_add(FREQUENCIES * self.v_plane()) }
        };
        let biases = (0..blocks).into_par_iter().map(|block| {
            let mut bias = vec![0.0_f64; self.shape.outputs];
            // SAFETY: the scratch is room for `few`, and each block has room for its windows and gradients.
            with_scratch(FREQUENCIES * Self::few_plane(), |few| unsafe {
                self.transform(block, &parts(few, block), &mut bias);
            });
            bias
        });
        let biases = biases.collect();
        let mut sums = Scratch::new(FREQUENCIES * self.plane());
        let sums_place = Place::new(sums.start());
        (0..FREQUENCIES).into_par_iter().for_each(|f| {
            let products = Products {
                job: self,
                parts: &parts(std::ptr::null_mut(), 0),
                frequencies: (f, (blocks, [kept, kept, 0])),
                sums: sums_place.get(),
                to: To::Nothing,
            };
            // SAFETY: the windows of all blocks are transformed, `kept` apart, and only read from here on; the sums
            // of a frequency are this task's.
            unsafe { self.s.follow(products) };
        });
        (sums, biases)
    }

    /// Transforms windows and gradients of a block and adds to the gradient of the bias.
    ///
    /// # Safety
    /// There must be room for all planes of the three parts.
    unsafe fn transform(&self, block: usize, parts: &Parts, bias: &mut [f64]) {
        let lanes = self.lanes(block);
        // SAFETY: the parts are the caller's promise, the lanes those of the block.
        unsafe {
            self.s.follow(Transform { job: self, lanes: &lanes, parts });
            self.transform_gradients(&lanes, parts.g, bias);
        }
    }

    /// Transforms the gradients of a block, whose lanes these are, to `g` and adds to the gradient of the bias.
    ///
    /// # Safety
    /// There must be room for all planes of `g`, which is this task's.
    unsafe fn transform_gradients(&self, lanes: &[[Lanes; 4]], g: *mut f32, bias: &mut [f64]) {
        // SAFETY: the room is the caller's promise.
        unsafe { self.s.follow(TransformGradients { job: self, lanes, g }) };
        for (o, total) in bias.iter_mut().enumerate() {
            // SAFETY: row `o` of `outputs` in a plane of the transformed gradients, WINDOWS numbers, which
            // were just written and nobody changes meanwhile: they are this task's.
            let row = unsafe {
                let row = g.add(SUM * self.g_plane() + o * WINDOWS);
                std::slice::from_raw_parts(row, WINDOWS)
            };
            *total += f64::from(row.iter().sum::<f32>());
        }
    }

    fn lanes(&self, block: usize) -> Vec<[Lanes; 4]> {
        let one = |first| Lanes::new(self.shape, first, S::LANES / 4);
        (0..WINDOWS / S::LANES)
            .map(|v| {
                let first = block * WINDOWS + v * S::LANES;
                std::array::from_fn(|k| one(first + k * (S::LANES / 4)))
            })
            .collect()
    }

    /// Where the panel of a channel begins in a plane of `v`, and its width.
    fn panel(&self, channel: usize) -> (usize, usize) {
        let first = channel / (2 * S::LANES) * 2 * S::LANES;
        (first * WINDOWS, (self.inputs - first).min(2 * S::LANES))
    }

    /// Adds the slots up and transforms to 3x3.
    fn finish(&self, sums: &Scratch, slots: usize, size: usize) -> Vec<f32> {
        let sums = Place::new(sums.read());
        let (inputs, outputs) = (self.shape.inputs, self.shape.outputs);
        let all = |weights: *mut f32| {
            let weights = Place::new(weights);
            (0..outputs).into_par_iter().for_each(|o| {
                for channel in (0..self.inputs).step_by(S::LANES) {
                    let from = sums.get().wrapping_add(o * self.inputs + channel);
                    // SAFETY: a vector of one row of the sums, which were written in every slot.
                    let taps = unsafe { self.s.follow(Finish { job: self, from, slots, size }) };
                    for c in channel..(channel + S::LANES).min(inputs) {
                        let row: [f32; 9] = std::array::from_fn(|i| taps[i][c - channel]);
                        // SAFETY: c is below the inputs, so these nine are weights of this output channel, which
                        // is one task.
                        unsafe {
                            let to = weights.get().add((o * inputs + c) * 9);
                            to.copy_from_nonoverlapping(row.as_ptr(), 9);
                        }
                    }
                }
            });
        };
        // SAFETY: all channels of all outputs are written, nine weights each. The length does not overflow:
        // `Plan::new` counted the weights.
        unsafe { written(outputs * inputs * 9, all) }
    }
}

/// Transforms the windows of a block.
struct Transform<'a, S> {
    job: &'a Gradient<'a, S>,
    /// Of the block.
    lanes: &'a [[Lanes; 4]],
    /// Room for all planes.
    parts: &'a Parts,
}

impl<S: Simd> PointerKernel<S> for Transform<'_, S> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        let Self { job, lanes, parts } = self;
        let steps = Steps { frequency: Gradient::<S>::few_plane(), part: 0 };
        for start in (0..job.inputs).step_by(S::LANES) {
            for channel in start..start + S::LANES {
                let map = job.x.as_ptr().wrapping_add(channel * job.shape.in_pixels());
                let ahead = map.wrapping_add(AHEAD * job.shape.in_pixels());
                for (i, lanes) in lanes.iter().enumerate() {
                    transform::expect(s, (ahead, job.shape.width), lanes);
                    // SAFETY: `Lanes` lets through what is inside the image, of channels below `inputs`; x is all
                    // images, as `weight_gradient` checked. `few` has LANES rows of WINDOWS numbers for each
                    // frequency, by the caller's promise.
                    unsafe {
                        let to = parts.few.add((channel - start) * WINDOWS + i * S::LANES);
                        if channel < job.shape.inputs {
                            let from = (map, job.shape.width);
                            transform::input::<S, Four>(s, from, lanes, (to, steps));
                        } else {
                            for f in 0..FREQUENCIES {
                                s.store(to.add(f * steps.frequency), s.splat(0.0));
                            }
                        }
                    }
                }
            }
            let (panel, width) = job.panel(start);
            for f in 0..FREQUENCIES {
                for window in (0..WINDOWS).step_by(S::LANES) {
                    // SAFETY: LANES rows of WINDOWS numbers were just written; a plane of `v` has a panel of
                    // WINDOWS rows of `width` numbers, of which these are a vector's worth of columns.
                    unsafe {
                        let from =
                            parts.few.add(f * Gradient::<S>::few_plane() + window).cast_const();
                        let to = parts.v.add(
                            f * job.v_plane() + panel + window * width + start % (2 * S::LANES),
                        );
                        s.transpose((from, WINDOWS), (to, width));
                    }
                }
            }
        }
    }
}

/// Transforms the gradients of the results of a block.
struct TransformGradients<'a, S> {
    job: &'a Gradient<'a, S>,
    /// Of the block.
    lanes: &'a [[Lanes; 4]],
    /// Room for all planes: (frequency, channel, window).
    g: *mut f32,
}

impl<S: Simd> PointerKernel<S> for TransformGradients<'_, S> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        let Self { job, lanes, g } = self;
        for o in 0..job.shape.outputs {
            let map = job.dy.as_ptr().wrapping_add(o * job.shape.out_pixels());
            let ahead = map.wrapping_add(AHEAD * job.shape.out_pixels());
            for (i, lanes) in lanes.iter().enumerate() {
                transform::expect_results(s, (ahead, job.shape.out_width), lanes);
                // SAFETY: `Lanes` lets through what is inside the results, of which dy is all, as was checked; `g` has
                // `outputs` rows of WINDOWS numbers for each frequency, by the caller's promise.
                unsafe {
                    let to = (g.add(o * WINDOWS + i * S::LANES), job.g_plane());
                    let from = (map, job.shape.out_width);
                    transform::output_gradient(s, from, lanes, to);
                }
            }
        }
    }
}

/// The products of some frequencies of a block, or of one frequency of all blocks.
struct Products<'a, S> {
    job: &'a Gradient<'a, S>,
    /// Of the (first) block, transformed.
    parts: &'a Parts,
    /// The first frequency, and the planes of the product.
    frequencies: (usize, (usize, [usize; 3])),
    /// Room for the sums; nobody else uses these frequencies of them. Written if they are added to.
    sums: *mut f32,
    /// What the products are added to.
    to: To,
}

impl<S: Simd> PointerKernel<S> for Products<'_, S> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        let Self { job, parts, frequencies, sums, to } = self;
        let (start, planes) = frequencies;
        for channel in (0..job.inputs).step_by(2 * S::LANES) {
            let (panel, width) = job.panel(channel);
            for &(first, rows) in &job.groups {
                // SAFETY: each frequency has `outputs` rows of WINDOWS gradients, panels (WINDOWS, width) of
                // windows, both transformed, and `outputs` rows of `inputs` sums, by the caller's
                // promise, as is where the other blocks are.
                unsafe {
                    let a = parts.g.add(start * job.g_plane() + first * WINDOWS).cast_const();
                    let b = parts.v.add(start * job.v_plane() + panel).cast_const();
                    let c = sums.add(start * job.plane() + first * job.inputs + channel);
                    let (b, c) = (
                        Matrix { start: b, stride: width },
                        Matrix { start: c, stride: job.inputs },
                    );
                    let (depth, columns) = (WINDOWS, 1);
                    if width == 2 * S::LANES {
                        Product::<2, WINDOWS> { rows, depth, a, b, c, columns, planes, to }.run(s);
                    } else {
                        Product::<1, WINDOWS> { rows, depth, a, b, c, columns, planes, to }.run(s);
                    }
                }
            }
        }
    }
}

/// The 3x3 gradients of a vector of input channels.
struct Finish<'a, S> {
    job: &'a Gradient<'a, S>,
    /// The vector of the first frequency of the first slot; those of all frequencies and slots are written.
    from: *const f32,
    slots: usize,
    /// Distance between slots.
    size: usize,
}

impl<S: Simd> PointerKernel<S> for Finish<'_, S> {
    type Output = [[f32; 16]; 9];

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) -> Self::Output {
        let Self { job, from, slots, size } = self;
        let mut lines = [[s.splat(0.0); 6]; 3];
        for j in 0..6 {
            let mut column = [s.splat(0.0); 6];
            for (i, sum) in column.iter_mut().enumerate() {
                for slot in 0..slots {
                    let place = slot * size + (i * 6 + j) * job.plane();
                    // SAFETY: rows of sums are whole vectors; that they are written is the caller's promise.
                    *sum = s.add(*sum, unsafe { s.load(from.add(place)) });
                }
            }
            for (line, v) in lines.iter_mut().zip(Four::weight_gradient(s, column)) {
                line[j] = v;
            }
        }
        let mut taps = [[0.0_f32; 16]; 9];
        for (i, line) in lines.into_iter().enumerate() {
            for (j, v) in Four::weight_gradient(s, line).into_iter().enumerate() {
                // SAFETY: a vector has at most 16 numbers, and there are 16.
                unsafe { s.store(taps[3 * i + j].as_mut_ptr(), v) };
            }
        }
        taps
    }
}
