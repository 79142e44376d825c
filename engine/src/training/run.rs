//! A training run as a session runs it: steps in turn with other work, a log that views read.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::orders::Order;
use super::problem_file;
use super::recipe::Recipe;
use super::report::Report;
use super::state;
use super::supplies::Supplies;
use super::trainer::{Begin, Trainer};
use crate::images::Picture;
use crate::session::{Advance, Watch, Work};
use crate::{EngineError, Knob, Problem, Result};

/// An entry of a training run's log.
#[derive(Debug, Clone)]
pub enum TrainEvent {
    /// Numbers of the last few steps, and code counts. An old report may have lost its counts: a long run's
    /// would fill the memory.
    Report(Report),
    /// The probe pictures as the model reconstructs them after `step` steps; only the last few have pictures.
    Probe {
        /// Steps done.
        step: u64,
        /// Reconstructions, in the order of the probe set.
        pictures: Arc<[Picture]>,
    },
    /// The run waits, or ends, after so many steps, which may be more than the last report is of.
    Waits {
        /// Steps done.
        step: u64,
        /// Whether it can go on from there. Not so after a loss that is no number, for which an earlier
        /// checkpoint is better.
        is_whole: bool,
    },
    /// There is a newer checkpoint on the disk, from which the run goes on in another sitting.
    Saved {
        /// Its step; 0 if there is none.
        step: u64,
        /// How many of the knobs that were turned are in it, in their order.
        orders: usize,
    },
    /// One step was asked for, and done.
    Stepped {
        /// Steps done.
        step: u64,
        /// Losses of the step before by name, the total first; empty where none was taken in this sitting.
        before: Vec<(String, f64)>,
        /// Losses of this step, of another batch.
        after: Vec<(String, f64)>,
    },
    /// The run begins or goes on here.
    Started {
        /// Steps done.
        step: u64,
        /// Steps of the whole run.
        steps: u64,
        /// What may be turned, and where it stands.
        knobs: Vec<(Knob, f64)>,
        /// The steps whose checkpoints are kept.
        kept: Vec<u64>,
    },
    /// A knob was turned.
    Turned(Order),
    /// The checkpoint of a step is kept; so are these now.
    Kept(Vec<u64>),
    /// The run went to a kept checkpoint: reports beyond `step` are of another way.
    WentTo {
        /// Steps done.
        step: u64,
        /// What may be turned, and where it stands there.
        knobs: Vec<(Knob, f64)>,
    },
    /// The data are others than those that the run was trained on; it waits before it goes on with them.
    OtherData(Problem),
    /// What the run was told cannot be done.
    Refused(Problem),
    /// The model was written.
    Finished {
        /// Where.
        model: PathBuf,
    },
}

/// What a training run can be told while it goes on, or is paused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrainOrder {
    /// Turn a knob to a value.
    Turn(Knob, f64),
    /// Go to the kept checkpoint of a step.
    GoTo(u64),
}

/// A training run for [`crate::session::Session::start`]. The trainer is made in the first step,
/// so that a window that starts a run does not wait for the data to be opened.
#[derive(Debug)]
pub struct TrainRun {
    recipe: Recipe,
    recipe_folder: PathBuf,
    assets: PathBuf,
    folder: PathBuf,
    resume: bool,
    probe: Vec<Picture>,
    /// When the probe was last reconstructed, and how long that took.
    probed: Option<(Instant, Duration)>,
    /// The steps that were done then.
    probed_step: Option<u64>,
    /// What is turned before the first step.
    turned: Vec<(Knob, f64)>,
    /// Probes in the log that have pictures, by their numbers.
    probes: VecDeque<usize>,
    /// Reports in the log that have counts: their numbers and bytes.
    counted: VecDeque<(usize, usize)>,
    /// The step that the log says last, and the one of the latest checkpoint.
    told_step: Option<(u64, bool)>,
    told_saved: Option<(u64, usize)>,
    /// Whether it goes on with other data than before without being asked.
    takes_other_data: bool,
    /// Whether a problem is written in the run's folder.
    is_noted: bool,
    last_step: Option<u64>,
    at_most: Option<Duration>,
    started: Option<Instant>,
    trainer: Option<Trainer>,
    /// Losses of the last step that was taken.
    losses: Vec<(String, f64)>,
}

