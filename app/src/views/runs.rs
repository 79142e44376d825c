//! Runs: all that were trained, here and before, and what can be done with them.

use super::view::View;
use crate::ctx::ViewCtx;
use crate::widgets::run_list;

const NONE: &str = "There are no runs yet. Train has recipes; the folder of a run that lies elsewhere can be opened or \
                    dropped on the window, and is listed then.";

/// The Runs view.
#[derive(Debug, Default)]
pub(super) struct RunsView;

impl View for RunsView {
    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            if let Some(place) = ctx.live.places.first() {
                let place = format!("In {}, and those elsewhere that were opened", place.display());
                ui.add(egui::Label::new(ctx.theme.label(place)).wrap());
                ui.add_space(crate::look::theme::space::S);
            }
            run_list::ui(ui, ctx, NONE);
        });
    }
}
