//! Entropies of soft assignments: whether each vector chooses clearly, and all of them evenly.
//!
//! Only for training: the assignments are (N, K) numbers. What is made of bits has a way without them,
//! [`crate::kernels::bit_entropies`].
//!
//! Sources: Yu et al., arXiv 2310.05737, section 3.2; as LlamaGen, IBQ and vector-quantize-pytorch
//! compute it, which differ in what keeps the logarithm finite.

use candle_core::{D, Tensor};

use crate::Result;

/// What is added, or the least that is taken, below a logarithm; the published codes agree on it.
pub const TINY: f64 = 1e-5;

/// What keeps the logarithm of a probability finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum LogFloor {
    /// 1e-5 is added, but only to the mean: LlamaGen, Open-MAGVIT2, IBQ.
    #[default]
    Added,
    /// Smaller probabilities count as 1e-5: vector-quantize-pytorch.
    Clamped,
}

/// Two entropies in nats of the softmax of `logits`: the mean over vectors of each one's own, and that
/// of the mean assignment. Differentiable.
///
/// # Shapes
/// - `logits`: (N, K); gives two scalars
pub fn soft_entropies(logits: &Tensor, floor: LogFloor) -> Result<[Tensor; 2]> {
    let down = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let weights = down.exp()?;
    let sums = weights.sum_keepdim(D::Minus1)?;
    let shares = weights.broadcast_div(&sums)?;
    let mean = shares.mean(0)?;
    let (own, of_mean) = match floor {
        LogFloor::Added => (down.broadcast_sub(&sums.log()?)?, (&mean + TINY)?.log()?),
        LogFloor::Clamped => (shares.maximum(TINY)?.log()?, mean.maximum(TINY)?.log()?),
    };
    let own = (shares * own)?.sum(D::Minus1)?.mean_all()?.neg()?;
    Ok([own, (mean * of_mean)?.sum_all()?.neg()?])
}

/// Softmax over the last axis, differentiable.
pub fn softmax(logits: &Tensor) -> Result<Tensor> {
    let down = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let weights = down.exp()?;
    Ok(weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::of_tests;

    #[test]
    fn clear_choices_have_no_entropy_and_even_ones_all_of_it() {
        let logits = [[900.0_f32, 0.0, -900.0], [-900.0, 900.0, 0.0], [0.0, -900.0, 900.0]];
        let clear = Tensor::new(&logits, &of_tests().unwrap()).unwrap();
        for floor in [LogFloor::Added, LogFloor::Clamped] {
            let values = |logits: &Tensor| {
                soft_entropies(logits, floor).unwrap().map(|t| t.to_scalar::<f32>().unwrap())
            };
            let ([own, mean], most) = (values(&clear), 3.0_f32.ln());
            assert!(own.abs() < 1e-6 && (mean - most).abs() < 1e-4, "{own} {mean}");
            let [own, mean] = values(&clear.zeros_like().unwrap());
            assert!((own - most).abs() < 1e-4 && (mean - most).abs() < 1e-4, "{own} {mean}");
        }
    }
}
