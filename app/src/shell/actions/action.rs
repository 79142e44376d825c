//! An action: something with a name that can be done, where it stands, its keys, and what it sends.

use std::rc::Rc;

use egui::{Key, KeyboardShortcut, Modifiers};
use smalti_engine::questions::ModelRef;

use super::now::Now;
use crate::document::Command;

/// Where an action stands in the menu bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Menu {
    /// Files and the end.
    File,
    /// What changes the document.
    Edit,
    /// What changes the look.
    View,
    /// Layouts of views with what they load.
    Scenes,
    /// Runs.
    Train,
    /// Generators and what they do.
    Generate,
    /// What explains.
    Help,
    /// Nowhere: the palette has it.
    Nowhere,
}

/// What is to be sent, or why that cannot be done now.
pub type Done = Result<Vec<Command>, String>;

/// What an action does, by what is open.
type Does = Rc<dyn Fn(&Now<'_>) -> Done>;

/// Whether something is on, by what is open.
type IsOn = Rc<dyn Fn(&Now<'_>) -> bool>;

/// What something is called by what is open, where that is more than its name.
type Says = Rc<dyn Fn(&Now<'_>) -> Option<String>>;

/// The tokenizer with which something could be done that cannot be done now.
type WayOn = Rc<dyn Fn(&Now<'_>) -> Option<ModelRef>>;

/// A command with a name.
#[derive(Clone)]
pub struct Action {
    /// What it is called, with "…" if it asks for more.
    pub name: String,
    /// What kind of thing it is, in a word.
    pub kind: &'static str,
    /// Where it stands in the menu bar.
    pub menu: Menu,
    /// Its keys, the usual one first.
    pub keys: Vec<KeyboardShortcut>,
    /// Whether it is done so often that it needs a key.
    pub is_frequent: bool,
    /// Whether a line stands above it in its menu.
    pub starts_group: bool,
    /// More about it; may be empty.
    pub about: String,
    is_on: Option<IsOn>,
    says: Option<Says>,
    way_on: Option<WayOn>,
    does: Does,
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Action({:?}, {})", self.name, self.kind)
    }
}

impl Action {
    /// What it sends, or why it cannot be done now.
    pub fn does(&self, now: &Now<'_>) -> Done {
        (self.does)(now)
    }

    /// Whether what it switches is on; none if it switches nothing.
    pub fn is_on(&self, now: &Now<'_>) -> Option<bool> {
        self.is_on.as_ref().map(|is_on| is_on(now))
    }

    /// What it is called now: by its name, or with what it would do.
    pub fn title(&self, now: &Now<'_>) -> String {
        let says = self.says.as_ref().and_then(|says| says(now));
        says.unwrap_or_else(|| self.name.clone())
    }

    /// The tokenizer with which it could be done, where it is that which it cannot be done for.
    pub fn way_on(&self, now: &Now<'_>) -> Option<ModelRef> {
        self.way_on.as_ref().and_then(|way_on| way_on(now))
    }

    /// Its name without what says that more is asked.
    pub fn plain_name(&self) -> &str {
        self.name.trim_end_matches('…')
    }
}

/// A key alone.
pub(super) const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

/// A key with Ctrl.
pub(super) const fn ctrl(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

/// A key with Shift.
pub(super) const fn shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}

/// A key with Ctrl and Shift.
pub(super) const fn ctrl_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

/// An action that can always be done.
pub(super) fn action(
    menu: Menu,
    name: impl Into<String>,
    keys: &[KeyboardShortcut],
    command: impl Into<Command>,
) -> Action {
    let command = command.into();
    asks(menu, name, keys, move |_| Ok(vec![command.clone()]))
}

/// An action that depends on what is open.
pub(super) fn asks(
    menu: Menu,
    name: impl Into<String>,
    keys: &[KeyboardShortcut],
    does: impl Fn(&Now<'_>) -> Done + 'static,
) -> Action {
    Action {
        name: name.into(),
        kind: "command",
        menu,
        keys: keys.to_vec(),
        is_frequent: false,
        starts_group: false,
        about: String::new(),
        is_on: None,
        says: None,
        way_on: None,
        does: Rc::new(does),
    }
}

impl Action {
    /// A line stands above it.
    pub(super) fn first(self) -> Self {
        Self { starts_group: true, ..self }
    }

    /// It is done often: a test sees to it that it has a key.
    pub(super) fn often(self) -> Self {
        Self { is_frequent: true, ..self }
    }

    pub(super) fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    pub(super) fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    /// It is called more than its name, by what is open.
    pub(super) fn says(self, says: impl Fn(&Now<'_>) -> Option<String> + 'static) -> Self {
        Self { says: Some(Rc::new(says)), ..self }
    }

    /// With another tokenizer it may be done.
    pub(super) fn goes_on_with(
        self,
        way_on: impl Fn(&Now<'_>) -> Option<ModelRef> + 'static,
    ) -> Self {
        Self { way_on: Some(Rc::new(way_on)), ..self }
    }

    /// It switches something that is on or off.
    pub(super) fn on(self, is_on: impl Fn(&Now<'_>) -> bool + 'static) -> Self {
        Self { is_on: Some(Rc::new(is_on)), ..self }
    }
}
