//! 2-D convolution on the CPU with its gradients: blocks of unfolded pixels times the weights.
//!
//! Images stay (B, C, H, W). A block is a range of output pixels of one image; its unfolded patches
//! (Cin kh kw, pixels) fit the second-level cache, and one product per block gives all output
//! channels. Blocks are independent, and what is summed over blocks (the weights' gradient) is
//! summed over a fixed number of slots, so results do not depend on the number of threads.
#![expect(unsafe_code, reason = "blocks of one image are written by several threads")]

use candle_core::{Error, Result};
use rayon::prelude::*;

use super::raw::{Shared, Strides, add_product, sum_of, wide};
use super::{Conv, Exactness, simd, winograd};

/// Unfolded values of a block: 512 KB. Smaller blocks stay in the second-level cache, but then every
/// product packs the weights for too few pixels.
const BLOCK: usize = 128 * 1024;
/// Partial sums of the weights' gradient, whatever the number of threads.
const SLOTS: usize = 16;

/// Sizes of one convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    batch: usize,
    inputs: usize,
    height: usize,
    width: usize,
    outputs: usize,
    kernel: (usize, usize),
    out_height: usize,
    out_width: usize,
    conv: Conv,
}

impl Plan {
    /// The plan for x (B, Cin, H, W) and weights (Cout, Cin, kh, kw).
    pub(super) fn new(x: &[usize], weight: &[usize], conv: Conv) -> Result<Self> {
        let (&[batch, inputs, height, width], &[outputs, w_inputs, kh, kw]) = (x, weight) else {
            return Err(Error::Msg(format!("conv2d: {x:?} by {weight:?} needs two 4-D tensors")));
        };
        let padding = conv.before + conv.after;
        if inputs != w_inputs || conv.stride == 0 || kh * kw == 0 {
            return Err(Error::Msg(format!(
                "conv2d: images {x:?} do not fit weights {weight:?}, stride {}",
                conv.stride
            )));
        }
        if height + padding < kh || width + padding < kw {
            return Err(Error::Msg(format!(
                "conv2d: images {x:?} with {padding} rows of padding are smaller than {kh}x{kw}"
            )));
        }
        Ok(Self {
            batch,
            inputs,
            height,
            width,
            outputs,
            kernel: (kh, kw),
            out_height: (height + padding - kh) / conv.stride + 1,
            out_width: (width + padding - kw) / conv.stride + 1,
            conv,
        })
    }

    /// Values of a patch, K = Cin kh kw.
    fn patch(&self) -> usize {
        self.inputs * self.kernel.0 * self.kernel.1
    }
    fn in_pixels(&self) -> usize {
        self.height * self.width
    }
    fn out_pixels(&self) -> usize {
        self.out_height * self.out_width
    }
    /// (B, Cout, H', W')
    pub(super) fn out_dims(&self) -> [usize; 4] {
        [self.batch, self.outputs, self.out_height, self.out_width]
    }
    /// A 1x1 convolution reads the image as it is.
    fn is_pointwise(&self) -> bool {
        self.kernel == (1, 1) && self.conv.with(Exactness::Tokens) == Conv::same(0)
    }

    /// All blocks, image by image: (image, first pixel, pixels).
    fn blocks(&self) -> Vec<(usize, usize, usize)> {
        let pixels = self.out_pixels();
        let least = if self.is_pointwise() { 1024 } else { 64 };
        let size = (BLOCK / self.patch().max(1)).max(least).next_multiple_of(16);
        let size = size.min(pixels.max(1));
        (0..self.batch)
            .flat_map(|image| {
                (0..pixels).step_by(size).map(move |start| (image, start, size.min(pixels - start)))
            })
            .collect()
    }

    /// The convolution that gives the gradient of the input: of dy with turned weights. Only for
    /// stride 1 and square kernels.
    fn turned(&self) -> Option<Self> {
        let (kh, kw) = self.kernel;
        let last = kh.checked_sub(1)?;
        if self.conv.stride != 1 || kh != kw || self.conv.before > last || self.conv.after > last {
            return None;
        }
        Some(Self {
            inputs: self.outputs,
            outputs: self.inputs,
            height: self.out_height,
            width: self.out_width,
            out_height: self.height,
            out_width: self.width,
            conv: Conv::new(1, last - self.conv.before, last - self.conv.after)
                .with(Exactness::Fast),
            ..*self
        })
    }

    /// As Winograd's algorithm takes it: 3x3, stride 1, enough windows to fill a vector.
    fn winograd(&self) -> Option<winograd::Shape> {
        let windows = self.batch * self.out_height.div_ceil(4) * self.out_width.div_ceil(4);
        let fits = self.kernel == (3, 3) && self.conv.stride == 1 && windows >= 4;
        (fits && self.inputs > 0 && self.outputs > 0).then_some(winograd::Shape {
            batch: self.batch,
            inputs: self.inputs,
            outputs: self.outputs,
            height: self.height,
            width: self.width,
            out_height: self.out_height,
            out_width: self.out_width,
            before: self.conv.before,
        })
    }
}

