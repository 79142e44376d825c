//! Dataset: drawn when something is open.

use super::{View, ViewCtx, ViewId};

/// The Dataset view.
#[derive(Debug, Default)]
pub(super) struct DatasetView;

impl View for DatasetView {
    fn id(&self) -> ViewId {
        ViewId::Dataset
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        ui.centered_and_justified(|ui| ui.label(ctx.theme.label("Open a folder of images")));
    }
}
