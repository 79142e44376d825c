//! What can be taken away: a picture's own menu, by the right button.

use egui::{Color32, Response};
use smalti_engine::images::Picture;
use smalti_engine::questions::ModelRef;

use crate::ctx::ViewCtx;
use crate::document::{AppCommand, Notice, PictureFile};

/// How many times larger a picture can be saved than it is.
const TIMES: [u32; 3] = [1, 2, 4];

/// What a menu offers of a picture.
pub struct Exported<'a> {
    /// A file name without ending; the image's name comes before it.
    pub name: &'a str,
    /// What it is, beside the image and the tokenizer.
    pub about: &'a str,
    /// The tokenizer, where `about` does not name it.
    pub by: Option<&'a ModelRef>,
    /// The picture, made when it is wanted.
    pub picture: &'a dyn Fn() -> Option<Picture>,
    /// Its numbers as CSV, if it is drawn from numbers.
    pub numbers: Option<&'a dyn Fn() -> String>,
}

impl std::fmt::Debug for Exported<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exported({:?})", self.name)
    }
}

impl Exported<'_> {
    /// The menu of what `response` is of; the palette has all of it, too.
    pub fn menu(&self, response: &Response, ctx: &ViewCtx<'_>) {
        let mut chosen = None;
        response.context_menu(|ui| {
            if ui.button("Copy picture").clicked() {
                chosen = Some(Take::Copy);
            }
            for times in TIMES {
                if ui.button(format!("Save as PNG, {times}×…")).clicked() {
                    chosen = Some(Take::Png(times));
                }
            }
            if self.numbers.is_some() && ui.button("Save its numbers, CSV…").clicked() {
                chosen = Some(Take::Numbers);
            }
            if chosen.is_some() {
                ui.close();
            }
        });
        let what = self.name;
        let take = |name: String, take: Take| {
            if ctx.offer(&name, chosen == Some(take)) {
                self.take(take, ctx);
            }
        };
        take(format!("Copy picture: {what}"), Take::Copy);
        for times in TIMES {
            take(format!("Save picture as PNG, {times}×…: {what}"), Take::Png(times));
        }
        if self.numbers.is_some() {
            take(format!("Save a map's numbers, CSV…: {what}"), Take::Numbers);
        }
    }

    fn take(&self, take: Take, ctx: &ViewCtx<'_>) {
        match (take, self.numbers) {
            (Take::Copy, _) => {
                if let Some(picture) = (self.picture)() {
                    ctx.send(AppCommand::CopyImage(picture));
                }
            }
            (Take::Png(times), _) => match (self.picture)().map(|p| p.enlarged(times)) {
                Some(Ok(picture)) => {
                    let name = ctx.export_name(self.name);
                    let words = ctx.words_of(self.about, self.by);
                    let file = PictureFile { name, picture, words };
                    ctx.send(AppCommand::ExportPng(Box::new(file)));
                }
                Some(Err(error)) => ctx.send(Notice::from(error.problem())),
                None => {}
            },
            (Take::Numbers, Some(numbers)) => {
                let name = ctx.export_name(self.name);
                ctx.send(AppCommand::ExportCsv { name, text: numbers() });
            }
            (Take::Numbers, None) => {}
        }
    }
}

/// What is taken away of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    /// The picture, to the clipboard.
    Copy,
    /// The picture as a file, so many times larger.
    Png(u32),
    /// Its numbers.
    Numbers,
}

/// Colors as a picture, row by row; what is transparent becomes black.
pub fn picture_of(colors: &[Color32], [width, height]: [usize; 2]) -> Option<Picture> {
    let rgb: Vec<u8> = colors.iter().flat_map(|color| [color.r(), color.g(), color.b()]).collect();
    Picture::new(width as u32, height as u32, rgb).ok()
}

/// Values of a map as CSV: a line a row.
pub fn lines_of<T: std::fmt::Display>(
    values: impl ExactSizeIterator<Item = T>,
    columns: usize,
) -> String {
    let mut text = String::new();
    for (at, value) in values.enumerate() {
        let is_last = (at + 1).is_multiple_of(columns.max(1));
        text.push_str(&value.to_string());
        text.push(if is_last { '\n' } else { ',' });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_become_a_line_a_row_and_colors_a_picture() {
        assert_eq!(lines_of([1, 2, 3, 4, 5, 6].iter(), 3), "1,2,3\n4,5,6\n");
        let picture = picture_of(&[Color32::RED, Color32::BLUE], [2, 1]).unwrap();
        assert_eq!(picture.pixel(1, 0), Some([0, 0, 255]));
        assert_eq!(picture.enlarged(2).unwrap().pixel(1, 1), Some([255, 0, 0]));
        assert!(picture_of(&[Color32::RED], [2, 1]).is_none());
    }
}
