//! How a codebook is used over images.

use std::sync::Arc;

use super::encode::Encode;
use super::image::ImageRef;
use super::model::{ModelRef, load};
use crate::Result;
use crate::images::WorkingSize;
use crate::measure::{CodeCounts, CodeStatistics};
use crate::session::{Desk, Question};

/// The use of a codebook over some images.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Usage {
    /// Which tokenizer.
    pub model: ModelRef,
    /// Over which images.
    pub images: Arc<[ImageRef]>,
    /// At which size they are encoded.
    pub size: WorkingSize,
}

/// See [`Usage`].
#[derive(Debug, Clone)]
pub struct UsageAnswer {
    /// Count of each code, K entries.
    pub counts: Arc<[u64]>,
    /// Used codes, perplexity, entropy, Gini, ceiling.
    pub statistics: CodeStatistics,
    /// Images that were encoded.
    pub images: usize,
    /// Images that could not be read, with why.
    pub skipped: Vec<String>,
}

impl Question for Usage {
    type Answer = UsageAnswer;

    fn answer(&self, desk: &Desk<'_>) -> Result<UsageAnswer> {
        let model = load(desk, &self.model)?;
        let mut counts = CodeCounts::new(model.tokenizer.facts().codebook_size);
        let mut skipped = Vec::new();
        for (done, image) in self.images.iter().enumerate() {
            let question =
                Encode { image: image.clone(), size: self.size, model: self.model.clone() };
            match desk.ask(&question) {
                Ok(encoded) => counts.add(encoded.grid.grid())?,
                Err(crate::EngineError::Cancelled) => return Err(crate::EngineError::Cancelled),
                // One broken image among many must not hide the rest.
                Err(error) if self.images.len() > 1 => skipped.push(error.to_string()),
                Err(error) => return Err(error),
            }
            desk.progress((done + 1) as f32 / self.images.len() as f32)?;
        }
        Ok(UsageAnswer {
            counts: counts.counts().into(),
            statistics: counts.statistics(),
            images: self.images.len() - skipped.len(),
            skipped,
        })
    }

    fn bytes(answer: &UsageAnswer) -> usize {
        answer.counts.len() * 8
    }
}
