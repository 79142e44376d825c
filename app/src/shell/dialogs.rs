//! What floats over everything: the question on leaving unsaved work, keys, about, a path to type, the overlay
//! while a file is held over the window.

mod keys;
mod parts;
mod reading;
mod scene;
mod training;

use std::path::PathBuf;

use egui::text::CCursorRange;
use egui::text_edit::TextEditState;
use egui::{Align2, Id, Label, LayerId, Modal, Order, RichText, Stroke, TextEdit, Ui, vec2};
use smalti_engine::Problem;

pub use self::parts::{Answer, Then};
use self::parts::{default_button, keep_keyboard, title};
use super::actions::Action;
use crate::document::LostKind;
use crate::files::outcome::{Ask, Loss, Taken, Unclear};
use crate::files::scenes::Scene;
use crate::files::training_form::Form;
use crate::look::theme::{Theme, space};
use crate::look::words::name;

/// What is asked or shown now.
#[derive(Debug, Clone, PartialEq)]
pub enum Dialog {
    /// There are unsaved changes, and something was asked for that leaves them behind.
    Unsaved(Then),
    /// The end was asked for while runs are not over.
    Running {
        /// How many of them train.
        runs: usize,
        /// How many measure.
        measurements: usize,
        /// Whether there are unsaved changes as well.
        is_unsaved: bool,
    },
    /// The list of keys and gestures.
    Keys,
    /// What Smalti is.
    About,
    /// A path has to be typed, because the system shows no dialog.
    Path {
        /// What for.
        ask: Ask,
        /// What is typed so far.
        text: String,
        /// Why what was typed before does not do.
        problem: Option<Problem>,
    },
    /// A file of tokens can be read in several ways.
    Tokens {
        /// The file, and in which ways.
        unclear: Unclear,
        /// The number of the array that is looked at.
        array: usize,
        /// Rows and columns as they are typed.
        text: String,
    },
    /// A scene starts over a picture of one's own.
    Scene(Box<Scene>),
    /// How a recipe is to be trained.
    Train(Box<Form>),
    /// Something is there already.
    Replace {
        /// What for.
        ask: Ask,
        /// Where.
        taken: Taken,
    },
}

impl Dialog {
    /// Draws it; gives what was answered.
    pub fn show(
        &mut self,
        ctx: &egui::Context,
        theme: &Theme,
        actions: &[Action],
    ) -> Option<Answer> {
        let modal = Modal::new(Id::unique("dialog"))
            .frame(egui::Frame::popup(&ctx.global_style()).inner_margin(space::L))
            .backdrop_color(egui::Color32::from_black_alpha(110))
            .show(ctx, |ui| {
                ui.set_max_width((ctx.content_rect().width() - 64.0).max(120.0));
                match self {
                    Self::Unsaved(then) => unsaved_ui(ui, theme, then),
                    Self::Running { runs, measurements, is_unsaved } => {
                        running_ui(ui, theme, (*runs, *measurements), *is_unsaved)
                    }
                    Self::Keys => {
                        keys::ui(ui, theme, actions);
                        close_ui(ui, theme)
                    }
                    Self::About => about_ui(ui, theme),
                    Self::Path { ask, text, problem } => {
                        path_ui(ui, theme, ask, (text, problem.as_ref()))
                    }
                    Self::Tokens { unclear, array, text } => {
                        reading::ui(ui, theme, unclear, (array, text))
                    }
                    Self::Scene(scene) => scene::ui(ui, theme, scene),
                    Self::Train(form) => training::ui(ui, theme, form),
                    Self::Replace { ask, taken } => replace_ui(ui, theme, ask, taken),
                }
            });
        settle_in(ctx, modal.response.rect.size());
        if modal.inner.is_some() {
            return modal.inner;
        }
        modal.should_close().then_some(Answer::Close)
    }
}

/// Where a dialog stands is worked out of how large it was in the last frame: of another size it is drawn again.
fn settle_in(ctx: &egui::Context, size: egui::Vec2) {
    let id = Id::unique("size of the dialog");
    let before: Option<egui::Vec2> = ctx.data(|data| data.get_temp(id));
    if before.is_none_or(|before| (before - size).length() > 0.5) {
        ctx.data_mut(|data| data.insert_temp(id, size));
        ctx.request_repaint();
    }
}

