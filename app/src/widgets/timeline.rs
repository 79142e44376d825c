//! A timeline: a tick a step, which can be walked, dragged over and played.

use std::ops::Range;

use egui::{Align, Key, Layout, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use crate::ctx::ViewCtx;
use crate::look::theme::space;
use crate::widgets::end::End;
use crate::widgets::keys::{has_keys, held, take_brackets};

/// A timeline is so high, before text is scaled.
pub const HEIGHT: f32 = 104.0;
/// Ticks with names below them are at least so high, before text is scaled.
const LEAST_WITH_LABELS: f32 = 36.0;
/// The row above the ticks, before text is scaled.
const HEAD: f32 = 28.0;
/// How much faster than usual it is played.
const SPEEDS: [f32; 6] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0];
/// Seconds in which all of it is played at the usual speed.
const WHOLE: f32 = 4.0;
/// Steps a second at least, at the usual speed.
const SLOWEST: f32 = 3.0;
/// Points of a wheel that are a step.
const NOTCH: f32 = 40.0;

/// A step.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    /// What its height stands for, not below 0: the largest of all is as high as can be.
    pub value: f32,
    /// How much is left to do after it, 0 to 1: drawn as a line over all.
    pub left: f32,
}

/// What a timeline shows.
pub struct Timeline<'a> {
    /// What happens in it, for people: "Generation".
    pub name: &'a str,
    /// What is said of where it is.
    pub said: &'a str,
    /// The steps that are there.
    pub ticks: &'a [Tick],
    /// How many there will be.
    pub planned: usize,
    /// After how many of them it is: 0 is before the first.
    pub at: usize,
    /// Whether more of them are coming.
    pub goes_on: bool,
    /// What a step is called below its tick, from 0 on.
    pub label: &'a dyn Fn(usize) -> String,
    /// What heights stand for.
    pub heights: &'a str,
    /// What the line stands for.
    pub line: &'a str,
    /// What is seen of a step under the pointer, beside its name.
    pub preview: &'a dyn Fn(&mut Ui, usize),
}

impl std::fmt::Debug for Timeline<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Timeline({}, {} of {})", self.name, self.at, self.ticks.len())
    }
}

/// How a timeline is played.
#[derive(Debug)]
pub struct Player {
    is_playing: bool,
    speed: usize,
    /// The keyboard is to come here when there is something.
    owes_focus: bool,
    /// Part of a step that was played, and of one that the wheel was turned.
    carried: f32,
    turned: f32,
}

impl Default for Player {
    fn default() -> Self {
        Self { is_playing: false, speed: 2, owes_focus: false, carried: 0.0, turned: 0.0 }
    }
}

/// Where a timeline goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goes {
    /// After so many steps, fewer than there are.
    To(usize),
    /// As far as it is, and on with what comes.
    ToEnd,
}

/// A button's picture.
#[derive(Clone, Copy)]
enum Sign {
    First,
    Back,
    Play,
    Pause,
    Next,
    Last,
}

impl Player {
    /// Draws a timeline in an area and obeys pointer, wheel and keys. Where it goes, if it does.
    pub fn ui(
        &mut self,
        ui: &mut Ui,
        ctx: &ViewCtx<'_>,
        area: Rect,
        timeline: &Timeline<'_>,
    ) -> Option<Goes> {
        let head = area.with_max_y(area.top() + ctx.theme.px(HEAD).min(area.height() * 0.5));
        let pressed = self.head_ui(ui, ctx, head, timeline);
        let ticks = area.with_min_y(head.bottom() + space::XS);
        let dragged = self.ticks_ui(ui, ctx, ticks, timeline);
        // What was pressed at the end leads to the beginning: it is not the end any more that playing stops at.
        let to = match dragged.or(pressed) {
            Some(to) => to,
            None => self.play(ui, timeline)?,
        };
        let last = timeline.ticks.len();
        if to >= last {
            let is_there = timeline.at == last && !timeline.goes_on;
            return (!is_there).then_some(Goes::ToEnd);
        }
        (to != timeline.at).then_some(Goes::To(to))
    }

    /// The keyboard comes to the ticks when they are drawn next, if it is `owed`.
    pub fn owe_focus(&mut self, owed: bool) {
        self.owes_focus |= owed;
    }

    /// It plays from where it is drawn next.
    pub fn begin(&mut self) {
        (self.is_playing, self.carried) = (true, 0.0);
    }

    fn is_at_end(timeline: &Timeline<'_>) -> bool {
        timeline.at >= timeline.ticks.len()
    }

