//! Documents as files: the text of one; the container is [`smalti_engine::documents`].
//!
//! Each field has a default for when it is missing, so that a file of an older version opens; what
//! was said in another way then is translated first (`upgraded`). A newer file is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smalti_engine::answers::{Given, ImageRef, ModelRef, PastedPicture, SourceRef, Stamp, Subject};
use smalti_engine::documents::{self, Blob};
use smalti_engine::images::{self, WorkingSize};
use smalti_engine::tokens::{Cell, Code, Part, PartShape, Tokens};
use smalti_engine::{EngineError, Result};

use super::disk::{model_now, read_whole, stamp};
use crate::document::{Document, Looks, Panel, Selection, Work, WorkOn};

/// The version that is written. 1: one image, tokenizers A and B, codes as bare numbers.
const VERSION: u64 = 2;
/// Documents above this are not read: a pasted picture of 64 megapixels fits.
const LIMIT: u64 = 256 << 20;
/// Files of pictures are carried along up to this in all, so that the document can be read again.
const TOTAL: u64 = 64 << 20;
/// Files of pictures up to this are carried along, so that a colleague sees the same pixels.
const EMBEDDED: u64 = 16 << 20;

/// A document and what is where, as they are kept in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The document.
    pub document: Document,
    /// What is where.
    pub layout: Option<Panel>,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Text {
    version: u64,
    subject: Kept,
    source: SourceRef,
    size: WorkingSize,
    model: ModelRef,
    checkpoint: Option<ModelRef>,
    others: [Option<ModelRef>; 3],
    work: WorkText,
    kept: Vec<KeptWork>,
    switched_off: Vec<Code>,
    selection: Selection,
    looks: Looks,
    /// As a value: views that this program does not know are left out, not refused.
    layout: Value,
}

