//! Which tokens a masked generator does not see while it learns.

use super::schedule::Schedule;
use crate::random::{Noise, Purpose};

/// Which of `cells` tokens are masked in one picture of a step, at least one: a share drawn by the cosine schedule (arXiv 2202.04200,
/// section 3.3), of
/// places drawn alike. The address is (seed, step, picture), so that no batch or resumption changes it.
pub fn training_mask(seed: u64, step: u32, picture: u32, cells: usize) -> Vec<bool> {
    let noise = Noise::new(seed, Purpose::Mask, step, u64::from(picture));
    let ratio = Schedule::Cosine.masked(f64::from(noise.uniform(0)));
    let count = ((cells as f64 * ratio).round() as usize).clamp(1, cells);
    let mut order: Vec<(u32, usize)> =
        (0..cells).map(|cell| (noise.bits(1 + cell as u32), cell)).collect();
    order.sort_unstable();
    let mut mask = vec![false; cells];
    order.iter().take(count).for_each(|&(_, cell)| mask[cell] = true);
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_masked_as_often_as_the_schedule_says_and_never_none() {
        let (cells, pictures) = (64, 2000);
        let mut counts = vec![0_usize; cells];
        for picture in 0..pictures {
            let mask = training_mask(3, 5, picture, cells);
            let masked = mask.iter().filter(|masked| **masked).count();
            assert!(masked >= 1);
            mask.iter().zip(&mut counts).for_each(|(masked, count)| *count += usize::from(*masked));
        }
        // The mean of cos(pi r / 2) over r is 2 / pi.
        let expected = f64::from(pictures) * std::f64::consts::FRAC_2_PI;
        for (cell, count) in counts.iter().enumerate() {
            let apart = (*count as f64 - expected).abs() / expected;
            assert!(apart < 0.1, "cell {cell} {count} times, {expected}");
        }
        assert_eq!(training_mask(3, 5, 1, cells), training_mask(3, 5, 1, cells));
        assert_ne!(training_mask(3, 5, 1, cells), training_mask(3, 5, 2, cells));
        assert_ne!(training_mask(3, 5, 1, cells), training_mask(3, 6, 1, cells));
    }
}
