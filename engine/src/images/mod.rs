//! Pictures as plain data: decode safely, resize, encode.
//!
//! [`decode()`] turns the bytes of a file into a [`Picture`], [`resize`] brings it to the size a
//! tokenizer works at, [`tensor`] is the only door to candle, [`encode`] writes PNG files.

use std::sync::Arc;

use crate::{EngineError, Result};

pub mod decode;
pub mod encode;
pub mod file;
mod flatten;
mod jpeg;
pub mod kind;
mod limits;
mod motion;
mod png_text;
pub mod resize;
pub mod tensor;
mod tiff;

pub use decode::{Decoded, decode, open};
pub use encode::{png_bytes, save_png, sheet};
pub use jpeg::{JPEG_HEADER_BYTES, Transcoded, as_jpeg};
pub use limits::Limits;
pub use motion::{apng_bytes, gif_bytes};
pub use png_text::png_with_words;
pub use resize::{Fit, WorkingSize, fit};
pub use tensor::{from_tensor, to_tensor};

/// An RGB picture, 8 bits a channel, row by row. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Arc<[u8]>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}

impl Picture {
    /// A picture from its bytes, (H, W, 3).
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the number of bytes does not fit, or a side is zero.
    pub fn new(width: u32, height: u32, rgb: impl Into<Arc<[u8]>>) -> Result<Self> {
        let rgb = rgb.into();
        let bytes = (width as usize).checked_mul(height as usize).and_then(|n| n.checked_mul(3));
        if rgb.is_empty() || bytes != Some(rgb.len()) {
            return Err(EngineError::bad_input(
                "picture",
                format!("{} bytes do not fill {width}x{height} RGB", rgb.len()),
                "",
            ));
        }
        Ok(Self { width, height, rgb })
    }

    /// Columns.
    pub fn width(&self) -> u32 {
        self.width
    }
    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }
    /// The bytes, (H, W, 3).
    pub fn rgb(&self) -> &Arc<[u8]> {
        &self.rgb
    }
    /// The same with each pixel so many times as wide and as high.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if that is more than a picture may have.
    pub fn enlarged(&self, times: u32) -> Result<Self> {
        const MOST: u64 = 1 << 28;
        let (width, height) = (self.width * times, self.height * times);
        if times == 0 || u64::from(width) * u64::from(height) > MOST {
            let reason = format!("{width}x{height} pixels are too many");
            return Err(EngineError::bad_input("picture", reason, "a smaller enlargement"));
        }
        let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
        for row in self.rgb.chunks_exact(self.width as usize * 3) {
            let start = rgb.len();
            for pixel in row.chunks_exact(3) {
                (0..times).for_each(|_| rgb.extend_from_slice(pixel));
            }
            let line = start..rgb.len();
            (1..times).for_each(|_| rgb.extend_from_within(line.clone()));
        }
        Self::new(width, height, rgb)
    }

    /// The color at a place inside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        if x >= self.width || y >= self.height {
            return None;
        }
        let at = (y as usize * self.width as usize + x as usize) * 3;
        self.rgb.get(at..at + 3).map(|p| [p[0], p[1], p[2]])
    }

    /// The rectangle with its top left corner at (x, y).
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if it is empty or reaches outside.
    pub fn crop(&self, x: u32, y: u32, width: u32, height: u32) -> Result<Self> {
        check_part([self.width, self.height], [x, y, width, height])?;
        let (stride, row_bytes) = (self.width as usize * 3, width as usize * 3);
        let mut rgb = Vec::with_capacity(row_bytes * height as usize);
        for row in y..y + height {
            let at = row as usize * stride + x as usize * 3;
            rgb.extend_from_slice(&self.rgb[at..at + row_bytes]);
        }
        Self::new(width, height, rgb)
    }

    /// Left and right exchanged.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let mut rgb = Vec::with_capacity(self.rgb.len());
        for row in self.rgb.chunks_exact(self.width as usize * 3) {
            for pixel in row.rchunks_exact(3) {
                rgb.extend_from_slice(pixel);
            }
        }
        Self { rgb: rgb.into(), ..*self }
    }
}

/// Whether a part [x, y, width, height] of an image [width, height] has pixels and lies inside.
///
/// # Errors
/// [`EngineError::BadInput`] if not.
pub(crate) fn check_part([wide, high]: [u32; 2], [x, y, width, height]: [u32; 4]) -> Result<()> {
    let inside = x.checked_add(width).is_some_and(|right| right <= wide)
        && y.checked_add(height).is_some_and(|bottom| bottom <= high);
    if inside && width > 0 && height > 0 {
        return Ok(());
    }
    let reason = format!("{width}x{height} at ({x}, {y}) is not a part of {wide}x{high}");
    Err(EngineError::bad_input("crop", reason, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_the_rectangle_that_was_asked_for() {
        let bytes: Vec<u8> = (0..4 * 3 * 3).collect();
        let picture = Picture::new(4, 3, bytes).unwrap();
        let crop = picture.crop(1, 1, 2, 2).unwrap();
        assert_eq!(crop.pixel(0, 0), picture.pixel(1, 1));
        assert_eq!(crop.pixel(1, 1), picture.pixel(2, 2));
        assert!(picture.crop(3, 0, 2, 1).is_err());
        assert!(picture.crop(u32::MAX, 0, 2, 1).is_err());
        assert!(picture.crop(0, 0, 0, 1).is_err());
    }

    #[test]
    fn a_mirrored_picture_has_its_columns_reversed() {
        let bytes: Vec<u8> = (0..4 * 3 * 3).collect();
        let picture = Picture::new(4, 3, bytes).unwrap();
        let mirrored = picture.mirrored();
        for y in 0..3 {
            for x in 0..4 {
                assert_eq!(mirrored.pixel(x, y), picture.pixel(3 - x, y));
            }
        }
    }
}
