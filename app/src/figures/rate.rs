//! What the same picture costs as an ordinary image file.

use smalti_engine::images::{Picture, as_jpeg, png_bytes};
use smalti_engine::{Result, measure};

/// Bits per pixel of image files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FileRates {
    /// As PNG: nothing is lost.
    pub png: f64,
    /// As the smallest JPEG that is at least as near to the original.
    pub jpeg: Jpeg,
}

/// A JPEG.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jpeg {
    /// The encoder's quality setting, 1 to 100.
    pub quality: u8,
    /// Bits per pixel, headers included.
    pub bits_per_pixel: f64,
    /// Its PSNR in dB.
    pub psnr: f64,
}

/// What a picture costs as PNG, and as a JPEG of at least `psnr` dB.
///
/// # Errors
/// If an encoder refuses the picture.
pub fn file_rates(picture: &Picture, psnr: f64) -> Result<FileRates> {
    let pixels = f64::from(picture.width()) * f64::from(picture.height());
    let png = png_bytes(picture)?.len() as f64 * 8.0 / pixels;
    let (mut low, mut high) = (1_u8, 100_u8);
    // Quality rises with the setting, so halving finds the first that is good enough.
    while low < high {
        let middle = low.midpoint(high);
        if jpeg(picture, middle)?.psnr >= psnr {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(FileRates { png, jpeg: jpeg(picture, low)? })
}

fn jpeg(picture: &Picture, quality: u8) -> Result<Jpeg> {
    let back = as_jpeg(picture, quality)?;
    let pixels = f64::from(picture.width()) * f64::from(picture.height());
    Ok(Jpeg {
        quality,
        bits_per_pixel: back.bytes as f64 * 8.0 / pixels,
        psnr: measure::psnr(picture, &back.picture)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_picture_costs_more_and_is_as_good_as_was_asked() {
        let rgb: Vec<u8> = (0..64_u32 * 64)
            .flat_map(|i| {
                let (x, y) = (i % 64, i / 64);
                [(x * 4) as u8, (y * 4) as u8, ((x * x + y * 3) % 256) as u8]
            })
            .collect();
        let picture = Picture::new(64, 64, rgb).unwrap();
        let rough = file_rates(&picture, 22.0).unwrap();
        let fine = file_rates(&picture, 32.0).unwrap();
        assert!(rough.jpeg.psnr >= 22.0 && fine.jpeg.psnr >= 32.0, "{rough:?} {fine:?}");
        assert!(rough.jpeg.bits_per_pixel < fine.jpeg.bits_per_pixel);
        assert_eq!(rough.png, fine.png);
    }
}
