//! `smalti encode`: images become tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use smalti_engine::images::{Fit, WorkingSize, png_bytes};
use smalti_engine::measure::{BookCounts, BookStatistics, bits_per_pixel};
use smalti_engine::questions::{
    CodeColors, Encode, Encoded, ImageRef, LoadImage, ModelInfo, ModelRef, Subject,
};
use smalti_engine::token_files::{self, Maker, from_arrays::Index};
use smalti_engine::tokens::Tokens;

use super::arguments;
use super::books;
use super::console::Console;
use super::documents;
use super::engine::Engine;
use super::outputs::{Outputs, stem_of};
use super::skipped::Skipped;
use super::stop::Stop;
use crate::document::{Document, Open, Slot};
use crate::figures::tokens::{tile_for, token_map};
use crate::look::palette::{Rgb, by_index};

/// Without `--size` a larger image is brought to this long side: a photograph of 24 megapixels
/// would take minutes and gigabytes.
const OWN_SIZE_UP_TO: u32 = 1024;
/// About how many pixels wide the token map becomes.
const MAP_SIDE: usize = 1024;

#[derive(Debug, Serialize)]
struct Line {
    image: PathBuf,
    /// Which image of a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    of_document: Option<String>,
    /// Tokens that were forced in the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    forced: Option<usize>,
    height: u32,
    width: u32,
    grid: [usize; 2],
    parts: Vec<[usize; 2]>,
    tokens_file: PathBuf,
    /// Of the codes of all books; perplexity is 2^entropy, of several books by their mean entropy.
    used: u64,
    perplexity: f64,
    bits_per_pixel: f64,
    seconds: f32,
    /// Each book, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    books: Vec<BookStatistics>,
}

/// Tokens of an image on their way into files.
struct Made {
    path: PathBuf,
    /// Its name in the document, and how many tokens were forced.
    of_document: Option<(String, usize)>,
    tokens: Tokens,
    encoded: Arc<Encoded>,
    maker: Maker,
    model: ModelRef,
}

pub(super) fn run(options: &arguments::Encode, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let is_document = |path: &PathBuf| documents::is_document(path);
    if options.model.is_none() && !options.images.iter().all(is_document) {
        let hint = "Name the tokenizer: a shipped name or a checkpoint";
        return Err(Stop::bad_input("--model", "it is missing", hint));
    }
    let engine = Engine::open(console)?;
    let model = options.model.as_ref().map(|model| engine.model(model));
    if let Some(model) = &model {
        engine.answer(&ModelInfo { model: model.clone() }, console)?;
    }
    let mut outputs = Outputs::into_folder(&options.out)?;
    let (mut colors, mut skipped, mut lines) = (Colors::new(), Skipped::default(), Vec::new());
    for (done, path) in options.images.iter().enumerate() {
        console.progress(done as f32 / options.images.len() as f32, &path.display().to_string());
        if is_document(path) {
            let saved = documents::read(path, console)?;
            let all = documents::images(&saved.document);
            for document in documents::chosen(path, all, Some(Index::All))? {
                let made = of_document(path, document, (options.size, &model), (&engine, console));
                let made = made.map_err(|stop| documents::with_lost(stop, &saved));
                let Some(made) = skipped.or_skip(made)? else { continue };
                lines.push(keep(&made, &mut colors, &mut outputs, (&engine, console))?);
                engine.forget_old_answers();
            }
            continue;
        }
        let Some(model) = &model else { continue };
        let made = of_image(path, options.size, model, (&engine, console));
        let Some(made) = skipped.or_skip(made)? else { continue };
        lines.push(keep(&made, &mut colors, &mut outputs, (&engine, console))?);
        engine.forget_old_answers();
    }
    console.check()?;
    skipped.report(!lines.is_empty(), ("images", "encoded"), console)?;
    outputs.commit()?;
    for line in &lines {
        let of = line.of_document.as_ref().map_or(String::new(), |name| format!(": {name}"));
        let forced = line.forced.map_or(String::new(), |forced| format!(", {forced} forced"));
        let text = format!(
            "{}{of} -> {}: {}x{} pixels, {} tokens{forced}, {} codes used{}, {:.3} bits per pixel, {:.2} s",
            line.image.display(),
            line.tokens_file.display(),
            line.width,
            line.height,
            grid_words(line),
            line.used,
            books::words(&line.books),
            line.bits_per_pixel,
            line.seconds
        );
        console.result(line, &text)?;
    }
    Ok(())
}

