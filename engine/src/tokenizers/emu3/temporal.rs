//! The layers in time: causal convolutions, and residual blocks of them.
//!
//! Tensors are (B, C, T, H, W). A causal convolution sees zeros before the first frame and nothing
//! after a frame, so the first frame of a result depends on the first frame alone.

use candle_core::{DType, Tensor};

use crate::Result;
use crate::kernels::{self, Conv};
use crate::layers::{Init, Weights};

/// Frames of zeros before the first, whatever the kernel.
const BEFORE: usize = 2;

/// A convolution over (time, height, width) that keeps height and width.
#[derive(Debug)]
pub(super) struct CausalConv {
    weight: Tensor,
    bias: Tensor,
    step: usize,
    conv: Conv,
}

impl CausalConv {
    /// A kernel of `time` frames by a square of `side` (odd) pixels; the result has every `step`-th
    /// frame. Tensors below `conv`.
    pub(super) fn new(
        weights: &Weights,
        (inputs, outputs): (usize, usize),
        (time, side): (usize, usize),
        step: usize,
    ) -> Result<Self> {
        let weights = weights.pp("conv");
        let init = Init::Uniform(1.0 / ((inputs * time * side * side) as f32).sqrt());
        Ok(Self {
            weight: weights.get(&[outputs, inputs, time, side, side], "weight", init)?,
            bias: weights.get(&[outputs], "bias", init)?,
            step,
            conv: Conv::same(side / 2).with(weights.exactness()),
        })
    }

    /// (B, Cin, T, H, W) to (B, Cout, T', H, W), T' = (T + 2 - time) / step + 1.
    ///
    /// The frames under the kernel become channels, so that this is a convolution of images.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (b, inputs, frames, h, w) = x.dims5()?;
        let (outputs, _, time, side, _) = self.weight.dims5()?;
        let before = Tensor::zeros((b, BEFORE, inputs, h, w), DType::F32, x.device())?;
        let padded = Tensor::cat(&[&before, &x.transpose(1, 2)?.contiguous()?], 1)?;
        let steps = (frames + BEFORE).saturating_sub(time) / self.step + 1;
        let windows = (0..steps)
            .map(|at| Ok(padded.narrow(1, at * self.step, time)?.reshape((b, 1, (), h, w))?))
            .collect::<Result<Vec<_>>>()?;
        let windows = Tensor::cat(&windows, 1)?.reshape((b * steps, time * inputs, h, w))?;
        let weight = self.weight.transpose(1, 2)?.reshape((outputs, time * inputs, side, side))?;
        let y = kernels::conv2d(&windows, &weight, Some(&self.bias), self.conv)?;
        Ok(y.reshape((b, steps, outputs, h, w))?.transpose(1, 2)?.contiguous()?)
    }
}

/// Normalization by the means and variances that training kept.
#[derive(Debug)]
struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    eps: f64,
}

impl BatchNorm {
    fn new(weights: &Weights, channels: usize, eps: f64) -> Result<Self> {
        let buffer = |name: &str, value: f32| -> Result<Tensor> {
            Ok(weights.buffer(&[channels], name, Init::Constant(value))?.as_tensor().detach())
        };
        // How many batches made the means.
        weights.skip("num_batches_tracked");
        Ok(Self {
            weight: weights.get(&[channels], "weight", Init::Constant(1.0))?,
            bias: weights.get(&[channels], "bias", Init::Constant(0.0))?,
            mean: buffer("running_mean", 0.0)?,
            variance: buffer("running_var", 1.0)?,
            eps,
        })
    }

    /// (B, C, T, H, W), then x · sigmoid(x).
    fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        let scale = (&self.weight / (&self.variance + self.eps)?.sqrt()?)?;
        let shift = (&self.bias - (&self.mean * &scale)?)?;
        let each = |t: Tensor| t.reshape((1, (), 1, 1, 1));
        Ok(x.broadcast_mul(&each(scale)?)?.broadcast_add(&each(shift)?)?.silu()?)
    }
}

/// `x + conv2(silu(norm2(conv1(silu(norm1(x))))))` in time and space.
#[derive(Debug)]
pub(super) struct TemporalRes {
    norm1: BatchNorm,
    conv1: CausalConv,
    norm2: BatchNorm,
    conv2: CausalConv,
}

