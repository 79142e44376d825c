//! Measurements of tokenizers, and tables of results beside them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::evaluation::{LpipsFiles, MeasureRun, Measured, Plan, ProbeRun, ReadLpips};
use smalti_engine::questions::{ModelRef, SourceRef, Stamp};
use smalti_engine::session::{Asker, Control, RunId, RunState, RunView, guard};
use smalti_engine::training::ProbeBudget;

use super::Studio;
use super::begun::By;
use crate::document::{JobCommand, Notice, USUAL_IMAGES, ViewId};
use crate::files::outcome::{Outcome, notice};
use crate::look::words::name;

impl Studio {
    /// Measures tokenizers; what is measured is kept beside the runs, and not measured again. What is being measured
    /// on the same set is left to that run: two would write one file.
    pub(super) fn measure(&mut self, mut plans: Vec<Plan>, by: By) -> Option<RunId> {
        let runs = self.session.runs();
        let goes_on = |id: RunId| runs.iter().any(|run| run.id == id && !run.state.is_over());
        self.trainings.measuring.retain(|(run, _)| goes_on(*run));
        let of = |plan: &Plan| (plan.measured.clone(), plan.source.clone(), plan.lpips.clone());
        let is_same = |a: &Plan, b: &Plan| of(a) == of(b);
        let measuring = &self.trainings.measuring;
        let measures = |open: &[Plan], plan: &Plan| open.iter().any(|other| is_same(plan, other));
        let wanted = measuring.iter().filter(|(_, open)| plans.iter().any(|it| measures(open, it)));
        let wanted: Vec<RunId> = wanted.map(|(run, _)| *run).collect();
        let mut is_more = false;
        plans.retain(|plan| {
            let open = measuring.iter().flat_map(|(_, open)| open);
            let mut same = open.filter(|other| is_same(plan, other)).peekable();
            let is_open = same.peek().is_some();
            is_more |= is_open && same.all(|other| other.most < plan.most);
            !is_open
        });
        for run in wanted {
            match by {
                By::Person => self.take_from_scene(run),
                By::Scene => self.take_up_for_scene(run),
            }
            // Whoever asks for it again wants it to go on, whoever paused it.
            let is_it = |view: &&RunView| view.id == run && view.state == RunState::Paused;
            if runs.iter().any(|view| is_it(&view)) {
                self.session.control(run, Control::Resume);
            }
        }
        if is_more {
            let hint = "Measure again when that is done".to_owned();
            let summary = "Fewer images of this set are being measured already";
            self.notices.add(Notice { hint, ..Notice::info(summary) });
        }
        if plans.is_empty() {
            return None;
        }
        let folder = self.trainings.places.first().map(|runs| runs.with_file_name("measured"));
        let assets = self.fixed.options.assets.clone();
        let run = self.session.start(MeasureRun::new(plans.clone(), folder, assets));
        self.trainings.measuring.push((run, plans));
        Some(run)
    }

    /// Whether a measurement goes on: a picture that must come out the same each time waits for its end.
    pub(super) fn is_measuring(&self) -> bool {
        let runs = self.session.runs();
        let goes_on = |id: RunId| runs.iter().any(|run| run.id == id && !run.state.is_over());
        self.trainings.measuring.iter().any(|(run, _)| goes_on(*run))
    }

    /// Trains the AR probes of tokenizers with the usual budget; what is found is kept beside what is measured.
    pub(super) fn probe(&mut self, models: Vec<ModelRef>) {
        let folder = self.trainings.places.first().map(|runs| runs.with_file_name("measured"));
        let assets = self.fixed.options.assets.clone();
        self.session.start(ProbeRun::new(models, ProbeBudget::default(), folder, assets));
    }

