//! From a picture to its tokens and back, in plain data.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::{Facts, Tokenizer};
use crate::images::{Picture, from_tensor, to_tensor};
use crate::quantizers::Pass;
use crate::tokens::{MASKED, Part, PartShape, Tokens, words};
use crate::{EngineError, Result};

/// Pictures of one size as images (B, C, H, W) in [-1, 1]; gray where the tokenizer has one channel.
///
/// # Errors
/// [`EngineError::BadInput`] if there are none or their sizes differ.
pub fn images_of(facts: &Facts, pictures: &[Picture], device: &Device) -> Result<Tensor> {
    let images = to_tensor(pictures, device)?;
    match facts.channels {
        3 => Ok(images),
        // Luma of Rec. 601, as Pillow's "L".
        1 => {
            let part = |channel: usize, weight: f64| images.narrow(1, channel, 1)? * weight;
            Ok(((part(0, 0.299)? + part(1, 0.587)?)? + part(2, 0.114)?)?)
        }
        other => Err(EngineError::bad_input(
            "tokenizer",
            format!("its images have {other} channels"),
            "pictures have 3 channels, or 1 where they are gray",
        )),
    }
}

/// The pictures of images (B, C, H, W); gray ones have three equal channels.
///
/// # Errors
/// As [`from_tensor`].
pub fn pictures_of(images: &Tensor) -> Result<Vec<Picture>> {
    let (b, c, h, w) = images.dims4()?;
    if c == 1 {
        return from_tensor(&images.broadcast_as((b, 3, h, w))?.contiguous()?);
    }
    from_tensor(images)
}

/// The tokens of a picture.
///
/// # Errors
/// [`EngineError::BadInput`] if the picture has a size that the tokenizer does not take, or the
/// network gives numbers that are not finite (damaged weights).
pub fn tokenize(tokenizer: &dyn Tokenizer, picture: &Picture) -> Result<Tokens> {
    let facts = tokenizer.facts();
    let layout = tokenizer.layout(picture.height() as usize, picture.width() as usize)?;
    let codes = codes_of(tokenizer, &layout, std::slice::from_ref(picture))?;
    let part = |(shape, codes): (&PartShape, &Tensor)| {
        let size = facts.book(shape.book).size;
        Part::new(*shape, size, codes.flatten_all()?.to_vec1::<u32>()?)
    };
    Tokens::new(layout.iter().zip(&codes).map(part).collect::<Result<Vec<_>>>()?)
}

/// The codes of each part, (B, rows, columns), of pictures of one size whose tokens have that layout.
fn codes_of(
    tokenizer: &dyn Tokenizer,
    layout: &[PartShape],
    pictures: &[Picture],
) -> Result<Vec<Tensor>> {
    let images = images_of(tokenizer.facts(), pictures, tokenizer.device())?;
    let codes = tokenizer.quantize(&tokenizer.encode(&images)?, Pass::Inference)?.codes;
    if codes.len() != layout.len() {
        let reason = format!("{} parts of codes, {} were expected", codes.len(), layout.len());
        return Err(EngineError::bad_input("tokenizer", reason, ""));
    }
    Ok(codes)
}

/// The codes of pictures of one size, encoded together: those of each picture, all parts one after the other.
///
/// # Errors
/// As [`tokenize`].
pub fn tokenize_all(tokenizer: &dyn Tokenizer, pictures: &[Picture]) -> Result<Vec<Arc<[u32]>>> {
    let Some(first) = pictures.first() else { return Ok(Vec::new()) };
    let layout = tokenizer.layout(first.height() as usize, first.width() as usize)?;
    let codes = codes_of(tokenizer, &layout, pictures)?;
    let rows = codes.iter().map(|codes| Ok(codes.flatten_from(1)?.to_vec2::<u32>()?));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let of_picture = |at: usize| rows.iter().flat_map(|part| part[at].iter().copied()).collect();
    Ok((0..pictures.len()).map(of_picture).collect())
}

/// Pictures above this are not decoded, as they are not opened.
const MOST_PIXELS: usize = 64_000_000;
/// About what decoding takes a pixel and a channel: three maps of f32 at once. Measured: 512 bytes a pixel
/// with 48 channels.
const BYTES_A_CHANNEL: u64 = 12;
/// Nobody is asked whether this much memory can be had.
const ALWAYS: u64 = 1 << 30;

