//! Image → tokens → image.

use std::time::Instant;

use super::image::{ImageRef, WorkingImage};
use super::model::{ModelRef, load};
use crate::Result;
use crate::images::{Picture, WorkingSize};
use crate::session::{Desk, Question};
use crate::tokenizers;
use crate::tokens::Tokens;

/// The tokens of an image. The size becomes one that the tokenizer takes
/// ([`crate::tokenizers::Facts::working_size`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Encode {
    /// Which image.
    pub image: ImageRef,
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
    /// The picture that was encoded, at the working size.
    pub picture: Picture,
    /// Seconds that encoding took, preparation left out.
    pub seconds: f32,
}

impl Question for Encode {
    type Answer = Encoded;

    fn answer(&self, desk: &Desk<'_>) -> Result<Encoded> {
        let model = load(desk, &self.model)?;
        let size = model.tokenizer.facts().working_size(self.size);
        let picture = desk.ask(&WorkingImage { image: self.image.clone(), size })?;
        desk.check()?;
        let started = Instant::now();
        let tokens = tokenizers::tokenize(&*model.tokenizer, &picture)?;
        let seconds = started.elapsed().as_secs_f32();
        Ok(Encoded { tokens, picture: Picture::clone(&picture), seconds })
    }

    fn bytes(answer: &Encoded) -> usize {
        answer.tokens.bytes() + answer.picture.rgb().len()
    }
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
