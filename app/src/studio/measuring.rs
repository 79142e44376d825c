//! Measurements of tokenizers, and tables of results beside them.

use std::path::Path;
use std::sync::Arc;

use smalti_engine::evaluation::{MeasureRun, Measured, Plan, ProbeRun};
use smalti_engine::questions::{ModelRef, Stamp};
use smalti_engine::session::{Control, RunId, RunState, RunView};
use smalti_engine::training::ProbeBudget;

use super::Studio;
use super::begun::By;
use crate::document::{Notice, USUAL_IMAGES, ViewId};

impl Studio {
    /// Measures tokenizers; what is measured is kept beside the runs, and not measured again. What is being measured
    /// on the same set is left to that run: two would write one file.
    pub(super) fn measure(&mut self, mut plans: Vec<Plan>, by: By) -> Option<RunId> {
        let runs = self.session.runs();
        let goes_on = |id: RunId| runs.iter().any(|run| run.id == id && !run.state.is_over());
        self.trainings.measuring.retain(|(run, _)| goes_on(*run));
        let is_same = |a: &Plan, b: &Plan| (&a.measured, &a.source) == (&b.measured, &b.source);
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

    /// Shows a table of results beside what is measured; the same one as it is now, if it was there.
    pub(super) fn show_results(&mut self, path: Arc<Path>, stamp: Stamp) {
        self.trainings.results.retain(|(known, _)| *known != path);
        self.trainings.results.push((path, stamp));
        self.show_view(ViewId::Pareto);
    }
}
