//! The bits of each part, such as the scales of VAR: a bar each, as high as its tokens cost in the mean.

use egui::{Align2, Rect, Role, Sense, Stroke, StrokeKind, WidgetInfo, pos2, vec2};

use super::shown::Shown;
use crate::ctx::ViewCtx;
use crate::document::Edit;
use crate::look::theme::space;

/// Its height, before text is scaled.
pub(super) const HEIGHT: f32 = 84.0;
/// A line of words, before text is scaled.
const LINE: f32 = 16.0;
/// As wide as a bar becomes at most, before text is scaled.
const WIDEST: f32 = 96.0;

/// Draws them; a click looks at the part.
pub(super) fn ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, area: Rect, shown: &Shown<'_>) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    ui.painter().hline(area.x_range(), area.top(), Stroke::new(1.0, colors.line));
    let (parts, (at, _)) = (shown.tokens().parts(), ctx.part(shown.tokens()));
    let line = theme.px(LINE);
    let room = area.shrink2(vec2(space::M, space::XS));
    let wide = (room.width() / parts.len().max(1) as f32).min(theme.px(WIDEST));
    let left = room.center().x - wide * parts.len() as f32 / 2.0;
    for (number, part) in parts.iter().enumerate() {
        let corner = pos2(left + wide * number as f32, room.top());
        let rect = Rect::from_min_size(corner, vec2(wide, room.height()));
        let response = ui.interact(rect, ui.scope_id().with(("part", number)), Sense::click());
        let own = shown.of_part(number);
        let sum: f64 = own.iter().map(|bits| f64::from(*bits)).sum();
        let mean = sum / own.len().max(1) as f64;
        let name = part.shape().to_string().replace(" x ", "×").replace(" in a row", "");
        let words = if own.is_empty() || shown.is_old {
            format!("{name}: not worked out yet")
        } else {
            format!("{name}: {sum:.1} bits, {mean:.3} per token")
        };
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, number == at, &words));
        let tall = (room.height() - 2.0 * line - space::XS).max(1.0);
        let share = (mean as f32 / shown.most.max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
        let foot = room.bottom() - line;
        let column = Rect::from_x_y_ranges(
            rect.x_range().shrink((wide * 0.2).min(16.0)),
            foot - tall * share..=foot,
        );
        if !own.is_empty() {
            let color = if shown.is_old { colors.faint } else { theme.maps.viridis.at(share) };
            ui.painter().rect_filled(column, 1.0, color);
        }
        let ink = if number == at { colors.gold } else { colors.dim };
        let words_at = |y: f32, text: &str| {
            let galley = ui.painter().layout_no_wrap(text.to_owned(), theme.figures(), ink);
            // Bars that have no room for their words have none.
            if galley.size().x <= wide {
                let at = Align2::CENTER_CENTER.anchor_size(pos2(rect.center().x, y), galley.size());
                ui.painter().galley(at.min, galley, ink);
            }
        };
        words_at(foot + line / 2.0, &name);
        if !own.is_empty() && !shown.is_old {
            words_at(column.top() - line / 2.0, &format!("{mean:.2}"));
        }
        if response.hovered() || response.has_focus() {
            let stroke = Stroke::new(theme.line(1.5), colors.gold);
            ui.painter().rect_stroke(rect, 2.0, stroke, StrokeKind::Inside);
        }
        if response.clicked() {
            ctx.send(Edit::SelectPart(Some(number as u16)));
        }
        response.on_hover_text(words);
    }
}
