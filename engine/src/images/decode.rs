//! The bytes of an image file become an upright 8-bit RGB [`Picture`] on white.
//!
//! The content decides what a file is, never its name (TGA has no signature, there the suffix
//! does). Sizes are checked before anything is allocated, a decoder that panics is contained, and
//! a file that is cut off is refused rather than shown with a gray half. Color profiles are not
//! applied: values are taken for sRGB.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::codecs::{bmp, gif, jpeg, png, pnm, qoi, tga, webp};
use image::metadata::Orientation;
use image::{AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat};

use super::kind::{self, Kind};
use super::limits::Limits;
use super::{Picture, file, flatten, tiff};
use crate::{EngineError, Result};

/// An image file that was read.
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The picture, upright, on white.
    pub picture: Picture,
    /// Width and height in the file, before the turn that its orientation asks for.
    pub stored_size: (u32, u32),
    /// The format, "PNG" for instance.
    pub format: &'static str,
    /// What a person might want to know: only the first of several frames was read.
    pub warnings: Vec<String>,
}

/// Reads an image file.
///
/// # Errors
/// [`EngineError::Io`], or [`EngineError::BadFile`] with what the file is and what to do.
pub fn open(path: &Path, limits: &Limits) -> Result<Decoded> {
    decode(&file::read_file(path, limits.max_file_bytes)?, path, limits)
}

/// Decodes the bytes of an image file; `name` is for messages and, for TGA, its suffix.
///
/// # Errors
/// [`EngineError::BadFile`] with what the file is and what to do.
pub fn decode(bytes: &[u8], name: &Path, limits: &Limits) -> Result<Decoded> {
    let format = recognize(bytes, name)?;
    let attempt = catch_unwind(AssertUnwindSafe(|| decode_as(format, bytes, name, limits)));
    attempt.unwrap_or_else(|_| {
        let what = kind::format_name(format);
        Err(EngineError::bad_file(
            name,
            format!("this {what} is damaged, or of a kind that is not read: its decoder gave up"),
            CONVERT,
        ))
    })
}

/// For sound files of a kind that is not read.
const CONVERT: &str = "Save it as an ordinary 8-bit PNG from a program that opens it, such as \
                       `magick in.tif -depth 8 -colorspace sRGB out.png`";

const AGAIN: &str = "Get the file again, or save it anew from a program that opens it";

/// The format of an image file, or an error that says what it is instead.
fn recognize(bytes: &[u8], name: &Path) -> Result<ImageFormat> {
    let has_tga_suffix = name
        .extension()
        .and_then(|suffix| suffix.to_str())
        .is_some_and(|suffix| suffix.eq_ignore_ascii_case("tga"));
    let (reason, hint) = match kind::sniff(bytes) {
        Kind::Image(format) => return Ok(format),
        Kind::Empty => ("the file is empty (0 bytes)", "Get the file again"),
        // A TGA header can look like anything, an icon for instance.
        Kind::Known(..) | Kind::Unknown if has_tga_suffix => return Ok(ImageFormat::Tga),
        Kind::Known(what, hint) => {
            return Err(EngineError::bad_file(name, format!("this is {what}"), hint));
        }
        Kind::Text => ("this is text, not an image", "Check that it is the file you meant"),
        Kind::Unknown => (
            "this is not an image in a format that Smalti reads",
            "PNG, JPEG, GIF, WebP, BMP, TIFF, QOI, PPM and TGA can be opened",
        ),
    };
    Err(EngineError::bad_file(name, reason, hint))
}

