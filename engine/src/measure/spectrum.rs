//! How much of a picture's detail is fine: the share of its spectral energy at high frequencies.

use crate::images::Picture;

/// Larger pictures are measured in their middle.
const MOST: usize = 512;

/// The share, 0 to 1, of the energy of a picture's luma at frequencies above half of Nyquist's, of all
/// energy but that of the mean. Blur has less of it, sharp texture and noise more. 0 for a picture of one
/// color.
///
/// The middle square is taken and faded to the border by a Hann window in both directions, since a jump from
/// one border to the other would count as detail; frequencies are radial, in cycles a pixel, and half of
/// Nyquist's is a quarter of a cycle.
pub fn fine_detail(picture: &Picture) -> f64 {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let side = width.min(height).min(MOST);
    if side < 4 {
        return 0.0;
    }
    let (left, top) = ((width - side) / 2, (height - side) / 2);
    let luma = |x: usize, y: usize| {
        let at = ((top + y) * width + left + x) * 3;
        let [r, g, b] = [0, 1, 2].map(|channel| f64::from(picture.rgb()[at + channel]));
        0.299 * r + 0.587 * g + 0.114 * b
    };
    let turn = |at: usize| std::f64::consts::TAU * at as f64 / side as f64;
    let window: Vec<f64> = (0..side).map(|at| 0.5 - 0.5 * turn(at).cos()).collect();
    let weight: f64 = window.iter().sum::<f64>().powi(2);
    let mut mean = 0.0;
    for y in 0..side {
        for x in 0..side {
            mean += luma(x, y) * window[x] * window[y] / weight;
        }
    }
    // Along x first, then along y: a frequency of -f has the energy of f, so half of them is enough in x.
    let half = side / 2;
    let roots: Vec<[f64; 2]> = (0..side).map(|at| [turn(at).cos(), -turn(at).sin()]).collect();
    let faded = |at: usize| {
        let (x, y) = (at / side, at % side);
        [(luma(x, y) - mean) * window[x] * window[y], 0.0]
    };
    let columns: Vec<[f64; 2]> = (0..side * side).map(faded).collect();
    let rows = transform((&columns, side), (0, 1), side, &roots);
    let turned = |at: usize| rows[at % (half + 1) * side + at / (half + 1)];
    let rows: Vec<[f64; 2]> = (0..side * (half + 1)).map(turned).collect();
    let all_of = transform((&rows, half + 1), (0, 1), side, &roots);
    let (mut fine, mut all) = (0.0, 0.0);
    for f in 0..=half {
        // Both borders of the half stand for themselves alone.
        let twice = if f == 0 || 2 * f == side { 1.0 } else { 2.0 };
        for g in 0..side {
            let [re, im] = all_of[g * (half + 1) + f];
            let energy = twice * (re * re + im * im);
            all += energy;
            let across = g.min(side - g);
            if ((f * f + across * across) as f64).sqrt() > side as f64 / 4.0 {
                fine += energy;
            }
        }
    }
    if all > 1e-9 { fine / all } else { 0.0 }
}

