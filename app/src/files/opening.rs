//! Opening paths: what it is, whether it can be used, and only then a change of the document. So a
//! broken file is a notice and nothing else. Each path is opened on a thread of its own, from its
//! version to its contents: the window hears of it once, and does not draw a frame between any two steps.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use smalti_engine::arrays;
use smalti_engine::evaluation::ReadPublished;
use smalti_engine::images::{Fit, WorkingSize};
use smalti_engine::questions::{
    Among, Encode, Given, Identified, Identify, ImageRef, InspectModel, LoadImage, ModelInfo,
    ModelRef, OpenGenerator, OpenedPainter, OwnSide, ReadRun, Reconstruct, ShippedRecipes,
    SourceInfo, SourceRef, Stamp, Subject,
};
use smalti_engine::session::{Asker, guard};
use smalti_engine::token_files::{
    self,
    from_arrays::{Index, Remark, Wanted},
};
use smalti_engine::training::{metrics_log, recipe_file};
use smalti_engine::{EngineError, Problem};

use super::background::Background;
use super::disk::{is_taken, model_now, read_whole, stamp};
use super::outcome::{Opened, Outcome, Unclear, notice};
use super::recipes::is_run;
use super::saved::{self, DocumentFile};
use super::scenes::{Scene, SceneId};
use crate::document::{
    Command, Document, JobCommand, Layout, Needs, Notice, Open, Reading, RecipeRef, RunFolder,
    Slot, ViewId,
};
use crate::look::words::{counted, grouped, name};

/// How long a picture waits for its tokens before it is shown without.
const PATIENCE: Duration = Duration::from_millis(400);
/// Files of tokens up to this are read whole.
const READ_WHOLE: u64 = 256 << 20;
/// Scenes above this are not read.
const SCENE_LIMIT: u64 = 1 << 20;

/// What is being opened and what waits for that, in the order in which it was asked for: what comes later
/// is opened with what came before it (tokens with their tokenizer), and is what is seen in the end.
#[derive(Debug, Default)]
pub struct Openings {
    open: Option<(u64, Arc<Path>)>,
    waiting: VecDeque<(Arc<Path>, Slot, Option<Reading>)>,
    begun: u64,
    problems: Vec<Problem>,
}

impl Openings {
    /// Asks for what is at a path; a checkpoint goes into `slot`.
    pub fn ask(&mut self, path: PathBuf, slot: Slot) {
        self.waiting.push_back((path.into(), slot, None));
    }

    /// Asks for what is at a path, before what waits: it has waited itself.
    pub fn ask_first(&mut self, path: PathBuf) {
        self.waiting.push_front((path.into(), Slot::A, None));
    }

    /// Asks for tokens in a file that is read as somebody says.
    pub fn ask_tokens(&mut self, path: PathBuf, reading: Reading) {
        self.waiting.push_back((path.into(), Slot::A, Some(reading)));
    }

    /// Opens the next one, if none is being opened. To be called in each frame, after the commands that the
    /// last one led to.
    pub fn go_on(
        &mut self,
        (document, needs): (&Document, Needs),
        asker: impl FnOnce() -> Asker,
        background: &Background,
    ) {
        if self.open.is_some() {
            return;
        }
        let Some((path, slot, reading)) = self.waiting.pop_front() else { return };
        self.begun += 1;
        let (number, asker) = (self.begun, asker());
        self.open = Some((number, Arc::clone(&path)));
        let (size, model) = (document.size, document.model.clone());
        let seen = match &document.subject {
            Some(Subject::Tokens(given)) => Some(given.clone()),
            Some(Subject::Image(_)) | None => None,
        };
        let path_of = Arc::clone(&path);
        let opening = Opening { path: path_of, slot, reading, size, model, seen, needs, asker };
        let started = background.alongside("opening", move || {
            // After a panic too, what is being opened has an end.
            let opened = guard("opening", || Ok(opening.open()));
            let (outcomes, problem) = match opened.unwrap_or_else(|error| Err(error.problem())) {
                Ok(outcomes) => (outcomes, None),
                Err(problem) => (vec![notice(Notice::from(problem.clone()))], Some(problem)),
            };
            Outcome::Opened(Opened { number, path: opening.path, outcomes, problem })
        });
        if let Err(error) = started {
            // What waits is still opened: there may be a thread for that.
            let problem = error.problem();
            let outcomes = vec![notice(problem.clone().into())];
            let opened = Opened { number, path, outcomes, problem: Some(problem) };
            background.say(Outcome::Opened(opened));
        }
    }

