//! The plot itself: points with how sure they are, the frontier, and labels that do not lie on each other.

use egui::{Align2, Pos2, Rect, Sense, Shape as Drawn, Stroke, Vec2, pos2, vec2};

use super::brush;
use super::keys;
use super::marks::{Key, Mark, Shape, frontier};
use crate::ctx::ViewCtx;
use crate::document::RatesLook;
use crate::look::theme::space;
use crate::look::words::short;
use crate::widgets::keys::held;

/// Room for numbers at the left and below, and for words above, before text is scaled.
const LEFT: f32 = 62.0;
const BELOW: f32 = 40.0;
const ABOVE: f32 = 32.0;
/// Of more points labels would be all that is seen.
const MOST_LABELS: usize = 60;

/// What was done to the plot.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The point under the pointer, or where keys lead.
    pub(super) near: Option<Key>,
    /// It was clicked.
    pub(super) is_clicked: bool,
    /// Clicked twice.
    pub(super) is_opened: bool,
    /// With a key that picks another one beside the first.
    pub(super) is_second: bool,
    /// The points in a rectangle that was drawn.
    pub(super) brushed: Option<Vec<Key>>,
}

/// Where values are.
struct Axes {
    area: Rect,
    rates: (f64, f64),
    qualities: (f64, f64),
    look: RatesLook,
}

fn part(value: f64, (low, high): (f64, f64), is_logarithmic: bool) -> f32 {
    if is_logarithmic && low > 0.0 && value > 0.0 {
        ((value / low).ln() / (high / low).ln()) as f32
    } else {
        ((value - low) / (high - low)) as f32
    }
}

impl Axes {
    fn x(&self, rate: f64) -> f32 {
        let part = part(rate, self.rates, self.look.is_rate_logarithmic);
        self.area.left() + part * self.area.width()
    }

    fn y(&self, quality: f64) -> f32 {
        let part = part(quality, self.qualities, self.look.is_quality_logarithmic);
        self.area.bottom() - part * self.area.height()
    }

    fn at(&self, mark: &Mark) -> Pos2 {
        pos2(self.x(mark.rate), self.y(mark.quality))
    }
}

/// The points that axes go by: of the curve of a format no more than what lies near the others, or it would
/// press them into a corner.
fn framed(marks: &[Mark]) -> Vec<&Mark> {
    let others = marks.iter().filter(|mark| mark.shape != Shape::Format).map(|mark| mark.quality);
    let (low, high) =
        others.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    let room = 0.35 * (high - low);
    let is_near = |mark: &&Mark| {
        mark.shape != Shape::Format
            || low >= high
            || (low - room..=high + room).contains(&mark.quality)
    };
    marks.iter().filter(is_near).collect()
}

/// What axes cover.
fn span(values: impl Iterator<Item = f64>, is_logarithmic: bool, usual: (f64, f64)) -> (f64, f64) {
    let usable = values.filter(|value| value.is_finite() && (!is_logarithmic || *value > 0.0));
    let (low, high) =
        usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    if low > high {
        return usual;
    }
    if is_logarithmic {
        let room = ((high / low).powf(0.07)).max(1.12);
        return (low / room, high * room);
    }
    let room = ((high - low) * 0.07).max(high.abs() * 0.01).max(1e-6);
    (low - room, high + room)
}

/// Values that are written along an axis.
pub(in crate::views) fn ticks(
    (low, high): (f64, f64),
    is_logarithmic: bool,
    most: usize,
) -> Vec<f64> {
    if is_logarithmic && low > 0.0 {
        let steps: &[f64] = if (high / low) > 30.0 { &[1.0, 3.0] } else { &[1.0, 2.0, 5.0] };
        let decades = (-9..=9).flat_map(|ten| steps.iter().map(move |x| x * 10.0_f64.powi(ten)));
        let found: Vec<f64> = decades.filter(|value| (low..=high).contains(value)).collect();
        if found.len() >= 2 {
            return found;
        }
    }
    let rough = (high - low) / most.max(1) as f64;
    let ten = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|x| x * ten).find(|step| *step >= rough);
    let step = step.unwrap_or(rough).max(1e-12);
    let first = (low / step).ceil() as i64;
    (first..).map(|n| n as f64 * step).take_while(|value| *value <= high).take(40).collect()
}

