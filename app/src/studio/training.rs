//! Training runs of the window: how they start, and the word when they are over.

use std::path::{Path, PathBuf};

use smalti_engine::session::{Control, RunId, RunState};
use smalti_engine::training::{TrainEvent, TrainRun};

use super::Studio;
use crate::document::{Command, Layout, Notice, Open, RecipeRef, RunFolder, Slot, ViewId};
use crate::files::outcome::Outcome;
use crate::files::recipes::{
    Training, prepare_branch, prepare_to_go_on, prepare_training, probe_of,
};

/// Folder of the runs that were started in the window, beside the settings.
const RUNS: &str = "runs";

impl Studio {
    /// Reads a recipe and makes a folder for its run; [`Studio::start_training`] goes on.
    pub(super) fn train(&self, recipe: &RecipeRef) {
        let (reference, path) = (recipe.clone(), self.recipe_path(recipe));
        let runs = self.runs_folder();
        self.prepare(move || prepare_training((reference, &path), runs.as_deref()));
    }

    fn runs_folder(&self) -> Option<PathBuf> {
        self.fixed.options.settings_dir.as_ref().map(|folder| folder.join(RUNS))
    }

    /// Prepares a run and its probe away from the window's thread. One after the other, so that they come to
    /// their slots in the order in which they were asked for.
    fn prepare(&self, work: impl FnOnce() -> smalti_engine::Result<Training> + Send + 'static) {
        let (asker, images) = (self.session.asker(), self.history.document().probe());
        self.keeping.background.save(move || {
            let mut training = work()?;
            training.probe = probe_of(&training.recipe, images, &asker);
            Ok(Outcome::Recipe(Box::new(training)))
        });
    }

    /// Goes on with the run in a slot, from its last checkpoint.
    pub(super) fn go_on_training(&self, slot: Slot) {
        let Some(run) = self.history.document().runs[slot as usize].clone() else { return };
        let path = self.recipe_path(&run.recipe);
        self.prepare(move || prepare_to_go_on(&path, run));
    }

    /// Starts another run from where the one in a slot is, or was.
    pub(super) fn branch_training(&self, slot: Slot, step: Option<u64>) {
        let Some(run) = self.history.document().runs[slot as usize].clone() else { return };
        let path = self.recipe_path(&run.recipe);
        let runs = self.runs_folder();
        self.prepare(move || prepare_branch(&path, (run, step), runs.as_deref()));
    }

    /// Starts the trainings of a scene, each in its slot, after ending those that it started before.
    pub(super) fn train_for_scene(&mut self, recipes: &[String]) {
        // A picture must come out the same each time.
        if recipes.is_empty() || self.fixed.options.frozen_time {
            return;
        }
        let mut next = self.history.document().clone();
        for slot in Slot::ALL {
            let Some(run) = &next.runs[slot as usize] else { continue };
            let RecipeRef::Shipped(name) = &run.recipe else { continue };
            if !recipes.iter().any(|recipe| **recipe == **name) {
                continue;
            }
            if let Some(id) = self.live_runs.get(&run.folder) {
                self.session.control(*id, Control::Cancel);
            }
            next = next.after(&Open::NoRun(slot).into());
        }
        self.history.change(next, false);
        for recipe in recipes {
            self.train(&RecipeRef::Shipped(recipe.as_str().into()));
        }
    }

    fn recipe_path(&self, recipe: &RecipeRef) -> PathBuf {
        match recipe {
            RecipeRef::Shipped(name) => {
                self.fixed.options.assets.join("recipes").join(format!("{name}.ron"))
            }
            RecipeRef::File(path) => path.to_path_buf(),
        }
    }

    /// The slot of a run: its own, or a free one, or that of a run that is not going on here; none if four
    /// others are.
    fn slot_for(&self, run: &RunFolder) -> Option<Slot> {
        let runs = &self.history.document().runs;
        let own = runs.iter().position(|known| known.as_ref() == Some(run));
        let free = || runs.iter().position(Option::is_none);
        let idle = || {
            let is_idle = |known: &RunFolder| !self.is_going_on(&known.folder);
            runs.iter().position(|known| known.as_ref().is_some_and(is_idle))
        };
        own.or_else(free).or_else(idle).map(|slot| Slot::ALL[slot])
    }

    /// Whether a run of this sitting works in a folder.
    fn is_going_on(&self, folder: &Path) -> bool {
        let id = self.live_runs.get(folder);
        let run = id.and_then(|id| self.session.runs().into_iter().find(|run| run.id == *id));
        run.is_some_and(|run| !run.state.is_over())
    }

    /// Starts the run and shows how far it is.
    pub(super) fn start_training(&mut self, training: Training) -> Vec<Command> {
        let Training { recipe, beside, run, resumes, probe } = training;
        if self.is_going_on(&run.folder) {
            // Two would write over each other.
            return vec![Layout::Show(ViewId::Training).into()];
        }
        let title = format!("Training {}, {} steps", recipe.name, recipe.steps);
        let hint = format!("Its files go to {}", run.folder.display());
        let slot = self.slot_for(&run);
        let assets = self.fixed.options.assets.clone();
        let work = TrainRun::new(recipe, beside, assets, run.folder.clone(), resumes);
        let id = self.session.start(work.with_probe(probe.clone()));
        self.live_runs.insert(run.folder.clone(), id);
        self.probes.insert(id, probe.into());
        if let Some(slot) = slot {
            // At once: the next run must see that the slot is taken.
            let next = self.history.document().after(&Open::Run(slot, run).into());
            self.history.change(next, false);
        }
        vec![Layout::Show(ViewId::Training).into(), Notice { hint, ..Notice::info(title) }.into()]
    }

    /// Runs that ended since the last frame become notices.
    pub(super) fn news_of_runs(&mut self) -> Vec<Command> {
        let mut news = Vec::new();
        for run in self.session.runs() {
            if !run.state.is_over() || self.known_over.contains(&run.id) {
                continue;
            }
            self.known_over.push(run.id);
            let notice = match run.state {
                RunState::Failed(problem) => {
                    let summary = format!("{}: {}", run.title, problem.summary);
                    Notice::error(summary, problem.hint)
                }
                RunState::Cancelled => Notice::info(format!("{}: cancelled", run.title)),
                _ => match self.model_of(run.id, run.entries) {
                    Some(model) => {
                        let summary = format!("{}: done", run.title);
                        let hint = "The tokenizer is the first of File, Open recent".to_owned();
                        self.settings.remember(&model);
                        Notice { hint, ..Notice::info(summary) }
                    }
                    None => Notice::info(format!("{}: done", run.title)),
                },
            };
            news.push(notice.into());
        }
        news
    }

    /// The model that a training run wrote last.
    fn model_of(&self, run: RunId, entries: usize) -> Option<std::path::PathBuf> {
        let last = self.session.log::<TrainEvent>(run, entries.checked_sub(1)?);
        match last.last().map(std::convert::AsRef::as_ref) {
            Some(TrainEvent::Finished { model }) => Some(model.clone()),
            _ => None,
        }
    }
}
