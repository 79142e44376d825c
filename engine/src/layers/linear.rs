//! A linear layer.

use candle_core::Tensor;

use super::{Init, Weights};
use crate::Result;
use crate::kernels::{self, SequenceLink};

/// Weight (Dy, Dx) and bias (Dy,), if there is one, of a linear layer.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Tensors `weight` and `bias` below `weights`. Fresh weights are uniform in ±1/√(fan in), as
    /// PyTorch's default.
    pub fn new(weights: &Weights, (inputs, outputs): (usize, usize)) -> Result<Self> {
        let init = Init::Uniform(1.0 / (inputs as f32).sqrt());
        let bias = Some(weights.get(&[outputs], "bias", init)?);
        Ok(Self { bias, ..Self::without_bias(weights, (inputs, outputs))? })
    }

    /// The same with other fresh weights, and a bias of zeros.
    pub fn starting(
        weights: &Weights,
        (inputs, outputs): (usize, usize),
        init: Init,
    ) -> Result<Self> {
        let bias = Some(weights.get(&[outputs], "bias", Init::Constant(0.0))?);
        Ok(Self { weight: weights.get(&[outputs, inputs], "weight", init)?, bias })
    }

    /// The same without a bias.
    pub fn without_bias(weights: &Weights, (inputs, outputs): (usize, usize)) -> Result<Self> {
        let init = Init::Uniform(1.0 / (inputs as f32).sqrt());
        Ok(Self { weight: weights.get(&[outputs, inputs], "weight", init)?, bias: None })
    }

    /// As a layer of a sequence.
    pub fn link(&self) -> SequenceLink<'_> {
        SequenceLink::Linear { weight: &self.weight, bias: self.bias.as_ref(), gelu: false }
    }

    /// As a layer of a sequence, with GELU behind it.
    pub fn link_gelu(&self) -> SequenceLink<'_> {
        SequenceLink::Linear { weight: &self.weight, bias: self.bias.as_ref(), gelu: true }
    }

    /// (B, L, Dx) to (B, L, Dy).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        kernels::sequence(x, &[self.link()], false)
    }
}
