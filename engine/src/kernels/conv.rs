//! 2-D convolution on the CPU with its gradients: which algorithm computes it.
//!
//! Images stay (B, C, H, W). 3x3 with stride 1 goes by Winograd's algorithm, all else by products of
//! unfolded patches.

use rayon::prelude::*;

use super::plan::Plan;
use super::raw::{sum_of, wide};
use super::rules::{Conv, Exactness};
use super::{direct, simd, tally, winograd};

impl Plan {
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

/// The gradients of weights and bias, each if it is asked for. Without that of the weights x is not read.
pub(super) fn parameter_gradients(
    plan: &Plan,
    x: &[f32],
    dy: &[f32],
    (weight, bias): (bool, bool),
) -> (Option<Vec<f32>>, Option<Vec<f32>>) {
    tally::add((weight, bias));
    let level = simd::best();
    match plan.winograd() {
        Some(shape) if weight => {
            // That of the bias comes of the same windows.
            let (dw, db) = winograd::weight_gradient(level, &shape, x, dy);
            (Some(dw), bias.then_some(db))
        }
        Some(shape) => (None, bias.then(|| winograd::bias_gradient(level, &shape, dy))),
        None => (
            weight.then(|| direct::weight_gradient(level, plan, x, dy)),
            bias.then(|| bias_gradient(plan, dy)),
        ),
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
