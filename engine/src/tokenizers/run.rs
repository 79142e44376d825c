//! From a picture to its tokens and back, in plain data.

use candle_core::Tensor;

use super::Tokenizer;
use crate::images::{Picture, from_tensor, to_tensor};
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
    let latents =
        tokenizer.encode(&to_tensor(std::slice::from_ref(picture), tokenizer.device())?)?;
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
    let mut pictures = from_tensor(&tokenizer.decode(&latents)?)?;
    pictures.pop().ok_or_else(|| EngineError::bad_input("picture", "nothing was decoded", ""))
}