/// Points, and which of them are kept by a brush: the others fade.
#[derive(Debug, Clone, Copy)]
pub(super) struct Points<'a> {
    pub(super) all: &'a [Mark],
    pub(super) within: &'a [Mark],
}

impl<'a> Points<'a> {
    fn faded(self) -> impl Iterator<Item = &'a Mark> {
        let Self { all, within } = self;
        let is_kept = move |mark: &Mark| within.iter().any(|kept| kept.key == mark.key);
        all.iter().filter(move |mark| within.len() < all.len() && !is_kept(mark))
    }
}

/// Draws it in a rectangle.
pub(super) fn ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    whole: Rect,
    (points, look): (Points<'_>, RatesLook),
    (picked, by_keys): (&[Key], &mut Option<Key>),
) -> (Done, egui::Response) {
    let theme = ctx.theme;
    let response = ui.interact(whole, ui.scope_id().with("scatter"), Sense::click_and_drag());
    let marks = points.within;
    if !ctx.is_presented() {
        ctx.take_focus(&response);
    }
    let area = Rect::from_min_max(
        whole.min + vec2(theme.px(LEFT), theme.px(ABOVE)),
        whole.max - vec2(theme.px(18.0), theme.px(BELOW)),
    );
    // Of all: a brush moves nothing.
    let framed = framed(points.all);
    let with_ends = framed.iter().flat_map(|mark| {
        let ends = mark.ends.map(|(low, high)| [low, high]).into_iter().flatten();
        std::iter::once(mark.quality).chain(ends)
    });
    let axes = Axes {
        area,
        rates: span(framed.iter().map(|mark| mark.rate), look.is_rate_logarithmic, (0.02, 2.0)),
        qualities: span(with_ends, look.is_quality_logarithmic, (16.0, 36.0)),
        look,
    };
    grid(ui, ctx, &axes);
    fade(ui, ctx, &axes, points);
    lines(ui, ctx, &axes, marks);
    let brushed = brushed(ui, ctx, &response, (&axes, points.all));
    let pointer = response.hover_pos();
    let distance = |mark: &&Mark| pointer.map_or(f32::MAX, |at| axes.at(mark).distance(at));
    let seen = || marks.iter().filter(|mark| is_seen(&axes, mark));
    let nearest = seen().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let under = nearest.filter(|mark| distance(mark) < theme.px(14.0));
    // In front of a hall arrows lead from scene to scene.
    let meant = if ctx.is_presented() { None } else { led_to(ui, &response, by_keys, seen) };
    let near = meant.or(under);
    for mark in seen() {
        let is_picked = picked.contains(&mark.key);
        let is_near = near.is_some_and(|near| near.key == mark.key);
        paint(ui, ctx, &axes, mark, (is_picked, is_near));
    }
    labels(ui, ctx, &axes, marks, (picked, near.map(|mark| &mark.key)));
    if response.has_focus() {
        let gold = Stroke::new(theme.line(2.0), theme.colors.gold);
        ui.painter().rect_stroke(area, 2.0, gold, egui::StrokeKind::Outside);
    }
    response.widget_info(|| {
        let words = |mark: &Mark| {
            format!("{} {} at {}", mark.label, look.quality.words(mark.quality), short(mark.rate))
        };
        let told: Vec<String> = marks.iter().map(words).collect();
        let meant = meant.map(|mark| format!("; at {}", words(mark))).unwrap_or_default();
        let (up, across) = (look.quality.label(), look.rate.label());
        let some = if marks.len() < points.all.len() {
            format!("{}: ", brush::words(marks.len(), points.all.len()))
        } else {
            String::new()
        };
        let text = format!("{up} over {across}: {some}{}{meant}", told.join(", "));
        egui::WidgetInfo::labeled(egui::Role::Image, true, text)
    });
    let done = Done {
        near: near.map(|mark| mark.key.clone()),
        is_clicked: response.clicked(),
        is_opened: response.double_clicked(),
        is_second: held(ui).shift || held(ui).command,
        brushed,
    };
    if done.near.is_some() {
        ui.ctx().set_cursor_icon(egui::CursorIcon::PointingHand);
    }
    (done, response)
}

