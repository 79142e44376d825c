//! Nothing to see yet: no generator, one that cannot be opened, one that has generated nothing.

use egui::{Button, Label, RichText};
use smalti_engine::Problem;
use smalti_engine::questions::{ModelRef, OpenedPainter, ShippedGenerators};

use super::run::gold;
use super::{choices, problem};
use crate::ctx::ViewCtx;
use crate::document::{AppCommand, Asked, Generate, Open};
use crate::look::theme::space;
use crate::look::words::grouped;
use crate::widgets::{hatch, states};

const ABOUT: &str = "A generator is a network that writes tokens, which a tokenizer's decoder makes a picture of. \
                     Here it is seen at work, step by step, with what else it might have written.";

/// The lines below the grid have at least this width, before text is scaled.
const LEAST_LINE: f32 = 420.0;

/// The button that generates what was generated before.
const AGAIN: &str = "Write it again";

/// No generator is open.
pub(in crate::views) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.set_max_width(theme.px(560.0).min(ui.available_width()));
        ui.add_space(space::S);
        ui.label(RichText::new("No generator is open").font(theme.heading()));
        ui.add(Label::new(theme.label(ABOUT)).wrap());
        ui.add_space(space::S);
        let shipped = ctx.ask("shipped generators", &ShippedGenerators);
        let names = shipped.best().map(|names| names.to_vec()).unwrap_or_default();
        ui.horizontal_wrapped(|ui| {
            for (at, name) in names.iter().enumerate() {
                // One is offered first.
                let button = if at == 0 {
                    let text = RichText::new(name).color(colors.on_gold);
                    Button::new(text).fill(colors.gold)
                } else {
                    Button::new(name)
                };
                if ui.add(button).clicked() {
                    ctx.send(Open::Generator(ModelRef::Shipped(name.as_str().into())));
                }
            }
            if ui.button("Open a generator…").clicked() {
                ctx.send(AppCommand::AskFile);
            }
        });
        ui.add_space(space::S);
        let how = "The file of a generator can be dropped on the window. To train one on the tokens of a \
                   tokenizer, see the recipes worlds-maskgit, worlds-raster and worlds-var in Train.";
        ui.add(Label::new(theme.label(how)).wrap());
    });
}

/// It cannot be opened, or begin, and what can be done.
pub(in crate::views) fn problem_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (asked, problem): (&Asked, &Problem),
) {
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * 0.3);
        problem::told_ui(ui, ctx, (asked, problem));
        ui.menu_button("Another generator…", |ui| {
            choices::choices_ui(ui, ctx, Some(&asked.generator));
        });
    });
}

/// Nothing was generated yet: the grid as it will be at the beginning. Of what was generated before and is not known any
/// more it is said so, with a way to have it again.
pub(super) fn blank_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (asked, opened): (&Asked, &OpenedPainter),
) {
    let area = ui.available_rect_before_wrap();
    let config = opened.config();
    let Some(shape) = config.layout.last() else { return };
    let (rows, columns) = (shape.rows.max(1), shape.columns.max(1));
    let line = ctx.theme.px(48.0);
    let room = (area.size() - egui::vec2(0.0, line)).max(egui::vec2(16.0, 16.0));
    let cell = (room.x / columns as f32).min(room.y / rows as f32);
    let size = egui::vec2(cell * columns as f32, cell * rows as f32);
    let corner = area.center() - egui::vec2(size.x, size.y + line) / 2.0;
    let place = egui::Rect::from_min_size(corner.round(), size);
    let cells = (0..rows * columns).map(|at| {
        let at = egui::vec2((at % columns) as f32, (at / columns) as f32) * cell;
        egui::Rect::from_min_size(place.min + at, egui::vec2(cell, cell)).shrink(0.5)
    });
    hatch::cells(ui.painter(), ctx, cells, 1.0);
    // What it says is wider than a small grid.
    let wide = size.x.max(ctx.theme.px(LEAST_LINE)).min(area.width());
    let left = (place.center().x - wide / 2.0).clamp(area.left(), area.right() - wide);
    let below = egui::Rect::from_min_size(egui::pos2(left, place.bottom()), egui::vec2(wide, line));
    let words = config.words().replace(" x ", "×");
    let name = ctx.document.name_of(&asked.generator);
    let left = if ctx.document.generating.moment.is_some() {
        format!("{name}: the steps of what was written are not kept")
    } else {
        format!("{name}: nothing is generated yet")
    };
    let right =
        format!("{}, {words} tokens of {} codes", config.way.name(), grouped(config.codes.into()));
    states::caption_in_lines(ui, ctx, below, &left, &right);
    let Some(whole) = ctx.document.generating.whole() else { return };
    let size = egui::vec2(ctx.theme.px(160.0), ctx.theme.px(28.0));
    let button = egui::Rect::from_center_size(place.center(), size);
    let builder = egui::UiBuilder::new().max_rect(button).id_salt("again");
    let again = ui.scope_builder(builder, |ui| {
        ui.centered_and_justified(|ui| gold(ui, ctx, AGAIN, true)).inner
    });
    let about = "The same request gives the same tokens";
    if again.inner.on_hover_text(about).clicked() {
        let asked = Box::new(Asked::clone(whole));
        ctx.send(Generate::Start { asked, waits: false });
    }
}
