//! What can be taken away: the menu of a picture, a map, a plot or a table, by the right button, and the same by a
//! command. Only plain data leaves the frame; files are made of it where they are written.

use std::sync::Arc;

use egui::{Color32, Popup, Response, SetOpenCommand};
use smalti_engine::images::Picture;
use smalti_engine::questions::ModelRef;

use crate::ctx::ViewCtx;
use crate::document::{
    AppCommand, Chart, Drawing, How, Offer, PictureFile, Sheet, Table, TableFile, TokenFormat, Way,
};

/// How many times larger a picture can be saved than it is.
const TIMES: [u32; 3] = [1, 2, 4];

/// What a menu offers of something that is seen.
#[derive(Clone, Copy, Default)]
pub struct Exported<'a> {
    /// A file name without ending; what it is of comes before it. Also what the command is called.
    pub name: &'a str,
    /// What it is of, where that is not the image that is worked on: a sample of a set, a run.
    pub of: Option<&'a str>,
    /// What it is, beside the image and the tokenizer.
    pub about: &'a str,
    /// The tokenizer, where `about` does not name it.
    pub by: Option<&'a ModelRef>,
    /// The picture, made when it is wanted.
    pub picture: Option<&'a dyn Fn() -> Option<Picture>>,
    /// A figure that is drawn from numbers, made when it is wanted.
    pub chart: Option<&'a dyn Fn() -> Chart>,
    /// A sheet of images that are read when it is written.
    pub sheet: Option<&'a dyn Fn() -> Sheet>,
    /// Its numbers, made when they are wanted.
    pub numbers: Option<&'a dyn Fn() -> Table>,
    /// The formats that hold the tokens that it shows.
    pub tokens: &'a [TokenFormat],
    /// Whether it is of what was shown before, while the new one is worked out: a file of it would say that it is
    /// of the new one, so that it is not taken away.
    pub is_old: bool,
}

impl std::fmt::Debug for Exported<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exported({:?})", self.name)
    }
}

/// What a way is called in menus.
pub fn words(how: How) -> String {
    match how {
        How::Copy => "Copy picture".to_owned(),
        How::Png(times) => format!("Save as PNG, {times}×…"),
        How::Svg => "Save as SVG…".to_owned(),
        How::Csv => "Save its numbers, CSV…".to_owned(),
        How::Tokens(format) => format!("Save its tokens, .{}…", format.ending()),
    }
}

impl Exported<'_> {
    /// The menu of what `response` is of, and the answer to the command of its name.
    pub fn menu(&self, response: &Response, ctx: &ViewCtx<'_>) {
        let popup = Popup::context_menu(response);
        let (of, id) = (&response.ctx, popup.get_id());
        let by_key = !self.is_old && ctx.offers.takes_menu();
        // By its key it stands in the middle of what it is of, not at the pointer.
        let is_so = Popup::is_id_open(of, id) && Popup::position_of_id(of, id).is_none();
        let popup = if by_key || is_so {
            let popup = popup.at_position(response.rect.center());
            if by_key { popup.open_memory(SetOpenCommand::Bool(true)) } else { popup }
        } else {
            popup
        };
        popup.show(|ui| self.menu_ui(ui, ctx));
        self.offer(ctx);
    }

    /// The menu's choices, for where there is a menu already.
    pub fn menu_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        if self.is_old {
            ui.label(ctx.theme.label("This is of before; the new one is being worked out"));
            return;
        }
        for how in self.ways() {
            if ui.button(words(how)).clicked() {
                self.take(how, ctx);
                ui.close();
            }
        }
    }

    /// Answers to the command of its name, without a menu of its own.
    pub fn offer(&self, ctx: &ViewCtx<'_>) {
        if self.is_old {
            return;
        }
        // By where it is, not by a name that another one may have.
        let place = self.by.and_then(|by| match by {
            ModelRef::File { path, .. } => Some(path.display().to_string()),
            ModelRef::Shipped(_) => None,
        });
        let about = match place {
            Some(place) => format!("{}; {place}", self.about),
            None => self.about.to_owned(),
        };
        let offer = Offer::of(self.name, about, &self.ways());
        if let Some(Way::Take(how)) = ctx.offers.offer(offer) {
            self.take(how, ctx);
        }
    }

    fn ways(&self) -> Vec<How> {
        let is_picture = self.picture.is_some() || self.chart.is_some();
        let mut ways = Vec::new();
        if is_picture {
            ways.push(How::Copy);
            ways.extend(TIMES.map(How::Png));
        }
        if self.sheet.is_some() {
            ways.extend([How::Copy, How::Png(1), How::Png(2)]);
        }
        ways.extend(self.chart.map(|_| How::Svg));
        ways.extend(self.numbers.map(|_| How::Csv));
        ways.extend(self.tokens.iter().copied().map(How::Tokens));
        ways
    }

    fn drawing(&self, how: How) -> Option<Drawing> {
        if let Some(sheet) = self.sheet {
            return Some(Drawing::Sheet(sheet()));
        }
        match (self.picture, self.chart) {
            (Some(picture), _) if how != How::Svg => picture().map(Drawing::Pixels),
            (_, Some(chart)) => Some(Drawing::Chart(Arc::new(chart()))),
            _ => None,
        }
    }

    fn take(&self, how: How, ctx: &ViewCtx<'_>) {
        let name = ctx.export_name(self.name, self.of);
        match (how, self.numbers) {
            (How::Tokens(format), _) => ctx.send(AppCommand::SaveTokens(Some(format))),
            (How::Csv, None) => {}
            (How::Csv, Some(numbers)) => {
                let file = TableFile { name, table: numbers() };
                ctx.send(AppCommand::ExportTable(Box::new(file)));
            }
            (How::Copy | How::Png(_) | How::Svg, _) => {
                if let Some(drawing) = self.drawing(how) {
                    let words = ctx.words_of(self.about, self.by, self.of);
                    let file = PictureFile { name, drawing, words, how };
                    ctx.send(AppCommand::ExportPicture(Box::new(file)));
                }
            }
        }
    }
}

/// The menu of a picture as it is, without numbers behind it; `of` as in [`Exported`].
pub fn picture_menu(
    response: &Response,
    ctx: &ViewCtx<'_>,
    (name, of, about): (&str, Option<&str>, &str),
    picture: &Picture,
) {
    let exported = || Some(picture.clone());
    Exported { name, of, about, picture: Some(&exported), ..Exported::default() }
        .menu(response, ctx);
}

/// Colors as a picture, row by row; what is transparent becomes black.
pub fn picture_of(colors: &[Color32], [width, height]: [usize; 2]) -> Option<Picture> {
    let rgb: Vec<u8> = colors.iter().flat_map(|color| [color.r(), color.g(), color.b()]).collect();
    Picture::new(width as u32, height as u32, rgb).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_become_a_picture() {
        let picture = picture_of(&[Color32::RED, Color32::BLUE], [2, 1]).unwrap();
        assert_eq!(picture.pixel(1, 0), Some([0, 0, 255]));
        assert!(picture_of(&[Color32::RED], [2, 1]).is_none());
    }
}