fn of_image(
    path: &Path,
    size: Option<u32>,
    model: &ModelRef,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Made, Stop> {
    let image = ImageRef::file(path);
    let size = size_for(size, &image, engine, console)?;
    let facts = engine.answer(&ModelInfo { model: model.clone() }, console)?;
    let question = Encode { subject: image.into(), size, model: model.clone() };
    let encoded = engine.answer(&question, console)?;
    let (tokens, model) = (encoded.tokens.clone(), model.clone());
    let maker = facts.maker();
    Ok(Made { path: path.to_owned(), of_document: None, tokens, encoded, maker, model })
}

/// An image of a document, as it is there or by another tokenizer or at another size, where what was forced has no
/// meaning.
fn of_document(
    path: &Path,
    mut document: Document,
    (size, model): (Option<u32>, &Option<ModelRef>),
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Made, Stop> {
    let forced = document.edits.len();
    if let Some(model) = model {
        document = document.after(&Open::Model(Slot::A, model.clone()).into());
    }
    if let (Some(side), Some(_)) = (size, document.image()) {
        let size = WorkingSize { side, ..document.size };
        document = document.after(&Open::Size(size).into());
    }
    let name = documents::name(&document, engine, console);
    if forced > 0 && document.edits.is_empty() {
        console.remark(&format!(
            "{name}: what was forced in the document is left out, as it is of another tokenizer or size"
        ));
    }
    let (tokens, encoded, facts) = documents::tokens(&document, engine, console)?;
    let (of_document, model) = (Some((name, document.edits.len())), document.model.clone());
    // Of who made given tokens nothing is known.
    let maker = match &document.subject {
        Some(Subject::Tokens(given)) => {
            Maker { is_size_assumed: given.is_size_assumed, ..Maker::default() }
        }
        _ => facts.maker(),
    };
    Ok(Made { path: path.to_owned(), of_document, tokens, encoded, maker, model })
}

/// "12x8", "12x8 in 4 parts" with the last part's size.
fn grid_words(line: &Line) -> String {
    let [rows, columns] = line.grid;
    match line.parts.len() {
        1 => format!("{columns}x{rows}"),
        parts => format!("{columns}x{rows} (the last of {parts} parts)"),
    }
}

/// The size that was asked for, or the image's own within reason.
pub(super) fn size_for(
    asked: Option<u32>,
    image: &ImageRef,
    engine: &Engine,
    console: &mut Console<'_, '_>,
) -> Result<WorkingSize, Stop> {
    let side = if let Some(side) = asked {
        side
    } else {
        let paint_side = OWN_SIZE_UP_TO;
        let loaded = engine.answer(&LoadImage { image: image.clone(), paint_side }, console)?;
        for note in &loaded.notes {
            console.remark(&format!("{}: {note}", loaded.name));
        }
        if loaded.picture.width().max(loaded.picture.height()) <= OWN_SIZE_UP_TO {
            return Ok(WorkingSize { side: 0, mode: Fit::KeepOriginal, multiple_of: 1 });
        }
        console.remark(&format!(
            "{}: brought to {OWN_SIZE_UP_TO} pixels (--size asks for another)",
            loaded.name
        ));
        OWN_SIZE_UP_TO
    };
    Ok(WorkingSize { side, mode: Fit::KeepAspect, multiple_of: 1 })
}

/// How the codes look that were met so far, of each tokenizer.
type Colors = Vec<(ModelRef, BTreeMap<u32, Rgb>)>;

/// Finds out how the codes look that were not met before; gives all of the tokenizer.
fn learn_colors<'a>(
    colors: &'a mut Colors,
    Made { tokens, model, .. }: &Made,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<&'a BTreeMap<u32, Rgb>, Stop> {
    let at = colors.iter().position(|(known, _)| known == model).unwrap_or(colors.len());
    if at == colors.len() {
        colors.push((model.clone(), BTreeMap::new()));
    }
    let colors = &mut colors[at].1;
    let tokens = tokens.cells().filter_map(|(_, code)| code);
    let new: BTreeSet<u32> = tokens.filter(|code| !colors.contains_key(code)).collect();
    let codes: Arc<[u32]> = new.into_iter().collect();
    let question = CodeColors { model: model.clone(), codes: Arc::clone(&codes) };
    let found = engine.long_answer(&question, "decoding its codes", console)?;
    colors.extend(codes.iter().copied().zip(found.iter().copied()));
    Ok(colors)
}

fn keep(
    made: &Made,
    colors: &mut Colors,
    outputs: &mut Outputs,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Line, Stop> {
    let colors = learn_colors(colors, made, (engine, console))?;
    let Made { path, of_document, tokens, encoded, maker, .. } = made;
    let own = of_document.as_ref().map_or(path.as_path(), |(name, _)| Path::new(name));
    let stem = outputs.unique_stem(&stem_of(own));
    let several = tokens.parts().len() > 1;
    let images = std::slice::from_ref(tokens);
    let whole = token_files::safetensors_bytes(images, maker)?;
    let mut tokens_file = outputs.add(&format!("{stem}.safetensors"), &whole)?;
    if !several {
        tokens_file = outputs.add(&format!("{stem}.npy"), &token_files::npy_bytes(tokens)?)?;
    }
    let mut counts = BookCounts::default();
    counts.add(tokens)?;
    for (number, part) in tokens.parts().iter().enumerate() {
        let color = |code| colors.get(&code).copied().unwrap_or_else(|| by_index(code));
        let map = token_map(part, color, tile_for(part, MAP_SIDE))?;
        let which = if several { format!(".{number}") } else { String::new() };
        outputs.add(&format!("{stem}.tokens{which}.png"), &png_bytes(&map)?)?;
    }
    let statistics = counts.statistics();
    let last = tokens.parts().last().unwrap_or(tokens.first());
    let (width, height) = (encoded.picture.width(), encoded.picture.height());
    Ok(Line {
        image: path.clone(),
        of_document: of_document.as_ref().map(|(name, _)| name.clone()),
        forced: of_document.as_ref().map(|(_, forced)| *forced),
        height,
        width,
        grid: [last.rows(), last.columns()],
        parts: tokens.parts().iter().map(|part| [part.rows(), part.columns()]).collect(),
        tokens_file,
        used: statistics.used,
        perplexity: statistics.perplexity,
        bits_per_pixel: bits_per_pixel(tokens, u64::from(width) * u64::from(height)),
        seconds: encoded.seconds,
        books: statistics.several().to_vec(),
    })
}
