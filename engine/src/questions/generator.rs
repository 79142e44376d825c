//! Generators by reference.

use std::path::Path;
use std::sync::Arc;

use super::image::Stamp;
use super::model::{LoadedModel, ModelRef, load};
use crate::generators::{
    self, GeneratorConfig, OpenedGenerator, Painter, RasterNetwork, Request, Way, open_generator,
};
use crate::session::{Desk, Question};
use crate::token_files::Maker;
use crate::tokenizers::check_fit;
use crate::tokens::{MASKED, Part, PartShape, Tokens};
use crate::{EngineError, Result};

/// The generator of a file, or one that comes with Smalti, with the tokenizer of its tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OpenGenerator {
    /// Which one.
    pub generator: ModelRef,
    /// The tokenizer that decodes, of the same tokens; `None`: the one that it was trained on, or that lies in the
    /// same file.
    pub tokenizer: Option<ModelRef>,
}

/// See [`OpenGenerator`].
#[derive(Debug)]
pub struct OpenedPainter {
    /// What paints, for [`generators::GenerateRun`].
    pub painter: Painter,
    /// What decodes its tokens; `None`: nobody named one, and it writes tokens alone.
    pub tokenizer: Option<ModelRef>,
    /// The tokenizer whose tokens it writes, as people call it.
    pub needs: String,
    /// Who makes such tokens, to be written beside them.
    pub maker: Maker,
    /// Values of each sub-token, where the tokenizer takes these as parts.
    pub sub_tokens: Vec<u32>,
    /// What was stepped over, and what was assumed of a file of others.
    pub notes: Vec<String>,
    /// All that was written beside the weights.
    pub metadata: serde_json::Value,
}

impl OpenedPainter {
    /// What it is.
    pub fn config(&self) -> &GeneratorConfig {
        self.painter.config()
    }

    /// What decodes its tokens.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if nobody named a tokenizer.
    pub fn decoder(&self) -> Result<&ModelRef> {
        self.tokenizer.as_ref().ok_or_else(|| {
            let reason = format!("a picture needs {}, and none is named", self.needs);
            EngineError::bad_input("tokenizer", reason, "name its file (--tokenizer)")
        })
    }

    /// Tokens as the tokenizer takes them: their sub-tokens as parts, where it has a book for each.
    ///
    /// # Errors
    /// If they are not this generator's.
    pub fn for_tokenizer(&self, tokens: &Tokens) -> Result<Tokens> {
        if self.sub_tokens.is_empty() {
            Ok(tokens.clone())
        } else {
            parted(tokens, &self.sub_tokens)
        }
    }
}

/// The sub-tokens of tokens of one part as parts, each of a book of its own.
fn parted(tokens: &Tokens, sizes: &[u32]) -> Result<Tokens> {
    let whole = tokens.first();
    let part = |(at, size): (usize, &u32)| {
        let shape = PartShape { book: at as u16, ..whole.shape() };
        let own = |token: &u32| match *token {
            MASKED => MASKED,
            token => generators::split(token, sizes)[at],
        };
        Part::new(shape, *size, whole.codes().iter().map(own).collect::<Vec<_>>())
    };
    Tokens::new(sizes.iter().enumerate().map(part).collect::<Result<Vec<_>>>()?)
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
            let reason = format!(
                "no shipped generator is called {name:?}, nor is there such a file or folder"
            );
            return Err(EngineError::bad_input("generator", reason, hint));
        }
        let opened = open_generator(&path, desk.device())?;
        // What was read under the name of an older version would be kept as that one's.
        if let ModelRef::File { stamp, .. } = &self.generator
            && *stamp != Stamp::default()
            && self.generator.clone().now() != self.generator
        {
            return Err(EngineError::bad_input(
                self.generator.label(),
                "its file was changed since it was opened",
                "open it again",
            ));
        }
        let found = match (&opened.token_hash, &self.tokenizer) {
            (Some(hash), named) => Some(of_hash(desk, &path, &opened, hash, named.as_ref())?),
            (None, Some(named)) => Some(of_layout(desk, &opened, named)?),
            (None, None) => in_the_same_file(desk, &self.generator, &opened)?,
        };
        if found.is_none() && opened.network.config().way == Way::Var {
            let reason = "VAR reads the codes of its tokenizer, and none is named";
            let hint = format!(
                "it writes the tokens of {}: name its file (--tokenizer)",
                opened.tokenizer
            );
            return Err(EngineError::bad_input("tokenizer", reason, hint));
        }
        let loaded = found.as_ref().map(|(_, loaded)| loaded);
        let sub_tokens = match loaded {
            Some(loaded) => in_parts(loaded, &opened)?,
            None => Vec::new(),
        };
        let painter =
            Painter::new(opened.network, loaded.map(|loaded| Arc::clone(&loaded.tokenizer)))?;
        let maker = Maker {
            model: Some(
                found.as_ref().map_or(opened.tokenizer.clone(), |(model, _)| model.label()),
            ),
            token_hash: loaded.map(|loaded| loaded.facts.token_hash.clone()),
            is_size_assumed: false,
        };
        Ok(OpenedPainter {
            painter,
            tokenizer: found.map(|(tokenizer, _)| tokenizer),
            needs: opened.tokenizer,
            maker,
            sub_tokens,
            notes: opened.notes,
            metadata: opened.metadata,
        })
    }

    fn bytes(answer: &OpenedPainter) -> usize {
        answer.painter.network().parameters() * 4
    }
}

