//! One training run, step by step.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{DType, Device, Tensor};

use super::counts_file::CountsFile;
use super::feed::{Feed, Given};
use super::kept;
use super::learner::At;
use super::metrics::MetricsFile;
use super::objective::{self, Images, Objective, Outcome};
use super::orders::Order;
use super::recipe::Recipe;
use super::recipe_file::keep_recipe;
use super::report::Report;
use super::seen_data::SeenData;
use super::start::Start;
use super::state::{self, Done};
use super::supplies::Supplies;
use crate::images::Picture;
use crate::quantizers::Place;
use crate::{EngineError, Knob, Problem, Result};

/// Where a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At its first step.
    Anew,
    /// Where its latest checkpoint is; at the first step if there is none.
    Resume,
}

/// A training run.
#[derive(Debug)]
pub struct Trainer {
    recipe: Recipe,
    device: Device,
    folder: PathBuf,
    objective: Box<dyn Objective>,
    supplies: Supplies,
    /// None after it failed, until the next step.
    feed: Option<Feed>,
    files: Files,
    done: Done,
    pace: Pace,
    /// Whether what is in memory is what a step left, and no number in it led to a loss that is none.
    is_whole: bool,
    /// Whether the run went back to a kept checkpoint and took no step since.
    is_back: bool,
    /// The same, but not since it was resumed, when the latest checkpoint is where it stands.
    looks_back: bool,
    waiting: Option<Waiting>,
    /// The step of the latest checkpoint, and how many orders are in it; 0 if there is none.
    saved: (u64, usize),
    seen: SeenData,
    /// Held while the run goes on: two in one folder would write over each other.
    _lock: Option<File>,
}

/// What a run appends to.
#[derive(Debug)]
struct Files {
    metrics: MetricsFile,
    counts: Option<CountsFile>,
    /// Whether it was said that the folder is gone.
    are_gone: bool,
}

impl Files {
    /// Those of a run that stands at a step; what lies beyond it is dropped.
    fn open(folder: &Path, codes: usize, step: u64) -> Result<Self> {
        let metrics = MetricsFile::open(folder, step)?;
        let counts = CountsFile::open(folder, codes, step)?;
        Ok(Self { metrics, counts, are_gone: false })
    }
}

/// What a step has to write yet, because a file could not be written.
#[derive(Debug)]
struct Waiting {
    report: Option<Report>,
    /// How many of the files have it.
    written: usize,
    /// Whether the step's checkpoint is one that is kept.
    keeps: bool,
}

/// Clocks of a run.
#[derive(Debug)]
struct Pace {
    since_report: f64,
    images_since_report: usize,
    saved: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { since_report: 0.0, images_since_report: 0, saved: Instant::now() }
    }
}

/// A weight this far from 0 is of no use.
const FAR: f32 = 1e12;

impl Trainer {
    /// Starts a run in `folder`, or resumes the one whose checkpoint lies there.
    ///
    /// # Errors
    /// If the recipe, what it needs or the folder cannot be used, if another program trains there, or if a
    /// run of another recipe is to be resumed.
    pub fn new(
        recipe: Recipe,
        supplies: Supplies,
        folder: &Path,
        device: &Device,
        begin: Begin,
    ) -> Result<Self> {
        recipe.validate()?;
        std::fs::create_dir_all(folder).map_err(|source| EngineError::io(folder, source))?;
        let lock = state::claim(folder)?;
        state::remove_partial_files(folder)?;
        state::remove_partial_files(&kept::folder(folder))?;
        let latest = checkpoint(folder);
        let resumes = begin == Begin::Resume && latest.is_file();
        let (start, done) = if resumes {
            let saved = state::load_run(&latest, &recipe, device)?;
            let done = saved.at.clone();
            (Start::Saved(saved), done)
        } else {
            recipe.validate_beginning()?;
            nothing_is_kept(folder)?;
            (supplies.start(device)?, Done::default())
        };
        let mut objective = objective::of(&recipe, &supplies, &start, device)?;
        obey(&mut *objective, &done.orders)?;
        let feed = Some(Feed::open(&recipe, &supplies, folder, device, done.step)?);
        if !resumes {
            kept::forget(folder)?;
        }
        if let Err(error) = keep_recipe(folder, &recipe, supplies.recipe_folder()) {
            tracing::warn!("the run's folder does not have its recipe: {error}");
        }
        let saved = if resumes { (done.step, done.orders.len()) } else { (0, 0) };
        let mut seen = SeenData::open(folder, supplies.seen(), done.step);
        if seen.problem().is_none()
            && let Err(error) = seen.keep(folder, done.step)
        {
            tracing::warn!("the run's folder does not say what it is trained on: {error}");
        }
        Ok(Self {
            device: device.clone(),
            files: Files::open(folder, objective.codes(), done.step)?,
            folder: folder.to_owned(),
            objective,
            supplies,
            feed,
            done,
            pace: Pace::new(),
            is_whole: true,
            // What is kept may lie beyond the latest, if the run had gone back before it ended.
            is_back: resumes,
            looks_back: false,
            waiting: None,
            saved,
            seen,
            _lock: lock,
            recipe,
        })
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.done.step
    }

