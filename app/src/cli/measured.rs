//! What `evaluate` says of a tokenizer.

use serde::Serialize;
use smalti_engine::measure::BookStatistics;

/// The mean of PSNR over images. That of an image that came back as it was has no end, and is left out, or it
/// would be all that the mean says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MeanPsnr {
    sum: f64,
    images: f64,
}

impl MeanPsnr {
    pub(super) fn add(&mut self, psnr: f64) {
        if psnr.is_finite() {
            self.sum += psnr;
            self.images += 1.0;
        }
    }

    /// In dB; without end if every image came back as it was.
    pub(super) fn mean(self) -> f64 {
        if self.images > 0.0 { self.sum / self.images } else { f64::INFINITY }
    }
}

/// What was measured of a tokenizer over images.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) model: String,
    /// Of a tokenizer with residual levels whose first few are measured alone: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) levels: Option<usize>,
    /// Images that were measured, and images of the set, if it has an end: if there are more, this
    /// is a sample.
    pub(super) images: u64,
    pub(super) of_images: Option<u64>,
    /// Width and height at which they were measured.
    pub(super) size: String,
    /// Images that were smaller than that.
    pub(super) enlarged: usize,
    pub(super) psnr: f64,
    pub(super) ssim: f64,
    /// By the shipped judge, if it is there; not published LPIPS.
    pub(super) lpips_like: Option<f64>,
    pub(super) proxy_fd: Option<f64>,
    /// Share of the spectral energy of reconstructions above half of Nyquist's frequency, and that of the
    /// images.
    pub(super) fine_detail: f64,
    pub(super) fine_detail_of_images: f64,
    /// Of the codes of all books; perplexity is 2^entropy, of several books by their mean entropy.
    pub(super) usage: f64,
    pub(super) perplexity: f64,
    pub(super) bits_per_pixel: f64,
    pub(super) entropy_bits_per_pixel: f64,
    pub(super) encode_seconds: f64,
    pub(super) decode_seconds: f64,
    /// Each book, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) books: Vec<BookStatistics>,
}
