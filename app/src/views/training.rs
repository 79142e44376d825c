//! Training: up to four runs side by side as they learn. How many codes are used and how that goes, the probe
//! as each model paints it now, what may be turned, and curves over steps below.

mod column;
mod controls;
mod curves;
mod empty;
mod knobs;
mod probe;
mod shown;

use std::time::Duration;

use egui::{Rect, Stroke, UiBuilder, pos2};
use smalti_engine::Problem;
use smalti_engine::session::{Control, RunState};

use self::column::Column;
use self::curves::Curves;
use self::knobs::Knobs;
use self::shown::{Shown, shown};
use super::view::View;
use crate::ctx::{TrainedRun, ViewCtx};
use crate::document::{JobCommand, Layout, RunFolder, Slot, ViewId};
use crate::look::theme::space;
use crate::widgets::rows::RowsPane;

/// A column is at least this wide, before text is scaled.
const LEAST_WIDTH: f32 = 190.0;
/// Codes over time, probe and curves need at least this height, before text is scaled; a lower view is scrolled.
const LEAST_HEIGHT: f32 = 440.0;
/// In a hall nothing is scrolled: there pictures are lower, and the curves whole, down to this height.
const LEAST_IN_HALL: f32 = 330.0;
/// A line that tells what happened takes about this height.
const TOLD: f32 = 44.0;
/// Curves are at least this high, before text is scaled.
const LEAST_CURVES: f32 = 118.0;
/// And at most this high.
const MOST_CURVES: f32 = 280.0;

/// A run of another program is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// One that has told nothing new for [`QUIET`] seconds so often: most have ended, and an idle window rests.
const LOOK_RARELY: Duration = Duration::from_secs(30);
/// See [`LOOK_RARELY`].
const QUIET: u64 = 60;

/// How long nothing is looked at after news of `quiet` seconds before.
fn rest(quiet: u64, is_cpu_adapter: bool) -> Duration {
    match (quiet > QUIET, is_cpu_adapter) {
        (true, _) => LOOK_RARELY,
        // Where the processor draws, a frame is dear.
        (false, true) => LOOK_AGAIN * 5,
        (false, false) => LOOK_AGAIN,
    }
}

/// Runs that another program may train, by their folders, and how far each is.
type Far = Vec<(Option<RunFolder>, u64)>;

fn far(runs: &[Shown]) -> Far {
    let runs = runs.iter().filter(|run| may_change(run));
    let known = runs.filter_map(|(_, run)| run.as_ref()?.as_ref().ok());
    known.map(|run| (run.folder.clone(), run.told.record.furthest())).collect()
}

/// For how many seconds there was no news: a run that is seen for the first time is news, too, whatever it told.
fn quiet(news: &mut Option<(Far, u64)>, far: Far, now: u64) -> u64 {
    let since = match news.take() {
        Some((known, since)) if known == far => since,
        _ => now,
    };
    *news = Some((far, since));
    now.saturating_sub(since)
}

/// Whether another program may train in the folder of a run.
fn may_change((_, run): &Shown) -> bool {
    let Some(Ok(run)) = run else { return false };
    run.view.is_none() && !run.told.record.is_done()
}

/// The Training view.
#[derive(Debug, Default)]
pub(super) struct TrainingView {
    /// The run that is seen where there is no room for all.
    picked: Option<Slot>,
    panes: [RowsPane; 4],
    curves: Curves,
    knobs: Knobs,
    /// How far the runs were that another program may train, and in which second that was news; none before the
    /// first.
    news: Option<(Far, u64)>,
}

impl View for TrainingView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        all_ui(ui, ctx);
        let has_some = ctx.document.runs.iter().any(Option::is_some);
        let about = "All runs, also those of before";
        if has_some && ui.small_button("Runs…").on_hover_text(about).clicked() {
            ctx.send(Layout::Show(ViewId::Runs));
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let runs = shown(ctx);
        if runs.is_empty() {
            empty::ui(ui, ctx);
            return;
        }
        let known = |(_, run): &Shown| {
            run.as_ref().is_some_and(|run| match run {
                Ok(run) => run.told.is_behind,
                Err(_) => false,
            })
        };
        if runs.iter().any(known) {
            ui.ctx().request_repaint();
        }
        if !ctx.is_time_frozen && runs.iter().any(may_change) {
            let quiet = quiet(&mut self.news, far(&runs), ctx.live.second);
            ui.ctx().request_repaint_after(rest(quiet, ctx.is_cpu_adapter));
        }
        let tells = |(slot, run): &Shown| {
            let has_left = ctx.live.left[*slot as usize].is_some();
            let says = |run: &TrainedRun| {
                let problem = run.view.as_ref().and_then(|view| view.problem.as_ref());
                run.told.record.stepped.is_some() || problem.is_some()
            };
            has_left || matches!(run, Some(Ok(run)) if says(run))
        };
        let told = if runs.iter().any(tells) { TOLD } else { 0.0 };
        let height = if ctx.is_presented() { LEAST_IN_HALL } else { LEAST_HEIGHT };
        let least = ctx.theme.px(height + told);
        if ui.available_height() >= least {
            self.runs_ui(ui, ctx, &runs);
            return;
        }
        // Everything is there in a low view, too: below.
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let size = egui::vec2(ui.available_width(), least);
            let (place, _) = ui.allocate_exact_size(size, egui::Sense::hover());
            ui.scope_builder(UiBuilder::new().max_rect(place), |ui| self.runs_ui(ui, ctx, &runs));
        });
    }
}

