//! Convolutions of any size and stride, and the gradient of their input: patches times weights.
//!
//! A block of 128 neighboring pixels of the result is one product of the micro kernel: weights
//! (outputs, values of a patch), packed once a call, times unfolded patches (values, pixels). Pixels
//! are the lanes of vectors, so results are written where they belong. Patches are unfolded some
//! channels at a time, so that what one panel of the product reads stays in the first-level cache and
//! the block in the second. Each result is summed in an order that depends on nothing but the
//! convolution's sizes, and threads share out blocks: results do not depend on their number.
//!
//! Why it is fast: no number is moved one by one, and weights are packed once and not for each
//! product. What bounds it: the multiply-add unit; unfolding costs about 1 / (2 outputs) of the time.
#![expect(unsafe_code, reason = "blocks of images are read and written by several threads")]

mod gradient;
mod patches;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

pub(super) use gradient::weight_gradient;

use super::plan::Plan;
use super::product::{Matrix, PACKED, Product, To, groups};
use super::scratch::{Place, Scratch, with_scratch, written};
use super::simd::{Level, PointerKernel, Simd, with_simd};
use patches::{Block, PIXELS, Panels, Patches, Run, Unfold};

/// Rows of unfolded patches at once. A panel of them and the weights of one group fit the first-level
/// cache.
const DEPTH: usize = 320;
/// Numbers of panels that are used at once: half of the first-level cache.
const L1: usize = 4096;
/// Numbers from one channel of a phase's results to the next: no power of two.
const ROW: usize = PIXELS + 16;
/// With fewer blocks, each is shared out by output channels.
const TASKS: usize = 16;

impl Patches {
    /// Those that a convolution reads.
    fn of(plan: &Plan) -> Self {
        let before = -(plan.conv.before as isize);
        Self {
            channels: plan.inputs,
            height: plan.height,
            width: plan.width,
            kernel: plan.kernel,
            stride: plan.conv.stride,
            first: (before, before),
            out: (plan.out_height, plan.out_width),
        }
        .simplified()
    }

    /// Channels that are unfolded at once: (first, channels) of each part.
    fn parts(&self) -> Vec<(usize, usize)> {
        if self.taps() * self.channels == 0 {
            // The empty sum has to be written, too.
            return vec![(0, 0)];
        }
        groups(self.channels, (DEPTH / self.taps()).max(1))
    }

    /// Rows of the largest part.
    fn rows(&self) -> usize {
        self.parts().iter().map(|part| part.1).max().unwrap_or(0) * self.taps()
    }
}

/// Weights as the micro kernel reads them, in groups of rows.
struct Packed {
    numbers: Scratch,
    /// Values of a patch.
    depth: usize,
    /// First row and rows of each group.
    groups: Vec<(usize, usize)>,
}

impl Packed {
    /// `rows` rows, `step` apart in `values`, of the numbers at `places`.
    fn new(values: &[f32], (rows, step): (usize, usize), places: &[usize], most: usize) -> Self {
        let (groups, depth) = (groups(rows, most), places.len());
        let mut numbers = Scratch::new(rows * depth);
        let start = Place::new(numbers.start());
        groups.par_iter().for_each(|&(first, rows)| {
            let to = start.get().wrapping_add(first * depth);
            for (k, &place) in places.iter().enumerate() {
                for row in 0..rows {
                    // SAFETY: `rows * depth` numbers from `first * depth` on are this group's alone, and groups
                    // share out the rows of the scratch.
                    unsafe { *to.add(k * rows + row) = values[(first + row) * step + place] };
                }
            }
        });
        Self { numbers, depth, groups }
    }
}

/// A convolution ready to run on blocks.
struct Layer<'a, S> {
    s: S,
    patches: Patches,
    packed: &'a Packed,
    bias: Option<&'a [f32]>,
    /// All images.
    x: &'a [f32],
}

/// Where the results of a block go; nobody else writes there.
#[derive(Clone, Copy)]
struct Target {
    /// The first pixel of the block in the first channel.
    start: *mut f32,
    /// Distance of channels.
    stride: usize,
    /// Whether whole vectors fit behind the last pixel.
    has_room: bool,
}

