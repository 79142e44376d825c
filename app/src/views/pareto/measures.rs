//! What is known of measurements: those that are kept, and those of this sitting's runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::evaluation::{
    Identity, KeptMeasurements, MeasureEvent, Measured, Part, Skipped, Stage, Summary,
};
use smalti_engine::questions::{ModelRef, ShippedModels, SourceRef};
use smalti_engine::session::{Reply, RunId, RunView};

use crate::ctx::ViewCtx;

/// What was measured of a tokenizer or a format.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// What it is called.
    pub(super) name: String,
    /// What was measured, on what, and how.
    pub(super) identity: Arc<Identity>,
    /// Each of its rates.
    pub(super) points: Vec<Summary>,
    /// Images that were looked at, and of how many.
    pub(super) done: (u64, u64),
    /// Images that could not be measured.
    pub(super) skipped: Skipped,
    /// The file with what was measured of each.
    pub(super) part: Option<PathBuf>,
}

impl Told {
    /// Whether it is JPEG.
    pub(super) fn is_format(&self) -> bool {
        self.identity.weights.is_none()
    }
}

/// All of one set.
#[derive(Debug, Default)]
pub(super) struct Measures {
    /// Of which set, and how many of its images.
    of: Option<(SourceRef, u64)>,
    /// How much of the log of each run was read.
    read: BTreeMap<RunId, usize>,
    told: BTreeMap<String, Told>,
    /// Why a tokenizer could not be measured.
    pub(super) failed: BTreeMap<String, smalti_engine::Problem>,
    /// Measurements that ended so far: then what is kept is looked at again.
    ended: u64,
    /// How often something of it has changed.
    version: u64,
    /// What is kept, as it was taken in last.
    kept: Option<Arc<Vec<Part>>>,
}

/// The folder in which measurements are kept, beside that of runs.
pub(super) fn folder(ctx: &ViewCtx<'_>) -> Option<PathBuf> {
    Some(ctx.live.places.first()?.with_file_name("measured"))
}

impl Measures {
    /// Reads what is new.
    pub(super) fn follow(&mut self, ctx: &ViewCtx<'_>, most: u64) {
        let of = Some((ctx.document.source.clone(), most));
        if self.of != of {
            let (ended, version) = (self.ended, self.version + 1);
            *self = Self { of, ended, version, ..Self::default() };
        }
        if let Some(folder) = folder(ctx) {
            self.take_kept(ctx, &folder, most);
        }
        for run in ctx.session.runs().iter().filter(|run| is_measuring(run)) {
            let from = self.read.get(&run.id).copied().unwrap_or(0);
            let events = ctx.session.log::<MeasureEvent>(run.id, from);
            self.read.insert(run.id, from + events.len());
            for event in events {
                self.take(ctx, &event, most);
            }
        }
    }

    fn take(&mut self, ctx: &ViewCtx<'_>, event: &MeasureEvent, most: u64) {
        if event.plan.source != ctx.document.source || event.plan.most != most {
            return;
        }
        let name = event.plan.measured.label();
        if let Stage::Failed(problem) = &event.stage {
            self.failed.insert(name, problem.clone());
            return;
        }
        self.ended += u64::from(event.stage == Stage::Done);
        self.failed.remove(&name);
        if let Some(identity) = &event.identity {
            let told = Told {
                name: name.clone(),
                identity: Arc::clone(identity),
                points: event.points.clone(),
                done: (event.done, event.total),
                skipped: event.skipped.clone(),
                part: event.part.clone(),
            };
            self.told.insert(name, told);
            self.version += 1;
        }
    }

    fn take_kept(&mut self, ctx: &ViewCtx<'_>, folder: &Path, most: u64) {
        let source = ctx.document.source.clone();
        let question =
            KeptMeasurements { folder: folder.into(), source, most, side: None, since: self.ended };
        // Those of this sitting are known already, and are newer.
        let Reply::Ready(parts) = ctx.ask("kept measurements", &question) else { return };
        if self.kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &parts)) {
            return;
        }
        for part in parts.iter() {
            let name = part.identity().subject.clone();
            let known = self.told.get(&name).map_or(0, |told| told.done.0);
            let is_newer = part.done().0 > known;
            let has_points = part.summaries().iter().any(|point| point.images > 0);
            if is_newer && has_points {
                let told = Told {
                    name: name.clone(),
                    identity: Arc::new(part.identity().clone()),
                    points: part.summaries(),
                    done: part.done(),
                    skipped: part.skipped().clone(),
                    part: Some(part.path.clone()),
                };
                self.told.insert(name, told);
                self.version += 1;
            }
        }
        self.kept = Some(parts);
    }

    /// How often something of it has changed: what was made of it before holds as long as this is the same.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// All, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = &Told> {
        self.told.values()
    }

    /// One by its name.
    pub(super) fn get(&self, name: &str) -> Option<&Told> {
        self.told.get(name)
    }

    /// Whether nothing is measured yet.
    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// What of these is not measured in full.
    pub(super) fn missing(&self, wanted: &[Measured]) -> Vec<Measured> {
        let is_done = |measured: &&Measured| {
            self.get(&measured.label()).is_some_and(|told| told.done.0 == told.done.1)
        };
        wanted.iter().filter(|measured| !is_done(measured)).cloned().collect()
    }
}

/// Whether a run is one of measurements.
fn is_measuring(run: &RunView) -> bool {
    run.title.starts_with("measure ")
}

/// The run of measurements that goes on.
pub(super) fn going_on(ctx: &ViewCtx<'_>) -> Option<RunView> {
    let runs = ctx.session.runs();
    runs.into_iter().rev().find(|run| is_measuring(run) && !run.state.is_over())
}

/// All tokenizers that are at hand: the shipped ones, and those that were opened.
pub(super) fn at_hand(ctx: &ViewCtx<'_>) -> Vec<ModelRef> {
    let shipped = ctx.ask("shipped", &ShippedModels);
    let shipped = shipped.best().into_iter().flat_map(|names| names.iter());
    let shipped = shipped.map(|name| ModelRef::Shipped(name.as_str().into()));
    let document = ctx.document;
    let own = [Some(&document.model)].into_iter().chain(document.others.iter().map(Option::as_ref));
    let own = own.flatten().chain(document.opened.models.iter()).cloned();
    let mut found: Vec<ModelRef> = Vec::new();
    for model in shipped.chain(own) {
        if !found.contains(&model) {
            found.push(model);
        }
    }
    found
}
