//! Halving and doubling of the size.

use candle_core::Tensor;

use super::{Conv2d, Weights};
use crate::Result;
use crate::kernels::{self, Conv, Link, Shortcut};

/// Halves height and width: a 3x3 convolution with stride 2.
///
/// Zeros stand to the right and below only, as in all published networks of the family.
#[derive(Debug)]
pub struct Downsample {
    conv: Conv2d,
}

impl Downsample {
    /// Over `channels`; tensors below `conv`.
    pub fn new(weights: &Weights, channels: usize) -> Result<Self> {
        let conv = Conv::new(2, 0, 1);
        Ok(Self { conv: Conv2d::new(&weights.pp("conv"), (channels, channels), 3, conv)? })
    }

    /// (B, C, H, W) to (B, C, H/2, W/2), rounded down.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.conv.forward(x)
    }
}

/// Doubles height and width: each pixel is repeated, then a 3x3 convolution.
#[derive(Debug)]
pub struct Upsample {
    conv: Conv2d,
}

impl Upsample {
    /// Over `channels`; tensors below `conv`.
    pub fn new(weights: &Weights, channels: usize) -> Result<Self> {
        Ok(Self { conv: Conv2d::three(&weights.pp("conv"), (channels, channels))? })
    }

    /// (B, C, H, W) to (B, C, 2H, 2W).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        kernels::chain(x, &[Link::Double, self.conv.link()], Shortcut::None)
    }
}
