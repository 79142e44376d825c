//! Jobs: what is running, how far it is, and how to pause, step or cancel it.

use super::{View, ViewCtx, ViewId};

/// The Jobs view.
#[derive(Debug, Default)]
pub(super) struct JobsView;

impl View for JobsView {
    fn id(&self) -> ViewId {
        ViewId::Jobs
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        for run in ctx.session.runs() {
            ui.label(run.title);
        }
    }
}
