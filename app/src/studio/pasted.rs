//! What is pasted into the window, as commands, also where that is nothing.

use std::path::PathBuf;
use std::sync::Arc;

use egui::Event;
use smalti_engine::EngineError;
use smalti_engine::images::Picture;
use smalti_engine::questions::{ImageRef, PastedPicture};

use super::Studio;
use super::keys::KeysOf;
use crate::document::{AppCommand, Command, Layout, Notice, Open, Region};
use crate::files::uri::path_of;

/// So many pasted paths are opened at once: a long text may have thousands.
const MOST: usize = 8;

/// What can be pasted.
const USEFUL: &str = "Paste a picture, the whole path of a file, or cells that were copied here";
impl Studio {
    /// What is copied and pasted in a frame, where no field and nothing that floats takes it.
    pub(super) fn of_clipboard(&mut self, events: &[Event], ctx: &egui::Context) -> Vec<Command> {
        let is_free = self.desk.keyboard.keys_of == KeysOf::Window && !ctx.text_edit_focused();
        let (is_ctrl, now) = ctx.input(|input| (input.modifiers.command, input.time));
        let is_nothing = self.desk.pastes.comes_to_nothing(events, is_ctrl, now);
        if self.desk.pastes.waits() {
            ctx.request_repaint();
        }
        if !is_free {
            return Vec::new();
        }
        let of = |event: &Event| match event {
            Event::Paste(text) => pasted_text(text),
            Event::PasteImage(image) => pasted_image(image),
            Event::Copy => self.copied(),
            _ => Vec::new(),
        };
        let done = events.iter().flat_map(of);
        done.chain(is_nothing.then(pasted_nothing)).collect()
    }
}

/// What is said of a paste that came to nothing.
fn pasted_nothing() -> Command {
    let hint = USEFUL.to_owned();
    Notice { hint, ..Notice::info("The clipboard has nothing that can be pasted here") }.into()
}

/// Pasted text that is a region of tokens, or one or more paths; what of it is not done is said.
fn pasted_text(text: &str) -> Vec<Command> {
    if let Some(region) = Region::from_text(text) {
        return vec![AppCommand::PasteTokens(Some(Arc::new(region))).into()];
    }
    let paths: Vec<PathBuf> = text.lines().map(str::trim).filter_map(path_of).collect();
    let count = paths.len();
    let said = match count {
        0 => {
            let summary = "Nothing was opened: the pasted text names no file";
            Some(Notice { hint: USEFUL.to_owned(), ..Notice::info(summary) })
        }
        1..=MOST => None,
        _ => {
            let summary = format!("Of {count} pasted paths the first {MOST} are opened");
            Some(Notice::warning(summary, "Paste the others, or open the folder that they are in"))
        }
    };
    let opened = paths.into_iter().take(MOST).map(|path| Open::Path(path).into());
    opened.chain(said.map(Command::from)).collect()
}

/// A pasted picture.
fn pasted_image(image: &egui::ColorImage) -> Vec<Command> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn said(commands: &[Command]) -> Vec<String> {
        let notice = |command: &Command| match command {
            Command::App(AppCommand::Notify(notice)) => Some(notice.summary.clone()),
            _ => None,
        };
        commands.iter().filter_map(notice).collect()
    }

    #[cfg(unix)]
    #[test]
    fn what_of_a_pasted_text_is_not_opened_is_said() {
        let paths = |count: usize| {
            (0..count).fold(String::new(), |text, number| format!("{text}/a/{number}.png\n"))
        };
        let all = pasted_text(&paths(MOST));
        assert_eq!((all.len(), said(&all).len()), (MOST, 0));
        let most = pasted_text(&paths(MOST + 4));
        assert_eq!(most.len(), MOST + 1);
        assert_eq!(said(&most), ["Of 12 pasted paths the first 8 are opened"]);
        let none = pasted_text("a picture of a hat\nhat.png");
        assert_eq!((none.len(), said(&none).len()), (1, 1), "{none:?}");
    }
}
