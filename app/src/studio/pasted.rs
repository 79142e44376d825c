//! What is pasted into the window, as commands.

use std::path::Path;

use smalti_engine::EngineError;
use smalti_engine::answers::{ImageRef, PastedPicture};
use smalti_engine::images::Picture;

use crate::document::{Command, Notice, Open};

/// Pasted text that is one or more paths.
pub(super) fn pasted_text(text: &str) -> Vec<Command> {
    let is_path = |line: &&str| line.starts_with("file://") || Path::new(line).is_absolute();
    text.lines()
        .map(str::trim)
        .filter(is_path)
        .take(8)
        .map(|line| Open::Path(line.trim_start_matches("file://").into()).into())
        .collect()
}

/// A pasted picture.
pub(super) fn pasted_image(image: &egui::ColorImage) -> Command {
    let rgb: Vec<u8> =
        image.pixels.iter().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]).collect();
    let [width, height] = image.size;
    let picture = Picture::new(width as u32, height as u32, rgb);
    match picture.map_err(|error: EngineError| error.problem()) {
        Ok(picture) => Open::Image(ImageRef::Pasted(PastedPicture::new(picture))).into(),
        Err(problem) => Notice::from(problem).into(),
    }
}