    /// It is opened, or cannot be.
    pub fn end(&mut self, opened: &Opened) {
        self.open.take_if(|(number, _)| *number == opened.number);
        self.problems.extend(opened.problem.clone());
    }

    /// Why paths could not be opened, oldest first.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Names of what is being opened.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let open = self.open.iter().map(|(_, path)| path);
        open.chain(self.waiting.iter().map(|(path, ..)| path)).map(|path| name(path))
    }
}

/// A path and what the document says about using it.
struct Opening {
    path: Arc<Path>,
    slot: Slot,
    /// What a person says of a file of tokens.
    reading: Option<Reading>,
    size: WorkingSize,
    model: ModelRef,
    /// The tokens that are seen, which another image of their file may follow.
    seen: Option<Given>,
    /// What the views that are seen will ask for.
    needs: Needs,
    asker: Asker,
}

impl Opening {
    fn open(&self) -> Result<Vec<Outcome>, Problem> {
        if let Some(reading) = &self.reading {
            return self.tokens(&self.path, reading);
        }
        if is_run(&self.path) {
            return self.run();
        }
        let stamp = stamp(&self.path);
        if self.path.extension().is_some_and(|it| it.eq_ignore_ascii_case("csv")) {
            return self.results(stamp);
        }
        let found = self.asker.wait(&Identify { path: Arc::clone(&self.path), stamp })?;
        let commands = match &*found {
            Identified::Image(image) => self.image(image)?,
            Identified::Images(source) => self.source(source)?,
            Identified::Model(model) => self.model(&model_now(model.clone()))?,
            Identified::Generator(model) => self.generator(model_now(model.clone()))?,
            Identified::Tokens(path) => return self.tokens(path, &Reading::default()),
            Identified::Scene(path) => return Ok(vec![read_scene(path)?]),
            Identified::Document(path) => {
                let file = DocumentFile { path: path.to_path_buf(), seen: stamp };
                let saved = saved::open(path).map_err(|error| error.problem())?;
                return Ok(vec![Outcome::Document(Some(file), Box::new(saved))]);
            }
            Identified::Recipe(path) => {
                vec![JobCommand::AskTrain(RecipeRef::File(Arc::clone(path))).into()]
            }
        };
        Ok(commands.into_iter().map(Outcome::Command).collect())
    }

    /// A training run by its folder, with the recipe that lies there. In those of before there was one, its
    /// name alone is known.
    fn run(&self) -> Result<Vec<Outcome>, Problem> {
        let since = stamp(&metrics_log(&self.path)).modified as u64;
        let kept = self.asker.wait(&ReadRun { folder: Arc::clone(&self.path), since })?;
        let own = recipe_file(&self.path);
        if is_taken(&own) {
            let recipe = RecipeRef::File(own.into());
            let run = RunFolder { folder: self.path.to_path_buf(), recipe };
            return Ok(vec![Outcome::Command(JobCommand::See(run).into())]);
        }
        let recipe = kept.run.name.as_str();
        let shipped = self.asker.wait(&ShippedRecipes)?;
        let is_shipped = shipped.iter().any(|known| known == recipe);
        let beside = self.path.join(format!("{recipe}.ron"));
        let mut commands = Vec::new();
        if !is_shipped && !is_taken(&beside) {
            let summary = format!("{} is shown, but its recipe is not there", name(&self.path));
            let hint = format!("To go on with it, put the recipe at {}", beside.display());
            commands.push(Notice::warning(summary, hint).into());
        }
        let recipe = if is_shipped {
            RecipeRef::Shipped(recipe.into())
        } else {
            RecipeRef::File(beside.into())
        };
        let run = RunFolder { folder: self.path.to_path_buf(), recipe };
        commands.push(JobCommand::See(run).into());
        Ok(commands.into_iter().map(Outcome::Command).collect())
    }