impl<S: Simd> Layer<'_, S> {
    /// Pixels of the micro kernel.
    const COLUMNS: usize = 2 * S::LANES;

    /// A channel of an image; possibly outside of all.
    fn map(&self, image: usize, channel: usize) -> *const f32 {
        let map = image * self.patches.channels + channel;
        self.x.as_ptr().wrapping_add(map * self.patches.pixels())
    }

    fn panels(&self) -> Panels {
        Panels::new(Self::COLUMNS, Self::COLUMNS, self.patches.rows())
    }

    /// Scratch of [`Layer::block`] for some groups.
    fn room(&self, groups: &[(usize, usize)]) -> usize {
        self.panels().len() + groups.iter().map(|group| group.1).sum::<usize>() * Self::COLUMNS
    }

    /// Some groups of output channels of a block.
    ///
    /// # Safety
    /// The block must be one of those of `x`, and the groups of the weights', side by side. `scratch` must
    /// have room as above, and the target be writable, by this thread alone.
    unsafe fn block(
        &self,
        block: Block,
        groups: &[(usize, usize)],
        target: Target,
        scratch: *mut f32,
    ) {
        let Some(&(start, _)) = groups.first() else { return };
        let (patches, panels) = (&self.patches, self.panels());
        let reads = patches.reads(block, S::LANES, &panels);
        // Pixels that fill no micro kernel go by way of a tile.
        let whole = if target.has_room {
            block.count.next_multiple_of(Self::COLUMNS)
        } else {
            block.count / Self::COLUMNS * Self::COLUMNS
        };
        let tile = scratch.wrapping_add(panels.len());
        let parts = patches.parts();
        for (i, &(first, channels)) in parts.iter().enumerate() {
            let map = self.map(block.image, first);
            let row = panels.row;
            // SAFETY: the image of the block has these channels; they are the patches that were planned, and the
            // scratch has room for their panels.
            unsafe {
                let unfold = Unfold { patches, reads: &reads, row, map, channels, to: scratch };
                self.s.follow(unfold);
            }
            // Reading images waits for memory, products do not: the next part is fetched meanwhile.
            let mut ahead = if let Some(&(first, channels)) = parts.get(i + 1) {
                patches.ahead(block, self.map(block.image, first), channels)
            } else {
                let block = patches.after(block);
                patches.ahead(block, self.map(block.image, 0), parts[0].1)
            };
            let depth = channels * patches.taps();
            // Short panels by several at once, as many as the first-level cache holds.
            let at_once = (L1 / (depth * Self::COLUMNS).max(1)).max(1);
            let calls = block.count.div_ceil(at_once * Self::COLUMNS) * groups.len();
            let lines = if patches.taps() > 1 { ahead.part(calls) } else { 0 };
            let mut column = 0;
            while column < block.count {
                let count = ((whole - column.min(whole)) / Self::COLUMNS).clamp(1, at_once);
                let unfolded = scratch.wrapping_add(column / Self::COLUMNS * panels.panel);
                for &(row, rows) in groups {
                    let to = match self.bias {
                        _ if first > 0 => To::Result,
                        None => To::Nothing,
                        Some(bias) => To::Rows(bias[row..row + rows].as_ptr()),
                    };
                    let c = if column < whole {
                        let start = target.start.wrapping_add(row * target.stride + column);
                        Matrix { start, stride: target.stride }
                    } else {
                        let start = tile.wrapping_add((row - start) * Self::COLUMNS);
                        Matrix { start, stride: Self::COLUMNS }
                    };
                    let a = row * self.packed.depth + first * patches.taps() * rows;
                    // SAFETY: the weights of a group are `rows * packed.depth` numbers, of which those of this
                    // part begin at `first * taps * rows`. `Unfold` wrote `depth` rows of each panel up to
                    // whole micro kernels. Results are columns below `whole`, inside the target, or a tile
                    // of its own; the first part (`first` is 0) writes what the others are added to.
                    unsafe {
                        Product::<2, PACKED> {
                            rows,
                            depth,
                            a: self.packed.numbers.read().add(a),
                            b: Matrix { start: unfolded.cast_const(), stride: panels.row },
                            c,
                            columns: 1,
                            planes: (count, [0, panels.panel, Self::COLUMNS]),
                            to,
                        }
                        .run(self.s);
                    }
                    ahead.fetch(self.s, lines);
                }
                column += count * Self::COLUMNS;
            }
        }
        if whole < block.count {
            for row in groups.iter().flat_map(|&(first, rows)| first..first + rows) {
                // SAFETY: the rest of the block in this channel, less than a row of the tile, which was written.
                unsafe {
                    let from = tile.add((row - start) * Self::COLUMNS);
                    let to = target.start.add(row * target.stride + whole);
                    to.copy_from_nonoverlapping(from, block.count - whole);
                }
            }
        }
    }
}

