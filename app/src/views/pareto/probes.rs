//! What AR probes found of the tokenizers at hand: those that come with Smalti, those that are kept, and those of this
//! sitting's runs. One is trained where a person asks for it alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::evaluation::{KeptProbes, Measured, ProbeEvent, ProbeRun, ProbeStage, Probed};
use smalti_engine::questions::ModelRef;
use smalti_engine::session::{Reply, RunId, RunView};

use crate::ctx::ViewCtx;
use crate::document::JobCommand;
use crate::look::words::counted;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Probes {
    found: Vec<(ModelRef, Arc<Probed>)>,
    /// Why there is none.
    failed: Vec<(ModelRef, Problem)>,
    /// Why something that is kept cannot be read.
    unread: Vec<Problem>,
    /// How much of the log of each run was read.
    read: BTreeMap<RunId, usize>,
    /// Probes that ended so far: then what is kept is looked at again.
    ended: u64,
}

/// Whether a run is one of probes.
pub(super) fn is_probing(run: &RunView) -> bool {
    run.title.starts_with(ProbeRun::TITLE)
}

/// The run of probes that goes on.
pub(super) fn going_on(ctx: &ViewCtx<'_>) -> Option<RunView> {
    ctx.session.runs().into_iter().rev().find(|run| is_probing(run) && !run.state.is_over())
}

impl Probes {
    /// Reads what is new.
    pub(super) fn follow(
        &mut self,
        ctx: &ViewCtx<'_>,
        (folder, models): (Option<&Path>, &[ModelRef]),
    ) {
        for run in ctx.session.runs().iter().filter(|run| is_probing(run)) {
            let from = self.read.get(&run.id).copied().unwrap_or(0);
            let events = ctx.session.log::<ProbeEvent>(run.id, from);
            self.read.insert(run.id, from + events.len());
            for event in events {
                self.failed.retain(|(model, _)| *model != event.model);
                match &event.stage {
                    ProbeStage::Begun => {}
                    ProbeStage::Done(probed) => {
                        self.ended += 1;
                        self.put(&event.model, probed);
                    }
                    ProbeStage::Failed(problem) => {
                        self.failed.push((event.model.clone(), problem.clone()));
                    }
                }
            }
        }
        let question = KeptProbes {
            folder: folder.map(Into::into),
            wanted: models.to_vec(),
            since: self.ended,
        };
        match ctx.ask("kept probes", &question) {
            Reply::Ready(kept) => {
                self.unread.clone_from(&kept.problems);
                for (model, probed) in &kept.found {
                    self.put(model, probed);
                }
            }
            Reply::Failed(problem) => self.unread = vec![problem],
            Reply::Working { .. } => {}
        }
    }

    fn put(&mut self, model: &ModelRef, probed: &Probed) {
        match self.found.iter_mut().find(|(known, _)| known == model) {
            Some((_, known)) if **known == *probed => {}
            Some((_, known)) => *known = Arc::new(probed.clone()),
            None => self.found.push((model.clone(), Arc::new(probed.clone()))),
        }
    }

    /// That of a tokenizer, in the version that its file has.
    pub(super) fn of(&self, measured: &Measured) -> Option<Arc<Probed>> {
        let Measured::Tokenizer { model, .. } = measured else { return None };
        let found = self.found.iter().find(|(known, _)| known == model);
        found.map(|(_, probed)| Arc::clone(probed))
    }

    /// Why there is none of a tokenizer, and why one cannot be read, each with what to do.
    pub(super) fn problems(&self) -> impl Iterator<Item = (String, &str)> {
        let failed = self.failed.iter().map(|(model, problem)| {
            (format!("{}: {}", model.label(), problem.summary), problem.hint.as_str())
        });
        failed.chain(self.unread.iter().map(|it| (it.summary.clone(), it.hint.as_str())))
    }

    /// Whether it was said that there is none of it.
    pub(super) fn has_failed(&self, model: &ModelRef) -> bool {
        self.failed.iter().any(|(known, _)| known == model)
    }
}

/// The button that trains the probes of tokenizers that have none.
pub(super) fn start_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, missing: Vec<ModelRef>) {
    if missing.is_empty() || going_on(ctx).is_some() {
        return;
    }
    let text = format!("Probe {}", counted(missing.len(), "tokenizer"));
    let about = "Trains a small raster generator on the tokens of painted worlds, some minutes each; what it needs for \
                 a held-out image, in bits, is the number";
    let button = ui.button(text).on_hover_text(about);
    if ctx.offer("Probe tokenizers", button.clicked()) {
        ctx.send(JobCommand::Probe(missing));
    }
}