    /// A table of results; a bad one is refused before it is shown.
    fn results(&self, stamp: Stamp) -> Result<Vec<Outcome>, Problem> {
        let path = Arc::clone(&self.path);
        let rows = self.asker.wait(&ReadPublished::File { path: Arc::clone(&path), stamp })?;
        let text = format!("{}: {}", name(&path), counted(rows.len(), "result"));
        let commands = [JobCommand::ShowResults(path, stamp).into(), Notice::info(text).into()];
        Ok(commands.into_iter().map(Outcome::Command).collect())
    }

    fn image(&self, image: &ImageRef) -> Result<Vec<Command>, Problem> {
        self.asker.wait(&LoadImage { image: image.clone(), paint_side: self.size.side })?;
        // The views will ask for this. Where it is quick it is there when the image is, and the frames
        // that say "Encoding..." are not drawn; without a graphics card each takes as long as encoding.
        let (size, model) = (self.usual_size(), self.model.clone());
        let question = Encode { subject: Subject::Image(image.clone()), size, model };
        match self.needs {
            Needs::Image => {}
            Needs::Tokens => self.asker.wait_at_most(PATIENCE, &question),
            Needs::Reconstruction => self.asker.wait_at_most(PATIENCE, &Reconstruct(question)),
        }
        let resize = (size != self.size).then(|| Open::Size(size).into());
        let opened = [Open::Image(image.clone()).into(), Layout::ShowPicture.into()];
        Ok(resize.into_iter().chain(opened).collect())
    }

    fn source(&self, source: &SourceRef) -> Result<Vec<Command>, Problem> {
        let facts = self.asker.wait(&SourceInfo { source: source.clone() })?;
        if facts.len == 0 {
            let hint = "Open a folder or archive that has some";
            let error = EngineError::bad_file(&*self.path, "there are no images in it", hint);
            return Err(error.problem());
        }
        let image = ImageRef::InSource { source: source.clone(), index: 0 };
        let mut commands = vec![Open::Source(source.clone()).into()];
        // Digits of 28 pixels are no pictures of 256: at that size they would be easy.
        let own = *self.asker.wait(&OwnSide { source: source.clone() })?;
        if self.is_size_open() && own != self.size.side {
            commands.push(Open::Size(WorkingSize { side: own, ..self.size }).into());
            let summary = format!("{} is worked on at {own}×{own}", name(&self.path));
            let hint = if facts.size.is_some() {
                "That is its images' own size; Tokens has others"
            } else {
                "Its images have several sizes, that is a middle one; Tokens has others"
            };
            commands.push(Notice { hint: hint.to_owned(), ..Notice::info(summary) }.into());
        }
        commands.extend([Open::Image(image).into(), Layout::Show(ViewId::Dataset).into()]);
        Ok(commands)
    }

    /// Whether nobody chose the size: it is the usual one, or was that of a set before.
    fn is_size_open(&self) -> bool {
        let side = self.size.side;
        self.size.mode == Fit::CropCenter && (side == 256 || !WorkingSize::SIDES.contains(&side))
    }

    /// The size for a single picture: what a set of small ones left behind is taken back.
    fn usual_size(&self) -> WorkingSize {
        let is_left = self.is_size_open() && self.size.side < 256;
        if is_left { WorkingSize { side: 256, ..self.size } } else { self.size }
    }

