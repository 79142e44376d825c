//! How sure a mean over images is: a Poisson bootstrap that needs each image once.
//!
//! In every replicate an image counts so often as a Poisson number of mean 1 says, which is addressed by seed,
//! replicate and the image's number in the set: the same in whichever part of the set it was measured.
//!
//! Source: Chamandy et al., "Estimating Uncertainty for Massive Data Streams", Google, 2012.

use crate::measure::Exact;
use crate::random::{Noise, Purpose};

/// Replicates: enough for the ends of an interval of 95 % that are steady to a tenth of its width.
pub const REPLICATES: usize = 200;

/// 2^32 times the sums of 1 / (e n!) for n = 0, 1, 2 ...: a number below the first is 0, below the second 1.
const STEPS: [u32; 11] = [
    1_580_030_169,
    3_160_060_337,
    3_950_075_422,
    4_213_413_783,
    4_279_248_374,
    4_292_415_292,
    4_294_609_778,
    4_294_923_276,
    4_294_962_463,
    4_294_966_817,
    4_294_967_253,
];

/// How often image `index` counts in each replicate.
pub(super) fn weights(seed: u64, index: u64) -> impl Iterator<Item = u64> {
    let noise = Noise::new(seed, Purpose::Bootstrap, 0, index);
    let blocks = (0..REPLICATES.div_ceil(4) as u32).flat_map(move |block| noise.block(block));
    let weight = |bits: u32| STEPS.iter().take_while(|step| bits >= **step).count() as u64;
    blocks.take(REPLICATES).map(weight)
}

/// One number over images, added up in all replicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replicates {
    /// How often images counted, and the sum of what they counted with.
    pub(super) sums: Vec<(u64, Exact)>,
}

impl Default for Replicates {
    fn default() -> Self {
        Self { sums: vec![(0, Exact::default()); REPLICATES] }
    }
}

impl Replicates {
    pub(super) fn add(&mut self, value: f64, weights: &[u64]) {
        for ((count, sum), weight) in self.sums.iter_mut().zip(weights) {
            *count += weight;
            sum.add(value, *weight);
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        for ((count, sum), (more, others)) in self.sums.iter_mut().zip(&other.sums) {
            *count += more;
            sum.join(*others);
        }
    }

    /// Between which values the mean is in 95 of 100 replicates; none where most replicates are empty.
    pub(super) fn interval(&self) -> Option<(f64, f64)> {
        let filled = self.sums.iter().filter(|(count, _)| *count > 0);
        let mut means: Vec<f64> = filled.map(|(count, sum)| sum.value() / *count as f64).collect();
        if means.len() < REPLICATES / 2 {
            return None;
        }
        means.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (means.len() - 1) as f64;
            let (low, part) = (place.floor() as usize, place.fract());
            means[low] + part * (means[(low + 1).min(means.len() - 1)] - means[low])
        };
        Some((at(0.025), at(0.975)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_poisson_and_belong_to_the_image() {
        assert_eq!(weights(1, 5).collect::<Vec<_>>(), weights(1, 5).collect::<Vec<_>>());
        assert_ne!(weights(1, 5).collect::<Vec<_>>(), weights(2, 5).collect::<Vec<_>>());
        let all: Vec<u64> = (0..500).flat_map(|index| weights(7, index)).collect();
        let n = all.len() as f64;
        let mean = all.iter().sum::<u64>() as f64 / n;
        let square = all.iter().map(|w| w * w).sum::<u64>() as f64 / n;
        // Mean and variance of a Poisson number are 1; one in e is 0.
        assert!(
            (mean - 1.0).abs() < 0.02 && (square - mean * mean - 1.0).abs() < 0.03,
            "{mean} {square}"
        );
        let none = all.iter().filter(|w| **w == 0).count() as f64 / n;
        assert!((none - (-1.0_f64).exp()).abs() < 0.01, "{none}");
    }

    /// The mean of n numbers of deviation s lies within 1.96 s / sqrt(n) of the true one in 95 of 100 cases.
    #[test]
    fn an_interval_is_as_wide_as_theory_says() {
        let count = 400_u64;
        let values: Vec<f64> = (0..count)
            .map(|index| f64::from(Noise::new(3, Purpose::Test, 0, index).normal(0)))
            .collect();
        let mut replicates = Replicates::default();
        for (index, value) in (0..count).zip(&values) {
            let weights: Vec<u64> = weights(0, index).collect();
            replicates.add(*value, &weights);
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
        let want = 2.0 * 1.96 * (variance / count as f64).sqrt();
        let (low, high) = replicates.interval().unwrap();
        assert!(low < mean && mean < high);
        assert!(((high - low) / want - 1.0).abs() < 0.2, "{} against {want}", high - low);
        assert_eq!(Replicates::default().interval(), None);
    }
}