fn decode_as(format: ImageFormat, bytes: &[u8], name: &Path, limits: &Limits) -> Result<Decoded> {
    let fail = |error: ImageError| explain(&error, format, name);
    if is_cut_off(format, bytes) {
        return Err(cut_off(format, name));
    }
    if format == ImageFormat::Tiff {
        return decode_tiff(bytes, name, limits);
    }
    if let Some(rare) = rare_kind(format, bytes) {
        return Err(EngineError::bad_file(name, format!("this is {rare}, not read here"), CONVERT));
    }
    let mut decoder = decoder_for(format, bytes, limits).map_err(fail)?;
    let stored_size = decoder.dimensions();
    check_size(stored_size, decoder.total_bytes(), name, limits)?;
    decoder.set_limits(image_limits(limits)).map_err(fail)?;
    // Metadata that cannot be read is no reason to refuse the picture.
    let orientation = orientation_of(&mut *decoder);
    let mut image = DynamicImage::from_decoder(decoder).map_err(fail)?;
    if format == ImageFormat::Png && !png_data_is_intact(bytes, png_data_len(bytes, stored_size)) {
        return Err(EngineError::bad_file(
            name,
            "this PNG is damaged: its compressed data does not match its checksum",
            AGAIN,
        ));
    }
    image.apply_orientation(orientation);
    let (width, height) = (image.width(), image.height());
    let mut warnings = Vec::new();
    if is_animated(format, bytes, limits) {
        warnings.push("it is an animation; only the first frame was read".to_owned());
    }
    Ok(Decoded {
        picture: Picture::new(width, height, flatten::to_rgb(image))?,
        stored_size,
        format: kind::format_name(format),
        warnings,
    })
}

fn decode_tiff(bytes: &[u8], name: &Path, limits: &Limits) -> Result<Decoded> {
    let what = kind::format_name(ImageFormat::Tiff);
    let read = tiff::read(bytes, limits).map_err(|failure| match failure {
        tiff::Failure::CutOff => cut_off(ImageFormat::Tiff, name),
        tiff::Failure::Damaged(detail) => {
            EngineError::bad_file(name, format!("this {what} is damaged: {detail}"), AGAIN)
        }
        tiff::Failure::Kind(kind) => {
            EngineError::bad_file(name, format!("a {what} with {kind} is not read here"), CONVERT)
        }
        tiff::Failure::TooLarge(width, height, bytes) => {
            let problem = check_size((width.max(1), height.max(1)), bytes, name, limits);
            problem.err().unwrap_or_else(|| needs_too_much(ImageFormat::Tiff, name))
        }
    })?;
    let stored_size = (read.width, read.height);
    let rgb = image::RgbImage::from_raw(read.width, read.height, read.rgb);
    let Some(rgb) = rgb else { return Err(cut_off(ImageFormat::Tiff, name)) };
    let mut image = DynamicImage::ImageRgb8(rgb);
    image.apply_orientation(read.orientation);
    let (width, height) = (image.width(), image.height());
    let picture = Picture::new(width, height, image.into_rgb8().into_raw())?;
    Ok(Decoded { picture, stored_size, format: what, warnings: read.warnings })
}

/// The turn that the metadata ask for. What cannot be read is no reason to refuse the picture. Some
/// programs begin the EXIF of a WebP or PNG with the letters that belong into a JPEG.
fn orientation_of(decoder: &mut dyn ImageDecoder) -> Orientation {
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    if orientation != Orientation::NoTransforms {
        return orientation;
    }
    let exif = decoder.exif_metadata().ok().flatten();
    exif.as_deref()
        .and_then(|exif| exif.strip_prefix(b"Exif\0\0"))
        .and_then(Orientation::from_exif_chunk)
        .unwrap_or(orientation)
}

fn decoder_for<'a>(
    format: ImageFormat,
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<Box<dyn ImageDecoder + 'a>, ImageError> {
    let reader = Cursor::new(bytes);
    Ok(match format {
        ImageFormat::Png => Box::new(png::PngDecoder::with_limits(reader, image_limits(limits))?),
        ImageFormat::Jpeg => Box::new(jpeg::JpegDecoder::new(reader)?),
        ImageFormat::Gif => Box::new(gif::GifDecoder::new(reader)?),
        ImageFormat::WebP => {
            let mut decoder = webp::WebPDecoder::new(reader)?;
            if decoder.has_animation() {
                // Frames are composed on a background; white is what flattening would give.
                decoder.set_background_color(image::Rgba([255, 255, 255, 0]))?;
            }
            Box::new(decoder)
        }
        ImageFormat::Bmp => Box::new(bmp::BmpDecoder::new(reader)?),
        ImageFormat::Qoi => Box::new(qoi::QoiDecoder::new(reader)?),
        ImageFormat::Tga => Box::new(tga::TgaDecoder::new(reader)?),
        _ => Box::new(pnm::PnmDecoder::new(reader)?),
    })
}

