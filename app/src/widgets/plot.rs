//! Curves over steps: a number of several runs in one picture, told in figures under the pointer.

use egui::{Align2, Color32, Pos2, Rect, Sense, Stroke, Vec2, pos2, vec2};

use crate::ctx::ViewCtx;
use crate::look::theme::space;
use crate::look::words::grouped;

/// Room for numbers at the left, before text is scaled.
const LEFT: f32 = 58.0;
/// Room for names at the line ends.
const RIGHT: f32 = 30.0;
/// Room for steps below.
const BELOW: f32 = 18.0;
/// A run of so many steps is seen whole from its beginning on.
const SHORT: u64 = 500;

/// A line of a plot.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// What stands at its end.
    pub letter: char,
    /// Its hue.
    pub color: Color32,
    /// (step, value), in order of steps; NaN breaks the line.
    pub points: &'a [(u64, f64)],
}

/// Something that happened at a step.
#[derive(Debug, Clone)]
pub struct Mark {
    /// When.
    pub step: u64,
    /// Whose hue.
    pub color: Color32,
    /// In words.
    pub text: String,
}

/// Curves over steps.
pub struct Plot<'a> {
    /// What is drawn, for people: "usage".
    pub name: &'a str,
    /// The lines.
    pub lines: &'a [Line<'a>],
    /// What happened.
    pub marks: &'a [Mark],
    /// Where the axis of steps ends.
    pub end: u64,
    /// Lowest and highest value, where they are fixed.
    pub range: Option<(f64, f64)>,
    /// Whether a decade is as high as the next.
    pub is_logarithmic: bool,
    /// A value in words, with its unit.
    pub words: fn(f64) -> String,
}

impl std::fmt::Debug for Plot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plot({}, {} lines)", self.name, self.lines.len())
    }
}

/// Where things are in a plot that was drawn.
#[derive(Debug, Clone, Copy)]
pub struct Axes {
    /// The part with the lines.
    pub area: Rect,
    end: f64,
    low: f64,
    high: f64,
    is_logarithmic: bool,
}

impl Axes {
    /// Where a step is.
    pub fn x(&self, step: u64) -> f32 {
        let part = (step as f64 / self.end).clamp(0.0, 1.0) as f32;
        self.area.left() + part * self.area.width()
    }

    fn y(&self, value: f64) -> Option<f32> {
        let (value, low, high) = if self.is_logarithmic {
            (value.ln(), self.low.ln(), self.high.ln())
        } else {
            (value, self.low, self.high)
        };
        let part = ((value - low) / (high - low)).clamp(0.0, 1.0) as f32;
        value.is_finite().then(|| self.area.bottom() - part * self.area.height())
    }

    fn step_at(&self, x: f32) -> u64 {
        let part = f64::from((x - self.area.left()) / self.area.width()).clamp(0.0, 1.0);
        (part * self.end).round() as u64
    }
}

