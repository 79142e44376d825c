//! `smalti inspect` of a document: what it holds, without opening what it names.

use std::path::{Path, PathBuf};

use serde::Serialize;
use smalti_engine::questions::{ImageRef, ModelRef, SourceRef, Subject};

use super::console::Console;
use super::documents;
use super::stop::Stop;
use crate::document::{Document, Slot};
use crate::look::words::counted;

#[derive(Debug, Serialize)]
struct Line {
    document: PathBuf,
    images: Vec<ImageLine>,
    /// In slots A to D.
    tokenizers: Vec<String>,
    variations: Vec<VariationLine>,
    runs: Vec<RunLine>,
    /// Codes of the tokenizer in slot A that are switched off.
    switched_off: usize,
    /// Files and folders that it names and that are not there.
    missing: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct ImageLine {
    /// As --index of `decode` takes it.
    index: usize,
    image: String,
    tokenizer: String,
    side: Option<u32>,
    forced: usize,
    locked: usize,
}

#[derive(Debug, Serialize)]
struct VariationLine {
    name: String,
    of: String,
    tokenizer: String,
    forced: usize,
    locked: usize,
    switched_off: usize,
}

#[derive(Debug, Serialize)]
struct RunLine {
    slot: char,
    folder: PathBuf,
}

pub(super) fn run(path: &Path, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let saved = documents::read(path, console)?;
    let document = &saved.document;
    let images = documents::images(document).into_iter().enumerate();
    let slots = Slot::ALL.into_iter();
    let runs = slots.clone().zip(&document.runs);
    let line = Line {
        document: path.to_owned(),
        images: images.map(|(index, document)| image(index, &document)).collect(),
        tokenizers: slots
            .filter_map(|slot| {
                let model = document.model(slot)?;
                Some(format!("{} {}", slot.letter(), model_words(model)))
            })
            .collect(),
        variations: document
            .variations
            .all()
            .iter()
            .map(|variation| VariationLine {
                name: variation.name.to_string(),
                of: words(&variation.on.subject),
                tokenizer: variation.on.model.label(),
                forced: variation.work.edits.len(),
                locked: variation.work.locks.len(),
                switched_off: variation.off.as_ref().map_or(0, |off| off.len()),
            })
            .collect(),
        runs: runs
            .filter_map(|(slot, run)| {
                let folder = run.as_ref()?.folder.clone();
                Some(RunLine { slot: slot.letter(), folder })
            })
            .collect(),
        switched_off: document.switched_off.len(),
        missing: saved.lost.iter().map(|lost| lost.path.clone()).collect(),
    };
    console.result(&line, &text(&line))
}

fn image(index: usize, document: &Document) -> ImageLine {
    ImageLine {
        index,
        image: document.subject.as_ref().map(words).unwrap_or_default(),
        tokenizer: document.model.label(),
        side: document.image().map(|_| document.size.side),
        forced: document.edits.len(),
        locked: document.locks.len(),
    }
}

/// What is worked on, where it is.
fn words(subject: &Subject) -> String {
    match subject {
        Subject::Tokens(given) => format!("tokens {}", given.name),
        Subject::Image(ImageRef::File { path, .. }) => path.display().to_string(),
        Subject::Image(ImageRef::Pasted(pasted)) => {
            let picture = &pasted.picture;
            format!("a picture in the document, {}x{}", picture.width(), picture.height())
        }
        Subject::Image(ImageRef::InSource { source, index }) => {
            // As the window counts them.
            let image = format!("image {}", index + 1);
            match source {
                SourceRef::Samples => format!("{image} of the samples"),
                SourceRef::Worlds { seed } => format!("{image} of Worlds {seed}"),
                SourceRef::Path { path, .. } => format!("{image} of {}", path.display()),
            }
        }
    }
}

fn model_words(model: &ModelRef) -> String {
    match model {
        ModelRef::Shipped(name) => name.to_string(),
        ModelRef::File { path, .. } => path.display().to_string(),
    }
}

fn text(line: &Line) -> String {
    let mut lines = vec![format!("document    {}", counted(line.images.len(), "image"))];
    for image in &line.images {
        let side = image.side.map_or(String::new(), |side| format!(" at {side}"));
        lines.push(format!(
            "image {:<6}{} by {}{side}: {} forced, {} locked",
            image.index, image.image, image.tokenizer, image.forced, image.locked
        ));
    }
    lines.extend(line.tokenizers.iter().map(|model| format!("tokenizer   {model}")));
    for v in &line.variations {
        let off = if v.switched_off > 0 {
            format!(", {} switched off", counted(v.switched_off, "code"))
        } else {
            String::new()
        };
        lines.push(format!(
            "variation   {} of {} by {}: {} forced, {} locked{off}",
            v.name, v.of, v.tokenizer, v.forced, v.locked
        ));
    }
    lines.extend(line.runs.iter().map(|r| format!("run {}       {}", r.slot, r.folder.display())));
    if line.switched_off > 0 {
        lines.push(format!("off         {}", counted(line.switched_off, "code")));
    }
    lines.extend(line.missing.iter().map(|path| format!("missing     {}", path.display())));
    lines.join("\n")
}