    fn model(&self, model: &ModelRef) -> Result<Vec<Command>, Problem> {
        let facts = match self.asker.wait(&ModelInfo { model: model.clone() }) {
            Ok(facts) => facts,
            // No tokenizer that is known here, but its tensors can be looked at.
            Err(problem) => {
                let inspected = self.asker.wait(&InspectModel { model: model.clone() });
                if !inspected.is_ok_and(|found| !found.tensors.is_empty()) {
                    return Err(problem);
                }
                return Ok(vec![
                    Open::Checkpoint(Some(model.clone())).into(),
                    Layout::Show(ViewId::Checkpoint).into(),
                    // The file is of use all the same.
                    Notice::warning(
                        problem.summary,
                        "Its tensors are shown; Copy snippet gives code with which it writes its \
                         tokens for Smalti",
                    )
                    .into(),
                ]);
            }
        };
        let (codes, side) = (facts.facts.codebook_size(), facts.facts.factor);
        let books = facts.facts.books.len();
        let about = if books > 1 {
            format!(
                "{}: {books} books, the first of {codes} codes; a code of each for {side} x {side} pixels",
                facts.name
            )
        } else if let Some(layout) = facts.layout.as_ref().filter(|layout| layout.len() > 1) {
            let parts = smalti_engine::tokens::words(layout).replace(" x ", "×");
            format!("{}: {codes} codes, in {parts}", facts.name)
        } else if facts.facts.spatial {
            format!("{}: {codes} codes, one for {side} x {side} pixels", facts.name)
        } else {
            format!("{}: {codes} codes, in a row for the whole image", facts.name)
        };
        Ok(vec![Open::Model(self.slot, model.clone()).into(), Notice::info(about).into()])
    }

    /// A generator. Without its tokenizer it is opened all the same: the view says which one is needed. A file of
    /// others may hold its tokenizer, too: then both are opened.
    fn generator(&self, generator: ModelRef) -> Result<Vec<Command>, Problem> {
        let question = OpenGenerator { generator: generator.clone(), tokenizer: None };
        let mut commands: Vec<Command> = Vec::new();
        let said = match self.asker.wait(&question) {
            Ok(opened) => {
                if opened.tokenizer.as_ref() == Some(&generator) {
                    commands.push(Open::Model(self.slot, generator.clone()).into());
                }
                written_by(&generator, &opened)
            }
            Err(problem) if problem.summary.starts_with("tokenizer") => {
                Notice::warning(problem.summary, problem.hint)
            }
            Err(problem) => return Err(problem),
        };
        let (open, show) = (Open::Generator(generator), Layout::Show(ViewId::Generate));
        commands.extend([open.into(), show.into(), said.into()]);
        Ok(commands)
    }

