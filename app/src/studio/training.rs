//! Training runs of the window: how they start, and the word when they are over.

use std::path::{Path, PathBuf};

use smalti_engine::session::{RunId, RunState, RunView, guard};
use smalti_engine::training::{TrainEvent, TrainRun};
use smalti_engine::{Knob, Problem};

use super::Studio;
use super::of_scenes::GOES_ON;
use super::trainings::Begun;
use crate::ctx::{LeftRun, Preparing};
use crate::document::{
    Changes, Command, JobCommand, Layout, Notice, Open, RecipeRef, RunFolder, Slot, ViewId,
};
use crate::files::outcome::Outcome;
use crate::files::recipes::{
    Training, check_data, prepare_branch, prepare_to_go_on, prepare_training, probe_of,
};
use crate::files::scenes::SceneId;
use crate::look::words::name;

/// Entries of a run's log among which it says what it trained, as its last ones.
const ITS_LAST: usize = 8;

impl Studio {
    /// Reads a recipe and makes a folder for its run; [`Studio::start_training`] goes on. Gives the number of
    /// what is being prepared, if it is not already.
    pub(super) fn train(&mut self, recipe: &RecipeRef, changes: Changes) -> Option<u64> {
        let (reference, path) = (recipe.clone(), self.recipe_path(recipe));
        let (runs, assets) = (self.runs_folder(), self.fixed.options.assets.clone());
        let asked = JobCommand::Train(recipe.clone(), Box::new(changes.clone()));
        self.prepare((asked, false), move || {
            check_data(&path, &changes, &assets)?;
            prepare_training((reference, &path), &changes, runs.as_deref())
        })
    }

    fn train_of_scene(&mut self, recipe: &RecipeRef) {
        let (reference, path) = (recipe.clone(), self.recipe_path(recipe));
        let (runs, asked) = (self.runs_folder(), JobCommand::Train(recipe.clone(), Box::default()));
        let number = self.prepare((asked, true), move || {
            prepare_training((reference, &path), &Changes::default(), runs.as_deref())
        });
        if let Some(number) = number {
            self.trainings.asking_scenes.insert(number, self.trainings.scene.0.clone());
        }
    }

    fn runs_folder(&self) -> Option<PathBuf> {
        self.trainings.places.first().cloned()
    }

    /// Prepares a run and its probe away from the window's thread. Those of scenes, and those that are there
    /// already, one after the other, so that they come to their slots in the order in which they were asked for;
    /// a new one by itself, since listing its images may take long. What is being prepared is not prepared
    /// again: until it goes on there is nothing to be seen of it, and a person may ask twice.
    fn prepare(
        &mut self,
        (asked, is_for_scene): (JobCommand, bool),
        work: impl FnOnce() -> smalti_engine::Result<Training> + Send + 'static,
    ) -> Option<u64> {
        let is_new = matches!(asked, JobCommand::Train(..)) && !is_for_scene;
        let number = self.trainings.ask(asked, is_for_scene)?;
        let (asker, images) = (self.session.asker(), self.history.document().probe());
        let work = move || {
            // After a panic too, what is being prepared has an end.
            let prepared = guard("preparing a run", || {
                let mut training = work()?;
                training.probe = probe_of(&training.recipe, images, &asker);
                Ok(Box::new(training))
            });
            Outcome::Recipe(number, prepared.map_err(|error| error.problem()))
        };
        if !is_new {
            self.keeping.background.save(move || Ok(work()));
        } else if let Err(error) = self.keeping.background.alongside("preparing", work) {
            self.keeping.background.say(Outcome::Recipe(number, Err(error.problem())));
        }
        Some(number)
    }

    /// Goes on with the run in a slot, from its last checkpoint.
    pub(super) fn go_on_training(&mut self, slot: Slot) {
        let Some(run) = self.history.document().runs[slot as usize].clone() else { return };
        let path = self.recipe_path(&run.recipe);
        self.prepare((JobCommand::GoOn(slot), false), move || prepare_to_go_on(&path, run));
    }

