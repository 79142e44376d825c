//! Commands: everything a person can ask for, split by subject, and what they do to a document.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::answers::{ImageRef, ModelRef, SourceRef};
use smalti_engine::images::{Picture, WorkingSize};
use smalti_engine::session::{Control, RunId};
use smalti_engine::tokens::Cell;

use super::{ColorBy, CompareMode, DifferenceKind, Document, Selection};
use crate::settings::ThemeChoice;
use crate::views::ViewId;

/// Which of two tokenizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The one that is worked with.
    A,
    /// The one it is compared with.
    B,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];
}

/// How grave a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Something was done.
    Info,
    /// Something is not as expected, but work goes on.
    Warning,
    /// Something could not be done.
    Error,
}

/// A word to the person, shown as a toast and kept in the Log view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How grave it is.
    pub severity: Severity,
    /// One line without a full stop.
    pub summary: String,
    /// What to do next; may be empty.
    pub hint: String,
}

impl Notice {
    /// Something was done.
    pub fn info(summary: impl Into<String>) -> Self {
        Self { severity: Severity::Info, summary: summary.into(), hint: String::new() }
    }

    /// Something is not as expected.
    pub fn warning(summary: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, summary: summary.into(), hint: hint.into() }
    }

    /// Something could not be done.
    pub fn error(summary: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Error, summary: summary.into(), hint: hint.into() }
    }
}

impl From<Problem> for Notice {
    fn from(problem: Problem) -> Self {
        Self::error(problem.summary, problem.hint)
    }
}

/// Opens something.
#[derive(Debug, Clone, PartialEq)]
pub enum Open {
    /// Whatever is at a path: image, folder, archive, checkpoint, tokens, scene, document.
    Path(PathBuf),
    /// An image.
    Image(ImageRef),
    /// A set of images.
    Source(SourceRef),
    /// A tokenizer.
    Model(Slot, ModelRef),
    /// Takes the tokenizer that is compared with away.
    NoModelB,
    /// Works at another size.
    Size(WorkingSize),
}

/// Changes tokens, codes or what is picked.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Picks cells; the empty set picks none.
    SelectCells(Arc<BTreeSet<Cell>>),
    /// Picks a code.
    SelectCode(Option<u32>),
    /// Pins a code, or takes its pin away.
    PinCode(u32),
    /// Forces a code at cells. Locked cells stay.
    ForceCells {
        /// Where.
        cells: Arc<BTreeSet<Cell>>,
        /// Which code.
        code: u32,
    },
    /// Forces several codes, such as a pasted region. Locked cells stay.
    ForceTokens(Arc<[(Cell, u32)]>),
    /// Gives cells back to the tokenizer.
    ReleaseCells(Arc<BTreeSet<Cell>>),
    /// Locks or unlocks cells.
    LockCells {
        /// Where.
        cells: Arc<BTreeSet<Cell>>,
        /// Locked or not.
        locked: bool,
    },
    /// Gives all cells back to the tokenizer.
    ClearEdits,
    /// Replaces a code by another wherever it stands in the image.
    ReplaceCode {
        /// The code that goes.
        from: u32,
        /// The code that comes.
        to: u32,
    },
    /// Switches a code off or on.
    SwitchCode {
        /// Which code.
        code: u32,
        /// May it be used?
        on: bool,
    },
    /// Takes the last change back.
    Undo,
    /// Does it again.
    Redo,
}

/// Changes how things are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Look {
    /// What the colors of tokens stand for.
    ColorBy(ColorBy),
    /// How much tokens cover the image, 0 to 1.
    TokenOpacity(f32),
    /// How original and reconstruction are set against each other.
    Compare(CompareMode),
    /// Which difference is shown.
    Difference(DifferenceKind),
    /// Whether codes' numbers are written.
    ShowIds(bool),
}

/// Changes what is where in the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// Brings a view to the front, opening it if need be.
    Show(ViewId),
    /// Closes a view.
    Close(ViewId),
    /// Opens a scene by name: its layout and what it loads.
    Scene(String),
}

/// Steers long work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobCommand {
    /// Pauses, resumes, steps or cancels a run.
    Control(RunId, Control),
    /// Trains what a recipe describes, in a new folder of its own.
    Train(RecipeRef),
}

/// A training recipe by reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipeRef {
    /// The recipe of a tokenizer that comes with Smalti, such as "worlds-fsq".
    Shipped(Arc<str>),
    /// A file.
    File(Arc<Path>),
}

/// What concerns the program as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum AppCommand {
    /// Another theme.
    Theme(ThemeChoice),
    /// Text larger or smaller; 1 is as designed.
    TextScale(f32),
    /// No motion that is not needed.
    ReducedMotion(bool),
    /// Shows a notice.
    Notify(Notice),
    /// Puts a picture on the clipboard.
    CopyImage(Picture),
    /// Puts text on the clipboard.
    CopyText(String),
    /// Saves a picture as PNG; asks where, suggesting `name`.
    ExportPng {
        /// A file name without suffix.
        name: String,
        /// The picture.
        picture: Picture,
    },
    /// Saves the tokens; asks where.
    SaveTokens,
    /// Saves the document; asks where the first time.
    Save,
    /// Saves the document; asks where.
    SaveAs,
    /// A new document.
    New,
    /// Asks for a file to open.
    AskFile,
    /// Asks for a folder to open.
    AskFolder,
    /// Asks for a checkpoint to open in a slot.
    AskTokenizer(Slot),
    /// Opens what is on the clipboard: a picture or a path.
    Paste,
    /// Opens or closes the command palette.
    Palette,
    /// Shows or hides the list of keys.
    Keys,
    /// Says what Smalti is.
    About,
    /// Presentation mode on or off.
    Presentation,
    /// Full screen on or off.
    Fullscreen,
    /// Forgets the recent files.
    ForgetRecent,
    /// Ends the program, asking first if something is unsaved.
    Quit,
}