    /// Plays, from the beginning if it is at its end; or stops. Where that goes.
    fn toggle(&mut self, timeline: &Timeline<'_>) -> Option<usize> {
        self.is_playing = !self.is_playing && !timeline.ticks.is_empty();
        self.carried = 0.0;
        (self.is_playing && Self::is_at_end(timeline) && !timeline.goes_on).then_some(0)
    }

    fn play(&mut self, ui: &Ui, timeline: &Timeline<'_>) -> Option<usize> {
        if !self.is_playing {
            return None;
        }
        if Self::is_at_end(timeline) {
            // It follows by itself what comes.
            self.is_playing = timeline.goes_on;
            return None;
        }
        let steps = timeline.planned.max(timeline.ticks.len()) as f32;
        let pace = (steps / WHOLE).max(SLOWEST) * SPEEDS[self.speed];
        self.carried += ui.input(|input| input.stable_dt).min(0.25) * pace;
        let whole = self.carried.floor();
        self.carried -= whole;
        let wait = ((1.0 - self.carried) / pace).clamp(0.008, 1.0);
        ui.ctx().request_repaint_after(std::time::Duration::from_secs_f32(wait));
        (whole >= 1.0).then(|| timeline.at + whole as usize)
    }

    fn head_ui(
        &mut self,
        ui: &mut Ui,
        ctx: &ViewCtx<'_>,
        head: Rect,
        timeline: &Timeline<'_>,
    ) -> Option<usize> {
        let (at, last) = (timeline.at, timeline.ticks.len());
        let mut to = None;
        let end = End::within(ui, ui.scope_id().with("signs"), head);
        end.before(ui, |ui| {
            let said = egui::RichText::new(timeline.said).font(ctx.theme.body());
            let said = egui::Label::new(said).truncate().show_tooltip_when_elided(false);
            ui.add(said).on_hover_text(timeline.said);
            legend_ui(ui, ctx, timeline);
        });
        end.ui(ui, |ui| {
            ui.spacing_mut().item_spacing.x = space::XS;
            self.speed_ui(ui, ctx);
            let mut press = |ui: &mut Ui, sign, name, can, goes: usize| {
                if sign_ui(ui, ctx, (sign, name), can) {
                    to = Some(goes);
                }
            };
            press(ui, Sign::First, "Before the first step (Home)", at > 0, 0);
            press(ui, Sign::Back, "Step before (Left)", at > 0, at.saturating_sub(1));
            let play = if self.is_playing {
                (Sign::Pause, "Pause the timeline (Space)")
            } else {
                (Sign::Play, "Play the timeline (Space)")
            };
            if sign_ui(ui, ctx, play, last > 0) {
                to = self.toggle(timeline);
            }
            let mut press = |ui: &mut Ui, sign, name, can, goes: usize| {
                if sign_ui(ui, ctx, (sign, name), can) {
                    to = Some(goes);
                }
            };
            press(ui, Sign::Next, "Next step (Right)", at < last, at + 1);
            press(ui, Sign::Last, "Last step (End)", at < last, last);
        });
        to
    }

    fn speed_ui(&mut self, ui: &mut Ui, ctx: &ViewCtx<'_>) {
        let words = |speed: usize| format!("{}×", SPEEDS[speed]);
        let text = ctx.theme.label(words(self.speed));
        let menu = ui.menu_button(text, |ui| {
            for speed in 0..SPEEDS.len() {
                if ui.selectable_label(speed == self.speed, words(speed)).clicked() {
                    self.speed = speed;
                    ui.close();
                }
            }
        });
        menu.response.widget_info(|| {
            let label = format!("Speed of playing, {}", words(self.speed));
            egui::WidgetInfo::labeled(egui::Role::Button, true, label)
        });
        menu.response.on_hover_text("How fast it is played ([ and ])");
    }

