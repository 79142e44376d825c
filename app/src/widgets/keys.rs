//! Whose the keys are while something has the focus.

use egui::{Popup, Response, Ui};

/// Whether something has the focus and the keys with it: a menu that is open has them alone, also one of this very
/// thing.
pub fn has_keys(ui: &Ui, response: &Response) -> bool {
    response.has_focus() && !Popup::is_any_open(ui.ctx())
}
