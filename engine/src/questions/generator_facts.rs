//! What can be said of a generator without running it.

use std::path::Path;

use crate::Result;
use crate::checkpoints::{Beside, Checkpoint, Recognized};
use crate::generators::families::find_generator;
use crate::generators::{GeneratorConfig, KIND, Takes, own_config, training_in};

/// What can be said of a generator without running it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct GeneratorFacts {
    /// Its family, as people call it.
    pub family: String,
    /// In which order it writes.
    pub way: String,
    /// The parts of an image's tokens, in words.
    pub layout: String,
    /// Codes of its tokens.
    pub codes: u32,
    /// Values of each sub-token of a token, where it has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sub_tokens: Vec<u32>,
    /// How many classes it knows.
    pub classes: usize,
    /// What leads it, in words.
    pub takes: String,
    /// Number of its parameters.
    pub parameters: usize,
    /// The tokenizer whose tokens it writes, as people call it.
    pub tokenizer: String,
    /// What it was built from.
    pub config: serde_json::Value,
}

impl GeneratorFacts {
    fn new(family: String, config: &GeneratorConfig, tokenizer: String) -> Self {
        let takes = match config.takes {
            Takes::Class if config.classes.is_empty() => "nothing".to_owned(),
            Takes::Class if config.needs_condition => "a class".to_owned(),
            Takes::Class => "a class, or none".to_owned(),
            Takes::Caption { rows, dim } => {
                format!("features of a caption, up to {rows} rows of {dim}, or none")
            }
            Takes::Tokens { count, codes } => format!("{count} tokens before, each below {codes}"),
        };
        Self {
            family,
            way: config.way.name().to_owned(),
            layout: config.words(),
            codes: config.codes,
            sub_tokens: Vec::new(),
            classes: config.classes.len(),
            takes,
            parameters: 0,
            tokenizer,
            config: serde_json::Value::Null,
        }
    }
}

/// The generator in a checkpoint, if there is one: Smalti's own, or one of a published family. What is said of the
/// checkpoint is then said of that.
///
/// # Errors
/// [`crate::EngineError::BadFile`] if Smalti wrote it, but its configuration cannot be read.
pub(super) fn generator_in(
    checkpoint: &Checkpoint,
    path: &Path,
    beside: Option<&Beside>,
    recognized: &mut Recognized,
) -> Result<Option<GeneratorFacts>> {
    if let Some(metadata) = checkpoint.smalti(path)? {
        if let Some((way, model)) = training_in(path, &metadata) {
            recognized.family = format!("Smalti's {}, the checkpoint of its training", way.name());
            recognized.notes.push(format!("to generate, {model}"));
        }
        if metadata["kind"] != KIND {
            return Ok(None);
        }
        let config = own_config(path, &metadata)?;
        let tokenizer = metadata["tokenizer"]["name"].as_str().unwrap_or_default().to_owned();
        let family = format!("Smalti's {}", config.way.name());
        recognized.family.clone_from(&family);
        return Ok(Some(GeneratorFacts {
            parameters: usize::try_from(recognized.parameters).unwrap_or(usize::MAX),
            config: metadata["config"].clone(),
            ..GeneratorFacts::new(family, &config, tokenizer)
        }));
    }
    let Some(found) = find_generator(checkpoint, path, beside) else { return Ok(None) };
    let is_tokenizer = recognized.design.is_some() && recognized.problems.is_empty();
    if is_tokenizer && !found.problems.is_empty() {
        return Ok(None);
    }
    let mut notes = found.notes;
    if is_tokenizer {
        let (family, prefix) = (&recognized.family, recognized.prefix.trim_end_matches('.'));
        notes.push(format!("a tokenizer in it: {family} below {prefix}"));
    }
    found.family.title().clone_into(&mut recognized.family);
    recognized.problems = found.problems;
    recognized.hint = found.hint;
    recognized.notes = notes;
    Ok(found.config.map(|config| GeneratorFacts {
        parameters: found.parameters,
        sub_tokens: found.sub_tokens,
        config: found.settings,
        ..GeneratorFacts::new(
            found.family.title().to_owned(),
            &config,
            found.family.tokenizer().to_owned(),
        )
    }))
}