impl TrainRun {
    /// A run of a recipe. `recipe_folder` is where its relative paths start, `folder` where the
    /// run's files go.
    pub fn new(
        recipe: Recipe,
        recipe_folder: PathBuf,
        assets: PathBuf,
        folder: PathBuf,
        resume: bool,
    ) -> Self {
        Self {
            recipe,
            recipe_folder,
            assets,
            folder,
            resume,
            probe: Vec::new(),
            probed: None,
            probed_step: None,
            turned: Vec::new(),
            probes: VecDeque::new(),
            counted: VecDeque::new(),
            told_step: None,
            told_saved: None,
            takes_other_data: false,
            is_noted: false,
            last_step: None,
            at_most: None,
            started: None,
            trainer: None,
            losses: Vec::new(),
        }
    }

    /// Pictures to be reconstructed at the beginning and as the model learns; sides must divide by its
    /// factor.
    #[must_use]
    pub fn with_probe(mut self, probe: Vec<Picture>) -> Self {
        self.probe = probe;
        self
    }

    /// Turns knobs before the first step that is taken.
    #[must_use]
    pub fn turning(mut self, knobs: Vec<(Knob, f64)>) -> Self {
        self.turned = knobs;
        self
    }

    /// Goes on with other data than before without asking.
    #[must_use]
    pub fn with_other_data(mut self, is_welcome: bool) -> Self {
        self.takes_other_data = is_welcome;
        self
    }

    /// Ends earlier than the recipe: after `last_step` steps, or after some time. The schedule
    /// stays the recipe's, so that a resumed run goes on as if it had never stopped.
    #[must_use]
    pub fn ending_at(mut self, last_step: Option<u64>, at_most: Option<Duration>) -> Self {
        self.last_step = last_step;
        self.at_most = at_most;
        self
    }
}

#[cfg(test)]
impl TrainRun {
    /// Goes on with a trainer that is there already, such as one whose images come from a test.
    pub(super) fn going_on(mut self, trainer: Trainer) -> Self {
        self.trainer = Some(trainer);
        self
    }
}

impl Work for TrainRun {
    type Entry = TrainEvent;
    type Order = TrainOrder;

    fn title(&self) -> String {
        format!("train {}", self.recipe.name)
    }

    fn step(&mut self, watch: &mut Watch<'_, TrainEvent>) -> Result<Advance> {
        let stepped = self.step_or_begin(watch);
        self.say_saved(watch);
        match &stepped {
            Ok(Advance::Stuck(problem)) => {
                self.say_where(watch);
                self.note(problem);
            }
            Err(error) if !matches!(error, EngineError::Cancelled) => {
                self.say_where(watch);
                self.note(&error.problem());
            }
            Ok(Advance::More | Advance::Done) if self.is_noted => {
                problem_file::remove(&self.folder);
                self.is_noted = false;
            }
            _ => {}
        }
        stepped
    }

    fn keep(&mut self, watch: &mut Watch<'_, TrainEvent>) -> Result<()> {
        let kept = match &mut self.trainer {
            // Who only looks back, and ends there, goes on later from where the run was.
            Some(trainer) if trainer.is_whole() && !trainer.looks_back() => trainer.save(),
            _ => Ok(()),
        };
        self.say_saved(watch);
        self.say_where(watch);
        kept.map_err(|error| {
            let hint = held(error.problem()).hint;
            match error {
                EngineError::Io { path, source } => EngineError::bad_file(path, source, hint),
                EngineError::BadFile { path, reason, .. } => {
                    EngineError::bad_file(path, reason, hint)
                }
                other => other,
            }
        })
    }

    fn obey(&mut self, order: TrainOrder, watch: &mut Watch<'_, TrainEvent>) {
        if let Err(error) = self.do_as_told(order, watch) {
            watch.append(TrainEvent::Refused(error.problem()));
        }
        self.say_saved(watch);
    }
}

