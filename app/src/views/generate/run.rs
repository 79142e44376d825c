//! What is done with a generation: begin, pause, step, cancel; how far it is.

use egui::{Button, RichText, Role, Sense, WidgetInfo, vec2};
use smalti_engine::session::{Control, RunId, RunState};

use crate::ctx::{Trace, ViewCtx};
use crate::document::{Asked, Generate, JobCommand};
use crate::look::theme::space;
use crate::look::words::{agreeing, counted};

/// A button that generates; gold, as it is what the view is for.
pub(in crate::views) fn gold(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    text: &str,
    can: bool,
) -> egui::Response {
    let colors = &ctx.theme.colors;
    let text = RichText::new(text).color(if can { colors.on_gold } else { colors.dim });
    let button = if can { Button::new(text).fill(colors.gold) } else { Button::new(text) };
    ui.add_enabled(can, button)
}

/// The buttons; `why` says why nothing can be generated now.
pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, asked: &Asked, why: Option<&str>) {
    let trace = ctx.trace();
    if let Some((trace, run)) = trace.and_then(|trace| Some((trace, trace.run()?))) {
        going_ui(ui, ctx, (trace, run));
        return;
    }
    let start = |asked: &Asked, waits: bool| {
        ctx.send(Generate::Start { asked: Box::new(asked.clone()), waits });
    };
    let about = "The same settings and seed give the same tokens (Ctrl+G)";
    let response = gold(ui, ctx, "Start", why.is_none());
    if response.on_hover_text(about).on_disabled_hover_text(why.unwrap_or_default()).clicked() {
        start(asked, false);
    }
    let about = "With the next seed (Ctrl+Shift+G)";
    let response = ui.add_enabled(why.is_none(), Button::new("Another"));
    let response = response.on_hover_text(about).on_disabled_hover_text(why.unwrap_or_default());
    if response.clicked() {
        start(&asked.reseeded(), false);
    }
    let is_cut = trace.filter(|trace| matches!(trace.state, RunState::Cancelled));
    if let Some(trace) = is_cut.filter(|trace| !trace.steps.is_empty()) {
        let is_same = *trace.asked == *asked;
        let (text, about) = if is_same {
            ("Go on", "From its last step, to the same tokens as without a break")
        } else {
            let about = "From its last step with the settings that it was begun with; undo brings the \
                         present ones back";
            ("Go on as begun", about)
        };
        if ui.button(text).on_hover_text(about).clicked() {
            start(&trace.asked, false);
        }
    } else {
        let about = "One step, then a pause";
        let response = ui.add_enabled(why.is_none(), Button::new("Step"));
        if response.on_hover_text(about).clicked() {
            start(asked, true);
        }
    }
}

fn going_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (trace, run): (&Trace, RunId)) {
    let mut control = |text: &str, about: &str, is_main: bool, control: Control| {
        let response = if is_main { gold(ui, ctx, text, true) } else { ui.button(text) };
        if response.on_hover_text(about).clicked() {
            ctx.send(JobCommand::Control(run, control));
        }
    };
    if trace.state == RunState::Paused {
        control("Resume", "Goes on from here", true, Control::Resume);
        control("Step", "One step, then a pause", false, Control::StepOnce);
    } else {
        control("Pause", "After the step that it is at", true, Control::Pause);
    }
    control("Cancel", "Ends it; the steps that are there stay", false, Control::Cancel);
}

/// How far it is, what it took.
pub(super) fn progress_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let Some(trace) = ctx.trace() else { return };
    let (done, planned) = (trace.steps.len(), (trace.planned as usize).max(trace.steps.len()));
    let part = done as f32 / planned.max(1) as f32;
    let size = vec2(ui.available_width(), 4.0);
    let (rail, response) = ui.allocate_exact_size(size, Sense::hover());
    let word = match &trace.state {
        RunState::Running => "generating",
        RunState::Paused => "paused",
        RunState::Done => "done",
        RunState::Cancelled => "cancelled",
        RunState::Failed(_) => "failed",
    };
    response.widget_info(|| {
        let label = format!("Generation {word}, {done} of {planned}");
        WidgetInfo::labeled(Role::ProgressIndicator, true, label)
    });
    ui.painter().rect_filled(rail, 2.0, colors.strong_line);
    let is_on = trace.state == RunState::Running;
    let color = if is_on { colors.gold } else { colors.faint };
    ui.painter().rect_filled(rail.with_max_x(rail.left() + rail.width() * part), 2.0, color);
    let last = trace.steps.last();
    let passes = last.map_or(0, |last| last.passes);
    let passes = format!("{passes} {}", agreeing(passes as usize, "pass", "passes"));
    // Time stands still in pictures that must come out the same.
    let seconds = if ctx.is_time_frozen { 0.0 } else { last.map_or(0.0, |last| last.seconds) };
    let words = format!("{word} · {} · {seconds:.2} s", counted(done, "step"));
    let label = ui.add(egui::Label::new(theme.caption_figures(words)).truncate());
    let about = "Sequences that went through the network: with guidance two a step";
    label.on_hover_text(about);
    let label = ui.add(egui::Label::new(theme.caption_figures(passes)).truncate());
    label.on_hover_text(about);
    if let RunState::Failed(problem) = &trace.state {
        let text = RichText::new(&problem.summary).color(colors.danger);
        ui.add(egui::Label::new(text).wrap());
        ui.add(egui::Label::new(theme.label(&problem.hint)).wrap());
    }
    ui.add_space(space::XS);
}