    /// Goes on with a run, which takes a slot if it has none.
    pub(super) fn resume(&mut self, run: RunFolder) {
        let runs = &self.history.document().runs;
        let is_it = |known: &Option<RunFolder>| {
            known.as_ref().is_some_and(|known| known.folder == run.folder)
        };
        if let Some(slot) = runs.iter().position(is_it) {
            return self.go_on_training(Slot::ALL[slot]);
        }
        let path = self.recipe_path(&run.recipe);
        let asked = JobCommand::Resume(run.clone());
        self.prepare((asked, false), move || prepare_to_go_on(&path, run));
    }

    /// A run is not listed any more; says where it stays.
    pub(super) fn unlist(&mut self, folder: &Path) {
        self.settings.unlist_run(folder);
        let summary = format!("{} is not listed any more", name(folder));
        let hint =
            format!("Its files stay; open its folder to list it again: {}", folder.display());
        self.notices.add(Notice { hint, ..Notice::info(summary) });
    }

    /// Starts another run from where the one in a slot is, or was.
    pub(super) fn branch_training(&mut self, slot: Slot, step: Option<u64>) {
        let Some(run) = self.history.document().runs[slot as usize].clone() else { return };
        // Whoever branches from it works with it: no scene may end it.
        self.trainings.of_scenes.remove(&run.folder);
        let path = self.recipe_path(&run.recipe);
        let runs = self.runs_folder();
        let turned = self.turned_here(&run.folder, step);
        // Who has paused it wants to look, or the processor for something else.
        let waits = self.run_in(&run.folder).is_some_and(|view| view.state == RunState::Paused);
        let work = move || {
            let training = prepare_branch(&path, (run, step), runs.as_deref())?;
            Ok(Training { turned, waits, ..training })
        };
        self.prepare((JobCommand::Branch(slot, step), false), work);
    }

    /// What was turned where a run waits, if that is the step: it is not in its checkpoint yet.
    fn turned_here(&self, folder: &Path, step: Option<u64>) -> Vec<(Knob, f64)> {
        let told = self
            .run_in(folder)
            .and_then(|view| self.records.live(&self.session, &view, Some(folder)));
        let Some(record) = told.map(|told| told.record) else { return Vec::new() };
        if step.is_some_and(|step| step != record.step) {
            return Vec::new();
        }
        let here = record.turned.iter().filter(|order| order.step == record.step);
        here.map(|order| (order.knob, order.value)).collect()
    }

    /// Starts the trainings of a scene, each in its slot, in place of those that a scene started before and
    /// that have ended. Those that still go on or wait are what the scene shows: nobody's run ends because a
    /// scene was chosen a second time.
    pub(super) fn train_for_scene(&mut self, recipes: &[String]) {
        // A picture must come out the same each time.
        if recipes.is_empty() || self.fixed.options.frozen_time {
            return;
        }
        let wanted: Vec<RecipeRef> =
            recipes.iter().map(|recipe| RecipeRef::Shipped(recipe.as_str().into())).collect();
        let train = |recipe: &RecipeRef| JobCommand::Train(recipe.clone(), Box::default());
        let is_coming = |it: &Preparing| {
            it.is_for_scene && wanted.iter().any(|recipe| it.asked == train(recipe))
        };
        if self.trainings.preparing.iter().any(is_coming) {
            return;
        }
        let mut next = self.history.document().clone();
        let of_scene: Vec<(Slot, RunFolder)> = Slot::ALL
            .into_iter()
            .zip(&next.runs)
            .filter_map(|(slot, run)| Some((slot, run.as_ref()?)))
            .filter(|(_, run)| wanted.contains(&run.recipe))
            .filter(|(_, run)| self.trainings.of_scenes.contains(&run.folder))
            .map(|(slot, run)| (slot, run.clone()))
            .collect();
        if of_scene.iter().any(|(_, run)| self.is_going_on(&run.folder)) {
            let hint =
                "To see it from its first step again, Stop them and choose the scene once more";
            let summary = "The scene's runs are not done: here they are";
            self.notices.add(Notice { hint: hint.to_owned(), ..Notice::info(summary) });
            return;
        }
        for (slot, run) in of_scene {
            self.trainings.of_scenes.remove(&run.folder);
            next = next.after(&Open::NoRun(slot).into());
            let is_done = self.is_done(&run.folder);
            let notice = self.leaves(slot, (run, is_done));
            self.notices.add(notice);
        }
        self.history.change(next, false);
        for recipe in &wanted {
            self.train_of_scene(recipe);
        }
    }

