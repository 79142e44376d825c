//! Opening paths: what it is, whether it can be used, and only then a change of the document. So a
//! broken file is a notice and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::answers::{
    Decode, GridRef, Identified, Identify, ImageRef, LoadImage, ModelInfo, ModelRef, PastedPicture,
    SourceInfo, SourceRef, Stamp,
};
use smalti_engine::images::{Fit, WorkingSize};
use smalti_engine::session::{Lane, Reply, Session};
use smalti_engine::tokens::{Cell, Grid};

use super::background::{Background, Outcome, stamp};
use super::saved;
use super::scenes::Scene;
use crate::document::{Command, Document, Edit, JobCommand, Layout, Notice, Open, RecipeRef, Slot};
use crate::views::ViewId;

/// Scenes above this are not read.
const SCENE_LIMIT: u64 = 1 << 20;

/// What is being opened, in the order in which it was asked for.
#[derive(Debug, Default)]
pub struct Openings(Vec<Opening>);

#[derive(Debug)]
struct Opening {
    path: Arc<Path>,
    slot: Slot,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Its version is being looked up on the thread of files.
    Stamp,
    Identify(Identify),
    Image(ImageRef),
    Source(SourceRef),
    Model(ModelRef),
    Tokens(Grid, ModelRef),
}

/// How far an opening is.
enum Step {
    Wait,
    Next(Stage),
    Done(Vec<Command>),
}

impl Openings {
    /// Opens what is at a path; a checkpoint goes into `slot`.
    pub fn start(&mut self, path: PathBuf, slot: Slot, background: &Background) {
        let path: Arc<Path> = path.into();
        let there = Arc::clone(&path);
        background.run(move || {
            let stamp = stamp(&there);
            Some(Outcome::Stamped(there, stamp))
        });
        self.0.push(Opening { path, slot, stage: Stage::Stamp });
    }

    /// The version of a path is known.
    pub fn stamped(&mut self, path: &Arc<Path>, stamp: Stamp) {
        for opening in &mut self.0 {
            if matches!(opening.stage, Stage::Stamp) && opening.path == *path {
                let path = Arc::clone(path);
                opening.stage = Stage::Identify(Identify { path, stamp });
            }
        }
    }

    /// Tokens were read: their picture is decoded first.
    pub fn tokens(&mut self, grid: Grid, document: &Document) {
        let stage = Stage::Tokens(grid, document.model.clone());
        self.0.push(Opening { path: Path::new("tokens").into(), slot: Slot::A, stage });
    }

    /// Names of what is being opened.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|opening| name(&opening.path))
    }

    /// Goes on with all of them; gives what is to be done now, and the paths that proved usable.
    pub fn poll(
        &mut self,
        session: &Session,
        document: &Document,
        background: &Background,
    ) -> (Vec<Command>, Vec<PathBuf>) {
        let (mut commands, mut usable) = (Vec::new(), Vec::new());
        for mut opening in std::mem::take(&mut self.0) {
            // A new stage asks at once: the answer wakes the window, and nothing else would.
            let step = loop {
                match opening.step(session, document, background) {
                    Step::Next(stage) => opening.stage = stage,
                    Step::Wait => break None,
                    Step::Done(done) => break Some(done),
                }
            };
            let Some(done) = step else {
                self.0.push(opening);
                continue;
            };
            let counts =
                |c: &Command| matches!(c, Command::Open(_) | Command::Job(JobCommand::Train(_)));
            if done.iter().any(counts) {
                usable.push(opening.path.to_path_buf());
            }
            commands.extend(done);
        }
        usable.retain(|path| path.is_absolute() || path.components().count() > 1);
        (commands, usable)
    }
}