impl Plot<'_> {
    /// Draws it in the width that is left, `height` high; gives where things are, and what was done to it.
    pub fn ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, height: f32) -> (Axes, egui::Response) {
        let theme = ctx.theme;
        let size = vec2(ui.available_width(), height);
        let (whole, response) = ui.allocate_exact_size(size, Sense::CLICK);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, self.label()));
        let area = Rect::from_min_max(
            whole.min + vec2(theme.px(LEFT), theme.px(7.0)),
            whole.max - vec2(theme.px(RIGHT), theme.px(BELOW)),
        );
        let (low, high) = self.values();
        let is_logarithmic = self.is_logarithmic && low > 0.0;
        let axes = Axes { area, end: self.end.max(1) as f64, low, high, is_logarithmic };
        self.paint_grid(ui, ctx, &axes);
        let at = response.hover_pos().filter(|at| area.expand(space::S).contains(*at));
        let step = at.map(|at| axes.step_at(at.x));
        for mark in self.marks {
            let (x, top) = (axes.x(mark.step), area.top());
            let line = Stroke::new(theme.line(1.0), mark.color.gamma_multiply(0.55));
            ui.painter().extend(egui::Shape::dashed_line(
                &[pos2(x, top), pos2(x, area.bottom())],
                line,
                3.0,
                4.0,
            ));
            let tip = vec![pos2(x - 4.0, top - 5.0), pos2(x + 4.0, top - 5.0), pos2(x, top + 2.0)];
            ui.painter().add(egui::Shape::convex_polygon(tip, mark.color, Stroke::NONE));
        }
        for line in self.lines {
            for piece in pieces(line.points, &axes) {
                ui.painter().line(piece, Stroke::new(theme.line(1.6), line.color));
            }
        }
        self.paint_letters(ui, ctx, &axes);
        if let (Some(step), Some(at)) = (step, at) {
            self.tell(ui, ctx, &axes, (step, at.x), response.clone());
        }
        (axes, response)
    }

    /// The plot in words: each line's last value.
    fn label(&self) -> String {
        let lines = self.lines.iter().filter_map(|line| {
            let (_, value) = line.points.last()?;
            Some(format!("{} {}", line.letter, (self.words)(*value)))
        });
        format!("{} over steps: {}", self.name, lines.collect::<Vec<_>>().join(", "))
    }

    /// Lowest and highest value that the plot has room for.
    fn values(&self) -> (f64, f64) {
        let values = || {
            let points = self.lines.iter().flat_map(|line| line.points);
            let usable = |value: &f64| value.is_finite() && (!self.is_logarithmic || *value > 0.0);
            points.map(|(_, value)| *value).filter(usable)
        };
        let (low, high) = values()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        if low > high {
            return (0.0, 1.0);
        }
        if self.is_logarithmic {
            return (low / 1.15, (high * 1.15).max(low * 1.3));
        }
        self.range.unwrap_or_else(|| {
            let margin = ((high - low) * 0.06).max(high.abs() * 1e-3).max(1e-9);
            (if low >= 0.0 { (low - margin).max(0.0) } else { low - margin }, high + margin)
        })
    }

    fn paint_grid(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, axes: &Axes) {
        let (theme, area) = (ctx.theme, axes.area);
        let colors = &theme.colors;
        let faint = Stroke::new(theme.line(1.0), colors.line.gamma_multiply(0.7));
        let count = (area.height() / theme.px(30.0)).clamp(1.0, 6.0) as usize;
        let values = if axes.is_logarithmic {
            decades(axes.low, axes.high, count)
        } else {
            ticks(axes.low, axes.high, count)
        };
        for value in values {
            let Some(y) = axes.y(value) else { continue };
            ui.painter().hline(area.x_range(), y.round() + 0.5, faint);
            let at = pos2(area.left() - space::S, y);
            let text = (self.words)(value);
            ui.painter().text(at, Align2::RIGHT_CENTER, text, theme.figures(), colors.dim);
        }
        let line = Stroke::new(theme.line(1.0), colors.strong_line);
        ui.painter().hline(area.x_range(), area.bottom().round() + 0.5, line);
        let count = (area.width() / theme.px(110.0)).clamp(1.0, 10.0) as usize;
        let word = "step";
        let y = area.bottom() + theme.px(3.0);
        let end = ui.painter().text(
            pos2(area.right(), y),
            Align2::RIGHT_TOP,
            word,
            theme.small(),
            colors.dim,
        );
        for value in ticks(0.0, axes.end, count) {
            let at = pos2(axes.x(value as u64), y);
            let galley =
                ui.painter().layout_no_wrap(grouped(value as u64), theme.figures(), colors.dim);
            let left = at.x - galley.size().x / 2.0;
            if left + galley.size().x < end.left() - space::XS {
                ui.painter().galley(pos2(left.max(area.left()), at.y), galley, colors.dim);
            }
        }
    }

    /// The letters at the ends of the lines. Where several would lie on each other they are moved apart, as
    /// little as need be, and each is tied to its line.
    fn paint_letters(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, axes: &Axes) {
        let theme = ctx.theme;
        let (height, font) = (theme.px(14.0), theme.strong());
        let end = |line: &Line<'_>| {
            let (step, value) = line.points.iter().rev().find(|(_, v)| v.is_finite())?;
            Some(pos2(axes.x(*step), axes.y(*value)?))
        };
        let ends: Vec<(Pos2, &Line<'_>)> =
            self.lines.iter().filter_map(|line| Some((end(line)?, line))).collect();
        let places: Vec<Pos2> = ends.iter().map(|(end, _)| *end).collect();
        let (low, high) = (axes.area.top(), axes.area.bottom());
        let moved = apart(&places, vec2(theme.px(22.0), height), (low, high));
        for ((end, line), y) in ends.into_iter().zip(moved) {
            let galley =
                ui.painter().layout_no_wrap(line.letter.to_string(), font.clone(), line.color);
            ui.painter().circle_filled(end, theme.px(2.5), line.color);
            let is_moved = (y - end.y).abs() > 3.0;
            let away = theme.px(if is_moved { 13.0 } else { 6.0 });
            let at = pos2(end.x + away, y);
            if is_moved {
                let leader = Stroke::new(theme.line(1.0), line.color.gamma_multiply(0.7));
                ui.painter().line_segment([end, at - vec2(2.0, 0.0)], leader);
            }
            let corner = at - vec2(0.0, galley.size().y / 2.0);
            // Another line that goes on must not run through it.
            let under = Rect::from_min_size(corner, galley.size()).shrink2(vec2(-1.0, 1.0));
            ui.painter().rect_filled(under, 2.0, theme.colors.panel.gamma_multiply(0.85));
            ui.painter().galley(corner, galley, line.color);
        }
    }

    /// The numbers at the step under the pointer, and what happened there.
    fn tell(
        &self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        axes: &Axes,
        (step, x): (u64, f32),
        response: egui::Response,
    ) {
        let colors = &ctx.theme.colors;
        let all = self.lines.iter().filter_map(|line| Some(nearest(line.points, step)?.0));
        let Some(shown) = all.min_by_key(|at| at.abs_diff(step)) else { return };
        let near = self.lines.iter().filter_map(|line| {
            let (at, value) = at_step(line.points, shown)?;
            Some((line, at, value))
        });
        let near: Vec<(&Line<'_>, u64, f64)> = near.collect();
        ui.painter().vline(axes.x(shown), axes.area.y_range(), Stroke::new(1.0, colors.faint));
        for (line, at, value) in &near {
            if let Some(y) = axes.y(*value) {
                ui.painter().circle(
                    pos2(axes.x(*at), y),
                    3.5,
                    colors.panel,
                    Stroke::new(2.0, line.color),
                );
            }
        }
        let happened = self.marks.iter().filter(|mark| (axes.x(mark.step) - x).abs() < 6.0);
        let happened: Vec<&Mark> = happened.collect();
        response.on_hover_ui_at_pointer(|ui| {
            ui.label(ctx.theme.label(format!("step {}", grouped(shown))));
            for (line, _, value) in &near {
                let text = format!("{}  {}", line.letter, (self.words)(*value));
                ui.label(egui::RichText::new(text).font(ctx.theme.figures()).color(line.color));
            }
            for mark in happened {
                ui.label(egui::RichText::new(&mark.text).color(mark.color));
            }
        });
    }
}

