//! `smalti encode`: images become tokens.

use std::path::{Path, PathBuf};

use serde::Serialize;
use smalti_engine::answers::{
    Appearance, CodeAppearance, Encode, Encoded, ImageRef, LoadImage, ModelInfo,
};
use smalti_engine::images::{Fit, WorkingSize, png_bytes};
use smalti_engine::measure::{CodeCounts, bits_per_pixel};
use smalti_engine::tokens::files;

use super::arguments;
use super::console::Console;
use super::engine::Engine;
use super::outputs::Outputs;
use super::stop::Stop;
use crate::figures::tokens::{tile_for, token_map};

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
    used: u32,
    perplexity: f64,
    bits_per_pixel: f64,
    seconds: f32,
}

pub(super) fn run(options: &arguments::Encode, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let engine = Engine::open(console)?;
    let model = engine.model(&options.model);
    let facts = engine.answer(&ModelInfo { model: model.clone() }, console)?;
    let maker = files::Maker {
        model: Some(facts.name.clone()),
        token_hash: Some(facts.token_hash.clone()),
    };
    let mut outputs = Outputs::into_folder(&options.out)?;
    let appearance = engine.long_answer(
        &CodeAppearance { model: model.clone(), book: 0 },
        "decoding each code",
        console,
    )?;
    let mut lines = Vec::new();
    for (done, path) in options.images.iter().enumerate() {
        console.progress(done as f32 / options.images.len() as f32, &path.display().to_string());
        let image = ImageRef::file(path);
        let size = size_for(options.size, &image, &engine, console)?;
        let question = Encode { subject: image.into(), size, model: model.clone() };
        let encoded = engine.answer(&question, console)?;
        lines.push(keep(path, &encoded, &appearance, &maker, &mut outputs)?);
        engine.forget_old_answers();
    }
    console.check()?;
    outputs.commit()?;
    for line in &lines {
        let text = format!(
            "{} -> {}: {}x{} pixels, {}x{} tokens, {} codes used, {:.3} bits per pixel, {:.2} s",
            line.image.display(),
            line.tokens_file.display(),
            line.width,
            line.height,
            line.grid[1],
            line.grid[0],
            line.used,
            line.bits_per_pixel,
            line.seconds
        );
        console.result(line, &text)?;
    }
    Ok(())
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

fn keep(
    path: &Path,
    encoded: &Encoded,
    appearance: &Appearance,
    maker: &files::Maker,
    outputs: &mut Outputs,
) -> Result<Line, Stop> {
    let tokens = &encoded.tokens;
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    let stem = outputs.unique_stem(&stem);
    let several = tokens.parts().len() > 1;
    let images = std::slice::from_ref(tokens);
    let whole = files::safetensors_bytes(images, maker)?;
    let mut tokens_file = outputs.add(&format!("{stem}.safetensors"), &whole)?;
    if !several {
        tokens_file = outputs.add(&format!("{stem}.npy"), &files::npy_bytes(tokens)?)?;
    }
    let mut counts = CodeCounts::new(tokens.first().codebook_size());
    for (number, part) in tokens.parts().iter().enumerate() {
        let map = token_map(part, &appearance.colors, tile_for(part, MAP_SIDE))?;
        let which = if several { format!(".{number}") } else { String::new() };
        outputs.add(&format!("{stem}.tokens{which}.png"), &png_bytes(&map)?)?;
        if part.book() == tokens.first().book() {
            counts.add(part)?;
        }
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
    })
}