/// The discrete Fourier transforms of `wide` rows of complex numbers, which lie side by side: `count` columns, each
/// `step` behind the one before. By the smallest prime that divides their count into as many shorter ones, and so on;
/// all rows at once, so that what leads there costs no more than of one. `roots` are those of all numbers,
/// e^(-2 pi i k / n).
///
/// Source: Cooley & Tukey, "An Algorithm for the Machine Calculation of Complex Fourier Series", 1965.
fn transform(
    (from, wide): (&[[f64; 2]], usize),
    (start, step): (usize, usize),
    count: usize,
    roots: &[[f64; 2]],
) -> Vec<[f64; 2]> {
    if count == 1 {
        return from[start * wide..(start + 1) * wide].to_vec();
    }
    let prime = (2..count).find(|prime| count.is_multiple_of(*prime)).unwrap_or(count);
    let short = count / prime;
    let shorter =
        |at: usize| transform((from, wide), (start + at * step, step * prime), short, roots);
    let parts: Vec<Vec<[f64; 2]>> = (0..prime).map(shorter).collect();
    let mut sums = vec![[0.0; 2]; count * wide];
    for (f, sums) in sums.chunks_exact_mut(wide).enumerate() {
        for (at, part) in parts.iter().enumerate() {
            let ([cos, sin], first) = (roots[at * f % count * step], f % short * wide);
            for ([re, im], [a, b]) in sums.iter_mut().zip(&part[first..first + wide]) {
                *re += a * cos - b * sin;
                *im += a * sin + b * cos;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_count_are_transformed_as_by_the_sum_itself() {
        for count in [1, 2, 7, 12, 16, 25, 30] {
            let root = |at: usize| {
                let turn = std::f64::consts::TAU * at as f64 / count as f64;
                [turn.cos(), -turn.sin()]
            };
            let roots: Vec<[f64; 2]> = (0..count).map(root).collect();
            let value = |at: usize| [(at * at % 11) as f64, (at * 7 % 5) as f64 - 2.0];
            let values: Vec<[f64; 2]> = (0..count).map(value).collect();
            // Two rows side by side, of which the other one is twice as large.
            let beside = values.iter().flat_map(|[a, b]| [[2.0 * a, 2.0 * b], [*a, *b]]);
            let beside: Vec<[f64; 2]> = beside.collect();
            let found = transform((&beside, 2), (0, 1), count, &roots);
            for (f, [twice, found]) in found.as_chunks::<2>().0.iter().enumerate() {
                let (mut re, mut im) = (0.0, 0.0);
                assert!((twice[0] - 2.0 * found[0]).abs() < 1e-9, "{count} {f}");
                for (at, [a, b]) in values.iter().enumerate() {
                    let [cos, sin] = root(at * f);
                    (re, im) = (re + a * cos - b * sin, im + a * sin + b * cos);
                }
                assert!(
                    (found[0] - re).abs() < 1e-9 && (found[1] - im).abs() < 1e-9,
                    "{count} {f}"
                );
            }
        }
    }

    fn waves(side: u32, cycles: f64, along: [f64; 2]) -> Picture {
        let pixel = |at: u32| {
            let (x, y) = (f64::from(at % side), f64::from(at / side));
            let phase = std::f64::consts::TAU * cycles * (along[0] * x + along[1] * y);
            [(128.0 + 100.0 * phase.cos()) as u8; 3]
        };
        Picture::new(side, side, (0..side * side).flat_map(pixel).collect::<Vec<u8>>()).unwrap()
    }

    #[test]
    fn a_wave_is_fine_or_coarse_whichever_way_it_runs() {
        for along in [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.6, -0.8]] {
            assert!(fine_detail(&waves(64, 0.15, along)) < 0.02, "{along:?}");
            assert!(fine_detail(&waves(64, 0.35, along)) > 0.97, "{along:?}");
        }
        assert_eq!(fine_detail(&waves(64, 0.0, [1.0, 0.0])), 0.0, "one color");
        // Wide pictures are measured in their middle, tiny ones not at all.
        let wide = Picture::new(8, 2, vec![7; 48]).unwrap();
        assert_eq!(fine_detail(&wide), 0.0);
    }

    #[test]
    fn noise_has_the_share_of_the_frequencies_that_are_fine() {
        let bytes = |at: u32| {
            [crate::random::Noise::new(1, crate::random::Purpose::Test, 0, at.into()).bits(0) as u8;
                3]
        };
        let noise =
            Picture::new(96, 96, (0..96 * 96).flat_map(bytes).collect::<Vec<u8>>()).unwrap();
        // A disc of a quarter cycle in a square of a whole one.
        let share = 1.0 - std::f64::consts::PI / 16.0;
        assert!((fine_detail(&noise) - share).abs() < 0.03, "{}", fine_detail(&noise));
    }
}
