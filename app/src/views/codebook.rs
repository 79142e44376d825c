//! Codebook: drawn when something is open.

use super::{View, ViewCtx, ViewId};

/// The Codebook view.
#[derive(Debug, Default)]
pub(super) struct CodebookView;

impl View for CodebookView {
    fn id(&self) -> ViewId {
        ViewId::Codebook
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        ui.centered_and_justified(|ui| {
            ui.label(ctx.theme.label("Open an image to see which codes it uses"))
        });
    }
}
