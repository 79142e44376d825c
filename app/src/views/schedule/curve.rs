//! The curve: what is masked over the steps. A point is dragged, or led by arrows; a drag from the line adds one,
//! Delete takes it away.

use egui::{Align2, Key, Pos2, Rect, Role, Sense, Stroke, StrokeKind, WidgetInfo, pos2, vec2};
use smalti_engine::generators::{Curve, Schedule};

use super::shown::Shown;
use super::taken;
use crate::ctx::ViewCtx;
use crate::look::theme::space;
use crate::widgets::keys::has_keys;

/// Room for numbers at the left and for words above, before text is scaled.
pub(super) const LEFT: f32 = 48.0;
const ABOVE: f32 = 24.0;
/// Pieces of the line.
const PIECES: usize = 96;
/// Where a named curve has points to be dragged.
const SAMPLED: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// How near points come to each other, across and up.
const APART: f64 = 0.01;
/// How far an arrow leads.
const STEP: f64 = 0.02;
/// So near the pointer takes a point, before text is scaled.
const NEAR: f32 = 12.0;

/// Points of a curve: the share of steps done, and what is masked then.
type Points = Vec<(f64, f64)>;

/// The points of a schedule; of one that has a name some of its curve.
fn points_of(schedule: &Schedule) -> Points {
    match schedule {
        Schedule::Curve(curve) => curve.points().to_vec(),
        named => {
            let mut points: Points = SAMPLED.map(|done| (done, named.masked(done))).to_vec();
            // What is masked at the ends is so by rule; cosines come to nearly that.
            if let [first, .., last] = points.as_mut_slice() {
                (*first, *last) = ((0.0, 1.0), (1.0, 0.0));
            }
            points
        }
    }
}

/// With a point somewhere else, between its neighbors; ends stay.
fn moved(points: &[(f64, f64)], number: usize, (done, masked): (f64, f64)) -> Option<Schedule> {
    let (before, after) = (points.get(number.checked_sub(1)?)?, points.get(number + 1)?);
    let between = |value: f64, low: f64, high: f64| {
        let room = APART.min((high - low) / 4.0);
        value.clamp(low + room, high - room)
    };
    let mut points = points.to_vec();
    points[number] = (between(done, before.0, after.0), between(masked, after.1, before.1));
    Curve::new(points).ok().map(Schedule::Curve)
}

/// With another point; gives its number, too.
fn with(points: &[(f64, f64)], (done, masked): (f64, f64)) -> Option<(usize, Schedule)> {
    let number = points.partition_point(|(own, _)| *own < done);
    let number = number.clamp(1, points.len().checked_sub(1)?);
    let mut more = points.to_vec();
    more.insert(number, (done, masked));
    moved(&more, number, (done, masked)).map(|schedule| (number, schedule))
}

/// Without a point; of a straight line there is none to be taken.
fn without(points: &[(f64, f64)], number: usize) -> Option<Schedule> {
    if number == 0 || number + 1 >= points.len() {
        return None;
    }
    let mut fewer = points.to_vec();
    fewer.remove(number);
    Curve::new(fewer).ok().map(Schedule::Curve)
}

/// Draws it; gives the schedule that it was made.
pub(super) fn ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    whole: Rect,
    shown: &Shown<'_>,
    dragged: &mut Option<usize>,
) -> Option<Schedule> {
    let theme = ctx.theme;
    let area = Rect::from_min_max(
        whole.min + vec2(theme.px(LEFT), theme.px(ABOVE)),
        whole.max - vec2(space::M, space::S),
    );
    if !area.is_positive() {
        return None;
    }
    let schedule = &shown.unmasking.schedule;
    let points = points_of(schedule);
    let place = |(done, masked): (f64, f64)| {
        let size = area.size() * vec2(done as f32, 1.0 - masked.clamp(0.0, 1.0) as f32);
        area.min + size
    };
    let value = |at: Pos2| {
        let share = (at - area.min) / area.size();
        (f64::from(share.x), 1.0 - f64::from(share.y))
    };
    let response = ui.interact(whole, ui.scope_id().with("curve"), Sense::click_and_drag());
    let half = schedule.masked(0.5) * 100.0;
    response.widget_info(|| {
        let label = format!("Curve of the schedule: after half of the steps {half:.0} % is masked");
        WidgetInfo::labeled(Role::Image, true, label)
    });
    taken::menu(ctx, &response, shown);
    let mut next = None;
    if response.drag_started_by(egui::PointerButton::Primary)
        && let Some(from) = ui.input(|input| input.pointer.press_origin())
    {
        let away = |number: &usize| place(points[*number]).distance(from);
        let inner = 1..points.len().saturating_sub(1);
        let near = inner.min_by(|a, b| away(a).total_cmp(&away(b)));
        *dragged = near.filter(|number| away(number) <= theme.px(NEAR));
        if dragged.is_none() && area.contains(from) {
            let added = with(&points, value(from));
            *dragged = added.as_ref().map(|(number, _)| *number);
            next = added.map(|(_, schedule)| schedule);
        }
    } else if let (Some(number), Some(at)) = (*dragged, response.interact_pointer_pos())
        && ui.input(|input| input.pointer.primary_down())
    {
        // The whole drag is one change, as any that the button is held for.
        next = moved(&points, number, value(at));
    }
    if !ui.input(|input| input.pointer.primary_down()) {
        *dragged = None;
    }
    grid(ui, ctx, area);
    let line = (0..=PIECES).map(|piece| {
        let done = piece as f64 / PIECES as f64;
        place((done, schedule.masked(done)))
    });
    ui.painter().line(line.collect(), Stroke::new(theme.line(2.0), theme.colors.coral));
    let (cells, steps) = &shown.largest;
    let mut left = *cells;
    for (step, written) in steps.iter().enumerate() {
        left -= written;
        let at = place(((step + 1) as f64 / steps.len() as f64, left as f64 / *cells as f64));
        ui.painter().circle_filled(at, theme.px(2.0), theme.colors.text);
    }
    for number in 1..points.len().saturating_sub(1) {
        let led = point_ui(ui, ctx, (&points, number), place(points[number]));
        next = next.or(led);
    }
    next
}

