//! Pictures as JPEG: what tokens are compared with.

use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::{Limits, Picture, decode};
use crate::{EngineError, Result};

/// A picture after it was written in a format that loses something.
#[derive(Debug, Clone)]
pub struct Transcoded {
    /// What comes back.
    pub picture: Picture,
    /// Bytes of the file, header included.
    pub bytes: usize,
}

/// Writes a picture as JPEG and reads it again; `quality` is 1 to 100.
///
/// # Errors
/// [`EngineError::BadInput`] for another quality, or if the encoder refuses the picture.
pub fn as_jpeg(picture: &Picture, quality: u8) -> Result<Transcoded> {
    if !(1..=100).contains(&quality) {
        let reason = format!("{quality} is not between 1 and 100");
        return Err(EngineError::bad_input("quality", reason, ""));
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .write_image(picture.rgb(), picture.width(), picture.height(), ExtendedColorType::Rgb8)
        .map_err(|error| EngineError::bad_input("JPEG", error, ""))?;
    let back = decode(&bytes, Path::new("picture.jpg"), &Limits::default())?.picture;
    Ok(Transcoded { picture: back, bytes: bytes.len() })
}
