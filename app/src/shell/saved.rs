//! Documents as files: safetensors with the document as JSON in its metadata, and a pasted picture
//! as its one tensor. A Python user opens one with `safetensors.safe_open`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use smalti_engine::answers::{ImageRef, ModelRef, PastedPicture, SourceRef, Stamp};
use smalti_engine::images::{Picture, WorkingSize};
use smalti_engine::tokens::Cell;
use smalti_engine::{EngineError, Result};

use super::background::{read_whole, stamp};
use super::scenes::Panel;
use crate::document::{Document, Looks, Selection};

/// The version that is written; other versions are refused.
const VERSION: u32 = 1;
/// The metadata's key; also how a document is recognized.
const KEY: &str = "smalti_document";
/// Documents above this are not read: a pasted picture of 64 megapixels fits.
const LIMIT: u64 = 256 << 20;

/// A document and what is where, as they are kept in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The document.
    pub document: Document,
    /// What is where.
    pub layout: Option<Panel>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    version: u32,
    image: Image,
    source: SourceRef,
    size: WorkingSize,
    model: ModelRef,
    model_b: Option<ModelRef>,
    edits: Vec<(Cell, u32)>,
    locks: Vec<Cell>,
    switched_off: Vec<u32>,
    selection: Selection,
    looks: Looks,
    layout: Option<Panel>,
}

#[derive(Serialize, Deserialize)]
enum Image {
    None,
    File(PathBuf),
    InSource(SourceRef, u64),
    Pasted,
}

/// The bytes of a document's file.
///
/// # Errors
/// None that a person can cause.
pub fn to_bytes(saved: &Saved) -> Result<Vec<u8>> {
    let document = &saved.document;
    let mut pasted = None;
    let image = match &document.image {
        None => Image::None,
        Some(ImageRef::File { path, .. }) => Image::File(path.to_path_buf()),
        Some(ImageRef::InSource { source, index }) => Image::InSource(source.clone(), *index),
        Some(ImageRef::Pasted(picture)) => {
            pasted = Some(picture.picture.clone());
            Image::Pasted
        }
    };
    let text = Text {
        version: VERSION,
        image,
        source: document.source.clone(),
        size: document.size,
        model: document.model.clone(),
        model_b: document.model_b.clone(),
        edits: document.edits.iter().map(|(cell, code)| (*cell, *code)).collect(),
        locks: document.locks.iter().copied().collect(),
        switched_off: document.switched_off.iter().copied().collect(),
        selection: document.selection.clone(),
        looks: document.looks.clone(),
        layout: saved.layout.clone(),
    };
    let wrong = |error: &dyn std::fmt::Display| EngineError::bad_input("document", error, "");
    let json = serde_json::to_string(&text).map_err(|error| wrong(&error))?;
    let metadata = HashMap::from([(KEY.to_owned(), json)]);
    let mut tensors = Vec::new();
    if let Some(picture) = &pasted {
        let shape = vec![picture.height() as usize, picture.width() as usize, 3];
        let view = TensorView::new(Dtype::U8, shape, picture.rgb()).map_err(|e| wrong(&e))?;
        tensors.push(("pasted", view));
    }
    safetensors::serialize(tensors, Some(metadata)).map_err(|error| wrong(&error))
}

/// Reads a document's file. Files it names are taken as they are now.
///
/// # Errors
/// What is wrong with the file.
pub fn open(path: &Path) -> Result<Saved> {
    let bytes = read_whole(path, LIMIT)?;
    from_bytes(&bytes, path)
}

