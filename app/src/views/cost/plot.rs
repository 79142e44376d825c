//! A quantity of each way of writing over the side of the grid, both axes by their logarithm. The grid is dragged.

use egui::{Align2, Key, Pos2, Rect, Role, Sense, Stroke, StrokeKind, WidgetInfo, pos2, vec2};
use smalti_engine::generators::{SIDES, Writer};

use super::super::pareto::ticks;
use super::known::{Known, Quantity};
use super::taken;
use crate::ctx::ViewCtx;
use crate::look::theme::space;
use crate::widgets::keys::has_keys;

/// Room for numbers at the left and below, for words above, and for names at the right, before text is scaled.
const LEFT: f32 = 64.0;
const BELOW: f32 = 38.0;
const ABOVE: f32 = 26.0;
const RIGHT: f32 = 82.0;
/// Sides that are written below.
const WRITTEN: [usize; 7] = [4, 6, 8, 12, 16, 24, 32];

/// Where values are.
struct Axes {
    area: Rect,
    low: f64,
    high: f64,
}

impl Axes {
    fn x(&self, side: usize) -> f32 {
        let (first, last) = (*SIDES.start() as f32, *SIDES.end() as f32);
        let share = (side as f32 / first).ln() / (last / first).ln();
        self.area.left() + share * self.area.width()
    }

    fn y(&self, value: f64) -> f32 {
        let share = ((value / self.low).ln() / (self.high / self.low).ln()) as f32;
        self.area.bottom() - share * self.area.height()
    }

    /// The side whose place is nearest.
    fn side(&self, x: f32) -> usize {
        let away = |side: &usize| (self.x(*side) - x).abs();
        SIDES.min_by(|a, b| away(a).total_cmp(&away(b))).unwrap_or(*SIDES.start())
    }
}

/// The points of a way: a side, and its value.
type Line = (Writer, Vec<(usize, f64)>);

