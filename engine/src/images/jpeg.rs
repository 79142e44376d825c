//! Pictures as JPEG: what tokens are compared with.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::{Limits, Picture, decode};
use crate::{EngineError, Result};

/// Bytes of a file of [`as_jpeg`] before its first coefficient: four Huffman tables, two of quantization, and what
/// JFIF wants. Of a small picture they are most of the file.
pub const JPEG_HEADER_BYTES: usize = 623;

/// A picture after it was written in a format that loses something.
#[derive(Debug, Clone)]
pub struct Transcoded {
    /// What comes back.
    pub picture: Picture,
    /// Bytes of the file, header included.
    pub bytes: usize,
}

/// Writes a picture as JPEG and reads it again; `quality` is 1 to 100. It is baseline JPEG with full color (4:4:4)
/// and the standard's Huffman tables: other encoders make smaller files of the same quality, by halved color and
/// tables of their own.
///
/// # Errors
/// [`EngineError::BadInput`] for another quality, or if the encoder refuses the picture.
pub fn as_jpeg(picture: &Picture, quality: u8) -> Result<Transcoded> {
    if !(1..=100).contains(&quality) {
        let reason = format!("{quality} is not between 1 and 100");
        return Err(EngineError::bad_input("quality", reason, ""));
    }
    let bytes = file_of(picture, quality)?;
    let back = decode(&bytes, Path::new("picture.jpg"), &Limits::default())?.picture;
    Ok(Transcoded { picture: back, bytes: bytes.len() })
}

fn file_of(picture: &Picture, quality: u8) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .write_image(picture.rgb(), picture.width(), picture.height(), ExtendedColorType::Rgb8)
        .map_err(|error| EngineError::bad_input("JPEG", error, ""))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks the segments up to the scan, as the standard (ITU-T T.81) lays them out.
    #[test]
    fn headers_are_as_long_as_is_said_and_colors_are_not_halved() {
        let picture = Picture::new(64, 64, vec![90; 64 * 64 * 3]).unwrap();
        let bytes = file_of(&picture, 40).unwrap();
        let mut at = 2;
        loop {
            let segment = &bytes[at..];
            assert_eq!(segment[0], 255, "at {at}");
            if segment[1] == 0xC0 {
                // Precision, height, width, components, and of each its number and how often it is sampled.
                assert_eq!([segment[11], segment[14], segment[17]], [0x11; 3]);
            }
            at += 2 + usize::from(u16::from_be_bytes([segment[2], segment[3]]));
            if segment[1] == 0xDA {
                break;
            }
        }
        assert_eq!(at, JPEG_HEADER_BYTES);
    }
}
