//! Whose the keys are: what floats over the views has them alone, and a menu while it is open.

use egui::{Event, InputState, Key};

use crate::document::ViewId;
use crate::shell::script::DIGITS;

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
    /// What came after the pointer's button in the events of the last frame: it is the next one's.
    pub(super) held: Vec<Event>,
}

/// Takes out of a frame's events what the keyboard did after a button of the pointer, and all that came after
/// that. In a frame that took long both may be there, but what a button does is known when the views are drawn,
/// which is after keys were looked at.
pub(super) fn hold_back(events: &mut Vec<Event>) -> Vec<Event> {
    let is_button = |event: &Event| matches!(event, Event::PointerButton { .. });
    let Some(button) = events.iter().position(is_button) else { return Vec::new() };
    if !events.iter().skip(button).any(is_of_keyboard) {
        return Vec::new();
    }
    // Ctrl, held for a key that is pressed next, is not the pointer's.
    let is_next =
        |event: &Event| is_of_keyboard(event) || matches!(event, Event::ModifiersChanged(_));
    match events.iter().skip(button).position(is_next) {
        Some(after) => events.split_off(button + after),
        None => Vec::new(),
    }
}

/// Takes out of the input what a key that decides something repeats while it is held down: number keys and Enter mean
/// something else as soon as the first one was obeyed. What is typed comes as text, which stays.
pub(super) fn drop_repeats(ctx: &egui::Context) {
    ctx.input_mut(|input| input.events.retain(|event| !is_repeated_decision(event)));
}

fn is_repeated_decision(event: &Event) -> bool {
    matches!(event, Event::Key { key, repeat: true, .. } if *key == Key::Enter || DIGITS.contains(key))
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

/// Takes a key out of the input, where it was pressed with nothing but Shift, which digits need on some keyboards; gives
/// whether it was. One that is held down with others, or since before, is left.
pub(super) fn take_pressed(input: &mut InputState, key: Key) -> bool {
    let is_it = |event: &Event| match event {
        Event::Key { key: pressed, pressed: true, repeat: false, modifiers, .. } => {
            *pressed == key && !modifiers.ctrl && !modifiers.command && !modifiers.alt
        }
        _ => false,
    };
    let at = input.events.iter().position(is_it);
    if let Some(at) = at {
        input.events.remove(at);
    }
    at.is_some()
}

#[cfg(test)]
mod tests {
    use egui::{Modifiers, PointerButton, Pos2};

    use super::*;

    fn button(pressed: bool) -> Event {
        let (pos, modifiers) = (Pos2::ZERO, Modifiers::NONE);
        Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers }
    }

    fn key(key: Key) -> Event {
        let modifiers = Modifiers::CTRL;
        Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers }
    }

    #[test]
    fn keys_wait_for_the_pointer_that_was_before_them_and_nothing_else_does() {
        let moved = || Event::PointerMoved(Pos2::ZERO);
        let ctrl = || Event::ModifiersChanged(Modifiers::CTRL);
        let before = vec![key(Key::A), button(true), moved(), button(false)];
        let after = vec![ctrl(), key(Key::L), Event::Text("x".to_owned()), button(true)];
        let mut events = [before.clone(), after.clone()].concat();
        assert_eq!(hold_back(&mut events), after);
        assert_eq!(events, before);
        for mut free in [before, vec![key(Key::A), moved()], vec![button(false), ctrl()]] {
            let all = free.clone();
            assert!(hold_back(&mut free).is_empty(), "nothing was typed after a button");
            assert_eq!(free, all);
        }
    }

    #[test]
    fn a_key_is_taken_once_and_neither_held_down_nor_with_others() {
        let event = |repeat, modifiers| {
            let (key, physical_key, pressed) = (Key::Num2, None, true);
            Event::Key { key, physical_key, pressed, repeat, modifiers }
        };
        let left = [event(true, Modifiers::NONE), event(false, Modifiers::ALT)];
        let mut input = InputState::default();
        input.events = left.to_vec();
        assert!(!take_pressed(&mut input, Key::Num2));
        input.events.push(event(false, Modifiers::NONE));
        assert!(!take_pressed(&mut input, Key::Num1));
        assert!(take_pressed(&mut input, Key::Num2));
        assert!(!take_pressed(&mut input, Key::Num2));
        assert_eq!(input.events, left);
    }
}
