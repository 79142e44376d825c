//! What comes of work away from the window's thread, and what dialogs ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::questions::{Given, Subject};
use smalti_engine::tokens::{Cell, Code, Tokens};

use super::disk::Listing;
use super::recipes::Training;
use super::saved::{DocumentFile, Saved};
use super::scenes::Scene;
use super::training_form::Form;
use crate::document::{
    AllLost, AppCommand, Command, Document, How, JobCommand, Lost, Notice, PanelId, PictureFile,
    Severity, Slot, TableFile, TokenFormat, WorkOn,
};

/// What came of work in the background.
#[derive(Debug)]
pub enum Outcome {
    /// Something is to be done.
    Command(Command),
    /// A path was opened, or could not be.
    Opened(Opened),
    /// A file of tokens can be read in several ways, and nothing says in which.
    Unclear(Box<Unclear>),
    /// A folder was listed whose path is being typed.
    Listed(Listing),
    /// The window's pixels, of which a panel or all is taken away.
    Screen(Option<PanelId>, How, Arc<egui::ColorImage>),
    /// A scene was read.
    Scene(Box<Scene>),
    /// A document was read; from its file, or from the autosave.
    Document(Option<DocumentFile>, Box<Saved>),
    /// One of the sitting's documents, by its number, was saved.
    Saved(usize, Box<InFile>),
    /// Where a code stands that is to be replaced, or why that is not known.
    Places(Result<Box<Places>, Problem>),
    /// What a stroke on the picture makes of the tokens.
    Painted(Box<Painted>),
    /// The tokens are known whose coarse scales are taken.
    Scales(Box<Scales>),
    /// A recipe was read and its run has a folder, or why that cannot be; which one was asked for, by its
    /// number.
    Recipe(u64, Result<Box<Training>, Problem>),
    /// What is asked before a training begins was read, or why that cannot be; as with [`Outcome::Recipe`].
    Form(u64, Result<Box<Form>, Problem>),
    /// No dialog could be shown: the path has to be typed.
    NoDialog(Ask),
    /// A dialog was closed without a choice.
    NotChosen(Ask),
    /// One of the sitting's documents could not be saved.
    NotSaved(usize, Problem),
    /// What was chosen cannot be.
    Refused(Ask, Box<Problem>),
    /// A path was typed that does not do, and why: it can be mended.
    Mistyped(Ask, PathBuf, Box<Problem>),
    /// A path was chosen, and nobody loses anything by it.
    Chosen(Ask, PathBuf),
    /// Something is there already where something is to be saved, and nobody said yet that it may go.
    Taken(Ask, Box<Taken>),
}

impl Outcome {
    /// Whether it says that something went wrong.
    pub fn is_error(&self) -> bool {
        let Self::Command(Command::App(AppCommand::Notify(notice))) = self else { return false };
        notice.severity == Severity::Error
    }
}

/// A file of tokens that can be read in several ways.
#[derive(Debug, Clone, PartialEq)]
pub struct Unclear {
    /// The file.
    pub path: PathBuf,
    /// What is not clear.
    pub problem: Problem,
    /// Names and shapes of its arrays of numbers.
    pub arrays: Vec<(String, Vec<usize>)>,
}

/// Where a code stands in the tokens of what was open when it was asked for.
#[derive(Debug)]
pub struct Places {
    /// What the cells are of.
    pub on: WorkOn,
    /// The document that it was open in, by its number in the sitting.
    pub number: usize,
    /// The code.
    pub from: Code,
    /// The number of the code of the same book that comes.
    pub to: u32,
    /// Its cells.
    pub cells: BTreeSet<Cell>,
    /// What was forced when they were asked for.
    pub edits: Arc<BTreeMap<Cell, u32>>,
}

/// What a stroke made of the tokens of what was open when it was painted.
#[derive(Debug)]
pub struct Painted {
    /// The cells that it makes others, and their tokens; or why they are not known.
    pub tokens: Result<Arc<[(Cell, u32)]>, Problem>,
    /// What was forced in the tokens that it was painted on.
    pub edits: Arc<BTreeMap<Cell, u32>>,
    /// The codes that were switched off in them.
    pub off: Arc<BTreeSet<Code>>,
}

/// Tokens whose coarse scales take the place of those of what was open when it was asked for.
#[derive(Debug)]
pub struct Scales {
    /// What they come to.
    pub on: WorkOn,
    /// The document that it was open in, by its number in the sitting.
    pub number: usize,
    /// What they are of.
    pub name: String,
    /// The last scale that is taken.
    pub through: u16,
    /// Its tokens as the tokenizer made them, and those whose scales are taken; or why they are not known.
    pub tokens: Result<(Tokens, Tokens), Problem>,
}

impl Ask {
    /// How many images' tokens are in a file of which the tokens to be saved are one, if `is_place` says that it
    /// is where they go: those of the others would be lost.
    pub fn others_in(&self, is_place: impl Fn(&Path) -> bool) -> Option<usize> {
        let Self::Save { what: Save::Tokens(document, _), .. } = self else { return None };
        let Some(Subject::Tokens(Given { among: Some(among), .. })) = &document.subject else {
            return None;
        };
        (among.count > 1 && is_place(&among.path)).then_some(among.count)
    }