/// The points that are not kept, where they are and no more.
fn fade(ui: &egui::Ui, ctx: &ViewCtx<'_>, axes: &Axes, points: Points<'_>) {
    for mark in points.faded().filter(|mark| is_seen(axes, mark)) {
        let color = mark.color.gamma_multiply(0.22);
        ui.painter().circle_filled(axes.at(mark), radius(ctx, mark) * 0.7, color);
    }
}

/// Draws the rectangle that is being drawn; the points in it once it is done.
fn brushed(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    response: &egui::Response,
    (axes, marks): (&Axes, &[Mark]),
) -> Option<Vec<Key>> {
    brush::begin(response);
    let (rect, is_done) = brush::drawn(response, axes.area.expand(ctx.theme.px(8.0)))?;
    let is_in = |mark: &&Mark| is_seen(axes, mark) && rect.contains(axes.at(mark));
    let inside = marks.iter().filter(is_in);
    if is_done {
        return Some(inside.map(|mark| mark.key.clone()).collect());
    }
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let line = Stroke::new(theme.line(1.5), colors.gold);
    let ground = colors.gold.gamma_multiply(0.08);
    ui.painter().rect(rect, 2.0, ground, line, egui::StrokeKind::Inside);
    let at = rect.left_top() + vec2(space::XS, -space::XS);
    let words = brush::words(inside.count(), marks.len());
    ui.painter().text(at, Align2::LEFT_BOTTOM, words, theme.small(), colors.text);
    None
}

/// Whether a point is in sight: the curve of a format goes on beyond the axes.
fn is_seen(axes: &Axes, mark: &Mark) -> bool {
    mark.shape != Shape::Format || axes.area.expand(8.0).contains(axes.at(mark))
}

/// The point that arrow keys lead to, by rate, while the plot has the focus and the pointer rests.
fn led_to<'m, I: Iterator<Item = &'m Mark>>(
    ui: &egui::Ui,
    response: &egui::Response,
    by_keys: &mut Option<Key>,
    seen: impl Fn() -> I,
) -> Option<&'m Mark> {
    if !response.has_focus() || keys::is_pointed(ui, response) {
        *by_keys = None;
    }
    if !response.has_focus() {
        return None;
    }
    let mut order: Vec<&Mark> = seen().collect();
    order.sort_by(|a, b| a.rate.total_cmp(&b.rate).then(a.quality.total_cmp(&b.quality)));
    let at = by_keys.as_ref().and_then(|key| order.iter().position(|mark| mark.key == *key));
    let at = keys::stepped(ui, response, order.len(), at)?;
    let mark = order.get(at).copied()?;
    *by_keys = Some(mark.key.clone());
    Some(mark)
}

