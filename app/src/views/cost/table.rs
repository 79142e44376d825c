//! What each way costs at the grid that is looked at.

use egui::{Grid, RichText};
use smalti_engine::generators::{Cost, SHAPE, Writer};

use super::known::{Known, Quantity};
use crate::ctx::ViewCtx;
use crate::look::theme::space;
use crate::look::words::{grouped, large};

/// Draws it.
pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, known: &Known, side: usize) {
    let theme = ctx.theme;
    ui.label(RichText::new(format!("{side}×{side} tokens")).font(theme.heading()));
    let spacing = [2.0 * space::M, space::XS];
    Grid::new(ui.scope_id().with("costs")).spacing(spacing).show(ui, |ui| {
        // Called as in the bar, where more is said of each.
        ui.label("");
        for of in Quantity::ALL {
            ui.label(theme.label(of.label())).on_hover_text(of.about());
        }
        ui.end_row();
        for (number, writer) in Writer::ALL.into_iter().enumerate() {
            let cost = Cost::of(writer, side);
            ui.label(RichText::new(writer.name()).color(theme.family(number)));
            let attention = large(cost.operations(&SHAPE) as f64);
            let figures = [grouped(cost.tokens), grouped(cost.passes), attention];
            for figure in figures.into_iter().chain([known.seconds(writer, side)]) {
                ui.label(RichText::new(figure).font(theme.figures()));
            }
            ui.end_row();
        }
    });
}