/// A document from the bytes of its file.
///
/// # Errors
/// What is wrong with the file.
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Saved> {
    let bad = |reason: String| EngineError::bad_file(path, reason, "Open another document");
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|e| bad(format!("not a document: {e}")))?;
    let json = header
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(KEY))
        .ok_or_else(|| bad(format!("not a document: its metadata has no {KEY}")))?;
    let version = serde_json::from_str::<serde_json::Value>(json)
        .ok()
        .and_then(|value| value.get("version").and_then(serde_json::Value::as_u64));
    if version != Some(u64::from(VERSION)) {
        let found = version.map_or("no version".to_owned(), |v| format!("version {v}"));
        return Err(bad(format!("a document of {found}; this Smalti reads version {VERSION}")));
    }
    let text: Text = serde_json::from_str(json).map_err(|e| bad(format!("its document: {e}")))?;
    let image = match text.image {
        Image::None => None,
        Image::File(file) => Some(ImageRef::File { stamp: stamp(&file), path: file.into() }),
        Image::InSource(source, index) => {
            Some(ImageRef::InSource { source: restamped_source(source), index })
        }
        Image::Pasted => Some(ImageRef::Pasted(PastedPicture::new(pasted(bytes, &bad)?))),
    };
    let document = Document {
        image,
        source: restamped_source(text.source),
        size: text.size,
        model: restamped_model(text.model),
        model_b: text.model_b.map(restamped_model),
        edits: Arc::new(text.edits.into_iter().collect()),
        locks: Arc::new(text.locks.into_iter().collect()),
        switched_off: Arc::new(text.switched_off.into_iter().collect()),
        selection: text.selection,
        looks: text.looks,
    };
    Ok(Saved { document, layout: text.layout })
}

fn pasted(bytes: &[u8], bad: &dyn Fn(String) -> EngineError) -> Result<Picture> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| bad(error.to_string()))?;
    let tensor = tensors.tensor("pasted").map_err(|error| bad(error.to_string()))?;
    let &[height, width, 3] = tensor.shape() else {
        return Err(bad(format!("its picture has the shape {:?}", tensor.shape())));
    };
    if tensor.dtype() != Dtype::U8 {
        return Err(bad(format!("its picture is {:?}, not U8", tensor.dtype())));
    }
    Picture::new(width as u32, height as u32, tensor.data())
}

fn restamped(path: &Path, old: Stamp) -> Stamp {
    let now = stamp(path);
    if now == Stamp::default() { old } else { now }
}

fn restamped_source(source: SourceRef) -> SourceRef {
    match source {
        SourceRef::Path { path, stamp } => SourceRef::Path { stamp: restamped(&path, stamp), path },
        other @ (SourceRef::Worlds { .. } | SourceRef::Samples) => other,
    }
}

fn restamped_model(model: ModelRef) -> ModelRef {
    match model {
        ModelRef::File { path, stamp } => ModelRef::File { stamp: restamped(&path, stamp), path },
        shipped @ ModelRef::Shipped(_) => shipped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Edit, Open, Slot};

    fn rich() -> Saved {
        let picture = Picture::new(3, 2, (0..18).collect::<Vec<u8>>()).unwrap();
        let cells = Arc::new([Cell::at(1, 2), Cell::at(0, 5)].into());
        let document = Document::default()
            .after(&Open::Image(ImageRef::Pasted(PastedPicture::new(picture))).into())
            .after(&Open::Model(Slot::B, ModelRef::Shipped("worlds-vqvae".into())).into())
            .after(&Edit::ForceCells { cells, code: 417 }.into())
            .after(&Edit::SwitchCode { code: 9, on: false }.into())
            .after(&Edit::PinCode(417).into());
        Saved { document, layout: Some(crate::shell::scenes::studio().layout) }
    }

    #[test]
    fn a_document_with_a_pasted_picture_survives_its_file() {
        let saved = rich();
        let bytes = to_bytes(&saved).unwrap();
        assert_eq!(from_bytes(&bytes, Path::new("a.smalti")).unwrap(), saved);
    }

    #[test]
    fn unknown_versions_and_torn_files_are_refused_with_the_reason() {
        let bytes = to_bytes(&rich()).unwrap();
        for length in [0, 7, 20, bytes.len() - 1] {
            assert!(from_bytes(&bytes[..length], Path::new("a.smalti")).is_err());
        }
        let json = r#"{"version":7}"#;
        let metadata = HashMap::from([(KEY.to_owned(), json.to_owned())]);
        let none: Vec<(&str, TensorView<'_>)> = Vec::new();
        let newer = safetensors::serialize(none, Some(metadata)).unwrap();
        let error = from_bytes(&newer, Path::new("a.smalti")).unwrap_err();
        assert!(error.to_string().contains("version 7"), "{error}");
    }
}
