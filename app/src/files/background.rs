//! Files and dialogs away from the window's thread: one thread that reads and writes in order, one that saves
//! what the engine has to work out first, and one for each path that is opened and each open dialog. What
//! comes of it is fetched once a frame.
#![expect(clippy::disallowed_methods, reason = "threads of its own may wait")]

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use smalti_engine::session::guard;
use smalti_engine::{EngineError, Result};

use super::outcome::{Ask, Outcome, notice};
use crate::document::{Lost, LostKind};
use crate::look::words::name;

/// A dialog that ends sooner was never shown: no portal answers, or no program for it is there.
const TOO_QUICK_FOR_A_PERSON: Duration = Duration::from_millis(400);

type Work = Box<dyn FnOnce() -> Option<Outcome> + Send>;

/// Asks for a frame.
type Waker = Arc<dyn Fn() + Send + Sync>;

/// A thread that does its work in order.
struct Line {
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    fn new(
        name: &str,
        results: Sender<Outcome>,
        waker: Waker,
        open: &Arc<AtomicUsize>,
    ) -> Result<Self> {
        let (work, jobs) = channel::<Work>();
        let (done, job_name) = (Arc::clone(open), format!("work on {name}"));
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                while let Ok(job) = jobs.recv() {
                    let outcome = guard(&job_name, || Ok(job()))
                        .unwrap_or_else(|error| Some(notice(error.problem().into())));
                    if outcome.is_some_and(|outcome| results.send(outcome).is_ok()) {
                        waker();
                    } else {
                        done.fetch_sub(1, Ordering::Relaxed);
                    }
                }
            })
            .map_err(|source| EngineError::io(format!("thread for {name}"), source))?;
        Ok(Self { work: Some(work), thread: Some(thread) })
    }

    fn run(&self, work: Work, open: &AtomicUsize) {
        open.fetch_add(1, Ordering::Relaxed);
        if let Some(line) = &self.work
            && line.send(work).is_err()
        {
            open.fetch_sub(1, Ordering::Relaxed);
            log::error!("a thread of files has ended");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // What is in line is still written: the line ends, then the thread does.
        self.work = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("a thread of files had panicked");
        }
    }
}

/// Threads of their own that save something.
#[derive(Default)]
struct Savers {
    threads: RefCell<Vec<JoinHandle<()>>>,
    /// How many of them are not done with that.
    open: Arc<AtomicUsize>,
}

/// Something is being saved, until this is dropped.
struct Saving(Arc<AtomicUsize>);

impl Drop for Saving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Savers {
    fn begin(&self) -> Saving {
        self.open.fetch_add(1, Ordering::Relaxed);
        Saving(Arc::clone(&self.open))
    }

    fn keep(&self, thread: JoinHandle<()>) {
        let mut threads = self.threads.borrow_mut();
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }
}

impl Drop for Savers {
    fn drop(&mut self) {
        for thread in self.threads.take() {
            if thread.join().is_err() {
                log::error!("a thread that saves had panicked");
            }
        }
    }
}

/// The threads, and what came of their work.
pub struct Background {
    /// First, so that what is saved is written before the end.
    saving: Line,
    savers: Savers,
    files: Line,
    outcomes: Receiver<Outcome>,
    sender: Sender<Outcome>,
    chosen: Receiver<(Ask, PathBuf)>,
    choose: Sender<(Ask, PathBuf)>,
    /// Work in line or under way, and outcomes that nobody fetched yet.
    open: Arc<AtomicUsize>,
    waker: Waker,
    has_dialogs: bool,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Background")
    }
}

