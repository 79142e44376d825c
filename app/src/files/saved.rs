//! Documents as files: the text of one; the container is [`smalti_engine::documents`].
//!
//! Each field has a default for when it is missing, so that a file of an older version opens; what
//! was said in another way then is translated first (`upgraded`). A newer file is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smalti_engine::data::braces::has_braces;
use smalti_engine::documents::{self, Blob};
use smalti_engine::images::{self, Picture, WorkingSize};
use smalti_engine::questions::{
    Among, Given, ImageRef, ModelRef, PastedPicture, SourceRef, Stamp, Subject,
};
use smalti_engine::tokens::{Cell, Code, Part, PartShape, Tokens};
use smalti_engine::{EngineError, Result};

use super::disk::{model_now, read_whole, stamp};
use crate::document::{
    Document, Looks, Panel, RunFolder, Selection, Variation, Variations, Work, WorkOn,
};

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
    /// What a person should know of the files that it names.
    pub warnings: Vec<String>,
}

/// What a document's file carries along.
pub enum Carried<'a> {
    /// Only what has no file of its own: enough where all files stay where they are.
    Pasted,
    /// Every picture up to 16 MB, so that a colleague sees the same pixels. Gives the picture of an image
    /// of a set.
    Pictures(&'a dyn Fn(&ImageRef) -> Option<Picture>),
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
    variations: Vec<KeptVariation>,
    variation: Option<usize>,
    runs: [Option<RunFolder>; 4],
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
            variations: Vec::new(),
            variation: None,
            runs: Default::default(),
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

#[derive(Serialize, Deserialize)]
struct KeptVariation {
    name: String,
    parent: Option<usize>,
    kept: KeptWork,
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
        /// Which version of the file was worked on.
        #[serde(default)]
        seen: Stamp,
    },
    InSource(SourceRef, u64),
    Member {
        source: SourceRef,
        index: u64,
        blob: String,
    },
    Pasted {
        blob: String,
    },
    Tokens {
        name: String,
        parts: Vec<(PartShape, u32, Vec<u32>)>,
        #[serde(default)]
        is_size_assumed: bool,
        #[serde(default)]
        among: Option<Among>,
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

/// The bytes of a document's file.
///
/// # Errors
/// None that a person can cause: a picture that cannot be read is only named.
pub fn to_bytes(saved: &Saved, carried: &Carried<'_>) -> Result<Vec<u8>> {
    let document = &saved.document;
    let mut blobs = Vec::new();
    let subject = document.subject.as_ref().map_or(Kept::None, |s| keep(s, carried, &mut blobs));
    let mut work_text = |on: &WorkOn, work: &Work| KeptWork {
        on: keep(&on.subject, carried, &mut blobs),
        size: on.size,
        model: on.model.clone(),
        work: work.into(),
    };
    let kept = document.kept.iter().map(|(on, work)| work_text(on, work)).collect();
    let variation = |v: &Variation| KeptVariation {
        name: v.name.to_string(),
        parent: v.parent,
        kept: work_text(&v.on, &v.work),
    };
    let variations = document.variations.all().iter().map(variation).collect();
    let text = Text {
        version: VERSION,
        subject,
        source: document.source.clone(),
        size: document.size,
        model: document.model.clone(),
        checkpoint: document.checkpoint.clone(),
        others: document.others.clone(),
        work: (&document.work()).into(),
        kept,
        variations,
        variation: document.variations.base(),
        runs: document.runs.clone(),
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

fn keep(subject: &Subject, carried: &Carried<'_>, blobs: &mut Vec<Blob>) -> Kept {
    let taken: usize = blobs.iter().map(|blob| blob.bytes.len()).sum();
    let room = EMBEDDED.min(TOTAL.saturating_sub(taken as u64));
    match subject {
        Subject::Image(ImageRef::File { path, stamp: seen }) => {
            // Only if it still is what was worked on.
            let is_read = matches!(carried, Carried::Pictures(_)) && stamp(path) == *seen;
            let bytes = if is_read { read_whole(path, room).ok() } else { None };
            let mut add = adder(blobs);
            let blob = bytes.map(|b| add("file", &|name| Blob::file(name, b.clone())));
            Kept::File { path: path.to_path_buf(), blob, seen: *seen }
        }
        Subject::Image(image @ ImageRef::InSource { source, index }) => {
            let own = Kept::InSource(source.clone(), *index);
            // Worlds and samples come with every Smalti.
            let (SourceRef::Path { .. }, Carried::Pictures(pictures)) = (source, carried) else {
                return own;
            };
            let bytes = pictures(image).and_then(|picture| images::png_bytes(&picture).ok());
            let Some(bytes) = bytes.filter(|bytes| bytes.len() as u64 <= room) else { return own };
            let blob = adder(blobs)("file", &|name| Blob::file(name, bytes.clone()));
            Kept::Member { source: source.clone(), index: *index, blob }
        }
        Subject::Image(ImageRef::Pasted(pasted)) => {
            let blob = adder(blobs)("picture", &|name| match &pasted.file {
                Some(bytes) => Blob::file(name, bytes.to_vec()),
                None => Blob::picture(name, &pasted.picture),
            });
            Kept::Pasted { blob }
        }
        Subject::Tokens(given) => Kept::Tokens {
            name: given.name.to_string(),
            is_size_assumed: given.is_size_assumed,
            among: given.among.as_deref().cloned(),
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
    let work: Work = text.work.into();
    let mut warnings = Vec::new();
    let changed = |what: &Path| {
        let name = what.file_name().unwrap_or(what.as_os_str()).to_string_lossy();
        format!("{name} has changed since the document was saved")
    };
    let mut subject = unkeep(text.subject, &blobs).map_err(bad)?;
    if let Some(Subject::Image(ImageRef::File { path, stamp: seen })) = &mut subject {
        let now = restamped(path, *seen);
        if *seen != Stamp::default() && now != *seen && !work.is_empty() {
            warnings.push(changed(path));
        }
        *seen = now;
    }
    let model = restamped_model(text.model.clone());
    if let (ModelRef::File { path, stamp: now }, ModelRef::File { stamp: seen, .. }) =
        (&model, &text.model)
    {
        // Files of before do not say what stood beside it.
        let beside = if seen.beside == 0 { 0 } else { now.beside };
        if (Stamp { beside, ..*now }) != *seen && *seen != Stamp::default() && !work.is_empty() {
            warnings.push(changed(path));
        }
    }
    let now = subject.clone().map(|subject| WorkOn::new(subject, text.size, model.clone()));
    let mut kept: Vec<(WorkOn, Work)> = Vec::new();
    for KeptWork { on, size, model, work } in text.kept {
        // A picture that was overwritten since stays another subject than what is there now.
        let Some(subject) = unkeep(on, &blobs).map_err(bad)? else { continue };
        let mut on = WorkOn::new(subject, size, restamped_model(model.clone()));
        if Some(&on) == now.as_ref() || kept.iter().any(|(other, _)| *other == on) {
            // So does the network before it was trained on.
            on.model = model;
        }
        if Some(&on) != now.as_ref() && kept.iter().all(|(other, _)| *other != on) {
            kept.push((on, work.into()));
        }
    }
    let mut variations = Vec::new();
    for KeptVariation { name, parent, kept } in text.variations {
        // One without its subject keeps its number, to which others refer.
        let subject = unkeep(kept.on, &blobs).map_err(bad)?.or_else(|| subject.clone());
        let Some(subject) = subject else { continue };
        let on = WorkOn::new(subject, kept.size, restamped_model(kept.model));
        variations.push(Variation { name: name.into(), parent, on, work: kept.work.into() });
    }
    let document = Document {
        subject,
        source: restamped_source(text.source),
        size: text.size,
        model,
        checkpoint: text.checkpoint.map(restamped_model),
        others: text.others.map(|model| model.map(restamped_model)),
        edits: work.edits,
        locks: work.locks,
        kept: kept.into(),
        variations: Variations::new(variations, text.variation),
        runs: text.runs,
        switched_off: Arc::new(text.switched_off.into_iter().collect()),
        selection: text.selection,
        looks: text.looks,
    };
    Ok(Saved { document, layout: Panel::known(&text.layout), warnings })
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
        // Its version is the one that was worked on; documents that do not say it take it as it is.
        Kept::File { path, blob: None, seen } => file(&path, restamped_if_unknown(&path, seen)),
        Kept::File { path, blob: Some(name), seen } => {
            let carried = blob(&name)?;
            let there = read_whole(&path, EMBEDDED).is_ok_and(|bytes| bytes == carried.bytes);
            if there {
                return Ok(Some(file(&path, stamp(&path))));
            }
            match decoded(carried, &path) {
                Some(subject) => subject,
                // The rest of the document is worth more than this picture.
                None => file(&path, restamped_if_unknown(&path, seen)),
            }
        }
        Kept::Member { source, index, blob: name } => {
            // A pattern of shards is no path; whether they are there is seen when they are opened.
            let is_there = |path: &Path| has_braces(path) || stamp(path) != Stamp::default();
            let own = Subject::Image(ImageRef::InSource {
                source: restamped_source(source.clone()),
                index,
            });
            match &source {
                SourceRef::Path { path, .. } if !is_there(path) => {
                    decoded(blob(&name)?, path).unwrap_or(own)
                }
                _ => own,
            }
        }
        Kept::InSource(source, index) => {
            Subject::Image(ImageRef::InSource { source: restamped_source(source), index })
        }
        Kept::Pasted { blob: name } => {
            let blob = blob(&name)?;
            if let ([_], Some(subject)) = (&blob.shape[..], decoded(blob, Path::new("picture"))) {
                return Ok(Some(subject));
            }
            let picture = blob.to_picture().map_err(|e| e.to_string())?;
            Subject::Image(ImageRef::Pasted(PastedPicture::new(picture)))
        }
        Kept::Tokens { name, parts, is_size_assumed, among } => {
            let parts = parts.into_iter().map(|(shape, size, codes)| Part::new(shape, size, codes));
            let parts = parts.collect::<Result<Vec<_>>>().map_err(|e| e.to_string())?;
            let tokens = Tokens::new(parts).map_err(|e| e.to_string())?;
            let among = among.map(Arc::new);
            Subject::Tokens(Given { name: name.into(), tokens, is_size_assumed, among })
        }
    }))
}

fn file(path: &Path, stamp: Stamp) -> Subject {
    Subject::Image(ImageRef::File { stamp, path: path.into() })
}

/// A picture that was carried along, with its bytes, so that it can be carried on.
fn decoded(blob: &Blob, path: &Path) -> Option<Subject> {
    let decoded = images::decode(&blob.bytes, path, &images::Limits::default()).ok()?;
    let pasted = PastedPicture::of_file(decoded.picture, blob.bytes.as_slice().into());
    Some(Subject::Image(ImageRef::Pasted(pasted)))
}

fn restamped_if_unknown(path: &Path, seen: Stamp) -> Stamp {
    if seen == Stamp::default() { stamp(path) } else { seen }
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
mod tests;
