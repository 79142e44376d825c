//! Peak signal-to-noise ratio.

use super::expect_same_size;
use crate::Result;
use crate::images::Picture;

/// Mean squared error over all pixels and channels, in squares of 8-bit steps.
///
/// # Errors
/// If the sizes differ.
pub fn mean_squared_error(a: &Picture, b: &Picture) -> Result<f64> {
    expect_same_size(a, b)?;
    let sum: u64 = a
        .rgb()
        .iter()
        .zip(b.rgb().iter())
        .map(|(p, q)| {
            let d = i64::from(*p) - i64::from(*q);
            (d * d) as u64
        })
        .sum();
    Ok(sum as f64 / a.rgb().len() as f64)
}

/// 10 log10(255^2 / mse) in dB over all pixels and channels of 8-bit pictures, as scikit-image's
/// `peak_signal_noise_ratio` with `data_range=255`. Infinite for equal pictures.
///
/// # Errors
/// If the sizes differ.
pub fn psnr(a: &Picture, b: &Picture) -> Result<f64> {
    Ok(10.0 * (255.0_f64 * 255.0 / mean_squared_error(a, b)?).log10())
}
