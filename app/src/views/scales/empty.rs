//! No tokens in scales are there: how to get some.

use egui::{Label, RichText};
use smalti_engine::questions::{ModelRef, ShippedGenerators, ShippedModels};

use crate::ctx::ViewCtx;
use crate::document::{Layout, Open, Slot, ViewId};
use crate::look::theme::space;

/// The tokenizer of scales, and the generator of its tokens, that come with Smalti.
const OURS: (&str, &str) = ("worlds-msvq", "worlds-var");

/// Draws it.
pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.set_max_width(ctx.theme.px(560.0).min(ui.available_width()));
        ui.add_space(space::S);
        ui.label(RichText::new("No tokens in scales are there").font(ctx.theme.heading()));
        let about = "A tokenizer of scales tells a picture from coarse to fine: one token for all of it, then \
                     four, then more, each scale what those before left out. VAR writes such tokens.";
        ui.add(Label::new(ctx.theme.label(about)).wrap());
        ui.add_space(space::S);
        ui.horizontal_wrapped(|ui| {
            let models = ctx.ask("shipped", &ShippedModels);
            let has = |names: Option<&std::sync::Arc<Vec<String>>>, name: &str| {
                names.is_some_and(|names| names.iter().any(|known| known == name))
            };
            if has(models.best(), OURS.0) && ui.button(format!("Use {}", OURS.0)).clicked() {
                ctx.send(Open::Model(Slot::A, ModelRef::Shipped(OURS.0.into())));
            }
            let generators = ctx.ask("shipped generators", &ShippedGenerators);
            let name = format!("Generate with {}", OURS.1);
            if has(generators.best(), OURS.1) && ui.button(name).clicked() {
                ctx.send(Open::Generator(ModelRef::Shipped(OURS.1.into())));
                ctx.send(Layout::Show(ViewId::Generate));
            }
        });
        if ctx.document.subject.is_none() {
            ui.add(Label::new(ctx.theme.label("Then pick an image in Dataset.")).wrap());
        }
    });
}
