//! How many tokens each step writes, a bar each.

use egui::{Align2, Rect, Role, Sense, Stroke, WidgetInfo, pos2, vec2};

use super::curve::LEFT;
use super::shown::Shown;
use crate::ctx::ViewCtx;
use crate::look::theme::space;
use crate::look::words::{counted, grouped};

/// Room above for the title and, below it, for the number of the highest bar; and below for numbers of steps. Before
/// text is scaled.
const ABOVE: f32 = 38.0;
/// What the number of the highest bar takes, before text is scaled.
const NUMBER: f32 = 18.0;
const BELOW: f32 = 18.0;

/// Draws them.
pub(super) fn ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, whole: Rect, shown: &Shown<'_>) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let area = Rect::from_min_max(
        whole.min + vec2(theme.px(LEFT), theme.px(ABOVE)),
        whole.max - vec2(space::M, theme.px(BELOW)),
    );
    let response = ui.interact(whole, ui.scope_id().with("bars"), Sense::hover());
    let told: Vec<String> = shown.written.iter().map(ToString::to_string).collect();
    let label = format!("Tokens written in each step: {}", told.join(", "));
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &label));
    let most = shown.written.iter().max().copied().unwrap_or_default();
    if !area.is_positive() || most == 0 {
        return;
    }
    let at = pos2(area.left(), area.top() - theme.px(NUMBER));
    let words = "tokens written in each step";
    ui.painter().text(at, Align2::LEFT_BOTTOM, words, theme.small(), colors.dim);
    let (count, font) = (shown.written.len(), theme.small());
    let wide = area.width() / count as f32;
    let pointer = response.hover_pos();
    let mut end = f32::NEG_INFINITY;
    for (step, written) in shown.written.iter().enumerate() {
        let left = area.left() + wide * step as f32;
        let tall = area.height() * *written as f32 / most as f32;
        let room = pos2(left, area.top())..=pos2(left + wide, area.bottom());
        let room = Rect::from_min_max(*room.start(), *room.end());
        let column =
            room.with_min_y(area.bottom() - tall).shrink2(vec2((wide * 0.1).min(4.0), 0.0));
        let is_under = pointer.is_some_and(|at| room.x_range().contains(at.x));
        let color = if is_under { colors.gold } else { colors.lapis };
        ui.painter().rect_filled(column, 1.0, color);
        let galley = ui.painter().layout_no_wrap(written.to_string(), font.clone(), colors.text);
        if galley.size().x <= wide {
            let at = pos2(column.center().x, column.top());
            let at = Align2::CENTER_BOTTOM.anchor_size(at, galley.size());
            ui.painter().galley(at.min, galley, colors.text);
        }
        let number = (step + 1).to_string();
        let galley = ui.painter().layout_no_wrap(number, font.clone(), colors.dim);
        let start = column.center().x - galley.size().x / 2.0;
        if start > end + space::XS {
            end = start + galley.size().x;
            ui.painter().galley(pos2(start, area.bottom() + 2.0), galley, colors.dim);
        }
    }
    let base = Stroke::new(theme.line(1.0), colors.strong_line);
    ui.painter().hline(area.x_range(), area.bottom().round() + 0.5, base);
    if let Some(at) = pointer.filter(|at| area.x_range().contains(at.x)) {
        let step = (((at.x - area.left()) / wide) as usize).min(count - 1);
        let before: usize = shown.written.iter().take(step + 1).sum();
        let words = format!(
            "step {}: {}, {} of {} are there then",
            step + 1,
            counted(shown.written[step], "token"),
            grouped(before as u64),
            grouped(shown.cells as u64)
        );
        response.on_hover_text(words);
    }
}