fn grid(ui: &egui::Ui, ctx: &ViewCtx<'_>, axes: &Axes) {
    let (theme, area, look) = (ctx.theme, axes.area, axes.look);
    let colors = &theme.colors;
    let faint = Stroke::new(theme.line(1.0), colors.line.gamma_multiply(0.8));
    let most = (area.height() / theme.px(70.0)).clamp(2.0, 7.0) as usize;
    let mut last = f32::INFINITY;
    for value in ticks(axes.qualities, look.is_quality_logarithmic, most) {
        let y = axes.y(value);
        ui.painter().hline(area.x_range(), y.round() + 0.5, faint);
        if last - y >= theme.px(18.0) {
            let at = pos2(area.left() - space::S, y);
            let text = match look.quality {
                crate::document::QualityAxis::Psnr => format!("{} dB", short(value)),
                _ => short(value),
            };
            ui.painter().text(at, Align2::RIGHT_CENTER, text, theme.small(), colors.dim);
            last = y;
        }
    }
    let line = Stroke::new(theme.line(1.0), colors.strong_line);
    ui.painter().hline(area.x_range(), area.bottom().round() + 0.5, line);
    ui.painter().vline(area.left().round() + 0.5, area.y_range(), line);
    let most = (area.width() / theme.px(90.0)).clamp(2.0, 10.0) as usize;
    let y = area.bottom() + theme.px(5.0);
    let mut last = f32::NEG_INFINITY;
    for value in ticks(axes.rates, look.is_rate_logarithmic, most) {
        let x = axes.x(value);
        let galley = ui.painter().layout_no_wrap(short(value), theme.small(), colors.dim);
        let left = x - galley.size().x / 2.0;
        if left > last + space::S {
            last = left + galley.size().x;
            ui.painter().galley(pos2(left, y), galley, colors.dim);
        }
    }
    let log = |is: bool| if is { ", log" } else { "" };
    let across = format!("{}{}", look.rate.label(), log(look.is_rate_logarithmic));
    let at = pos2(area.right(), y + theme.px(17.0));
    ui.painter().text(at, Align2::RIGHT_TOP, across, theme.small(), colors.dim);
    let which = look.quality.which();
    let up = format!("{}{}, {which}", look.quality.label(), log(look.is_quality_logarithmic));
    let at = pos2(area.left(), area.top() - theme.px(10.0));
    ui.painter().text(at, Align2::LEFT_BOTTOM, up, theme.small(), colors.dim);
}

/// The corners of the frontier.
fn stairs(axes: &Axes, marks: &[Mark]) -> Vec<Pos2> {
    let mut corners: Vec<Pos2> = Vec::new();
    for (rate, quality) in frontier(marks, axes.look.quality.is_better_high()) {
        let at = pos2(axes.x(rate), axes.y(quality));
        if let Some(last) = corners.last() {
            corners.push(pos2(at.x, last.y));
        }
        corners.push(at);
    }
    corners
}

/// The points that a line joins: those of a format, and the levels of one tokenizer; with the first of them.
fn joined<'m>(axes: &Axes, marks: &'m [Mark]) -> Vec<(&'m Mark, Vec<Pos2>)> {
    let mut groups: Vec<(&Mark, Vec<Pos2>)> = Vec::new();
    for mark in marks.iter().filter(|mark| !mark.group.is_empty()) {
        match groups.iter_mut().find(|(first, _)| first.group == mark.group) {
            Some((_, points)) => points.push(axes.at(mark)),
            None => groups.push((mark, vec![axes.at(mark)])),
        }
    }
    groups.retain(|(_, points)| points.len() > 1);
    groups
}

/// Small places that lie along a line, without a gap.
fn along(points: &[Pos2]) -> impl Iterator<Item = Rect> + '_ {
    const STEP: f32 = 4.0;
    points.windows(2).flat_map(|pair| {
        let (from, to) = (pair[0], pair[1]);
        let count = (from.distance(to) / STEP).ceil().clamp(1.0, 2000.0) as usize;
        let at = move |number: usize| from + (to - from) * (number as f32 / count as f32);
        (0..count).map(move |piece| Rect::from_two_pos(at(piece), at(piece + 1)).expand(1.5))
    })
}

/// Where words of this size stand beside a point: at the first place round it that is free.
fn free_place((at, away): (Pos2, f32), size: Vec2, inside: Rect, taken: &[Rect]) -> Option<Rect> {
    let tries = [
        vec2(away, -size.y / 2.0),
        vec2(away * 0.7, -size.y - away * 0.5),
        vec2(away * 0.7, away * 0.5),
        vec2(-away - size.x, -size.y / 2.0),
        vec2(-away * 0.7 - size.x, -size.y - away * 0.5),
        vec2(-away * 0.7 - size.x, away * 0.5),
        vec2(-size.x / 2.0, -size.y - away),
        vec2(-size.x / 2.0, away),
    ];
    tries.iter().map(|away| Rect::from_min_size(at + *away, size)).find(|place| {
        inside.contains_rect(*place) && taken.iter().all(|other| !other.intersects(*place))
    })
}

