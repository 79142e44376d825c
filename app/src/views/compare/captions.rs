//! What stands under a picture: its letter and name, and figures that are never left out.
//!
//! Where there is less room, in this order: all in one line; the figures in lines of their own, as many
//! as they need; the name without its notes; at last the name is cut. It is laid out anew in every frame,
//! so that what was shortened is whole again as soon as it has room.

use std::sync::Arc;

use egui::{Color32, FontId, Galley, Rect, pos2, vec2};

use crate::ctx::ViewCtx;
use crate::document::Slot;
use crate::look::theme::space;
use crate::widgets::letter;
use crate::widgets::scale::Scale;
use crate::widgets::states;

/// What is said under a picture.
#[derive(Debug, Default)]
pub(super) struct Caption {
    /// Whose it is.
    pub(super) letter: Option<Slot>,
    /// What it is.
    pub(super) name: String,
    /// What is left of the name where there is no room for all of it.
    pub(super) short: String,
    /// Its figures.
    pub(super) figures: Vec<String>,
    /// What its colors mean.
    pub(super) key: Option<Scale<'static>>,
    /// Whether it is about what is seen, of two that are seen in turn.
    pub(super) is_lit: bool,
}

/// Between figures.
const DOT: &str = " · ";

impl Caption {
    /// A name with figures.
    pub(super) fn new(
        letter: Option<Slot>,
        name: impl Into<String>,
        short: impl Into<String>,
    ) -> Self {
        Self { letter, name: name.into(), short: short.into(), ..Self::default() }
    }

    /// The room that it takes in one line.
    pub(super) fn whole_width(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>) -> f32 {
        let (font, figures) = (ctx.theme.body(), self.figures.join(DOT));
        let name = self.indent(ctx) + lay(ui, ctx, (&self.name, font)).size().x;
        let figures = lay(ui, ctx, (&figures, ctx.theme.figures())).size().x;
        let key = self.key.map_or(0.0, |key| key.width(ui, ctx));
        let right = figures.max(key);
        if right > 0.0 { name + space::L + right } else { name }
    }

    /// Lines that it takes in this width.
    pub(super) fn lines(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, width: f32) -> usize {
        if self.whole_width(ui, ctx) <= width {
            return 1;
        }
        1 + self.rows(ui, ctx, width).len() + usize::from(self.key.is_some())
    }

    /// Height of so many lines.
    pub(super) fn height(ctx: &ViewCtx<'_>, lines: usize) -> f32 {
        match lines {
            0 | 1 => ctx.theme.px(24.0),
            more => ctx.theme.px(18.0) * more as f32 + space::XS,
        }
    }

    fn indent(&self, ctx: &ViewCtx<'_>) -> f32 {
        if self.letter.is_some() { letter::room(ctx.theme) } else { 0.0 }
    }

    /// The figures, as many in a row as have room.
    fn rows(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, width: f32) -> Vec<String> {
        let fits = |row: &str| lay(ui, ctx, (row, ctx.theme.figures())).size().x <= width;
        in_rows(&self.figures, fits)
    }

    /// The name as it fits.
    fn fitting(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, room: f32) -> Arc<Galley> {
        let font = ctx.theme.body();
        let fits = [&self.name, &self.short]
            .into_iter()
            .map(|name| lay(ui, ctx, (name, font.clone())))
            .find(|galley| galley.size().x <= room);
        fits.unwrap_or_else(|| {
            let color = Color32::PLACEHOLDER;
            let mut job = egui::text::LayoutJob::simple_singleline(self.short.clone(), font, color);
            job.wrap = egui::text::TextWrapping::truncate_at_width(room.max(0.0));
            ui.painter().layout_job(job)
        })
    }

