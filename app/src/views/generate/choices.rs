//! What can be chosen: generators, and the tokenizers that decode what they write.

use smalti_engine::questions::{ModelRef, ShippedGenerators, ShippedModels};

use crate::ctx::ViewCtx;
use crate::document::{AppCommand, Asked, Open};

/// The generators that are at hand.
pub(super) fn choices_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, now: Option<&ModelRef>) {
    let shipped = ctx.ask("shipped generators", &ShippedGenerators);
    let shipped = shipped.best().into_iter().flat_map(|names| names.iter());
    let shipped = shipped.map(|name| ModelRef::Shipped(name.as_str().into()));
    let opened = ctx.document.generating.opened.iter().cloned();
    for generator in shipped.chain(opened) {
        let is_now = now == Some(&generator);
        let choice = ui.selectable_label(is_now, ctx.document.name_of(&generator));
        let choice = match &generator {
            ModelRef::File { path, .. } => choice.on_hover_text(path.display().to_string()),
            ModelRef::Shipped(_) => choice,
        };
        if choice.clicked() {
            ctx.send(Open::generator(generator));
            ui.close();
        }
    }
    if ui.button("Open a generator…").clicked() {
        ctx.send(AppCommand::AskFile);
        ui.close();
    }
}

/// Tokenizers that may decode.
pub(super) fn tokenizers_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, next: &mut Asked) {
    let mut choice = |ui: &mut egui::Ui, label: &str, model: Option<ModelRef>| {
        if ui.selectable_label(next.tokenizer == model, label).clicked() {
            next.tokenizer = model;
            ui.close();
        }
    };
    choice(ui, "its own", None);
    let shipped = ctx.ask("shipped", &ShippedModels);
    for name in shipped.best().into_iter().flat_map(|names| names.iter()) {
        choice(ui, name, Some(ModelRef::Shipped(name.as_str().into())));
    }
    for model in ctx.document.opened.models.iter() {
        choice(ui, &ctx.document.name_of(model), Some(model.clone()));
    }
}
