//! What a person can do with a run, and what went wrong with it.

use std::path::PathBuf;

use egui::{Button, RichText};
use smalti_engine::Problem;
use smalti_engine::session::{Control, RunId, RunState};
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

/// Something that can be done with a run.
enum Item {
    Control(&'static str, RunId, Control, &'static str),
    GoOn,
    Use(PathBuf),
    Forget,
    Way(Way),
    Knobs,
}

impl Item {
    fn text(&self) -> &'static str {
        match self {
            Self::Control(text, ..) => text,
            Self::GoOn => "Go on",
            Self::Use(_) => "Use",
            Self::Forget => "Forget",
            Self::Way(way) => way.verb,
            Self::Knobs => "Knobs",
        }
    }
}

/// Buttons in a row; with `knobs` also one that opens them. Those for which there is no room are in a menu.
pub(super) fn ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (slot, run): (Slot, &TrainedRun),
    mut knobs: Option<&mut Knobs>,
) {
    let items = items(slot, run, knobs.is_some());
    let room = ui.available_width();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = GAP;
        let padding = 2.0 * ui.spacing().button_padding.x + GAP;
        let width = |text: &str| {
            let font = egui::TextStyle::Button.resolve(ui.style());
            let galley = ui.painter().layout_no_wrap(text.to_owned(), font, egui::Color32::WHITE);
            galley.size().x + padding
        };
        let widths: Vec<f32> = items.iter().map(|item| width(item.text())).collect();
        let shown = fitting(&widths, (room, width("…")));
        for item in &items[..shown] {
            item_ui(ui, ctx, (slot, run), item, &mut knobs);
        }
        let rest = &items[shown..];
        if rest.is_empty() {
            return;
        }
        let more = egui::containers::menu::MenuButton::from_button(Button::new("…").small());
        let close = egui::PopupCloseBehavior::CloseOnClickOutside;
        let config = egui::containers::menu::MenuConfig::new().close_behavior(close);
        let (response, _) = more.config(config).ui(ui, |ui| {
            for item in rest {
                match item {
                    Item::Way(way) => way.menu_ui(ui, ctx, slot),
                    Item::Knobs => {
                        let menu = ui.menu_button(item.text(), |ui| {
                            knobs_ui(ui, ctx, (slot, run), &mut knobs);
                        });
                        named(menu.response, item.text(), slot);
                    }
                    item => item_ui(ui, ctx, (slot, run), item, &mut knobs),
                }
            }
        });
        named(response, "More of", slot);
    });
}

/// Between two buttons.
const GAP: f32 = 4.0;

/// How many of some buttons stand in a row: all if there is room, or else the first that leave room for a menu
/// of the rest, `menu` wide.
fn fitting(widths: &[f32], (room, menu): (f32, f32)) -> usize {
    // The last one has no gap behind it.
    if widths.iter().sum::<f32>() - GAP <= room {
        return widths.len();
    }
    let mut left = room + GAP - menu;
    widths
        .iter()
        .take_while(|width| {
            left -= **width;
            left >= 0.0
        })
        .count()
}

/// What can be done with a run, what is needed most first.
fn items(slot: Slot, run: &TrainedRun, has_knobs: bool) -> Vec<Item> {
    let mut items = Vec::new();
    let live = run.view.as_ref().filter(|view| !view.state.is_over());
    if let Some(view) = live {
        let id = view.id;
        items.push(if view.state == RunState::Paused {
            Item::Control("Resume", id, Control::Resume, "Goes on from here")
        } else {
            Item::Control("Pause", id, Control::Pause, "After the current step; all is kept")
        });
        let about = "One step, then a pause: what it did is told";
        items.push(Item::Control("Step", id, Control::StepOnce, about));
    } else {
        let record = &run.told.record;
        if !record.is_done() {
            items.push(Item::GoOn);
        }
        let model = record.model.clone();
        let model = model.or_else(|| run.folder.as_ref().map(|run| checkpoint(&run.folder)));
        // A classifier has no codes to be looked at.
        let is_tokenizer = record.curve("accuracy").is_none();
        items.extend(model.filter(|_| is_tokenizer).map(Item::Use));
        items.push(Item::Forget);
    }
    let mut ways = ways(slot, run).into_iter().map(Item::Way);
    items.extend(live.and_then(|_| ways.next()));
    if live.is_some() && has_knobs {
        items.push(Item::Knobs);
    }
    items.extend(ways);
    if let Some(view) = live {
        let about = "Ends it; what was learned is kept, and it can go on later";
        items.push(Item::Control("Stop", view.id, Control::Cancel, about));
    }
    items
}

fn item_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (slot, run): (Slot, &TrainedRun),
    item: &Item,
    knobs: &mut Option<&mut Knobs>,
) {
    match item {
        Item::Control(text, id, control, hint) => {
            if button(ui, (text, slot), hint) {
                ctx.send(JobCommand::Control(*id, *control));
            }
        }
        Item::GoOn => {
            let colors = &ctx.theme.colors;
            let text = RichText::new(item.text()).color(colors.on_gold);
            let response = ui.add(Button::new(text).fill(colors.gold).small());
            let about = "From its last checkpoint, to the same numbers";
            if named(response, item.text(), slot).on_hover_text(about).clicked() {
                ctx.send(JobCommand::GoOn(slot));
            }
        }
        Item::Use(model) => {
            if button(ui, (item.text(), slot), "As the tokenizer that all views look at") {
                ctx.send(Open::Path(model.clone()));
            }
        }
        Item::Forget => {
            let about = "The slot becomes free; the run's files stay";
            if button(ui, (item.text(), slot), about) {
                ctx.send(Open::NoRun(slot));
            }
        }
        Item::Way(way) => way.button_ui(ui, ctx, slot),
        Item::Knobs => {
            let response = named(ui.small_button("Knobs"), "Knobs", slot);
            egui::Popup::menu(&response)
                .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
                .show(|ui| knobs_ui(ui, ctx, (slot, run), knobs));
        }
    }
}

fn knobs_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (slot, run): (Slot, &TrainedRun),
    knobs: &mut Option<&mut Knobs>,
) {
    ui.set_width(ctx.theme.px(280.0));
    if let Some(knobs) = knobs {
        knobs.ui(ui, ctx, (slot, run));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_that_do_not_fit_leave_room_for_a_menu_of_them() {
        let widths = [50.0, 40.0, 60.0, 50.0];
        assert_eq!(fitting(&widths, (196.0, 30.0)), 4);
        assert_eq!(fitting(&widths, (195.0, 30.0)), 3);
        assert_eq!(fitting(&widths, (120.0, 30.0)), 2);
        assert_eq!(fitting(&widths, (20.0, 30.0)), 0, "all are in the menu");
    }
}