    /// Draws it from the top of a place that is as high as its lines.
    pub(super) fn ui(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, place: Rect) {
        let theme = ctx.theme;
        self.tell(ui, place);
        let color = if self.is_lit { theme.colors.text } else { theme.colors.dim };
        let put = |galley: Arc<Galley>, x: f32, line: Rect| {
            let at = pos2(x, line.center().y - galley.size().y / 2.0);
            ui.painter().galley_with_override_text_color(at, galley, color);
        };
        let is_one_line = self.whole_width(ui, ctx) <= place.width();
        let height = if is_one_line { theme.px(24.0) } else { theme.px(18.0) };
        let line = |number: usize| {
            let top = place.top() + if is_one_line { 0.0 } else { space::XS / 2.0 };
            let start = pos2(place.left(), top + height * number as f32);
            Rect::from_min_size(start, vec2(place.width(), height))
        };
        if let Some(slot) = self.letter {
            letter::paint(ui.painter(), theme, slot, letter::square_at(theme, line(0)));
        }
        let left = place.left() + self.indent(ctx);
        let name = self.fitting(ui, ctx, place.right() - left);
        put(name, left, line(0));
        if is_one_line {
            let figures = lay(ui, ctx, (&self.figures.join(DOT), theme.figures()));
            let start = place.right() - figures.size().x;
            put(figures, start, line(0));
            if let Some(key) = self.key {
                key.fill(ui, ctx, line(0).with_min_x(place.right() - key.width(ui, ctx)));
            }
            return;
        }
        let rows = self.rows(ui, ctx, place.width());
        let count = rows.len();
        for (at, row) in rows.iter().enumerate() {
            put(lay(ui, ctx, (row, theme.figures())), place.left(), line(at + 1));
        }
        if let Some(key) = self.key {
            let line = line(count + 1);
            let width = key.width(ui, ctx).min(line.width());
            key.fill(ui, ctx, line.with_max_x(line.left() + width));
        }
    }

    /// All of it in words.
    pub(super) fn words(&self) -> String {
        let letter = self.letter.map_or(String::new(), |slot| format!("{} ", slot.letter()));
        let mut words = format!("{letter}{}", self.name);
        if !self.figures.is_empty() {
            words = format!("{words}, {}", self.figures.join(DOT));
        }
        words
    }

    /// Says it to those who cannot see it, and whole to those who see some of it.
    fn tell(&self, ui: &egui::Ui, place: Rect) {
        let id = ui.scope_id().with(("caption", place.left() as i32, place.top() as i32));
        let response = ui.interact(place, id, egui::Sense::hover());
        let words = self.words();
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &words));
        response.on_hover_text(words);
    }
}

/// Figures in as few rows as they have room in, in their order. One that is a remark of several words, and wider
/// than a row, is broken between them.
fn in_rows(figures: &[String], fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for figure in figures {
        let longer = rows.last().map(|row| format!("{row}{DOT}{figure}"));
        if let Some(longer) = longer.filter(|longer| fits(longer)) {
            rows.pop();
            rows.push(longer);
        } else if figure.split(' ').count() > 2 {
            rows.extend(states::filled(figure, " ", &fits));
        } else {
            rows.push(figure.clone());
        }
    }
    rows
}

fn lay(ui: &egui::Ui, ctx: &ViewCtx<'_>, (text, font): (&str, FontId)) -> Arc<Galley> {
    ui.painter().layout_no_wrap(text.to_owned(), font, ctx.theme.colors.dim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_by_hand_is_broken_between_words_and_figures_are_not() {
        let figures = ["with 180 forced cells without 1 code", "23.1 dB", "SSIM .83"];
        let figures = figures.map(str::to_owned);
        let rows = |letters: usize| in_rows(&figures, |row| row.chars().count() <= letters);
        let narrow = ["with 180", "forced cells", "without 1", "code", "23.1 dB", "SSIM .83"];
        assert_eq!(rows(12), narrow);
        assert_eq!(rows(5)[7..], ["23.1 dB", "SSIM .83"]);
        let words = "with 180 forced cells without 1 code";
        assert_eq!(rows(36), [words, "23.1 dB · SSIM .83"]);
        assert_eq!(rows(80), [format!("{words} · 23.1 dB · SSIM .83")]);
    }
}