/// Everything a person can ask for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Opens something.
    Open(Open),
    /// Changes tokens, codes or what is picked.
    Edit(Edit),
    /// Changes how things are looked at.
    Look(Look),
    /// Changes what is where.
    Layout(Layout),
    /// Steers long work.
    Job(JobCommand),
    /// Concerns the program as a whole.
    App(AppCommand),
}

macro_rules! into_command {
    ($($kind:ident => $variant:ident),*) => {$(
        impl From<$kind> for Command {
            fn from(command: $kind) -> Self {
                Self::$variant(command)
            }
        }
    )*};
}
into_command!(Open => Open, Edit => Edit, Look => Look, Layout => Layout, JobCommand => Job, AppCommand => App);

impl From<Notice> for Command {
    fn from(notice: Notice) -> Self {
        Self::App(AppCommand::Notify(notice))
    }
}

impl Document {
    /// The document after a command. Commands that are not about the document leave it as it is;
    /// [`Edit::ReplaceCode`] needs the encoded grid and is resolved before it comes here.
    #[must_use]
    pub fn after(&self, command: &Command) -> Self {
        let mut next = self.clone();
        match command {
            Command::Open(open) => next.open(open),
            Command::Edit(edit) => next.edit(edit),
            Command::Look(look) => next.look(*look),
            Command::Layout(_) | Command::Job(_) | Command::App(_) => {}
        }
        next
    }

    fn open(&mut self, open: &Open) {
        match open {
            Open::Image(image) => {
                if self.image.as_ref() != Some(image) {
                    self.image = Some(image.clone());
                    self.forget_cells();
                }
            }
            Open::Source(source) => self.source = source.clone(),
            Open::Model(Slot::A, model) => {
                if self.model != *model {
                    self.model = model.clone();
                    self.forget_cells();
                    self.switched_off = Arc::default();
                    self.selection = Selection::default();
                }
            }
            Open::Model(Slot::B, model) => self.model_b = Some(model.clone()),
            Open::NoModelB => self.model_b = None,
            Open::Size(size) => {
                if self.size != *size {
                    self.size = *size;
                    self.forget_cells();
                }
            }
            Open::Path(_) => {}
        }
    }

    /// Cells of another image, tokenizer or size mean nothing.
    fn forget_cells(&mut self) {
        self.edits = Arc::default();
        self.locks = Arc::default();
        self.selection.cells = Arc::default();
    }

    fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::SelectCells(cells) => self.selection.cells = Arc::clone(cells),
            Edit::SelectCode(code) => self.selection.code = *code,
            Edit::PinCode(code) => {
                let mut pinned = self.selection.pinned.to_vec();
                match pinned.iter().position(|p| p == code) {
                    Some(at) => {
                        pinned.remove(at);
                    }
                    None => pinned.push(*code),
                }
                self.selection.pinned = pinned.into();
            }
            Edit::ForceCells { cells, code } => {
                self.force(cells.iter().map(|cell| (*cell, *code)));
            }
            Edit::ForceTokens(tokens) => self.force(tokens.iter().copied()),
            Edit::ReleaseCells(cells) => {
                let locks = Arc::clone(&self.locks);
                Arc::make_mut(&mut self.edits)
                    .retain(|cell, _| !cells.contains(cell) || locks.contains(cell));
            }
            Edit::LockCells { cells, locked } => {
                let locks = Arc::make_mut(&mut self.locks);
                for cell in cells.iter() {
                    if *locked {
                        locks.insert(*cell);
                    } else {
                        locks.remove(cell);
                    }
                }
            }
            Edit::ClearEdits => self.edits = Arc::default(),
            Edit::SwitchCode { code, on } => {
                let off = Arc::make_mut(&mut self.switched_off);
                if *on {
                    off.remove(code);
                } else {
                    off.insert(*code);
                }
            }
            Edit::ReplaceCode { .. } | Edit::Undo | Edit::Redo => {}
        }
    }

    fn force(&mut self, tokens: impl Iterator<Item = (Cell, u32)>) {
        let edits = Arc::make_mut(&mut self.edits);
        for (cell, code) in tokens {
            if !self.locks.contains(&cell) {
                edits.insert(cell, code);
            }
        }
    }

    fn look(&mut self, look: Look) {
        let looks = &mut self.looks;
        match look {
            Look::ColorBy(by) => looks.color_by = by,
            Look::TokenOpacity(opacity) => looks.token_opacity = opacity.clamp(0.0, 1.0),
            Look::Compare(mode) => looks.compare = mode,
            Look::Difference(kind) => looks.difference = kind,
            Look::ShowIds(show) => looks.show_ids = show,
        }
    }
}
