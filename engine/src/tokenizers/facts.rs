//! What can be said of a tokenizer without running it.

use crate::images::{Fit, WorkingSize};
use crate::quantizers::Book;
use crate::{EngineError, Result};

/// Which images a tokenizer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Input {
    /// Any size whose sides divide by this many pixels.
    Multiple(usize),
    /// One size.
    Fixed {
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
    },
}

/// What can be said of a tokenizer without running it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// The id of its family, such as "taming" or "var".
    pub family: String,
    /// Which images it takes.
    pub input: Input,
    /// Channels of an image: 3, or 1 for gray ones.
    pub channels: usize,
    /// Pixels per latent along a side; per token in the finest part.
    pub factor: usize,
    /// Its codebooks; at least one.
    pub books: Vec<Book>,
    /// Whether a token belongs to a place in the image; not so for tokens in a row that describe the
    /// whole of it (TiTok).
    pub spatial: bool,
    /// Whether the first few parts alone give a picture: scales and residual levels.
    pub prefixes: bool,
    /// Channels that the decoder has at each pixel, at most: its memory goes by them.
    pub width: usize,
    /// Number of parameters.
    pub parameters: usize,
    /// The quantizer in words, such as "VQ, EMA" or "FSQ 8,5,5,5".
    pub quantizer: String,
}

/// [`Facts::width`] of a decoder whose levels, the finest first, have so many channels: the convolution after
/// the last doubling of sides has those of the level before it.
pub(super) fn widest(levels: usize, channels: impl Fn(usize) -> usize) -> usize {
    (0..levels.min(2)).map(channels).max().unwrap_or(1)
}

impl Facts {
    /// One of its codebooks; the first if there is none of that number.
    pub fn book(&self, number: u16) -> &Book {
        self.books.get(usize::from(number)).unwrap_or(&self.books[0])
    }

    /// Number of codes of the first book, K.
    pub fn codebook_size(&self) -> u32 {
        self.books[0].size
    }

    /// Rows and columns of the latents of an image.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if images cannot have that size; says which they can have.
    pub fn latent_size(&self, height: usize, width: usize) -> Result<(usize, usize)> {
        let (reason, hint) = match self.input {
            Input::Multiple(side) => {
                let fits = |pixels: usize| pixels > 0 && pixels.is_multiple_of(side);
                if fits(height) && fits(width) {
                    return Ok((height / self.factor.max(1), width / self.factor.max(1)));
                }
                (
                    format!("{width}x{height} does not divide by {side}, the pixels per token"),
                    format!("crop or resize to multiples of {side}"),
                )
            }
            Input::Fixed { height: h, width: w } => {
                if (height, width) == (h, w) {
                    return Ok((height / self.factor.max(1), width / self.factor.max(1)));
                }
                (
                    format!("{width}x{height}, this tokenizer takes {w}x{h} only"),
                    format!("crop or resize to {w}x{h}"),
                )
            }
        };
        Err(EngineError::bad_input("picture", reason, hint))
    }

    /// The working size that comes nearest to what is wanted.
    #[must_use]
    pub fn working_size(&self, wanted: WorkingSize) -> WorkingSize {
        match self.input {
            Input::Multiple(side) => WorkingSize { multiple_of: side as u32, ..wanted },
            // Published tokenizers of one size all take squares.
            Input::Fixed { height, width } => {
                let side = height.min(width) as u32;
                WorkingSize { side, mode: Fit::CropCenter, multiple_of: side }
            }
        }
    }

    /// Pixels of an image of one size, if it has only one.
    pub fn fixed_size(&self) -> Option<(usize, usize)> {
        match self.input {
            Input::Fixed { height, width } => Some((height, width)),
            Input::Multiple(_) => None,
        }
    }
}
