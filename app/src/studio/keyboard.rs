//! The keys of a frame: what an open dialog, menu or palette does with them.

use egui::{Event, Key};

use super::Studio;
use super::keys::{KeysOf, is_of_keyboard};
use crate::document::{AppCommand, Command};
use crate::shell::actions;
use crate::shell::dialogs::Dialog;
use crate::shell::doors;

impl Studio {
    /// Whose the keys are now.
    pub(super) fn keys_of(&self, ctx: &egui::Context) -> KeysOf {
        match (&self.desk.dialog, &self.desk.palette) {
            (Some(Dialog::Keys | Dialog::About), _) => KeysOf::Reading,
            (Some(_), _) => KeysOf::Question,
            (None, Some(_)) => KeysOf::Palette,
            (None, None) if egui::Popup::is_any_open(ctx) => KeysOf::Menu,
            (None, None) => KeysOf::Window,
        }
    }

    /// What pressed keys stand for.
    pub(super) fn pressed(&mut self, ctx: &egui::Context) -> Vec<Command> {
        let keys_of = self.desk.keyboard.keys_of;
        if self.is_presenting() && keys_of == KeysOf::Window {
            if self.black_keys(ctx) {
                return Vec::new();
            }
            let is_alone = !self.is_for_hall();
            self.desk.script.take_keys(ctx, is_alone);
            self.follow_script();
        }
        let has_doors = keys_of == KeysOf::Window && self.desk.guide.has_doors;
        if has_doors && let Some(door) = doors::pressed(ctx) {
            return vec![door.into()];
        }
        // Nobody sees in front of the doors what would be taken.
        if keys_of == KeysOf::Window
            && !has_doors
            && let Some(pick) = self.trial_keys(ctx)
        {
            return vec![pick.into()];
        }
        let mut commands = match keys_of {
            KeysOf::Window => self.bets(ctx),
            _ => Vec::new(),
        };
        let is_key = |event: &Event| matches!(event, Event::Key { pressed: true, .. });
        if !ctx.input(|input| input.events.iter().any(is_key)) {
            return commands;
        }
        let all = self.fixed.actions.iter();
        let toggles = match keys_of {
            KeysOf::Window => None,
            KeysOf::Palette => Some(AppCommand::Palette),
            KeysOf::Reading if self.desk.dialog == Some(Dialog::Keys) => Some(AppCommand::Keys),
            KeysOf::Reading | KeysOf::Menu | KeysOf::Question => return Vec::new(),
        };
        commands.extend(self.with_now(|now| {
            let pressed = match toggles.map(Command::App) {
                // What is behind the doors is not seen: no key changes it.
                None if has_doors => actions::pressed(ctx, all.filter(|it| doors::lets_by(it))),
                None => actions::pressed(ctx, all),
                Some(command) => {
                    let closes = |action: &&_| {
                        actions::Action::does(action, now) == Ok(vec![command.clone()])
                    };
                    actions::pressed(ctx, all.filter(closes))
                }
            };
            actions::done(&pressed, now)
        }));
        commands
    }

    /// Takes the keys out of the input while something floats over the views: these do not see them. What is in a menu
    /// is drawn with its view, so that of an open menu only the keys are taken that would do something behind it.
    pub(super) fn hold_keys(&self, ctx: &egui::Context) -> Vec<Event> {
        if self.desk.dialog.is_none() && self.desk.palette.is_none() {
            if is_menu_before_focus(ctx) {
                return ctx.input_mut(|input| input.events.extract_if(.., |it| acts(it)).collect());
            }
            return Vec::new();
        }
        ctx.input_mut(|input| {
            let all = std::mem::take(&mut input.events);
            let (keys, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_of_keyboard);
            input.events = others;
            keys
        })
    }
}

/// Whether a menu is open, and what has the keyboard is behind it.
fn is_menu_before_focus(ctx: &egui::Context) -> bool {
    let focused = ctx.memory(egui::Memory::focused);
    let layer = focused.and_then(|id| Some(ctx.read_response(id)?.layer_id));
    let is_behind = layer.is_some_and(|layer| layer.order < egui::Order::Foreground);
    egui::Popup::is_any_open(ctx) && is_behind
}

/// Whether an event is a key that does something to what has the keyboard. Escape closes the menu, and Tab leads into it.
fn acts(event: &Event) -> bool {
    let closes = |key: Key| matches!(key, Key::Escape | Key::Tab);
    matches!(event, Event::Key { key, pressed: true, .. } if !closes(*key))
}
