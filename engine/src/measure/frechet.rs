//! The distance of two clouds of features, as if both were Gaussian.
//!
//! |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2): the formula of the Frechet Inception Distance, here on
//! features of any network. On others than Inception's its numbers are not FID, and are called *proxy*.
//!
//! Source: Dowson & Landau, "The Frechet distance between multivariate normal distributions", 1982; Heusel et
//! al., arXiv 1706.08500.

use crate::{EngineError, Result};

/// What one is in a feature that is summed: 20 binary places, so that products have 40.
const ONE: f64 = 1_048_576.0;

/// Count, sums, and sums of products of features (D), in fixed point: parts join exactly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moments {
    /// Rows that were added.
    count: u64,
    sums: Vec<i128>,
    /// Upper triangle, row by row.
    products: Vec<i128>,
}

impl Moments {
    /// Adds the features of one image; the first ones say how many there are.
    ///
    /// # Errors
    /// If there are more or fewer than before, or one is not finite or beyond 2^31.
    pub fn add(&mut self, features: &[f32]) -> Result<()> {
        let d = features.len();
        if self.count == 0 {
            (self.sums, self.products) = (vec![0; d], vec![0; d * (d + 1) / 2]);
        }
        let limit = f32::from(u16::MAX) * 32_768.0;
        if d != self.sums.len() || features.iter().any(|v| !v.is_finite() || v.abs() > limit) {
            let reason =
                format!("{d} features where there were {}, or one without a size", self.sums.len());
            return Err(EngineError::bad_input("features", reason, ""));
        }
        let fixed: Vec<i64> =
            features.iter().map(|v| (f64::from(*v) * ONE).round() as i64).collect();
        let mut products = self.products.iter_mut();
        for (at, (sum, a)) in self.sums.iter_mut().zip(&fixed).enumerate() {
            *sum += i128::from(*a);
            // The shorter one first: the other must not lose one at its end.
            for (b, product) in fixed[at..].iter().zip(products.by_ref()) {
                *product += i128::from(*a) * i128::from(*b);
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Rows that were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Both in one.
    ///
    /// # Errors
    /// If they are of different widths.
    pub fn join(&mut self, other: &Self) -> Result<()> {
        if self.count == 0 {
            *self = other.clone();
            return Ok(());
        }
        if other.count == 0 {
            return Ok(());
        }
        if self.sums.len() != other.sums.len() {
            let reason = format!("{} and {} of them", self.sums.len(), other.sums.len());
            return Err(EngineError::bad_input(
                "features",
                reason,
                "join parts of one measurement",
            ));
        }
        self.count += other.count;
        let add = |a: &mut [i128], b: &[i128]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        add(&mut self.sums, &other.sums);
        add(&mut self.products, &other.products);
        Ok(())
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        (self.sums.len() + self.products.len()) * size_of::<i128>()
    }

    /// All of it as whole numbers, to be kept.
    pub fn bits(&self) -> Vec<i128> {
        let head = [i128::from(self.count), self.sums.len() as i128];
        head.into_iter()
            .chain(self.sums.iter().copied())
            .chain(self.products.iter().copied())
            .collect()
    }

    /// Of numbers that were kept; `None` if they are no such numbers.
    pub fn of_bits(bits: &[i128]) -> Option<Self> {
        let [count, width, rest @ ..] = bits else { return None };
        let d = usize::try_from(*width).ok().filter(|d| *d <= rest.len())?;
        let (sums, products) = rest.split_at(d);
        (products.len() == d * (d + 1) / 2).then_some(())?;
        let count = u64::try_from(*count).ok()?;
        Some(Self { count, sums: sums.to_vec(), products: products.to_vec() })
    }

    /// Means (D) and covariances (D, D) with N - 1 below the line; none of fewer than two rows.
    fn statistics(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let (n, d) = (self.count as f64, self.sums.len());
        if self.count < 2 {
            return None;
        }
        let means: Vec<f64> = self.sums.iter().map(|sum| *sum as f64 / ONE / n).collect();
        let mut covariance = vec![0.0; d * d];
        let mut products = self.products.iter();
        for i in 0..d {
            for (j, product) in (i..d).zip(products.by_ref()) {
                // The difference of two large whole numbers is exact; of two rounded ones it would not be.
                let n = i128::from(self.count);
                let centered = n.checked_mul(*product).zip(self.sums[i].checked_mul(self.sums[j]));
                let sum = centered.map_or_else(
                    || {
                        *product as f64
                            - self.sums[i] as f64 * (self.sums[j] as f64 / self.count as f64)
                    },
                    |(a, b)| (a - b) as f64 / self.count as f64,
                );
                let value = sum / (ONE * ONE) / (self.count as f64 - 1.0);
                (covariance[i * d + j], covariance[j * d + i]) = (value, value);
            }
        }
        Some((means, covariance))
    }

    /// The distance of two clouds; `None` of fewer than two rows in either, or of different widths. Of fewer
    /// rows than features it is biased upwards, more than it already is of few.
    pub fn distance(&self, other: &Self) -> Option<f64> {
        let (a, b) = (self.statistics()?, other.statistics()?);
        (a.0.len() == b.0.len()).then(|| frechet((&a.0, &a.1), (&b.0, &b.1)))
    }
}

/// The Frechet distance of two Gaussians, each mean (D) and covariance (D, D).
pub fn frechet((m1, s1): (&[f64], &[f64]), (m2, s2): (&[f64], &[f64])) -> f64 {
    let d = m1.len();
    let apart: f64 = m1.iter().zip(m2).map(|(a, b)| (a - b).powi(2)).sum();
    let trace = |s: &[f64]| (0..d).map(|i| s[i * d + i]).sum::<f64>();
    // The eigenvalues of S1 S2 are those of the symmetric R S2 R with R^2 = S1.
    let (values, vectors) = eigen(s1, d);
    let mut root = vec![0.0; d * d];
    for (at, value) in values.iter().enumerate() {
        let value = value.max(0.0).sqrt();
        for i in 0..d {
            for j in 0..d {
                root[i * d + j] += value * vectors[i * d + at] * vectors[j * d + at];
            }
        }
    }
    let middle = product(&product(&root, s2, d), &root, d);
    let both: f64 = eigen(&middle, d).0.iter().map(|value| value.max(0.0).sqrt()).sum();
    // Of two that are alike, rounding leaves a little less than nothing.
    (apart + trace(s1) + trace(s2) - 2.0 * both).max(0.0)
}

fn product(a: &[f64], b: &[f64], d: usize) -> Vec<f64> {
    let mut out = vec![0.0; d * d];
    for i in 0..d {
        for k in 0..d {
            let factor = a[i * d + k];
            for j in 0..d {
                out[i * d + j] += factor * b[k * d + j];
            }
        }
    }
    out
}

/// Eigenvalues and vectors (columns) of a symmetric matrix (D, D), by Jacobi's rotations.
fn eigen(matrix: &[f64], d: usize) -> (Vec<f64>, Vec<f64>) {
    const SWEEPS: usize = 60;
    let mut a = matrix.to_vec();
    let mut v = vec![0.0; d * d];
    (0..d).for_each(|i| v[i * d + i] = 1.0);
    let scale: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..SWEEPS {
        let off: f64 = (0..d)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * d + j].powi(2))
            .sum();
        if off <= scale * 1e-26 {
            break;
        }
        for p in 0..d {
            for q in p + 1..d {
                rotate(&mut a, &mut v, d, (p, q));
            }
        }
    }
    ((0..d).map(|i| a[i * d + i]).collect(), v)
}

/// One rotation, which makes the element at (p, q) zero.
fn rotate(a: &mut [f64], v: &mut [f64], d: usize, (p, q): (usize, usize)) {
    let off = a[p * d + q];
    if off == 0.0 {
        return;
    }
    let theta = (a[q * d + q] - a[p * d + p]) / (2.0 * off);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let t = if theta == 0.0 { 1.0 } else { t };
    let cos = 1.0 / t.hypot(1.0);
    let sin = t * cos;
    let turn = |m: &mut [f64], x: usize, y: usize| {
        let (one, other) = (m[x], m[y]);
        m[x] = cos * one - sin * other;
        m[y] = sin * one + cos * other;
    };
    for k in 0..d {
        turn(a, k * d + p, k * d + q);
    }
    for k in 0..d {
        turn(a, p * d + k, q * d + k);
    }
    for k in 0..d {
        turn(v, k * d + p, k * d + q);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_is_at_no_distance_from_itself_and_parts_join_exactly() {
        let row = |n: u32| -> Vec<f32> {
            (0..6_u32).map(|c| ((n * 7 + c * 13) % 17) as f32 * 0.3 - (n * c % 5) as f32).collect()
        };
        let of = |rows: std::ops::Range<u32>| {
            let mut moments = Moments::default();
            rows.for_each(|n| moments.add(&row(n)).unwrap());
            moments
        };
        let whole = of(0..40);
        let mut joined = of(30..40);
        joined.join(&of(0..30)).unwrap();
        assert_eq!(joined, whole);
        assert_eq!(Moments::of_bits(&whole.bits()), Some(whole.clone()));
        assert!(whole.distance(&whole).unwrap().abs() < 1e-9);
        // Moved by 2 in each of six directions: 6 * 4.
        let mut moved = Moments::default();
        (0..40).for_each(|n| {
            moved.add(&row(n).iter().map(|v| v + 2.0).collect::<Vec<_>>()).unwrap();
        });
        assert!((whole.distance(&moved).unwrap() - 24.0).abs() < 1e-4);
        assert_eq!(of(0..1).distance(&whole), None);
        assert!(joined.add(&[1.0]).is_err() && joined.add(&[f32::NAN; 6]).is_err());
    }
}