    fn ticks_ui(
        &mut self,
        ui: &mut Ui,
        ctx: &ViewCtx<'_>,
        area: Rect,
        timeline: &Timeline<'_>,
    ) -> Option<usize> {
        let id = ui.scope_id().with("timeline");
        let response = ui.interact(area, id, Sense::click_and_drag());
        let last = timeline.ticks.len();
        response.widget_info(|| {
            let label = format!("{} timeline, {}", timeline.name, timeline.said);
            egui::WidgetInfo::labeled(egui::Role::Slider, true, label)
        });
        ctx.take_focus(&response);
        if std::mem::take(&mut self.owes_focus) {
            response.request_focus();
        }
        let scale = Scale::of(ctx, area, timeline);
        let under = response.interact_pointer_pos().or_else(|| response.hover_pos());
        let under = under.map(|at| scale.step_at(at.x).min(last));
        paint(ui, ctx, &scale, timeline, under.filter(|_| response.contains_pointer()));
        if response.has_focus() {
            let stroke = Stroke::new(2.0, ctx.theme.colors.gold);
            ui.painter().rect_stroke(area, 3.0, stroke, StrokeKind::Outside);
        }
        let mut to = None;
        if (response.clicked() || response.dragged()) && response.interact_pointer_pos().is_some() {
            response.request_focus();
            self.is_playing = false;
            to = under;
        }
        if response.contains_pointer()
            && let Some(steps) = self.wheel(ui)
        {
            self.is_playing = false;
            to = Some(timeline.at.saturating_add_signed(steps).min(last));
        }
        if has_keys(ui, &response) {
            to = self.keys(ui, id, timeline).or(to);
        }
        if let Some(at) = under.filter(|_| response.contains_pointer() && to.is_none()) {
            response.on_hover_ui_at_pointer(|ui| {
                (timeline.preview)(ui, at);
                ui.label((timeline.label)(at));
                if let Some(tick) = at.checked_sub(1).and_then(|at| timeline.ticks.get(at)) {
                    let height = format!("{} {:.3}", timeline.heights, tick.value);
                    ui.label(ctx.theme.caption_figures(height));
                }
            });
        }
        to
    }

    /// Steps that the wheel was turned: down is on.
    fn wheel(&mut self, ui: &Ui) -> Option<isize> {
        let turned = ui.input(|input| {
            let of = |event: &egui::Event| match event {
                egui::Event::MouseWheel { unit, delta, .. } => {
                    let along = if delta.y.abs() >= delta.x.abs() { delta.y } else { delta.x };
                    match unit {
                        egui::MouseWheelUnit::Point => along,
                        egui::MouseWheelUnit::Line | egui::MouseWheelUnit::Page => along * NOTCH,
                    }
                }
                _ => 0.0,
            };
            input.events.iter().map(of).sum::<f32>()
        });
        self.turned -= turned / NOTCH;
        let steps = self.turned.trunc();
        self.turned -= steps;
        (steps != 0.0).then_some(steps as isize)
    }

    fn keys(&mut self, ui: &Ui, id: egui::Id, timeline: &Timeline<'_>) -> Option<usize> {
        let arrows = egui::EventFilter {
            horizontal_arrows: true,
            vertical_arrows: true,
            ..Default::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(id, arrows));
        take_brackets(ui, id);
        let (at, last) = (timeline.at, timeline.ticks.len());
        let pressed = |key| ui.input(|input| input.key_pressed(key));
        if pressed(Key::Space) {
            return self.toggle(timeline);
        }
        if pressed(Key::OpenBracket) {
            self.speed = self.speed.saturating_sub(1);
        }
        if pressed(Key::CloseBracket) {
            self.speed = (self.speed + 1).min(SPEEDS.len() - 1);
        }
        let by = if held(ui).shift { 10 } else { 1 };
        let to = if pressed(Key::Home) {
            0
        } else if pressed(Key::End) {
            last
        } else if pressed(Key::ArrowLeft) || pressed(Key::ArrowDown) {
            at.saturating_sub(by)
        } else if pressed(Key::ArrowRight) || pressed(Key::ArrowUp) {
            (at + by).min(last)
        } else {
            return None;
        };
        self.is_playing = false;
        Some(to)
    }
}

/// Where steps are.
struct Scale {
    /// Where ticks stand.
    bars: Rect,
    /// From one to the next.
    step: f32,
    /// Where the state before the first step ends.
    first: f32,
    /// Whether there is room for names below.
    has_labels: bool,
}

impl Scale {
    fn of(ctx: &ViewCtx<'_>, area: Rect, timeline: &Timeline<'_>) -> Self {
        // In a low place bars come first: what is said above them names the step.
        let has_labels = area.height() >= ctx.theme.px(LEAST_WITH_LABELS);
        let labels = if has_labels { ctx.theme.px(16.0) } else { 0.0 };
        let bars = area.with_max_y(area.bottom() - labels);
        let count = timeline.planned.max(timeline.ticks.len()).max(1) as f32;
        // The state before the first step has a place, too, as long as there is room.
        let first = (area.width() / (count + 1.0)).clamp(ctx.theme.px(14.0), ctx.theme.px(56.0));
        let step = (area.width() - first) / count;
        Self { bars, step, first: area.left() + first, has_labels }
    }

