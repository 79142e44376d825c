//! Group normalization with affine parameters.

use candle_core::Tensor;

use super::{Init, Weights};
use crate::Result;
use crate::kernels::{self, Link};

/// How channels are grouped for normalization; a network has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grouping {
    /// Number of groups of consecutive channels.
    pub groups: usize,
    /// What is added to the variance.
    pub eps: f64,
}

/// Weight and bias (C,) of a group normalization.
#[derive(Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    grouping: Grouping,
}

impl GroupNorm {
    /// Over `channels`, which the number of groups must divide.
    pub fn new(weights: &Weights, channels: usize, grouping: Grouping) -> Result<Self> {
        Ok(Self {
            weight: weights.get(&[channels], "weight", Init::Constant(1.0))?,
            bias: weights.get(&[channels], "bias", Init::Constant(0.0))?,
            grouping,
        })
    }

    /// Normalizes (B, C, H, W).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, false)
    }

    /// Normalizes (B, C, H, W), then x · sigmoid(x).
    pub fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, true)
    }

    /// As a layer of a chain, with x · sigmoid(x) behind it.
    pub fn link_silu(&self) -> Link<'_> {
        let Grouping { groups, eps } = self.grouping;
        Link::GroupNorm { weight: &self.weight, bias: &self.bias, groups, eps, silu: true }
    }

    fn apply(&self, x: &Tensor, silu: bool) -> Result<Tensor> {
        let Grouping { groups, eps } = self.grouping;
        kernels::group_norm(x, (&self.weight, &self.bias), groups, eps, silu)
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::device::of_tests;
    use crate::random::{Noise, Purpose};

    /// The parity fixtures have one channel a group, where a wrong grouping goes unseen.
    #[test]
    fn groups_are_consecutive_channels_with_biased_variance() {
        let (b, c, h, w, groups, eps) = (2, 12, 3, 5, 4, 1e-3);
        let noise = Noise::new(1, Purpose::Test, 0, 0);
        let x: Vec<f32> = (0..(b * c * h * w) as u32)
            .map(|lane| noise.normal(lane) * (1 + lane % 7) as f32)
            .collect();
        let names = ["weight", "bias"];
        let affine: Vec<Vec<f32>> = (1..=2)
            .map(|cell| {
                let noise = Noise::new(1, Purpose::Test, 0, cell);
                (0..c as u32).map(|lane| noise.normal(lane)).collect()
            })
            .collect();
        let tensors = names
            .iter()
            .zip(&affine)
            .map(|(name, v)| {
                ((*name).to_owned(), Tensor::from_slice(v, c, &of_tests().unwrap()).unwrap())
            })
            .collect();
        let weights = Weights::loaded(tensors, false, &of_tests().unwrap());
        let norm = GroupNorm::new(&weights, c, Grouping { groups, eps }).unwrap();
        let input = Tensor::from_slice(&x, (b, c, h, w), &of_tests().unwrap()).unwrap();
        for silu in [false, true] {
            let y = if silu { norm.forward_silu(&input) } else { norm.forward(&input) };
            let y = y.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let size = c / groups * h * w;
            for (at, &got) in y.iter().enumerate() {
                let group = &x[at / size * size..(at / size + 1) * size];
                let mean = group.iter().map(|&v| f64::from(v)).sum::<f64>() / size as f64;
                let variance =
                    group.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / size as f64;
                let channel = at / (h * w) % c;
                let mut want = (f64::from(x[at]) - mean) / (variance + eps).sqrt()
                    * f64::from(affine[0][channel])
                    + f64::from(affine[1][channel]);
                if silu {
                    want /= 1.0 + (-want).exp();
                }
                assert!((f64::from(got) - want).abs() < 2e-5, "element {at}: {got} and {want}");
            }
        }
    }
}