    /// The number of the document of which it is asked where it is saved.
    pub fn document(&self) -> Option<usize> {
        match self {
            Self::Save { what: Save::Document(number, _), .. } => Some(*number),
            _ => None,
        }
    }
}

/// A document that was written.
#[derive(Debug)]
pub struct InFile {
    /// Where it is.
    pub file: DocumentFile,
    /// As what.
    pub document: Document,
    /// Pictures of which only the path is in it, as they are not there any more.
    pub missing: Vec<PathBuf>,
}

/// What is there where something is to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where.
    pub path: PathBuf,
    /// What would be lost.
    pub loss: Loss,
    /// What was typed for it, if it was: it can be mended.
    pub typed: Option<PathBuf>,
}

/// What would be lost if something were saved there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Whatever it is.
    File,
    /// What somebody else has written into the document's own file since it was opened or saved here.
    Changes,
    /// The tokens of all other images in the file that they are from, of which there are so many.
    Others(usize),
}

/// What a dialog asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// A file to open.
    File,
    /// A folder to open.
    Folder,
    /// A checkpoint for a slot.
    Tokenizer(Slot),
    /// Where something is by now, and what else is looked for.
    Place(Lost, AllLost),
    /// A file with weights of LPIPS: of its network, its heads, or both.
    Lpips,
    /// A file of images to train on.
    TrainingFile,
    /// A folder of images to train on.
    TrainingFolder,
    /// The folder of a run that is about to begin.
    RunFolder,
    /// Where to save; suggests a name.
    Save {
        /// What is saved.
        what: Save,
        /// The suggested file name.
        name: String,
    },
}

/// What is saved.
#[derive(Debug, Clone, PartialEq)]
pub enum Save {
    /// One of the sitting's documents, by its number, as it was when it was asked about.
    Document(usize, Box<Saved>),
    /// The tokens of a document, in the format that was chosen unless the name that is typed has the other's
    /// ending.
    Tokens(Box<Document>, TokenFormat),
    /// A picture as PNG or SVG, with what it is.
    Picture(Box<PictureFile>),
    /// Numbers as CSV.
    Table(Box<TableFile>),
}

impl Save {
    /// Where it goes if this was chosen: with an ending that says what it is, where that had none of those.
    pub fn at(&self, chosen: &Path) -> PathBuf {
        let endings = self.endings();
        let is_one = |ending: &&str| {
            chosen.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
        };
        if endings.iter().any(is_one) {
            return chosen.to_owned();
        }
        let mut name = chosen.as_os_str().to_owned();
        name.push(".");
        name.push(endings[0]);
        name.into()
    }

    /// The endings of its files, the usual one first.
    pub(super) fn endings(&self) -> &'static [&'static str] {
        match self {
            Self::Document(..) => &["smalti"],
            Self::Tokens(_, TokenFormat::Npy) => &["npy", "safetensors"],
            Self::Tokens(_, TokenFormat::Safetensors) => &["safetensors", "npy"],
            Self::Picture(file) if file.how == How::Svg => &["svg"],
            Self::Picture(_) => &["png"],
            Self::Table(_) => &["csv"],
        }
    }
}

/// What came of opening a path.
#[derive(Debug)]
pub struct Opened {
    /// Which opening it was.
    pub(super) number: u64,
    /// Where it is.
    pub path: Arc<Path>,
    /// What is to be done now.
    pub outcomes: Vec<Outcome>,
    /// Why it could not be opened; said by a notice among the outcomes.
    pub problem: Option<Problem>,
}

impl Opened {
    /// Whether the path proved usable and may be offered again.
    pub fn is_usable(&self) -> bool {
        let is_use = |outcome: &Outcome| {
            matches!(
                outcome,
                Outcome::Document(..)
                    | Outcome::Command(
                        Command::Open(_)
                            | Command::Job(
                                JobCommand::AskTrain(_)
                                    | JobCommand::See(_)
                                    | JobCommand::ShowResults(..)
                            )
                    )
            )
        };
        let has_place = self.path.is_absolute() || self.path.components().count() > 1;
        has_place && self.outcomes.iter().any(is_use)
    }
}

/// A notice as an outcome.
pub fn notice(notice: Notice) -> Outcome {
    Outcome::Command(AppCommand::Notify(notice).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_gets_an_ending_that_says_what_it_is() {
        let at = |save: &Save, chosen: &str| save.at(Path::new(chosen)).display().to_string();
        let saved = Saved::new(Document::default(), None);
        let document = Save::Document(0, Box::new(saved));
        assert_eq!(at(&document, "a.smalti"), "a.smalti");
        assert_eq!(at(&document, "photograph.png"), "photograph.png.smalti");
        let tokens = Save::Tokens(Box::default(), TokenFormat::Safetensors);
        assert_eq!(at(&tokens, "t.NPY"), "t.NPY");
        assert_eq!(at(&tokens, "tokens.v2"), "tokens.v2.safetensors");
        let array = Save::Tokens(Box::default(), TokenFormat::Npy);
        assert_eq!(at(&array, "mine"), "mine.npy", "as it was chosen");
        assert_eq!(at(&array, "mine.safetensors"), "mine.safetensors", "as it was typed");
    }
}
