//! A 2-D convolution and its published initialization.

use candle_core::{DType, Tensor};

use super::{Init, Weights};
use crate::Result;
use crate::kernels::{self, Conv, Link, Shortcut};

/// Weight (Cout, Cin, k, k) and bias (Cout,), if there is one, of a convolution, with its stride and padding.
#[derive(Debug)]
pub struct Conv2d {
    weight: Tensor,
    bias: Tensor,
    conv: Conv,
}

impl Conv2d {
    /// A square window of `kernel` pixels; tensors `weight` and `bias` below `weights`.
    ///
    /// Fresh weights are uniform in ±1/√(fan in), as PyTorch's default.
    pub fn new(
        weights: &Weights,
        (inputs, outputs): (usize, usize),
        kernel: usize,
        conv: Conv,
    ) -> Result<Self> {
        let init = Init::Uniform(1.0 / ((inputs * kernel * kernel) as f32).sqrt());
        Ok(Self {
            weight: weights.get(&[outputs, inputs, kernel, kernel], "weight", init)?,
            bias: weights.get(&[outputs], "bias", init)?,
            conv: conv.with(weights.exactness()),
        })
    }

    /// The same without a bias: nothing but `weight` is taken, and zeros are added.
    pub fn without_bias(
        weights: &Weights,
        (inputs, outputs): (usize, usize),
        kernel: usize,
        conv: Conv,
    ) -> Result<Self> {
        let init = Init::Uniform(1.0 / ((inputs * kernel * kernel) as f32).sqrt());
        Ok(Self {
            weight: weights.get(&[outputs, inputs, kernel, kernel], "weight", init)?,
            bias: Tensor::zeros(outputs, DType::F32, weights.device())?,
            conv: conv.with(weights.exactness()),
        })
    }

    /// Window 3x3 that keeps the size.
    pub fn three(weights: &Weights, channels: (usize, usize)) -> Result<Self> {
        Self::new(weights, channels, 3, Conv::same(1))
    }

    /// Window 1x1.
    pub fn one(weights: &Weights, channels: (usize, usize)) -> Result<Self> {
        Self::new(weights, channels, 1, Conv::same(0))
    }

    /// Window 1x1, from a linear layer's weight (Cout, Cin) and its bias.
    pub fn linear(weights: &Weights, (inputs, outputs): (usize, usize)) -> Result<Self> {
        let init = Init::Uniform(1.0 / (inputs as f32).sqrt());
        // Axes of one are added without a copy.
        let weight = weights.get(&[outputs, inputs], "weight", init)?.unsqueeze(2)?.unsqueeze(3)?;
        let bias = weights.get(&[outputs], "bias", init)?;
        Ok(Self { weight, bias, conv: Conv::same(0).with(weights.exactness()) })
    }

    /// As a layer of a chain.
    pub fn link(&self) -> Link<'_> {
        Link::Conv { weight: &self.weight, bias: Some(&self.bias), conv: self.conv }
    }

    /// As what stands beside a chain; for windows of 1x1.
    pub fn shortcut(&self) -> Shortcut<'_> {
        Shortcut::Conv(&self.weight, &self.bias)
    }

    /// (B, Cin, H, W) to (B, Cout, H', W').
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        kernels::conv2d(x, &self.weight, Some(&self.bias), self.conv)
    }
}
