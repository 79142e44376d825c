//! No run yet: what training is, and how to begin.

use egui::{Button, Label, RichText};
use smalti_engine::questions::ShippedRecipes;
use smalti_engine::session::Lane;

use crate::ctx::ViewCtx;
use crate::document::{AppCommand, JobCommand, Layout, RecipeRef};
use crate::look::theme::space;
use crate::widgets::run_list;

const ABOUT: &str = "A tokenizer learns from pictures: its encoder and decoder to bring them back, its codebook to \
                     have a code for what occurs. Here up to four runs are seen side by side while they do: how \
                     many codes they use, what they make of a few pictures, and what you turn on the way.";

pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.set_max_width(theme.px(560.0).min(ui.available_width()));
        ui.add_space(space::S);
        ui.label(RichText::new("Nothing is being trained").font(theme.heading()));
        ui.add(Label::new(theme.label(ABOUT)).wrap());
        ui.add_space(space::S);
        let text = RichText::new("See a codebook collapse, and its cure").color(colors.on_gold);
        // Until a run goes on there is nothing to be seen of it: a second click would start it twice.
        let preparing = ctx.live.preparing;
        let is_scene_free = !preparing.iter().any(|it| it.is_for_scene);
        let scene = Button::new(text).fill(colors.gold);
        if ui.add_enabled(is_scene_free, scene).clicked() {
            ctx.send(Layout::Scene("collapse".to_owned()));
        }
        ui.add_space(space::S);
        ui.label(theme.label("Or train by a recipe"));
        let recipes = ctx.session.ask(Lane::Now, &ShippedRecipes);
        ui.horizontal_wrapped(|ui| {
            for name in recipes.best().map(|names| names.as_slice()).unwrap_or_default() {
                let train = JobCommand::AskTrain(RecipeRef::Shipped(name.as_str().into()));
                let is_free = !preparing.iter().any(|it| it.asked == train);
                if ui.add_enabled(is_free, Button::new(format!("{name}…"))).clicked() {
                    ctx.send(train);
                }
            }
            if ui.button("A recipe of your own…").clicked() {
                ctx.send(AppCommand::AskFile);
            }
        });
        if !preparing.is_empty() {
            ui.label(theme.label("Its recipe and its pictures are being read…"));
        }
        let drop = "A recipe (.ron) can be dropped on the window; those in assets/recipes show every field";
        ui.add(Label::new(theme.label(drop)).wrap());
        ui.add_space(space::L);
        ui.label(RichText::new("Runs of before").font(theme.heading()));
        run_list::ui(ui, ctx, "There are none yet");
    });
}
