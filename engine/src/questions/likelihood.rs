//! How many bits tokens are worth to a generator.

use super::generator::OpenGenerator;
use crate::Result;
use crate::generators::{TokenBits, token_bits};
use crate::session::{Desk, Question};
use crate::tokens::Tokens;

/// The bits of all tokens of an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Likelihood {
    /// By which generator.
    pub generator: OpenGenerator,
    /// Of which tokens, of its tokenizer and size.
    pub tokens: Tokens,
    /// As a picture of which class; `None`: any.
    pub class: Option<u32>,
    /// Whether a masked generator may hide an eighth of the tokens at a time instead of one.
    pub fast: bool,
}

impl Question for Likelihood {
    type Answer = TokenBits;

    fn answer(&self, desk: &Desk<'_>) -> Result<TokenBits> {
        let opened = desk.ask(&self.generator)?;
        let progress = |fraction| desk.progress(fraction);
        token_bits(&opened.painter, &self.tokens, self.class, self.fast, &progress)
    }

    fn bytes(answer: &TokenBits) -> usize {
        answer.bits.len() * 4
    }
}