/// Writes the patches of `pixels` output pixels from `start` on into `out`, (K, pixels).
fn unfold(plan: &Plan, image: &[f32], (start, pixels): (usize, usize), out: &mut [f32]) {
    let (kh, kw) = plan.kernel;
    let same = plan.conv.stride == 1 && plan.out_width == plan.width;
    for (row, out) in out.chunks_exact_mut(pixels).enumerate() {
        let (channel, ky, kx) = (row / (kh * kw), row / kw % kh, row % kw);
        let map = &image[channel * plan.in_pixels()..(channel + 1) * plan.in_pixels()];
        if same {
            unfold_shifted(plan, map, start, (ky, kx), out);
        } else {
            unfold_rows(plan, map, start, (ky, kx), out);
        }
    }
}

/// Stride 1 and equal widths: a tap is the map itself, shifted, with what wrapped around set to 0.
fn unfold_shifted(
    plan: &Plan,
    map: &[f32],
    start: usize,
    (ky, kx): (usize, usize),
    out: &mut [f32],
) {
    let width = plan.width as isize;
    let before = plan.conv.before as isize;
    let dx = kx as isize - before;
    let first = start as isize + (ky as isize - before) * width + dx;
    let pixels = out.len() as isize;
    // Places of `out` whose source lies inside the map.
    let low = (-first).clamp(0, pixels) as usize;
    let high = (map.len() as isize - first).clamp(low as isize, pixels) as usize;
    out[..low].fill(0.0);
    out[high..].fill(0.0);
    if low < high {
        let from = (first + low as isize) as usize;
        out[low..high].copy_from_slice(&map[from..from + (high - low)]);
    }
    // Columns whose source is beyond the left or right edge.
    let wrapped = if dx < 0 { 0..(-dx).min(width) } else { (width - dx).max(0)..width };
    for x in wrapped {
        let skip = (x - start as isize).rem_euclid(width) as usize;
        for value in out.iter_mut().skip(skip).step_by(plan.width) {
            *value = 0.0;
        }
    }
}

/// Any stride: row by row.
fn unfold_rows(plan: &Plan, map: &[f32], start: usize, (ky, kx): (usize, usize), out: &mut [f32]) {
    let Conv { stride, before, .. } = plan.conv;
    let (mut y, mut x, mut at) = (start / plan.out_width, start % plan.out_width, 0);
    while at < out.len() {
        let count = (plan.out_width - x).min(out.len() - at);
        let part = &mut out[at..at + count];
        match (y * stride + ky).checked_sub(before).filter(|&row| row < plan.height) {
            Some(row) => {
                let line = &map[row * plan.width..(row + 1) * plan.width];
                for (i, value) in part.iter_mut().enumerate() {
                    let column = ((x + i) * stride + kx).checked_sub(before);
                    *value = column.and_then(|c| line.get(c)).copied().unwrap_or(0.0);
                }
            }
            None => part.fill(0.0),
        }
        at += count;
        (y, x) = (y + 1, 0);
    }
}

/// Adds patches back to where they came from: the reverse of [`unfold_rows`] for a whole image.
fn fold(plan: &Plan, columns: &[f32], (start, pixels): (usize, usize), image: &mut [f32]) {
    let (kh, kw) = plan.kernel;
    let Conv { stride, before, .. } = plan.conv;
    for (row, column) in columns.chunks_exact(pixels).enumerate() {
        let (channel, ky, kx) = (row / (kh * kw), row / kw % kh, row % kw);
        let map = &mut image[channel * plan.in_pixels()..(channel + 1) * plan.in_pixels()];
        let (mut y, mut x, mut at) = (start / plan.out_width, start % plan.out_width, 0);
        while at < pixels {
            let count = (plan.out_width - x).min(pixels - at);
            if let Some(r) = (y * stride + ky).checked_sub(before).filter(|&r| r < plan.height) {
                let line = &mut map[r * plan.width..(r + 1) * plan.width];
                for (i, value) in column[at..at + count].iter().enumerate() {
                    let place = ((x + i) * stride + kx).checked_sub(before);
                    if let Some(target) = place.and_then(|c| line.get_mut(c)) {
                        *target += value;
                    }
                }
            }
            at += count;
            (y, x) = (y + 1, 0);
        }
    }
}

/// y (B, Cout, H', W').
pub(super) fn forward(plan: &Plan, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    match plan.winograd() {
        Some(shape) => {
            let exact = plan.conv.exactness == Exactness::Tokens;
            let weights = (winograd::Taps::new(weight, plan.inputs), bias);
            winograd::forward(simd::best(), &shape, x, weights, exact)
        }
        None => unfolded(plan, x, weight, bias),
    }
}