    pub(super) fn recipe_path(&self, recipe: &RecipeRef) -> PathBuf {
        match recipe {
            RecipeRef::Shipped(name) => {
                self.fixed.options.assets.join("recipes").join(format!("{name}.ron"))
            }
            RecipeRef::File(path) => path.to_path_buf(),
        }
    }

    /// The slot of a run: its own, or a free one, or that of a run that is done, or else of one that does not
    /// go on here; none if four others do. And which run leaves it, and whether that is done.
    fn slot_for(&self, run: &RunFolder) -> Option<(Slot, Option<(RunFolder, bool)>)> {
        let runs = &self.history.document().runs;
        let own = runs.iter().position(|known| known.as_ref() == Some(run));
        if let Some(slot) = own.or_else(|| runs.iter().position(Option::is_none)) {
            return Some((Slot::ALL[slot], None));
        }
        let idle = Slot::ALL.into_iter().zip(runs).filter_map(|(slot, known)| {
            let known = known.as_ref().filter(|known| !self.is_going_on(&known.folder))?;
            Some((slot, known.clone(), self.is_done(&known.folder)))
        });
        // Of those alike the first.
        let (slot, left, is_done) = idle.min_by_key(|(.., is_done)| !is_done)?;
        Some((slot, Some((left, is_done))))
    }

    /// The slot that was asked for, unless a run goes on there; and what leaves it.
    fn wanted_slot(
        &self,
        slot: Slot,
        run: &RunFolder,
    ) -> Option<(Slot, Option<(RunFolder, bool)>)> {
        let there = self.history.document().runs[slot as usize].as_ref().filter(|r| *r != run);
        let Some(there) = there else { return Some((slot, None)) };
        let is_done = self.is_done(&there.folder);
        (!self.is_going_on(&there.folder)).then(|| (slot, Some((there.clone(), is_done))))
    }

    /// A run had to make room: that is kept until somebody reads it, and said.
    fn leaves(&mut self, slot: Slot, (run, is_done): (RunFolder, bool)) -> Notice {
        let folder = run.folder.clone();
        self.trainings.left[slot as usize] = Some(LeftRun { folder, is_done });
        left_its_slot(slot, (run, is_done))
    }

    /// The run of this sitting in a folder.
    fn run_in(&self, folder: &Path) -> Option<RunView> {
        let id = self.live_runs.get(folder)?;
        self.session.runs().into_iter().find(|run| run.id == *id)
    }

    /// Whether a run of this sitting works in a folder.
    pub(super) fn is_going_on(&self, folder: &Path) -> bool {
        self.run_in(folder).is_some_and(|run| !run.state.is_over())
    }

    /// Whether the run in a folder has done all of its steps, as far as that is known now.
    fn is_done(&self, folder: &Path) -> bool {
        if let Some(run) = self.run_in(folder) {
            return run.state == RunState::Done;
        }
        self.records.known(folder).is_some_and(|record| record.is_done())
    }

    /// A run is prepared: it starts. Or it cannot be.
    pub(super) fn prepared(
        &mut self,
        number: u64,
        training: Result<Box<Training>, Problem>,
    ) -> Vec<Command> {
        let is_for_scene = self.trainings.end(number).is_some_and(|asked| asked.is_for_scene);
        let form = self.trainings.forms.remove(&number);
        let scene = self.trainings.asking_scenes.remove(&number);
        match training {
            Ok(training) if is_for_scene => self.start_for_scene(*training, scene),
            Ok(training) => self.start_training(*training),
            Err(problem) => match form {
                // What was filled in is not lost.
                Some(form) => {
                    self.ask_again(form, problem);
                    Vec::new()
                }
                None => vec![Notice::from(problem).into()],
            },
        }
    }

