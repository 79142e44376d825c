//! Documents as files: the text of one; the container is [`smalti_engine::documents`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smalti_engine::answers::{ImageRef, ModelRef, PastedPicture, SourceRef, Stamp};
use smalti_engine::images::WorkingSize;
use smalti_engine::tokens::Cell;
use smalti_engine::{EngineError, Result, documents};

use super::disk::{read_whole, stamp};
use crate::document::{Document, Looks, Panel, Selection};

/// The version that is written; other versions are refused.
const VERSION: u32 = 1;
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
    let json = serde_json::to_string(&text)
        .map_err(|error| EngineError::bad_input("document", error, ""))?;
    documents::to_bytes(json, pasted.as_ref())
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
    let (json, pasted) = documents::from_bytes(bytes, path)?;
    let version = serde_json::from_str::<serde_json::Value>(&json)
        .ok()
        .and_then(|value| value.get("version").and_then(serde_json::Value::as_u64));
    if version != Some(u64::from(VERSION)) {
        let found = version.map_or("no version".to_owned(), |v| format!("version {v}"));
        return Err(bad(format!("a document of {found}; this Smalti reads version {VERSION}")));
    }
    let text: Text = serde_json::from_str(&json).map_err(|e| bad(format!("its document: {e}")))?;
    let image = match text.image {
        Image::None => None,
        Image::File(file) => Some(ImageRef::File { stamp: stamp(&file), path: file.into() }),
        Image::InSource(source, index) => {
            Some(ImageRef::InSource { source: restamped_source(source), index })
        }
        Image::Pasted => {
            let picture = pasted.ok_or_else(|| bad("its pasted picture is missing".to_owned()))?;
            Some(ImageRef::Pasted(PastedPicture::new(picture)))
        }
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
    use smalti_engine::images::Picture;

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
        Saved { document, layout: Some(crate::files::scenes::studio().layout) }
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
        let newer = documents::to_bytes(r#"{"version":7}"#.to_owned(), None).unwrap();
        let error = from_bytes(&newer, Path::new("a.smalti")).unwrap_err();
        assert!(error.to_string().contains("version 7"), "{error}");
    }
}