    fn step_at(&self, x: f32) -> usize {
        if x < self.first { 0 } else { ((x - self.first) / self.step) as usize + 1 }
    }

    /// Steps that share a column, of so many: one in each, where a column is a point wide at least.
    fn columns(&self, count: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let each = (1.0 / self.step.max(1e-3)).ceil().max(1.0) as usize;
        (0..count).step_by(each).map(move |first| first..(first + each).min(count))
    }

    /// The column of a step, from 0 on.
    fn column(&self, step: usize) -> Rect {
        let left = self.first + step as f32 * self.step;
        let gap = (self.step * 0.12).clamp(0.0, 6.0);
        self.bars.with_min_x(left + gap / 2.0).with_max_x(left + (self.step - gap / 2.0).max(1.0))
    }
}

fn paint(ui: &Ui, ctx: &ViewCtx<'_>, scale: &Scale, timeline: &Timeline<'_>, under: Option<usize>) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let painter = ui.painter();
    let (at, there) = (timeline.at, timeline.ticks.len());
    let planned = timeline.planned.max(there);
    let base = scale.bars.bottom();
    painter.hline(
        scale.first..=scale.bars.right(),
        base + 0.5,
        Stroke::new(theme.line(1.0), colors.line),
    );
    // Before the first step.
    let start = scale.bars.with_max_x(scale.first - scale.step * 0.06);
    let color = if at == 0 { colors.gold } else { colors.strong_line };
    painter.rect_filled(start.with_min_y(base - 3.0), 1.0, color);
    let most = scale.bars.height() - 4.0;
    let highest = highest(timeline);
    for steps in scale.columns(planned) {
        let column = scale.column(steps.start).union(scale.column(steps.end - 1));
        let known = timeline.ticks.get(steps.start..steps.end.min(there)).unwrap_or_default();
        // The highest of those that share a column: what stands out is seen.
        let Some(value) = known.iter().map(|tick| tick.value).reduce(f32::max) else {
            painter.rect_filled(column.with_min_y(base - 2.0), 0.0, colors.line);
            continue;
        };
        let tall = column.with_min_y(base - 3.0 - (value / highest).clamp(0.0, 1.0) * (most - 3.0));
        let color = if at > steps.end {
            colors.gold.gamma_multiply(0.5)
        } else if at > steps.start {
            colors.gold
        } else {
            // What comes is fainter than what was, in high contrast, too.
            colors.faint.gamma_multiply(0.5)
        };
        painter.rect_filled(tall, (scale.step * 0.08).min(2.0), color);
        if under.is_some_and(|under| under > steps.start && under <= steps.end) {
            painter.rect_stroke(tall, 1.0, Stroke::new(1.0, colors.text), StrokeKind::Outside);
        }
    }
    let y = |left: f32| scale.bars.top() + 2.0 + (1.0 - left.clamp(0.0, 1.0)) * most;
    let ends = scale.columns(there).filter_map(|steps| {
        let tick = timeline.ticks.get(steps.end - 1)?;
        Some(pos2(scale.column(steps.end - 1).center().x, y(tick.left)))
    });
    let line: Vec<_> = [pos2(start.center().x, y(1.0))].into_iter().chain(ends).collect();
    if line.len() > 1 && !timeline.line.is_empty() {
        painter.line(line, Stroke::new(theme.line(1.5), colors.coral));
    }
    if scale.has_labels {
        labels(ui, ctx, scale, timeline);
    }
}

/// The value that is as high as can be.
fn highest(timeline: &Timeline<'_>) -> f32 {
    let values = timeline.ticks.iter().map(|tick| tick.value);
    values.fold(0.0_f32, f32::max).max(1e-6)
}

/// What line and bars are, beside what is said and above them: over them it would hide some.
fn legend_ui(ui: &mut Ui, ctx: &ViewCtx<'_>, timeline: &Timeline<'_>) {
    if timeline.line.is_empty() || timeline.ticks.is_empty() {
        return;
    }
    let (line, heights) = (timeline.line, timeline.heights);
    let text = format!("{line} (line) · {heights} to {:.3} (bars)", highest(timeline));
    let font = ctx.theme.small();
    let galley = ui.painter().layout_no_wrap(text.clone(), font, ctx.theme.colors.dim);
    if galley.size().x + 2.0 * space::L <= ui.available_width() {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_space(space::M);
            ui.label(ctx.theme.label(text));
        });
    }
}

