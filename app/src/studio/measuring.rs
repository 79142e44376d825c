//! Measurements of tokenizers, and tables of results beside them.

use std::path::Path;
use std::sync::Arc;

use smalti_engine::evaluation::{MeasureRun, Measured, Plan};
use smalti_engine::questions::{ModelRef, Stamp};
use smalti_engine::session::RunView;

use super::Studio;
use crate::document::{USUAL_IMAGES, ViewId};

impl Studio {
    /// Measures tokenizers; what is measured is kept beside the runs, and not measured again.
    pub(super) fn measure(&mut self, plans: Vec<Plan>) {
        if plans.is_empty() {
            return;
        }
        let folder = self.trainings.places.first().map(|runs| runs.with_file_name("measured"));
        let assets = self.fixed.options.assets.clone();
        self.session.start(MeasureRun::new(plans, folder, assets));
    }

    /// Measures what a scene shows on its set, unless something is being measured: what is known of it is there
    /// at once.
    pub(super) fn measure_for_scene(&mut self, names: &[String]) {
        let is_measuring =
            |run: &RunView| !run.state.is_over() && run.title.starts_with("measure ");
        if self.session.runs().iter().any(is_measuring) {
            return;
        }
        let source = self.history.document().source.clone();
        let plan = |name: &String| {
            let model = ModelRef::Shipped(name.as_str().into());
            let measured = match name.as_str() {
                "JPEG" => Measured::Jpeg,
                _ => Measured::Tokenizer { model, by_levels: true },
            };
            Plan { most: USUAL_IMAGES, ..Plan::new(measured, source.clone()) }
        };
        self.measure(names.iter().map(plan).collect());
    }

    /// Shows a table of results beside what is measured; the same one as it is now, if it was there.
    pub(super) fn show_results(&mut self, path: Arc<Path>, stamp: Stamp) {
        self.trainings.results.retain(|(known, _)| *known != path);
        self.trainings.results.push((path, stamp));
        self.show_view(ViewId::Pareto);
    }
}