impl Opening {
    fn step(&self, session: &Session, document: &Document, background: &Background) -> Step {
        match &self.stage {
            Stage::Stamp => Step::Wait,
            Stage::Identify(question) => match session.ask(Lane::Now, question) {
                Reply::Ready(found) => identified(&found, background),
                other => not_ready(other),
            },
            Stage::Image(image) => {
                let question = LoadImage { image: image.clone(), paint_side: document.size.side };
                when_ready(session.ask(Lane::Now, &question), |_| {
                    vec![Open::Image(image.clone()).into()]
                })
            }
            Stage::Source(source) => {
                let question = SourceInfo { source: source.clone() };
                when_ready(session.ask(Lane::Now, &question), |facts| {
                    if facts.len == 0 {
                        let hint = "Open a folder or archive that has some";
                        let summary = format!("{}: there are no images in it", name(&self.path));
                        return vec![Notice::error(summary, hint).into()];
                    }
                    let image = ImageRef::InSource { source: source.clone(), index: 0 };
                    vec![
                        Open::Source(source.clone()).into(),
                        Open::Image(image).into(),
                        Layout::Show(ViewId::Dataset).into(),
                    ]
                })
            }
            Stage::Model(model) => {
                let question = ModelInfo { model: model.clone() };
                when_ready(session.ask(Lane::Now, &question), |facts| {
                    let about = format!(
                        "{}: {} codes, one for {} x {} pixels",
                        facts.name,
                        facts.facts.codebook_size,
                        facts.facts.factor,
                        facts.facts.factor
                    );
                    vec![Open::Model(self.slot, model.clone()).into(), Notice::info(about).into()]
                })
            }
            Stage::Tokens(grid, model) => {
                let question = Decode { grid: GridRef::new(grid.clone()), model: model.clone() };
                when_ready(session.ask(Lane::Now, &question), |decoded| {
                    tokens_opened(grid, PastedPicture::new(decoded.picture.clone()))
                })
            }
        }
    }
}

fn identified(found: &Identified, background: &Background) -> Step {
    match found {
        Identified::Image(image) => Step::Next(Stage::Image(image.clone())),
        Identified::Images(source) => Step::Next(Stage::Source(source.clone())),
        Identified::Model(model) => Step::Next(Stage::Model(model.clone())),
        Identified::Tokens(path) => {
            let path = Arc::clone(path);
            background.attempt(move || {
                // Which codebook they belong to is checked when they are decoded.
                smalti_engine::tokens::files::read(&path, u32::MAX).map(Outcome::Tokens)
            });
            Step::Done(Vec::new())
        }
        Identified::Scene(path) => {
            let path = Arc::clone(path);
            background.attempt(move || read_scene(&path));
            Step::Done(Vec::new())
        }
        Identified::Document(path) => {
            let path = Arc::clone(path);
            background.attempt(move || {
                let saved = saved::open(&path)?;
                Ok(Outcome::Document(Some(path.to_path_buf()), Box::new(saved)))
            });
            Step::Done(Vec::new())
        }
        Identified::Recipe(path) => {
            let recipe = RecipeRef::File(Arc::clone(path));
            Step::Done(vec![JobCommand::Train(recipe).into()])
        }
    }
}

fn read_scene(path: &Path) -> smalti_engine::Result<Outcome> {
    let bytes = super::background::read_whole(path, SCENE_LIMIT)?;
    let text = String::from_utf8_lossy(&bytes);
    let bad = |reason| smalti_engine::EngineError::bad_file(path, reason, "Mend the scene's text");
    Ok(Outcome::Scene(Box::new(Scene::parse(&text).map_err(bad)?)))
}

/// Tokens as a document: their picture, at its own size, with every cell forced.
fn tokens_opened(grid: &Grid, picture: PastedPicture) -> Vec<Command> {
    let size = WorkingSize { side: 256, mode: Fit::KeepOriginal, multiple_of: 1 };
    let width = grid.width();
    let tokens: Arc<[(Cell, u32)]> = grid
        .tokens()
        .iter()
        .enumerate()
        .map(|(at, code)| (Cell::at(at / width, at % width), *code))
        .collect();
    vec![
        Open::Size(size).into(),
        Open::Image(ImageRef::Pasted(picture)).into(),
        Edit::ForceTokens(tokens).into(),
        Layout::Show(ViewId::Tokens).into(),
    ]
}

fn when_ready<A>(reply: Reply<A>, done: impl FnOnce(&A) -> Vec<Command>) -> Step {
    match reply {
        Reply::Ready(answer) => Step::Done(done(&answer)),
        other => not_ready(other),
    }
}

fn not_ready<A>(reply: Reply<A>) -> Step {
    match reply {
        Reply::Failed(problem) => Step::Done(vec![failed(problem).into()]),
        Reply::Ready(_) | Reply::Working { .. } => Step::Wait,
    }
}

fn failed(problem: Problem) -> Notice {
    problem.into()
}

/// A path's last part, for people.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