impl TrainingView {
    /// All runs, and their curves below.
    fn runs_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, runs: &[Shown]) {
        let area = ui.available_rect_before_wrap();
        let most = ctx.theme.px(MOST_CURVES).max(area.height() * 0.25);
        let height = (area.height() * 0.32).clamp(ctx.theme.px(LEAST_CURVES), most);
        let line = area.bottom() - height;
        let above = area.with_max_y(line - space::S);
        ui.allocate_rect(area, egui::Sense::hover());
        self.columns_ui(ui, ctx, above, runs);
        let stroke = Stroke::new(ctx.theme.line(1.0), ctx.theme.colors.line);
        let whole = area.expand2(egui::vec2(space::M, 0.0));
        ui.painter().hline(whole.x_range(), line.round() + 0.5, stroke);
        let below = area.with_min_y(line + space::S);
        ui.scope_builder(UiBuilder::new().max_rect(below), |ui| self.curves.ui(ui, ctx, runs));
    }

    fn columns_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, area: Rect, runs: &[Shown]) {
        let least = ctx.theme.px(LEAST_WIDTH);
        let gap = 2.0 * space::M + 1.0;
        let count = runs.len() as f32;
        let width = (area.width() - gap * (count - 1.0)) / count;
        if width < least {
            self.one_ui(ui, ctx, area, runs);
            return;
        }
        for (at, (slot, run)) in runs.iter().enumerate() {
            let left = area.left() + at as f32 * (width + gap);
            let place = Rect::from_x_y_ranges(left..=left + width, area.y_range());
            if at > 0 {
                let x = (left - space::M).round() - 0.5;
                let stroke = Stroke::new(1.0, ctx.theme.colors.line);
                let top = area.top() - space::M;
                ui.painter().vline(x, top..=area.bottom() + space::S, stroke);
            }
            self.column_ui(ui, ctx, place, (*slot, run.as_ref()));
        }
    }

    /// The run that is picked alone, with the others a click away.
    fn one_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, area: Rect, runs: &[Shown]) {
        let there = |slot: &Slot| runs.iter().any(|(known, _)| known == slot);
        let picked = self.picked.filter(there).unwrap_or(runs[0].0);
        let mut place = area;
        if runs.len() > 1 {
            let row = area.with_max_y(area.top() + ctx.theme.px(24.0));
            ui.scope_builder(UiBuilder::new().max_rect(row), |ui| {
                ui.horizontal(|ui| {
                    for (slot, _) in runs {
                        self.letter_ui(ui, ctx, *slot, *slot == picked);
                    }
                });
            });
            place = area.with_min_y(row.bottom() + space::XS);
        }
        if let Some((slot, run)) = runs.iter().find(|(slot, _)| *slot == picked) {
            self.column_ui(ui, ctx, place, (*slot, run.as_ref()));
        }
    }

    /// The letter of a run, to pick it.
    fn letter_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot, is_picked: bool) {
        let text = egui::RichText::new(slot.letter()).color(ctx.theme.family(slot as usize));
        let response = ui.selectable_label(is_picked, text.strong());
        response.widget_info(|| {
            let label = format!("Run {}", slot.letter());
            egui::WidgetInfo::selected(egui::Role::Button, true, is_picked, label)
        });
        if response.clicked() {
            self.picked = Some(slot);
        }
    }

    fn column_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        place: Rect,
        (slot, run): (Slot, Option<&Result<TrainedRun, Problem>>),
    ) {
        let place = Rect::from_min_max(
            pos2(place.left().round(), place.top()),
            pos2(place.right().round(), place.bottom().max(place.top() + 1.0)),
        );
        let builder = UiBuilder::new().max_rect(place).id_salt(("run", slot as usize));
        ui.scope_builder(builder, |ui| {
            ui.set_clip_rect(ui.clip_rect().intersect(place.expand(space::S)));
            let (pane, knobs) = (&mut self.panes[slot as usize], &mut self.knobs);
            Column { slot, pane, knobs }.ui(ui, ctx, run);
        });
    }
}

/// Pauses or resumes all that goes on.
fn all_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let runs = ctx.session.runs();
    // Those without a slot as well: all are all.
    let live: Vec<_> = runs.iter().filter(|view| !view.state.is_over()).collect();
    if live.is_empty() {
        return;
    }
    let is_running = live.iter().any(|view| view.state == RunState::Running);
    let (text, control) =
        if is_running { ("Pause all", Control::Pause) } else { ("Resume all", Control::Resume) };
    let colors = &ctx.theme.colors;
    let label = egui::RichText::new(text).font(ctx.theme.small()).color(colors.on_gold);
    if ui.add(egui::Button::new(label).fill(colors.gold).small()).clicked() {
        for view in live {
            ctx.send(JobCommand::Control(view.id, control));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_tells_nothing_more_lets_the_window_rest() {
        for is_cpu_adapter in [false, true] {
            let awake = rest(QUIET, is_cpu_adapter);
            assert!(awake <= Duration::from_secs(5), "one that goes on is seen to");
            assert!(rest(QUIET + 1, is_cpu_adapter) >= 4 * awake);
        }
    }

    #[test]
    fn a_run_that_has_told_nothing_yet_is_news_when_it_is_first_seen() {
        let mut news = None;
        assert_eq!(quiet(&mut news, vec![(None, 0)], 120), 0, "whenever that is");
        assert_eq!(quiet(&mut news, vec![(None, 0)], 150), 30);
        assert_eq!(quiet(&mut news, vec![(None, 0), (None, 0)], 190), 0, "another one");
        assert_eq!(quiet(&mut news, vec![(None, 0), (None, 8)], 200), 0);
        assert_eq!(quiet(&mut news, vec![(None, 0), (None, 8)], 300), 100);
    }
}