impl TemporalRes {
    /// Over `channels`.
    pub(super) fn new(weights: &Weights, channels: usize, eps: f64) -> Result<Self> {
        let conv = |name| CausalConv::new(&weights.pp(name), (channels, channels), (3, 3), 1);
        Ok(Self {
            norm1: BatchNorm::new(&weights.pp("norm1"), channels, eps)?,
            conv1: conv("conv1")?,
            norm2: BatchNorm::new(&weights.pp("norm2"), channels, eps)?,
            conv2: conv("conv2")?,
        })
    }

    /// (B, C, T, H, W) to the same.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.conv1.forward(&self.norm1.forward_silu(x)?)?;
        Ok((x + self.conv2.forward(&self.norm2.forward_silu(&y)?)?)?)
    }
}

/// Every frame twice: (B, C, T, H, W) to (B, C, 2T, H, W).
pub(super) fn double_frames(x: &Tensor) -> Result<Tensor> {
    let (b, c, t, h, w) = x.dims5()?;
    Ok(x.unsqueeze(3)?.broadcast_as((b, c, t, 2, h, w))?.reshape((b, c, 2 * t, h, w))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::of_tests;
    use crate::random::{Noise, Purpose};

    fn noise(cell: u64, shape: &[usize]) -> Tensor {
        let noise = Noise::new(4, Purpose::Test, 0, cell);
        let count = shape.iter().product::<usize>() as u32;
        let values: Vec<f32> = (0..count).map(|lane| noise.normal(lane)).collect();
        Tensor::from_vec(values, shape, &of_tests().unwrap()).unwrap()
    }

    fn flat(t: &Tensor) -> Vec<f64> {
        t.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
    }

    /// The definition of a convolution in time and space, in f64.
    fn expected(x: &Tensor, conv: &CausalConv) -> Vec<f64> {
        let (b, inputs, t, h, w) = x.dims5().unwrap();
        let (outputs, _, time, side, _) = conv.weight.dims5().unwrap();
        let (x, weight, bias) = (flat(x), flat(&conv.weight), flat(&conv.bias));
        let steps = (t + 2 - time) / conv.step + 1;
        let mut all = Vec::new();
        for at in 0..b * outputs * steps * h * w {
            let (image, o) = (at / (outputs * steps * h * w), at / (steps * h * w) % outputs);
            let (step, row, column) = (at / (h * w) % steps, at / w % h, at % w);
            let mut sum = bias[o];
            for tap in 0..inputs * time * side * side {
                let (i, k) = (tap / (time * side * side), tap / (side * side) % time);
                let (dy, dx) = (tap / side % side, tap % side);
                let frame = (step * conv.step + k).checked_sub(2);
                let y = (row + dy).checked_sub(side / 2).filter(|y| *y < h);
                let x_at = (column + dx).checked_sub(side / 2).filter(|x| *x < w);
                if let (Some(frame), Some(y), Some(column)) = (frame, y, x_at) {
                    let place = (((image * inputs + i) * t + frame) * h + y) * w + column;
                    sum += x[place] * weight[o * inputs * time * side * side + tap];
                }
            }
            all.push(sum);
        }
        all
    }

    #[test]
    fn a_causal_convolution_is_its_definition() {
        for (kernel, step, t) in [((3, 3), 1, 3), ((4, 3), 2, 4), ((4, 3), 2, 8), ((3, 1), 1, 1)] {
            let weights = Weights::fresh(3, &of_tests().unwrap());
            let conv = CausalConv::new(&weights, (3, 2), kernel, step).unwrap();
            let x = noise(1, &[2, 3, t, 4, 5]);
            let found = conv.forward(&x).unwrap();
            let expected = expected(&x, &conv);
            assert_eq!(found.dims(), [2, 2, (t + 2 - kernel.0) / step + 1, 4, 5]);
            for (found, expected) in flat(&found).into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{kernel:?}: {found} and {expected}");
            }
        }
    }

    #[test]
    fn nothing_looks_ahead_in_time() {
        let weights = Weights::fresh(3, &of_tests().unwrap());
        let block = TemporalRes::new(&weights, 3, 1e-5).unwrap();
        let x = noise(1, &[1, 3, 4, 4, 4]);
        let whole = block.forward(&x).unwrap().narrow(2, 0, 2).unwrap();
        let part = block.forward(&x.narrow(2, 0, 2).unwrap()).unwrap();
        for (a, b) in flat(&whole).into_iter().zip(flat(&part)) {
            assert!((a - b).abs() < 1e-6, "{a} and {b}");
        }
    }
}
