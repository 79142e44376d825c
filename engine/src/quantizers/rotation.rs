//! How the gradient passes the choice of a code: straight through, or turned with the vector.
//!
//! The rotation trick sends the vector to its code by a rotation and a scaling that count as constants,
//! so that the gradient is turned and scaled in the same way, where the straight-through one is copied.
//!
//! Source: Fifty et al., "Restructuring Vector Quantization with the Rotation Trick", arXiv 2410.06424,
//! section 4.2; the smallest lengths are those of vector-quantize-pytorch.

use candle_core::{D, Tensor};

use crate::Result;

/// Lengths below it count as this.
const SHORTEST: f64 = 1e-6;

/// How the gradient of a code reaches the vector that chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Through {
    /// As it is.
    #[default]
    Straight,
    /// Turned and scaled as the vector is on its way to the code.
    Rotation,
}

impl Through {
    /// The codes `rows` (N, D), with the gradient going to the vectors (N, D) that chose them.
    pub(super) fn pass(self, vectors: &Tensor, rows: &Tensor) -> Result<Tensor> {
        match self {
            Self::Straight => Ok((vectors + (rows - vectors)?.detach())?),
            Self::Rotation => rotate_to(vectors, rows),
        }
    }
}

/// Vectors (N, D) turned and scaled onto `targets` (N, D); the value is the target, up to rounding.
pub fn rotate_to(vectors: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let (fixed, targets) = (vectors.detach(), targets.detach());
    let length = |x: &Tensor| x.sqr()?.sum_keepdim(D::Minus1)?.sqrt();
    let (own, far) = (length(&fixed)?.maximum(SHORTEST)?, length(&targets)?);
    let from = fixed.broadcast_div(&own)?;
    let to = targets.broadcast_div(&far.maximum(SHORTEST)?)?;
    let half_way = (&from + &to)?;
    let half_way = half_way.broadcast_div(&length(&half_way)?.maximum(SHORTEST)?)?;
    let along = |axis: &Tensor| -> Result<Tensor> {
        Ok((vectors.mul(axis)?.sum_keepdim(D::Minus1)? * 2.0)?)
    };
    let mirrored = (vectors - half_way.broadcast_mul(&along(&half_way)?)?)?;
    let turned = (mirrored + to.broadcast_mul(&along(&from)?)?)?;
    Ok(turned.broadcast_mul(&far.div(&own)?)?)
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::device::of_tests;

    /// A right angle: the gradient turns by it too, and grows as the vector does.
    #[test]
    fn a_gradient_turns_with_its_vector() {
        let device = of_tests().unwrap();
        let vector = Var::new(&[[2.0_f32, 0.0]], &device).unwrap();
        let target = Tensor::new(&[[0.0_f32, 6.0]], &device).unwrap();
        let pull = Tensor::new(&[[0.0_f32, 1.0]], &device).unwrap();
        for (through, expected) in
            [(Through::Straight, [0.0, 1.0]), (Through::Rotation, [3.0, 0.0])]
        {
            let there = through.pass(&vector, &target).unwrap();
            let value = there.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(value[0].abs() < 1e-5 && (value[1] - 6.0).abs() < 1e-5, "{value:?}");
            let loss = (there * &pull).unwrap().sum_all().unwrap();
            let gradients = loss.backward().unwrap();
            let found = gradients.get(&vector).unwrap().flatten_all().unwrap();
            for (a, b) in found.to_vec1::<f32>().unwrap().into_iter().zip(expected) {
                assert!((a - b).abs() < 1e-5, "{through:?}: {found}");
            }
        }
    }
}
