//! What lies over an answer until somebody has guessed it.

use egui::{Align2, Rect, Stroke, Ui, pos2};

use crate::ctx::ViewCtx;
use crate::look::theme::RADIUS_PICTURE;

/// Covers a place: stripes, and what to do first.
pub fn paint(ui: &Ui, ctx: &ViewCtx<'_>, place: Rect) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let painter = ui.painter().with_clip_rect(ui.clip_rect().intersect(place));
    painter.rect_filled(place, RADIUS_PICTURE, colors.raised);
    let stripe = Stroke::new(theme.line(1.0), colors.strong_line);
    let (step, height) = (theme.px(16.0), place.height());
    let mut x = place.left() - height;
    while x < place.right() {
        painter.line_segment([pos2(x, place.bottom()), pos2(x + height, place.top())], stripe);
        x += step;
    }
    let text = "Predict first";
    let font = if place.height() > theme.px(40.0) { theme.heading() } else { theme.small() };
    let galley = painter.layout_no_wrap(text.to_owned(), font.clone(), colors.text);
    if galley.size().x < place.width() {
        let under = Rect::from_center_size(place.center(), galley.size()).expand(theme.px(6.0));
        painter.rect_filled(under.intersect(place), RADIUS_PICTURE, colors.raised);
        painter.text(place.center(), Align2::CENTER_CENTER, text, font, colors.text);
    }
    let id = ui.scope_id().with(("veil", place.left() as i32, place.top() as i32));
    let response = ui.interact(place, id, egui::Sense::hover());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Label, true, "Veiled until somebody guesses")
    });
}
