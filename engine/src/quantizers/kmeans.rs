//! Lloyd's algorithm (k-means), which gives a codebook its first codes.
//!
//! Source: Lloyd, "Least Squares Quantization in PCM", 1982; on the sphere, Dhillon and Modha, 2001.

use candle_core::Tensor;

use crate::{Result, kernels};

/// Means of clusters, and how many vectors are nearest to each.
#[derive(Debug)]
pub struct Clusters {
    /// (K, D)
    pub means: Tensor,
    /// K counts.
    pub counts: Vec<f64>,
}

/// `steps` of Lloyd's algorithm over vectors (N, D) from the given means (K, D). A cluster that nobody
/// chose keeps its mean. `sphere`: vectors choose by the product, and means are brought to length one.
pub fn lloyd(vectors: &Tensor, means: &Tensor, steps: u32, sphere: bool) -> Result<Clusters> {
    let (k, dim) = means.dims2()?;
    let rows = vectors.to_vec2::<f32>()?;
    let mut means = means.clone();
    let mut table = means.flatten_all()?.to_vec1::<f32>()?;
    let chosen = |means: &Tensor| -> Result<(Vec<f64>, Vec<f64>)> {
        let list = if sphere {
            kernels::highest(vectors, means, None)?
        } else {
            kernels::nearest(vectors, means)?
        };
        Ok(gather(&rows, &list.to_vec1::<u32>()?, k, dim))
    };
    for _ in 0..steps {
        let (counts, sums) = chosen(&means)?;
        let clusters = table.chunks_exact_mut(dim).zip(sums.chunks_exact(dim));
        for ((mean, sum), count) in clusters.zip(counts) {
            let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
            let divisor = if sphere { length } else { count };
            if divisor > 1e-12 {
                for (mean, sum) in mean.iter_mut().zip(sum) {
                    *mean = (sum / divisor) as f32;
                }
            }
        }
        means = Tensor::from_slice(&table, (k, dim), vectors.device())?;
    }
    let (counts, _) = chosen(&means)?;
    Ok(Clusters { means, counts })
}

/// How often each code was chosen, and the sums of the vectors that chose it.
pub(super) fn gather(
    vectors: &[Vec<f32>],
    list: &[u32],
    k: usize,
    dim: usize,
) -> (Vec<f64>, Vec<f64>) {
    let (mut counts, mut sums) = (vec![0.0; k], vec![0.0; k * dim]);
    for (vector, &code) in vectors.iter().zip(list) {
        let code = code as usize;
        counts[code] += 1.0;
        for (sum, &x) in sums[code * dim..].iter_mut().zip(vector) {
            *sum += f64::from(x);
        }
    }
    (counts, sums)
}
