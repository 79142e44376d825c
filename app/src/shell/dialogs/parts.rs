//! What is answered in dialogs, and what all of them are made of.

use std::path::PathBuf;

use egui::{Button, RichText, Ui};

use crate::document::Reading;
use crate::files::outcome::Ask;
use crate::files::saved::{DocumentFile, Saved};
use crate::files::scenes::Scene;
use crate::look::theme::{Theme, space};

/// What was asked for that leaves the document behind.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// The end.
    Quit,
    /// A new document.
    New,
    /// Another document, read from its file.
    Open(DocumentFile, Box<Saved>),
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Closed.
    Close,
    /// Save first.
    Save(Then),
    /// Go on without saving.
    Discard(Then),
    /// A path was typed.
    Path(Ask, PathBuf),
    /// How a file of tokens is to be read.
    Tokens(PathBuf, Reading),
    /// A scene starts, with one's own picture if that is wanted.
    Scene(Box<Scene>, bool),
    /// What is there may be replaced.
    Replace(Ask, PathBuf),
}

/// What is asked, in a line.
pub(super) fn title(ui: &mut Ui, theme: &Theme, text: &str) {
    ui.label(RichText::new(text).font(theme.heading()));
    ui.add_space(space::XS);
}

/// The button that does it.
pub(super) fn primary(theme: &Theme, text: &str) -> Button<'static> {
    Button::new(RichText::new(text).color(theme.colors.on_gold)).fill(theme.colors.gold)
}
