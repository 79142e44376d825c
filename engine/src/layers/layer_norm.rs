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
    eps: f64,
}

impl LayerNorm {
    /// Over rows of `dim` numbers.
    pub fn new(weights: &Weights, dim: usize) -> Result<Self> {
        Self::with_eps(weights, dim, EPS)
    }

    /// The same with another number that is added to the variance.
    pub fn with_eps(weights: &Weights, dim: usize, eps: f64) -> Result<Self> {
        Ok(Self {
            weight: weights.get(&[dim], "weight", Init::Constant(1.0))?,
            bias: weights.get(&[dim], "bias", Init::Constant(0.0))?,
            eps,
        })
    }

    /// As a layer of a sequence.
    pub fn link(&self) -> SequenceLink<'_> {
        SequenceLink::LayerNorm { weight: &self.weight, bias: &self.bias, eps: self.eps }
    }

    /// Normalizes (.., D).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        kernels::layer_norm(x, (&self.weight, &self.bias), self.eps)
    }
}