/// Tasks: each block with a part of the groups of output channels.
fn tasks<'a>(
    blocks: &'a [Block],
    groups: &'a [(usize, usize)],
) -> impl IndexedParallelIterator<Item = (Block, &'a [(usize, usize)])> {
    let parts = TASKS.div_ceil(blocks.len().max(1)).min(groups.len()).max(1);
    (0..blocks.len() * parts).into_par_iter().map(move |task| {
        let (block, part, n) = (blocks[task / parts], task % parts, groups.len());
        (block, &groups[part * n / parts..(part + 1) * n / parts])
    })
}

/// y (B, Cout, H', W').
pub(super) fn forward(
    level: Level,
    plan: &Plan,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    assert_eq!(x.len(), plan.in_len(), "images of another size");
    with_simd!(level, s => forward_by(s, plan, x, weight, bias))
}

fn forward_by<S: Simd>(
    s: S,
    plan: &Plan,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let patches = Patches::of(plan);
    let depth = patches.taps() * patches.channels;
    let places: Vec<usize> = (0..depth).collect();
    let packed = Packed::new(weight, (plan.outputs, depth), &places, S::ROWS);
    let layer = Layer { s, patches, packed: &packed, bias, x };
    let (blocks, pixels) = (patches.blocks(plan.batch), patches.count());
    let all = |y: *mut f32| {
        let y = Place::new(y);
        tasks(&blocks, &packed.groups).for_each(|(block, groups)| {
            let start = y.get().wrapping_add(block.image * plan.outputs * pixels + block.start);
            let target = Target { start, stride: pixels, has_room: false };
            with_scratch(layer.room(groups), |scratch| {
                // SAFETY: x is all images, as was checked, and these are their blocks and the groups of the weights.
                // `room` is what `block` asks for. These channels of this block are this task's: `tasks` hands
                // out each block with each group once.
                unsafe { layer.block(block, groups, target, scratch) };
            });
        });
    };
    // SAFETY: blocks are all pixels of all images, and groups all channels; each is written by one task. The
    // length does not overflow: `Plan::new` counted it.
    unsafe { written(plan.out_len(), all) }
}

/// The gradient of the input, (B, Cin, H, W).
///
/// Pixels a stride apart get their gradients by the same taps: each such phase is a convolution of dy
/// with stride 1 and a part of the kernel.
pub(super) fn input_gradient(level: Level, plan: &Plan, weight: &[f32], dy: &[f32]) -> Vec<f32> {
    assert_eq!(dy.len(), plan.out_len(), "gradients of another size");
    with_simd!(level, s => input_gradient_by(s, plan, weight, dy))
}

/// The pixels `shift` (down, across) behind multiples of the stride.
fn phase(plan: &Plan, shift: (usize, usize), weight: &[f32], most: usize) -> (Patches, Packed) {
    let stride = plan.conv.stride;
    // Along one axis: the first tap that reaches these pixels, how many do, and where they read.
    let axis = |shift: usize, kernel: usize| {
        let (first, skipped) =
            ((shift + plan.conv.before) % stride, (shift + plan.conv.before) / stride);
        let taps = kernel.saturating_sub(first).div_ceil(stride);
        (first, taps, skipped as isize + 1 - taps as isize)
    };
    let (kh, kw) = plan.kernel;
    let ((y, down, top), (x, across, left)) = (axis(shift.0, kh), axis(shift.1, kw));
    let patches = Patches {
        channels: plan.outputs,
        height: plan.out_height,
        width: plan.out_width,
        kernel: (down, across),
        stride: 1,
        first: (top, left),
        out: (plan.height.div_ceil(stride), plan.width.div_ceil(stride)),
    };
    let mut places = Vec::with_capacity(plan.outputs * down * across);
    for output in 0..plan.outputs {
        for (ty, tx) in (0..down).rev().flat_map(|ty| (0..across).rev().map(move |tx| (ty, tx))) {
            let tap = (y + ty * stride) * kw + x + tx * stride;
            places.push(output * plan.inputs * kh * kw + tap);
        }
    }
    let packed = Packed::new(weight, (plan.inputs, kh * kw), &places, most);
    (patches, packed)
}