/// Probes whose pictures stay in the log: what is shown, and what was there before a single step.
const PROBES: usize = 3;
/// Bytes of code counts that stay in the log.
const MOST_COUNTS: usize = 64 << 20;
/// The probe takes at most about this share of the time.
const PROBE_SHARE: u32 = 10;
/// The probe is not reconstructed more often than this.
const PROBE_AGAIN: Duration = Duration::from_millis(800);

impl TrainRun {
    fn step_or_begin(&mut self, watch: &mut Watch<'_, TrainEvent>) -> Result<Advance> {
        if self.started.is_none() {
            self.begin(watch)?;
            let probed = self.probe(watch)?;
            let other = self.trainer.as_ref().and_then(Trainer::other_data);
            let steps = self.trainer.as_ref().map_or(0, Trainer::steps_done);
            let is_over = self.trainer.as_ref().is_some_and(Trainer::is_done)
                || self.last_step.is_some_and(|last| steps >= last);
            // Who has no step to take learns from none of them.
            if let Some(problem) = other.filter(|_| !self.takes_other_data && !is_over) {
                watch.append(TrainEvent::OtherData(problem.clone()));
                return Ok(Advance::Stuck(problem));
            }
            return Ok(probed);
        }
        // What a single step does is seen against what was there right before it.
        let done = self.trainer.as_ref().map(Trainer::steps_done);
        if watch.is_single_step() && self.probed_step != done {
            match self.probe(watch)? {
                Advance::More => {}
                stuck => return Ok(stuck),
            }
        }
        self.go_on(watch)
    }

    /// Leaves a word in the run's folder of what went wrong, for who looks at it later.
    fn note(&mut self, problem: &Problem) {
        // One that could not begin since another one goes on there has nothing to say in its folder.
        if self.trainer.is_some() || !state::is_claimed(&self.folder) {
            self.is_noted = true;
            problem_file::write(&self.folder, problem);
        }
    }

    /// Tells what is on the disk, if that is not known.
    fn say_saved(&mut self, watch: &mut Watch<'_, TrainEvent>) {
        let Some(saved) = self.trainer.as_ref().map(Trainer::saved) else { return };
        if self.told_saved != Some(saved) {
            let (step, orders) = saved;
            watch.append(TrainEvent::Saved { step, orders });
            self.told_saved = Some(saved);
        }
    }

    /// Tells where the run stands while it waits, if that is not known.
    fn say_where(&mut self, watch: &mut Watch<'_, TrainEvent>) {
        let Some(trainer) = &self.trainer else { return };
        let (step, is_whole) = (trainer.steps_done(), trainer.is_whole());
        if self.told_step != Some((step, is_whole)) {
            watch.append(TrainEvent::Waits { step, is_whole });
            self.told_step = Some((step, is_whole));
        }
    }

    /// Makes the trainer.
    fn begin(&mut self, watch: &mut Watch<'_, TrainEvent>) -> Result<()> {
        let mut trainer = if let Some(trainer) = self.trainer.take() {
            trainer
        } else {
            let recipe = self.recipe.clone();
            let supplies = Supplies::of(&recipe, &self.recipe_folder, &self.assets)?;
            let begin = if self.resume { Begin::Resume } else { Begin::Anew };
            Trainer::new(recipe, supplies, &self.folder, watch.device(), begin)?
        };
        for (knob, value) in std::mem::take(&mut self.turned) {
            if !trainer.knobs().contains(&(knob, value)) {
                trainer.turn(knob, value)?;
            }
        }
        let (step, steps) = (trainer.steps_done(), trainer.recipe().steps);
        let (knobs, kept) = (trainer.knobs(), trainer.kept());
        watch.append(TrainEvent::Started { step, steps, knobs, kept });
        self.told_step = Some((step, true));
        for order in trainer.orders() {
            watch.append(TrainEvent::Turned(*order));
        }
        self.started = Some(Instant::now());
        self.trainer = Some(trainer);
        // What is there is of before.
        self.is_noted = true;
        self.say_saved(watch);
        Ok(())
    }

