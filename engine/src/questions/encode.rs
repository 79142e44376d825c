//! Image → tokens → image.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::image::{ImageRef, Stamp, WorkingImage};
use super::model::{ModelFacts, ModelRef, load};
use crate::error::Problem;
use crate::images::{Picture, WorkingSize};
use crate::session::{Desk, Question};
use crate::tokenizers;
use crate::tokens::{Part, Tokens};
use crate::{EngineError, Result};

/// What is looked at: an image that becomes tokens, or tokens that are there already.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An image.
    Image(ImageRef),
    /// Tokens.
    Tokens(Given),
}

/// Tokens as they were given, by a file or another program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Given {
    /// What people call them, such as the file's name.
    pub name: Arc<str>,
    /// The tokens, as they were given.
    pub tokens: Tokens,
    /// Nothing says how large their codebook is: theirs is one more than the largest code of their file, and
    /// that of whichever tokenizer has all of these.
    pub is_size_assumed: bool,
    /// Where they are from, if they are those of one of several images in a file.
    pub among: Option<Arc<Among>>,
}

/// One of several images in a file of tokens, and how the file is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Among {
    /// The file.
    pub path: PathBuf,
    /// Which image, from 0.
    pub index: usize,
    /// Of how many.
    pub count: usize,
    /// Rows and columns, where a person said them.
    pub grid: Option<(usize, usize)>,
    /// The array's name, where a person said it.
    pub key: Option<String>,
    /// Which version of the file.
    #[serde(default)]
    pub stamp: Stamp,
}

impl Given {
    /// As a tokenizer's own: with its codebooks, where none was named and it has all their codes, and in
    /// the parts that it wants.
    ///
    /// # Errors
    /// As [`ModelFacts::laid_out`].
    pub fn adopted(&self, facts: &ModelFacts) -> Result<Tokens> {
        if !self.is_size_assumed {
            return facts.laid_out(&self.tokens);
        }
        let own = |part: &Part| {
            // What is assumed is one more than the largest code of the whole file, not of this image alone.
            let size = facts.facts.book(part.book()).size.max(part.codebook_size());
            Part::new(part.shape(), size, part.codes().to_vec())
        };
        let parts = self.tokens.parts().iter().map(own).collect::<Result<Vec<_>>>()?;
        facts.laid_out(&Tokens::new(parts)?)
    }
}

impl From<ImageRef> for Subject {
    fn from(image: ImageRef) -> Self {
        Self::Image(image)
    }
}

impl Subject {
    /// The image, if it is one.
    pub fn image(&self) -> Option<&ImageRef> {
        if let Self::Image(image) = self { Some(image) } else { None }
    }
}

/// The tokens of a subject. The size becomes one that the tokenizer takes
/// ([`crate::tokenizers::Facts::working_size`]); given tokens have their own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Encode {
    /// Of what.
    pub subject: Subject,
    /// At which size.
    pub size: WorkingSize,
    /// By which tokenizer.
    pub model: ModelRef,
}

/// See [`Encode`].
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The tokens.
    pub tokens: Tokens,
    /// The picture that was encoded, at the working size; of given tokens what they decode to, or a
    /// plain map of them where this tokenizer cannot decode them.
    pub picture: Picture,
    /// Why given tokens are not this tokenizer's: another layout, another codebook, no tokenizer at all.
    pub unfit: Option<Problem>,
    /// Why given tokens have no picture though they fit: cells without a token, too many pixels.
    pub undecoded: Option<Problem>,
    /// Seconds that encoding took, preparation left out.
    pub seconds: f32,
}

impl Encoded {
    /// Why given tokens have no picture by this tokenizer, if they have none.
    pub fn problem(&self) -> Option<&Problem> {
        self.unfit.as_ref().or(self.undecoded.as_ref())
    }
}

impl Question for Encode {
    type Answer = Encoded;

