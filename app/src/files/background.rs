//! Files and dialogs away from the window's thread: one thread that reads and writes in order, and
//! one for each path that is opened and each open dialog. What comes of it is fetched once a frame.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place of the window that touches files, on threads of its own"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use smalti_engine::answers::Stamp;
use smalti_engine::atomic::write_atomically;
use smalti_engine::training::Recipe;
use smalti_engine::{EngineError, Result};

use super::opening::Opened;
use super::saved::Saved;
use super::scenes::Scene;
use crate::document::{AppCommand, Command, Document, Notice, Slot};

/// A dialog that ends sooner was never shown: no portal answers, or no program for it is there.
const TOO_QUICK_FOR_A_PERSON: Duration = Duration::from_millis(400);

/// What came of work in the background.
#[derive(Debug)]
pub enum Outcome {
    /// Something is to be done.
    Command(Command),
    /// A path was opened, or could not be.
    Opened(Opened),
    /// A scene was read.
    Scene(Box<Scene>),
    /// A document was read; from its file, or from the autosave.
    Document(Option<PathBuf>, Box<Saved>),
    /// The document was saved.
    Saved(PathBuf, Box<Document>),
    /// A recipe was read and its run has a folder.
    Recipe(Box<Training>),
    /// No dialog could be shown: the path has to be typed.
    NoDialog(Ask),
}

/// A run that can start.
#[derive(Debug)]
pub struct Training {
    /// What is trained.
    pub recipe: Recipe,
    /// Where the recipe's relative paths start.
    pub beside: PathBuf,
    /// The new folder of the run.
    pub folder: PathBuf,
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
    /// The document.
    Document,
    /// The tokens, `.npy` or `.safetensors`.
    Tokens,
    /// A picture as PNG.
    Picture(smalti_engine::images::Picture),
}

type Work = Box<dyn FnOnce() -> Option<Outcome> + Send>;

/// Asks for a frame.
type Waker = Arc<dyn Fn() + Send + Sync>;

/// The threads, and what came of their work.
pub struct Background {
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    outcomes: Receiver<Outcome>,
    sender: Sender<Outcome>,
    chosen: Receiver<(Ask, PathBuf)>,
    choose: Sender<(Ask, PathBuf)>,
    /// Work in line or under way, and outcomes that nobody fetched yet.
    open: Arc<AtomicUsize>,
    waker: Waker,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Background")
    }
}

impl Background {
    /// Starts the thread of files. `waker` asks for a frame, which fetches what came of the work.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn new(waker: Waker) -> Result<Self> {
        let (work, jobs) = channel::<Work>();
        let (sender, outcomes) = channel();
        let (choose, chosen) = channel();
        let (results, waking) = (sender.clone(), Arc::clone(&waker));
        let open = Arc::new(AtomicUsize::new(0));
        let done = Arc::clone(&open);
        let thread = std::thread::Builder::new()
            .name("files".to_owned())
            .spawn(move || {
                while let Ok(job) = jobs.recv() {
                    match job().map(|outcome| results.send(outcome)) {
                        Some(Ok(())) => waking(),
                        None | Some(Err(_)) => {
                            done.fetch_sub(1, Ordering::Relaxed);
                        }
                    }
                }
            })
            .map_err(|source| EngineError::io("thread for files", source))?;
        Ok(Self {
            work: Some(work),
            thread: Some(thread),
            outcomes,
            sender,
            chosen,
            choose,
            open,
            waker,
        })
    }

    /// Does something on the thread of files, after what is in line there.
    pub fn run(&self, work: impl FnOnce() -> Option<Outcome> + Send + 'static) {
        self.open.fetch_add(1, Ordering::Relaxed);
        if let Some(line) = &self.work
            && line.send(Box::new(work)).is_err()
        {
            self.open.fetch_sub(1, Ordering::Relaxed);
            log::error!("the thread of files has ended");
        }
    }

    /// Does something on a thread of its own.
    pub fn alongside(&self, name: &str, work: impl FnOnce() -> Outcome + Send + 'static) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let (results, waker) = (self.sender.clone(), Arc::clone(&self.waker));
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Without a receiver the window is gone.
            if results.send(work()).is_ok() {
                waker();
            }
        });
        if let Err(error) = spawned {
            self.open.fetch_sub(1, Ordering::Relaxed);
            log::error!("no thread for {name}: {error}");
        }
    }

    /// As [`Background::run`]; an error becomes a notice.
    pub fn attempt(&self, work: impl FnOnce() -> Result<Outcome> + Send + 'static) {
        self.run(move || Some(work().unwrap_or_else(|error| notice(error.problem().into()))));
    }

    /// Shows a dialog of the system, on a thread of its own.
    pub fn ask(&self, ask: Ask) {
        let (choose, results) = (self.choose.clone(), self.sender.clone());
        let waker = Arc::clone(&self.waker);
        let spawned = std::thread::Builder::new().name("dialog".to_owned()).spawn(move || {
            let started = Instant::now();
            let dialog = rfd::AsyncFileDialog::new();
            let handle = match &ask {
                Ask::File | Ask::Tokenizer(_) => pollster::block_on(dialog.pick_file()),
                Ask::Folder => pollster::block_on(dialog.pick_folder()),
                Ask::Save { name, .. } => {
                    pollster::block_on(dialog.set_file_name(name).save_file())
                }
            };
            let sent = match handle {
                Some(file) => choose.send((ask, file.path().to_owned())).is_ok(),
                None if started.elapsed() < TOO_QUICK_FOR_A_PERSON => {
                    results.send(Outcome::NoDialog(ask)).is_ok()
                }
                None => false,
            };
            if sent {
                waker();
            }
        });
        if let Err(error) = spawned {
            log::error!("no thread for a dialog: {error}");
        }
    }

    /// What came of work since the last time.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let outcomes: Vec<Outcome> = self.outcomes.try_iter().collect();
        let from_work = outcomes.iter().filter(|o| !matches!(o, Outcome::NoDialog(_))).count();
        self.open.fetch_sub(from_work, Ordering::Relaxed);
        outcomes
    }

    /// Whether something is in line, under way or not fetched.
    pub fn is_busy(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// What was chosen in dialogs since the last time.
    pub fn chosen(&self) -> Vec<(Ask, PathBuf)> {
        self.chosen.try_iter().collect()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // What is in line is still written: the line ends, then the thread does.
        self.work = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of files had panicked");
        }
    }
}

