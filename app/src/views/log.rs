//! Log: every notice of this sitting, newest first.

use super::{View, ViewCtx, ViewId};

/// The Log view.
#[derive(Debug, Default)]
pub(super) struct LogView;

impl View for LogView {
    fn id(&self) -> ViewId {
        ViewId::Log
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        for notice in ctx.notices.list().iter().rev() {
            ui.label(&notice.summary);
        }
    }
}
