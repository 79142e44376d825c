//! Sums that do not depend on the order in which they are added, so that parts of a set that were measured on
//! different machines join to the very numbers of the whole.

/// What one is in [`Exact`]: 40 binary places.
const ONE: f64 = 1_099_511_627_776.0;

/// A sum of numbers in fixed point with 40 binary places. Numbers below 2^23 in size are taken to half of the
/// last place; so many as fit into a set are summed without running over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exact(i128);

impl Exact {
    /// Adds a number `times` times; one that is not finite counts as 0.
    pub fn add(&mut self, value: f64, times: u64) {
        self.0 += fixed(value) * i128::from(times);
    }

    /// The sum.
    pub fn value(self) -> f64 {
        self.0 as f64 / ONE
    }

    /// Its bits, to be kept.
    pub fn bits(self) -> i128 {
        self.0
    }

    /// Of bits that were kept.
    pub fn of_bits(bits: i128) -> Self {
        Self(bits)
    }

    /// Both sums in one.
    pub fn join(&mut self, other: Self) {
        self.0 += other.0;
    }
}

fn fixed(value: f64) -> i128 {
    // A cast of what is not finite is 0 or the largest number, which no measured number is near.
    let scaled = (value * ONE).round();
    if scaled.is_finite() { scaled as i128 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_does_not_matter_though_rounding_would() {
        let values: Vec<f64> = (1..2000_u32).map(|n| 1.0 / f64::from(n)).collect();
        let of = |values: &mut dyn Iterator<Item = f64>| {
            let mut sum = Exact::default();
            values.for_each(|value| sum.add(value, 1));
            sum
        };
        let (up, down) = (of(&mut values.iter().copied()), of(&mut values.iter().rev().copied()));
        assert_eq!(up, down);
        let plain: [f64; 2] = [values.iter().sum(), values.iter().rev().sum()];
        assert_ne!(plain[0], plain[1], "as floating point it would");
        assert!((up.value() - plain[0]).abs() < 1e-8);
        let mut none = Exact::default();
        none.add(f64::INFINITY, 1);
        none.add(f64::NAN, 1);
        assert_eq!(none, Exact::default());
    }
}
