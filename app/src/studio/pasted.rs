//! What is pasted into the window, as commands.

use std::sync::Arc;

use smalti_engine::EngineError;
use smalti_engine::images::Picture;
use smalti_engine::questions::{ImageRef, ModelInfo, PastedPicture};

use super::Studio;
use crate::document::{AppCommand, Command, Layout, Notice, Open, Region, ViewId};
use crate::files::uri::path_of;
use crate::shell::actions::copied_tokens;

/// Pasted text that is a region of tokens, or one or more paths.
pub(super) fn pasted_text(text: &str) -> Vec<Command> {
    if let Some(region) = Region::from_text(text) {
        return vec![AppCommand::PasteTokens(Some(Arc::new(region))).into()];
    }
    let paths = text.lines().map(str::trim).filter_map(path_of);
    paths.take(8).map(|path| Open::Path(path).into()).collect()
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

impl Studio {
    /// The copied tokens are those that are selected; what is copied otherwise, such as text, is left alone.
    pub(super) fn copied(&self) -> Vec<Command> {
        if self.history.document().selection.cells.is_empty() {
            return Vec::new();
        }
        self.with_now(|now| match copied_tokens(now) {
            Ok(commands) => commands,
            Err(why) => vec![Notice::info(format!("No tokens were copied: {why}")).into()],
        })
    }

    /// A region of tokens is to be put somewhere, if its codes are those of the tokenizer.
    pub(super) fn paste_tokens(&mut self, region: Option<Arc<Region>>) {
        let Some(region) = region else {
            self.pasting = None;
            return;
        };
        let document = self.history.document();
        if document.subject.is_none() {
            let hint = "Open an image that they are to be put into first";
            self.notices.add(Notice::warning("There is nothing to paste tokens into", hint));
            return;
        }
        let model = document.model.clone();
        let name = document.name_of(&model);
        let Some(facts) = self.session.known(&ModelInfo { model }) else {
            let hint = "Wait until the tokenizer is open, and paste again";
            self.notices.add(Notice::warning("No tokens were pasted yet", hint));
            return;
        };
        if facts.token_hash != region.token_hash {
            let theirs = &region.tokenizer;
            let summary =
                format!("The copied tokens are those of {theirs}, these here are those of {name}");
            let hint = format!("Work with the tokenizer {theirs} here, or copy tokens of {name}");
            self.notices.add(Notice::error(summary, hint));
            return;
        }
        self.pasting = Some(region);
        self.send(Layout::Show(ViewId::Tokens));
    }
}