    /// Shows what the model makes of the probe now.
    fn probe(&mut self, watch: &mut Watch<'_, TrainEvent>) -> Result<Advance> {
        let Some(trainer) = &mut self.trainer else { return Ok(Advance::More) };
        if self.probe.is_empty() {
            return Ok(Advance::More);
        }
        let (step, started) = (trainer.steps_done(), Instant::now());
        let pictures = match trainer.reconstruct(&self.probe) {
            Ok(pictures) => pictures.into(),
            Err(error) => return interrupted(trainer, error),
        };
        self.probes.push_back(watch.append_for_now(TrainEvent::Probe { step, pictures }));
        if self.probes.len() > PROBES
            && let Some(old) = self.probes.pop_front()
        {
            watch.amend(old, |event| match event {
                TrainEvent::Probe { step, .. } => {
                    TrainEvent::Probe { step: *step, pictures: Arc::default() }
                }
                other => other.clone(),
            });
        }
        self.probed = Some((Instant::now(), started.elapsed()));
        self.probed_step = Some(step);
        Ok(Advance::More)
    }

    /// Counts that nobody has read by now are in the run's folder, if they are anywhere.
    fn drop_old_counts(&mut self, watch: &mut Watch<'_, TrainEvent>) {
        while self.counted.iter().map(|(_, bytes)| bytes).sum::<usize>() > MOST_COUNTS
            && let Some((old, _)) = self.counted.pop_front()
        {
            watch.amend(old, |event| match event {
                TrainEvent::Report(report) => {
                    TrainEvent::Report(Report { counts: Vec::new(), ..report.clone() })
                }
                other => other.clone(),
            });
        }
    }

    /// Whether it is time to show the probe again.
    fn probe_is_due(&self) -> bool {
        let long_ago = |(at, took): (Instant, Duration)| {
            at.elapsed() >= PROBE_AGAIN.max(took.saturating_mul(PROBE_SHARE))
        };
        !self.probe.is_empty() && self.probed.is_none_or(long_ago)
    }

    fn do_as_told(&mut self, order: TrainOrder, watch: &mut Watch<'_, TrainEvent>) -> Result<()> {
        if self.started.is_none() {
            self.begin(watch)?;
        }
        let Some(trainer) = &mut self.trainer else { return Ok(()) };
        match order {
            TrainOrder::Turn(knob, value) => {
                let order = trainer.turn(knob, value)?;
                watch.append(TrainEvent::Turned(order));
            }
            TrainOrder::GoTo(step) => {
                trainer.go_to(step)?;
                self.losses.clear();
                watch.recovered();
                watch.append(TrainEvent::WentTo { step, knobs: trainer.knobs() });
                // What was turned at this very step, before it was kept, holds.
                for order in trainer.orders().iter().filter(|order| order.step >= step) {
                    watch.append(TrainEvent::Turned(*order));
                }
                watch.append(TrainEvent::Kept(trainer.kept()));
                self.told_step = Some((step, true));
                watch.append(TrainEvent::Waits { step, is_whole: true });
                let fraction = step as f32 / trainer.recipe().steps as f32;
                watch.progress(fraction, String::new());
                if let Advance::Stuck(problem) = self.probe(watch)? {
                    watch.append(TrainEvent::Refused(problem));
                }
            }
        }
        Ok(())
    }

