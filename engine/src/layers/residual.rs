//! The residual block: norm, SiLU, convolution, twice, around a shortcut.

use candle_core::Tensor;

use super::{BlockNames, Conv2d, GroupNorm, Grouping, Weights};
use crate::Result;
use crate::kernels::{self, Conv, Shortcut};

/// `shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))))))`; the shortcut is a 1x1 convolution
/// where the number of channels changes.
#[derive(Debug)]
pub struct ResBlock {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
    nin_shortcut: Option<Conv2d>,
}

/// [`Conv2d::new`] or [`Conv2d::without_bias`]: weights, channels, side of the kernel, stride and padding.
type MakeConv = fn(&Weights, (usize, usize), usize, Conv) -> Result<Conv2d>;

impl ResBlock {
    /// From `inputs` to `outputs` channels, with the names of taming-transformers.
    pub fn new(weights: &Weights, channels: (usize, usize), grouping: Grouping) -> Result<Self> {
        Self::named(weights, channels, grouping, BlockNames::Taming)
    }

    /// From `inputs` to `outputs` channels, with other names.
    pub fn named(
        weights: &Weights,
        channels: (usize, usize),
        grouping: Grouping,
        names: BlockNames,
    ) -> Result<Self> {
        Self::of(weights, channels, grouping, (names, Conv2d::new))
    }

    /// The same with convolutions that have no bias.
    pub fn without_bias(
        weights: &Weights,
        channels: (usize, usize),
        grouping: Grouping,
    ) -> Result<Self> {
        Self::of(weights, channels, grouping, (BlockNames::Taming, Conv2d::without_bias))
    }

    fn of(
        weights: &Weights,
        (inputs, outputs): (usize, usize),
        grouping: Grouping,
        (names, conv): (BlockNames, MakeConv),
    ) -> Result<Self> {
        let nin_shortcut = if inputs == outputs {
            None
        } else {
            Some(conv(&weights.pp(names.shortcut()), (inputs, outputs), 1, Conv::same(0))?)
        };
        Ok(Self {
            norm1: GroupNorm::new(&weights.pp("norm1"), inputs, grouping)?,
            conv1: conv(&weights.pp("conv1"), (inputs, outputs), 3, Conv::same(1))?,
            norm2: GroupNorm::new(&weights.pp("norm2"), outputs, grouping)?,
            conv2: conv(&weights.pp("conv2"), (outputs, outputs), 3, Conv::same(1))?,
            nin_shortcut,
        })
    }

    /// (B, Cin, H, W) to (B, Cout, H, W).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let links =
            [self.norm1.link_silu(), self.conv1.link(), self.norm2.link_silu(), self.conv2.link()];
        let shortcut = self.nin_shortcut.as_ref().map_or(Shortcut::Same, Conv2d::shortcut);
        kernels::chain(x, &links, shortcut)
    }
}
