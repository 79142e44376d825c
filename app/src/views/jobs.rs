//! Jobs: what is running, how far it is, and how to pause, step or cancel it.

use egui::{Sense, vec2};
use smalti_engine::session::{Control, RunState, RunView};

use super::view::View;
use crate::ctx::ViewCtx;
use crate::document::{JobCommand, Open, RunFolder, Slot};
use crate::look::theme::space;
use crate::look::words::{duration, name};

/// The Jobs view.
#[derive(Debug, Default)]
pub(super) struct JobsView;

impl View for JobsView {
    fn title(&self, ctx: &ViewCtx<'_>) -> Option<String> {
        let running = ctx.session.runs().iter().filter(|run| !run.state.is_over()).count();
        (running > 0).then(|| format!("Jobs {running}"))
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let runs = ctx.session.runs();
        let waiting = waiting(ctx, &runs);
        if runs.is_empty() && waiting.is_empty() {
            ui.label(ctx.theme.label("Nothing is running"));
            return;
        }
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
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
    let (rail, response) = ui
        .allocate_exact_size(vec2(ui.available_width().min(theme.px(520.0)), 4.0), Sense::hover());
    let percent = run.progress.unwrap_or(0.0);
    response.widget_info(|| {
        let label = format!("{title}: {:.0} %", percent * 100.0);
        egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, label)
    });
    ui.painter().rect_filled(rail, 2.0, theme.colors.strong_line);
    let mut done = rail;
    done.set_width(rail.width() * percent);
    let active = run.state == RunState::Running;
    let color = if active { theme.colors.gold } else { theme.colors.faint };
    ui.painter().rect_filled(done, 2.0, color);
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
