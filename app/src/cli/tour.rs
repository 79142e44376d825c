//! `smalti tour`: the whole story in a folder: pictures, tokens, and a page that tells it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use smalti_engine::images::{Picture, WorkingSize, png_bytes};
use smalti_engine::questions::{
    Appearance, CodeAppearance, CodeUse, Comparison, Encode, ImageRef, LoadImage, ModelFacts,
    ModelInfo, ModelRef, PastedPicture, Sample, Scope, SourceInfo, SourceRef, Used,
};
use smalti_engine::token_files;

use super::arguments;
use super::console::Console;
use super::engine::Engine;
use super::outputs::Outputs;
use super::skipped::Skipped;
use super::stop::Stop;
use super::{tour_painted, tour_window};
use crate::figures::difference::map_with_scale;
use crate::figures::rate::file_rates;
use crate::figures::story::{Chapter, Story, page};
use crate::figures::tokens::{color_of, tile_for, token_map};
use crate::figures::usage::usage_heatmap;

/// More images than this make no better story, only a longer one.
const MOST: usize = 12;
/// About how many pixels wide maps become.
const MAP_SIDE: usize = 768;

#[derive(Debug, Serialize)]
struct Line {
    out: PathBuf,
}

pub(super) fn run(options: &arguments::Tour, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let engine = Engine::open(console)?;
    let model = engine.model(&options.model);
    let facts = engine.answer(&ModelInfo { model: model.clone() }, console)?;
    let images = images_of(options, &engine, console)?;
    let mut outputs = Outputs::into_folder(&options.out)?;
    let size = WorkingSize::square(options.size, 1);
    let (mut chapters, mut shown, mut skipped) = (Vec::new(), Vec::new(), Skipped::default());
    for (done, image) in images.iter().enumerate() {
        console.progress(0.2 * done as f32 / images.len() as f32, "there and back");
        let told = chapter(image, size, &model, (&engine, console));
        if let Some(told) = skipped.or_skip(told)? {
            chapters.push(told);
            shown.push(image.clone());
        }
    }
    skipped.report(!chapters.is_empty(), ("images", "told of"), console)?;
    // The codes that are shown are those of the finest part.
    let book = chapters.last().map_or(0, |chapter| chapter.finest().book());
    let question = CodeAppearance { model: model.clone(), book };
    let appearance = engine.long_answer(&question, "decoding each code", console)?;
    let usage = usage_of(&shown, size, &model, (&facts, &engine, console))?;
    let mut stems = Vec::new();
    let maker = facts.maker();
    for chapter in &chapters {
        stems.push(keep(chapter, (&appearance, &maker), &mut outputs)?);
    }
    let several = usage.len() > 1;
    for (book, usage) in usage.iter().enumerate() {
        let which = if several { format!(".{book}") } else { String::new() };
        let map = usage_heatmap(&usage.counts, MAP_SIDE)?;
        outputs.add(&format!("usage{which}.png"), &png_bytes(&map)?)?;
    }
    let window = tour_window::picture(shown_files(&shown, &model), console)?;
    if let Some(window) = &window {
        outputs.add("window.png", &png_bytes(window)?)?;
    }
    let paintings = tour_painted::paintings(&engine, console)?;
    for painting in &paintings {
        outputs.add(&format!("{}.painted.png", painting.name), &png_bytes(&painting.picture)?)?;
    }
    let story = Story {
        model: &facts,
        appearance: &appearance,
        usage: &usage,
        chapters: &chapters,
        paintings: &paintings,
        window: window.as_ref(),
    };
    let index = outputs.add("index.html", page(&story)?.as_bytes())?;
    console.check()?;
    outputs.commit()?;
    for (chapter, stem) in chapters.iter().zip(&stems) {
        console.remark(&format!(
            "{}: {} ({} tokens), PSNR {:.2} dB ({stem}.*)",
            chapter.name,
            chapter.grid_words(),
            chapter.tokens.len(),
            chapter.compared.psnr
        ));
    }
    let text = format!("{}: open it in a browser", index.display());
    console.result(&Line { out: index }, &text)
}

/// How each book is used over the pictures.
fn usage_of(
    images: &[ImageRef],
    size: WorkingSize,
    model: &ModelRef,
    (facts, engine, console): (&ModelFacts, &Engine, &mut Console<'_, '_>),
) -> Result<Vec<Arc<Used>>, Stop> {
    let sample = Sample::Images { model: model.clone(), images: images.into(), size };
    let books = 0..facts.facts.books.len() as u16;
    let scopes = books.map(|book| Scope { book, part: None });
    scopes
        .map(|scope| {
            let question = CodeUse { sample: sample.clone(), scope, by_image: false };
            engine.answer(&question, console)
        })
        .collect()
}

