//! Layers whose norms are told something about each place: decoders of MoVQ see the quantized
//! latents at every norm.
//!
//! Source: Zheng et al., "MoVQ: Modulating Quantized Vectors for High-Fidelity Image Generation",
//! arXiv 2209.09002, section 3.2; as published in Kandinsky, diffusers and Emu3.

use candle_core::Tensor;

use super::{BlockNames, Conv2d, GroupNorm, Grouping, Projections, Weights};
use crate::Result;
use crate::kernels;

/// `group_norm(x) · conv_y(condition) + conv_b(condition)`, both at the size of x.
///
/// The 1x1 convolutions run on the condition as it is, then each of its places stands for those of x
/// that it covers: the same numbers as resizing the condition first, for a fraction of the work.
#[derive(Debug)]
pub struct SpatialNorm {
    norm: GroupNorm,
    scale: Conv2d,
    shift: Conv2d,
}

impl SpatialNorm {
    /// Over `channels`, told by a condition of `condition` channels; tensors below `norm_layer`,
    /// `conv_y` and `conv_b`.
    pub fn new(
        weights: &Weights,
        (channels, condition): (usize, usize),
        grouping: Grouping,
    ) -> Result<Self> {
        Ok(Self {
            norm: GroupNorm::new(&weights.pp("norm_layer"), channels, grouping)?,
            scale: Conv2d::one(&weights.pp("conv_y"), (condition, channels))?,
            shift: Conv2d::one(&weights.pp("conv_b"), (condition, channels))?,
        })
    }

    /// Normalizes (B, C, H, W), told by (B, Cc, h, w) whose sides divide those of x.
    pub fn forward(&self, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        self.apply(x, condition, false)
    }

    /// The same, then x · sigmoid(x).
    pub fn forward_silu(&self, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        self.apply(x, condition, true)
    }

    fn apply(&self, x: &Tensor, condition: &Tensor, silu: bool) -> Result<Tensor> {
        let (scale, shift) = (self.scale.forward(condition)?, self.shift.forward(condition)?);
        kernels::modulate(&self.norm.forward(x)?, (&scale, &shift), silu)
    }
}

/// A residual block with spatial norms.
#[derive(Debug)]
pub struct SpatialRes {
    norm1: SpatialNorm,
    conv1: Conv2d,
    norm2: SpatialNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl SpatialRes {
    /// From `inputs` to `outputs` channels, told by `condition` channels.
    pub fn new(
        weights: &Weights,
        (inputs, outputs): (usize, usize),
        condition: usize,
        grouping: Grouping,
        names: BlockNames,
    ) -> Result<Self> {
        let norm = |name: &str, channels: usize| {
            SpatialNorm::new(&weights.pp(name), (channels, condition), grouping)
        };
        let shortcut = if inputs == outputs {
            None
        } else {
            Some(Conv2d::one(&weights.pp(names.shortcut()), (inputs, outputs))?)
        };
        Ok(Self {
            norm1: norm("norm1", inputs)?,
            conv1: Conv2d::three(&weights.pp("conv1"), (inputs, outputs))?,
            norm2: norm("norm2", outputs)?,
            conv2: Conv2d::three(&weights.pp("conv2"), (outputs, outputs))?,
            shortcut,
        })
    }

    /// (B, Cin, H, W) to (B, Cout, H, W).
    pub fn forward(&self, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        let y = self.conv1.forward(&self.norm1.forward_silu(x, condition)?)?;
        let y = self.conv2.forward(&self.norm2.forward_silu(&y, condition)?)?;
        Ok(match &self.shortcut {
            None => (x + y)?,
            Some(shortcut) => (shortcut.forward(x)? + y)?,
        })
    }
}

/// Attention between all places with a spatial norm before it.
#[derive(Debug)]
pub struct SpatialAttention {
    norm: SpatialNorm,
    projections: Projections,
}

impl SpatialAttention {
    /// Over `channels`, told by `condition` channels.
    pub fn new(
        weights: &Weights,
        (channels, condition): (usize, usize),
        grouping: Grouping,
        names: BlockNames,
    ) -> Result<Self> {
        let norm = weights.pp(names.attention_spatial_norm());
        Ok(Self {
            norm: SpatialNorm::new(&norm, (channels, condition), grouping)?,
            projections: Projections::new(weights, channels, names)?,
        })
    }

    /// (B, C, H, W) to the same.
    pub fn forward(&self, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        Ok((x + self.projections.attend(&self.norm.forward(x, condition)?)?)?)
    }
}
