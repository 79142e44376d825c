//! `smalti decode`: tokens become a picture.

use std::path::PathBuf;

use serde::Serialize;
use smalti_engine::answers::{Decode, GridRef, ModelInfo};
use smalti_engine::images::png_bytes;
use smalti_engine::tokens::files;

use super::arguments;
use super::console::Console;
use super::engine::Engine;
use super::outputs::Outputs;
use super::stop::Stop;

#[derive(Debug, Serialize)]
struct Line {
    out: PathBuf,
    seconds: f32,
}

pub(super) fn run(options: &arguments::Decode, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let engine = Engine::open(console)?;
    let model = engine.model(&options.model);
    let facts = engine.answer(&ModelInfo { model: model.clone() }, console)?;
    let mut outputs = Outputs::beside(&options.out)?;
    let grid = files::read(&options.tokens, facts.facts.codebook_size)?;
    let question = Decode { grid: GridRef::new(grid), model };
    let decoded = engine.answer(&question, console)?;
    let name = options.out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    outputs.add(&name, &png_bytes(&decoded.picture)?)?;
    console.check()?;
    outputs.commit()?;
    let picture = &decoded.picture;
    let text = format!(
        "{}: {}x{} pixels, {:.2} s",
        options.out.display(),
        picture.width(),
        picture.height(),
        decoded.seconds
    );
    console.result(&Line { out: options.out.clone(), seconds: decoded.seconds }, &text)
}
