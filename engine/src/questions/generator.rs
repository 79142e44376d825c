//! Generators by reference.

use std::path::Path;
use std::sync::Arc;

use super::image::Stamp;
use super::model::{LoadedModel, ModelRef, load};
use crate::generators::{self, GeneratorConfig, OpenedGenerator, Painter, open_generator};
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
        let (tokenizer, loaded) = match &self.tokenizer {
            Some(named) => (named.clone(), load(desk, named)?),
            None => own_tokenizer(desk, &path, &opened)?,
        };
        if opened.token_hash.as_ref().is_some_and(|hash| loaded.facts.token_hash != *hash) {
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

/// The tokenizer of these tokens: one that comes with Smalti, or a file beside the generator's.
fn own_tokenizer(
    desk: &Desk<'_>,
    generator: &Path,
    opened: &OpenedGenerator,
) -> Result<(ModelRef, Arc<LoadedModel>)> {
    let name = opened.tokenizer.as_str();
    let shipped = ModelRef::Shipped(name.into());
    let beside = generator.with_file_name(format!("{name}.safetensors"));
    let beside = ModelRef::File { path: beside.into(), stamp: Stamp::default() };
    for model in [shipped, beside] {
        if !model.path(desk.assets()).is_file() {
            continue;
        }
        // Another file may be called so.
        let model = model.now();
        match load(desk, &model) {
            Ok(loaded) if Some(&loaded.facts.token_hash) == opened.token_hash.as_ref() => {
                return Ok((model, loaded));
            }
            _ => desk.check()?,
        }
    }
    Err(EngineError::bad_input(
        "tokenizer",
        format!("the generator writes the tokens of {name}, which does not come with Smalti"),
        format!("put {name}.safetensors beside the generator, or name the file (--tokenizer)"),
    ))
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
