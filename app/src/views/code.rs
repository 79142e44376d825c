//! Code: drawn when something is open.

use super::{View, ViewCtx, ViewId};

/// The Code view.
#[derive(Debug, Default)]
pub(super) struct CodeView;

impl View for CodeView {
    fn id(&self) -> ViewId {
        ViewId::Code
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        ui.centered_and_justified(|ui| {
            ui.label(ctx.theme.label("Pick a code in the grid or in the codebook"))
        });
    }
}