/// Draws it.
pub(super) fn ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    whole: Rect,
    (known, of): (&Known, Quantity),
    side: &mut usize,
) {
    let theme = ctx.theme;
    let response = ui.interact(whole, ui.scope_id().with("cost plot"), Sense::click_and_drag());
    ctx.take_focus(&response);
    let area = Rect::from_min_max(
        whole.min + vec2(theme.px(LEFT), theme.px(ABOVE)),
        whole.max - vec2(theme.px(RIGHT), theme.px(BELOW)),
    );
    let lines: Vec<Line> =
        Writer::ALL.into_iter().map(|writer| (writer, known.points(of, writer))).collect();
    let values = || lines.iter().flat_map(|(_, points)| points.iter().map(|(_, value)| *value));
    let (low, high) = values()
        .filter(|value| *value > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let is_empty = low > high;
    let (low, high) = if is_empty { (0.01, 100.0) } else { (low / 1.5, high * 1.5) };
    let axes = Axes { area, low, high };
    // The menu is by the other button.
    let by = egui::PointerButton::Primary;
    let is_held =
        response.dragged_by(by) || response.drag_stopped_by(by) || response.clicked_by(by);
    if let Some(at) = response.interact_pointer_pos().filter(|_| is_held) {
        *side = axes.side(at.x);
        response.request_focus();
    }
    keys(ui, &response, side);
    response.widget_info(|| {
        let told = lines.iter().filter_map(|(writer, points)| {
            let (_, value) = points.iter().find(|(at, _)| at == side)?;
            Some(format!("{} {}", writer.name(), of.words(*value)))
        });
        let told = told.collect::<Vec<_>>().join(", ");
        let label = format!("{} at {side}×{side}: {told}", of.about());
        WidgetInfo::labeled(Role::Image, true, label)
    });
    taken::menu(ctx, &response, (known, of));
    if !area.is_positive() {
        return;
    }
    grid(ui, ctx, &axes, of);
    let gold = Stroke::new(theme.line(1.5), theme.colors.gold);
    ui.painter().vline(axes.x(*side), area.y_range(), gold);
    for (number, (_, points)) in lines.iter().enumerate() {
        line(ui, ctx, &axes, (points, number), (of, *side));
    }
    names(ui, ctx, &axes, &lines);
    if is_empty {
        let words = "Nothing is measured yet: \u{201c}Measure on this machine\u{201d} above";
        let (font, color) = (theme.body(), theme.colors.dim);
        ui.painter().text(area.center(), Align2::CENTER_CENTER, words, font, color);
    }
    if response.has_focus() {
        ui.painter().rect_stroke(area, 2.0, gold, StrokeKind::Outside);
    }
}

/// The arrows move the grid while the plot has the keyboard.
fn keys(ui: &egui::Ui, response: &egui::Response, side: &mut usize) {
    if !has_keys(ui, response) {
        return;
    }
    let arrows = egui::EventFilter { horizontal_arrows: true, ..Default::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
    let pressed = |key| ui.input(|input| input.num_presses(key));
    let moved = (*side + pressed(Key::ArrowRight)).saturating_sub(pressed(Key::ArrowLeft));
    *side = moved.clamp(*SIDES.start(), *SIDES.end());
    if pressed(Key::Home) > 0 {
        *side = *SIDES.start();
    }
    if pressed(Key::End) > 0 {
        *side = *SIDES.end();
    }
}

fn line(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    axes: &Axes,
    (points, number): (&[(usize, f64)], usize),
    (of, side): (Quantity, usize),
) {
    let color = ctx.theme.family(number);
    let at = |(side, value): &(usize, f64)| pos2(axes.x(*side), axes.y(*value));
    let places: Vec<Pos2> = points.iter().map(at).collect();
    for place in places.iter().filter(|_| of == Quantity::Seconds) {
        ui.painter().circle_filled(*place, ctx.theme.px(3.0), color);
    }
    ui.painter().line(places, Stroke::new(ctx.theme.line(1.8), color));
    if let Some(here) = points.iter().find(|(own, _)| *own == side) {
        ui.painter().circle_filled(at(here), ctx.theme.px(4.0), color);
        let ring = Stroke::new(ctx.theme.line(1.5), ctx.theme.colors.gold);
        ui.painter().circle_stroke(at(here), ctx.theme.px(5.5), ring);
    }
}

/// The names at the ends of lines, moved down where they would lie on each other.
fn names(ui: &egui::Ui, ctx: &ViewCtx<'_>, axes: &Axes, lines: &[Line]) {
    let end = |(number, (writer, points)): (usize, &Line)| {
        let (side, value) = points.last()?;
        Some((axes.y(*value), axes.x(*side), writer.name(), ctx.theme.family(number)))
    };
    let mut ends: Vec<_> = lines.iter().enumerate().filter_map(end).collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut last = f32::NEG_INFINITY;
    for (y, x, name, color) in ends {
        let y = y.max(last + ctx.theme.px(15.0));
        last = y;
        let at = pos2(x + space::S, y);
        ui.painter().text(at, Align2::LEFT_CENTER, name, ctx.theme.small(), color);
    }
}

fn grid(ui: &egui::Ui, ctx: &ViewCtx<'_>, axes: &Axes, of: Quantity) {
    let (theme, area) = (ctx.theme, axes.area);
    let colors = &theme.colors;
    let faint = Stroke::new(theme.line(1.0), colors.line.gamma_multiply(0.8));
    let mut last = f32::INFINITY;
    for value in ticks((axes.low, axes.high), true, 6) {
        let y = axes.y(value);
        if last - y < theme.px(22.0) {
            continue;
        }
        last = y;
        ui.painter().hline(area.x_range(), y.round() + 0.5, faint);
        let at = pos2(area.left() - space::S, y);
        let words = of.words(value);
        ui.painter().text(at, Align2::RIGHT_CENTER, words, theme.small(), colors.dim);
    }
    let strong = Stroke::new(theme.line(1.0), colors.strong_line);
    ui.painter().hline(area.x_range(), area.bottom().round() + 0.5, strong);
    ui.painter().vline(area.left().round() + 0.5, area.y_range(), strong);
    let y = area.bottom() + theme.px(4.0);
    for side in WRITTEN {
        let at = pos2(axes.x(side), y);
        let words = side.to_string();
        ui.painter().text(at, Align2::CENTER_TOP, words, theme.small(), colors.dim);
    }
    let at = pos2(area.right(), y + theme.px(16.0));
    let across = "tokens along a side of the grid, log";
    ui.painter().text(at, Align2::RIGHT_TOP, across, theme.small(), colors.dim);
    let at = pos2(area.left(), area.top() - theme.px(6.0));
    let up = format!("{}, log", of.about());
    ui.painter().text(at, Align2::LEFT_BOTTOM, up, theme.small(), colors.dim);
}
