//! `smalti evaluate --probe`: what the tokens of each tokenizer cost an AR probe.

use std::path::Path;

use serde::Serialize;
use smalti_engine::evaluation::{ProbeEvent, ProbeRun, ProbeStage, Probed};
use smalti_engine::questions::ModelRef;
use smalti_engine::session::{Control, RunState};
use smalti_engine::training::ProbeBudget;

use super::console::Console;
use super::engine::Engine;
use super::stop::Stop;

/// What a line says of a probe: its figures, and all that they hold for.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "they stand among others in one line")]
pub(super) struct ProbeFigures {
    probe_bits_per_image: f64,
    probe_bits_per_token: f64,
    probe_perplexity: f64,
    probe_tokens: u32,
    /// Sub-tokens in which it reads a token.
    probe_sub_tokens: u32,
    /// Side of its images in pixels.
    probe_side: u32,
    probe_steps: u32,
    probe_batch: u32,
    probe_images: u32,
    probe_held_out: u32,
    probe_seed: u64,
}

impl ProbeFigures {
    /// Heads of their columns.
    pub(super) const HEAD: &str = "probe_bits_per_image,probe_bits_per_token,probe_perplexity,probe_side,probe_steps,probe_seed";

    /// The columns of one, or of none.
    pub(super) fn cells(of: Option<&Self>) -> [String; 6] {
        let Some(it) = of else { return Default::default() };
        let numbers = [it.probe_bits_per_image, it.probe_bits_per_token, it.probe_perplexity];
        let [image, token, perplexity] = numbers.map(|x| format!("{x:.6}"));
        let (side, steps) = (it.probe_side.to_string(), it.probe_steps.to_string());
        [image, token, perplexity, side, steps, it.probe_seed.to_string()]
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        format!(
            "AR probe {:.1} bits an image of {} pixels ({:.3} a token, perplexity {:.1}, {} steps)",
            self.probe_bits_per_image,
            self.probe_side,
            self.probe_bits_per_token,
            self.probe_perplexity,
            self.probe_steps
        )
    }
}

impl From<&Probed> for ProbeFigures {
    fn from(probed: &Probed) -> Self {
        let budget = probed.budget;
        Self {
            probe_bits_per_image: probed.bits_per_image,
            probe_bits_per_token: probed.bits_per_token(),
            probe_perplexity: probed.perplexity(),
            probe_tokens: probed.tokens,
            probe_sub_tokens: probed.sub_tokens,
            probe_side: probed.side,
            probe_steps: budget.steps,
            probe_batch: budget.batch,
            probe_images: budget.images,
            probe_held_out: budget.held_out,
            probe_seed: budget.seed,
        }
    }
}

/// The probes of tokenizers, in their order; none of one whose tokens no probe reads, which is said.
pub(super) fn probes(
    engine: &Engine,
    models: &[(String, ModelRef)],
    (steps, kept): (u32, Option<&Path>),
    console: &mut Console<'_, '_>,
) -> Result<Vec<Option<Probed>>, Stop> {
    let session = engine.session();
    let budget = ProbeBudget::of_steps(steps);
    let all = models.iter().map(|(_, model)| model.clone()).collect();
    let assets = session.settings().assets.clone();
    let run = session.start(ProbeRun::new(all, budget, kept.map(Path::to_owned), assets));
    let mut found = vec![None; models.len()];
    let mut read = 0;
    loop {
        if console.check().is_err() {
            session.control(run, Control::Cancel);
            drop(session.wait_run(run));
            return Err(Stop::Cancelled);
        }
        // Looked at before its log is read: what it says last is not missed.
        let view = session.runs().into_iter().find(|view| view.id == run);
        let events = session.log::<ProbeEvent>(run, read);
        read += events.len();
        for event in &events {
            let name = models.get(event.number).map_or("", |(name, _)| name.as_str());
            match &event.stage {
                ProbeStage::Begun => {}
                ProbeStage::Done(probed) => found[event.number] = Some(probed.clone()),
                ProbeStage::Failed(problem) if problem.bad_input => {
                    console.remark(&format!("{name}: {problem}"));
                }
                ProbeStage::Failed(problem) => {
                    session.control(run, Control::Cancel);
                    return Err(Stop::from(problem.clone()).about(name));
                }
            }
        }
        let Some(view) = view else { break };
        match view.state {
            RunState::Failed(problem) => return Err(problem.into()),
            RunState::Cancelled => return Err(Stop::Cancelled),
            RunState::Done => break,
            RunState::Running | RunState::Paused => {}
        }
        if let Some(problem) = view.problem {
            return Err(problem.into());
        }
        if events.is_empty() {
            let text = format!("AR probe of {}", view.rate);
            console.progress(view.progress.unwrap_or(0.0), &text);
            engine.wait_for_news();
        }
    }
    console.clear();
    Ok(found)
}