/// The images that were named, or the samples.
fn images_of(
    options: &arguments::Tour,
    engine: &Engine,
    console: &mut Console<'_, '_>,
) -> Result<Vec<ImageRef>, Stop> {
    if options.images.len() > MOST {
        return Err(Stop::bad_input(
            "images",
            format!("{} are too many for one page", options.images.len()),
            format!("Name at most {MOST}"),
        ));
    }
    if !options.images.is_empty() {
        return Ok(options.images.iter().map(ImageRef::file).collect());
    }
    let source = SourceRef::Samples;
    let set = engine.answer(&SourceInfo { source: source.clone() }, console)?;
    let count = set.len.min(MOST as u64 / 2);
    if count == 0 {
        return Err(Stop::bad_input("samples", "there are none", "Name images of your own"));
    }
    Ok((0..count).map(|index| ImageRef::InSource { source: source.clone(), index }).collect())
}

/// What the window has to open to show the same: the tokenizer if it is a file, then the first image.
fn shown_files(images: &[ImageRef], model: &ModelRef) -> Vec<PathBuf> {
    let model = match model {
        ModelRef::File { path, .. } => Some(path.to_path_buf()),
        ModelRef::Shipped(_) => None,
    };
    let image = match images.first() {
        Some(ImageRef::File { path, .. }) => Some(path.to_path_buf()),
        _ => None,
    };
    model.into_iter().chain(image).collect()
}

fn chapter(
    image: &ImageRef,
    size: WorkingSize,
    model: &ModelRef,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Chapter, Stop> {
    let question = LoadImage { image: image.clone(), paint_side: size.side };
    let loaded = engine.answer(&question, console)?;
    for note in &loaded.notes {
        console.remark(&format!("{}: {note}", loaded.name));
    }
    let question = Encode { subject: image.clone().into(), size, model: model.clone() };
    let encoded = engine.answer(&question, console)?;
    let side = |picture: &Picture| picture.width().min(picture.height());
    if side(&loaded.picture) < side(&encoded.picture) {
        let [from, to] = [&loaded.picture, &encoded.picture]
            .map(|picture| format!("{}x{}", picture.width(), picture.height()));
        console.remark(&format!("{}: {from} pixels, enlarged to {to}", loaded.name));
    }
    let question = Comparison {
        original: PastedPicture::new(encoded.picture.clone()),
        tokens: encoded.tokens.clone(),
        model: model.clone(),
    };
    let compared = engine.answer(&question, console)?;
    let files = file_rates(&encoded.picture, compared.psnr)?;
    Ok(Chapter {
        name: loaded.name.clone(),
        original: encoded.picture.clone(),
        tokens: encoded.tokens.clone(),
        compared,
        files,
    })
}

/// Stages the files of a picture and gives the name that they share.
fn keep(
    chapter: &Chapter,
    (appearance, maker): (&Appearance, &token_files::Maker),
    outputs: &mut Outputs,
) -> Result<String, Stop> {
    let name = Path::new(&chapter.name);
    let stem = name.file_stem().unwrap_or(name.as_os_str()).to_string_lossy();
    let stem = outputs.unique_stem(&stem);
    let part = chapter.finest();
    let mut png = |suffix: &str, picture: &Picture| {
        outputs.add(&format!("{stem}.{suffix}.png"), &png_bytes(picture)?)
    };
    png("original", &chapter.original)?;
    png("reconstruction", &chapter.compared.reconstruction)?;
    png("difference", &map_with_scale(&chapter.compared.absolute, chapter.original.width())?)?;
    let color = |code| color_of(code, &appearance.colors);
    png("tokens", &token_map(part, color, tile_for(part, MAP_SIDE))?)?;
    if let Ok(bytes) = token_files::npy_bytes(&chapter.tokens) {
        outputs.add(&format!("{stem}.tokens.npy"), &bytes)?;
    } else {
        // Several parts do not go into one array.
        let images = std::slice::from_ref(&chapter.tokens);
        let bytes = token_files::safetensors_bytes(images, maker)?;
        outputs.add(&format!("{stem}.tokens.safetensors"), &bytes)?;
    }
    Ok(stem)
}
