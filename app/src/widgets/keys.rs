//! Whose the keys are while something has the focus.

use egui::{Event, InputState, Key, Modifiers, Popup, Response, Ui};

/// Whether something has the focus and the keys with it: a menu that is open has them alone, also one of this very
/// thing.
pub fn has_keys(ui: &Ui, response: &Response) -> bool {
    response.has_focus() && !Popup::is_any_open(ui.ctx())
}

/// Whether a key was pressed, and not merely held down since before.
pub fn is_pressed_once(ui: &Ui, key: Key) -> bool {
    let is_it = |event: &Event| {
        matches!(
            event,
            Event::Key { key: of, pressed: true, repeat: false, .. } if *of == key
        )
    };
    ui.input(|input| input.events.iter().any(is_it))
}

/// Takes a key out of the input, where it was pressed alone; gives whether it was. One that is held down with others,
/// or since before, is left.
pub fn take_pressed(input: &mut InputState, key: Key) -> bool {
    let is_it = |event: &Event| {
        matches!(
            event,
            Event::Key { key: pressed, pressed: true, repeat: false, modifiers: Modifiers::NONE, .. }
                if *pressed == key
        )
    };
    let at = input.events.iter().position(is_it);
    if let Some(at) = at {
        input.events.remove(at);
    }
    at.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_once_and_neither_held_down_nor_with_others() {
        let event = |repeat, modifiers| {
            let (key, physical_key, pressed) = (Key::Num2, None, true);
            Event::Key { key, physical_key, pressed, repeat, modifiers }
        };
        let left = [event(true, Modifiers::NONE), event(false, Modifiers::SHIFT)];
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
