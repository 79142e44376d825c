//! Whose the keys are: what floats over the views has them alone, and a menu while it is open.

use egui::Event;

use crate::document::ViewId;

/// Whose the keys of a frame are, as things stand at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum KeysOf {
    /// The views' and all actions'.
    #[default]
    Window,
    /// A menu's that is open.
    Menu,
    /// The palette's: the keys that opened it close it.
    Palette,
    /// Those of a dialog that is only read: the keys that opened it close it.
    Reading,
    /// A question's.
    Question,
}

/// Whose the keys are, and what is typed.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    /// Whose the keys of this frame are.
    pub(super) keys_of: KeysOf,
    /// The view that was asked for by its key: it takes the keyboard when it is drawn next.
    pub(super) focus: Option<ViewId>,
    /// Whether something was being typed at the end of the last frame.
    pub(super) was_typing: bool,
}

/// Puts held keys back, for what floats over the views.
pub(super) fn give_back(ctx: &egui::Context, held: Vec<Event>) {
    ctx.input_mut(|input| input.events.extend(held));
}

/// Whether an event comes from the keyboard, or from what stands for it.
pub(super) fn is_of_keyboard(event: &Event) -> bool {
    matches!(
        event,
        Event::Key { .. }
            | Event::Text(_)
            | Event::Ime(_)
            | Event::Copy
            | Event::Cut
            | Event::Paste(_)
            | Event::PasteImage(_)
    )
}
