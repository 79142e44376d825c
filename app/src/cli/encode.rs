//! `smalti encode`: images become tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use smalti_engine::images::{Fit, WorkingSize, png_bytes};
use smalti_engine::measure::{BookCounts, BookStatistics, bits_per_pixel};
use smalti_engine::questions::{
    CodeColors, Encode, Encoded, ImageRef, LoadImage, ModelInfo, ModelRef,
};
use smalti_engine::token_files;

use super::arguments;
use super::books;
use super::console::Console;
use super::engine::Engine;
use super::outputs::Outputs;
use super::skipped::Skipped;
use super::stop::Stop;
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

pub(super) fn run(options: &arguments::Encode, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let engine = Engine::open(console)?;
    let model = engine.model(&options.model);
    let facts = engine.answer(&ModelInfo { model: model.clone() }, console)?;
    let maker = facts.maker();
    let mut outputs = Outputs::into_folder(&options.out)?;
    let (mut colors, mut skipped, mut lines) = (BTreeMap::new(), Skipped::default(), Vec::new());
    for (done, path) in options.images.iter().enumerate() {
        console.progress(done as f32 / options.images.len() as f32, &path.display().to_string());
        let image = ImageRef::file(path);
        let encoded = size_for(options.size, &image, &engine, console).and_then(|size| {
            let question = Encode { subject: image.into(), size, model: model.clone() };
            engine.answer(&question, console)
        });
        let Some(encoded) = skipped.or_skip(encoded)? else { continue };
        learn_colors(&mut colors, &encoded, &model, (&engine, console))?;
        lines.push(keep(path, &encoded, &colors, &maker, &mut outputs)?);
        engine.forget_old_answers();
    }
    console.check()?;
    skipped.report(!lines.is_empty(), ("images", "encoded"), console)?;
    outputs.commit()?;
    for line in &lines {
        let text = format!(
            "{} -> {}: {}x{} pixels, {} tokens, {} codes used{}, {:.3} bits per pixel, {:.2} s",
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

/// "12x8", "12x8 in 4 parts" with the last part's size.
fn grid_words(line: &Line) -> String {
    let [rows, columns] = line.grid;
    match line.parts.len() {
        1 => format!("{columns}x{rows}"),
        parts => format!("{columns}x{rows} (the last of {parts} parts)"),
    }
}

/// The size that was asked for, or the image's own within reason.
fn size_for(
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

/// Finds out how the codes look that were not met before.
fn learn_colors(
    colors: &mut BTreeMap<u32, Rgb>,
    encoded: &Encoded,
    model: &ModelRef,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<(), Stop> {
    let tokens = encoded.tokens.cells().filter_map(|(_, code)| code);
    let new: BTreeSet<u32> = tokens.filter(|code| !colors.contains_key(code)).collect();
    let codes: Arc<[u32]> = new.into_iter().collect();
    let question = CodeColors { model: model.clone(), codes: Arc::clone(&codes) };
    let found = engine.long_answer(&question, "decoding its codes", console)?;
    colors.extend(codes.iter().copied().zip(found.iter().copied()));
    Ok(())
}

fn keep(
    path: &Path,
    encoded: &Encoded,
    colors: &BTreeMap<u32, Rgb>,
    maker: &token_files::Maker,
    outputs: &mut Outputs,
) -> Result<Line, Stop> {
    let tokens = &encoded.tokens;
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    let stem = outputs.unique_stem(&stem);
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
        image: path.to_owned(),
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
