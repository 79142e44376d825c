//! A training run as a session runs it: steps in turn with other work, a log that views read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::recipe::Recipe;
use super::report::Report;
use super::trainer::Trainer;
use crate::images::Picture;
use crate::session::{Advance, Watch, Work};
use crate::{EngineError, Result};

/// An entry of a training run's log.
#[derive(Debug, Clone)]
pub enum TrainEvent {
    /// Numbers and code counts of the last few steps.
    Report(Report),
    /// The probe pictures as the model reconstructs them after `step` steps.
    Probe {
        /// Steps done.
        step: u64,
        /// Reconstructions, in the order of the probe set.
        pictures: Arc<[Picture]>,
    },
    /// The model was written.
    Finished {
        /// Where.
        model: PathBuf,
    },
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
    last_step: Option<u64>,
    at_most: Option<Duration>,
    started: Option<Instant>,
    trainer: Option<Trainer>,
}

impl TrainRun {
    /// A run of a recipe. `recipe_folder` is where its relative paths start, `folder` where the
    /// run's files go; `probe` pictures are reconstructed at every tenth report.
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
            last_step: None,
            at_most: None,
            started: None,
            trainer: None,
        }
    }

    /// Pictures to be reconstructed as the model learns; sides must divide by its factor.
    #[must_use]
    pub fn with_probe(mut self, probe: Vec<Picture>) -> Self {
        self.probe = probe;
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

    fn title(&self) -> String {
        format!("train {}", self.recipe.name)
    }

    fn step(&mut self, watch: &mut Watch<'_, TrainEvent>) -> Result<Advance> {
        if self.trainer.is_none() {
            let source = self.recipe.open_data(&self.recipe_folder, &self.assets)?;
            let device = watch.device().clone();
            let recipe = self.recipe.clone();
            let made = Trainer::new(recipe, source, &self.folder, &device, self.resume)?;
            self.started = Some(Instant::now());
            self.trainer = Some(made);
        }
        self.go_on(watch)
    }

    fn keep(&mut self) -> Result<()> {
        self.trainer.as_mut().map_or(Ok(()), Trainer::save)
    }
}

impl TrainRun {
    /// A step of the trainer, or the end.
    fn go_on(&mut self, watch: &mut Watch<'_, TrainEvent>) -> Result<Advance> {
        let Some(trainer) = &mut self.trainer else { return Ok(Advance::More) };
        let (last_step, at_most, started) = (self.last_step, self.at_most, self.started);
        let is_over = |trainer: &Trainer| {
            let long = at_most.is_some_and(|most| started.is_some_and(|at| at.elapsed() >= most));
            long || trainer.is_done() || last_step.is_some_and(|last| trainer.steps_done() >= last)
        };
        let (owes, done) = (trainer.owes_report(), trainer.steps_done());
        let report = if owes || !is_over(trainer) {
            match trainer.step() {
                Ok(report) => report,
                Err(error) if owes || trainer.steps_done() > done => return unwritten(error),
                // Nothing was learned: images cannot be read, or numbers are not finite.
                Err(error) => return interrupted(trainer, error),
            }
        } else {
            None
        };
        if let Some(report) = report {
            let steps = trainer.recipe().steps;
            let end = last_step.map_or(steps, |last| last.min(steps));
            let fraction = report.step as f32 / end as f32;
            watch.progress(fraction, format!("{:.0} images/s", report.images_per_second));
            let step = report.step;
            watch.append(TrainEvent::Report(report));
            let every = trainer.recipe().report_every * 10;
            if !self.probe.is_empty() && (step.is_multiple_of(every) || trainer.is_done()) {
                let pictures = match trainer.reconstruct(&self.probe) {
                    Ok(pictures) => pictures.into(),
                    Err(error) => return interrupted(trainer, error),
                };
                watch.append(TrainEvent::Probe { step, pictures });
            }
        }
        if is_over(trainer) {
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
    let nothing_to_keep = trainer.steps_done() == 0 || !trainer.is_whole();
    if nothing_to_keep || matches!(error, EngineError::Cancelled) {
        return Err(error);
    }
    let mut problem = error.problem();
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
        EngineError::Io { .. } => Ok(Advance::Stuck(error.problem())),
        other => Err(other),
    }
}