fn image_limits(limits: &Limits) -> image::Limits {
    let mut for_image = image::Limits::no_limits();
    // 8 bytes a pixel are 16-bit RGBA; decoders need the like again for themselves.
    for_image.max_alloc = Some(limits.max_pixels.saturating_mul(16).saturating_add(16 << 20));
    for_image
}

fn check_size(size: (u32, u32), bytes: u64, name: &Path, limits: &Limits) -> Result<()> {
    let (width, height) = size;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(EngineError::bad_file(
            name,
            format!("its header says {width}x{height} pixels, so there is no picture in it"),
            AGAIN,
        ));
    }
    if pixels > limits.max_pixels || bytes > limits.max_pixels.saturating_mul(8) {
        return Err(EngineError::bad_file(
            name,
            format!(
                "its {width}x{height} pixels need {} of memory, more than is allowed",
                file::size_in_words(bytes)
            ),
            format!(
                "Make a smaller copy: at most {:.0} megapixels are opened",
                limits.max_pixels as f64 / 1e6
            ),
        ));
    }
    Ok(())
}

/// Whether a file in a format whose decoder would fill up the rest with gray ends too early.
fn is_cut_off(format: ImageFormat, bytes: &[u8]) -> bool {
    match format {
        ImageFormat::Jpeg => !has_jpeg_end(bytes),
        ImageFormat::WebP => match bytes.get(4..8) {
            Some(&[a, b, c, d]) => {
                (bytes.len() as u64) < u64::from(u32::from_le_bytes([a, b, c, d])) + 8
            }
            _ => true,
        },
        _ => false,
    }
}

