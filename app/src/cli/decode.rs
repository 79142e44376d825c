//! `smalti decode`: tokens become a picture.

use std::path::PathBuf;

use serde::Serialize;
use smalti_engine::images::{png_bytes, png_with_words};
use smalti_engine::questions::{Decode, ModelInfo};
use smalti_engine::token_files;

use super::arguments;
use super::console::Console;
use super::documents;
use super::engine::Engine;
use super::outputs::Outputs;
use super::stop::Stop;
use crate::document::Document;
use crate::look::words::counted;

/// What to do without a tokenizer.
const NAME_IT: &str = "Name the tokenizer that made the tokens: a shipped name or a checkpoint";

#[derive(Debug, Serialize)]
struct Line {
    out: PathBuf,
    seconds: f32,
    /// The share of the picture that is not the original's alone, where that stays outside of an edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    decoded: Option<f32>,
}

pub(super) fn run(options: &arguments::Decode, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    if documents::is_document(&options.tokens) {
        return of_document(options, console);
    }
    let of_documents = [
        ("--variations", options.variations, "Leave it out: tokens have none"),
        ("--pure", options.pure, "Leave it out: tokens are decoded whole"),
    ];
    if let Some((name, _, hint)) = of_documents.into_iter().find(|(_, is_said, _)| *is_said) {
        let reason = format!("{} is no document", options.tokens.display());
        return Err(Stop::bad_input(name, reason, hint));
    }
    let engine = Engine::open(console)?;
    let Some(model) = &options.model else {
        return Err(Stop::bad_input("--model", "it is missing", NAME_IT));
    };
    let model = engine.model(model);
    let facts = engine.answer(&ModelInfo { model: model.clone() }, console)?;
    let mut outputs = Outputs::beside(&options.out)?;
    let wanted = options.reading.wanted(facts.fixed_grid());
    let size = facts.facts.codebook_size();
    let read = token_files::read(&options.tokens, &wanted, Some(size))?;
    let name = options.tokens.display().to_string();
    if read.images.len() > 1 && options.reading.index.is_none() {
        let several = format!("holds the tokens of {} images", read.images.len());
        let last = read.images.len() - 1;
        let hint = format!("Say which with --index 0 to {last}, or --index all");
        return Err(Stop::bad_input(&name, several, hint));
    }
    for remark in &read.remarks {
        console.remark(&format!("{name}: {}", remark.in_full()));
    }
    if facts.is_other_maker(read.maker.token_hash.as_deref()) {
        let maker = read.maker.model.as_deref().unwrap_or("another tokenizer");
        console.remark(&format!(
            "{name}: made by {maker}; its codes mean something else to {}",
            facts.name
        ));
    }
    let count = read.images.len();
    let mut lines = Vec::new();
    for (number, tokens) in read.images.iter().enumerate() {
        console.progress(number as f32 / count as f32, &name);
        let tokens = facts.laid_out(tokens)?;
        let decoded = engine.answer(&Decode { tokens, model: model.clone() }, console)?;
        let part = (count > 1).then(|| number.to_string());
        let (file, out) = numbered(&options.out, part.as_deref());
        outputs.add(&file, &png_bytes(&decoded.picture)?)?;
        let picture = &decoded.picture;
        let text = format!(
            "{}: {}x{} pixels, {:.2} s",
            out.display(),
            picture.width(),
            picture.height(),
            decoded.seconds
        );
        lines.push((Line { out, seconds: decoded.seconds, decoded: None }, text));
        engine.forget_old_answers();
    }
    tell(outputs, &lines, console)
}

/// The images of a document, decoded from their tokens with what was forced in them.
fn of_document(options: &arguments::Decode, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let (path, reading) = (&options.tokens, &options.reading);
    if reading.grid.is_some() || reading.key.is_some() || reading.codes.is_some() {
        let hint = "Of the options that say how tokens are read, a document has --index alone";
        return Err(Stop::bad_input("options", format!("{} is a document", path.display()), hint));
    }
    let saved = documents::read(path, console)?;
    let engine = Engine::open(console)?;
    let all = if options.variations {
        documents::variations(path, &saved.document)?
    } else {
        let mut images = documents::images(&saved.document);
        // The tokenizer that was named says which one is meant, where one alone is by it.
        if let (None, Some(asked)) = (reading.index, &options.model) {
            let is_meant = |image: &&Document| documents::is_by(image, asked, &engine);
            if images.iter().filter(is_meant).count() == 1 {
                images.retain(|image| is_meant(&image));
            }
        }
        let chosen = documents::chosen(path, images, reading.index)?;
        let is_one = chosen.len() == 1;
        let number = |at: usize| (!is_one).then(|| at.to_string());
        chosen.into_iter().enumerate().map(|(at, document)| (number(at), document)).collect()
    };
    let mut outputs = Outputs::beside(&options.out)?;
    let count = all.len();
    let mut lines = Vec::new();
    for (number, (part, document)) in all.iter().enumerate() {
        let name = documents::name(document, &engine, console);
        console.progress(number as f32 / count as f32, &name);
        documents::check_model(path, options.model.as_deref(), document, &engine)?;
        let made = documents::tokens(document, &engine, console);
        let (tokens, encoded, _) = made.map_err(|stop| documents::with_lost(stop, &saved))?;
        let known = (&tokens, &*encoded);
        let seen = documents::picture(document, known, options.pure, (&engine, console))?;
        let (file, out) = numbered(&options.out, part.as_deref());
        let words = documents::words(document, &name, &seen);
        outputs.add(&file, &png_with_words(&seen.picture, &words)?)?;
        let forced = counted(document.edits.len(), "forced cell");
        let text = format!(
            "{}: {name} by {}, {forced}, {}x{} pixels, {:.2} s{}",
            out.display(),
            document.model.label(),
            seen.picture.width(),
            seen.picture.height(),
            seen.seconds,
            seen.words()
        );
        lines.push((Line { out, seconds: seen.seconds, decoded: seen.decoded }, text));
        engine.forget_old_answers();
    }
    tell(outputs, &lines, console)
}

/// Gives the files their names, then says what they are.
fn tell(
    outputs: Outputs,
    lines: &[(Line, String)],
    console: &mut Console<'_, '_>,
) -> Result<(), Stop> {
    console.check()?;
    outputs.commit()?;
    lines.iter().try_for_each(|(line, text)| console.result(line, text))
}

/// The file's name and path; with which one it is before the suffix where there are several.
fn numbered(out: &std::path::Path, number: Option<&str>) -> (String, PathBuf) {
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some(number) = number else { return (name, out.to_owned()) };
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    let suffix = out.extension().map_or(String::new(), |s| format!(".{}", s.to_string_lossy()));
    let name = format!("{stem}-{number}{suffix}");
    let path = out.with_file_name(&name);
    (name, path)
}
