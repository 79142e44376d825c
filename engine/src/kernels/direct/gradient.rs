//! The gradient of the weights: unfolded patches times the gradient of the results.
//!
//! The same unfolded patches (values, pixels) are now the left factor, and dy, transposed to (pixels,
//! outputs), the right one: only dy, the smaller of the two, has to be turned. Blocks of pixels are
//! shared out over a fixed number of slots with sums of their own, which are added in order: results
//! do not depend on the number of threads. What bounds it: the multiply-add unit.
#![expect(unsafe_code, reason = "blocks of images are read by several threads, scratch is written")]

use rayon::prelude::*;

use super::super::plan::Plan;
use super::super::product::{Matrix, Product, To, groups};
use super::super::scratch::{Place, Scratch, with_scratch, written};
use super::super::simd::{Level, PointerKernel, Simd, with_simd};
use super::super::turn::turn;
use super::TASKS;
use super::patches::{Block, PIXELS, Panels, Patches, Unfold};

/// Numbers from one row of unfolded patches to the next: no power of two.
const ROW: usize = PIXELS + 16;

/// dW (Cout, Cin, kh, kw) of x (B, Cin, H, W) and dy (B, Cout, H', W').
pub(in crate::kernels) fn weight_gradient(
    level: Level,
    plan: &Plan,
    x: &[f32],
    dy: &[f32],
) -> Vec<f32> {
    assert_eq!(x.len(), plan.in_len(), "images of another size");
    assert_eq!(dy.len(), plan.out_len(), "gradients of another size");
    with_simd!(level, s => {
        let patches = Patches::of(plan);
        let blocks = patches.blocks(plan.batch);
        Gradient {
            s,
            patches,
            outputs: plan.outputs,
            slots: TASKS.div_ceil(patches.parts().len()).min(blocks.len()),
            blocks,
            x,
            dy,
        }
        .run()
    })
}

struct Gradient<'a, S> {
    s: S,
    patches: Patches,
    outputs: usize,
    slots: usize,
    blocks: Vec<Block>,
    /// All images.
    x: &'a [f32],
    /// The gradients of all results.
    dy: &'a [f32],
}

impl<S: Simd> Gradient<'_, S> {
    /// Output channels, rounded up to whole vectors.
    fn columns(&self) -> usize {
        self.outputs.next_multiple_of(S::LANES)
    }

    /// Values of a patch.
    fn depth(&self) -> usize {
        self.patches.taps() * self.patches.channels
    }

    /// The panel of outputs that begins at one of them has so many.
    fn panel(&self, output: usize) -> usize {
        (self.columns() - output).min(2 * S::LANES)
    }

    /// A block is one panel.
    fn panels(&self) -> Panels {
        Panels::new(PIXELS, ROW, self.patches.rows())
    }

    fn run(&self) -> Vec<f32> {
        let (depth, columns) = (self.depth(), self.columns());
        let parts = self.patches.parts();
        let mut sums = Scratch::new(self.slots * depth * columns);
        let place = Place::new(sums.start());
        (0..self.slots * parts.len()).into_par_iter().for_each(|task| {
            let (slot, (first, channels)) = (task / parts.len(), parts[task % parts.len()]);
            let n = self.blocks.len();
            let blocks = &self.blocks[slot * n / self.slots..(slot + 1) * n / self.slots];
            let row = slot * depth + first * self.patches.taps();
            let sums = place.get().wrapping_add(row * columns);
            let unfolded = self.panels().len();
            with_scratch(unfolded + columns * PIXELS, |scratch| {
                let turned = scratch.wrapping_add(unfolded);
                for (i, &block) in blocks.iter().enumerate() {
                    let places = (scratch, turned, sums);
                    let to = To::after(i == 0);
                    // SAFETY: the scratch has room for both, and the sums of these channels of this slot are this
                    // task's; the first block writes them.
                    unsafe { self.block(block, (first, channels), places, to) };
                }
            });
        });
        let sums = Place::new(sums.read());
        let all = |weights: *mut f32| {
            let weights = Place::new(weights);
            (0..columns / S::LANES).into_par_iter().for_each(|vector| {
                let to = weights.get();
                let output = vector * S::LANES;
                let sums = sums.get();
                // SAFETY: every slot has a block (there are at most as many slots), so all its sums were written. The
                // weights of these outputs are this task's.
                unsafe { self.s.follow(Finish { job: self, output, sums, to }) };
            });
        };
        // SAFETY: vectors of outputs share out all outputs, and `Finish` writes `depth` weights of each. The
        // length cannot overflow: `Plan::new` counted the weights.
        unsafe { written(self.outputs * depth, all) }
    }

    /// Adds the gradient of one block by some channels to their sums. Room: unfolded patches, dy
    /// transposed, the sums.
    ///
    /// # Safety
    /// There must be such room, of this thread alone: `panels` numbers, a row of PIXELS for each column, and
    /// a row of `columns` for each value of a patch, which are written if they are added to.
    unsafe fn block(
        &self,
        block: Block,
        (first, channels): (usize, usize),
        (unfolded, turned, sums): (*mut f32, *mut f32, *mut f32),
        to: To,
    ) {
        let patches = &self.patches;
        let reads = patches.reads(block, S::LANES, &self.panels());
        let map = (block.image * patches.channels + first) * patches.pixels();
        let map = self.x.as_ptr().wrapping_add(map);
        // SAFETY: the block is one of those of x and dy, whose sizes were checked, and both rooms are the
        // caller's promise.
        unsafe {
            let unfold = Unfold { patches, reads: &reads, row: ROW, map, channels, to: unfolded };
            self.s.follow(unfold);
            self.s.follow(Turn { job: self, block, to: turned });
        }
        let columns = self.columns();
        for output in (0..columns).step_by(2 * S::LANES) {
            let width = self.panel(output);
            for (row, rows) in groups(channels * patches.taps(), S::ROWS) {
                // SAFETY: by their room, said above: `unfolded` has a row of ROW numbers for each value of a patch,
                // `turned` a panel (pixel, width) at `output * PIXELS`, `sums` a row of `columns` for each
                // value. `Unfold` and `Turn` wrote the numbers of all pixels of the block, and the first
                // block of a slot writes the sums that the others are added to.
                unsafe {
                    let a = unfolded.add(row * ROW).cast_const();
                    let start = turned.add(output * PIXELS).cast_const();
                    let b = Matrix { start, stride: width };
                    let c = Matrix { start: sums.add(row * columns + output), stride: columns };
                    let (depth, columns, planes) = (block.count, 1, (1, [0; 3]));
                    if width == 2 * S::LANES {
                        Product::<2, ROW> { rows, depth, a, b, c, columns, planes, to }.run(self.s);
                    } else {
                        Product::<1, ROW> { rows, depth, a, b, c, columns, planes, to }.run(self.s);
                    }
                }
            }
        }
    }
}

