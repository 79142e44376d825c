//! Compare: drawn when something is open.

use super::{View, ViewCtx, ViewId};

/// The Compare view.
#[derive(Debug, Default)]
pub(super) struct CompareView;

impl View for CompareView {
    fn id(&self) -> ViewId {
        ViewId::Compare
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        ui.centered_and_justified(|ui| {
            ui.label(ctx.theme.label("Drop an image on the window, or press Ctrl+O"))
        });
    }
}