/// A point that can be taken; gives the schedule that keys made of it.
fn point_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    (points, number): (&[(f64, f64)], usize),
    at: Pos2,
) -> Option<Schedule> {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let (done, masked) = points[number];
    let rect = Rect::from_center_size(at, vec2(1.0, 1.0) * theme.px(10.0));
    let id = ui.scope_id().with(("point", number));
    // For keys: the pointer takes it by the plot.
    let response = ui.interact(rect, id, Sense::focusable_noninteractive());
    response.widget_info(|| {
        let (done, masked) = (done * 100.0, masked * 100.0);
        let label =
            format!("Point {number}: after {done:.0} % of the steps {masked:.0} % is masked");
        WidgetInfo::labeled(Role::Slider, true, label)
    });
    ui.painter().circle_filled(at, theme.px(5.0), colors.gold);
    if !response.has_focus() {
        return None;
    }
    let ring = Stroke::new(theme.line(2.0), colors.text);
    ui.painter().rect_stroke(rect.expand(2.0), 2.0, ring, StrokeKind::Outside);
    if !has_keys(ui, &response) {
        return None;
    }
    let arrows =
        egui::EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, arrows));
    let pressed = |key| ui.input(|input| input.num_presses(key)) as f64;
    let (right, up) = (
        pressed(Key::ArrowRight) - pressed(Key::ArrowLeft),
        pressed(Key::ArrowUp) - pressed(Key::ArrowDown),
    );
    if right != 0.0 || up != 0.0 {
        return moved(points, number, (done + right * STEP, masked + up * STEP));
    }
    if pressed(Key::Delete) > 0.0 {
        return without(points, number);
    }
    None
}

fn grid(ui: &egui::Ui, ctx: &ViewCtx<'_>, area: Rect) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let faint = Stroke::new(theme.line(1.0), colors.line.gamma_multiply(0.8));
    for (share, words) in [(0.0, "100 %"), (0.5, "50 %"), (1.0, "0 %")] {
        let y = area.top() + share * area.height();
        ui.painter().hline(area.x_range(), y.round() + 0.5, faint);
        let at = pos2(area.left() - space::XS, y);
        ui.painter().text(at, Align2::RIGHT_CENTER, words, theme.small(), colors.dim);
    }
    let at = pos2(area.left(), area.top() - theme.px(6.0));
    let words = "masked after each step: drag a point, or the line to add one";
    ui.painter().text(at, Align2::LEFT_BOTTOM, words, theme.small(), colors.dim);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_point_is_dragged_to_a_curve_comes_of_it() {
        for schedule in Schedule::ALL {
            let points = points_of(&schedule);
            for number in 1..points.len() - 1 {
                for to in [(-3.0, 9.0), (0.5, 0.5), (7.0, -2.0)] {
                    let moved = moved(&points, number, to).unwrap();
                    assert_eq!(points_of(&moved).len(), points.len(), "{schedule:?} {to:?}");
                }
            }
            assert!(moved(&points, 0, (0.2, 0.2)).is_none(), "the ends stay");
            assert!(moved(&points, 4, (0.2, 0.2)).is_none());
        }
    }

    #[test]
    fn a_point_that_is_added_and_taken_away_leaves_the_curve_as_it_was() {
        let before = Schedule::parse("0:1,0.5:0.8,1:0").unwrap();
        let (number, more) = with(&points_of(&before), (0.75, 0.3)).unwrap();
        assert_eq!((number, more.name().as_str()), (2, "0:1,0.5:0.8,0.75:0.3,1:0"));
        assert_eq!(without(&points_of(&more), 2), Some(before.clone()));
        assert_eq!(without(&points_of(&before), 0), None);
        let straight = without(&points_of(&before), 1).unwrap();
        assert_eq!(straight.name(), "0:1,1:0");
    }
}