/// A notice as an outcome.
pub fn notice(notice: Notice) -> Outcome {
    Outcome::Command(AppCommand::Notify(notice).into())
}

/// The version of a file; all zeros if it cannot be had.
pub fn stamp(path: &Path) -> Stamp {
    Stamp::of(path)
}

/// Writes a whole file or nothing, and its folder where that is missing.
///
/// # Errors
/// What the system says, with the path.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| EngineError::io(folder, source))?;
    }
    write_atomically(path, |file| file.write_all(bytes))
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// What the system says, or that the file is larger.
pub fn read_whole(path: &Path, limit: u64) -> Result<Vec<u8>> {
    smalti_engine::images::file::read_file(path, limit)
}

/// Moves what an unexpected end left to a name of its own beside it, so that nothing writes over
/// it; gives the new path, or `None` if there was nothing.
pub fn set_aside(path: &Path) -> Option<PathBuf> {
    // The time of its last change tells several of them apart.
    let secs = Stamp::of(path).modified / 1_000_000_000;
    let kept = path.with_file_name(format!("recovered-{secs}.smalti"));
    match std::fs::rename(path, &kept) {
        Ok(()) => Some(kept),
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                log::warn!("{}: {error}", path.display());
            }
            None
        }
    }
}

/// Reads a recipe and makes a new folder for its run in `runs`, or in the folder of temporary files.
///
/// # Errors
/// If the recipe cannot be used or the folder cannot be made.
pub fn prepare_training(path: &Path, runs: Option<&Path>) -> Result<Training> {
    let recipe = Recipe::read(path)?;
    let folder = if let Some(runs) = runs {
        new_folder(runs, &recipe.name)?
    } else {
        let made = tempfile::Builder::new().prefix("smalti-run-").tempdir();
        made.map_err(|source| EngineError::io(std::env::temp_dir(), source))?.keep()
    };
    let beside = path.parent().unwrap_or(Path::new("")).to_owned();
    Ok(Training { recipe, beside, folder })
}

/// Runs of one name.
const MOST_RUNS: u32 = 10_000;

/// The first of NAME-1, NAME-2 and so on that is not there yet.
fn new_folder(runs: &Path, name: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(runs).map_err(|source| EngineError::io(runs, source))?;
    for number in 1..=MOST_RUNS {
        let folder = runs.join(format!("{name}-{number}"));
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(EngineError::io(folder, source)),
        }
    }
    let reason = format!("there are {MOST_RUNS} runs of {name} already");
    Err(EngineError::bad_file(runs, reason, "Delete some"))
}

/// Takes a file away if it is there.
pub fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        log::warn!("{}: {error}", path.display());
    }
}
