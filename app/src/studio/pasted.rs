//! What is pasted into the window, as commands.

use std::sync::Arc;

use smalti_engine::EngineError;
use smalti_engine::images::Picture;
use smalti_engine::questions::{ImageRef, PastedPicture};

use crate::document::{AppCommand, Command, Layout, Notice, Open, Region};
use crate::files::uri::path_of;

/// Pasted text that is a region of tokens, or one or more paths.
pub(super) fn pasted_text(text: &str) -> Vec<Command> {
    if let Some(region) = Region::from_text(text) {
        return vec![AppCommand::PasteTokens(Some(Arc::new(region))).into()];
    }
    let paths = text.lines().map(str::trim).filter_map(path_of);
    paths.take(8).map(|path| Open::Path(path).into()).collect()
}

/// A pasted picture.
pub(super) fn pasted_image(image: &egui::ColorImage) -> Vec<Command> {
    let rgb: Vec<u8> =
        image.pixels.iter().flat_map(|pixel| [pixel.r(), pixel.g(), pixel.b()]).collect();
    let [width, height] = image.size;
    let picture = Picture::new(width as u32, height as u32, rgb);
    match picture.map_err(|error: EngineError| error.problem()) {
        Ok(picture) => {
            let image = ImageRef::Pasted(PastedPicture::new(picture));
            vec![Open::Image(image).into(), Layout::ShowPicture.into()]
        }
        Err(problem) => vec![Notice::from(problem).into()],
    }
}
