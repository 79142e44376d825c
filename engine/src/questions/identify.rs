//! What a dropped or opened path is.

use std::path::Path;
use std::sync::Arc;

use super::image::{ImageRef, SourceRef, Stamp};
use super::model::ModelRef;
use crate::arrays;
use crate::arrays::guess::{Guess, guess};
use crate::checkpoints;
use crate::data::braces::has_braces;
use crate::data::open::is_cifar;
use crate::generators::{self, families::find_generator};
use crate::images::{self, kind};
use crate::session::{Desk, Question};
use crate::{EngineError, Result};

/// What is at this path, and how it would be opened. Looks at the content, not at the suffix alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identify {
    /// The path that was dropped, opened or typed.
    pub path: Arc<Path>,
    /// Which version of it.
    pub stamp: Stamp,
}

/// What a path holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Identified {
    /// An image file.
    Image(ImageRef),
    /// A set of images.
    Images(SourceRef),
    /// A tokenizer.
    Model(ModelRef),
    /// A generator: Smalti's own, or one of a published family.
    Generator(ModelRef),
    /// A grid of tokens.
    Tokens(Arc<Path>),
    /// A scene (layout and script).
    Scene(Arc<Path>),
    /// A saved document.
    Document(Arc<Path>),
    /// A training recipe.
    Recipe(Arc<Path>),
}

impl Question for Identify {
    type Answer = Identified;

