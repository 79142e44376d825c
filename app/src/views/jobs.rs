//! Jobs: what is running, how far it is, and how to pause, step or cancel it; and what is counted over a whole set.

use egui::{Sense, vec2};
use smalti_engine::questions::{CodeUse, Sample};
use smalti_engine::session::{Control, Lane, Reply, RunState, RunView};

use super::view::View;
use crate::ctx::{ViewCtx, set_name};
use crate::document::{JobCommand, Look, Open, RunFolder, Slot};
use crate::look::theme::space;
use crate::look::words::{duration, name};

/// How often it is said how far the counting is.
const COUNTING: std::time::Duration = std::time::Duration::from_millis(400);

/// The Jobs view.
#[derive(Debug, Default)]
pub(super) struct JobsView;

impl View for JobsView {
    fn title(&self, ctx: &ViewCtx<'_>) -> Option<String> {
        let open = ctx.open_jobs();
        (open > 0).then(|| format!("Jobs {open}"))
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let runs = ctx.session.runs();
        let waiting = waiting(ctx, &runs);
        let counts = ctx.live.counts.all();
        if runs.is_empty() && waiting.is_empty() && counts.is_empty() {
            ui.label(ctx.theme.label("Nothing is running"));
            return;
        }
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            for (number, count) in counts.iter().enumerate() {
                ui.push_id(("count", number), |ui| count_ui(ui, ctx, count));
                ui.add_space(space::S);
            }
            for run in runs.iter().rev() {
                ui.push_id(run.id, |ui| run_ui(ui, ctx, run));
                ui.add_space(space::S);
            }
            for (slot, run) in waiting {
                waiting_ui(ui, ctx, slot, run);
                ui.add_space(space::S);
            }
        });
    }
}

/// What is counted over a whole set.
fn count_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, count: &CodeUse) {
    let Sample::Set { model, sample, .. } = &count.sample else { return };
    let set = set_name(&sample.source);
    let part = count.scope.part;
    let part = part.map_or(String::new(), |part| format!(", part {} alone", part + 1));
    let title = format!("count all of {set} by {}{part}", ctx.document.name_of(model));
    ui.horizontal(|ui| {
        ui.label(egui::RichText::new(&title).font(ctx.theme.strong()));
        ui.label(ctx.theme.label("running"));
    });
    let progress = match ctx.session.ask(Lane::Later, count) {
        Reply::Working { progress, .. } => progress.unwrap_or(0.0),
        Reply::Ready(_) | Reply::Failed(_) => 1.0,
    };
    rail_ui(ui, ctx, (&title, progress, true));
    ui.horizontal(|ui| {
        ui.label(ctx.theme.caption_figures(format!("{:3.0} %", progress * 100.0)));
        let response = ui.small_button("Stop");
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Stop {title}"))
        });
        let about = "Views show the sample of the set again, as before all was to be counted";
        if response.on_hover_text(about).clicked() {
            ctx.send(Look::WholeSet(false));
        }
    });
    // Nothing else asks for a frame while it counts.
    ui.ctx().request_repaint_after(COUNTING);
}

/// How far something is, as a line.
fn rail_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (title, done, is_active): (&str, f32, bool)) {
    let theme = ctx.theme;
    let (rail, response) = ui
        .allocate_exact_size(vec2(ui.available_width().min(theme.px(520.0)), 4.0), Sense::hover());
    response.widget_info(|| {
        let label = format!("{title}: {:.0} %", done * 100.0);
        egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, label)
    });
    ui.painter().rect_filled(rail, 2.0, theme.colors.strong_line);
    let color = if is_active { theme.colors.gold } else { theme.colors.faint };
    let part = rail.with_max_x(rail.left() + rail.width() * done);
    ui.painter().rect_filled(part, 2.0, color);
}

/// The document's runs that nothing works on: of an earlier sitting, cancelled or failed.
fn waiting<'a>(ctx: &ViewCtx<'a>, runs: &[RunView]) -> Vec<(Slot, &'a RunFolder)> {
    let is_live = |folder: &RunFolder| {
        let id = ctx.live.runs.get(&folder.folder);
        let run = id.and_then(|id| runs.iter().find(|run| run.id == *id));
        run.is_some_and(|run| !run.state.is_over() || run.state == RunState::Done)
    };
    let slots = Slot::ALL.into_iter().zip(&ctx.document.runs);
    let there = slots.filter_map(|(slot, run)| Some((slot, run.as_ref()?)));
    there.filter(|(_, run)| !is_live(run)).collect()
}

fn waiting_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot, run: &RunFolder) {
    let what = name(&run.folder);
    ui.horizontal(|ui| {
        ui.label(egui::RichText::new(&what).font(ctx.theme.strong()));
        ui.label(ctx.theme.label(format!("run {}, not going on", slot.letter())));
    });
    ui.horizontal(|ui| {
        let mut button = |text: &str, hint: &str| {
            let response = ui.small_button(text).on_hover_text(hint);
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, true, format!("{text} {what}"))
            });
            response.clicked()
        };
        if button("Go on", "From its last checkpoint, to the same numbers") {
            ctx.send(JobCommand::GoOn(slot));
        }
        if button("Forget", "The slot becomes free; the run's files stay") {
            ctx.send(Open::NoRun(slot));
        }
    });
}

fn run_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, run: &RunView) {
    let (theme, title) = (ctx.theme, ctx.run_title(run));
    ui.horizontal(|ui| {
        ui.label(egui::RichText::new(&title).font(theme.strong()));
        ui.label(theme.label(state(run)));
    });
    let is_active = run.state == RunState::Running;
    rail_ui(ui, ctx, (&title, run.progress.unwrap_or(0.0), is_active));
    ui.horizontal(|ui| {
        ui.label(theme.caption_figures(figures(run)));
        if !run.state.is_over() {
            controls_ui(ui, ctx, (run, &title));
        }
    });
}

fn state(run: &RunView) -> String {
    match &run.state {
        RunState::Running => "running".to_owned(),
        RunState::Paused => match &run.problem {
            Some(problem) => format!("paused: {problem}"),
            None => "paused".to_owned(),
        },
        RunState::Done => "done".to_owned(),
        RunState::Cancelled => "cancelled".to_owned(),
        RunState::Failed(problem) => problem.to_string(),
    }
}

fn figures(run: &RunView) -> String {
    let mut parts = Vec::new();
    if let Some(progress) = run.progress {
        parts.push(format!("{:3.0} %", progress * 100.0));
    }
    if !run.rate.is_empty() {
        parts.push(run.rate.clone());
    }
    parts.push(duration(run.seconds));
    if let (Some(left), false) = (run.seconds_left, run.state.is_over()) {
        parts.push(format!("{} left", duration(left)));
    }
    parts.join(" · ")
}

fn controls_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (run, title): (&RunView, &str)) {
    let mut button = |text: &str, control: Control| {
        let response = ui.small_button(text);
        response.widget_info(|| {
            let label = format!("{text} {title}");
            egui::WidgetInfo::labeled(egui::Role::Button, true, label)
        });
        if response.clicked() {
            ctx.send(JobCommand::Control(run.id, control));
        }
    };
    if run.state == RunState::Paused {
        button("Resume", Control::Resume);
        button("Step", Control::StepOnce);
    } else {
        button("Pause", Control::Pause);
    }
    button("Cancel", Control::Cancel);
}
