//! Pictures as PNG files, and contact sheets of many.

use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::Picture;
use crate::{EngineError, Result};

/// The picture as the bytes of a PNG file.
///
/// # Errors
/// [`EngineError::BadInput`] if the encoder refuses it.
pub fn png_bytes(picture: &Picture) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(picture.rgb(), picture.width(), picture.height(), ExtendedColorType::Rgb8)
        .map_err(|error| EngineError::bad_input("picture", error, ""))?;
    Ok(bytes)
}

/// Writes the picture as PNG: either the whole file is there afterwards, or what was there before.
///
/// # Errors
/// [`EngineError::Io`] if the folder cannot be written.
pub fn save_png(picture: &Picture, path: &Path) -> Result<()> {
    let bytes = png_bytes(picture)?;
    crate::atomic::write_atomically(path, |file| file.write_all(&bytes))
}

/// A contact sheet: pictures in rows of `columns`, each in the middle of a cell as large as the
/// largest, `gap` pixels between cells and around them.
///
/// # Errors
/// [`EngineError::BadInput`] if there are no pictures or the sheet would be enormous.
pub fn sheet(pictures: &[Picture], columns: u32, gap: u32, background: [u8; 3]) -> Result<Picture> {
    let cell_w = pictures.iter().map(Picture::width).max().unwrap_or(0);
    let cell_h = pictures.iter().map(Picture::height).max().unwrap_or(0);
    let columns = u64::from(columns.max(1)).min(pictures.len() as u64);
    let rows = if columns == 0 { 0 } else { (pictures.len() as u64).div_ceil(columns) };
    let (step_x, step_y) = (u64::from(cell_w) + u64::from(gap), u64::from(cell_h) + u64::from(gap));
    let width = columns * step_x + u64::from(gap);
    let height = rows * step_y + u64::from(gap);
    if rows == 0 || width.saturating_mul(height) > 400_000_000 {
        return Err(EngineError::bad_input(
            "contact sheet",
            format!("{} pictures do not fit on one of {width}x{height}", pictures.len()),
            "Use fewer or smaller pictures",
        ));
    }
    let stride = width as usize * 3;
    let mut rgb = background.repeat(width as usize * height as usize);
    for (number, picture) in (0_u64..).zip(pictures) {
        let x = number % columns * step_x + u64::from(gap + (cell_w - picture.width()) / 2);
        let y = number / columns * step_y + u64::from(gap + (cell_h - picture.height()) / 2);
        let row_bytes = picture.width() as usize * 3;
        for (row, source) in picture.rgb().chunks_exact(row_bytes).enumerate() {
            let at = (y as usize + row) * stride + x as usize * 3;
            rgb[at..at + row_bytes].copy_from_slice(source);
        }
    }
    Picture::new(width as u32, height as u32, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{Limits, open};

    fn plain(width: u32, height: u32, color: [u8; 3]) -> Picture {
        Picture::new(width, height, color.repeat((width * height) as usize)).unwrap()
    }

    #[test]
    fn a_saved_picture_opens_with_the_same_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.png");
        std::fs::write(&path, "what was there before").unwrap();
        let picture = Picture::new(5, 3, (0..45).collect::<Vec<u8>>()).unwrap();
        save_png(&picture, &path).unwrap();
        assert_eq!(open(&path, &Limits::default()).unwrap().picture, picture);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        let nowhere = folder.path().join("no such folder").join("out.png");
        assert!(save_png(&picture, &nowhere).unwrap_err().is_bad_input());
    }

    #[test]
    fn a_sheet_puts_pictures_in_rows_with_gaps() {
        let pictures = [plain(2, 2, [1; 3]), plain(4, 4, [2; 3]), plain(4, 2, [3; 3])];
        let sheet = sheet(&pictures, 2, 1, [9; 3]).unwrap();
        assert_eq!((sheet.width(), sheet.height()), (11, 11));
        assert_eq!(sheet.pixel(0, 0), Some([9; 3]));
        assert_eq!(sheet.pixel(2, 2), Some([1; 3]), "a small one is in the middle of its cell");
        assert_eq!(sheet.pixel(1, 1), Some([9; 3]));
        assert_eq!(sheet.pixel(6, 1), Some([2; 3]));
        assert_eq!(sheet.pixel(1, 7), Some([3; 3]));
        assert_eq!(sheet.pixel(7, 8), Some([9; 3]), "an empty cell shows the background");
    }

    #[test]
    fn a_sheet_of_nothing_or_of_too_much_is_refused() {
        assert!(sheet(&[], 4, 1, [0; 3]).is_err());
        let one = plain(8, 8, [0; 3]);
        assert!(sheet(&[one.clone(), one], 2, u32::MAX / 4, [0; 3]).is_err());
    }
}