/// Heights of labels that belong to some points: as near to them as they can be without lying on each other,
/// between a top and a bottom. Labels farther apart from left to right than `size` is wide do not matter to
/// each other.
fn apart(points: &[Pos2], size: Vec2, (top, bottom): (f32, f32)) -> Vec<f32> {
    let mut found: Vec<f32> = points.iter().map(|at| at.y).collect();
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|a, b| points[*a].x.total_cmp(&points[*b].x));
    // Those that end at about the same step are moved together.
    let ends = order.chunk_by(|a, b| points[*b].x - points[*a].x < size.x);
    for column in ends {
        let mut column = column.to_vec();
        column.sort_by(|a, b| points[*a].y.total_cmp(&points[*b].y));
        // Labels that push each other, as (how many, the middle of where they want to be).
        let mut pushed: Vec<(usize, f32)> = Vec::new();
        for at in &column {
            pushed.push((1, points[*at].y));
            while let [.., (above, high), (below, low)] = pushed[..] {
                let room = (above + below) as f32 * 0.5 * size.y;
                if low - high >= room {
                    break;
                }
                let count = above + below;
                let middle = (high * above as f32 + low * below as f32) / count as f32;
                pushed.truncate(pushed.len() - 2);
                pushed.push((count, middle));
            }
        }
        let mut next = top - size.y * 0.5;
        let mut at = 0;
        for (count, middle) in pushed {
            let half = (count - 1) as f32 * 0.5 * size.y;
            let first = (middle - half).min(bottom - 2.0 * half).max(next + size.y * 0.5);
            for number in 0..count {
                found[column[at]] = first + number as f32 * size.y;
                at += 1;
            }
            next = first + 2.0 * half + size.y * 0.5;
        }
    }
    found
}