/// The frontier, the curve of a format, and the levels of one tokenizer.
fn lines(ui: &egui::Ui, ctx: &ViewCtx<'_>, axes: &Axes, marks: &[Mark]) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let corners = stairs(axes, marks);
    // No color of a family, or it would be taken for a line of one.
    ui.painter().line(corners, Stroke::new(theme.line(2.0), colors.text));
    for (first, points) in joined(axes, marks) {
        if first.shape == Shape::Format {
            let stroke = Stroke::new(theme.line(1.5), colors.dim);
            let painter =
                ui.painter().with_clip_rect(ui.clip_rect().intersect(axes.area.expand(2.0)));
            painter.extend(Drawn::dashed_line(&points, stroke, 5.0, 4.0));
        } else {
            ui.painter()
                .line(points, Stroke::new(theme.line(1.5), first.color.gamma_multiply(0.6)));
        }
    }
}

fn radius(ctx: &ViewCtx<'_>, mark: &Mark) -> f32 {
    ctx.theme.px(match (mark.shape, mark.is_small) {
        (Shape::Disc, false) => 7.0,
        (Shape::Disc, true) | (Shape::Square, _) => 5.0,
        (Shape::Ring, false) => 4.0,
        (Shape::Ring, true) | (Shape::Format, _) => 3.0,
    })
}

fn paint(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    axes: &Axes,
    mark: &Mark,
    (is_picked, is_near): (bool, bool),
) {
    let (theme, colors, at) = (ctx.theme, &ctx.theme.colors, axes.at(mark));
    let radius = radius(ctx, mark) + if is_near { 1.0 } else { 0.0 };
    if let Some((low, high)) = mark.ends {
        let stroke = Stroke::new(theme.line(1.2), mark.color.gamma_multiply(0.8));
        ui.painter().vline(at.x, axes.y(high)..=axes.y(low), stroke);
    }
    let ground = Stroke::new(theme.line(1.5), colors.panel);
    match mark.shape {
        Shape::Disc if mark.unlike.is_some() => {
            ui.painter().circle(at, radius, colors.panel, Stroke::new(theme.line(1.6), mark.color));
        }
        Shape::Disc => {
            ui.painter().circle(at, radius, mark.color, ground);
        }
        Shape::Square => {
            let place = Rect::from_center_size(at, Vec2::splat(2.0 * radius));
            ui.painter().rect(place, 1.0, mark.color, ground, egui::StrokeKind::Outside);
        }
        Shape::Ring | Shape::Format => {
            let color = if mark.is_small { mark.color.gamma_multiply(0.55) } else { mark.color };
            ui.painter().circle(at, radius, colors.panel, Stroke::new(theme.line(1.6), color));
        }
    }
    if is_picked || is_near {
        let color = if is_picked { colors.text } else { colors.dim };
        ui.painter().circle_stroke(at, radius + 4.0, Stroke::new(theme.line(1.8), color));
    }
}

