//! Why a generator cannot be opened, and what helps.

use egui::{Label, RichText};
use smalti_engine::Problem;

use super::choices;
use crate::ctx::ViewCtx;
use crate::document::{AllLost, Asked, Generate};
use crate::look::theme::space;
use crate::widgets::states;

/// What is wrong, and what helps.
pub(super) fn told_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (asked, problem): (&Asked, &Problem)) {
    let text = RichText::new(&problem.summary).color(ctx.theme.colors.danger);
    ui.add(Label::new(text).wrap());
    if !problem.hint.is_empty() {
        ui.add(Label::new(ctx.theme.label(&problem.hint)).wrap());
    }
    ui.add_space(space::S);
    if let Some(lost) = ctx.document.lost_by(problem) {
        states::find_ui(ui, ctx, (&lost, &AllLost::from([lost.clone()])));
    }
    let mut next = asked.clone();
    let choose = ui.menu_button("Decode by…", |ui| {
        choices::tokenizers_ui(ui, ctx, &mut next);
    });
    choose.response.on_hover_text("The tokenizer whose codes the generator writes");
    if next != *asked {
        ctx.send(Generate::Ask(Box::new(next)));
    }
}
