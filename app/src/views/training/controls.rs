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
    let is_enabled = response.enabled();
    response.widget_info(|| {
        let label = format!("{text} {}", slot.letter());
        egui::WidgetInfo::labeled(egui::Role::Button, is_enabled, label)
    });
    response
}

/// Below this width what is needed least goes into a menu, before text is scaled.
const ALL_BUTTONS: f32 = 376.0;

/// Buttons in a row; with `knobs` also one that opens them.
pub(super) fn ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (slot, run): (Slot, &TrainedRun),
    knobs: Option<&mut Knobs>,
) {
    let is_narrow = ui.available_width() < ctx.theme.px(ALL_BUTTONS);
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
        let ways = ways(slot, run);
        let (first, last) = ways.split_at(if is_narrow { 1 } else { ways.len() });
        for way in first {
            way.button_ui(ui, ctx, slot);
        }
        if let (Some(knobs), true) = (knobs, live.is_some()) {
            let response = named(ui.small_button("Knobs"), "Knobs", slot);
            egui::Popup::menu(&response)
                .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
                .show(|ui| {
                    ui.set_width(ctx.theme.px(280.0));
                    knobs.ui(ui, ctx, (slot, run));
                });
        }
        let stop = |ui: &mut egui::Ui| {
            let about = "Ends it; what was learned is kept, and it can go on later";
            if let Some(view) = live
                && button(ui, ("Stop", slot), about)
            {
                ctx.send(JobCommand::Control(view.id, Control::Cancel));
            }
        };
        if is_narrow && live.is_some() {
            let more = Button::new("…").small();
            let menu = egui::containers::menu::MenuButton::from_button(more);
            let (response, _) = menu.ui(ui, |ui| {
                for way in last {
                    way.menu_ui(ui, ctx, slot);
                }
                stop(ui);
            });
            named(response, "More of", slot);
        } else {
            stop(ui);
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

/// A place that a run can go to, or another one from.
struct Place {
    /// The kept checkpoint's step; none for the run's latest one.
    step: Option<u64>,
    /// What it is called.
    text: String,
    about: String,
}

/// Going back, or elsewhere: where to, each with what is sent for it.
struct Way {
    verb: &'static str,
    places: Vec<(Place, JobCommand)>,
}

/// Elsewhere, and back while a run goes on. Both are there from the beginning, so that no button moves when the
/// first checkpoint is kept.
fn ways(slot: Slot, run: &TrainedRun) -> Vec<Way> {
    let record = &run.told.record;
    let kept = |about: &dyn Fn(u64) -> String| -> Vec<Place> {
        let place = |step: &u64| Place {
            step: Some(*step),
            text: format!("step {}", grouped(*step)),
            about: about(*step),
        };
        record.kept.iter().rev().map(place).collect()
    };
    let mut ways = Vec::new();
    if let Some(view) = run.view.as_ref().filter(|view| !view.state.is_over()) {
        let places = kept(&|step| rewind_about(record, step));
        let to = |place: Place| Some((JobCommand::GoTo(view.id, place.step?), place));
        let places = places.into_iter().filter_map(to).map(|(command, place)| (place, command));
        ways.push(Way { verb: "Rewind", places: places.collect() });
    }
    let mut places =
        kept(&|step| format!("Another run from step {} on; this one stays", grouped(step)));
    places.splice(0..0, here(run));
    let from = |place: Place| {
        let command = JobCommand::Branch(slot, place.step);
        (place, command)
    };
    ways.push(Way { verb: "Branch", places: places.into_iter().map(from).collect() });
    ways
}

/// Where a run stands, if that is not one of the kept checkpoints: what it wrote when it began to wait.
fn here(run: &TrainedRun) -> Option<Place> {
    let record = &run.told.record;
    // After something went wrong what is on the disk is older than what is shown.
    let waits = run.view.as_ref().is_none_or(|view| {
        let is_well = !matches!(view.state, RunState::Running | RunState::Failed(_));
        is_well && view.problem.is_none()
    });
    let is_kept = record.kept.contains(&record.step);
    let is_saved = record.saved == record.step;
    (waits && is_saved && record.step > 0 && record.left.is_none() && !is_kept).then(|| Place {
        step: None,
        text: format!("step {}, where it stands", grouped(record.step)),
        about: "Another run from here on; this one stays".to_owned(),
    })
}

impl Way {
    /// A button that opens a menu.
    fn button_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot) {
        let button = ui.add_enabled(!self.places.is_empty(), Button::new(self.verb).small());
        let response = named(button, self.verb, slot);
        let response = response.on_disabled_hover_text("No checkpoint is kept yet");
        egui::Popup::menu(&response).show(|ui| self.places_ui(ui, ctx, slot));
    }

    /// The same within a menu.
    fn menu_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot) {
        ui.add_enabled_ui(!self.places.is_empty(), |ui| {
            let menu = ui.menu_button(self.verb, |ui| self.places_ui(ui, ctx, slot));
            named(menu.response, self.verb, slot);
        });
    }

    fn places_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot) {
        egui::ScrollArea::vertical().max_height(ctx.theme.px(260.0)).show(ui, |ui| {
            for (Place { text, about, .. }, command) in &self.places {
                let response = ui.button(text);
                response.widget_info(|| {
                    let label = format!("{} {} to {text}", self.verb, slot.letter());
                    egui::WidgetInfo::labeled(egui::Role::Button, true, label)
                });
                if response.on_hover_text(about).clicked() {
                    ctx.send(command.clone());
                    ui.close();
                }
            }
        });
    }
}

/// What a person loses by going back to a kept checkpoint.
pub(super) fn rewind_about(record: &Record, step: u64) -> String {
    let mut text = String::from("It waits there.");
    if step < record.furthest() {
        let after = grouped(step);
        text = format!("{text} When it goes on, what came after step {after} is forgotten.");
    }
    text.push_str(" Branch leaves this run as it is.");
    text
}

/// A run that went back says what it forgets when it goes on.
pub(super) fn left_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, run: &TrainedRun) {
    let record = &run.told.record;
    let is_waiting = run.view.as_ref().is_some_and(|view| view.state == RunState::Paused);
    let Some(left) = record.left.filter(|_| is_waiting) else { return };
    // What went wrong is nowhere on the disk.
    let is_kept = record.saved >= left;
    let (at, next, left) = (grouped(record.step), grouped(record.step + 1), grouped(left));
    let (what, them) = if next == left {
        (format!("step {left}"), "it")
    } else {
        (format!("steps {next} to {left}"), "them")
    };
    let branch = if is_kept { format!("; Branch keeps {them}") } else { String::new() };
    let text = format!("Going on from step {at} forgets {what}{branch}");
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
    let live = run.view.as_ref().filter(|view| view.problem.is_some() && record.is_broken);
    let good = record.kept.iter().rev().find(|step| **step <= record.step);
    if let (Some(view), Some(step)) = (live, good) {
        let text = format!("Go back to step {}", grouped(*step));
        let about = format!(
            "What was learned since step {} is gone: it led there. {} Turn a knob before it goes on",
            grouped(*step),
            rewind_about(record, *step)
        );
        if button(ui, (&text, slot), &about) {
            ctx.send(JobCommand::GoTo(view.id, *step));
        }
    }
}
