//! Commands: everything a person can ask for, split by subject.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::Knob;
use smalti_engine::evaluation::{LpipsFiles, Plan};
use smalti_engine::images::{Picture, WorkingSize};
use smalti_engine::questions::{BrushStroke, Given, ImageRef, ModelRef, SourceRef, Stamp, Subject};
use smalti_engine::session::{Control, RunId};
use smalti_engine::tokens::{Cell, Code};

use super::export::{How, PictureFile, TableFile, TokenFormat};
use super::generating::Generate;
use super::looks::{ColorBy, CompareMode, DifferenceKind, Pair};
use super::lost::{AllLost, Lost, Moved};
use super::notice::Notice;
use super::race::Racing;
use super::rates::RatesLook;
use super::region::Region;
use super::run::{Changes, RecipeRef, RunFolder};
use super::selecting::Tool;
use super::slot::Slot;
use super::view_id::{PanelId, ViewId};
use crate::settings::ThemeChoice;

/// What a person says of a file of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// Rows and columns of an image's tokens.
    pub grid: Option<(usize, usize)>,
    /// The array's name.
    pub key: Option<String>,
    /// Which image, from 0.
    pub index: usize,
}

/// Opens something.
#[derive(Debug, Clone, PartialEq)]
pub enum Open {
    /// Whatever is at a path: image, folder, archive, checkpoint, tokens, scene, document.
    Path(PathBuf),
    /// A file of tokens, read as somebody says.
    TokensAs(PathBuf, Reading),
    /// An image.
    Image(ImageRef),
    /// Tokens that are there already.
    Tokens(Given),
    /// A set of images.
    Source(SourceRef),
    /// A tokenizer.
    Model(Slot, ModelRef),
    /// A generator.
    Generator(ModelRef),
    /// Looks at the tensors of a file; at those of the tokenizer if `None`.
    Checkpoint(Option<ModelRef>),
    /// Takes a tokenizer that is compared with away.
    NoModel(Slot),
    /// A run takes a slot.
    Run(Slot, RunFolder),
    /// A slot of runs becomes free; the run's files stay.
    NoRun(Slot),
    /// A tokenizer that was opened before, as its file is now.
    ModelAgain(Slot, ModelRef),
    /// A generator that was opened before, as its file is now.
    GeneratorAgain(ModelRef),
    /// An image file that was opened before, as it is now.
    ImageAgain(std::sync::Arc<std::path::Path>),
    /// Works at another size.
    Size(WorkingSize),
    /// Takes an image that was opened out of the list of those; what was done to it stays.
    CloseImage(ImageRef),
    /// A tokenizer is at hand, in no slot.
    Keep(ModelRef),
    /// Takes a tokenizer that was opened out of the menus.
    CloseModel(ModelRef),
    /// Goes on with files and folders where they are now.
    Moved(Arc<[Moved]>),
}

impl Open {
    /// A generator that is at hand: one of a file as it is now, which may have been trained further.
    pub fn generator(generator: ModelRef) -> Self {
        match generator {
            ModelRef::Shipped(_) => Self::Generator(generator),
            ModelRef::File { .. } => Self::GeneratorAgain(generator),
        }
    }
}

