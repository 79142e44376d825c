//! What is answered in dialogs, and what all of them are made of.

use std::path::PathBuf;

use egui::{Button, Key, Popup, Response, RichText, Stroke, StrokeKind, Ui};

use crate::document::{Reading, RecipeRef};
use crate::files::outcome::Ask;
use crate::files::saved::{DocumentFile, Saved};
use crate::files::scenes::Scene;
use crate::files::training_form::Form;
use crate::look::theme::{RADIUS_BUTTON, Theme, space};

/// What was asked for that leaves the document behind, or something of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// The end.
    Quit,
    /// A new document.
    New,
    /// Another document, read from its file.
    Open(DocumentFile, Box<Saved>),
    /// A scene that generates something else.
    Scene(Box<Scene>),
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
    /// A training begins.
    Train(Box<Form>),
    /// Another recipe is to be trained than that of the form, which was filled in so far.
    OtherRecipe(RecipeRef, Box<Form>),
    /// A path is to be chosen by a dialog of the system; what asks stays open.
    Browse(Ask),
}

/// What is asked, in a line.
pub(super) fn title(ui: &mut Ui, theme: &Theme, text: &str) {
    ui.label(RichText::new(text).font(theme.heading()));
    ui.add_space(space::XS);
}

/// The button that Enter presses: gold, and with a ring while it has the keyboard.
pub(super) fn default_button(ui: &mut Ui, theme: &Theme, is_enabled: bool, text: &str) -> Pressed {
    let text = RichText::new(text).color(theme.colors.on_gold);
    let button = Button::new(text).fill(theme.colors.gold);
    let response = ui.add_enabled(is_enabled, button);
    if response.has_focus() {
        let ring = Stroke::new(2.0, theme.colors.gold);
        ui.painter().rect_stroke(
            response.rect.expand(3.0),
            RADIUS_BUTTON,
            ring,
            StrokeKind::Outside,
        );
    }
    // A field lets go of the keyboard when Enter is pressed in it, and another button that has it presses itself.
    let is_free = ui.memory(|memory| memory.focused().is_none());
    let enter = is_free && ui.input(|input| input.key_pressed(Key::Enter));
    let is_pressed = is_enabled && (enter || response.clicked());
    Pressed { response, is_pressed }
}

/// What came of the button that Enter presses.
#[derive(Debug)]
pub(super) struct Pressed {
    /// Where it is.
    pub(super) response: Response,
    /// Whether it is to be done.
    pub(super) is_pressed: bool,
}

/// The keyboard stays in the dialog: while nothing in it has the keyboard, this gets it.
pub(super) fn keep_keyboard(ui: &Ui, first: &Response) {
    let ctx = ui.ctx();
    // Tab leads from the last to the first by itself: given the keyboard here, the first would be passed over.
    if ctx.input(|input| input.key_pressed(Key::Tab)) {
        return;
    }
    let focused = ctx.memory(egui::Memory::focused);
    let layer = focused.and_then(|id| ctx.read_response(id)).map(|response| response.layer_id);
    if layer != Some(ui.layer_id()) && !Popup::is_any_open(ctx) {
        first.request_focus();
    }
}