/// Words beside points where there is room: those that are picked first, then what was measured, then others.
fn labels(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    axes: &Axes,
    marks: &[Mark],
    (picked, near): (&[Key], Option<&Key>),
) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let mut taken: Vec<Rect> = marks
        .iter()
        .filter(|mark| mark.shape != Shape::Format)
        .map(|mark| {
            Rect::from_center_size(axes.at(mark), Vec2::splat(2.0 * radius(ctx, mark) + 2.0))
        })
        .collect();
    // What lines run through is no place for words.
    taken.extend(along(&stairs(axes, marks)));
    for (_, points) in joined(axes, marks) {
        taken.extend(along(&points).filter(|place| axes.area.intersects(*place)));
    }
    taken.extend(marks.iter().filter_map(|mark| {
        let ((low, high), x) = (mark.ends?, axes.x(mark.rate));
        Some(Rect::from_two_pos(pos2(x, axes.y(low)), pos2(x, axes.y(high))).expand(1.0))
    }));
    let rank = |mark: &Mark| {
        let is_picked = picked.contains(&mark.key) || near == Some(&mark.key);
        let shape = match mark.shape {
            Shape::Disc => 1,
            Shape::Square => 2,
            Shape::Format => 3,
            Shape::Ring => 4,
        };
        if is_picked { 0 } else { shape }
    };
    let mut order: Vec<&Mark> = marks.iter().collect();
    order.sort_by_key(|mark| rank(mark));
    // A curve is named once, at its end.
    let is_end = |mark: &&Mark| mark.shape == Shape::Format && axes.area.contains(axes.at(mark));
    let last = marks.iter().rfind(is_end).map(|mark| mark.key.clone());
    for mark in order.into_iter().filter(|mark| is_seen(axes, mark)).take(MOST_LABELS) {
        let is_first = rank(mark) == 0;
        if mark.shape == Shape::Format && Some(&mark.key) != last.as_ref() && !is_first {
            continue;
        }
        let text =
            if mark.shape == Shape::Format && !is_first { "JPEG" } else { mark.label.as_str() };
        let strong = matches!(mark.shape, Shape::Disc | Shape::Square) || is_first;
        let color = if strong { colors.text } else { colors.dim };
        let galley = ui.painter().layout_no_wrap(text.to_owned(), theme.small(), color);
        let (size, at, away) = (galley.size(), axes.at(mark), radius(ctx, mark) + theme.px(5.0));
        // Never over the axis at the left.
        let inside = Rect::from_min_max(
            axes.area.min + vec2(3.0, -theme.px(2.0)),
            axes.area.max + vec2(theme.px(14.0), 0.0),
        );
        let place = match free_place((at, away), size, inside, &taken) {
            Some(place) => place,
            None if is_first => Rect::from_min_size(at + vec2(away, -size.y / 2.0), size),
            None => continue,
        };
        // What is asked for stands over all; of the others no line of the grid runs through one.
        let (room, ground) = if is_first { (2.0, 0.9) } else { (0.0, 1.0) };
        ui.painter().rect_filled(place.expand(room), 3.0, colors.panel.gamma_multiply(ground));
        taken.push(place);
        ui.painter().galley(place.min, galley, color);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_beside_a_point_lie_on_no_line_and_not_beyond_the_axis() {
        let inside = Rect::from_min_max(pos2(0.0, 0.0), pos2(300.0, 200.0));
        let size = vec2(80.0, 14.0);
        // A slope through the point leaves room above it at the left, and below it at the right.
        let (low, at, high) = (pos2(20.0, 190.0), pos2(150.0, 100.0), pos2(280.0, 10.0));
        let line: Vec<Rect> = along(&[low, at, high]).collect();
        let place = free_place((at, 8.0), size, inside, &line).unwrap();
        for number in 0..=1000 {
            let part = number as f32 / 1000.0;
            for on_it in [low + (at - low) * part, at + (high - at) * part] {
                assert!(line.iter().any(|piece| piece.contains(on_it)), "a gap at {on_it:?}");
                assert!(!place.contains(on_it), "{place:?} lies over the line at {on_it:?}");
            }
        }
        // Near the left edge words stand at the right, and where there is no room nowhere.
        let place = free_place((pos2(5.0, 100.0), 8.0), size, inside, &[]).unwrap();
        assert!(place.left() > 5.0);
        assert_eq!(free_place((at, 8.0), size, inside, &[inside]), None);
    }

    #[test]
    fn ticks_lie_within_their_axis_and_are_round() {
        let found: Vec<String> = ticks((0.029, 1.2), true, 8).into_iter().map(short).collect();
        assert_eq!(found, ["0.03", "0.1", "0.3", "1"]);
        let found = ticks((20.3, 33.9), false, 5);
        assert_eq!(found, [25.0, 30.0]);
        assert!(ticks((0.5, 0.52), true, 5).len() >= 2, "without a decade they are even");
        assert_eq!(span([].into_iter(), true, (1.0, 2.0)), (1.0, 2.0));
        let (low, high) = span([0.1, 1.0].into_iter(), true, (1.0, 2.0));
        assert!(low < 0.1 && high > 1.0);
    }
}