/// Kinds of JPEG and BMP that are sound and not decoded, in words.
fn rare_kind(format: ImageFormat, bytes: &[u8]) -> Option<String> {
    match format {
        ImageFormat::Jpeg => {
            let (marker, precision) = jpeg_frame(bytes)?;
            Some(match (marker, precision) {
                (0xc3 | 0xc5..=0xc7, _) => "a lossless or hierarchical JPEG".to_owned(),
                (0xc9..=0xcf, _) => "a JPEG with arithmetic coding".to_owned(),
                (_, 8) => return None,
                (_, bits) => format!("a {bits}-bit JPEG"),
            })
        }
        ImageFormat::Bmp => match bytes.get(30..34) {
            Some([4 | 5, 0, 0, 0]) => Some("a BMP with a JPEG or PNG inside".to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// The marker of a JPEG's frame, and its bits a sample.
fn jpeg_frame(bytes: &[u8]) -> Option<(u8, u8)> {
    let mut at = 2;
    loop {
        let &[0xff, marker] = bytes.get(at..at + 2)? else { return None };
        match marker {
            0xff => at += 1, // fill
            0xc4 | 0xc8 | 0xcc => at += 2 + segment_length(bytes, at)?,
            0xc0..=0xcf => return Some((marker, *bytes.get(at + 4)?)),
            0x01 | 0xd0..=0xd8 => at += 2,
            0xd9 | 0xda => return None,
            _ => at += 2 + segment_length(bytes, at)?,
        }
    }
}

fn segment_length(bytes: &[u8], at: usize) -> Option<usize> {
    let &[high, low] = bytes.get(at + 2..at + 4)? else { return None };
    Some(usize::from(u16::from_be_bytes([high, low])).max(2))
}

/// Walks the segments of a JPEG up to its end marker (thumbnails inside have their own).
fn has_jpeg_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[lead, marker]) = bytes.get(at..at + 2) {
        match (lead, marker) {
            (0xff, 0xd9) => return true,
            // A segment with a length: skip it.
            (0xff, 0x02..=0xbf | 0xc0..=0xcf | 0xda..=0xfe) => {
                let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return false };
                at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
            }
            // Entropy-coded data, a restart marker, or fill: look further.
            _ => at += 1,
        }
    }
    false
}

/// Whether the zlib stream of a PNG unpacks to what its checksum says. The decoder checks every
/// chunk's CRC but not this, so damage from before the CRC was written would pass unseen.
///
/// No more than `most` bytes are unpacked, and a buffer: what goes on behind the pixels is none of
/// the picture, and a few kilobytes of it can be gigabytes of zeros.
fn png_data_is_intact(bytes: &[u8], most: u64) -> bool {
    let mut stream = flate2::Decompress::new(true);
    let mut out = vec![0; 1 << 16];
    let mut at = 8;
    while let Some(&[a, b, c, d, k0, k1, k2, k3]) = bytes.get(at..at + 8) {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(mut data) = bytes.get(at + 8..at + 8 + length) else { break };
        at += 12 + length;
        if [k0, k1, k2, k3] != *b"IDAT" {
            continue;
        }
        loop {
            let (before_in, before_out) = (stream.total_in(), stream.total_out());
            match stream.decompress(data, &mut out, flate2::FlushDecompress::None) {
                Ok(flate2::Status::StreamEnd) => return true,
                Ok(_) if stream.total_out() > most => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
            let consumed = (stream.total_in() - before_in) as usize;
            data = &data[consumed..];
            if consumed == 0 && stream.total_out() == before_out {
                break; // wants the next chunk
            }
        }
    }
    // No end of the stream: pixels were all there, or the decoder would have said so.
    true
}

/// Bytes that a PNG's pixels take before they are packed, by its header; interlaced ones less than
/// twice as many.
fn png_data_len(bytes: &[u8], (width, height): (u32, u32)) -> u64 {
    let channels = match bytes.get(25) {
        Some(2) => 3,
        Some(4) => 2,
        Some(6) => 4,
        _ => 1,
    };
    let bits = channels * u64::from(bytes.get(24).copied().unwrap_or(16).clamp(1, 16));
    let row = u64::from(width).saturating_mul(bits).div_ceil(8).saturating_add(1);
    let is_interlaced = bytes.get(28) == Some(&1);
    row.saturating_mul(u64::from(height)).saturating_mul(if is_interlaced { 2 } else { 1 })
}

fn is_animated(format: ImageFormat, bytes: &[u8], limits: &Limits) -> bool {
    let reader = Cursor::new(bytes);
    match format {
        ImageFormat::Png => png::PngDecoder::with_limits(reader, image_limits(limits))
            .and_then(|decoder| decoder.is_apng())
            .unwrap_or(false),
        ImageFormat::WebP => {
            webp::WebPDecoder::new(reader).is_ok_and(|decoder| decoder.has_animation())
        }
        ImageFormat::Gif => gif::GifDecoder::new(reader).is_ok_and(|mut decoder| {
            decoder.set_limits(image_limits(limits)).is_ok()
                && decoder.into_frames().nth(1).is_some_and(|frame| frame.is_ok())
        }),
        _ => false,
    }
}

fn cut_off(format: ImageFormat, name: &Path) -> EngineError {
    let what = kind::format_name(format);
    EngineError::bad_file(
        name,
        format!("this {what} is cut off: the file ends before the picture does"),
        AGAIN,
    )
}

fn needs_too_much(format: ImageFormat, name: &Path) -> EngineError {
    let what = kind::format_name(format);
    let reason = format!("this {what} needs more memory than is allowed");
    EngineError::bad_file(name, reason, "Make a smaller copy of it")
}

/// The words of a decoder, as something that helps.
fn explain(error: &ImageError, format: ImageFormat, name: &Path) -> EngineError {
    let what = kind::format_name(format);
    let text = error.to_string();
    let detail = text.lines().next().unwrap_or_default();
    let detail = detail.split_once(": ").map_or(detail, |(_, rest)| rest).trim_end_matches('.');
    let is_end_of_file = matches!(
        error, ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof
    );
    let lower = text.to_ascii_lowercase();
    let says_end = ["end of file", "eof", "truncated", "unexpected end", "fill whole buffer"];
    if is_end_of_file || says_end.iter().any(|words| lower.contains(words)) {
        return cut_off(format, name);
    }
    match error {
        ImageError::Unsupported(_) => EngineError::bad_file(
            name,
            format!("this kind of {what} is not read here: {detail}"),
            CONVERT,
        ),
        ImageError::Limits(_) => needs_too_much(format, name),
        _ => EngineError::bad_file(name, format!("this {what} is damaged: {detail}"), AGAIN),
    }
}
