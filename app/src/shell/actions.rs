//! Actions: everything that can be done has a name. Menus, palette, keys and their list come out of one table,
//! and out of what happens to be there.

mod action;
mod generating;
mod hands;
mod now;
mod offered;
mod table;
mod things;

use egui::{Key, KeyboardShortcut};

pub use self::action::{Action, Done, Menu};
pub use self::generating::generators;
pub use self::hands::copied_tokens;
pub use self::now::Now;
pub use self::table::all;
pub use self::things::{recipes, things, with_code};
use crate::document::{Command, Notice};
use crate::widgets::keys::are_brackets_taken;

/// Keys in words, such as "Ctrl+P".
pub fn key_name(ctx: &egui::Context, keys: KeyboardShortcut) -> String {
    let name = ctx.format_shortcut(&keys);
    name.replace("Questionmark", "?").replace("PageDown", "Page Down").replace("PageUp", "Page Up")
}

/// Takes the pressed keys that stand for actions. Keys without Ctrl are left to a text field that has the focus.
pub fn pressed<'a>(
    ctx: &egui::Context,
    actions: impl Iterator<Item = &'a Action>,
) -> Vec<&'a Action> {
    let typing = ctx.text_edit_focused();
    // A timeline sets its speed by them, and is a hand on no brush.
    let has_brackets = are_brackets_taken(ctx);
    let is_free = |keys: &KeyboardShortcut| {
        if has_brackets
            && keys.modifiers.is_none()
            && matches!(keys.logical_key, Key::OpenBracket | Key::CloseBracket)
        {
            return false;
        }
        let is_function = matches!(keys.logical_key, Key::F1 | Key::F5 | Key::F11);
        // A field takes its own typing back, selects its own text, and does what was typed.
        let is_fields = matches!(keys.logical_key, Key::A | Key::Z | Key::Y | Key::Enter);
        !typing || (keys.modifiers.command && !is_fields) || is_function
    };
    let of = |action: &'a Action| action.keys.iter().map(move |keys| (*keys, action));
    let mut bindings: Vec<(KeyboardShortcut, &Action)> = actions.flat_map(of).collect();
    // Ctrl+Shift+Z also matches the pattern Ctrl+Z, so the longer one goes first.
    bindings.sort_by_key(|(keys, _)| std::cmp::Reverse(keys.modifiers.shift));
    ctx.input_mut(|input| {
        let is_pressed =
            |(keys, _): &(KeyboardShortcut, &Action)| is_free(keys) && input.consume_shortcut(keys);
        bindings.retain(is_pressed);
    });
    bindings.into_iter().map(|(_, action)| action).collect()
}

/// What actions send; of those that cannot be done now, why.
pub fn done(actions: &[&Action], now: &Now<'_>) -> Vec<Command> {
    let of = |action: &&Action| match action.does(now) {
        Ok(commands) => commands,
        Err(why) => {
            let summary = format!("{}: {why}", action.plain_name());
            let tokenizer = action.way_on(now);
            let document = now.view.document;
            let own = document.name_of(&document.model);
            let waits = format!("What was done by hand with {own} waits there");
            let hint = tokenizer.as_ref().map_or(String::new(), |_| waits);
            vec![Notice { tokenizer, ..Notice::warning(summary, hint) }.into()]
        }
    };
    actions.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_action_has_a_name_of_its_own_and_what_is_done_often_a_key_of_its_own() {
        let actions = all();
        let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
        for action in &actions {
            assert!(action.name.chars().any(char::is_alphanumeric), "{action:?}");
            assert!(names.insert((action.name.clone(), action.kind)), "{action:?} is there twice");
            assert!(!action.is_frequent || !action.keys.is_empty(), "{action:?} has no key");
            for key in &action.keys {
                assert!(keys.insert(format!("{key:?}")), "{action:?}: {key:?} is another's, too");
            }
        }
        let frequent = actions.iter().filter(|action| action.is_frequent).count();
        assert!(frequent > 15, "{frequent}");
    }
}
