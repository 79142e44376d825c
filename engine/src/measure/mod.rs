//! How good a reconstruction is, how a codebook is used, and what tokens cost.

mod books;
mod codebook;
mod exact;
mod frechet;
mod ms_ssim;
mod psnr;
mod spectrum;
mod ssim;
mod symmetric;
mod usage;

pub use books::{BookCounts, BookStatistics, BooksStatistics};
pub use codebook::{CodeColors, Codebook, NEIGHBOUR_WORK, Neighbours};
pub use exact::Exact;
pub use frechet::{Cloud, Moments, frechet};
pub use ms_ssim::{LEAST_SIDE as MS_SSIM_LEAST_SIDE, ms_ssim};
pub use psnr::{mean_squared_error, psnr};
pub use spectrum::fine_detail;
pub use ssim::{SsimMap, SsimWindow, ssim, ssim_map, ssim_with};
pub use usage::{CodeCounts, CodeStatistics, bits_per_pixel, expected_used};

use crate::images::Picture;
use crate::{EngineError, Result};

/// Pictures that are compared must have the same size.
fn expect_same_size(a: &Picture, b: &Picture) -> Result<()> {
    if a.width() == b.width() && a.height() == b.height() {
        return Ok(());
    }
    Err(EngineError::bad_input(
        "comparison",
        format!(
            "one picture is {}x{}, the other {}x{}",
            a.width(),
            a.height(),
            b.width(),
            b.height()
        ),
        "compare pictures of the same size",
    ))
}
