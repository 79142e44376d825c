//! Documents as files: the text of one; the container is [`smalti_engine::documents`].
//!
//! Each field has a default for when it is missing, so that a file of an older version opens; what
//! was said in another way then is translated first (`upgraded`). A newer file is refused.

mod subjects;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smalti_engine::checkpoints::split_part;
use smalti_engine::data::braces::has_braces;
use smalti_engine::documents;
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{ImageRef, ModelRef, SourceRef, Stamp, Subject};
use smalti_engine::tokens::{Cell, Code};
use smalti_engine::{EngineError, Result};

pub use self::subjects::Carried;
use self::subjects::{Keeping, Kept, Reading, restamped, restamped_source};
use super::disk::{is_gone, model_now, read_whole};
use crate::document::{
    AllLost, Asked, Document, Generating, Looks, Lost, LostKind, Opened, Panel, Race, RunFolder,
    Selection, Variation, Variations, Work, WorkOn, in_runs,
};

/// The version that is written. 1: one image, tokenizers A and B, codes as bare numbers. 2: each subject is
/// written wherever it is named. 3: cells and their codes are pairs.
const VERSION: u64 = 4;
/// Documents above this are not read: a pasted picture of 64 megapixels fits.
const LIMIT: u64 = 256 << 20;
/// The container takes 100 MB of text, in which quotes are escaped once more, with the names of what it carries along.
const MOST_TEXT: usize = 99_000_000;

/// A document and what is where, as they are kept in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The document.
    pub document: Document,
    /// What is where.
    pub layout: Option<Panel>,
    /// What a person should know of the files that it names.
    pub warnings: Vec<String>,
    /// Files and folders that it names and that are not there.
    pub lost: AllLost,
    /// Image files that are not there, of which it carries a copy that takes their place.
    pub copies: Vec<PathBuf>,
    /// In an autosave the document's own file.
    pub home: Option<DocumentFile>,
}

impl Saved {
    /// A document and what is where.
    pub fn new(document: Document, layout: Option<Panel>) -> Self {
        let (warnings, lost, copies) = (Vec::new(), AllLost::default(), Vec::new());
        Self { document, layout, warnings, lost, copies, home: None }
    }
}

/// The file of a document, in the version that was read or written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its version.
    pub seen: Stamp,
}

/// The bytes of a document's file, and what is not in them.
#[derive(Debug)]
pub struct Written {
    /// The file.
    pub bytes: Vec<u8>,
    /// Pictures that were to be carried along and are not there any more: only their paths are in it.
    pub missing: Vec<PathBuf>,
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
    generating: Generating,
    race: Race,
    switched_off: Vec<Code>,
    off_elsewhere: Vec<(ModelRef, Vec<Code>)>,
    /// Image files and checkpoints that were opened.
    opened: Vec<PathBuf>,
    opened_models: Vec<ModelRef>,
    selection: Selection,
    looks: Looks,
    home: Option<DocumentFile>,
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
            generating: Generating::default(),
            race: Race::default(),
            switched_off: Vec::new(),
            off_elsewhere: Vec::new(),
            opened: Vec::new(),
            opened_models: Vec::new(),
            selection,
            looks,
            home: None,
            layout: Value::Null,
        }
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WorkText {
    #[serde(with = "in_runs")]
    edits: Arc<BTreeMap<Cell, u32>>,
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
    /// Missing in documents of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    off: Option<Vec<Code>>,
    /// What was done, of one that was noted by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noted: Option<String>,
    /// What a generator was asked, of one that it wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
    /// Cells that it was asked for and that a person made meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    by_hand: Vec<Cell>,
}

impl From<&Work> for WorkText {
    fn from(work: &Work) -> Self {
        Self { edits: Arc::clone(&work.edits), locks: work.locks.iter().copied().collect() }
    }
}

impl From<WorkText> for Work {
    fn from(text: WorkText) -> Self {
        Self { edits: text.edits, locks: Arc::new(text.locks.into_iter().collect()) }
    }
}

fn path_of(image: &ImageRef) -> Option<PathBuf> {
    match image {
        ImageRef::File { path, .. } => Some(path.to_path_buf()),
        ImageRef::InSource { .. } | ImageRef::Pasted(_) => None,
    }
}

/// The bytes of a document's file.
///
/// # Errors
/// If it is larger than what is read again. A picture that cannot be read is only named.
pub fn to_bytes(saved: &Saved, carried: &Carried<'_>) -> Result<Vec<u8>> {
    Ok(write(saved, carried)?.bytes)
}

