//! Structural similarity.
//!
//! Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural
//! Similarity", IEEE TIP 2004. Border handling and the two windows follow scikit-image's
//! `structural_similarity`, so that numbers agree with published ones.

use rayon::prelude::*;

use super::expect_same_size;
use crate::Result;
use crate::images::Picture;

/// The window over which statistics are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SsimWindow {
    /// 11x11 Gaussian, sigma 1.5, population covariance: the paper's, and our default.
    Gaussian11,
    /// 7x7 mean, sample covariance: scikit-image's default, used by several repositories.
    Uniform7,
}

impl SsimWindow {
    fn taps(self) -> Vec<f64> {
        match self {
            Self::Gaussian11 => {
                let weights: Vec<f64> =
                    (-5..=5).map(|i| (-f64::from(i * i) / (2.0 * 1.5 * 1.5)).exp()).collect();
                let sum: f64 = weights.iter().sum();
                weights.iter().map(|w| w / sum).collect()
            }
            Self::Uniform7 => vec![1.0 / 7.0; 7],
        }
    }
}

/// Similarity of every pixel and its mean.
#[derive(Debug, Clone)]
pub struct SsimMap {
    /// Similarity of every pixel, mean of the channels, row by row.
    pub map: Vec<f32>,
    /// The mean over channels and pixels, half a window of border left out.
    pub mean: f64,
}

/// Mean structural similarity with the Gaussian window, 8-bit range.
///
/// # Errors
/// If the sizes differ.
pub fn ssim(a: &Picture, b: &Picture) -> Result<f64> {
    Ok(ssim_map(a, b)?.mean)
}

/// Similarity of every pixel with the Gaussian window, 8-bit range.
///
/// # Errors
/// If the sizes differ.
pub fn ssim_map(a: &Picture, b: &Picture) -> Result<SsimMap> {
    ssim_with(a, b, SsimWindow::Gaussian11, 255.0)
}

/// Similarity with a choice of window and of the range (in 8-bit steps) that the constants are
/// taken from; 255 is right, 510 is what passing `data_range=2` for pictures in [0, 1] amounts to.
///
/// # Errors
/// If the sizes differ.
pub fn ssim_with(a: &Picture, b: &Picture, window: SsimWindow, range: f64) -> Result<SsimMap> {
    expect_same_size(a, b)?;
    let (width, height) = (a.width() as usize, a.height() as usize);
    let taps = window.taps();
    let channels: Vec<Vec<f64>> = (0..3_usize)
        .into_par_iter()
        .map(|channel| {
            let plane = |p: &Picture| -> Vec<f64> {
                p.rgb().iter().skip(channel).step_by(3).map(|v| f64::from(*v)).collect()
            };
            channel_map(&plane(a), &plane(b), (width, height), &taps, (window, range))
        })
        .collect();
    let border = taps.len() / 2;
    let has_middle = width > 2 * border && height > 2 * border;
    let (mut sum, mut count) = (0.0, 0_u64);
    let mut map = vec![0.0_f32; width * height];
    for (at, value) in map.iter_mut().enumerate() {
        let (x, y) = (at % width, at / width);
        let similarity = channels.iter().map(|c| c[at]).sum::<f64>() / 3.0;
        *value = similarity as f32;
        let inside = (border..width.saturating_sub(border)).contains(&x)
            && (border..height.saturating_sub(border)).contains(&y);
        // A picture smaller than the window has no middle: then all of it counts.
        if inside || !has_middle {
            sum += similarity;
            count += 1;
        }
    }
    Ok(SsimMap { map, mean: sum / count.max(1) as f64 })
}

fn channel_map(
    x: &[f64],
    y: &[f64],
    size: (usize, usize),
    taps: &[f64],
    window: (SsimWindow, f64),
) -> Vec<f64> {
    let terms = channel_terms(x, y, size, taps, window).into_iter();
    terms
        .map(|[light, lights, structure, structures]| (light * structure) / (lights * structures))
        .collect()
}

