//! The distance of two clouds of features, as if both were Gaussian.
//!
//! |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2): the formula of the Frechet Inception Distance, here on
//! features of any network. On others than Inception's its numbers are not FID, and are called *proxy*.
//!
//! Source: Dowson & Landau, "The Frechet distance between multivariate normal distributions", 1982; Heusel et
//! al., arXiv 1706.08500.

use std::ops::Range;

use rayon::prelude::*;

use super::symmetric::{Told, eigenvalues, factor, product, turned};
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

/// The Frechet distance of two Gaussians, each mean (D) and covariance (D, D). It is no finite number where these, or
/// the distance, are beyond what one holds.
pub fn frechet(a: (&[f64], &[f64]), b: (&[f64], &[f64])) -> f64 {
    told_of(a, b, &mut |_| Ok(())).unwrap_or(f64::NAN)
}

/// As [`frechet`]; `told` is told how far it is.
fn told_of((m1, s1): (&[f64], &[f64]), (m2, s2): (&[f64], &[f64]), told: Told<'_>) -> Result<f64> {
    let d = m1.len();
    let apart: f64 = m1.iter().zip(m2).map(|(a, b)| (a - b).powi(2)).sum();
    let trace = |s: &[f64]| (0..d).map(|i| s[i * d + i]).sum::<f64>();
    // The eigenvalues of S1 S2 that are not zero are those of the symmetric F^T S2 F with F F^T = S1. They are worked
    // out in a unit in which the largest is about 1, or they would soon be beyond what a number holds.
    let unit = unit_of(s1, s2, d);
    let (mut f, rank) = factor(s1, d, &mut |share| told(0.2 * share))?;
    for value in &mut f {
        *value /= unit;
    }
    let turned_f = turned(&f, rank);
    let half = product(s2, &f, (d, rank), &mut |share| told(0.2 + 0.15 * share))?;
    let middle = product(&turned_f, &half, (d, rank), &mut |share| told(0.35 + 0.15 * share))?;
    drop((f, turned_f, half));
    let values = eigenvalues(middle, rank, &mut |share| told(0.5 + 0.5 * share))?;
    // Rounding leaves a little less than nothing; what is no number stays none.
    let not_below_zero = |value: f64| if value < 0.0 { 0.0 } else { value };
    let both: f64 = values.into_iter().map(|value| not_below_zero(value).sqrt()).sum();
    Ok(not_below_zero(apart + trace(s1) + trace(s2) - 2.0 * both * unit))
}

/// A power of two near the root of the product of two covariances' (D, D) largest variances: dividing by it is exact.
fn unit_of(s1: &[f64], s2: &[f64], d: usize) -> f64 {
    let largest = |s: &[f64]| (0..d).map(|i| s[i * d + i]).fold(0.0, f64::max);
    let power = f64::midpoint(largest(s1).log2(), largest(s2).log2());
    if power.is_finite() { power.round().exp2() } else { 1.0 }
}

/// Rows of features that are read at a time.
const ROWS: usize = 64;

/// Mean and covariance of features that somebody else made, of any scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Cloud {
    /// Rows, one an image.
    pub rows: usize,
    /// Features of a row.
    pub width: usize,
    means: Vec<f64>,
    covariance: Vec<f64>,
}

impl Cloud {
    /// Of so many rows (N, D), which are read some at a time, twice: the covariance is summed around the mean, and
    /// has N - 1 below the line. Takes memory for D x D numbers, whatever N is.
    ///
    /// # Errors
    /// What `read` says of a range of rows.
    pub fn of(
        (rows, width): (usize, usize),
        mut read: impl FnMut(Range<usize>) -> Result<Vec<f64>>,
    ) -> Result<Self> {
        let blocks = || (0..rows).step_by(ROWS).map(move |from| from..rows.min(from + ROWS));
        let mut means = vec![0.0; width];
        for block in blocks() {
            for row in read(block)?.chunks_exact(width) {
                means.iter_mut().zip(row).for_each(|(mean, x)| *mean += x);
            }
        }
        for mean in &mut means {
            *mean /= rows as f64;
        }
        let mut covariance = vec![0.0; width * width];
        for block in blocks() {
            let mut centered = read(block)?;
            for row in centered.chunks_exact_mut(width) {
                row.iter_mut().zip(&means).for_each(|(x, mean)| *x -= mean);
            }
            covariance.par_chunks_mut(width).enumerate().for_each(|(i, out)| {
                // Above the diagonal alone; the rest is the same.
                for row in centered.chunks_exact(width) {
                    let factor = row[i];
                    out[i..].iter_mut().zip(&row[i..]).for_each(|(out, x)| *out += factor * x);
                }
            });
        }
        for i in 0..width {
            for j in i..width {
                let value = covariance[i * width + j] / (rows as f64 - 1.0);
                (covariance[i * width + j], covariance[j * width + i]) = (value, value);
            }
        }
        Ok(Self { rows, width, means, covariance })
    }