/// As [`to_bytes`], with what is not in them.
///
/// # Errors
/// As [`to_bytes`].
pub fn write(saved: &Saved, carried: &Carried<'_>) -> Result<Written> {
    let document = &saved.document;
    let mut subjects = Keeping::new(carried);
    let subject = document.subject.as_ref().map_or(Kept::None, |s| subjects.keep(s));
    let mut work_text = |on: &WorkOn, work: &Work| KeptWork {
        on: subjects.keep(&on.subject),
        size: on.size,
        model: on.model.clone(),
        work: work.into(),
    };
    let kept = document.kept.iter().map(|(on, work)| work_text(on, work)).collect();
    let variation = |v: &Variation| KeptVariation {
        name: v.name.to_string(),
        parent: v.parent,
        kept: work_text(&v.on, &v.work),
        off: v.off.as_ref().map(|off| off.iter().copied().collect()),
        noted: v.noted.as_ref().map(ToString::to_string),
        asked: v.asked.as_ref().map(|asked| Asked::clone(asked)),
        by_hand: v.by_hand.iter().copied().collect(),
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
        generating: document.generating.clone(),
        race: document.race.clone(),
        switched_off: document.switched_off.iter().copied().collect(),
        off_elsewhere: document
            .off_elsewhere
            .iter()
            .map(|(model, off)| (model.clone(), off.iter().copied().collect()))
            .collect(),
        opened: document.opened.images.iter().filter_map(path_of).collect(),
        opened_models: document.opened.models.to_vec(),
        selection: document.selection.clone(),
        looks: document.looks.clone(),
        home: saved.home.clone(),
        layout: serde_json::to_value(&saved.layout).unwrap_or_default(),
    };
    let json = serde_json::to_string(&text)
        .map_err(|error| EngineError::bad_input("document", error, ""))?;
    let escaped = json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
    if json.len() + escaped > MOST_TEXT {
        let (size, most) = ((json.len() + escaped) / 1_000_000, MOST_TEXT / 1_000_000);
        let reason = format!("tokens and what was done take {size} MB, a file holds {most} of it");
        let hint = "drop states in History, each of which keeps its tokens, and save again";
        return Err(EngineError::bad_input("document", reason, hint));
    }
    let bytes = documents::to_bytes(json, subjects.blobs())?;
    if bytes.len() as u64 > LIMIT {
        let reason = format!("it takes {} MB, at most {} are read", bytes.len() >> 20, LIMIT >> 20);
        let hint = "save the pasted pictures as files and open those";
        return Err(EngineError::bad_input("document", reason, hint));
    }
    Ok(Written { bytes, missing: subjects.into_missing() })
}

/// Pictures that a document's file carries along, and of which images. Empty if it cannot be read.
pub fn carried_in(path: &Path) -> Vec<(ImageRef, Vec<u8>)> {
    let read = || {
        let (json, blobs) = documents::from_bytes(&read_whole(path, LIMIT).ok()?, path).ok()?;
        let value: Value = serde_json::from_str(&json).ok()?;
        let text: Text = serde_json::from_value(upgraded(value).ok()?).ok()?;
        let works = text.kept.into_iter().map(|work| work.on);
        let variations = text.variations.into_iter().map(|variation| variation.kept.on);
        let subjects = [text.subject].into_iter().chain(works).chain(variations);
        Some(subjects.filter_map(|kept| kept.carried(&blobs)).collect())
    };
    read().unwrap_or_default()
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
    let mut subjects = Reading::new(&blobs);
    let mut subject = subjects.read(text.subject).map_err(bad)?;
    if let Some(Subject::Image(ImageRef::File { path, stamp: seen })) = &mut subject {
        let now = restamped(path, *seen);
        if *seen != Stamp::default() && now != *seen && !work.is_empty() {
            warnings.push(changed(path));
        }
        *seen = now;
    }
    let model = restamped_model(text.model.clone());
    if let Some(path) = changed_since(&model, &text.model).filter(|_| !work.is_empty()) {
        warnings.push(changed(path));
    }
    let now = subject.clone().map(|subject| WorkOn::new(subject, text.size, model.clone()));
    let mut kept: Vec<(WorkOn, Work)> = Vec::new();
    for KeptWork { on, size, model, work } in text.kept {
        // A picture that was overwritten since stays another subject than what is there now.
        let Some(subject) = subjects.read(on).map_err(bad)? else { continue };
        kept.push((WorkOn::new(subject, size, model), work.into()));
    }
    let kept = each_in_its_place(kept, now.as_ref(), |on| {
        let model = restamped_model(on.model.clone());
        WorkOn { model, ..on.clone() }
    });
    let off_elsewhere = text.off_elsewhere.into_iter();
    let off_elsewhere: Vec<_> =
        off_elsewhere.map(|(of, off)| (of, Arc::new(off.into_iter().collect()))).collect();
    let off_elsewhere =
        each_in_its_place(off_elsewhere, Some(&model), |of| restamped_model(of.clone()));
    let mut variations = Vec::new();
    for KeptVariation { name, parent, kept, off, noted, asked, by_hand } in text.variations {
        // One without its subject keeps its number, to which others refer.
        let subject = subjects.read(kept.on).map_err(bad)?.or_else(|| subject.clone());
        let Some(subject) = subject else { continue };
        let on = WorkOn::new(subject, kept.size, restamped_model(kept.model));
        let off = off.map(|off| Arc::new(off.into_iter().collect()));
        let (name, work, noted) = (name.into(), kept.work.into(), noted.map(Arc::from));
        let asked = asked.map(|a| Arc::new(a.with_models(|model| restamped_model(model.clone()))));
        let by_hand = Arc::new(by_hand.into_iter().collect());
        variations.push(Variation { name, parent, on, work, off, noted, asked, by_hand });
    }
    let copies = subjects.into_copies();
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
        opened: Opened {
            images: text.opened.iter().map(|path| image_at(path, &copies)).collect(),
            models: text.opened_models.into_iter().map(restamped_model).collect(),
        },
        runs: text.runs,
        generating: text.generating.with_models(|model| restamped_model(model.clone())),
        race: text.race.with_models(|model| restamped_model(model.clone())),
        switched_off: Arc::new(text.switched_off.into_iter().collect()),
        off_elsewhere: off_elsewhere.into(),
        selection: text.selection,
        looks: text.looks,
    }
    .with_opened();
    let lost = lost_of(&document);
    let saved = Saved::new(document, Panel::known(&text.layout));
    let copies = copies.into_iter().map(|(path, _)| path).collect();
    Ok(Saved { warnings, lost, copies, home: text.home, ..saved })
}