    /// Starts a run that a scene asked for; it waits if the scene was left meanwhile.
    fn start_for_scene(&mut self, training: Training, scene: Option<SceneId>) -> Vec<Command> {
        let folder = training.run.folder.clone();
        self.trainings.of_scenes.insert(folder.clone());
        let scene = scene.unwrap_or_default();
        let is_left = scene != self.trainings.scene.0;
        let waits = training.waits || is_left;
        let mut commands = self.start_training(Training { waits, ..training });
        if is_left {
            // Nor does it take the place of what is looked at now.
            commands.retain(|command| !matches!(command, Command::Layout(_)));
        }
        if let Some(run) = self.live_runs.get(&folder).copied() {
            self.trainings.begun.push(Begun { run, scenes: vec![scene], is_left });
        }
        commands
    }

    /// Shows a run of an earlier sitting, or of another program.
    pub(super) fn show_run(&mut self, run: RunFolder) {
        self.settings.remember_run(&run.folder, &self.trainings.places);
        let runs = &self.history.document().runs;
        if !runs.iter().flatten().any(|known| known.folder == run.folder) {
            let Some((slot, left)) = self.slot_for(&run) else {
                let summary = "Four runs go on already: there is no room for another one";
                self.notices.add(Notice::warning(summary, "Stop one in Training, and Forget it"));
                return;
            };
            self.trainings.is_back(&run.folder);
            if let Some(left) = left {
                let notice = self.leaves(slot, left);
                self.notices.add(notice);
            }
            let next = self.history.document().after(&Open::Run(slot, run).into());
            self.history.change(next, false);
        }
        self.show_view(ViewId::Training);
    }

    /// A slot becomes free; says where its run can be found again.
    pub(super) fn forget_run(&mut self, slot: Slot, ctx: &egui::Context) {
        if let Some(run) = &self.history.document().runs[slot as usize] {
            let summary = format!("{} has left slot {}", name(&run.folder), slot.letter());
            let hint = format!("Runs has it still: {}", run.folder.display());
            self.notices.add(Notice { hint, ..Notice::info(summary) });
            let folder = run.folder.clone();
            self.settings.remember_run(&folder, &self.trainings.places);
        }
        self.trainings.seen_left(slot);
        self.change(&Open::NoRun(slot).into(), ctx);
    }

    /// Starts the run and shows how far it is.
    fn start_training(&mut self, training: Training) -> Vec<Command> {
        let Training {
            recipe,
            beside,
            run,
            resumes,
            turned,
            branches_from,
            probe,
            slot,
            waits,
            point,
        } = training;
        if self.is_going_on(&run.folder) {
            // Two would write over each other.
            return vec![Layout::Show(ViewId::Training).into()];
        }
        let title =
            started_title(&name(&run.folder), recipe.steps, (branches_from.as_ref(), waits));
        let mut hint = format!("Its files go to {}", run.folder.display());
        if waits {
            let how = if branches_from.is_some() { "Resume it in Training" } else { GOES_ON };
            hint = format!("{how}. {hint}");
        }
        if point.is_some() {
            hint = format!("It is measured in Pareto once it is done. {hint}");
        }
        let mut said = Vec::new();
        self.settings.remember_run(&run.folder, &self.trainings.places);
        self.trainings.is_back(&run.folder);
        let slot = slot.and_then(|slot| self.wanted_slot(slot, &run));
        let slot = slot.or_else(|| self.slot_for(&run));
        let assets = self.fixed.options.assets.clone();
        let work = TrainRun::new(recipe, beside, assets, run.folder.clone(), resumes);
        let work = work.turning(turned).with_probe(probe.clone());
        let id = if waits { self.session.start_paused(work) } else { self.session.start(work) };
        self.live_runs.insert(run.folder.clone(), id);
        self.probes.insert(id, probe.into());
        // It goes on in the background: what is looked at stays.
        let shown = point.is_none().then(|| Command::from(Layout::Show(ViewId::Training)));
        self.trainings.points.extend(point.map(|point| (id, point)));
        if let Some((slot, left)) = slot {
            said.extend(left.map(|left| self.leaves(slot, left)));
            // At once: the next run must see that the slot is taken.
            let next = self.history.document().after(&Open::Run(slot, run).into());
            self.history.change(next, false);
        } else {
            hint.push_str("; four others go on in Training, so this one is seen in Runs alone");
        }
        said.push(Notice { hint, ..Notice::info(title) });
        shown.into_iter().chain(said.into_iter().map(Command::from)).collect()
    }