    /// The step of the latest checkpoint, from which a resumed run goes on, and how many of the orders are in
    /// it; 0 if there is none.
    pub fn saved(&self) -> (u64, usize) {
        self.saved
    }

    /// Why the run should not go on before somebody wants that: its data are others than before.
    pub fn other_data(&self) -> Option<Problem> {
        self.seen.problem()
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// What the loader could not read so far.
    pub fn skipped(&self) -> crate::data::SkipReport {
        self.feed.as_ref().map(Feed::skipped).unwrap_or_default()
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.done.step >= self.recipe.steps
    }

    /// Whether [`Trainer::save`] after an error keeps what a step left, so that the run can go on from
    /// there. Not so after a loss that is no number, where an earlier checkpoint is better.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// What may be turned while the run goes on, and where it stands.
    pub fn knobs(&self) -> Vec<(Knob, f64)> {
        self.objective.knobs()
    }

    /// What was turned so far.
    pub fn orders(&self) -> &[Order] {
        &self.done.orders
    }

    /// Turns a knob from the next step on.
    ///
    /// # Errors
    /// If this run has no such knob, or the value makes no sense; nothing is changed.
    pub fn turn(&mut self, knob: Knob, value: f64) -> Result<Order> {
        self.objective.turn(knob, value)?;
        let order = Order { step: self.done.step, knob, value };
        self.done.orders.push(order);
        Ok(order)
    }

    /// Losses of the last step by name, weighted, the total first; of no step all are 0.
    pub fn losses(&self) -> Vec<(String, f64)> {
        self.objective.losses()
    }

    /// The steps whose checkpoints are kept, in order.
    pub fn kept(&self) -> Vec<u64> {
        kept::kept_steps(&self.folder)
    }

    /// Goes to a kept checkpoint. What came after it stays on the disk until the next step is taken.
    ///
    /// # Errors
    /// If there is none of that step, or it cannot be read; the run then stays where it is.
    pub fn go_to(&mut self, step: u64) -> Result<()> {
        let path = kept::path(&self.folder, step);
        if !path.is_file() {
            let kept: Vec<String> = self.kept().iter().map(u64::to_string).collect();
            return Err(EngineError::bad_input(
                "step",
                format!("no checkpoint of step {step} is kept"),
                format!("kept are {}", kept.join(", ")),
            ));
        }
        let saved = state::load_run(&path, &self.recipe, &self.device)?;
        let done = saved.at.clone();
        let start = Start::Saved(saved);
        let mut objective = objective::of(&self.recipe, &self.supplies, &start, &self.device)?;
        obey(&mut *objective, &done.orders)?;
        self.leave()?;
        // What it has not written is there for the next one.
        self.feed = None;
        self.feed = Some(self.open_feed(done.step)?);
        (self.objective, self.done, self.pace) = (objective, done, Pace::new());
        (self.is_whole, self.is_back, self.waiting) = (true, true, None);
        self.looks_back = true;
        Ok(())
    }

    /// Whether it went to a kept checkpoint and has not taken a step from there: then the latest checkpoint is
    /// what was, and stays.
    pub fn looks_back(&self) -> bool {
        self.looks_back
    }

    /// Before it goes elsewhere: what is here is the latest checkpoint, and one of those that are kept.
    fn leave(&mut self) -> Result<()> {
        if self.looks_back || !self.is_whole || self.done.step == 0 {
            return Ok(());
        }
        // What a file could not take before is not left out of it.
        self.write()?;
        self.save()?;
        kept::keep(&self.folder, &checkpoint(&self.folder), self.done.step, self.recipe.keep)
    }

    /// Does one step; every `report_every` steps, and at the end, there is a report. Saves a
    /// checkpoint when it is due.
    ///
    /// # Errors
    /// If an image set cannot be read, a loss is not finite, or a file cannot be written. The last
    /// checkpoint stays. Where a file could not be written, the next call writes what is missing first;
    /// where images could not be read, it tries again.
    pub fn step(&mut self) -> Result<Option<Report>> {
        self.step_between(&mut |_, _| Ok(()))
    }

    /// As [`Self::step`]. Where what it learns from has to be made first and that takes long, `between` is told
    /// after each piece how many pictures of how many are there; its error ends the step before anything is learned.
    ///
    /// # Errors
    /// As [`Self::step`], and that of `between`.
    pub fn step_between(
        &mut self,
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Option<Report>> {
        if self.waiting.is_some() {
            return self.write();
        }
        let started = Instant::now();
        let batch = self.next_batch(between)?;
        // Not before there is something to learn from: until then nothing is forgotten.
        if let Err(error) = self.take_this_way() {
            self.feed = None;
            return Err(error);
        }
        let outcome = match self.learn(&batch) {
            Ok(outcome) => outcome,
            Err(error) => {
                // The same batch again, if this step is tried again.
                self.feed = None;
                return Err(error);
            }
        };
        self.done.step += 1;
        let took = started.elapsed().as_secs_f64();
        self.done.seconds += took;
        self.pace.since_report += took;
        self.pace.images_since_report += batch.len();
        self.done.restarted += outcome.restarted;
        let due = self.done.step.is_multiple_of(self.recipe.report_every) || self.is_done();
        let report = due.then(|| self.report(&outcome));
        let every = self.recipe.keep.every;
        let keeps = every > 0 && self.done.step.is_multiple_of(every);
        if report.is_some() || keeps {
            self.waiting = Some(Waiting { report, written: 0, keeps });
        }
        self.write()
    }

    /// Before a step: what lies beyond, from before the run went back, is forgotten. The beginning is kept.
    fn take_this_way(&mut self) -> Result<()> {
        let step = self.done.step;
        if self.looks_back {
            // From here on this is the latest, whatever happens next: the way that is left must not come back.
            self.save()?;
        }
        if self.is_back {
            self.files = Files::open(&self.folder, self.objective.codes(), step)?;
            kept::forget_after(&self.folder, step)?;
            self.seen = SeenData::open(&self.folder, self.supplies.seen(), step);
            (self.is_back, self.looks_back) = (false, false);
        }
        self.seen.keep(&self.folder, step)?;
        let beginning = kept::path(&self.folder, 0);
        if step == 0 && self.recipe.keep.every > 0 && !beginning.is_file() {
            self.save_to(&beginning)?;
        }
        Ok(())
    }

    /// The next batch. A loader that failed has lost its place, so the next call starts another.
    fn next_batch(&mut self, between: &mut dyn FnMut(usize, usize) -> Result<()>) -> Result<Given> {
        let mut feed = match self.feed.take() {
            Some(feed) => feed,
            None => self.open_feed(self.done.step)?,
        };
        let batch = feed.next(between)?;
        self.feed = Some(feed);
        Ok(batch)
    }

    fn open_feed(&self, step: u64) -> Result<Feed> {
        Feed::open(&self.recipe, &self.supplies, &self.folder, &self.device, step)
    }

    /// Whether the last step has a report that is not handed out yet, since a file could not be written.
    pub fn owes_report(&self) -> bool {
        self.waiting.is_some()
    }

    /// Writes what a step has to: its report, then a checkpoint if one is due.
    fn write(&mut self) -> Result<Option<Report>> {
        if self.waiting.is_some() {
            self.look_for_folder()?;
        }
        let written = self.write_files();
        if written.is_err() {
            // It may have gone just now: that says more than what could not be opened.
            self.look_for_folder()?;
        }
        written
    }

    fn write_files(&mut self) -> Result<Option<Report>> {
        if let Some(Waiting { report: Some(report), written, .. }) = &mut self.waiting {
            if *written == 0 {
                self.files.metrics.append(report)?;
                *written = 1;
            }
            if let (1, Some(counts)) = (*written, &self.files.counts) {
                counts.append(report.step, &report.counts)?;
                *written = 2;
            }
        }
        let keeps = self.waiting.as_ref().is_some_and(|waiting| waiting.keeps);
        if keeps || self.pace.saved.elapsed().as_secs_f64() >= self.recipe.checkpoint_every_secs {
            self.save()?;
        }
        if keeps {
            let (latest, step) = (checkpoint(&self.folder), self.done.step);
            kept::keep(&self.folder, &latest, step, self.recipe.keep)?;
        }
        Ok(self.waiting.take().and_then(|waiting| waiting.report))
    }

    fn learn(&mut self, batch: &Given) -> Result<Outcome> {
        let at_once = self.recipe.images_at_once();
        let seed = self.recipe.seed;
        let place = |first| Place { seed, step: self.done.step as u32, first_picture: first };
        for (part, classes) in batch.classes.chunks(at_once).enumerate() {
            let first = part * at_once;
            let of_part = first..first + classes.len();
            self.objective.learn(&Images {
                pictures: batch.pictures.get(of_part.clone()).unwrap_or_default(),
                tokens: batch.tokens.get(of_part).unwrap_or_default(),
                classes,
                place: place(first as u32),
                share: classes.len() as f64 / batch.len() as f64,
            })?;
        }
        // From here until the end the weights are between two steps.
        self.is_whole = false;
        self.check_finite()?;
        let (step, steps) = (self.done.step, self.recipe.steps);
        let at = At { step, steps, average_decay: self.average_decay() };
        let outcome = self.objective.move_on(at, place(0))?;
        self.is_whole = true;
        Ok(outcome)
    }

    /// After an error of the network: if the last step left weights that no network can use, that is what is
    /// said, and an earlier checkpoint is better than they are.
    pub(super) fn diverged(&mut self, error: EngineError) -> EngineError {
        let is_of_use = |tensor: &Tensor| {
            let values =
                tensor.to_dtype(DType::F32).and_then(|t| t.flatten_all()?.to_vec1::<f32>());
            values.is_ok_and(|values| values.iter().all(|value| value.abs() < FAR))
        };
        let is_good = self.objective.model().is_ok_and(|model| model.values().all(is_of_use));
        if is_good || matches!(error, EngineError::Cancelled) {
            return error;
        }
        self.is_whole = false;
        let reason =
            format!("the weights are of no use any more at step {}: {error}", self.done.step);
        EngineError::bad_input("training", reason, self.way_back())
    }

    fn way_back(&self) -> &'static str {
        if checkpoint(&self.folder).is_file() || !self.kept().is_empty() {
            "the last good checkpoint is kept: go on from there with a lower learning rate"
        } else {
            "start again with a lower learning rate"
        }
    }

    fn check_finite(&self) -> Result<()> {
        let losses = self.objective.losses();
        // The total comes first; what made it so says more.
        match losses.iter().rev().find(|(_, value)| !value.is_finite()) {
            None => Ok(()),
            Some((name, value)) => {
                let reason = format!("the loss {name} is {value} at step {}", self.done.step);
                Err(EngineError::bad_input("training", reason, self.way_back()))
            }
        }
    }

    /// How much the moving average of the weights keeps; young averages forget faster, so that the
    /// random start does not linger.
    fn average_decay(&self) -> f64 {
        let n = self.done.step as f64;
        self.recipe.ema_decay.min((1.0 + n) / (10.0 + n))
    }

    fn report(&mut self, outcome: &Outcome) -> Report {
        let told = self.objective.tell();
        let pace = std::mem::replace(&mut self.pace, Pace::new());
        self.pace.saved = pace.saved;
        Report {
            step: self.done.step,
            seconds: self.done.seconds,
            losses: self.objective.losses(),
            figures: told.figures,
            images_per_second: pace.images_since_report as f64 / pace.since_report.max(1e-9),
            gradient_norm: outcome.gradient_norm,
            lr: outcome.lr,
            restarted: std::mem::take(&mut self.done.restarted),
            books: told.books,
            counts: told.counts,
        }
    }

    /// Writes the checkpoint now.
    ///
    /// # Errors
    /// If the folder cannot be written; an earlier checkpoint stays.
    pub fn save(&mut self) -> Result<()> {
        self.look_for_folder()?;
        self.save_to(&checkpoint(&self.folder))?;
        self.saved = (self.done.step, self.done.orders.len());
        self.pace.saved = Instant::now();
        Ok(())
    }

    /// A folder that is gone is said once, as it may come back with all that is in it; then it is made anew.
    fn look_for_folder(&mut self) -> Result<()> {
        if self.folder.is_dir() {
            self.files.are_gone = false;
            return Ok(());
        }
        if !std::mem::replace(&mut self.files.are_gone, true) {
            let reason = "the run's folder is gone, and with it its log and its checkpoints";
            let hint = "Put it back where it was, and Resume; without it Resume makes a new one";
            return Err(EngineError::bad_file(&self.folder, reason, hint));
        }
        std::fs::create_dir_all(&self.folder).map_err(|e| EngineError::io(&self.folder, e))
    }

    fn save_to(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| EngineError::io(folder, source))?;
        }
        state::save_run(path, &self.objective.state()?, &self.recipe, &self.done)
    }

    /// The model as it is now: averaged weights and the quantizer's state.
    pub fn model_tensors(&self) -> Result<std::collections::BTreeMap<String, Tensor>> {
        self.objective.model()
    }

    /// Writes the model as it is now to `NAME.safetensors` in the run's folder and gives its path.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn export(&self) -> Result<PathBuf> {
        let path = self.folder.join(format!("{}.safetensors", self.recipe.name));
        let metadata = self.objective.metadata();
        state::save_model(&path, &self.model_tensors()?, metadata, &self.recipe, self.done.step)?;
        Ok(path)
    }

    /// Reconstructions by the averaged weights as they are now.
    ///
    /// # Errors
    /// If a picture's side does not divide by the factor.
    pub fn reconstruct(&self, pictures: &[Picture]) -> Result<Vec<Picture>> {
        self.objective.reconstruct(pictures)
    }
}

/// A run begins where no checkpoints of another are lost: that of the beginning is no loss.
fn nothing_is_kept(folder: &Path) -> Result<()> {
    match kept::kept_steps(folder).last() {
        Some(newest) if *newest > 0 => Err(EngineError::bad_file(
            folder,
            format!("the latest checkpoint is gone, but one of step {newest} is kept there"),
            format!(
                "go on from it in another folder: --from {} --at {newest}; or choose another folder",
                folder.display()
            ),
        )),
        _ => Ok(()),
    }
}

/// Turns what was turned before a checkpoint was written.
fn obey(objective: &mut dyn Objective, orders: &[Order]) -> Result<()> {
    orders.iter().try_for_each(|order| objective.turn(order.knob, order.value))
}

/// The log of a run's folder.
pub fn metrics_log(folder: &Path) -> PathBuf {
    folder.join(MetricsFile::NAME)
}

/// The checkpoint of a run's folder.
pub fn checkpoint(folder: &Path) -> PathBuf {
    folder.join("checkpoint.safetensors")
}