impl Default for Text {
    fn default() -> Self {
        let Document { source, size, model, others, selection, looks, .. } = Document::default();
        let checkpoint = None;
        Self {
            version: VERSION,
            subject: Kept::None,
            source,
            size,
            model,
            checkpoint,
            others,
            work: WorkText::default(),
            kept: Vec::new(),
            switched_off: Vec::new(),
            selection,
            looks,
            layout: Value::Null,
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WorkText {
    edits: Vec<(Cell, u32)>,
    locks: Vec<Cell>,
}

#[derive(Serialize, Deserialize)]
struct KeptWork {
    on: Kept,
    size: WorkingSize,
    model: ModelRef,
    work: WorkText,
}

/// A subject in the text. `blob` names what is carried along.
#[derive(Clone, Default, Serialize, Deserialize)]
enum Kept {
    #[default]
    None,
    File {
        path: PathBuf,
        #[serde(default)]
        blob: Option<String>,
    },
    InSource(SourceRef, u64),
    Pasted {
        blob: String,
    },
    Tokens {
        name: String,
        parts: Vec<(PartShape, u32, Vec<u32>)>,
    },
}

impl From<&Work> for WorkText {
    fn from(work: &Work) -> Self {
        Self {
            edits: work.edits.iter().map(|(cell, code)| (*cell, *code)).collect(),
            locks: work.locks.iter().copied().collect(),
        }
    }
}

impl From<WorkText> for Work {
    fn from(text: WorkText) -> Self {
        Self {
            edits: Arc::new(text.edits.into_iter().collect()),
            locks: Arc::new(text.locks.into_iter().collect()),
        }
    }
}

/// The bytes of a document's file. Reads the files of its pictures, to carry them along.
///
/// # Errors
/// None that a person can cause: a picture that cannot be read is only named.
pub fn to_bytes(saved: &Saved) -> Result<Vec<u8>> {
    let document = &saved.document;
    let mut blobs = Vec::new();
    let subject = document.subject.as_ref().map_or(Kept::None, |s| keep(s, &mut blobs));
    let kept = document.kept.iter().map(|(on, work)| KeptWork {
        on: keep(&on.subject, &mut blobs),
        size: on.size,
        model: on.model.clone(),
        work: work.into(),
    });
    let text = Text {
        version: VERSION,
        subject,
        source: document.source.clone(),
        size: document.size,
        model: document.model.clone(),
        checkpoint: document.checkpoint.clone(),
        others: document.others.clone(),
        work: (&document.work()).into(),
        kept: kept.collect(),
        switched_off: document.switched_off.iter().copied().collect(),
        selection: document.selection.clone(),
        looks: document.looks.clone(),
        layout: serde_json::to_value(&saved.layout).unwrap_or_default(),
    };
    let json = serde_json::to_string(&text)
        .map_err(|error| EngineError::bad_input("document", error, ""))?;
    let bytes = documents::to_bytes(json, &blobs)?;
    if bytes.len() as u64 > LIMIT {
        let reason = format!("it takes {} MB, at most {} are read", bytes.len() >> 20, LIMIT >> 20);
        let hint = "save the pasted pictures as files and open those";
        return Err(EngineError::bad_input("document", reason, hint));
    }
    Ok(bytes)
}

fn keep(subject: &Subject, blobs: &mut Vec<Blob>) -> Kept {
    match subject {
        Subject::Image(ImageRef::File { path, stamp: seen }) => {
            let taken: usize = blobs.iter().map(|blob| blob.bytes.len()).sum();
            let room = EMBEDDED.min(TOTAL.saturating_sub(taken as u64));
            // Only if it still is what was worked on.
            let is_same = stamp(path) == *seen;
            let bytes = if is_same { read_whole(path, room).ok() } else { None };
            let mut add = adder(blobs);
            let blob = bytes.map(|b| add("file", &|name| Blob::file(name, b.clone())));
            Kept::File { path: path.to_path_buf(), blob }
        }
        Subject::Image(ImageRef::InSource { source, index }) => {
            Kept::InSource(source.clone(), *index)
        }
        Subject::Image(ImageRef::Pasted(pasted)) => {
            let blob = adder(blobs)("picture", &|name| Blob::picture(name, &pasted.picture));
            Kept::Pasted { blob }
        }
        Subject::Tokens(given) => Kept::Tokens {
            name: given.name.to_string(),
            parts: given
                .tokens
                .parts()
                .iter()
                .map(|part| (part.shape(), part.codebook_size(), part.codes().to_vec()))
                .collect(),
        },
    }
}

/// Adds what is carried along, once.
fn adder(blobs: &mut Vec<Blob>) -> impl FnMut(&str, &dyn Fn(String) -> Blob) -> String {
    |kind, make| {
        let blob = make(format!("{kind}.{}", blobs.len()));
        let same = |b: &&Blob| b.bytes == blob.bytes && b.shape == blob.shape;
        if let Some(known) = blobs.iter().find(same) {
            return known.name.clone();
        }
        let name = blob.name.clone();
        blobs.push(blob);
        name
    }
}

/// Reads a document's file. Files it names are taken as they are now; a picture whose file is gone
/// or has become another is taken from the document.
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
    let (json, blobs) = documents::from_bytes(bytes, path)?;
    let value: Value =
        serde_json::from_str(&json).map_err(|e| bad(format!("its document: {e}")))?;
    let text: Text = serde_json::from_value(upgraded(value).map_err(bad)?)
        .map_err(|e| bad(format!("its document: {e}")))?;
    let unkept = |kept: Kept| unkeep(kept, &blobs).map_err(bad);
    let subject = unkept(text.subject)?;
    let mut kept = Vec::new();
    for KeptWork { on, size, model, work } in text.kept {
        if let Some(subject) = unkept(on)? {
            kept.push((WorkOn { subject, size, model: restamped_model(model) }, work.into()));
        }
    }
    let work: Work = text.work.into();
    let document = Document {
        subject,
        source: restamped_source(text.source),
        size: text.size,
        model: restamped_model(text.model),
        checkpoint: text.checkpoint.map(restamped_model),
        others: text.others.map(|model| model.map(restamped_model)),
        edits: work.edits,
        locks: work.locks,
        kept: kept.into(),
        switched_off: Arc::new(text.switched_off.into_iter().collect()),
        selection: text.selection,
        looks: text.looks,
    };
    Ok(Saved { document, layout: Panel::known(&text.layout) })
}

/// The text as this version writes it, step by step from the version that it has.
fn upgraded(mut text: Value) -> Result<Value, String> {
    let version = text["version"].as_u64();
    if version == Some(1) {
        upgrade_1(&mut text);
    }
    match text["version"].as_u64() {
        Some(VERSION) => Ok(text),
        Some(newer) if newer > VERSION => Err(format!(
            "a document of version {newer}; this Smalti reads versions 1 to {VERSION}, a newer one \
             is needed"
        )),
        _ => Err("a document of no version".to_owned()),
    }
}

/// One image, tokenizers A and B, codes as numbers of the only book.
fn upgrade_1(text: &mut Value) {
    let subject = match &text["image"] {
        Value::Object(image) if image.contains_key("File") => {
            json!({ "File": { "path": image["File"], "blob": null } })
        }
        Value::Object(image) => Value::Object(image.clone()),
        Value::String(name) if name == "Pasted" => json!({ "Pasted": { "blob": "pasted" } }),
        _ => json!("None"),
    };
    text["subject"] = subject;
    text["others"] = json!([text["model_b"], null, null]);
    text["work"] = json!({ "edits": text["edits"], "locks": text["locks"] });
    let off = text["switched_off"].as_array().cloned().unwrap_or_default();
    text["switched_off"] =
        off.iter().map(|number| json!({ "book": 0, "number": number })).collect();
    text["version"] = json!(2);
}

fn unkeep(kept: Kept, blobs: &[Blob]) -> Result<Option<Subject>, String> {
    let blob = |name: &str| {
        let found = blobs.iter().find(|blob| blob.name == name);
        found.ok_or_else(|| format!("its {name} is missing"))
    };
    Ok(Some(match kept {
        Kept::None => return Ok(None),
        Kept::File { path, blob: None } => file(path),
        Kept::File { path, blob: Some(name) } => {
            let carried = blob(&name)?;
            let there = read_whole(&path, EMBEDDED).is_ok_and(|bytes| bytes == carried.bytes);
            if there {
                return Ok(Some(file(path)));
            }
            match images::decode(&carried.bytes, &path, &images::Limits::default()) {
                Ok(decoded) => {
                    Subject::Image(ImageRef::Pasted(PastedPicture::new(decoded.picture)))
                }
                // The rest of the document is worth more than this picture.
                Err(_) => file(path),
            }
        }
        Kept::InSource(source, index) => {
            Subject::Image(ImageRef::InSource { source: restamped_source(source), index })
        }
        Kept::Pasted { blob: name } => {
            let picture = blob(&name)?.to_picture().map_err(|e| e.to_string())?;
            Subject::Image(ImageRef::Pasted(PastedPicture::new(picture)))
        }
        Kept::Tokens { name, parts } => {
            let parts = parts.into_iter().map(|(shape, size, codes)| Part::new(shape, size, codes));
            let parts = parts.collect::<Result<Vec<_>>>().map_err(|e| e.to_string())?;
            let tokens = Tokens::new(parts).map_err(|e| e.to_string())?;
            Subject::Tokens(Given { name: name.into(), tokens })
        }
    }))
}

fn file(path: PathBuf) -> Subject {
    Subject::Image(ImageRef::File { stamp: stamp(&path), path: path.into() })
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
    match model_now(model.clone()) {
        // A file that is gone stays the one that it was.
        ModelRef::File { stamp, .. } if (stamp.modified, stamp.length) == (0, 0) => model,
        now => now,
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk;
    use smalti_engine::images::Picture;

    use super::*;
    use crate::document::{Edit, Open, Slot};

    fn picture() -> Picture {
        Picture::new(3, 2, (0..18).collect::<Vec<u8>>()).unwrap()
    }

    fn rich() -> Saved {
        let cells = Arc::new([Cell::at(1, 2), Cell::at(0, 5)].into());
        let tokens = Tokens::grid(1, 2, 8, vec![3, smalti_engine::tokens::MASKED]).unwrap();
        let document = Document::default()
            .after(&Open::Image(ImageRef::Pasted(PastedPicture::new(picture()))).into())
            .after(&Open::Model(Slot::B, ModelRef::Shipped("worlds-vqvae".into())).into())
            .after(&Open::Model(Slot::D, ModelRef::Shipped("worlds-fsq".into())).into())
            .after(&Edit::ForceCells { cells: Arc::clone(&cells), code: 417 }.into())
            .after(&Open::Tokens(Given { name: "a.npy".into(), tokens }).into())
            .after(&Edit::LockCells { cells, locked: true }.into())
            .after(&Edit::SwitchCode { code: Code::first(9), on: false }.into())
            .after(&Edit::PinCode(Code { book: 1, number: 417 }).into());
        Saved { document, layout: Some(crate::files::scenes::studio().layout) }
    }

    #[test]
    fn a_document_with_pictures_tokens_and_work_on_both_survives_its_file() {
        let saved = rich();
        let bytes = to_bytes(&saved).unwrap();
        assert_eq!(from_bytes(&bytes, Path::new("a.smalti")).unwrap(), saved);
    }

    #[test]
    fn a_picture_whose_file_is_gone_comes_from_the_document_with_the_same_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        disk::write_whole(&path, &images::png_bytes(&picture()).unwrap()).unwrap();
        let document = Document::default().after(&Open::Image(ImageRef::file(&path)).into());
        let bytes = to_bytes(&Saved { document: document.clone(), layout: None }).unwrap();
        let here = from_bytes(&bytes, Path::new("a.smalti")).unwrap();
        assert_eq!(here.document.image(), document.image(), "the file is still there");
        disk::remove(&path);
        let there = from_bytes(&bytes, Path::new("a.smalti")).unwrap();
        let Some(ImageRef::Pasted(pasted)) = there.document.image() else { panic!("no picture") };
        assert_eq!(pasted.picture, picture());
    }

    /// The text of a document that the first version wrote.
    #[test]
    fn a_document_of_the_first_version_still_opens() {
        let text = r#"{"version":1,"image":"Pasted","source":"Samples",
            "size":{"side":256,"mode":"CropCenter","multiple_of":1},
            "model":{"Shipped":"worlds-fsq"},"model_b":{"Shipped":"worlds-vqvae"},
            "edits":[[{"scale":0,"frame":0,"row":1,"column":2},417]],
            "locks":[{"scale":0,"frame":0,"row":0,"column":5}],"switched_off":[9],
            "selection":{"cells":[],"code":417,"pinned":[3]},
            "looks":{"color_by":"Usage"},
            "layout":{"Tabs":{"views":["Tokens","Crystal"],"front":"Crystal"}}}"#;
        let blob = Blob::picture("pasted".to_owned(), &picture());
        let bytes = documents::to_bytes(text.to_owned(), &[blob]).unwrap();
        let Saved { document, layout } = from_bytes(&bytes, Path::new("a.smalti")).unwrap();
        assert_eq!(document.edits[&Cell::at(1, 2)], 417);
        assert!(document.locks.contains(&Cell::at(0, 5)));
        assert_eq!(document.model(Slot::B), Some(&ModelRef::Shipped("worlds-vqvae".into())));
        assert!(document.switched_off.contains(&Code::first(9)));
        assert_eq!(document.selection.code, Some(Code::first(417)));
        assert_eq!(&*document.selection.pinned, &[Code::first(3)]);
        let Some(ImageRef::Pasted(pasted)) = document.image() else { panic!("no picture") };
        assert_eq!(pasted.picture, picture());
        let views = vec![crate::document::ViewId::Tokens];
        assert_eq!(layout, Some(Panel::Tabs { views, front: None }), "an unknown view is left out");
    }

    #[test]
    fn newer_versions_and_torn_files_are_refused_with_the_reason() {
        let bytes = to_bytes(&rich()).unwrap();
        for length in [0, 7, 20, bytes.len() - 1] {
            assert!(from_bytes(&bytes[..length], Path::new("a.smalti")).is_err());
        }
        let newer = documents::to_bytes(r#"{"version":7}"#.to_owned(), &[]).unwrap();
        let error = from_bytes(&newer, Path::new("a.smalti")).unwrap_err();
        assert!(error.to_string().contains("version 7"), "{error}");
        let bare = documents::to_bytes(r#"{"version":2}"#.to_owned(), &[]).unwrap();
        let opened = from_bytes(&bare, Path::new("a.smalti")).unwrap();
        assert_eq!(opened.document, Document::default(), "what is missing has its default");
    }
}