/// The point nearest to a step.
fn nearest(points: &[(u64, f64)], step: u64) -> Option<(u64, f64)> {
    let after = points.partition_point(|(at, _)| *at < step);
    let both = [after.checked_sub(1), Some(after)];
    let both = both.into_iter().flatten().filter_map(|at| points.get(at));
    both.min_by_key(|(at, _)| at.abs_diff(step)).copied()
}

/// The point that tells of a step: the nearest one, if it is no farther than its neighbors are from it. A line
/// that ended long before tells nothing.
fn at_step(points: &[(u64, f64)], step: u64) -> Option<(u64, f64)> {
    let found = nearest(points, step)?;
    let at = points.partition_point(|(known, _)| *known < found.0);
    let neighbors = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
    let gaps = neighbors.filter_map(|at| Some(points.get(at)?.0.abs_diff(found.0)));
    (found.0.abs_diff(step) <= gaps.max().unwrap_or(0)).then_some(found)
}

/// A line as it is drawn: of the points of one column of pixels the lowest and the highest.
fn pieces(points: &[(u64, f64)], axes: &Axes) -> Vec<Vec<Pos2>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<Pos2> = Vec::new();
    for column in points.chunk_by(|a, b| axes.x(a.0) as i32 == axes.x(b.0) as i32) {
        let all =
            column.iter().filter_map(|(step, value)| Some(pos2(axes.x(*step), axes.y(*value)?)));
        let mut all: Vec<Pos2> = all.collect();
        if all.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            continue;
        }
        if all.len() > 2 {
            let last = all[all.len() - 1].y;
            let (top, bottom) = all
                .iter()
                .fold((f32::MAX, f32::MIN), |(top, bottom), at| (top.min(at.y), bottom.max(at.y)));
            let x = all[0].x;
            all = [all[0].y, top, bottom, last].map(|y| pos2(x, y)).into();
        }
        piece.extend(all);
    }
    pieces.push(piece);
    // A single point is a short line.
    for piece in &mut pieces {
        if let [at] = piece[..] {
            piece.push(at + vec2(1.5, 0.0));
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// About `count` round numbers in a range.
fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let raw = (high - low) / count.max(1) as f64;
    if !(raw.is_finite() && raw > 0.0) {
        return Vec::new();
    }
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|s| *s >= raw);
    let step = step.unwrap_or(raw);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|at| at as f64 * step).collect()
}

