//! The strip of scales: the picture so far after each of them, from coarse to fine. A click goes there.

use egui::{Color32, Rect, Role, Sense, Stroke, StrokeKind, WidgetInfo, pos2, vec2};

use super::facts::Shown;
use crate::ctx::ViewCtx;
use crate::document::Generate;
use crate::look::textures::Sampling;
use crate::look::theme::{RADIUS_PICTURE, space};
use crate::widgets::hatch;

/// Its height, before text is scaled.
pub(super) const HEIGHT: f32 = 96.0;
/// The line below a tile, before text is scaled.
const LINE: f32 = 16.0;

/// Draws it.
pub(super) fn ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, area: Rect, shown: &Shown<'_>) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let count = (shown.trace.planned as usize).max(shown.trace.steps.len()).max(1);
    let gap = space::S;
    let wide = (area.width() - gap * (count - 1) as f32) / count as f32;
    let side = wide.min(area.height() - theme.px(LINE) - 4.0).max(8.0);
    let whole = side * count as f32 + gap * (count - 1) as f32;
    for step in 1..=count {
        let left = area.center().x - whole / 2.0 + (step - 1) as f32 * (side + gap);
        let tile = Rect::from_min_size(pos2(left, area.top() + 2.0), vec2(side, side));
        let id = ui.scope_id().with(("scale", step));
        let response = ui.interact(tile, id, Sense::click());
        let (label, is_now) = (shown.label(step), step == shown.at);
        response.widget_info(|| {
            let label = format!("After {label}");
            WidgetInfo::selected(Role::Button, true, is_now, label)
        });
        let question = (step <= shown.trace.steps.len()).then(|| shown.trace.picture(step));
        let decoded =
            question.flatten().map(|question| ctx.ask_soon(("generated scale", step), &question));
        match decoded.as_ref().and_then(|decoded| decoded.ready()) {
            Some(decoded) => {
                let texture = ctx.textures.picture(&decoded.picture, Sampling::Smooth);
                let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                let shape = egui::epaint::RectShape::filled(tile, RADIUS_PICTURE, Color32::WHITE);
                ui.painter().add(shape.with_texture(texture.id(), uv));
            }
            None => hatch::cells(ui.painter(), ctx, [tile], 1.0),
        }
        let line = match (is_now, response.hovered() || response.has_focus()) {
            (true, _) => Stroke::new(theme.line(2.5), colors.gold),
            (false, true) => Stroke::new(theme.line(1.5), colors.text),
            (false, false) => Stroke::NONE,
        };
        ui.painter().rect_stroke(tile, RADIUS_PICTURE, line, StrokeKind::Outside);
        let at = pos2(tile.center().x, tile.bottom() + 3.0);
        let color = if is_now { colors.text } else { colors.dim };
        ui.painter().text(at, egui::Align2::CENTER_TOP, label, theme.figures(), color);
        if response.clicked() && step <= shown.trace.steps.len() {
            ctx.send(Generate::GoTo(Some(step as u32)));
        }
    }
}