/// The size in pixels, height and width, of the image whose tokens have that layout; the first parts
/// of a layout are enough where [`Facts::prefixes`] says so.
///
/// # Errors
/// [`EngineError::BadInput`] as [`check_fit`] says, if a cell holds no token, and if decoding takes more
/// than there is.
pub fn check_layout(tokenizer: &dyn Tokenizer, tokens: &Tokens) -> Result<(usize, usize)> {
    let (height, width) = check_fit(tokenizer, tokens)?;
    if height.saturating_mul(width) > MOST_PIXELS {
        let reason = format!("they would decode to {width}x{height} pixels");
        let hint = "at most 64 megapixels are decoded; cut them first";
        return Err(EngineError::bad_input("tokens", reason, hint));
    }
    check_memory((height, width), tokenizer.facts().width, crate::memory::available())?;
    if let Some(cell) = tokens.first_masked() {
        let reason = format!("no token stands at {cell}");
        return Err(EngineError::bad_input("tokens", reason, "fill every cell first"));
    }
    Ok((height, width))
}

/// That a picture of so many pixels can be decoded by a network of so many channels in the memory that is
/// free, where that is known.
fn check_memory((height, width): (usize, usize), channels: usize, free: Option<u64>) -> Result<()> {
    let needed = (height * width) as u64 * channels as u64 * BYTES_A_CHANNEL;
    match free {
        Some(free) if needed > ALWAYS.max(free) => {
            let (needed, free) = (needed.div_ceil(1 << 30), free >> 30);
            let reason = format!(
                "decoding {width}x{height} pixels may take {needed} GB, {free} GB are free"
            );
            Err(EngineError::bad_input("tokens", reason, "decode a part of them"))
        }
        _ => Ok(()),
    }
}

/// As [`check_layout`], of nothing but whether they can be this tokenizer's: their layout and codebooks.
///
/// # Errors
/// [`EngineError::BadInput`] if the tokenizer has no such layout (which parts it wants and which were
/// given) or other codebooks.
pub fn check_fit(tokenizer: &dyn Tokenizer, tokens: &Tokens) -> Result<(usize, usize)> {
    let facts = tokenizer.facts();
    let given = tokens.layout();
    let hint = "use tokens that were made with this tokenizer";
    let last = tokens.parts().last().unwrap_or(tokens.first());
    let sides = |part: &Part| {
        let (rows, columns) = (part.rows(), part.columns());
        (rows.saturating_mul(facts.factor), columns.saturating_mul(facts.factor))
    };
    let (height, width) = facts.fixed_size().unwrap_or_else(|| sides(last));
    let wanted = tokenizer.layout(height, width)?;
    let fits = given == wanted || (facts.prefixes && wanted.starts_with(&given));
    if !fits {
        let reason = format!(
            "they are {}, this tokenizer wants {}{}",
            words(&given),
            words(&wanted),
            if facts.fixed_size().is_some() { "" } else { " for an image of that size" },
        );
        return Err(EngineError::bad_input("tokens", reason, hint));
    }
    for (number, part) in tokens.parts().iter().enumerate() {
        let size = facts.book(part.book()).size;
        if part.codebook_size() != size {
            let which = if given.len() > 1 { format!(" (part {number})") } else { String::new() };
            let highest = part.codes().iter().filter(|code| **code != MASKED).max();
            let reason = match highest {
                // True also where the size of their codebook was only assumed.
                Some(code) if *code >= size => {
                    format!("they hold code {code}{which}, this tokenizer's are 0 to {}", size - 1)
                }
                _ => format!(
                    "they are of a codebook of {} codes{which}, this tokenizer has {size}",
                    part.codebook_size()
                ),
            };
            return Err(EngineError::bad_input("tokens", reason, hint));
        }
    }
    Ok((height, width))
}

/// The picture of tokens.
///
/// # Errors
/// As [`check_layout`].
pub fn detokenize(tokenizer: &dyn Tokenizer, tokens: &Tokens) -> Result<Picture> {
    check_layout(tokenizer, tokens)?;
    let codes = tokens
        .parts()
        .iter()
        .map(|part| {
            let shape = (1, part.frames() * part.rows(), part.columns());
            Ok(Tensor::from_slice(part.codes(), shape, tokenizer.device())?)
        })
        .collect::<Result<Vec<_>>>()?;
    let images = tokenizer.decode(&tokenizer.dequantize(&codes)?)?;
    let mut pictures = pictures_of(&images)?;
    pictures.pop().ok_or_else(|| EngineError::bad_input("picture", "nothing was decoded", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_by_pixels_and_channels_and_a_gigabyte_is_always_tried() {
        let check = |side, channels, free| check_memory((side, side), channels, free);
        // The shipped networks took 8 GB for 4096x4096.
        assert!(check(4096, 48, Some(12 << 30)).is_ok());
        let error = check(4096, 48, Some(6 << 30)).unwrap_err().problem();
        assert!(error.summary.contains("4096x4096") && error.summary.contains("6 GB"), "{error}");
        assert!(check(4096, 128, Some(12 << 30)).is_err(), "a wider one takes more");
        assert!(check(1024, 48, Some(0)).is_ok());
        assert!(check(4096, 48, None).is_ok(), "nobody knows");
    }
}
