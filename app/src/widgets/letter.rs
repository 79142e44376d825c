//! The letter of a slot in its hue: the same in bars, captions and at the edges of pictures.

use egui::{Align2, Color32, Rect, Sense, Vec2, vec2};

use crate::ctx::ViewCtx;
use crate::document::Slot;
use crate::look::palette::ink_on;
use crate::look::theme::Theme;

/// How large it is.
pub fn size(theme: &Theme) -> Vec2 {
    Vec2::splat(theme.px(16.0))
}

/// The hue of a slot.
pub fn hue(theme: &Theme, slot: Slot) -> Color32 {
    theme.family(slot as usize)
}

/// Draws it in a square.
pub fn paint(painter: &egui::Painter, theme: &Theme, slot: Slot, square: Rect) {
    let hue = hue(theme, slot);
    painter.rect_filled(square, theme.px(3.0), hue);
    let [r, g, b] = ink_on([hue.r(), hue.g(), hue.b()]);
    let (middle, ink) = (square.center(), Color32::from_rgb(r, g, b));
    painter.text(middle, Align2::CENTER_CENTER, slot.letter(), theme.strong(), ink);
}

/// Puts it beside what it is the letter of.
pub fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot) {
    let (square, response) = ui.allocate_exact_size(size(ctx.theme), Sense::hover());
    let name = format!("Slot {}", slot.letter());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &name));
    paint(ui.painter(), ctx.theme, slot, square);
    response.on_hover_text("Its letter and hue in captions, pairs and at edges");
}

/// The text of a letter in its hue, to stand among other words.
pub fn words(theme: &Theme, slot: Slot, job: &mut egui::text::LayoutJob) {
    let format = egui::TextFormat::simple(theme.strong(), hue(theme, slot));
    job.append(&slot.letter().to_string(), 0.0, format);
}

/// The room that the letter takes before a text.
pub fn room(theme: &Theme) -> f32 {
    size(theme).x + theme.px(6.0)
}

/// A square for it, at the left end of a line.
pub fn square_at(theme: &Theme, line: Rect) -> Rect {
    let size = size(theme);
    let top = line.center().y - size.y / 2.0;
    Rect::from_min_size(line.min + vec2(0.0, top - line.top()), size)
}
