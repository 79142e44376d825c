//! What every view can do.

use crate::ctx::ViewCtx;

/// A dockable panel.
pub trait View {
    /// Title of its tab where it is not the view's own name ("Code 417").
    fn title(&self, _ctx: &ViewCtx<'_>) -> Option<String> {
        None
    }

    /// Small controls or figures at the right end of the tab bar, drawn from left to right.
    fn bar_ui(&mut self, _ui: &mut egui::Ui, _ctx: &ViewCtx<'_>) {}

    /// Draws it. Called only while it is visible.
    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>);
}