    /// Measures what a scene shows on its set: what is known of it is there at once.
    pub(super) fn measure_for_scene(&mut self, names: &[String]) {
        let source = self.history.document().source.clone();
        let plan = |name: &String| {
            let model = ModelRef::Shipped(name.as_str().into());
            let measured = match name.as_str() {
                "JPEG" => Measured::Jpeg,
                _ => Measured::Tokenizer { model, by_levels: true },
            };
            Plan { most: USUAL_IMAGES, ..Plan::new(measured, source.clone()) }
        };
        if let Some(run) = self.measure(names.iter().map(plan).collect(), By::Scene) {
            self.begun_by_scene(run);
        }
    }

    /// What a run trained for it becomes a point of rate against quality.
    pub(super) fn measure_point(&mut self, run: RunId, model: &Path) {
        let Some(on) = self.trainings.points.remove(&run) else { return };
        let (path, assets) = (model.display().to_string(), self.fixed.options.assets.clone());
        self.keeping.background.run(move || {
            let command = JobCommand::MeasurePoint(ModelRef::named(&path, &assets), on);
            Some(Outcome::Command(command.into()))
        });
    }

    /// Measures a tokenizer that is at hand from now on as those beside it were.
    pub(super) fn measure_new(&mut self, model: ModelRef, (source, most): (SourceRef, u64)) {
        let measured = Measured::Tokenizer { model, by_levels: true };
        let lpips = self.trainings.lpips.clone();
        self.measure(vec![Plan { most, lpips, ..Plan::new(measured, source) }], By::Person);
    }

    /// Reads weights of LPIPS away from the window's thread: a file with all of it, or the half that was missing to the
    /// file that was chosen before.
    pub(super) fn read_lpips(&mut self, path: PathBuf) {
        let before = self.trainings.lpips_half.replace(path.clone());
        let asker = self.session.asker();
        let started = self.keeping.background.alongside("reading LPIPS", move || {
            let read = guard("reading LPIPS", || Ok(read_one_or_both(&asker, path, before)));
            match read.unwrap_or_else(|error| Err(error.problem())) {
                Ok(files) => Outcome::Command(JobCommand::UseLpips(Some(files)).into()),
                Err(problem) => notice(problem.into()),
            }
        });
        if let Err(error) = started {
            self.keeping.background.say(notice(error.problem().into()));
        }
    }

    /// LPIPS is measured by these weights from now on, in the next sitting as well.
    pub(super) fn use_lpips(&mut self, files: Option<LpipsFiles>) {
        self.settings.lpips =
            files.iter().flat_map(LpipsFiles::paths).map(Path::to_path_buf).collect();
        let named: Vec<String> = self.settings.lpips.iter().map(|path| name(path)).collect();
        let (summary, hint) = if files.is_some() {
            let hint = "Measure again what was measured without it: Pareto says how many";
            (format!("LPIPS is measured by {} from now on", named.join(" and ")), hint)
        } else {
            let hint = "What was measured stays; LPIPS-like is by Smalti's own judge";
            ("LPIPS is not measured any more".to_owned(), hint)
        };
        self.notices.add(Notice { hint: hint.to_owned(), ..Notice::info(summary) });
        (self.trainings.lpips, self.trainings.lpips_half) = (files, None);
        self.show_view(ViewId::Pareto);
    }

    /// Shows a table of results beside what is measured; the same one as it is now, if it was there.
    pub(super) fn show_results(&mut self, path: Arc<Path>, stamp: Stamp) {
        self.trainings.results.retain(|(known, _)| *known != path);
        self.trainings.results.push((path, stamp));
        self.show_view(ViewId::Pareto);
    }
}

/// Weights of LPIPS in a file, or in it and the one that was chosen before it.
fn read_one_or_both(
    asker: &Asker,
    path: PathBuf,
    before: Option<PathBuf>,
) -> Result<LpipsFiles, Problem> {
    let read = |paths: &[PathBuf]| {
        let files = LpipsFiles::of(paths).map_err(|error| error.problem())?;
        asker.wait(&ReadLpips { files: files.clone() }).map(|_| files)
    };
    let alone = read(std::slice::from_ref(&path));
    match (alone, before.filter(|before| *before != path)) {
        (Err(error), Some(before)) => read(&[before, path]).or(Err(error)),
        (alone, _) => alone,
    }
}