/// Of every pixel what stands above and below the lines of luminance, and of contrast and structure.
fn channel_terms(
    x: &[f64],
    y: &[f64],
    size: (usize, usize),
    taps: &[f64],
    (window, range): (SsimWindow, f64),
) -> Vec<[f64; 4]> {
    let product =
        |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(p, q)| p * q).collect() };
    let mean_x = filter(x, size, taps);
    let mean_y = filter(y, size, taps);
    let mean_xx = filter(&product(x, x), size, taps);
    let mean_yy = filter(&product(y, y), size, taps);
    let mean_xy = filter(&product(x, y), size, taps);
    let n = (taps.len() * taps.len()) as f64;
    let correction = match window {
        SsimWindow::Gaussian11 => 1.0,
        SsimWindow::Uniform7 => n / (n - 1.0),
    };
    let (c1, c2) = ((0.01 * range).powi(2), (0.03 * range).powi(2));
    (0..x.len())
        .map(|i| {
            let (mx, my) = (mean_x[i], mean_y[i]);
            let var_x = correction * (mean_xx[i] - mx * mx);
            let var_y = correction * (mean_yy[i] - my * my);
            let covariance = correction * (mean_xy[i] - mx * my);
            let structure = [2.0 * covariance + c2, var_x + var_y + c2];
            [2.0 * mx * my + c1, mx * mx + my * my + c1, structure[0], structure[1]]
        })
        .collect()
}

/// Means over a plane of similarity, and of contrast and structure alone, half a window of border left out.
/// Planes are row by row, (H, W), and have a middle.
pub(super) fn plane_means(
    x: &[f64],
    y: &[f64],
    (width, height): (usize, usize),
    window: SsimWindow,
) -> (f64, f64) {
    let taps = window.taps();
    let border = taps.len() / 2;
    let terms = channel_terms(x, y, (width, height), &taps, (window, 255.0));
    let (mut sums, mut count) = ((0.0, 0.0), 0_u64);
    for row in terms.chunks(width).take(height - border).skip(border) {
        for [light, lights, structure, structures] in &row[border..width - border] {
            sums.0 += (light * structure) / (lights * structures);
            sums.1 += structure / structures;
            count += 1;
        }
    }
    let count = count.max(1) as f64;
    (sums.0 / count, sums.1 / count)
}

/// Separable filter; beyond the border the picture is mirrored with its edge repeated.
fn filter(values: &[f64], (width, height): (usize, usize), taps: &[f64]) -> Vec<f64> {
    let half = taps.len() as isize / 2;
    let mirror = |at: isize, n: usize| -> usize {
        let period = 2 * n as isize;
        let inside = at.rem_euclid(period);
        (if inside < n as isize { inside } else { period - 1 - inside }) as usize
    };
    let mut rows = vec![0.0; values.len()];
    // The mirrored line is laid out once, so that every tap is a pass over neighbors without a
    // division by number: ten times as fast, and the sums are the same.
    let places: Vec<usize> = (-half..width as isize + half).map(|x| mirror(x, width)).collect();
    rows.par_chunks_mut(width).zip(values.par_chunks(width)).for_each_init(
        Vec::new,
        |wide, (out, line)| {
            wide.clear();
            wide.extend(places.iter().map(|x| line[*x]));
            for (from, tap) in taps.iter().enumerate() {
                for (value, source) in out.iter_mut().zip(&wide[from..]) {
                    *value += tap * source;
                }
            }
        },
    );
    let mut result = vec![0.0; values.len()];
    result.par_chunks_mut(width).enumerate().for_each(|(y, out)| {
        for (d, tap) in (-half..=half).zip(taps) {
            let from = mirror(y as isize + d, height) * width;
            for (value, source) in out.iter_mut().zip(&rows[from..from + width]) {
                *value += tap * source;
            }
        }
    });
    result
}