    fn answer(&self, desk: &Desk<'_>) -> Result<Encoded> {
        let image = match &self.subject {
            Subject::Image(image) => image.clone(),
            Subject::Tokens(given) => return self.given(desk, given),
        };
        let model = load(desk, &self.model)?;
        let size = model.tokenizer.facts().working_size(self.size);
        let picture = desk.ask(&WorkingImage { image, size })?;
        desk.check()?;
        let started = Instant::now();
        let tokens = tokenizers::tokenize(&*model.tokenizer, &picture)?;
        let seconds = started.elapsed().as_secs_f32();
        let picture = Picture::clone(&picture);
        Ok(Encoded { tokens, picture, unfit: None, undecoded: None, seconds })
    }

    fn bytes(answer: &Encoded) -> usize {
        answer.tokens.bytes() + answer.picture.rgb().len()
    }
}

impl Encode {
    fn given(&self, desk: &Desk<'_>, given: &Given) -> Result<Encoded> {
        let plain = |tokens: Tokens, unfit: Option<Problem>, undecoded: Option<Problem>| {
            Ok(Encoded { picture: plain_map(&tokens)?, tokens, unfit, undecoded, seconds: 0.0 })
        };
        let model = match load(desk, &self.model) {
            Ok(model) => model,
            // What may be otherwise in a moment is no answer to be kept.
            Err(error @ (EngineError::Cancelled | EngineError::Panicked { .. })) => {
                return Err(error);
            }
            // Without its tokenizer they are looked at and counted all the same.
            Err(error) => return plain(given.tokens.clone(), Some(error.problem()), None),
        };
        // What does not fit stays as it is, and it is said why.
        let tokens = given.adopted(&model.facts).unwrap_or_else(|_| given.tokens.clone());
        if let Err(misfit) = tokenizers::check_fit(&*model.tokenizer, &tokens) {
            return plain(tokens, Some(misfit.problem()), None);
        }
        match desk.ask(&Decode { tokens: tokens.clone(), model: self.model.clone() }) {
            Ok(decoded) => {
                let picture = decoded.picture.clone();
                Ok(Encoded { tokens, picture, unfit: None, undecoded: None, seconds: 0.0 })
            }
            Err(error @ (EngineError::BadInput { .. } | EngineError::Shape { .. })) => {
                plain(tokens, None, Some(error.problem()))
            }
            Err(error) => Err(error),
        }
    }
}

/// Pixels of a token's side in [`plain_map`].
const MAP_CELL: usize = 8;

/// The last part as gray tiles, dark for low codes: a ground for what is drawn over it.
fn plain_map(tokens: &Tokens) -> Result<Picture> {
    let part = tokens.parts().last().unwrap_or(tokens.first());
    let (rows, columns) = (part.frames() * part.rows(), part.columns());
    // A long row would be a picture of one line: it is broken into lines.
    let side = if rows == 1 { (columns as f64).sqrt().ceil() as usize } else { columns };
    let lines = part.codes().len().div_ceil(side);
    let cell = if side.max(lines) > 1024 { 1 } else { MAP_CELL };
    let mut rgb = vec![0_u8; side * lines * cell * cell * 3];
    for at in 0..part.codes().len() {
        let code = part.code(at).map_or(0.0, f64::from);
        let gray = 40.0 + 180.0 * code / f64::from(part.codebook_size().max(2) - 1);
        let (top, left) = (at / side * cell, at % side * cell);
        for y in top..top + cell {
            let from = (y * side * cell + left) * 3;
            rgb[from..from + cell * 3].fill(gray as u8);
        }
    }
    Picture::new((side * cell) as u32, (lines * cell) as u32, rgb)
}

/// The picture of tokens. Of the first few parts alone it is the picture so far, where the
/// tokenizer's parts add up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decode {
    /// The tokens.
    pub tokens: Tokens,
    /// By which tokenizer.
    pub model: ModelRef,
}

/// See [`Decode`].
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The picture.
    pub picture: Picture,
    /// Seconds that decoding took.
    pub seconds: f32,
}

impl Question for Decode {
    type Answer = Decoded;

    fn answer(&self, desk: &Desk<'_>) -> Result<Decoded> {
        let model = load(desk, &self.model)?;
        desk.check()?;
        let started = Instant::now();
        let picture = tokenizers::detokenize(&*model.tokenizer, &self.tokens)?;
        Ok(Decoded { picture, seconds: started.elapsed().as_secs_f32() })
    }

    fn bytes(answer: &Decoded) -> usize {
        answer.picture.rgb().len()
    }
}