    /// Runs that ended since the last frame become notices.
    pub(super) fn news_of_runs(&mut self) -> Vec<Command> {
        let mut news = Vec::new();
        for run in self.session.runs() {
            // Its view tells it.
            if self.generations.is_own(run.id) {
                continue;
            }
            // Two runs of one recipe have one title.
            let folder = self.live_runs.iter().find(|(_, id)| **id == run.id);
            let title =
                folder.map_or(run.title.clone(), |(folder, _)| format!("train {}", name(folder)));
            if let Some(problem) = self.trainings.new_problem(&run) {
                let summary = format!("{title} is paused: {}", problem.summary);
                news.push(Notice::warning(summary, problem.hint).into());
            }
            if !run.state.is_over() || self.known_over.contains(&run.id) {
                continue;
            }
            self.known_over.push(run.id);
            let notice = match run.state {
                RunState::Failed(problem) => {
                    let summary = format!("{title}: {}", problem.summary);
                    Notice::error(summary, problem.hint)
                }
                RunState::Cancelled => match folder {
                    Some((folder, _)) => {
                        let folder = folder.display();
                        let hint = format!(
                            "What was learned is kept: Go on in Training, or later in Runs; it is in {folder}"
                        );
                        Notice { hint, ..Notice::info(format!("{title}: stopped")) }
                    }
                    None => Notice::info(format!("{title}: cancelled")),
                },
                _ => match self.model_of(run.id, run.entries) {
                    Some(model) => {
                        let hint = "What it trained is the first of File, Open recent".to_owned();
                        self.settings.remember(&model);
                        self.measure_point(run.id, &model);
                        Notice { hint, ..Notice::info(format!("{title}: done")) }
                    }
                    None => Notice::info(format!("{title}: done")),
                },
            };
            news.push(notice.into());
        }
        news
    }

    /// The model that a training run wrote last.
    fn model_of(&self, run: RunId, entries: usize) -> Option<std::path::PathBuf> {
        // What was saved is told behind it.
        let last = self.session.log::<TrainEvent>(run, entries.saturating_sub(ITS_LAST));
        last.iter().rev().find_map(|event| match event.as_ref() {
            TrainEvent::Finished { model } => Some(model.clone()),
            _ => None,
        })
    }
}

/// What is said of a run that begins.
fn started_title(
    name: &str,
    steps: u64,
    (branches_from, waits): (Option<&(String, u64)>, bool),
) -> String {
    match (branches_from, waits) {
        (None, false) => format!("Training {name}, {steps} steps"),
        (None, true) => format!("{name}, {steps} steps, waits: its scene was left meanwhile"),
        (Some((from, step)), false) => {
            format!("Training {name}, {steps} steps, from step {step} of {from} on")
        }
        (Some((from, step)), true) => {
            format!("{name} waits at step {step} of {from}, which is paused, too")
        }
    }
}

/// What is said of a run that had to make room.
fn left_its_slot(slot: Slot, (run, is_done): (RunFolder, bool)) -> Notice {
    let (what, letter, folder) = (name(&run.folder), slot.letter(), run.folder.display());
    if is_done {
        let summary = format!("{what} is done and has left slot {letter}");
        let hint = format!("Runs has it still; its files stay in {folder}");
        return Notice { hint, ..Notice::info(summary) };
    }
    let hint = format!("Runs has it still, to go on; its files stay in {folder}");
    Notice::warning(format!("{what} is not done, but has left slot {letter}"), hint)
}