/// Changes tokens, codes or what is selected.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Selects cells; the empty set selects none.
    SelectCells(Arc<BTreeSet<Cell>>),
    /// Selects all cells of the part that is looked at. Needs the tokens.
    SelectAllCells,
    /// Takes a tool into the hand: what a drag on the grid does.
    Hold(Tool),
    /// How many cells round its middle the brush covers.
    Brush(u8),
    /// What is painted with.
    Color([u8; 3]),
    /// Paints on the picture; the cells that are touched are encoded anew. Needs the tokens.
    Paint(BrushStroke),
    /// Selects nothing: no cells, no codes.
    Deselect,
    /// Looks at a part: a scale, a level; `None`: at the last one.
    SelectPart(Option<u16>),
    /// Selects a code alone.
    SelectCode(Option<Code>),
    /// Selects several codes, of which the first is looked at.
    SelectCodes(Code, Arc<BTreeSet<Code>>),
    /// Pins a code, or takes its pin away.
    PinCode(Code),
    /// Forces a code at cells. Locked cells stay.
    ForceCells {
        /// Where.
        cells: Arc<BTreeSet<Cell>>,
        /// Which code.
        code: u32,
    },
    /// Forces several codes, such as a pasted region. Locked cells stay.
    ForceTokens(Arc<[(Cell, u32)]>),
    /// Releases forced cells: they have the tokenizer's code again. Locked cells stay.
    ReleaseCells(Arc<BTreeSet<Cell>>),
    /// Locks or unlocks cells.
    LockCells {
        /// Where.
        cells: Arc<BTreeSet<Cell>>,
        /// Locked or not.
        locked: bool,
    },
    /// Releases all forced cells. Locked cells stay.
    ReleaseAll,
    /// Replaces a code by another wherever it stands in the image.
    ReplaceCode {
        /// The code that goes.
        from: Code,
        /// The number of the code of the same book that comes.
        to: u32,
    },
    /// The coarse scales become those of something else, as this tokenizer encodes it; locked cells stay.
    MixScales {
        /// Of what.
        from: Box<Subject>,
        /// The last one that is taken, from 0 for the coarsest.
        through: u16,
    },
    /// Switches codes off or on.
    SwitchCodes {
        /// Which codes.
        codes: Arc<BTreeSet<Code>>,
        /// May they be used?
        on: bool,
    },
    /// Switches all codes of the tokenizer on.
    SwitchAllOn,
    /// Goes back to the start of what is worked on: nothing is forced or switched off; locks stay.
    UseStart,
    /// Keeps the work as it is as a variation.
    KeepVariation,
    /// Goes back to a variation.
    UseVariation(usize),
    /// Drops a variation.
    DropVariation(usize),
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
    /// Which pair is compared; all at once if `None`.
    Pair(Option<Pair>),
    /// Which difference is shown.
    Difference(DifferenceKind),
    /// Whether codes' numbers are written.
    ShowIds(bool),
    /// Whether all of a picture is seen as its tokens decode, not the original where an edit moves nothing.
    WholeDecoding(bool),
    /// Whether the pixels that the edit moves are marked.
    Moved(bool),
    /// Whether the tokens are marked that would be others if the picture were encoded again.
    Again(bool),
    /// Whether it is seen what each scale adds.
    Adds(bool),
    /// Whether all images of the set are counted.
    WholeSet(bool),
    /// What is seen of rate against quality.
    Rates(RatesLook),
}

/// Changes what is where in the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// Brings a view to the front, opening it if need be.
    Show(ViewId),
    /// Brings a view of the picture that is worked on to the front, if none is seen and there is one.
    ShowPicture,
    /// Opens another panel with a view.
    Another(ViewId),
    /// Closes a panel.
    Close(PanelId),
    /// Opens a scene by name: its layout and what it loads.
    Scene(String),
    /// The same, and leads through its captions.
    Door(String),
    /// Shows the doors, and what was opened last.
    Doors,
    /// Starts the scene that is shown again from its start.
    Again,
}

