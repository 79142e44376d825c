//! All tokens of a file of which one image is looked at.

use std::sync::Arc;

use super::encode::{Among, Given};
use super::model::{ModelRef, load};
use crate::session::{Desk, Question};
use crate::token_files::{
    self,
    from_arrays::{Index, Wanted},
};
use crate::tokens::Tokens;
use crate::{EngineError, Result};

/// Codes of a file that are held at once: 128 MB of them.
const MOST_CODES: usize = 32 << 20;

/// The tokens of all images of a file, as a tokenizer's own where they can be that. The same question
/// whichever image is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokensOfFile {
    /// The file, and how it is read; its first image.
    among: Among,
    /// Tokens of one image.
    tokens: usize,
    /// By which tokenizer.
    model: ModelRef,
}

impl TokensOfFile {
    /// Of the file that given tokens are from; `None` if they are the only ones in it.
    pub fn new(given: &Given, model: ModelRef) -> Option<Self> {
        let among = Among { index: 0, ..given.among.as_deref()?.clone() };
        Some(Self { among, tokens: given.tokens.len(), model })
    }
}

impl Question for TokensOfFile {
    type Answer = Arc<[Tokens]>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Arc<[Tokens]>> {
        let Among { path, count, grid, key, stamp, .. } = &self.among;
        stamp.check(path)?;
        if count.saturating_mul(self.tokens) > MOST_CODES {
            let reason = format!("{count} images of {} tokens", self.tokens);
            let hint = "that many are counted on the command line: smalti inspect FILE";
            return Err(EngineError::bad_file(path, reason, hint));
        }
        let facts = match load(desk, &self.model) {
            Ok(model) => Some(model),
            // What may be otherwise in a moment is no answer to be kept.
            Err(error @ (EngineError::Cancelled | EngineError::Panicked { .. })) => {
                return Err(error);
            }
            // Without its tokenizer they are counted as they are.
            Err(_) => None,
        };
        let fixed = facts.as_ref().and_then(|model| model.facts.fixed_grid());
        let (grid, key) = (*grid, key.clone());
        let wanted = Wanted { fixed, grid, key, index: Some(Index::All), codes: None };
        let read = token_files::read(path, &wanted, None)?;
        stamp.check(path)?;
        let is_size_assumed = read.maker.is_size_assumed;
        let own = |tokens: Tokens| {
            let given = Given { name: "".into(), tokens, is_size_assumed, among: None };
            let adopted = facts.as_ref().and_then(|model| given.adopted(&model.facts).ok());
            adopted.unwrap_or(given.tokens)
        };
        Ok(read.images.into_iter().map(own).collect())
    }

    fn bytes(answer: &Arc<[Tokens]>) -> usize {
        answer.iter().map(Tokens::bytes).sum()
    }

    fn is_file_work(&self) -> bool {
        true
    }
}