fn unsaved_ui(ui: &mut Ui, theme: &Theme, then: &Then) -> Option<Answer> {
    title(ui, theme, "Save what you changed?");
    ui.label("What you did since it was saved last is not in a file yet.");
    ui.add_space(space::M);
    ui.horizontal(|ui| {
        let save = default_button(ui, theme, true, "Save");
        let without = match then {
            Then::Quit => "Quit without saving",
            Then::New | Then::Open(..) | Then::Scene(_) => "Go on without saving",
        };
        let discard = ui.button(without).clicked();
        let cancel = ui.button("Cancel").clicked();
        keep_keyboard(ui, &save.response);
        match (discard, cancel, save.is_pressed) {
            (true, ..) => Some(Answer::Discard(then.clone())),
            (_, true, _) => Some(Answer::Close),
            (.., true) => Some(Answer::Save(then.clone())),
            _ => None,
        }
    })
    .inner
}

/// What is asked of runs and measurements that are not over.
fn running_title(runs: usize, measurements: usize) -> String {
    let of = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("a {one}")),
        count => Some(format!("{count} {one}s")),
    };
    let what: Vec<String> =
        of(runs, "run").into_iter().chain(of(measurements, "measurement")).collect();
    let are = if runs + measurements == 1 { "is" } else { "are" };
    format!("Quit while {} {are} not done?", what.join(" and "))
}

fn running_ui(
    ui: &mut Ui,
    theme: &Theme,
    (runs, measurements): (usize, usize),
    is_unsaved: bool,
) -> Option<Answer> {
    ui.set_max_width(theme.px(480.0));
    title(ui, theme, &running_title(runs, measurements));
    if runs > 0 {
        let what = if runs == 1 { "The run stops" } else { "The runs stop" };
        ui.label(format!(
            "{what} after the step that goes on. What was learned is kept in the run's folder."
        ));
        let later = "To go on later, choose it in Runs, or open the document if it is saved";
        ui.label(theme.label(later));
    }
    if measurements > 0 {
        ui.label("What was measured is kept, and is gone on with when it is measured again.");
    }
    if is_unsaved {
        ui.label(
            "What you changed in the document, the runs in their slots among it, is not saved yet.",
        );
    }
    ui.add_space(space::M);
    ui.horizontal(|ui| {
        let (usual, answer) = if is_unsaved {
            ("Save and quit", Answer::Save(Then::Quit))
        } else {
            ("Quit", Answer::Discard(Then::Quit))
        };
        let usual = default_button(ui, theme, true, usual);
        let quit = is_unsaved && ui.button("Quit without saving").clicked();
        let cancel = ui.button("Cancel").clicked();
        keep_keyboard(ui, &usual.response);
        match (quit, cancel, usual.is_pressed) {
            (true, ..) => Some(Answer::Discard(Then::Quit)),
            (_, true, _) => Some(Answer::Close),
            (.., true) => Some(answer),
            _ => None,
        }
    })
    .inner
}

fn about_ui(ui: &mut Ui, theme: &Theme) -> Option<Answer> {
    ui.set_max_width(theme.px(420.0));
    title(ui, theme, &format!("Smalti {}", env!("CARGO_PKG_VERSION")));
    ui.label("See, teach and edit the discrete visual tokens behind modern image generation.");
    ui.label(theme.label(
        "Smalti are the colored glass tiles of a mosaic. Everything runs on this machine; \
         nothing is sent anywhere.",
    ));
    ui.label(theme.label("Fonts: Inter and JetBrains Mono, SIL Open Font License 1.1."));
    ui.add_space(space::S);
    close_ui(ui, theme)
}

/// The button of what is only read.
fn close_ui(ui: &mut Ui, theme: &Theme) -> Option<Answer> {
    let close = default_button(ui, theme, true, "Close");
    keep_keyboard(ui, &close.response);
    close.is_pressed.then_some(Answer::Close)
}

/// What is asked for where a path is typed, and the button's word.
fn path_words(ask: &Ask) -> (&'static str, &'static str) {
    match ask {
        Ask::File => ("Open a file", "Open"),
        Ask::Folder => ("Open a folder", "Open"),
        // Their paths are typed where they are asked for.
        Ask::TrainingFile | Ask::TrainingFolder => ("Train on", "Choose"),
        Ask::RunFolder => ("The run's folder", "Choose"),
        Ask::Tokenizer(_) => ("Open a checkpoint", "Open"),
        Ask::Lpips => ("Weights of LPIPS", "Use them"),
        Ask::Save { .. } => ("Save as", "Save"),
        Ask::Place(lost, _) => match lost.kind {
            LostKind::Image => ("Where is the image now?", "Take it"),
            LostKind::Set => ("Where is the set now?", "Take it"),
            LostKind::Tokenizer => ("Where is the tokenizer now?", "Take it"),
            LostKind::Run => ("Where is the run's folder now?", "Take it"),
            LostKind::Generator => ("Where is the generator now?", "Take it"),
        },
    }
}

