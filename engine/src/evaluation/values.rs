//! What is measured of one image at one rate.

use crate::Result;
use crate::images::Picture;
use crate::measure;

/// A number that is measured of every image.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Column {
    /// log2(K) bits a token, per pixel; of a format the bits of its file.
    BitsPerPixel,
    /// PSNR in dB.
    Psnr,
    /// Structural similarity.
    Ssim,
    /// The same over five scales, of pictures with sides of 176 pixels or more.
    MsSsim,
    /// The distance by the shipped judge; not published LPIPS.
    LpipsLike,
    /// Share of spectral energy above half of Nyquist's frequency.
    FineDetail,
    /// LPIPS by a person's own weights of a published network; of a measurement with these alone.
    Lpips,
}

/// All of them, in the order of files.
pub const COLUMNS: [Column; 7] = [
    Column::BitsPerPixel,
    Column::Psnr,
    Column::Ssim,
    Column::MsSsim,
    Column::LpipsLike,
    Column::FineDetail,
    Column::Lpips,
];

impl Column {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::BitsPerPixel => "bits_per_pixel",
            Self::Psnr => "psnr",
            Self::Ssim => "ssim",
            Self::MsSsim => "ms_ssim",
            Self::LpipsLike => "lpips_like",
            Self::FineDetail => "fine_detail",
            Self::Lpips => "lpips",
        }
    }

    /// Its place in [`COLUMNS`].
    pub fn place(self) -> usize {
        self as usize
    }

    /// Whether more of it is better; of the rate less is.
    pub fn is_better_high(self) -> bool {
        matches!(self, Self::Psnr | Self::Ssim | Self::MsSsim)
    }
}

/// What was measured of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageValues {
    /// Its number in the set.
    pub index: u64,
    /// Its name there.
    pub name: String,
    /// Which of the measurement's points: how many levels, which quality.
    pub point: usize,
    /// Width and height at which it was measured.
    pub size: [u32; 2],
    /// In the order of [`COLUMNS`]; not finite where it has none, as a PSNR of what came back as it was.
    pub values: [f64; COLUMNS.len()],
}

impl ImageValues {
    /// One of them, if it is a number.
    pub fn get(&self, column: Column) -> Option<f64> {
        Some(self.values[column.place()]).filter(|value| value.is_finite())
    }
}

/// A picture against what came back, but for what networks see: the LPIPS-like distance, and LPIPS.
pub(super) fn compare(
    a: &Picture,
    b: &Picture,
    bits_per_pixel: f64,
    (lpips_like, lpips): (Option<f64>, Option<f64>),
) -> Result<[f64; COLUMNS.len()]> {
    Ok([
        bits_per_pixel,
        measure::psnr(a, b)?,
        measure::ssim(a, b)?,
        measure::ms_ssim(a, b)?.unwrap_or(f64::NAN),
        lpips_like.unwrap_or(f64::NAN),
        measure::fine_detail(b),
        lpips.unwrap_or(f64::NAN),
    ])
}