/// Names below the ticks, as many as there is room for.
fn labels(ui: &Ui, ctx: &ViewCtx<'_>, scale: &Scale, timeline: &Timeline<'_>) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let planned = timeline.planned.max(timeline.ticks.len());
    let y = scale.bars.bottom() + theme.px(2.0);
    let mut end = f32::NEG_INFINITY;
    for at in 0..=planned {
        let middle = match at.checked_sub(1) {
            None => scale.bars.left().midpoint(scale.first),
            Some(step) => scale.column(step).center().x,
        };
        if middle < end {
            continue;
        }
        let is_now = at == timeline.at;
        let color = if is_now { colors.text } else { colors.dim };
        let galley = ui.painter().layout_no_wrap((timeline.label)(at), theme.figures(), color);
        let half = galley.size().x / 2.0;
        // In a very narrow panel a name may be wider than all bars.
        let middle = middle.min(scale.bars.right() - half).max(scale.bars.left() + half);
        if middle - half > end {
            end = middle + half + theme.px(10.0);
            ui.painter().galley(pos2(middle - half, y), galley, color);
        }
    }
}

/// A small button with a sign; the main one is gold.
fn sign_ui(ui: &mut Ui, ctx: &ViewCtx<'_>, (sign, name): (Sign, &str), can: bool) -> bool {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let size = vec2(theme.px(30.0), theme.px(22.0));
    let sense = if can { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(size, sense);
    response.widget_info(|| {
        let label = name.split(" (").next().unwrap_or(name);
        egui::WidgetInfo::labeled(egui::Role::Button, can, label)
    });
    let is_main = matches!(sign, Sign::Play | Sign::Pause);
    let fill = match (is_main && can, response.hovered() && can) {
        (true, _) => colors.gold,
        (false, true) => colors.hover,
        (false, false) => colors.raised,
    };
    let line = if response.has_focus() {
        Stroke::new(2.0, colors.gold)
    } else {
        Stroke::new(theme.line(1.0), colors.strong_line)
    };
    let radius = crate::look::theme::RADIUS_BUTTON;
    ui.painter().rect(rect, radius, fill, line, StrokeKind::Inside);
    let color = match (is_main && can, can) {
        (true, _) => colors.on_gold,
        (false, true) => colors.text,
        (false, false) => colors.faint,
    };
    paint_sign(ui, rect.center(), theme.px(4.5), sign, color);
    let is_clicked = response.clicked();
    response.on_hover_text(name);
    is_clicked
}

fn paint_sign(ui: &Ui, center: egui::Pos2, half: f32, sign: Sign, color: egui::Color32) {
    let triangle = |x: f32, turned: f32| {
        let at = |dx: f32, dy: f32| center + vec2(x + dx * turned, dy);
        let points = vec![at(-half * 0.8, -half), at(half * 0.8, 0.0), at(-half * 0.8, half)];
        ui.painter().add(egui::Shape::convex_polygon(points, color, Stroke::NONE));
    };
    let beam = |x: f32, width: f32| {
        let size = vec2(width, 2.0 * half);
        let place = Rect::from_center_size(center + vec2(x, 0.0), size);
        ui.painter().rect_filled(place, 0.0, color);
    };
    match sign {
        Sign::Play | Sign::Next => triangle(0.0, 1.0),
        Sign::Back => triangle(0.0, -1.0),
        Sign::Pause => {
            beam(-half * 0.55, half * 0.55);
            beam(half * 0.55, half * 0.55);
        }
        Sign::First => {
            triangle(half * 0.3, -1.0);
            beam(-half * 0.9, half * 0.4);
        }
        Sign::Last => {
            triangle(-half * 0.3, 1.0);
            beam(half * 0.9, half * 0.4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_narrower_than_a_point_share_a_column_and_none_is_left_out() {
        let bars = Rect::ZERO;
        let scale = |step: f32| Scale { bars, step, first: 0.0, has_labels: true };
        for (step, most) in [(12.0, 100), (1.0, 100), (0.3, 26), (0.004, 1)] {
            let columns: Vec<Range<usize>> = scale(step).columns(100).collect();
            assert!(columns.len() <= most, "{step}: {}", columns.len());
            let all: Vec<usize> = columns.into_iter().flatten().collect();
            assert_eq!(all, (0..100).collect::<Vec<_>>(), "{step}");
        }
        assert_eq!(scale(1.0).columns(100).count(), 100, "each has its own where there is room");
        assert_eq!(scale(12.0).columns(0).count(), 0);
    }
}
