//! What a person can do with a run, and what went wrong with it.

use egui::{Button, RichText};
use smalti_engine::Problem;
use smalti_engine::session::{Control, RunState};
use smalti_engine::training::checkpoint;

use super::knobs::Knobs;
use crate::ctx::{TrainedRun, ViewCtx};
use crate::document::{JobCommand, Open, Slot};
use crate::look::words::grouped;
use crate::runs::Record;

/// A button with the run in its name, as several columns have the same.
fn button(ui: &mut egui::Ui, (text, slot): (&str, Slot), hint: &str) -> bool {
    named(ui.small_button(text), text, slot).on_hover_text(hint).clicked()
}

fn named(response: egui::Response, text: &str, slot: Slot) -> egui::Response {
    response.widget_info(|| {
        let label = format!("{text} {}", slot.letter());
        egui::WidgetInfo::labeled(egui::Role::Button, true, label)
    });
    response
}

/// Buttons in a row; with `knobs` also one that opens them.
pub(super) fn ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (slot, run): (Slot, &TrainedRun),
    knobs: Option<&mut Knobs>,
) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let live = run.view.as_ref().filter(|view| !view.state.is_over());
        if let Some(view) = live {
            let id = view.id;
            let control = |ui: &mut egui::Ui, text: &str, control: Control, hint: &str| {
                if button(ui, (text, slot), hint) {
                    ctx.send(JobCommand::Control(id, control));
                }
            };
            if view.state == RunState::Paused {
                control(ui, "Resume", Control::Resume, "Goes on from here");
            } else {
                control(ui, "Pause", Control::Pause, "After the current step; all is kept");
            }
            let about = "One step, then a pause: what it did is told";
            control(ui, "Step", Control::StepOnce, about);
        } else {
            self::over_ui(ui, ctx, slot, run);
        }
        ways_ui(ui, ctx, slot, run);
        if let (Some(knobs), true) = (knobs, live.is_some()) {
            let response = named(ui.small_button("Knobs"), "Knobs", slot);
            egui::Popup::menu(&response)
                .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
                .show(|ui| {
                    ui.set_width(ctx.theme.px(280.0));
                    knobs.ui(ui, ctx, (slot, run));
                });
        }
        if let Some(view) = live
            && button(
                ui,
                ("Stop", slot),
                "Ends it; what was learned is kept, and it can go on later",
            )
        {
            ctx.send(JobCommand::Control(view.id, Control::Cancel));
        }
    });
}

/// What can be done with a run that does not go on.
fn over_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot, run: &TrainedRun) {
    let record = &run.told.record;
    let colors = &ctx.theme.colors;
    if !record.is_done() {
        let text = RichText::new("Go on").color(colors.on_gold);
        let response = ui.add(Button::new(text).fill(colors.gold).small());
        let about = "From its last checkpoint, to the same numbers";
        if named(response, "Go on", slot).on_hover_text(about).clicked() {
            ctx.send(JobCommand::GoOn(slot));
        }
    }
    let model = record.model.clone();
    let model = model.or_else(|| run.folder.as_ref().map(|run| checkpoint(&run.folder)));
    // A classifier has no codes to be looked at.
    let is_tokenizer = record.curve("accuracy").is_none();
    if let Some(model) = model.filter(|_| is_tokenizer)
        && button(ui, ("Use", slot), "As the tokenizer that all views look at")
    {
        ctx.send(Open::Path(model));
    }
    if button(ui, ("Forget", slot), "The slot becomes free; the run's files stay") {
        ctx.send(Open::NoRun(slot));
    }
}

/// Back, and elsewhere.
fn ways_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot, run: &TrainedRun) {
    let record = &run.told.record;
    if record.kept.is_empty() {
        return;
    }
    let live = run.view.as_ref().filter(|view| !view.state.is_over());
    let menu =
        |ui: &mut egui::Ui, text: &str, about: &dyn Fn(u64) -> String, send: &dyn Fn(u64)| {
            let response = named(ui.small_button(text), text, slot);
            egui::Popup::menu(&response).show(|ui| {
                egui::ScrollArea::vertical().max_height(ctx.theme.px(260.0)).show(ui, |ui| {
                    for step in record.kept.iter().rev() {
                        let label = format!("{text} {} to step {}", slot.letter(), grouped(*step));
                        let response = ui.button(format!("step {}", grouped(*step)));
                        response.widget_info(|| {
                            egui::WidgetInfo::labeled(egui::Role::Button, true, &label)
                        });
                        let about = about(*step);
                        if response.on_hover_text(about).clicked() {
                            send(*step);
                            ui.close();
                        }
                    }
                });
            });
        };
    if let Some(view) = live {
        let about = |step| rewind_about(record, step);
        menu(ui, "Rewind", &about, &|step| ctx.send(JobCommand::GoTo(view.id, step)));
    }
    let about = |step| format!("Another run from step {} on; this one stays", grouped(step));
    menu(ui, "Branch", &about, &|step| ctx.send(JobCommand::Branch(slot, Some(step))));
}

/// What a person loses by going back to a kept checkpoint.
pub(super) fn rewind_about(record: &Record, step: u64) -> String {
    let mut text = String::from("It waits there.");
    if step < record.furthest() {
        let after = grouped(step);
        text = format!("{text} When it goes on, what came after step {after} is forgotten.");
    }
    // What stands between two kept checkpoints is in memory alone.
    let kept = record.kept.iter().rev().find(|kept| **kept <= record.step);
    if let Some(kept) = kept.filter(|kept| **kept < record.step) {
        let kept = grouped(*kept);
        text = format!("{text} What was learned since step {kept}, kept last, is gone at once.");
    }
    text.push_str(" Branch leaves this run as it is.");
    text
}

/// A run that went back says what it forgets when it goes on.
pub(super) fn left_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, run: &TrainedRun) {
    let record = &run.told.record;
    let is_waiting = run.view.as_ref().is_some_and(|view| view.state == RunState::Paused);
    let Some(left) = record.left.filter(|_| is_waiting) else { return };
    let (at, next, left) = (grouped(record.step), grouped(record.step + 1), grouped(left));
    let text = if next == left {
        format!("Going on from step {at} forgets step {left}; Branch keeps it")
    } else {
        format!("Going on from step {at} forgets steps {next} to {left}; Branch keeps them")
    };
    ui.add(egui::Label::new(ctx.theme.label(&text)).wrap());
}

/// What went wrong, and what to do.
pub(super) fn problem_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot, run: &TrainedRun) {
    let record = &run.told.record;
    let of_run: Option<&Problem> = run.view.as_ref().and_then(|view| match &view.state {
        RunState::Failed(problem) => Some(problem),
        _ => view.problem.as_ref(),
    });
    let Some(problem) = of_run.or(record.refused.as_ref()) else { return };
    let danger = ctx.theme.colors.danger;
    ui.add(egui::Label::new(RichText::new(&problem.summary).color(danger)).wrap());
    if !problem.hint.is_empty() {
        ui.add(egui::Label::new(ctx.theme.label(&problem.hint)).wrap());
    }
    // A loss that is no number: back to where all was well.
    let live = run.view.as_ref().filter(|view| view.problem.is_some());
    let good = record.kept.iter().rev().find(|step| **step <= record.step);
    if let (Some(view), Some(step)) = (live, good) {
        let text = format!("Go back to step {}", grouped(*step));
        let about = format!("{} Turn a knob before it goes on", rewind_about(record, *step));
        if button(ui, (&text, slot), &about) {
            ctx.send(JobCommand::GoTo(view.id, *step));
        }
    }
}
