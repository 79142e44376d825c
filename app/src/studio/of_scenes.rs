//! What scenes begin by themselves, and what becomes of it when they are left.

use smalti_engine::questions::ModelRef;
use smalti_engine::session::{Control, RunId, RunState, RunView};

use super::Studio;
use super::begun::By;
use super::trainings::Begun;
use crate::document::{Asked, Document, Generate, Notice, Open};
use crate::files::scenes::SceneId;

/// What became of a scene's jobs as it was left.
#[derive(Debug, Default)]
pub(super) struct Left {
    title: String,
    /// The runs that were paused.
    paused: Vec<RunId>,
    /// How many trainings of it are being prepared.
    coming: usize,
}

impl Studio {
    /// A document in which something is generated: nothing else where something was already, and is known. What a
    /// person has opened or set is asked for; otherwise the scene's generator as it usually writes.
    pub(super) fn generating_for_scene(&mut self, document: Document, generator: &str) -> Document {
        let whole = document.generating.whole();
        if whole.is_some_and(|asked| self.generations.get(asked).is_some()) {
            return document;
        }
        let mut next = document;
        if next.generating.asked.is_none() {
            next = next.after(&Open::Generator(ModelRef::Shipped(generator.into())).into());
        }
        // A picture must come out the same each time.
        let asked = next.generating.asked.clone().filter(|_| !self.fixed.options.frozen_time);
        match asked {
            Some(asked) => {
                self.ask_generation(&asked, false, By::Scene);
                let asked = Box::new(Asked::clone(&asked));
                next.after(&Generate::Start { asked, waits: false }.into())
            }
            None => next,
        }
    }

    /// The scene that is shown has begun a run.
    pub(super) fn begun_by_scene(&mut self, run: RunId) {
        let scene = self.trainings.scene.0.clone();
        self.trainings.begun.push(Begun { run, scenes: vec![scene], is_left: false });
    }

    /// Another scene comes, or the same once more: what the last one began and what still goes on is paused, and
    /// goes on when the scene is back. What is not ready yet waits when it is. What is left is said by
    /// [`Self::say_left`], when it is known what of it the scene that comes takes up.
    #[must_use]
    pub(super) fn leave_scene(&mut self, scene: (SceneId, String)) -> Left {
        let next = scene.0.clone();
        let (left, title) = std::mem::replace(&mut self.trainings.scene, scene);
        let coming =
            self.trainings.asking_scenes.values().filter(|it| **it == left && left != next);
        let coming = coming.count();
        let runs = self.session.runs();
        // What is generated for such a scene is generated once more when it is back: nothing waits for that.
        let is_begun_anew = self.desk.guide.acts();
        let mut begun = std::mem::take(&mut self.trainings.begun);
        let mut paused = Vec::new();
        begun.retain_mut(|it| {
            // What was cancelled ends with its step: it is not paused any more, and nothing brings it back.
            let goes_on = |view: &&RunView| !view.state.is_over() && !view.is_ending;
            let view = runs.iter().filter(goes_on).find(|view| view.id == it.run);
            let Some(view) = view else { return false };
            if it.scenes.contains(&next) {
                if it.is_left && self.is_at_hand(it.run) {
                    it.is_left = false;
                    self.session.control(it.run, Control::Resume);
                }
                return true;
            }
            if it.is_left {
                return true;
            }
            if is_begun_anew && self.generations.is_own(it.run) {
                self.session.control(it.run, Control::Cancel);
                return false;
            }
            // What a person has paused goes on when that person says so.
            it.is_left = view.state == RunState::Running;
            if it.is_left {
                self.session.control(it.run, Control::Pause);
                paused.push(it.run);
            }
            it.is_left
        });
        self.trainings.begun = begun;
        Left { title, paused, coming }
    }

    /// Says what waits of a scene that was left, if something does.
    pub(super) fn say_left(&mut self, left: &Left) {
        let waits =
            |run: &&RunId| self.trainings.begun.iter().any(|it| it.run == **run && it.is_left);
        let paused = left.paused.iter().filter(waits).count();
        if paused + left.coming > 0 {
            self.notices.add(left_notice(&left.title, paused, left.coming));
        }
    }

    /// The scene that is shown takes up a job that another one began: it goes on for both.
    pub(super) fn take_up_for_scene(&mut self, run: RunId) {
        let scene = self.trainings.scene.0.clone();
        for it in self.trainings.begun.iter_mut().filter(|it| it.run == run) {
            if it.is_left {
                it.is_left = false;
                self.session.control(run, Control::Resume);
            }
            if !it.scenes.contains(&scene) {
                it.scenes.push(scene.clone());
            }
        }
    }

    /// Generations that scenes began and that are not looked at any more end: a scene that is back begins its own anew.
    pub(super) fn end_generations_of_before(&self) {
        let looked_at = self.history.document().generating.moment.as_ref();
        let looked_at = looked_at.and_then(|moment| self.generations.get(&moment.asked)?.run());
        let begun = self.trainings.begun.iter().filter(|it| !it.is_left);
        let own = begun.map(|it| it.run).filter(|run| self.generations.is_own(*run));
        for run in own.filter(|run| Some(*run) != looked_at) {
            self.session.control(run, Control::Cancel);
        }
    }

    /// A document takes the place of all: what its scene began goes on when the scene is chosen again.
    pub(super) fn leave_scene_behind(&mut self) {
        let left = self.leave_scene(<(SceneId, String)>::default());
        self.say_left(&left);
    }

    /// A person has paused or resumed a run: it is that person's from now on, whatever scene comes.
    pub(super) fn steered_by_hand(&mut self, run: RunId) {
        for it in self.trainings.begun.iter_mut().filter(|it| it.run == run) {
            it.is_left = false;
        }
    }

    /// Whether a run is seen where the scene shows it: a training in its slot, anything else anywhere.
    fn is_at_hand(&self, run: RunId) -> bool {
        let folder = self.live_runs.iter().find(|(_, id)| **id == run).map(|(folder, _)| folder);
        let runs = &self.history.document().runs;
        folder.is_none_or(|folder| runs.iter().flatten().any(|known| known.folder == *folder))
    }

    /// What a scene began and what was paused with it is wanted by a person: it goes on, and is that person's.
    pub(super) fn take_from_scene(&mut self, run: RunId) {
        let at = self.trainings.begun.iter().position(|it| it.run == run && it.is_left);
        if let Some(at) = at {
            self.trainings.begun.remove(at);
            self.session.control(run, Control::Resume);
        }
    }
}

/// How what waits because its scene was left goes on.
pub(super) const GOES_ON: &str = "It goes on when the scene is chosen again, or by Resume in Jobs";

/// What is said when a scene is left of which so many jobs are `paused`, and so many are `coming` still.
fn left_notice(scene: &str, paused: usize, coming: usize) -> Notice {
    let now = match paused {
        0 => None,
        1 => Some("the job that it began is paused".to_owned()),
        count => Some(format!("{count} jobs that it began are paused")),
    };
    let later = match coming {
        0 => None,
        1 => Some("the training that it prepares will wait when it is ready".to_owned()),
        count => Some(format!("{count} trainings that it prepares will wait when they are ready")),
    };
    let what: Vec<String> = now.into_iter().chain(later).collect();
    let goes_on = match paused + coming {
        1 => GOES_ON.to_owned(),
        _ => GOES_ON.replacen("It goes", "They go", 1),
    };
    let hint = match paused {
        0 => goes_on,
        _ => format!("The step at hand is done first. {goes_on}"),
    };
    Notice { hint, ..Notice::info(format!("You have left {scene}: {}", what.join(", and "))) }
}