    /// Tokens as they are. Whether the tokenizer can decode them is seen in the views; without, their
    /// codes are counted all the same.
    fn tokens(&self, path: &Path, reading: &Reading) -> Result<Vec<Outcome>, Problem> {
        let facts = self.asker.wait(&ModelInfo { model: self.model.clone() }).ok();
        let fixed = facts.as_ref().and_then(|facts| facts.fixed_grid());
        let Reading { grid, key, index } = reading.clone();
        let stamp = stamp(path);
        // All of them where that is not too much, and the first time: the largest code of one image says
        // little of a codebook.
        let is_large = stamp.length > READ_WHOLE;
        let seen = self.seen.as_ref().filter(|given| {
            let is_this =
                |among: &Among| (&*among.path, &among.key, among.stamp) == (path, &key, stamp);
            !is_large && given.among.as_deref().is_some_and(is_this)
        });
        let codes = seen.filter(|given| given.is_size_assumed);
        let codes = codes.map(|given| given.tokens.first().codebook_size());
        let is_one = is_large || seen.is_some();
        let which = if is_one { Index::One(index) } else { Index::All };
        let wanted = Wanted { fixed, grid, index: Some(which), key: key.clone(), codes };
        let read = match token_files::read(path, &wanted, None) {
            Ok(read) => read,
            // Only a word of the person is missing: it is asked for.
            Err(error @ EngineError::Unclear { .. }) => return unclear(path, error.problem()),
            Err(error) => return Err(error.problem()),
        };
        let mut commands: Vec<Command> = Vec::new();
        let (count, is_size_assumed) = (read.total, read.maker.is_size_assumed || codes.is_some());
        let place = if is_one { 0 } else { index };
        let Some(tokens) = read.images.into_iter().nth(place) else {
            let reason = format!("there is no image {}: it has {count}", index + 1);
            return Err(EngineError::bad_file(path, reason, "Open the file again").problem());
        };
        let among = Among { path: path.to_owned(), index, count, grid, key, stamp };
        let among = (count > 1).then(|| Arc::new(among));
        let given = Given { name: name(path).into(), tokens, is_size_assumed, among };
        let subject = Subject::Tokens(given.clone());
        let (size, model) = (self.size, self.model.clone());
        let encoded = self.asker.wait(&Encode { subject, size, model })?;
        commands.push(Open::Tokens(given).into());
        commands.push(Layout::Show(ViewId::Tokens).into());
        if let Some(problem) = &encoded.unfit {
            let hint = "Their codes are counted all the same; open the tokenizer that made them";
            let summary = format!("{}: {}", name(path), problem.summary);
            commands.push(Notice::warning(summary, hint).into());
        } else if let Some(problem) = &encoded.undecoded {
            let summary = format!("{}: {}", name(path), problem.summary);
            let hint = problem.hint.clone();
            commands.push(Notice::warning(summary, hint).into());
        } else if let Some(facts) = &facts
            && facts.is_other_maker(read.maker.token_hash.as_deref())
        {
            let maker = read.maker.model.as_deref().unwrap_or("another tokenizer");
            let summary = format!("These tokens were made by {maker}, not by {}", facts.name);
            let hint = "Their codes mean something else here; open the tokenizer that made them";
            commands.push(Notice::warning(summary, hint).into());
        }
        if encoded.unfit.is_none() && is_size_assumed && reading.index == 0 {
            let whose = facts.as_ref().map_or("the tokenizer", |facts| facts.name.as_str());
            let summary = format!("{} does not say how many codes there are", name(path));
            let hint =
                format!("They are shown as codes of {whose}; open another tokenizer if it is not");
            commands.push(Notice::warning(summary, hint).into());
        }
        if count > 1 && reading.index == 0 {
            let summary = format!("{}: the first of {count} images", name(path));
            commands.push(Notice::info(summary).into());
        }
        if reading.index == 0 {
            // Of its codebook's size more was said above.
            let remarks = read.remarks.iter().filter(|r| !matches!(r, Remark::CodebookSize(_)));
            let said = |remark: &Remark| Notice::info(format!("{}: {remark}", name(path)));
            commands.extend(remarks.map(|remark| said(remark).into()));
        }
        Ok(commands.into_iter().map(Outcome::Command).collect())
    }
}

/// What a generator is, and whether its tokens become a picture.
fn written_by(generator: &ModelRef, opened: &OpenedPainter) -> Notice {
    let (config, label) = (opened.config(), generator.label());
    let words = config.words().replace(" x ", "×");
    let said = format!(
        "{label}: {}, {words} tokens of {} codes",
        config.way.name(),
        grouped(config.codes.into())
    );
    if opened.tokenizer.is_some() {
        return Notice::info(said);
    }
    let hint = format!(
        "It writes tokens alone; for a picture open {} and choose it under \u{201c}decoded by\u{201d}",
        opened.needs
    );
    Notice::warning(said, hint)
}

/// Asks how a file of tokens is to be read.
fn unclear(path: &Path, problem: Problem) -> Result<Vec<Outcome>, Problem> {
    let file = arrays::open(path).map_err(|error| error.problem())?;
    let arrays = file.members.iter().map(|a| (a.name().to_owned(), a.shape().to_vec())).collect();
    let unclear = Unclear { path: path.to_owned(), problem, arrays };
    Ok(vec![Outcome::Unclear(Box::new(unclear))])
}

fn read_scene(path: &Path) -> Result<Outcome, Problem> {
    let read = read_whole(path, SCENE_LIMIT);
    let bytes = read.map_err(|error| error.problem())?;
    let text = String::from_utf8_lossy(&bytes);
    let bad = |reason| EngineError::bad_file(path, reason, "Mend the scene's text").problem();
    let scene = Scene::parse(&text).map_err(bad)?;
    Ok(Outcome::Scene(Box::new(Scene { id: SceneId::File(path.to_owned()), ..scene })))
}