impl Background {
    /// Starts the threads. `waker` asks for a frame, which fetches what came of the work. Without
    /// `has_dialogs` every path is typed.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn new(waker: Waker, has_dialogs: bool) -> Result<Self> {
        let (sender, outcomes) = channel();
        let (choose, chosen) = channel();
        let open = Arc::new(AtomicUsize::new(0));
        let line = |name: &str| Line::new(name, sender.clone(), Arc::clone(&waker), &open);
        let (saving, files, savers) = (line("saving")?, line("files")?, Savers::default());
        Ok(Self {
            saving,
            savers,
            files,
            outcomes,
            sender,
            chosen,
            choose,
            open,
            waker,
            has_dialogs,
        })
    }

    /// Does something on the thread of files, after what is in line there. It must not wait for the engine:
    /// the autosave stands in this line.
    pub fn run(&self, work: impl FnOnce() -> Option<Outcome> + Send + 'static) {
        self.files.run(Box::new(work), &self.open);
    }

    /// Saves something, after what is being saved; may wait for the engine. An error becomes a notice.
    pub fn save(&self, work: impl FnOnce() -> Result<Outcome> + Send + 'static) {
        let work = || Some(work().unwrap_or_else(|error| notice(error.problem().into())));
        self.saving.run(Box::new(work), &self.open);
    }

    /// Does something on a thread of its own; the end does not wait for it.
    ///
    /// # Errors
    /// If the system has no thread to give; then the work is not done.
    pub fn alongside(
        &self,
        name: &str,
        work: impl FnOnce() -> Outcome + Send + 'static,
    ) -> Result<()> {
        self.spawn(name, work, None).map(|_| ())
    }

    /// Saves something that takes long, beside what else is being saved; it is saved before the end, unless that is not
    /// waited for any more.
    ///
    /// # Errors
    /// As [`Background::alongside`].
    pub fn save_alongside(
        &self,
        name: &str,
        work: impl FnOnce() -> Outcome + Send + 'static,
    ) -> Result<()> {
        // Over when what came of it is told, also after a panic.
        let saving = self.savers.begin();
        self.spawn(name, work, Some(saving)).map(|thread| self.savers.keep(thread))
    }

    /// Whether something that takes long is being saved.
    pub fn is_saving_alongside(&self) -> bool {
        self.savers.open.load(Ordering::Acquire) > 0
    }

    /// The end does not wait for what takes long: no file of it is begun before all of it is there.
    pub fn leave_savers(&self) {
        drop(self.savers.threads.take());
    }

    fn spawn(
        &self,
        name: &str,
        work: impl FnOnce() -> Outcome + Send + 'static,
        saving: Option<Saving>,
    ) -> Result<JoinHandle<()>> {
        self.open.fetch_add(1, Ordering::Relaxed);
        let (results, waker) = (self.sender.clone(), Arc::clone(&self.waker));
        let job = name.to_owned();
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let outcome =
                guard(&job, || Ok(work())).unwrap_or_else(|error| notice(error.problem().into()));
            // Without a receiver the window is gone.
            let is_told = results.send(outcome).is_ok();
            drop(saving);
            if is_told {
                waker();
            }
        });
        spawned.map_err(|source| {
            self.open.fetch_sub(1, Ordering::Relaxed);
            EngineError::io(format!("thread for {name}"), source)
        })
    }

    /// What came of work that could not begin.
    pub fn say(&self, outcome: Outcome) {
        self.open.fetch_add(1, Ordering::Relaxed);
        if self.sender.send(outcome).is_ok() {
            (self.waker)();
        }
    }

    /// Says what comes of something that another part of the program does, when that is there.
    pub fn teller(&self) -> impl FnOnce(Outcome) + Send + use<> {
        let (results, waker, open) =
            (self.sender.clone(), Arc::clone(&self.waker), Arc::clone(&self.open));
        move |outcome| {
            open.fetch_add(1, Ordering::Relaxed);
            // Without a receiver the window is gone.
            if results.send(outcome).is_ok() {
                waker();
            }
        }
    }

    /// As [`Background::run`]; an error becomes a notice.
    pub fn attempt(&self, work: impl FnOnce() -> Result<Outcome> + Send + 'static) {
        self.run(move || Some(work().unwrap_or_else(|error| notice(error.problem().into()))));
    }

    /// Shows a dialog of the system, on a thread of its own.
    pub fn ask(&self, ask: Ask) {
        if !self.has_dialogs {
            // Without a receiver the window is gone.
            if self.sender.send(Outcome::NoDialog(ask)).is_ok() {
                (self.waker)();
            }
            return;
        }
        let (choose, results, asked) = (self.choose.clone(), self.sender.clone(), ask.clone());
        let waker = Arc::clone(&self.waker);
        let spawned = std::thread::Builder::new().name("dialog".to_owned()).spawn(move || {
            let started = Instant::now();
            let dialog = filtered(rfd::AsyncFileDialog::new(), &ask);
            let handle = match &ask {
                Ask::Folder | Ask::TrainingFolder | Ask::RunFolder => {
                    pollster::block_on(dialog.pick_folder())
                }
                Ask::Place(lost, _) if is_of_folder(lost) => {
                    pollster::block_on(dialog.pick_folder())
                }
                Ask::File | Ask::Tokenizer(_) | Ask::Lpips | Ask::TrainingFile | Ask::Place(..) => {
                    pollster::block_on(dialog.pick_file())
                }
                Ask::Save { name, .. } => {
                    pollster::block_on(dialog.set_file_name(name).save_file())
                }
            };
            let sent = match handle {
                Some(file) => choose.send((ask, file.path().to_owned())).is_ok(),
                None if started.elapsed() < TOO_QUICK_FOR_A_PERSON => {
                    results.send(Outcome::NoDialog(ask)).is_ok()
                }
                None => results.send(Outcome::NotChosen(ask)).is_ok(),
            };
            if sent {
                waker();
            }
        });
        if let Err(error) = spawned {
            let error = EngineError::io("thread for a dialog", error);
            self.say(notice(error.problem().into()));
            // Of dialogs nothing is counted.
            if self.sender.send(Outcome::NotChosen(asked)).is_ok() {
                (self.waker)();
            }
        }
    }

    /// What came of work since the last time.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let outcomes: Vec<Outcome> = self.outcomes.try_iter().collect();
        let of_dialog =
            |outcome: &Outcome| matches!(outcome, Outcome::NoDialog(_) | Outcome::NotChosen(_));
        let from_work = outcomes.iter().filter(|outcome| !of_dialog(outcome)).count();
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