    fn answer(&self, _desk: &Desk<'_>) -> Result<Identified> {
        let path = &self.path;
        let (p, stamp) = (Arc::clone(path), self.stamp);
        let metadata = match path.metadata() {
            // Shards by a pattern, such as name-{0000..0147}.tar.
            Err(_) if has_braces(path) => {
                return Ok(Identified::Images(SourceRef::Path { path: p, stamp }));
            }
            other => other.map_err(|source| EngineError::io(&**path, source))?,
        };
        if metadata.is_dir() {
            return self.folder();
        }
        let suffix =
            path.extension().map(|s| s.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let start = images::file::read_start(path, 4096)?;
        if crate::documents::begins(&start) {
            return Ok(Identified::Document(p));
        }
        match suffix.as_str() {
            "bin" if is_cifar(path) => {
                return Ok(Identified::Images(SourceRef::Path { path: p, stamp }));
            }
            "ckpt" | "pt" | "pth" | "pkl" | "npy" | "npz" => return self.arrays(),
            "jit" => return Ok(Identified::Model(ModelRef::File { path: p, stamp })),
            "bin" => return Ok(self.network()),
            "safetensors" => return self.safetensors(&start),
            // Says which files hold a model that is kept in several.
            "json" if path.to_string_lossy().ends_with(".safetensors.index.json") => {
                return Ok(self.network());
            }
            "ron" => {
                let text = String::from_utf8_lossy(&start);
                return Ok(if text.contains("tokenizer") && text.contains("optimizer") {
                    Identified::Recipe(p)
                } else {
                    Identified::Scene(p)
                });
            }
            "tar" | "gz" | "tgz" | "idx" | "ubyte" => {
                return Ok(Identified::Images(SourceRef::Path { path: p, stamp }));
            }
            "smalti" => return Ok(Identified::Document(p)),
            _ => {}
        }
        match kind::sniff(&start) {
            kind::Kind::Image(_) => Ok(Identified::Image(ImageRef::File { path: p, stamp })),
            _ if suffix == "tga" => Ok(Identified::Image(ImageRef::File { path: p, stamp })),
            _ if kind::has_image_suffix(path) => {
                // Decoding says best what is wrong with it.
                images::open(path, &images::Limits::default())?;
                Ok(Identified::Image(ImageRef::File { path: p, stamp }))
            }
            _ => match crate::data::open_source(path) {
                Ok(_) => Ok(Identified::Images(SourceRef::Path { path: p, stamp })),
                Err(error @ EngineError::Io { .. }) => Err(error),
                Err(_) => Err(EngineError::bad_file(
                    &**path,
                    "this is no file that Smalti opens",
                    "documents (.smalti), images, folders, .tar, checkpoints (.safetensors .ckpt .pt .pth .pkl), tokens and sets \
                     of images as arrays (.npy .npz .pt), scenes and recipes (.ron) can be opened",
                )),
            },
        }
    }

    fn bytes(_: &Identified) -> usize {
        256
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

impl Identify {
    /// A folder of images, or one that people share a model in. With a configuration it is a model's, though
    /// pictures that it made may lie beside it.
    fn folder(&self) -> Result<Identified> {
        let (path, stamp) = (Arc::clone(&self.path), self.stamp);
        let checkpoint = checkpoints::is_configured(&path);
        if checkpoint.as_ref().is_ok_and(|is_configured| *is_configured) {
            return Ok(self.network());
        }
        match crate::data::open_source(&path) {
            Ok(set) if !set.is_empty() => Ok(Identified::Images(SourceRef::Path { path, stamp })),
            nothing => match checkpoint {
                Ok(_) => Ok(self.network()),
                // Several, of which one is to be given: more to the point than that there are no images.
                Err(error @ EngineError::Unclear { .. }) => Err(error),
                Err(_) => nothing.map(|_| Identified::Images(SourceRef::Path { path, stamp })),
            },
        }
    }

    fn safetensors(&self, start: &[u8]) -> Result<Identified> {
        let head = String::from_utf8_lossy(start);
        if head.contains("smalti_tokens") {
            return Ok(Identified::Tokens(Arc::clone(&self.path)));
        }
        if head.contains("smalti") {
            let read = checkpoints::read(&self.path)?;
            if read.smalti(&self.path)?.is_some_and(|written| written["kind"] == generators::KIND) {
                let (path, stamp) = (Arc::clone(&self.path), self.stamp);
                return Ok(Identified::Generator(ModelRef::File { path, stamp }));
            }
        }
        self.arrays()
    }

    /// A network: a generator of a published family, or else a tokenizer. What is nearly a generator is one, so that
    /// it is said what is missing; but no tokenizer is nearly one.
    fn network(&self) -> Identified {
        let model = ModelRef::File { path: Arc::clone(&self.path), stamp: self.stamp };
        // The reader of checkpoints says best what is wrong with one, when it is opened.
        let Ok(read) = checkpoints::read(&self.path) else { return Identified::Model(model) };
        let beside = checkpoints::beside(&self.path);
        let Some(found) = find_generator(&read, &self.path, beside.as_ref()) else {
            return Identified::Model(model);
        };
        let is_tokenizer = || {
            let recognized = checkpoints::recognize_part(&read, &self.path, beside.as_ref(), None);
            recognized.is_ok_and(|known| known.design.is_some() && known.problems.is_empty())
        };
        if found.problems.is_empty() || !is_tokenizer() {
            Identified::Generator(model)
        } else {
            Identified::Model(model)
        }
    }

    /// A file of arrays: images, tokens, or a network.
    fn arrays(&self) -> Result<Identified> {
        let (path, stamp) = (Arc::clone(&self.path), self.stamp);
        let model = || ModelRef::File { path: Arc::clone(&path), stamp };
        let suffix = path.extension().map(|s| s.to_string_lossy().to_ascii_lowercase());
        let is_numpy = suffix.is_some_and(|suffix| suffix == "npy" || suffix == "npz");
        let file = match arrays::open(&path) {
            Ok(file) => file,
            Err(error) if is_numpy => return Err(error),
            // The reader of checkpoints says best what is wrong with one.
            Err(_) => return Ok(self.network()),
        };
        match guess(&file)? {
            Guess::Images => Ok(Identified::Images(SourceRef::Path { path, stamp })),
            Guess::Tokens => Ok(Identified::Tokens(path)),
            Guess::Weights => Ok(self.network()),
            // What is wrong with a checkpoint without tensors is said when it is opened.
            Guess::Unclear { .. } if file.members.is_empty() => Ok(Identified::Model(model())),
            Guess::Unclear { reason, hint } => Err(EngineError::bad_file(&*path, reason, hint)),
        }
    }
}