    /// A step of the trainer, or the end.
    fn go_on(&mut self, watch: &mut Watch<'_, TrainEvent>) -> Result<Advance> {
        let Some(trainer) = &mut self.trainer else { return Ok(Advance::More) };
        let (last_step, at_most, started) = (self.last_step, self.at_most, self.started);
        let is_over = |trainer: &Trainer| {
            let long = at_most.is_some_and(|most| started.is_some_and(|at| at.elapsed() >= most));
            long || trainer.is_done() || last_step.is_some_and(|last| trainer.steps_done() >= last)
        };
        let (owes, done) = (trainer.owes_report(), trainer.steps_done());
        let looked_back = trainer.looks_back();
        let report = if owes || !is_over(trainer) {
            let fraction = done as f32 / trainer.recipe().steps.max(1) as f32;
            let mut between = |at: usize, of: usize| {
                watch.check()?;
                watch.progress(fraction, format!("made tokens of {at} of {of} pictures"));
                Ok(())
            };
            match trainer.step_between(&mut between) {
                Ok(report) => report,
                Err(error) => {
                    if looked_back && !trainer.looks_back() {
                        watch.append(TrainEvent::Kept(trainer.kept()));
                    }
                    return if owes || trainer.steps_done() > done {
                        unwritten(error)
                    } else {
                        // Nothing was learned: images cannot be read, or numbers are not finite.
                        interrupted(trainer, error)
                    };
                }
            }
        } else {
            None
        };
        let (every, now) = (trainer.recipe().keep.every, trainer.steps_done());
        // The beginning is kept, too, by the first step; one from further back forgets what was kept beyond.
        if every > 0 && (now.is_multiple_of(every) || done == 0 || looked_back) {
            watch.append(TrainEvent::Kept(trainer.kept()));
        }
        let is_single = watch.is_single_step() && now > done;
        let before = std::mem::replace(&mut self.losses, trainer.losses());
        if is_single {
            watch.append(TrainEvent::Stepped { step: now, before, after: self.losses.clone() });
        }
        let ends = is_over(trainer);
        if let Some(report) = report {
            let steps = trainer.recipe().steps;
            let end = last_step.map_or(steps, |last| last.min(steps));
            let fraction = report.step as f32 / end as f32;
            watch.progress(fraction, format!("{:.0} images/s", report.images_per_second));
            self.told_step = Some((report.step, true));
            let bytes = report.counts.iter().map(|counts| counts.len() * size_of::<u64>()).sum();
            let number = watch.append_for_now(TrainEvent::Report(report));
            self.counted.push_back((number, bytes));
            self.drop_old_counts(watch);
        }
        if !self.probe.is_empty() && (ends || is_single || self.probe_is_due()) {
            match self.probe(watch)? {
                Advance::More => {}
                stuck => return Ok(stuck),
            }
        }
        let Some(trainer) = &mut self.trainer else { return Ok(Advance::More) };
        if ends {
            return match trainer.save().and_then(|()| trainer.export()) {
                Ok(model) => {
                    watch.append(TrainEvent::Finished { model });
                    Ok(Advance::Done)
                }
                Err(error) => unwritten(error),
            };
        }
        Ok(Advance::More)
    }
}

/// After images could not be read, or the probe could not be decoded: what was learned is written, and the
/// run waits until it is resumed, which tries again.
fn interrupted(trainer: &mut Trainer, error: EngineError) -> Result<Advance> {
    let is_new = trainer.steps_done() == 0 && !trainer.looks_back();
    if is_new || matches!(error, EngineError::Cancelled) {
        return Err(error);
    }
    let error = trainer.diverged(error);
    let mut problem = error.problem();
    // A kept checkpoint is better than what is in memory, or the same; the latest one stays.
    if !trainer.is_whole() || trainer.looks_back() {
        return Ok(Advance::Stuck(problem));
    }
    match trainer.save() {
        Ok(()) => {
            let what = "what was learned is kept, and the run can be resumed";
            let before = std::mem::take(&mut problem.hint);
            problem.hint =
                if before.is_empty() { what.to_owned() } else { format!("{before}; {what}") };
        }
        // It is in memory still.
        Err(unsaved) => {
            problem.summary =
                format!("{error}; and what was learned could not be written: {unsaved}");
        }
    }
    Ok(Advance::Stuck(problem))
}

/// After a file could not be written: a disk is full, a drive is gone. What was learned is in memory still.
fn unwritten(error: EngineError) -> Result<Advance> {
    match error {
        EngineError::Io { .. } | EngineError::BadFile { .. } => {
            Ok(Advance::Stuck(held(error.problem())))
        }
        other => Err(other),
    }
}

/// Says what becomes of what could not be written.
fn held(problem: Problem) -> Problem {
    let what =
        "nothing is lost as long as Smalti is open: Resume writes what is missing and goes on";
    let hint = if problem.hint.is_empty() {
        "Nothing is lost as long as Smalti is open: Resume writes what is missing and goes on"
            .to_owned()
    } else {
        format!("{}; {what}", problem.hint)
    };
    Problem { hint, ..problem }
}
