//! 2-D convolution on the CPU with its gradients: which algorithm computes it.
//!
//! Images stay (B, C, H, W). 3x3 with stride 1 goes by Winograd's algorithm, all else by products of
//! unfolded patches.

use candle_core::{Error, Result};
use rayon::prelude::*;

use super::raw::{count, sum_of, wide};
use super::{Conv, Exactness, direct, simd, winograd};

/// Sizes of one convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) batch: usize,
    pub(super) inputs: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) outputs: usize,
    pub(super) kernel: (usize, usize),
    pub(super) out_height: usize,
    pub(super) out_width: usize,
    pub(super) conv: Conv,
}

impl Plan {
    /// The plan for x (B, Cin, H, W) and weights (Cout, Cin, kh, kw).
    pub(super) fn new(x: &[usize], weight: &[usize], conv: Conv) -> Result<Self> {
        let (&[batch, inputs, height, width], &[outputs, w_inputs, kh, kw]) = (x, weight) else {
            return Err(Error::Msg(format!("conv2d: {x:?} by {weight:?} needs two 4-D tensors")));
        };
        let too_much = || {
            let text = format!("conv2d: {x:?} with {conv:?} is more than memory can hold");
            Error::Msg(text).bt()
        };
        let padding = conv.before.checked_add(conv.after).ok_or_else(too_much)?;
        let padded = |size: usize| size.checked_add(padding).ok_or_else(too_much);
        let (padded_height, padded_width) = (padded(height)?, padded(width)?);
        if inputs != w_inputs || conv.stride == 0 || kh == 0 || kw == 0 {
            return Err(Error::Msg(format!(
                "conv2d: images {x:?} do not fit weights {weight:?}, stride {}",
                conv.stride
            )));
        }
        if padded_height < kh || padded_width < kw {
            return Err(Error::Msg(format!(
                "conv2d: images {x:?} with {padding} rows of padding are smaller than {kh}x{kw}"
            )));
        }
        // Kernels read and write by products of these sizes and of places in the padded images. Where a size
        // is 0 there may be no memory behind the others, so that nothing else bounds them.
        let most = inputs.max(outputs).max(1);
        count(&[batch.max(1), most, padded_height.max(1), padded_width.max(1)])?;
        count(&[inputs.max(1), outputs.max(1), kh, kw])?;
        Ok(Self {
            batch,
            inputs,
            height,
            width,
            outputs,
            kernel: (kh, kw),
            out_height: (padded_height - kh) / conv.stride + 1,
            out_width: (padded_width - kw) / conv.stride + 1,
            conv,
        })
    }

    /// Numbers of all images.
    pub(super) fn in_len(&self) -> usize {
        self.batch * self.inputs * self.height * self.width
    }
    fn out_pixels(&self) -> usize {
        self.out_height * self.out_width
    }
    /// Numbers of all results.
    pub(super) fn out_len(&self) -> usize {
        self.batch * self.outputs * self.out_pixels()
    }
    /// (B, Cout, H', W')
    pub(super) fn out_dims(&self) -> [usize; 4] {
        [self.batch, self.outputs, self.out_height, self.out_width]
    }
    /// The convolution that gives the gradient of the input: of dy with turned weights. Only for
    /// stride 1, square kernels and no more zeros than the kernel reaches over.
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

/// y (B, Cout, H', W').
pub(super) fn forward(plan: &Plan, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    match plan.winograd() {
        Some(shape) => {
            let exact = plan.conv.exactness == Exactness::Tokens;
            let weights = (winograd::Taps::new(weight, plan.inputs), bias);
            winograd::forward(simd::best(), &shape, x, weights, exact)
        }
        None => direct::forward(simd::best(), plan, x, weight, bias),
    }
}

/// The gradient of the input, (B, Cin, H, W).
pub(super) fn input_gradient(plan: &Plan, weight: &[f32], dy: &[f32]) -> Vec<f32> {
    match plan.turned().and_then(|turned| turned.winograd()) {
        Some(shape) => {
            let weights = (winograd::Taps::turned(weight, plan.inputs), None);
            winograd::forward(simd::best(), &shape, dy, weights, false)
        }
        None => direct::input_gradient(simd::best(), plan, weight, dy),
    }
}

/// The gradients of weights and bias.
pub(super) fn parameter_gradients(plan: &Plan, x: &[f32], dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
    if let Some(shape) = plan.winograd() {
        return winograd::weight_gradient(simd::best(), &shape, x, dy);
    }
    (direct::weight_gradient(simd::best(), plan, x, dy), bias_gradient(plan, dy))
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