/// Steers long work.
#[derive(Debug, Clone, PartialEq)]
pub enum JobCommand {
    /// Pauses, resumes, steps or cancels a run.
    Control(RunId, Control),
    /// Asks how what a recipe describes is to be trained, and trains it then.
    AskTrain(RecipeRef),
    /// Asks the same for a tokenizer that becomes a point of rate against quality, measured on so many images of the
    /// document's set.
    AskPoint(RecipeRef, u64),
    /// A tokenizer that was trained for it is at hand, and measured.
    MeasurePoint(ModelRef, (SourceRef, u64)),
    /// Trains what a recipe describes, but for what is wanted otherwise, in a new folder of its own.
    Train(RecipeRef, Box<Changes>),
    /// Shows a run that is there in a slot of its own; it does not go on by this.
    See(RunFolder),
    /// Goes on with the run in a slot, from its last checkpoint.
    GoOn(Slot),
    /// Goes on with a run that may have no slot.
    Resume(RunFolder),
    /// Takes a run out of the list of runs; its files stay.
    Unlist(PathBuf),
    /// Lists all runs again that were taken out of the list.
    ListAll,
    /// It was read which run has left a slot.
    SeenLeft(Slot),
    /// Turns a knob of a run.
    Turn(RunId, Knob, f64),
    /// Pauses a run and brings it back to the kept checkpoint of a step.
    GoTo(RunId, u64),
    /// Starts another run from the latest checkpoint of the run in a slot, or from the kept one of a step.
    Branch(Slot, Option<u64>),
    /// Measures tokenizers, one after the other.
    Measure(Vec<Plan>),
    /// Trains the AR probes of tokenizers, one after the other.
    Probe(Vec<ModelRef>),
    /// Shows a table of results beside what is measured.
    ShowResults(Arc<Path>, Stamp),
    /// LPIPS is measured by these weights from now on; by none it is not measured.
    UseLpips(Option<LpipsFiles>),
}

/// How large a picture is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoomTo {
    /// All of it is seen.
    Fit,
    /// One of its pixels is one of the screen.
    Pixels,
    /// Larger by a step.
    In,
    /// Smaller by a step.
    Out,
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
    /// Takes a picture away; asks where to, suggesting its name.
    ExportPicture(Box<PictureFile>),
    /// Saves numbers as CSV; asks where, suggesting their name.
    ExportTable(Box<TableFile>),
    /// Takes away what is seen and offers itself under a name.
    Export(String, How),
    /// Takes the window's own picture away, or that of one of its panels.
    ExportWindow(Option<PanelId>, How),
    /// Saves the tokens; asks where. Without a format it is the one that holds them.
    SaveTokens(Option<TokenFormat>),
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
    /// Asks for a file with weights of LPIPS.
    AskLpips,
    /// Asks where something is that is not where it was; the others may be found with it.
    AskPlace(Lost, AllLost),
    /// Opens what is on the clipboard: a picture or a path; or a region of tokens is put somewhere.
    Paste,
    /// A region of tokens is to be put somewhere; none any more if `None`.
    PasteTokens(Option<Arc<Region>>),
    /// Opens or closes the command palette.
    Palette,
    /// Shows or hides the list of keys.
    Keys,
    /// Says what Smalti is.
    About,
    /// Presentation mode on or off.
    Presentation,
    /// Makes the screen of a presentation black, or shows it again.
    Black,
    /// Full screen on or off.
    Fullscreen,
    /// Shows or hides what developers want to know: how long frames and the engine's pieces take.
    Timings,
    /// Takes all notices off the screen.
    Dismiss,
    /// Does what a view offers under a name, as its own button would.
    Offered(String),
    /// Zooms the pictures of all views that are seen.
    Zoom(ZoomTo),
    /// Opens the menu of a picture that is seen, as the right button does.
    PictureMenu,
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
    /// Changes tokens, codes or what is selected.
    Edit(Edit),
    /// Changes how things are looked at.
    Look(Look),
    /// Changes what is where.
    Layout(Layout),
    /// Asks something of the generator, or looks at what it did.
    Generate(Generate),
    /// Sets a race of generators up, or starts it.
    Race(Racing),
    /// Steers long work.
    Job(JobCommand),
    /// Concerns the program as a whole.
    App(AppCommand),
}

impl Edit {
    /// Switches one code off or on.
    pub fn switch(code: Code, on: bool) -> Self {
        Self::SwitchCodes { codes: Arc::new([code].into()), on }
    }
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
into_command!(Open => Open, Edit => Edit, Look => Look, Layout => Layout, Generate => Generate, Racing => Race, JobCommand => Job, AppCommand => App);

impl From<Notice> for Command {
    fn from(notice: Notice) -> Self {
        Self::App(AppCommand::Notify(notice))
    }
}
