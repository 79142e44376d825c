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
    // Rows first, then columns: a frequency of -f has the energy of f, so half of them is enough in x.
    let half = side / 2;
    let (cos, sin): (Vec<f64>, Vec<f64>) =
        (0..side).map(|at| (turn(at).cos(), turn(at).sin())).unzip();
    let mut rows = vec![[0.0_f64; 2]; side * (half + 1)];
    for y in 0..side {
        let row: Vec<f64> =
            (0..side).map(|x| (luma(x, y) - mean) * window[x] * window[y]).collect();
        for f in 0..=half {
            let (mut re, mut im) = (0.0, 0.0);
            for (x, value) in row.iter().enumerate() {
                let at = f * x % side;
                re += value * cos[at];
                im -= value * sin[at];
            }
            rows[y * (half + 1) + f] = [re, im];
        }
    }
    let (mut fine, mut all) = (0.0, 0.0);
    for f in 0..=half {
        // Both borders of the half stand for themselves alone.
        let twice = if f == 0 || 2 * f == side { 1.0 } else { 2.0 };
        for g in 0..side {
            let (mut re, mut im) = (0.0, 0.0);
            for y in 0..side {
                let [a, b] = rows[y * (half + 1) + f];
                let at = g * y % side;
                re += a * cos[at] + b * sin[at];
                im += b * cos[at] - a * sin[at];
            }
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

#[cfg(test)]
mod tests {
    use super::*;

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