/// Transposes dy of a block: (panel of outputs, pixel, output).
struct Turn<'a, S> {
    job: &'a Gradient<'a, S>,
    /// One of the job's.
    block: Block,
    /// Room for it that nobody else uses.
    to: *mut f32,
}

impl<S: Simd> PointerKernel<S> for Turn<'_, S> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        let Self { job, block, to } = self;
        let pixels = job.patches.count();
        let start = job.dy.as_ptr().wrapping_add(block.image * job.outputs * pixels + block.start);
        for output in (0..job.outputs).step_by(2 * S::LANES) {
            let from = Matrix { start: start.wrapping_add(output * pixels), stride: pixels };
            let to = to.wrapping_add(output * PIXELS);
            let (width, rows) = (job.panel(output), (job.outputs - output).min(2 * S::LANES));
            // SAFETY: dy has these outputs and the block's pixels (`weight_gradient` checked its length); the
            // panel has a row of `width` numbers for each pixel, and `width` is outputs rounded up to whole
            // vectors.
            unsafe { turn(s, from, (rows, block.count), Matrix { start: to, stride: width }) };
        }
    }
}

/// Adds the slots up and transposes a vector of outputs.
struct Finish<'a, S> {
    job: &'a Gradient<'a, S>,
    /// The first of the vector.
    output: usize,
    /// Those of all slots, written.
    sums: *const f32,
    /// The weights, writable; nobody else uses those of these outputs.
    to: *mut f32,
}

impl<S: Simd> PointerKernel<S> for Finish<'_, S> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        let Self { job, output, sums, to } = self;
        let (depth, columns) = (job.depth(), job.columns());
        let (mut rows, mut turned) = ([0.0_f32; 256], [0.0_f32; 256]);
        for start in (0..depth).step_by(S::LANES) {
            let count = S::LANES.min(depth - start);
            // SAFETY: a vector has at most 16 numbers, so squares fit both arrays. The sums (depth, columns) of all
            // slots were written, by the caller's promise. Weights of an output are `depth` numbers, of which
            // these are `count` from `start` on.
            unsafe {
                for row in 0..count {
                    let mut sum = s.splat(0.0);
                    for slot in 0..job.slots {
                        let place = (slot * depth + start + row) * columns + output;
                        sum = s.add(sum, s.load(sums.add(place)));
                    }
                    s.store(rows.as_mut_ptr().add(row * S::LANES), sum);
                }
                s.transpose((rows.as_ptr(), S::LANES), (turned.as_mut_ptr(), S::LANES));
                for row in 0..S::LANES.min(job.outputs - output) {
                    let from = turned.as_ptr().add(row * S::LANES);
                    let to = to.add((output + row) * depth + start);
                    to.copy_from_nonoverlapping(from, count);
                }
            }
        }
    }
}
