//! Actions: every command that has a name. Menus, palette, keys and their list come out of it.

use egui::{Key, KeyboardShortcut, Modifiers};

use crate::document::{AppCommand, Command, Edit, Layout, ZoomTo};
use crate::views::{Entry, VIEWS};

/// Where an action stands in the menu bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Menu {
    /// Files and the end.
    File,
    /// What changes the document.
    Edit,
    /// What changes the look.
    View,
    /// What explains.
    Help,
}

/// A command with a name.
#[derive(Debug, Clone)]
pub struct Action {
    /// What it is called, with "…" if it asks for more.
    pub name: &'static str,
    /// Where it stands in the menu bar.
    pub menu: Menu,
    /// Its keys, the usual one first.
    pub keys: Vec<KeyboardShortcut>,
    /// Whether a line stands above it in its menu.
    pub starts_group: bool,
    /// What it does.
    pub command: Command,
}

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn ctrl(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const fn ctrl_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

fn action(
    menu: Menu,
    name: &'static str,
    keys: &[KeyboardShortcut],
    command: impl Into<Command>,
) -> Action {
    Action { name, menu, keys: keys.to_vec(), starts_group: false, command: command.into() }
}

fn first(action: Action) -> Action {
    Action { starts_group: true, ..action }
}

/// All actions, in the order of menus.
pub fn all() -> Vec<Action> {
    use AppCommand as App;
    use Menu::{Edit as E, File, Help, View};
    vec![
        action(File, "New", &[ctrl(Key::N)], App::New),
        action(File, "Open…", &[ctrl(Key::O)], App::AskFile),
        action(File, "Open folder…", &[ctrl_shift(Key::O)], App::AskFolder),
        first(action(File, "Save", &[ctrl(Key::S)], App::Save)),
        action(File, "Save as…", &[ctrl_shift(Key::S)], App::SaveAs),
        action(File, "Save tokens…", &[], App::SaveTokens),
        first(action(File, "Quit", &[ctrl(Key::Q)], App::Quit)),
        action(E, "Undo", &[ctrl(Key::Z)], Edit::Undo),
        action(E, "Redo", &[ctrl(Key::Y), ctrl_shift(Key::Z)], Edit::Redo),
        first(action(E, "Paste", &[], App::Paste)),
        first(action(E, "Give all cells back", &[], Edit::ClearEdits)),
        action(E, "Pick no code", &[], Edit::SelectCode(None)),
        first(action(View, "Fit the pictures", &[plain(Key::F)], App::Zoom(ZoomTo::Fit))),
        action(View, "Pictures at 100 %", &[plain(Key::Num0)], App::Zoom(ZoomTo::Pixels)),
        action(View, "Zoom in", &[plain(Key::Plus), plain(Key::Equals)], App::Zoom(ZoomTo::In)),
        action(View, "Zoom out", &[plain(Key::Minus)], App::Zoom(ZoomTo::Out)),
        first(action(View, "Presentation", &[plain(Key::F5)], App::Presentation)),
        action(View, "Full screen", &[plain(Key::F11)], App::Fullscreen),
        action(Help, "Search…", &[ctrl(Key::P), ctrl(Key::K)], App::Palette),
        action(Help, "Keys", &[plain(Key::Questionmark), plain(Key::F1)], App::Keys),
        first(action(Help, "About Smalti", &[], App::About)),
    ]
}

/// The key of a view, as a shortcut.
pub fn view_key(view: &Entry) -> Option<KeyboardShortcut> {
    let keys = [
        Key::Num1,
        Key::Num2,
        Key::Num3,
        Key::Num4,
        Key::Num5,
        Key::Num6,
        Key::Num7,
        Key::Num8,
        Key::Num9,
    ];
    let at = usize::from(view.key()?.checked_sub(1)?);
    keys.get(at).map(|key| plain(*key))
}

/// Keys in words, such as "Ctrl+P".
pub fn key_name(ctx: &egui::Context, keys: KeyboardShortcut) -> String {
    ctx.format_shortcut(&keys).replace("Questionmark", "?")
}

/// Takes the pressed keys that stand for actions. Keys without Ctrl are left to a text field that
/// has the focus.
pub fn pressed(ctx: &egui::Context, actions: &[Action]) -> Vec<Command> {
    let typing = ctx.text_edit_focused();
    let is_free = |keys: &KeyboardShortcut| {
        let is_function = matches!(keys.logical_key, Key::F1 | Key::F5 | Key::F11);
        // A field takes its own typing back.
        let is_fields = matches!(keys.logical_key, Key::Z | Key::Y);
        !typing || (keys.modifiers.command && !is_fields) || is_function
    };
    let mut bindings: Vec<(KeyboardShortcut, Command)> = Vec::new();
    for action in actions {
        bindings.extend(action.keys.iter().map(|keys| (*keys, action.command.clone())));
    }
    for view in &VIEWS {
        bindings.extend(view_key(view).map(|keys| (keys, Layout::Show(view.id).into())));
    }
    // Ctrl+Shift+Z also matches the pattern Ctrl+Z, so the longer one goes first.
    bindings.sort_by_key(|(keys, _)| std::cmp::Reverse(keys.modifiers.shift));
    let mut commands = Vec::new();
    ctx.input_mut(|input| {
        for (keys, command) in bindings {
            if is_free(&keys) && input.consume_shortcut(&keys) {
                commands.push(command);
            }
        }
    });
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_actions_share_a_key_or_a_name() {
        let actions = all();
        let mut keys: Vec<String> =
            actions.iter().flat_map(|a| &a.keys).map(|k| format!("{k:?}")).collect();
        keys.extend(VIEWS.iter().filter_map(view_key).map(|k| format!("{k:?}")));
        let mut names: Vec<&str> = actions.iter().map(|a| a.name).collect();
        let counts = (keys.len(), names.len());
        keys.sort();
        keys.dedup();
        names.sort_unstable();
        names.dedup();
        assert_eq!((keys.len(), names.len()), counts);
    }
}