/// Kinds of files to choose from, what is opened most first; everything else can be opened, too, since it is told
/// by its contents.
const KINDS: [(&str, &[&str]); 6] = [
    ("Smalti documents", &["smalti"]),
    (
        "Images",
        &["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "qoi", "tga", "ppm", "pgm"],
    ),
    ("Sets of images", &["tar", "tgz", "gz", "npy", "npz", "bin", "idx", "ubyte"]),
    ("Tokenizers", &["safetensors", "ckpt", "pt", "pth", "pkl", "jit", "bin", "json"]),
    ("Tokens", &["npy", "npz", "safetensors", "pt"]),
    ("Scenes and recipes", &["ron"]),
];

/// Whether what is looked for is a folder, as far as its name tells: a set is one unless it is called like a file
/// of images.
fn is_of_folder(lost: &Lost) -> bool {
    match lost.kind {
        LostKind::Run => true,
        LostKind::Image | LostKind::Tokenizer | LostKind::Generator => false,
        LostKind::Set => {
            let file = name(&lost.path).to_lowercase();
            let (_, endings) = KINDS[2];
            let is_file = |ending: &&str| file.ends_with(&format!(".{ending}"));
            // Files of MNIST are called train-images-idx3-ubyte.
            !(endings.iter().any(is_file) || file.ends_with("-ubyte"))
        }
    }
}

/// A dialog that shows what can be chosen for an answer.
fn filtered(dialog: rfd::AsyncFileDialog, ask: &Ask) -> rfd::AsyncFileDialog {
    let all = |dialog: rfd::AsyncFileDialog| dialog.add_filter("All files", &["*"]);
    let only = |dialog: rfd::AsyncFileDialog, name: &str| {
        let kind = KINDS.iter().find(|(known, _)| *known == name);
        kind.map_or(dialog.clone(), |(name, endings)| dialog.add_filter(*name, endings))
    };
    match ask {
        Ask::File => {
            let mut known: Vec<&str> =
                KINDS.iter().flat_map(|(_, endings)| *endings).copied().collect();
            known.sort_unstable();
            known.dedup();
            let dialog = dialog.add_filter("All that Smalti opens", &known);
            let each = |dialog: rfd::AsyncFileDialog, (name, endings): &(&str, &[&str])| {
                dialog.add_filter(*name, endings)
            };
            all(KINDS.iter().fold(dialog, each))
        }
        Ask::Tokenizer(_) | Ask::Lpips => all(only(dialog, "Tokenizers")),
        Ask::Place(lost, _) => {
            let dialog = dialog.set_title(format!("Where is {}?", name(&lost.path)));
            match lost.kind {
                LostKind::Run | LostKind::Set => dialog,
                LostKind::Image => all(only(dialog, "Images")),
                LostKind::Tokenizer | LostKind::Generator => all(only(dialog, "Tokenizers")),
            }
        }
        Ask::Save { what, .. } => {
            let endings = what.endings();
            let kind = endings.iter().map(|ending| format!(".{ending}")).collect::<Vec<_>>();
            dialog.add_filter(kind.join(" or "), endings)
        }
        Ask::TrainingFile => all(dialog),
        Ask::Folder | Ask::TrainingFolder | Ask::RunFolder => dialog,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{AppCommand, Command, Severity};

    #[test]
    fn a_set_is_looked_for_as_what_it_is_called_like() {
        let is_folder = |kind, path: &str| is_of_folder(&Lost { kind, path: path.into() });
        let folders = ["/data/flowers", "/data/flowers.v2", "/data/2026.11", "/data/a.tar.d"];
        assert!(folders.iter().all(|path| is_folder(LostKind::Set, path)));
        let files = ["/data/a.tar", "/data/a.tar.gz", "/m/train-images-idx3-ubyte", "/c/data.BIN"];
        assert!(!files.iter().any(|path| is_folder(LostKind::Set, path)));
        assert!(is_folder(LostKind::Run, "/runs/v1.2"));
        assert!(!is_folder(LostKind::Image, "/photos/hat"));
        assert!(!is_folder(LostKind::Tokenizer, "/models/vae"));
    }

    /// What comes of work within some seconds.
    fn wait(background: &Background, count: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for _ in 0..5_000 {
            outcomes.extend(background.outcomes());
            if outcomes.len() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        outcomes
    }

    fn error(outcome: &Outcome) -> Option<&str> {
        match outcome {
            Outcome::Command(Command::App(AppCommand::Notify(notice)))
                if notice.severity == Severity::Error =>
            {
                Some(&notice.summary)
            }
            _ => None,
        }
    }

    #[test]
    fn what_takes_long_to_save_is_saved_before_the_end() {
        let background = Background::new(Arc::new(|| {}), false).unwrap();
        let (go, wait) = channel::<()>();
        let saved = Arc::new(AtomicUsize::new(0));
        let done = Arc::clone(&saved);
        let save = move || {
            assert!(wait.recv().is_ok());
            std::thread::sleep(Duration::from_millis(50));
            done.store(1, Ordering::Relaxed);
            Outcome::Command(AppCommand::ForgetRecent.into())
        };
        background.save_alongside("making a sheet", save).unwrap();
        go.send(()).unwrap();
        drop(background);
        assert_eq!(saved.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_takes_long_to_save_is_known_until_it_is_told_of_and_may_be_left() {
        let background = Background::new(Arc::new(|| {}), false).unwrap();
        assert!(!background.is_saving_alongside());
        let (go, wait_for) = channel::<()>();
        let save = move || match wait_for.recv() {
            Ok(()) => Outcome::Command(AppCommand::ForgetRecent.into()),
            Err(error) => panic!("torn: {error}"),
        };
        background.save_alongside("making a sheet", save).unwrap();
        assert!(background.is_saving_alongside());
        drop(go);
        assert!(wait(&background, 1).first().and_then(error).is_some_and(|it| it.contains("torn")));
        // Right after it is told.
        while background.is_saving_alongside() {
            std::thread::yield_now();
        }
        let (never, wait_for) = channel::<()>();
        let save = move || {
            assert!(wait_for.recv().is_err());
            Outcome::Command(AppCommand::ForgetRecent.into())
        };
        background.save_alongside("making a sheet", save).unwrap();
        background.leave_savers();
        // With a thread that is waited for this would not end.
        drop(background);
        drop(never);
    }

    #[test]
    fn a_panic_is_said_and_what_comes_after_it_is_still_done() {
        let background = Background::new(Arc::new(|| {}), false).unwrap();
        background.run(|| panic!("torn"));
        background.run(|| Some(Outcome::Command(AppCommand::ForgetRecent.into())));
        background.alongside("opening", || panic!("worn")).unwrap();
        let outcomes = wait(&background, 3);
        assert_eq!(outcomes.len(), 3, "{outcomes:?}");
        for word in ["torn", "worn"] {
            assert!(outcomes.iter().filter_map(error).any(|said| said.contains(word)), "{word}");
        }
        let done =
            |o: &Outcome| matches!(o, Outcome::Command(Command::App(AppCommand::ForgetRecent)));
        assert!(outcomes.iter().any(done));
        assert!(!background.is_busy(), "nothing is waited for any more");
    }
}