/// A tokenizer by reference, and loaded.
type Found = (ModelRef, Arc<LoadedModel>);

/// The tokenizer of a hash: the one that a person named, or the generator's own.
fn of_hash(
    desk: &Desk<'_>,
    path: &Path,
    opened: &OpenedGenerator,
    hash: &str,
    named: Option<&ModelRef>,
) -> Result<Found> {
    let (tokenizer, loaded) = match named {
        Some(named) => (named.clone(), load(desk, named)?),
        None => own_tokenizer(desk, path, opened)?,
    };
    if loaded.facts.token_hash == hash {
        return Ok((tokenizer, loaded));
    }
    Err(EngineError::bad_input(
        tokenizer.label(),
        "its tokens are others than those that the generator writes",
        format!("use {}, or a tokenizer of the same tokens", opened.tokenizer),
    ))
}

/// The tokenizer that a person named for a generator that does not say whose tokens it writes: one of as many codes
/// and of the same layout.
fn of_layout(desk: &Desk<'_>, opened: &OpenedGenerator, named: &ModelRef) -> Result<Found> {
    let loaded = load(desk, named)?;
    in_parts(&loaded, opened).map_err(|error| {
        let hint = format!("the generator writes the tokens of {}", opened.tokenizer);
        EngineError::bad_input(
            named.label(),
            format!("the generator's tokens do not fit: {error}"),
            hint,
        )
    })?;
    Ok((named.clone(), loaded))
}

/// The tokenizer that lies in the generator's file, as taming-transformers keeps it.
fn in_the_same_file(
    desk: &Desk<'_>,
    file: &ModelRef,
    opened: &OpenedGenerator,
) -> Result<Option<Found>> {
    let Ok(loaded) = load(desk, file) else {
        // Where nobody wants it any more, what is in the file is not known.
        desk.check()?;
        return Ok(None);
    };
    Ok(in_parts(&loaded, opened).is_ok().then(|| (file.clone(), loaded)))
}

/// The values of sub-tokens, if the tokenizer takes them as parts; none if it takes whole tokens.
fn in_parts(loaded: &LoadedModel, opened: &OpenedGenerator) -> Result<Vec<u32>> {
    let blank = Request::new(opened.network.config(), None, 0)?.given;
    let fits = |tokens: &Tokens| check_fit(&*loaded.tokenizer, tokens).map(|_| ());
    let whole = fits(&blank);
    let sizes = opened.network.raster().map(RasterNetwork::sub_tokens).unwrap_or_default();
    if whole.is_err() && sizes.len() > 1 && fits(&parted(&blank, &sizes)?).is_ok() {
        return Ok(sizes);
    }
    whole.map(|()| Vec::new())
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