fn input_gradient_by<S: Simd>(s: S, plan: &Plan, weight: &[f32], dy: &[f32]) -> Vec<f32> {
    let stride = plan.conv.stride;
    // Phases beyond the image have no pixels.
    let (down, across) = (stride.min(plan.height).max(1), stride.min(plan.width).max(1));
    let shifts = (0..down).flat_map(|y| (0..across).map(move |x| (y, x)));
    let phases: Vec<_> = shifts.map(|shift| phase(plan, shift, weight, S::ROWS)).collect();
    let layers: Vec<_> = phases
        .iter()
        .map(|(patches, packed)| {
            let patches = if stride == 1 { patches.simplified() } else { *patches };
            Layer { s, patches, packed, bias: None, x: dy }
        })
        .collect();
    let Some(Layer { patches, packed, .. }) = layers.first() else { return Vec::new() };
    let (blocks, pixels) = (patches.blocks(plan.batch), plan.height * plan.width);
    let all = |dx: *mut f32| {
        let dx = Place::new(dx);
        tasks(&blocks, &packed.groups).for_each(|(block, groups)| {
            let image = dx.get().wrapping_add(block.image * plan.inputs * pixels);
            let room = layers.iter().map(|layer| layer.room(groups)).max().unwrap_or(0);
            if stride == 1 {
                let start = image.wrapping_add(block.start);
                let target = Target { start, stride: pixels, has_room: false };
                // SAFETY: as in `forward_by`.
                with_scratch(room, |scratch| unsafe {
                    layers[0].block(block, groups, target, scratch);
                });
                return;
            }
            let (Some(&(start, _)), Some(&(last, rows))) = (groups.first(), groups.last()) else {
                return;
            };
            let channels = start..last + rows;
            let size = channels.len() * ROW;
            with_scratch(room + across * size, |scratch| {
                let results = scratch.wrapping_add(room);
                for (y, layers) in layers.chunks_exact(across).enumerate() {
                    for (x, layer) in layers.iter().enumerate() {
                        let first = results.wrapping_add(x * size).wrapping_sub(start * ROW);
                        let target = Target { start: first, stride: ROW, has_room: true };
                        // SAFETY: `room` is what the largest phase asks for. Results of a phase are a row of ROW
                        // numbers for each channel, with room for whole micro kernels behind the last pixel:
                        // PIXELS is a multiple of them.
                        unsafe { layer.block(block, groups, target, scratch) };
                    }
                    for run in patches.runs(block, PIXELS, PIXELS) {
                        let channels = channels.clone();
                        let phases = (results.cast_const(), size);
                        // SAFETY: every phase just wrote the run's pixels of these channels to rows of ROW numbers;
                        // they belong into this image, and are this task's.
                        unsafe {
                            s.follow(Spread { plan, y, run, channels, phases, image });
                        }
                    }
                }
            });
        });
    };
    // SAFETY: phases share out the pixels of an image, blocks those of a phase and groups the channels; each
    // is written by one task. The length does not overflow: it is that of x.
    unsafe { written(plan.in_len(), all) }
}

/// Writes a run of the pixels of all phases of a line to where they belong.
struct Spread<'a> {
    plan: &'a Plan,
    /// Of the phases, down.
    y: usize,
    /// Of the patches of the first phase.
    run: Run,
    /// At most those of the image.
    channels: std::ops::Range<usize>,
    /// The results of the first phase, a row of [`ROW`] numbers for each of the channels, and the distance
    /// of phases, as many as the stride or the image is wide; the run's are written in all of them.
    phases: (*const f32, usize),
    /// The image, writable; nobody else uses these pixels of these channels.
    image: *mut f32,
}

impl<S: Simd> PointerKernel<S> for Spread<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        let Self { plan, y, run, channels, phases: (start, size), image } = self;
        let stride = plan.conv.stride;
        let line = run.y * stride + y;
        if line >= plan.height {
            return;
        }
        let columns = plan.width - run.x * stride;
        for (row, channel) in channels.enumerate() {
            let from = start.wrapping_add(row * ROW + run.at);
            let to = (channel * plan.height + line) * plan.width + run.x * stride;
            let to = image.wrapping_add(to);
            let mut done = 0;
            // SAFETY: every phase that has pixels has the run's in its row of ROW numbers, `size` apart; the line is
            // inside the image, `columns` of its numbers are behind `to`, and the run's own are used by
            // nobody else. All that is the caller's promise.
            unsafe {
                while stride == 2 && done + S::LANES <= run.len && 2 * (done + S::LANES) <= columns
                {
                    let (a, b) = (s.load(from.add(done)), s.load(from.add(size + done)));
                    let [low, high] = s.zip(a, b);
                    s.store(to.add(2 * done), low);
                    s.store(to.add(2 * done + S::LANES), high);
                    done += S::LANES;
                }
                for at in done * stride..(run.len * stride).min(columns) {
                    *to.add(at) = *from.add(at % stride * size + at / stride);
                }
            }
        }
    }
}