/// The same by unfolded patches.
fn unfolded(plan: &Plan, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let (pixels, k) = (plan.out_pixels(), plan.patch());
    let image_len = plan.inputs * plan.in_pixels();
    let mut y = vec![0.0; plan.batch * plan.outputs * pixels];
    let shared = Shared::new(&mut y);
    plan.blocks().into_par_iter().for_each_init(Vec::new, |columns, (image, start, count)| {
        let map = &x[image * image_len..(image + 1) * image_len];
        let first = image * plan.outputs * pixels + start;
        for (channel, &value) in bias.unwrap_or_default().iter().enumerate() {
            // SAFETY: blocks are disjoint ranges of pixels, and each is visited once.
            unsafe { shared.part(first + channel * pixels, count) }.fill(value);
        }
        let patches = if plan.is_pointwise() {
            (&map[start..], Strides::by_rows(pixels))
        } else {
            columns.resize(k * count, 0.0);
            unfold(plan, map, (start, count), columns);
            (&**columns, Strides::by_rows(count))
        };
        // SAFETY: as above.
        unsafe {
            shared.add_product(
                (first, Strides::by_rows(pixels)),
                (plan.outputs, count, k),
                (weight, Strides::by_rows(k)),
                patches,
            );
        }
    });
    y
}

/// The gradient of the input, (B, Cin, H, W).
pub(super) fn input_gradient(plan: &Plan, weight: &[f32], dy: &[f32]) -> Vec<f32> {
    let k = plan.patch();
    if let Some(turned) = plan.turned() {
        return match turned.winograd() {
            Some(shape) => {
                let weights = (winograd::Taps::turned(weight, plan.inputs), None);
                winograd::forward(simd::best(), &shape, dy, weights, false)
            }
            None => unfolded(&turned, dy, &turn(plan, weight), None),
        };
    }
    let (pixels, image_len) = (plan.out_pixels(), plan.inputs * plan.in_pixels());
    let mut dx = vec![0.0; plan.batch * image_len];
    let blocks: Vec<_> = plan.blocks().into_iter().filter(|block| block.0 == 0).collect();
    dx.par_chunks_mut(image_len.max(1)).zip(dy.par_chunks(plan.outputs * pixels)).for_each_init(
        Vec::new,
        |columns, (dx, dy)| {
            for &(_, start, count) in &blocks {
                columns.clear();
                columns.resize(k * count, 0.0);
                add_product(
                    (columns, Strides::by_rows(count)),
                    (k, count, plan.outputs),
                    (weight, Strides::by_rows(k).transposed()),
                    (&dy[start..], Strides::by_rows(pixels)),
                );
                fold(plan, columns, (start, count), dx);
            }
        },
    );
    dx
}

/// (Cout, Cin, k, k) → (Cin, Cout, k, k), turned by half a circle.
fn turn(plan: &Plan, weight: &[f32]) -> Vec<f32> {
    let taps = plan.kernel.0 * plan.kernel.1;
    let mut turned = vec![0.0; weight.len()];
    for (row, kernel) in weight.chunks_exact(taps).enumerate() {
        let (output, input) = (row / plan.inputs, row % plan.inputs);
        let place = (input * plan.outputs + output) * taps;
        for (tap, &value) in kernel.iter().rev().enumerate() {
            turned[place + tap] = value;
        }
    }
    turned
}

/// The gradient of the weights, (Cout, Cin, kh, kw).
fn weight_gradient(plan: &Plan, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let (pixels, k) = (plan.out_pixels(), plan.patch());
    let image_len = plan.inputs * plan.in_pixels();
    let blocks = plan.blocks();
    let per_slot = blocks.len().div_ceil(SLOTS).max(1);
    let slots: Vec<Vec<f32>> = blocks
        .par_chunks(per_slot)
        .map(|blocks| {
            let mut sum = vec![0.0; plan.outputs * k];
            let mut columns = Vec::new();
            for &(image, start, count) in blocks {
                let map = &x[image * image_len..(image + 1) * image_len];
                let patches = if plan.is_pointwise() {
                    (&map[start..], Strides::by_rows(pixels).transposed())
                } else {
                    columns.resize(k * count, 0.0);
                    unfold(plan, map, (start, count), &mut columns);
                    (&*columns, Strides::by_rows(count).transposed())
                };
                add_product(
                    (&mut sum, Strides::by_rows(k)),
                    (plan.outputs, k, count),
                    (&dy[image * plan.outputs * pixels + start..], Strides::by_rows(pixels)),
                    patches,
                );
            }
            sum
        })
        .collect();
    let mut total = vec![0.0; plan.outputs * k];
    for slot in slots {
        for (total, value) in total.iter_mut().zip(slot) {
            *total += value;
        }
    }
    total
}

/// The gradients of weights and bias.
pub(super) fn parameter_gradients(plan: &Plan, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    match plan.winograd() {
        Some(shape) => winograd::weight_gradient(simd::best(), &shape, x, dy),
        None => (weight_gradient(plan, x, dy), bias_gradient(plan, dy)),
    }
}

/// The gradient of the bias, (Cout,).
fn bias_gradient(plan: &Plan, dy: &[f32]) -> Vec<f32> {
    let pixels = plan.out_pixels();
    (0..plan.outputs)
        .into_par_iter()
        .map(|channel| {
            (0..plan.batch)
                .map(|image| {
                    let first = (image * plan.outputs + channel) * pixels;
                    let map = &dy[first..first + pixels];
                    wide(|| sum_of(map.len(), |i| map[i]))
                })
                .sum::<f64>() as f32
        })
        .collect()
}
