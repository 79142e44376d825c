//! Tokens: drawn when something is open.

use super::{View, ViewCtx, ViewId};

/// The Tokens view.
#[derive(Debug, Default)]
pub(super) struct TokensView;

impl View for TokensView {
    fn id(&self) -> ViewId {
        ViewId::Tokens
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        ui.centered_and_justified(|ui| {
            ui.label(ctx.theme.label("Drop an image on the window, or press Ctrl+O"))
        });
    }
}
