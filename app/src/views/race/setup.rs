//! What is raced: start and cancel, class, seed, and which generator stands in a lane.

use egui::{Align, DragValue, Label, Layout, RichText, Role, UiBuilder, WidgetInfo};
use smalti_engine::questions::ModelRef;
use smalti_engine::session::Control;

use super::super::generate::{class_ui, gold, named, short};
use super::draw::Stage;
use super::lane::Lane;
use super::places::Place;
use crate::ctx::{Trace, ViewCtx};
use crate::document::{AppCommand, JobCommand, OURS, Race, Raced, Racing};
use crate::look::theme::space;

/// Start or cancel, and what it is of.
pub(super) fn row_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (next, lanes): (&Raced, &[Lane<'_>]),
    stage: &Stage,
) {
    ui.horizontal_centered(|ui| {
        let running = lanes.iter().find_map(|lane| lane.trace.and_then(Trace::run));
        match (running, stage) {
            (Some(run), _) => {
                let about = "Ends it; what is there of each lane stays";
                if ui.button("Cancel the race").on_hover_text(about).clicked() {
                    ctx.send(JobCommand::Control(run, Control::Cancel));
                }
            }
            (None, Stage::Measured { .. }) => {
                ui.add_enabled(false, egui::Button::new("Cancel the race"));
            }
            (None, _) => start_ui(ui, ctx, (next, lanes), matches!(stage, Stage::Ready { .. })),
        }
        // A hall needs no more.
        if ctx.is_presented() {
            return;
        }
        let race = &ctx.document.race;
        let mut asked = race.clone();
        if let Some(painter) = lanes.iter().find_map(Lane::painter) {
            class_ui(ui, &mut asked.class, painter.config(), &short);
        }
        ui.label(ctx.theme.label("seed"));
        let seed = ui.add(DragValue::new(&mut asked.seed).speed(0.2));
        named(&seed, "Seed of the race", asked.seed as f64);
        if ui.small_button("+1").on_hover_text("The next seed, without a start yet").clicked() {
            asked.seed = asked.seed.wrapping_add(1);
        }
        if (&asked.class, asked.seed) != (&race.class, race.seed) {
            set(ctx, race.with(|race| (race.class, race.seed) = (asked.class, asked.seed)));
        }
        let about = "Guidance, temperature, top-k, top-p and MaskGIT's steps are those of Generate, the same for all";
        let words = Label::new(ctx.theme.label("drawn as set in Generate")).truncate();
        ui.add(words).on_hover_text(about);
    });
}

fn set(ctx: &ViewCtx<'_>, race: Race) {
    ctx.send(Racing::Set(Box::new(race)));
}

fn start_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (next, lanes): (&Raced, &[Lane<'_>]),
    is_first: bool,
) {
    let why = if next.lanes().next().is_none() {
        Some("Choose a generator for a lane first")
    } else if lanes.iter().any(Lane::is_opening) {
        Some("A generator is still being opened")
    } else {
        None
    };
    let text = if is_first { "Start the race" } else { "Race again" };
    let about = "All lanes are measured, then played on a common clock (Ctrl+Shift+Enter)";
    let response = gold(ui, ctx, text, why.is_none()).on_hover_text(about);
    if response.on_disabled_hover_text(why.unwrap_or_default()).clicked() {
        ctx.send(Racing::Start(Box::new(next.clone())));
    }
}

/// The line above a lane: its number and way, and the generator, which can be another one.
pub(super) fn head_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    place: &Place,
    (lane, stage, shipped): (&Lane<'_>, &Stage, &[String]),
) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let is_bet = stage.bet() == Some(lane.number);
    let builder = UiBuilder::new()
        .max_rect(place.head)
        .id_salt("head")
        .layout(Layout::right_to_left(Align::Center));
    ui.scope_builder(builder, |ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        if !ctx.is_presented() {
            let name = |generator: &ModelRef| ctx.document.name_of(generator);
            let label = lane.generator.as_ref().map_or("choose…".to_owned(), name);
            let menu = ui.menu_button("…", |ui| choices_ui(ui, ctx, lane, shipped));
            menu.response.widget_info(|| {
                let name = format!("Generator of lane {}, {label}", lane.number + 1);
                WidgetInfo::labeled(Role::Button, true, name)
            });
            menu.response.on_hover_text(format!("{label}: another generator for this lane"));
        }
        if is_bet {
            ui.label(RichText::new("your bet").font(theme.small()).color(colors.gold));
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let number = RichText::new(format!("{}", lane.number + 1)).font(theme.strong());
            ui.label(number.color(theme.family(lane.number)));
            let name = Label::new(RichText::new(&lane.name).font(theme.strong())).truncate();
            ui.add(name);
        });
    });
}

/// The generators that are at hand.
fn choices_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, lane: &Lane<'_>, shipped: &[String]) {
    if !shipped.iter().any(|name| name == OURS[lane.number]) {
        ui.label(ctx.theme.label(format!("{} is not here", OURS[lane.number])));
    }
    let shipped = shipped.iter().map(|name| ModelRef::Shipped(name.as_str().into()));
    let opened = ctx.document.generating.opened.iter().cloned();
    for generator in shipped.chain(opened) {
        let is_now = lane.generator.as_ref() == Some(&generator);
        if ui.selectable_label(is_now, ctx.document.name_of(&generator)).clicked() {
            ctx.send(Racing::ChooseAgain(lane.number, generator));
            ui.close();
        }
    }
    if ui.button("Open a generator…").clicked() {
        ctx.send(AppCommand::AskFile);
        ui.close();
    }
}
