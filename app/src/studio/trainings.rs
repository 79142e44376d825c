//! Trainings that were asked for and do not go on yet, and those that scenes started.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::evaluation::{LpipsFiles, Plan};
use smalti_engine::questions::{SourceRef, Stamp};
use smalti_engine::session::{RunId, RunView};

use crate::ctx::{LeftRun, Preparing};
use crate::document::{JobCommand, Slot};
use crate::files::scenes::SceneId;
use crate::files::training_form::Form;

/// A run that began with a scene.
#[derive(Debug)]
pub(super) struct Begun {
    /// The run.
    pub(super) run: RunId,
    /// The scenes that show it: the one that began it first.
    pub(super) scenes: Vec<SceneId>,
    /// Whether it was paused as the scene was left.
    pub(super) is_left: bool,
}

/// What is known of trainings beside the document and what they told.
#[derive(Debug, Default)]
pub(super) struct Trainings {
    /// What was asked for and does not go on yet, oldest first.
    pub(super) preparing: Vec<Preparing>,
    /// How many were asked for so far.
    asked: u64,
    /// The folders of the runs that scenes started and that nobody branched from.
    pub(super) of_scenes: BTreeSet<PathBuf>,
    /// The scene that is shown, and its title.
    pub(super) scene: (SceneId, String),
    /// What scenes began and what is not over.
    pub(super) begun: Vec<Begun>,
    /// The scenes that asked for what is being prepared, by its number.
    pub(super) asking_scenes: BTreeMap<u64, SceneId>,
    /// How what is being prepared was asked for, by its number: if it cannot begin, it is asked again.
    pub(super) forms: BTreeMap<u64, Box<Form>>,
    /// Why runs were paused, not by a person, as it was said.
    pub(super) said: BTreeMap<RunId, Problem>,
    /// Which run has left which slot, until that was read.
    pub(super) left: [Option<LeftRun>; 4],
    /// Tables of results that were opened, to be shown beside what is measured.
    pub(super) results: Vec<(Arc<Path>, Stamp)>,
    /// Where what runs train is measured once they are done.
    pub(super) points: BTreeMap<RunId, (SourceRef, u64)>,
    /// The person's own weights of LPIPS, by which it is measured.
    pub(super) lpips: Option<LpipsFiles>,
    /// A file of which the other half is looked for: a network without its heads, or these without it.
    pub(super) lpips_half: Option<PathBuf>,
    /// What runs of measurements measure that are not over yet, as far as it is known.
    pub(super) measuring: Vec<(RunId, Vec<Plan>)>,
    /// The folders in which runs usually are; a new one comes into the first.
    pub(super) places: Vec<PathBuf>,
}

impl Trainings {
    /// None yet; runs are in these folders.
    pub(super) fn new(places: Vec<PathBuf>) -> Self {
        Self { places, ..Self::default() }
    }

    /// Why a run was paused, if that was not said yet.
    pub(super) fn new_problem(&mut self, run: &RunView) -> Option<Problem> {
        let Some(problem) = &run.problem else {
            self.said.remove(&run.id);
            return None;
        };
        let is_said = self.said.get(&run.id) == Some(problem);
        self.said.insert(run.id, problem.clone());
        (!is_said).then(|| problem.clone())
    }

    /// It was read that a run has left a slot.
    pub(super) fn seen_left(&mut self, slot: Slot) {
        self.left[slot as usize] = None;
    }

    /// A run is in a slot (again).
    pub(super) fn is_back(&mut self, folder: &Path) {
        for left in &mut self.left {
            left.take_if(|left| left.folder == folder);
        }
    }

    /// Takes what was asked for; its number, or none if the same is being prepared already.
    pub(super) fn ask(&mut self, asked: JobCommand, is_for_scene: bool) -> Option<u64> {
        if self.preparing.iter().any(|it| it.asked == asked && it.is_for_scene == is_for_scene) {
            return None;
        }
        self.asked += 1;
        self.preparing.push(Preparing { number: self.asked, asked, is_for_scene });
        Some(self.asked)
    }

    /// What was asked for is there, or cannot be.
    pub(super) fn end(&mut self, number: u64) -> Option<Preparing> {
        let at = self.preparing.iter().position(|it| it.number == number)?;
        Some(self.preparing.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{RecipeRef, Slot};

    #[test]
    fn what_is_being_prepared_is_not_prepared_again() {
        let mut trainings = Trainings::default();
        let train = || JobCommand::Train(RecipeRef::Shipped("collapse".into()), Box::default());
        let first = trainings.ask(train(), false).unwrap();
        assert_eq!(trainings.ask(train(), false), None);
        assert!(trainings.ask(JobCommand::GoOn(Slot::A), false).is_some(), "that is another");
        assert!(trainings.ask(train(), true).is_some(), "a scene has one of its own");
        assert!(trainings.end(first).is_some_and(|ended| !ended.is_for_scene));
        assert!(trainings.ask(train(), false).is_some(), "it goes on: another one may come");
    }
}
