//! `smalti decode`: tokens become a picture.

use std::path::PathBuf;

use serde::Serialize;
use smalti_engine::answers::{Decode, ModelInfo};
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
    let size = facts.facts.codebook_size();
    let read = files::read_all(&options.tokens, Some(size))?;
    let [tokens] = read.images.as_slice() else {
        return Err(Stop::bad_input(
            &options.tokens.display().to_string(),
            format!("holds the tokens of {} images, one is wanted here", read.images.len()),
            "Give a file with one grid (H, W)",
        ));
    };
    if let Some(hash) = &read.maker.token_hash
        && *hash != facts.token_hash
    {
        let maker = read.maker.model.as_deref().unwrap_or("another tokenizer");
        console.remark(&format!(
            "{}: made by {maker}, whose codes mean something else to {}",
            options.tokens.display(),
            facts.name
        ));
    }
    let question = Decode { tokens: tokens.clone(), model };
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
