//! Layer normalization with affine parameters.

use candle_core::Tensor;

use super::{Init, Weights};
use crate::Result;
use crate::kernels::{self, SequenceLink};

/// PyTorch's default.
const EPS: f64 = 1e-5;

/// Weight and bias (D,) of a layer normalization.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    /// Over rows of `dim` numbers.
    pub fn new(weights: &Weights, dim: usize) -> Result<Self> {
        Ok(Self {
            weight: weights.get(&[dim], "weight", Init::Constant(1.0))?,
            bias: weights.get(&[dim], "bias", Init::Constant(0.0))?,
        })
    }

    /// As a layer of a sequence.
    pub fn link(&self) -> SequenceLink<'_> {
        SequenceLink::LayerNorm { weight: &self.weight, bias: &self.bias, eps: EPS }
    }

    /// Normalizes (.., D).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        kernels::layer_norm(x, (&self.weight, &self.bias), EPS)
    }
}
