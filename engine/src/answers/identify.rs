//! What a dropped or opened path is.

use std::path::Path;
use std::sync::Arc;

use super::image::{ImageRef, SourceRef, Stamp};
use super::model::ModelRef;
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
        let metadata = path.metadata().map_err(|source| EngineError::io(&**path, source))?;
        if metadata.is_dir() {
            return Ok(Identified::Images(SourceRef::Path { path: p, stamp }));
        }
        let suffix =
            path.extension().map(|s| s.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let start = images::file::read_start(path, 4096)?;
        match suffix.as_str() {
            "ckpt" | "pt" | "pth" | "jit" | "bin" if !is_cifar(&metadata) => {
                return Ok(Identified::Model(ModelRef::File { path: p, stamp }));
            }
            "safetensors" => return Ok(self.safetensors(&start)),
            "npy" => return Ok(Identified::Tokens(p)),
            // Says which files hold a model that is kept in several.
            "json" if path.to_string_lossy().ends_with(".safetensors.index.json") => {
                return Ok(Identified::Model(ModelRef::File { path: p, stamp }));
            }
            "ron" => {
                let text = String::from_utf8_lossy(&start);
                return Ok(if text.contains("tokenizer") && text.contains("optimizer") {
                    Identified::Recipe(p)
                } else {
                    Identified::Scene(p)
                });
            }
            "tar" | "gz" | "tgz" | "bin" | "idx" | "ubyte" => {
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
                    "images, folders, .tar, checkpoints (.safetensors .ckpt .pt .pth), tokens (.npy), \
                     scenes and recipes (.ron) can be opened",
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
    fn safetensors(&self, start: &[u8]) -> Identified {
        let head = String::from_utf8_lossy(start);
        let p = Arc::clone(&self.path);
        if head.contains("smalti_document") {
            Identified::Document(p)
        } else if head.contains("\"tokens\"") {
            Identified::Tokens(p)
        } else {
            Identified::Model(ModelRef::File { path: p, stamp: self.stamp })
        }
    }
}

/// CIFAR's batches share the suffix `.bin` with checkpoints, but not their round sizes.
fn is_cifar(metadata: &std::fs::Metadata) -> bool {
    let length = metadata.len();
    length > 0 && (length.is_multiple_of(3073) || length.is_multiple_of(3074))
}
