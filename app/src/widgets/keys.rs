//! Whose the keys are while something has the focus, and what was held with them.

use egui::{Event, Modifiers, Popup, Response, Ui};

/// Whether something has the focus and the keys with it: a menu that is open has them alone, also one of this very
/// thing.
pub fn has_keys(ui: &Ui, response: &Response) -> bool {
    response.has_focus() && !Popup::is_any_open(ui.ctx())
}

/// What was held as a key went down or a button of the mouse did something, the last one of this frame; without
/// either what is held now. A slow frame sees a key pressed and let go at once: at its end nothing is held any more.
pub fn held(ui: &Ui) -> Modifiers {
    let of = |event: &Event| match event {
        Event::Key { pressed: true, modifiers, .. } | Event::PointerButton { modifiers, .. } => {
            Some(*modifiers)
        }
        _ => None,
    };
    ui.input(|input| input.events.iter().rev().find_map(of).unwrap_or(input.modifiers))
}
