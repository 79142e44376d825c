//! Training runs of the window: how they start, and the word when they are over.

use smalti_engine::session::{RunId, RunState};
use smalti_engine::training::{TrainEvent, TrainRun};

use super::Studio;
use crate::document::{Command, Layout, Notice, RecipeRef, ViewId};
use crate::files::outcome::Outcome;
use crate::files::recipes::{Training, prepare_training};

/// Folder of the runs that were started in the window, beside the settings.
const RUNS: &str = "runs";

impl Studio {
    /// Reads a recipe and makes a folder for its run; [`Studio::start_training`] goes on.
    pub(super) fn train(&self, recipe: &RecipeRef) {
        let path = match recipe {
            RecipeRef::Shipped(name) => {
                self.fixed.options.assets.join("recipes").join(format!("{name}.ron"))
            }
            RecipeRef::File(path) => path.to_path_buf(),
        };
        let runs = self.fixed.options.settings_dir.as_ref().map(|folder| folder.join(RUNS));
        self.keeping.background.attempt(move || {
            let training = prepare_training(&path, runs.as_deref())?;
            Ok(Outcome::Recipe(Box::new(training)))
        });
    }

    /// Starts the run and shows how far it is.
    pub(super) fn start_training(&self, training: Training) -> Vec<Command> {
        let Training { recipe, beside, folder } = training;
        let title = format!("Training {}, {} steps", recipe.name, recipe.steps);
        let hint = format!("Its files go to {}", folder.display());
        let assets = self.fixed.options.assets.clone();
        self.session.start(TrainRun::new(recipe, beside, assets, folder, false));
        vec![Layout::Show(ViewId::Jobs).into(), Notice { hint, ..Notice::info(title) }.into()]
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
