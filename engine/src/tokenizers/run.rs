//! From a picture to its tokens and back, in plain data.

use candle_core::{DType, Device, Tensor};

use super::Tokenizer;
use crate::images::Picture;
use crate::tokens::Grid;
use crate::{EngineError, Result};

/// The tokens of a picture.
///
/// # Errors
/// [`EngineError::BadInput`] if a side does not divide by the tokenizer's factor, or the network
/// gives numbers that are not finite (damaged weights).
pub fn tokenize(tokenizer: &dyn Tokenizer, picture: &Picture) -> Result<Grid> {
    let facts = tokenizer.facts();
    let factor = facts.factor;
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    if !w.is_multiple_of(factor) || !h.is_multiple_of(factor) {
        return Err(EngineError::bad_input(
            "picture",
            format!("{w}x{h} does not divide by {factor}, the pixels per token"),
            format!("crop or resize to multiples of {factor}"),
        ));
    }
    let latents = tokenizer.encode(&tensor_from_picture(picture, tokenizer.device())?)?;
    let codes = tokenizer.quantize(&latents, false)?.codes;
    let tokens = codes.flatten_all()?.to_vec1::<u32>()?;
    Grid::new(h / factor, w / factor, facts.codebook_size, tokens)
}

/// The picture of tokens.
///
/// # Errors
/// [`EngineError::BadInput`] if the grid is of another codebook or has several frames.
pub fn detokenize(tokenizer: &dyn Tokenizer, grid: &Grid) -> Result<Picture> {
    let facts = tokenizer.facts();
    if grid.codebook_size() != facts.codebook_size || grid.frames() != 1 {
        return Err(EngineError::bad_input(
            "token grid",
            format!(
                "{} frames of {} codes for a tokenizer of single images with {} codes",
                grid.frames(),
                grid.codebook_size(),
                facts.codebook_size
            ),
            "use tokens that were made with this tokenizer",
        ));
    }
    let shape = (1, grid.height(), grid.width());
    let codes = Tensor::from_slice(grid.tokens(), shape, tokenizer.device())?;
    let latents = tokenizer.quantizer().decode(&codes)?;
    picture_from_tensor(&tokenizer.decode(&latents)?)
}

/// (1, 3, H, W) in [-1, 1].
fn tensor_from_picture(picture: &Picture, device: &Device) -> Result<Tensor> {
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let mut planes = vec![0.0_f32; 3 * h * w];
    for (at, pixel) in picture.rgb().chunks_exact(3).enumerate() {
        for (channel, &value) in pixel.iter().enumerate() {
            planes[channel * h * w + at] = f32::from(value) / 127.5 - 1.0;
        }
    }
    Ok(Tensor::from_vec(planes, (1, 3, h, w), device)?)
}

/// Of (1, 3, H, W), clamped to [-1, 1], rounded.
fn picture_from_tensor(image: &Tensor) -> Result<Picture> {
    let (_, _, h, w) = image.dims4()?;
    let planes = image.detach().to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let mut rgb = Vec::with_capacity(3 * h * w);
    for at in 0..h * w {
        for channel in 0..3 {
            let value = planes[channel * h * w + at];
            rgb.push(((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8);
        }
    }
    Picture::new(w as u32, h as u32, rgb)
}
