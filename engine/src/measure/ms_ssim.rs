//! Structural similarity over five scales.
//!
//! Source: Wang, Simoncelli, Bovik, "Multi-Scale Structural Similarity for Image Quality Assessment", Asilomar
//! 2003: contrast and structure at every scale, luminance at the coarsest, each to the power of its weight.
//! Means over channels and places come first and halves are means of 2x2, as in torchmetrics.

use super::expect_same_size;
use super::ssim::{SsimWindow, plane_means};
use crate::Result;
use crate::images::Picture;

/// The weights of the scales, finest first.
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// Of a smaller side nothing would be left in the middle of the window at the coarsest scale.
pub const LEAST_SIDE: u32 = 176;

/// Multi-scale structural similarity of 8-bit pictures, 1 is the same. `None` below [`LEAST_SIDE`].
///
/// # Errors
/// If the sizes differ.
pub fn ms_ssim(a: &Picture, b: &Picture) -> Result<Option<f64>> {
    expect_same_size(a, b)?;
    if a.width().min(a.height()) < LEAST_SIDE {
        return Ok(None);
    }
    let mut size = (a.width() as usize, a.height() as usize);
    let planes = |picture: &Picture| -> [Vec<f64>; 3] {
        std::array::from_fn(|channel| {
            picture.rgb().iter().skip(channel).step_by(3).map(|v| f64::from(*v)).collect()
        })
    };
    let (mut x, mut y) = (planes(a), planes(b));
    let mut product = 1.0;
    for (scale, weight) in WEIGHTS.iter().enumerate() {
        let means = x.iter().zip(&y).map(|(x, y)| plane_means(x, y, size, SsimWindow::Gaussian11));
        let sum = means.fold((0.0, 0.0), |sum, mean| (sum.0 + mean.0, sum.1 + mean.1));
        let is_last = scale + 1 == WEIGHTS.len();
        let value = if is_last { sum.0 } else { sum.1 } / 3.0;
        // Pictures that are each other's negative have a negative one, of which there is no such power.
        product *= value.max(0.0).powf(*weight);
        if !is_last {
            for plane in x.iter_mut().chain(&mut y) {
                *plane = halved(plane, size);
            }
            size = (size.0 / 2, size.1 / 2);
        }
    }
    Ok(Some(product))
}

/// Means of 2x2; an odd last row or column is left out.
fn halved(plane: &[f64], (width, height): (usize, usize)) -> Vec<f64> {
    let mut half = Vec::with_capacity((width / 2) * (height / 2));
    for y in 0..height / 2 {
        let (top, bottom) = (&plane[2 * y * width..], &plane[(2 * y + 1) * width..]);
        half.extend(
            (0..width / 2)
                .map(|x| (top[2 * x] + top[2 * x + 1] + bottom[2 * x] + bottom[2 * x + 1]) / 4.0),
        );
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_picture_is_one_and_a_small_one_has_none() {
        let rgb: Vec<u8> = (0..180_u32 * 180 * 3).map(|at| (at * at % 251) as u8).collect();
        let picture = Picture::new(180, 180, rgb).unwrap();
        let same = ms_ssim(&picture, &picture).unwrap().unwrap();
        assert!((same - 1.0).abs() < 1e-12, "{same}");
        let small = picture.crop(0, 0, 175, 180).unwrap();
        assert_eq!(ms_ssim(&small, &small).unwrap(), None);
        assert!(ms_ssim(&small, &picture).is_err());
    }
}