    /// Whether there are too few rows for a covariance of full rank: then the distance is biased upwards, more than
    /// it already is of few rows.
    pub fn is_too_few(&self) -> bool {
        self.rows < self.width + 1
    }

    /// Whether mean and covariance are numbers: they are not where the features are too large to be squared.
    pub fn is_finite(&self) -> bool {
        self.means.iter().chain(&self.covariance).all(|value| value.is_finite())
    }

    /// The Frechet distance of two clouds of one width, which may be beyond what a number holds. `told` is told how far
    /// it is, 0 to 1.
    ///
    /// # Errors
    /// What `told` says.
    pub fn distance(&self, other: &Self, told: &mut dyn FnMut(f32) -> Result<()>) -> Result<f64> {
        told_of((&self.means, &self.covariance), (&other.means, &other.covariance), told)
    }

    /// How many bytes the distance of two clouds of so many features takes at most, with the clouds, the first one of
    /// so many rows.
    pub fn bytes_of_distance(rows: usize, width: usize) -> u64 {
        let (d, rank) = (width as u64, width.min(rows.saturating_sub(1)) as u64);
        let factor = d * d + d * rank;
        let products = 3 * d * rank + rank * rank;
        (2 * d * d + factor.max(products)) * size_of::<f64>() as u64
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
    /// Rows that are read in several blocks, far from zero and of a small scale, where sums of squares would lose
    /// every digit; another order of the rows is the same cloud.
    #[test]
    fn features_of_any_scale_keep_their_digits() {
        let (rows, width) = (3 * ROWS + 5, 4);
        let value = |row: usize, column: usize| ((row * 7 + column * 13) % 17) as f64;
        let of = |scale: f64, offset: f64, turn: usize| {
            let read = |block: Range<usize>| {
                let row = |row: usize| (0..width).map(move |c| value((row + turn) % rows, c));
                Ok(block.flat_map(row).map(|x| x * scale + offset).collect())
            };
            Cloud::of((rows, width), read).unwrap()
        };
        let plain = of(1.0, 0.0, 0);
        let distance = |a: &Cloud, b: &Cloud| a.distance(b, &mut |_| Ok(())).unwrap();
        // Moved by 2 along each of four features: 4 * 4.
        assert!((distance(&plain, &of(1.0, 2.0, 9)) - 16.0).abs() < 1e-9);
        // Twice as wide: |m|^2 + tr S (1 + 4 - 2 * 2).
        let (means, variances): (Vec<f64>, Vec<f64>) = (0..width)
            .map(|c| {
                let column: Vec<f64> = (0..rows).map(|row| value(row, c)).collect();
                let mean = column.iter().sum::<f64>() / rows as f64;
                let squares = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
                (mean, squares / (rows - 1) as f64)
            })
            .unzip();
        let wanted = means.iter().map(|m| m * m).sum::<f64>() + variances.iter().sum::<f64>();
        let found = distance(&plain, &of(2.0, 0.0, 0));
        assert!((found - wanted).abs() < 1e-9 * wanted, "{found}, not {wanted}");
        let small = distance(&of(1e-5, 10.0, 0), &of(2e-5, 10.0, 0));
        assert!((small - wanted * 1e-10).abs() < 1e-6 * wanted * 1e-10, "{small}");
        // Whatever f32 holds, and beyond.
        for unit in [1e-150, 1e-60, 1e-39, 1e37, 1e77, 1e150] {
            let found = distance(&of(unit, 0.0, 0), &of(2.0 * unit, 0.0, 9)) / unit / unit;
            assert!((found - wanted).abs() < 1e-9 * wanted, "{unit:e}: {found}, not {wanted}");
            let none = distance(&of(unit, 0.0, 0), &of(unit, 0.0, 9)) / unit / unit;
            assert!(none < 1e-9, "{unit:e}: {none}");
        }
        // Beyond what can be squared there is no distance, not one of nothing.
        let large = of(1e160, 0.0, 0);
        assert!(!large.is_finite() && plain.is_finite());
        assert!(!distance(&large, &large).is_finite());
        assert!(!distance(&plain, &of(1.0, 1e160, 0)).is_finite());
        assert!(!plain.is_too_few());
        assert!(distance(&plain, &plain) < 1e-9);
        let failed = Cloud::of((2, 1), |_| Err(EngineError::Cancelled));
        assert!(matches!(failed, Err(EngineError::Cancelled)));
    }

    #[test]
    fn what_a_distance_takes_is_known_before_it_is_begun() {
        // 2,048 features: two covariances and four matrices of that size at once, of 32 MB each.
        let matrix = 32 << 20;
        assert_eq!(Cloud::bytes_of_distance(50_000, 2048), 6 * matrix);
        // Of two rows there is one direction: factors of it are no matrices.
        let few = Cloud::bytes_of_distance(2, 2048);
        assert!((3 * matrix..4 * matrix).contains(&few), "{few}");
    }
}
