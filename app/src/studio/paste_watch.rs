//! Looks out for a paste that brings nothing.

use egui::{Event, Key};

/// In so many frames after it was asked for comes what is pasted by a menu.
const FRAMES: u8 = 3;
/// Ctrl may be let go so many seconds before V.
const LET_GO: f64 = 0.6;

/// Looks out for a paste that brings nothing: of an empty clipboard no event tells. The keys of a paste are no events
/// either, but that V is let go is one.
#[derive(Debug, Default)]
pub(super) struct PasteWatch {
    /// Whether V went down as a letter or another command.
    is_down: bool,
    /// Whether something was pasted since V was let go last.
    has_come: bool,
    /// When Ctrl was held last.
    held: Option<f64>,
    /// How many frames are left for what was asked for by a menu.
    left: u8,
}

impl PasteWatch {
    /// A paste was asked for without keys.
    pub(super) fn ask(&mut self) {
        (self.left, self.has_come) = (FRAMES, false);
    }

    /// Whether something that was asked for is still to come.
    pub(super) fn waits(&self) -> bool {
        self.left > 0
    }

    /// The events of a frame at this second; gives whether a paste came to nothing.
    pub(super) fn comes_to_nothing(&mut self, events: &[Event], is_ctrl: bool, now: f64) -> bool {
        let mut is_nothing = false;
        if is_ctrl {
            self.held = Some(now);
        }
        for event in events {
            match event {
                Event::Paste(_) | Event::PasteImage(_) => (self.has_come, self.left) = (true, 0),
                Event::Key { key: Key::V, pressed: true, .. } => self.is_down = true,
                Event::Key { key: Key::V, pressed: false, modifiers, .. } => {
                    let was_held = self.held.is_some_and(|held| now - held < LET_GO);
                    let is_paste = !self.is_down && (modifiers.command || was_held);
                    is_nothing |= is_paste && !self.has_come;
                    (self.is_down, self.has_come) = (false, false);
                }
                _ => {}
            }
        }
        if self.left > 0 {
            self.left -= 1;
            is_nothing |= self.left == 0;
        }
        is_nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(pressed: bool, modifiers: egui::Modifiers) -> Event {
        Event::Key { key: Key::V, physical_key: None, pressed, repeat: false, modifiers }
    }

    #[test]
    fn a_paste_of_nothing_is_told_from_one_of_something_and_from_a_letter() {
        use egui::Modifiers;
        let (ctrl, plain) = (Modifiers::COMMAND, Modifiers::NONE);
        let mut watch = PasteWatch::default();
        assert!(watch.comes_to_nothing(&[v(false, ctrl)], true, 1.0));
        assert!(!watch.comes_to_nothing(&[], true, 1.1), "it is said once");
        let something = [Event::Paste("a".to_owned())];
        assert!(!watch.comes_to_nothing(&something, true, 2.0));
        assert!(!watch.comes_to_nothing(&[v(false, ctrl)], true, 2.1));
        assert!(!watch.comes_to_nothing(&[], true, 3.0));
        assert!(watch.comes_to_nothing(&[v(false, plain)], false, 3.2), "Ctrl was let go first");
        assert!(
            !watch.comes_to_nothing(&[v(true, plain), v(false, plain)], false, 3.3),
            "a letter"
        );
        assert!(!watch.comes_to_nothing(&[v(false, plain)], false, 9.0), "of another window");
        watch.ask();
        assert!((0..FRAMES).any(|_| watch.comes_to_nothing(&[], false, 10.0)));
        watch.ask();
        assert!(!watch.comes_to_nothing(&something, false, 11.0) && !watch.waits());
    }
}
