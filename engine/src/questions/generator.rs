//! Generators by reference.

use std::sync::Arc;

use super::model::{ModelRef, load};
use crate::generators::{self, GeneratorConfig, Painter, open_generator};
use crate::session::{Desk, Question};
use crate::{EngineError, Result};

/// The generator of a file, or one that comes with Smalti, with the tokenizer of its tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenGenerator {
    /// Which one.
    pub generator: ModelRef,
    /// The tokenizer that decodes, of the same tokens; `None`: the one that it was trained on.
    pub tokenizer: Option<ModelRef>,
}

/// See [`OpenGenerator`].
#[derive(Debug)]
pub struct OpenedPainter {
    /// What paints, for [`generators::GenerateRun`].
    pub painter: Painter,
    /// What decodes its tokens.
    pub tokenizer: ModelRef,
    /// All that was written beside the weights.
    pub metadata: serde_json::Value,
}

impl OpenedPainter {
    /// What it is.
    pub fn config(&self) -> &GeneratorConfig {
        self.painter.config()
    }
}

impl Question for OpenGenerator {
    type Answer = OpenedPainter;

    fn answer(&self, desk: &Desk<'_>) -> Result<OpenedPainter> {
        let path = self.generator.path(desk.assets());
        if let ModelRef::Shipped(name) = &self.generator
            && !path.is_file()
        {
            let known = desk.ask(&ShippedGenerators).map(|names| names.join(", "));
            let hint = match known {
                Ok(known) if !known.is_empty() => {
                    format!("use one of {known}, or the path of a generator")
                }
                _ => "use the path of a generator".to_owned(),
            };
            let reason = format!("no shipped generator is called {name:?}");
            return Err(EngineError::bad_input("generator", reason, hint));
        }
        let opened = open_generator(&path, desk.device())?;
        let own = ModelRef::named(&opened.tokenizer, desk.assets());
        let tokenizer = self.tokenizer.clone().unwrap_or(own);
        let loaded = load(desk, &tokenizer)?;
        if loaded.facts.token_hash != opened.token_hash {
            return Err(EngineError::bad_input(
                tokenizer.label(),
                "its tokens are others than those that the generator writes",
                format!("use {}, or a tokenizer of the same tokens", opened.tokenizer),
            ));
        }
        let painter = Painter::new(opened.network, Some(Arc::clone(&loaded.tokenizer)))?;
        Ok(OpenedPainter { painter, tokenizer, metadata: opened.metadata })
    }

    fn bytes(answer: &OpenedPainter) -> usize {
        answer.painter.network().parameters() * 4
    }
}

/// Names of the generators that come with Smalti, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShippedGenerators;

impl Question for ShippedGenerators {
    type Answer = Vec<String>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Vec<String>> {
        super::model::shipped_of_kind(desk.assets(), |kind| kind == Some(generators::KIND))
    }

    fn bytes(answer: &Vec<String>) -> usize {
        answer.len() * 64
    }

    fn is_file_work(&self) -> bool {
        true
    }
}