/// Powers of ten in a range, with 2 and 5 between them where there is room.
fn decades(low: f64, high: f64, count: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let every: &[f64] =
        if (last - first) as usize * 2 <= count { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let all = (first..=last).flat_map(|power| every.iter().map(move |n| n * 10_f64.powi(power)));
    let inside: Vec<f64> = all.filter(|value| (low..=high).contains(value)).collect();
    if inside.is_empty() { vec![low, high] } else { inside }
}

/// Where an axis of steps ends for a run of `steps` that has done `step`: at its end, or, while it is far
/// from there, at a half, a quarter and so on of it.
pub fn end_of_axis(step: u64, steps: u64) -> u64 {
    let mut end = steps.max(step).max(1);
    while end / 2 > SHORT && step.saturating_mul(5) < end.saturating_mul(2) {
        end = end.div_ceil(2);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(is_logarithmic: bool) -> Axes {
        let area = Rect::from_min_max(pos2(0.0, 0.0), pos2(100.0, 50.0));
        Axes { area, end: 1000.0, low: 0.1, high: 10.0, is_logarithmic }
    }

    #[test]
    fn numbers_at_axes_are_round_and_inside() {
        assert_eq!(ticks(0.0, 100.0, 4), [0.0, 50.0, 100.0]);
        assert_eq!(ticks(0.0, 1.0, 2), [0.0, 0.5, 1.0]);
        assert_eq!(ticks(3.0, 3.0, 5), Vec::<f64>::new());
        assert_eq!(decades(0.05, 20.0, 3), [0.1, 1.0, 10.0]);
        assert_eq!(decades(0.9, 6.0, 4), [1.0, 2.0, 5.0]);
    }

    #[test]
    fn a_peak_between_two_pixels_is_drawn_and_a_gap_stays_one() {
        let mut points: Vec<(u64, f64)> = (0..1000).map(|step| (step, 1.0)).collect();
        points[503].1 = 9.0;
        points.iter_mut().skip(700).take(100).for_each(|point| point.1 = f64::NAN);
        let drawn = pieces(&points, &axes(false));
        assert_eq!(drawn.len(), 2);
        let top = drawn.iter().flatten().map(|at| at.y).fold(f32::MAX, f32::min);
        assert!((top - axes(false).y(9.0).unwrap()).abs() < 1e-3);
        assert!(drawn.iter().map(Vec::len).sum::<usize>() <= 400);
    }

    #[test]
    fn a_decade_is_as_high_as_the_next() {
        let axes = axes(true);
        let y = |value| axes.y(value).unwrap();
        assert!((y(0.1) - 50.0).abs() < 1e-3 && (y(1.0) - 25.0).abs() < 1e-3 && y(10.0) < 1e-3);
        assert_eq!(axes.y(f64::NAN), None);
    }

    #[test]
    fn the_axis_ends_with_the_run_or_where_its_beginning_can_be_seen() {
        assert_eq!(end_of_axis(0, 1000), 1000);
        assert_eq!(end_of_axis(40, 10_000), 625);
        assert_eq!(end_of_axis(1500, 10_000), 2500);
        assert_eq!(end_of_axis(9000, 10_000), 10_000);
        assert_eq!(end_of_axis(7, 0), 7);
        assert_eq!(nearest(&[(10, 1.0), (20, 2.0)], 16), Some((20, 2.0)));
        assert_eq!(nearest(&[], 16), None);
    }

    #[test]
    fn letters_stand_at_the_ends_of_their_lines_and_never_on_each_other() {
        let (size, range) = (vec2(20.0, 14.0), (0.0, 100.0));
        let far = [pos2(90.0, 10.0), pos2(90.0, 60.0), pos2(10.0, 62.0)];
        assert_eq!(apart(&far, size, range), [10.0, 60.0, 62.0], "they do not touch");
        let near = [pos2(90.0, 50.0), pos2(90.0, 50.0), pos2(91.0, 52.0)];
        let found = apart(&near, size, range);
        let mut sorted = found.clone();
        sorted.sort_by(f32::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= 13.99), "{found:?}");
        for (y, at) in found.iter().zip(near) {
            assert!((y - at.y).abs() <= 16.0, "{y} for {at:?}");
        }
        let low = apart(&[pos2(9.0, 99.0), pos2(9.0, 98.0), pos2(9.0, 97.0)], size, range);
        assert!(low.iter().all(|y| (0.0..=100.0).contains(y)), "{low:?}");
        assert!(low[2] < low[1] && low[1] < low[0], "in the order of their lines");
    }

    #[test]
    fn a_line_that_ended_long_before_tells_nothing_of_a_step() {
        let points = [(80, 1.0), (90, 2.0), (100, 3.0)];
        assert_eq!(at_step(&points, 500), None);
        assert_eq!(at_step(&points, 94), Some((90, 2.0)));
        assert_eq!(at_step(&points, 110), Some((100, 3.0)), "the other line reports more often");
        assert_eq!(at_step(&points[..1], 80), Some((80, 1.0)));
        assert_eq!(at_step(&points[..1], 90), None);
    }
}
