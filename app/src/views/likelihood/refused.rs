//! The tokens at hand are not those of the generator: why, and what makes them fit.

use egui::{Label, RichText};
use smalti_engine::images::WorkingSize;

use crate::ctx::ViewCtx;
use crate::document::{Open, Slot};
use crate::look::theme::space;

/// Draws it.
pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, why: &str) {
    let Some(opened) = ctx.generator().and_then(|reply| reply.best().cloned()) else { return };
    let known = ctx.known();
    let own = known.as_ref().map(|facts| facts.token_hash.as_str());
    let is_others = opened.maker.token_hash.as_deref().is_some_and(|hash| own != Some(hash));
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * 0.3);
        let text = format!("These tokens have no bits here: {why}");
        ui.add(Label::new(RichText::new(text).color(ctx.theme.colors.danger)).wrap());
        ui.add_space(space::S);
        if let Some(tokenizer) = opened.tokenizer.clone().filter(|_| is_others) {
            let use_it = ui.button(format!("Use {}", ctx.document.name_of(&tokenizer)));
            let about = "The picture becomes tokens of the generator's own tokenizer";
            if use_it.on_hover_text(about).clicked() {
                ctx.send(Open::Model(Slot::A, tokenizer));
            }
            return;
        }
        let factor = known.as_ref().map_or(0, |facts| facts.facts.factor);
        let finest = opened.config().layout.last().filter(|part| part.rows == part.columns);
        let side = finest.map_or(0, |part| (part.rows * factor) as u32);
        let is_other = side > 0 && side != ctx.document.size.side;
        if is_other && ctx.document.image().is_some() {
            let about = "The size of picture that the generator has learned";
            let size = ui.button(format!("Work at {side} pixels")).on_hover_text(about);
            if size.clicked() {
                ctx.send(Open::Size(WorkingSize::square(side, 1)));
            }
        }
    });
}