/// Where a tokenizer's file is, if it is another version than the one that was worked with.
fn changed_since<'a>(now: &'a ModelRef, seen: &ModelRef) -> Option<&'a Path> {
    let (ModelRef::File { path, stamp: now }, ModelRef::File { stamp: seen, .. }) = (now, seen)
    else {
        return None;
    };
    // Files of before do not say what stood beside it.
    let beside = if seen.beside == 0 { 0 } else { now.beside };
    let is_other = (Stamp { beside, ..*now }) != *seen && *seen != Stamp::default();
    is_other.then_some(&**path)
}

/// An image that was opened from a file: what takes its place where that is gone, so that it is there once.
fn image_at(path: &Path, copies: &[(PathBuf, ImageRef)]) -> ImageRef {
    let copy = copies.iter().find(|(gone, _)| gone == path);
    copy.map_or_else(|| ImageRef::file(path), |(_, copy)| copy.clone())
}

/// What a document names and what is not there.
pub fn lost_of(document: &Document) -> AllLost {
    let is_lost = |lost: &Lost| match lost.kind {
        // A pattern of shards is no path; whether they are there is seen when they are opened.
        LostKind::Set if has_braces(&lost.path) => false,
        LostKind::Tokenizer => is_gone(&split_part(&lost.path).0),
        LostKind::Image | LostKind::Set | LostKind::Run | LostKind::Generator => {
            is_gone(&lost.path)
        }
    };
    document.named_paths().into_iter().filter(is_lost).collect()
}

/// The text as this version writes it, step by step from the version that it has.
fn upgraded(mut text: Value) -> Result<Value, String> {
    let version = text["version"].as_u64();
    if version == Some(1) {
        upgrade_1(&mut text);
    }
    // What has changed since is read as it was written.
    if matches!(text["version"].as_u64(), Some(2 | 3)) {
        text["version"] = json!(VERSION);
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

/// What belongs to tokenizers, with the versions that their files have now. Where a file was written over, what
/// was done by the network before stays with that one if the new one has something of its own (`taken` does).
fn each_in_its_place<K: PartialEq + Clone, V>(
    entries: Vec<(K, V)>,
    taken: Option<&K>,
    now: impl Fn(&K) -> K,
) -> Vec<(K, V)> {
    let wanted: Vec<K> = entries.iter().map(|(key, _)| now(key)).collect();
    let mut places: Vec<Option<K>> = vec![None; entries.len()];
    let is_as_it_is = |at: &usize| wanted[*at] == entries[*at].0;
    let (first, then): (Vec<usize>, Vec<usize>) = (0..entries.len()).partition(is_as_it_is);
    for at in first.into_iter().chain(then) {
        let is_free =
            |key: &&K| taken != Some(*key) && places.iter().flatten().all(|other| other != *key);
        places[at] = [&wanted[at], &entries[at].0].into_iter().find(is_free).cloned();
    }
    let placed = entries.into_iter().zip(places);
    placed.filter_map(|((_, value), place)| Some((place?, value))).collect()
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