/// What a path that is asked for looks like.
fn path_example(ask: &Ask) -> &'static str {
    match ask {
        Ask::Folder | Ask::TrainingFolder | Ask::RunFolder => "pictures/parrots",
        Ask::Tokenizer(_) => "tokenizers/mine.safetensors",
        Ask::Lpips => "weights/vgg.pth",
        Ask::File | Ask::TrainingFile | Ask::Save { .. } | Ask::Place(..) => "pictures/parrots.png",
    }
}

fn path_ui(
    ui: &mut Ui,
    theme: &Theme,
    ask: &Ask,
    (text, problem): (&mut String, Option<&Problem>),
) -> Option<Answer> {
    let (heading, verb) = path_words(ask);
    ui.set_max_width(theme.px(480.0));
    title(ui, theme, heading);
    let label = ui.label(theme.label("The system shows no file dialog here; type the path."));
    let field = TextEdit::singleline(text)
        .hint_text(path_example(ask))
        .margin(egui::Margin::symmetric(8, 6))
        .desired_width(f32::INFINITY);
    let response = ui.add(field).labelled_by(label.id);
    if let Some(Problem { summary, hint, .. }) = problem {
        ui.add(Label::new(RichText::new(summary).color(theme.colors.danger)).wrap());
        if !hint.is_empty() {
            ui.add(Label::new(theme.label(hint)).wrap());
        }
    }
    ui.add_space(space::M);
    ui.horizontal(|ui| {
        let go = default_button(ui, theme, !text.trim().is_empty(), verb);
        let cancel = ui.button("Cancel").clicked();
        keep_keyboard(ui, &response);
        // What stands there is one suggestion, which typing replaces; what was typed wrong is mended instead.
        if problem.is_none() && response.gained_focus() {
            let mut state = TextEditState::load(ui.ctx(), response.id).unwrap_or_default();
            state.cursor.set_char_range(Some(CCursorRange::select_all_str(text)));
            state.store(ui.ctx(), response.id);
        }
        if go.is_pressed {
            return Some(Answer::Path(ask.clone(), PathBuf::from(text.trim())));
        }
        cancel.then_some(Answer::Close)
    })
    .inner
}

fn replace_ui(ui: &mut Ui, theme: &Theme, ask: &Ask, taken: &Taken) -> Option<Answer> {
    let path = &taken.path;
    ui.set_max_width(theme.px(480.0));
    title(ui, theme, &format!("Replace {}?", name(path)));
    match taken.loss {
        Loss::File => {
            ui.label(format!("{} is there already.", path.display()));
        }
        Loss::Changes => {
            let what = "Somebody else has written it since it was opened or saved here; that would be lost.";
            ui.label(what);
            ui.label(theme.label("Save as keeps both."));
        }
        Loss::Others(count) => {
            ui.label(format!(
                "It holds the tokens of {count} images; only this one's would be left."
            ));
            ui.label(theme.label("Another name keeps all."));
        }
    }
    ui.add_space(space::M);
    ui.horizontal(|ui| {
        // Whoever presses Enter once too often loses nothing.
        let replace = ui.button("Replace").clicked();
        let cancel = default_button(ui, theme, true, "Cancel");
        keep_keyboard(ui, &cancel.response);
        if replace {
            return Some(Answer::Replace(ask.clone(), path.clone()));
        }
        cancel.is_pressed.then_some(Answer::Close)
    })
    .inner
}

/// While a file is held over the window.
pub fn drop_overlay(ctx: &egui::Context, theme: &Theme) {
    if ctx.input(|input| input.raw.hovered_files.is_empty()) {
        return;
    }
    let layer = LayerId::new(Order::Foreground, Id::unique("drop"));
    let painter = ctx.layer_painter(layer);
    let rect = ctx.content_rect();
    let colors = &theme.colors;
    painter.rect_filled(rect, 0.0, colors.background.gamma_multiply(0.82));
    let ring = rect.shrink(space::L);
    let stroke = Stroke::new(2.0, colors.gold);
    painter.rect_stroke(ring, 10.0, stroke, egui::StrokeKind::Inside);
    let center = rect.center();
    painter.text(center, Align2::CENTER_CENTER, "Drop to open", theme.title(), colors.text);
    painter.text(
        center + vec2(0.0, theme.px(34.0)),
        Align2::CENTER_CENTER,
        "images, folders, archives, tokenizers, tokens, scenes, documents",
        theme.body(),
        colors.dim,
    );
}

#[cfg(test)]
mod tests;
