//! All tokens of a file of which one image is looked at.

use std::sync::Arc;

use super::encode::Given;
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

/// The tokens of all images of a file, as a tokenizer's own where they can be that.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokensOfFile {
    /// Those of one of its images.
    pub given: Given,
    /// By which tokenizer.
    pub model: ModelRef,
}

impl Question for TokensOfFile {
    type Answer = Arc<[Tokens]>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Arc<[Tokens]>> {
        let Given { tokens, among, .. } = &self.given;
        let Some(among) = among else { return Ok([tokens.clone()].into()) };
        if among.count.saturating_mul(tokens.len()) > MOST_CODES {
            let reason = format!("{} images of {} tokens", among.count, tokens.len());
            let hint = "that many are counted on the command line: smalti inspect FILE";
            return Err(EngineError::bad_file(&among.path, reason, hint));
        }
        // Without its tokenizer they are counted as they are.
        let facts = load(desk, &self.model).ok();
        let fixed = facts.as_ref().and_then(|model| model.facts.fixed_grid());
        let (grid, key) = (among.grid, among.key.clone());
        let wanted = Wanted { fixed, grid, key, index: Some(Index::All), codes: None };
        let read = token_files::read(&among.path, &wanted, None)?;
        let is_size_assumed = read.is_size_assumed;
        let own = |tokens: Tokens| {
            let given = Given { tokens, is_size_assumed, ..self.given.clone() };
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
