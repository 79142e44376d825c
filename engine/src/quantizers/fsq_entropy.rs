//! The entropy loss for FSQ: a batch should use all codes alike.
//!
//! FSQ has no codebook that could collapse, but nothing asks the encoder for the rare corners of
//! its grid, so some codes are hardly used. This is the diversity term of lookup-free quantization
//! (Yu et al., MAGVIT-v2, arXiv 2310.05737, section 3.2) over several levels a channel: each latent
//! is softly assigned to codes, and the entropy of the mean assignment is raised.

use candle_core::{D, Tensor};

use crate::Result;

/// Sharpness of the soft assignment, per squared level. At 4 a latent half-way between two levels
/// counts half for each, one at a level 96 % for it.
const SHARPNESS: f64 = 4.0;
/// Keeps the logarithm finite where a code got nothing.
const TINY: f64 = 1e-12;

/// 1 - H / ln K, where H is the entropy of the mean soft assignment to the K codes: 0 when all are
/// used alike, 1 when there is one. Differentiable.
///
/// The soft assignment of a vector is a product over channels. Channels are split in two halves, and
/// the mean over all vectors is one product of (K1, N) by (N, K2): never N times K values.
///
/// # Shapes
/// - `digits`: (B, D, H, W), channel d between 0 and `levels[d]` - 1 but not rounded; gives a scalar
pub fn lack_of_entropy(digits: &Tensor, levels: &[u32]) -> Result<Tensor> {
    let (b, dim, h, w) = digits.dims4()?;
    let n = b * h * w;
    let rows = digits.permute((1, 0, 2, 3))?.reshape((dim, n))?;
    let half = dim.div_ceil(2);
    let left = assignment(&rows, levels, 0..half)?;
    let right = assignment(&rows, levels, half..dim)?;
    let mean = (left.t()?.contiguous()?.matmul(&right)? / n as f64)?;
    let entropy = (&mean * (&mean + TINY)?.log()?)?.sum_all()?.neg()?;
    let most: f64 = levels.iter().map(|&level| f64::from(level).ln()).sum();
    Ok(entropy.affine(-1.0 / most, 1.0)?)
}

/// Soft assignments to the codes of some channels, (N, product of their levels).
fn assignment(rows: &Tensor, levels: &[u32], channels: std::ops::Range<usize>) -> Result<Tensor> {
    let n = rows.dim(1)?;
    let mut joint = Tensor::ones((n, 1), rows.dtype(), rows.device())?;
    for channel in channels {
        let level = levels[channel];
        let centers = Tensor::arange(0.0_f32, level as f32, rows.device())?.reshape((1, ()))?;
        let away = rows.get(channel)?.reshape((n, 1))?.broadcast_sub(&centers)?;
        // Digits lie at most a level beyond the grid, so the nearest term never underflows.
        let weight = (away.sqr()? * -SHARPNESS)?.exp()?;
        let share = weight.broadcast_div(&weight.sum_keepdim(D::Minus1)?)?;
        joint = joint.unsqueeze(2)?.broadcast_mul(&share.unsqueeze(1)?)?;
        joint = joint.reshape((n, ()))?;
    }
    Ok(joint)
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::device::of_tests;

    fn plain(digits: &[f64], n: usize, levels: &[u32]) -> f64 {
        let size: usize = levels.iter().map(|&l| l as usize).product();
        let mut mean = vec![0.0; size];
        for vector in 0..n {
            let shares: Vec<Vec<f64>> = levels
                .iter()
                .enumerate()
                .map(|(channel, &level)| {
                    let x = digits[channel * n + vector];
                    let weights: Vec<f64> =
                        (0..level).map(|l| (-4.0 * (x - f64::from(l)).powi(2)).exp()).collect();
                    let sum: f64 = weights.iter().sum();
                    weights.iter().map(|w| w / sum).collect()
                })
                .collect();
            for (code, mean) in mean.iter_mut().enumerate() {
                let mut rest = code;
                let mut share = 1.0;
                for (channel, &level) in levels.iter().enumerate() {
                    share *= shares[channel][rest % level as usize];
                    rest /= level as usize;
                }
                *mean += share / n as f64;
            }
        }
        let entropy: f64 = mean.iter().map(|&p| -p * (p + 1e-12).ln()).sum();
        1.0 - entropy / (size as f64).ln()
    }

    fn some_digits(n: usize, levels: &[u32]) -> Vec<f64> {
        let at = |i: usize, level: u32| {
            let x = ((i * 37 + 11) % 101) as f64 / 100.0;
            x * x * f64::from(level - 1)
        };
        levels
            .iter()
            .enumerate()
            .flat_map(|(d, &l)| (0..n).map(move |i| at(i * 5 + d, l)))
            .collect()
    }

    #[test]
    fn the_entropy_and_its_gradient_agree_with_plain_sums_over_all_codes() {
        for levels in [&[5, 3, 4][..], &[8, 5, 5, 5], &[7]] {
            let n = 6;
            let values = some_digits(n, levels);
            let floats: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            let shape = (1, levels.len(), 2, 3);
            let digits = Tensor::from_vec(floats, shape, &of_tests().unwrap()).unwrap();
            let digits = Var::from_tensor(&digits).unwrap();
            let loss = lack_of_entropy(&digits, levels).unwrap();
            let expected = plain(&values, n, levels);
            let found = f64::from(loss.to_scalar::<f32>().unwrap());
            assert!((found - expected).abs() < 1e-5, "{levels:?}: {found} for {expected}");
            let gradients = loss.backward().unwrap();
            let gradient = gradients.get(&digits).unwrap().flatten_all().unwrap();
            for (i, found) in gradient.to_vec1::<f32>().unwrap().into_iter().enumerate() {
                let moved = |by: f64| {
                    let mut values = values.clone();
                    values[i] += by;
                    plain(&values, n, levels)
                };
                let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((f64::from(found) - expected).abs() < 1e-5, "{found} for {expected}");
            }
        }
    }

    #[test]
    fn one_code_lacks_all_entropy_and_even_use_lacks_none() {
        let grid: Vec<f32> = (0..2)
            .flat_map(|channel| (0..25).map(move |i| [i % 5, i / 5][channel] as f32))
            .collect();
        let even = Tensor::from_vec(grid, (1, 2, 5, 5), &of_tests().unwrap()).unwrap();
        let even = lack_of_entropy(&even, &[5, 5]).unwrap().to_scalar::<f32>().unwrap();
        assert!(even.abs() < 1e-3, "{even}");
        let one =
            Tensor::zeros((1, 2, 5, 5), candle_core::DType::F32, &of_tests().unwrap()).unwrap();
        let one = lack_of_entropy(&one, &[5, 5]).unwrap().to_scalar::<f32>().unwrap();
        assert!(one > 0.9, "{one}");
    }
}
