//! What generations told so far, each known by what was asked: kept, so that going back and forth between
//! them, and through their steps, runs no model again.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::generators::{GenerateEvent, Proposal, Step};
use smalti_engine::questions::{DecodePartly, OpenGenerator, OpenedPainter};
use smalti_engine::session::{Control, Question, RunId, RunState, RunView, Session};
use smalti_engine::tokens::{Cell, Tokens};

use crate::document::{Asked, Moment};

/// So many are kept; what is no more kept is generated again when it is looked at.
const KEPT: usize = 16;
/// Bytes of the networks that they hold: three of ours are some MB, published ones up to several GB, of which one
/// at a time is kept.
const NETWORKS: usize = 1 << 30;

/// Bytes of the steps that they told: those of a few thousand cells that are written one by one are some hundred MB.
const STEPS: usize = 256 << 20;

/// A step and what it took.
#[derive(Debug)]
pub struct Traced {
    /// What the generator did.
    pub step: Step,
    /// Sequences that went through the network up to its end.
    pub passes: u32,
    /// Seconds up to its end.
    pub seconds: f64,
    /// Mean probability of what was written in it, 0 to 1.
    pub confidence: f32,
    /// Cells without a token after it.
    pub masked: usize,
    /// The question for its picture, found out when it is first asked; none where nothing is written.
    pub picture: OnceCell<Option<DecodePartly>>,
}

/// What a generation told so far.
#[derive(Debug)]
pub struct Trace {
    /// What was asked.
    pub asked: Arc<Asked>,
    /// Network, tokenizer, classes.
    pub opened: Arc<OpenedPainter>,
    /// The tokens before the first step: those that stay; none if it cannot begin.
    pub beginning: Option<Tokens>,
    /// How many cells it writes: those without a token before the first step.
    pub cells: usize,
    /// Its steps so far.
    pub steps: Vec<Traced>,
    /// How many it will have, as far as that is known.
    pub planned: u32,
    /// Where it stands.
    pub state: RunState,
    run: Option<RunId>,
    /// Entries of the run's log that were read.
    read: usize,
    /// What its steps take.
    bytes: usize,
    /// What was found out of the tokens that were looked at last.
    wrote: RefCell<Option<Wrote>>,
}

/// After so many steps, whether some tokens are those of a generation.
type Wrote = (usize, Tokens, bool);

impl Trace {
    /// Whether tokens are those that it wrote, by `found`: looked for only where other tokens are at hand than those
    /// before, as every frame asks.
    pub(super) fn wrote(&self, now: &Tokens, found: impl FnOnce() -> bool) -> bool {
        let mut known = self.wrote.borrow_mut();
        let steps = self.steps.len();
        if let Some((_, _, is_it)) = known.as_ref().filter(|(at, of, _)| *at == steps && of == now)
        {
            return *is_it;
        }
        let is_it = found();
        *known = Some((steps, now.clone(), is_it));
        is_it
    }

    /// The run that goes on with it.
    pub fn run(&self) -> Option<RunId> {
        self.run.filter(|_| !self.state.is_over())
    }

    /// After how many steps a moment of it is: as many as there are at most.
    pub fn at(&self, moment: &Moment) -> usize {
        moment.steps.map_or(self.steps.len(), |steps| (steps as usize).min(self.steps.len()))
    }

    /// The tokens after so many steps.
    pub fn tokens(&self, steps: usize) -> Option<&Tokens> {
        match steps.checked_sub(1).and_then(|last| self.steps.get(last)) {
            Some(last) => Some(&last.step.tokens),
            None => self.beginning.as_ref(),
        }
    }

    /// What the generator would write where nothing is written after so many steps; none where it did not say.
    pub fn meant(&self, steps: usize) -> Option<Tokens> {
        let step = &self.steps.get(steps.checked_sub(1)?)?.step;
        let meant = step.proposals.iter().filter(|proposal| !proposal.kept);
        let meant: Vec<_> = meant.map(|proposal| (proposal.cell, Some(proposal.token))).collect();
        if meant.is_empty() {
            return None;
        }
        // Of those masked cells alone that were thought of: others stay masked here.
        step.tokens.with(meant).ok()
    }

    /// The question for the picture after so many steps; none where nothing is written that is one. Every frame asks
    /// for those of many steps, which stay what they are.
    pub fn picture(&self, steps: usize) -> Option<DecodePartly> {
        match steps.checked_sub(1).and_then(|last| self.steps.get(last)) {
            Some(traced) => traced.picture.get_or_init(|| self.find_picture(steps)).clone(),
            None => self.find_picture(steps),
        }
    }

    fn find_picture(&self, steps: usize) -> Option<DecodePartly> {
        let tokens = self.tokens(steps)?.clone();
        let meant = self.meant(steps);
        // Finer parts that a person gave are no picture without the coarsest.
        let is_empty = match tokens.parts() {
            [only] => (0..only.codes().len()).all(|at| only.code(at).is_none()),
            parts => parts
                .first()
                .is_none_or(|first| (0..first.codes().len()).any(|at| first.code(at).is_none())),
        };
        let model = self.opened.tokenizer.clone()?;
        let laid_out = |tokens: &Tokens| self.opened.for_tokenizer(tokens).ok();
        let (tokens, meant) = (laid_out(&tokens)?, meant.as_ref().and_then(laid_out));
        (!is_empty).then_some(DecodePartly { tokens, meant, model })
    }

    /// Takes in what the run told since.
    fn follow(&mut self, session: &Session, runs: &[RunView]) {
        let Some(run) = self.run else { return };
        for event in session.log::<GenerateEvent>(run, self.read) {
            self.read += 1;
            match &*event {
                GenerateEvent::Started { steps } => self.planned = *steps,
                GenerateEvent::Step(step, took) => self.take(Step::clone(step), *took),
                GenerateEvent::Passed(..) => {}
            }
        }
        let Some(view) = runs.iter().find(|view| view.id == run) else { return };
        self.state = view.state.clone();
        if self.state.is_over() && view.entries <= self.read {
            session.forget_run(run);
            self.run = None;
        }
    }

    fn take(&mut self, step: Step, seconds: f64) {
        let kept = step.proposals.iter().filter(|proposal| proposal.kept);
        let (sum, count) =
            kept.fold((0.0, 0_u32), |(sum, count), p| (sum + p.probability, count + 1));
        self.bytes += bytes_of(&step);
        let before = self.steps.last().map_or((0, 0.0), |last| (last.passes, last.seconds));
        self.steps.push(Traced {
            passes: before.0 + step.forward_passes,
            seconds: before.1 + seconds,
            confidence: sum / count.max(1) as f32,
            masked: masked(&step.tokens),
            picture: OnceCell::new(),
            step,
        });
    }
}

/// What a step takes in memory.
fn bytes_of(step: &Step) -> usize {
    let likeliest = |proposal: &Proposal| {
        (proposal.alternatives.len() + proposal.cut.len()) * size_of::<(u32, f32)>()
    };
    let proposals: usize =
        step.proposals.iter().map(|proposal| size_of::<Proposal>() + likeliest(proposal)).sum();
    let cells = (step.committed.len() + step.changed.len()) * size_of::<Cell>();
    step.tokens.len() * size_of::<u32>() + proposals + cells
}

/// How many cells have no token.
fn masked(tokens: &Tokens) -> usize {
    tokens.cells().filter(|(_, code)| code.is_none()).count()
}

/// All generations of a sitting that are kept.
#[derive(Debug, Default)]
pub struct Generations {
    /// The one that was looked at last at the end.
    all: Vec<Trace>,
    /// Runs of which nobody wants to know anything any more, until they are over.
    left: Vec<RunId>,
}

impl Generations {
    /// What is known of a generation.
    pub fn get(&self, asked: &Asked) -> Option<&Trace> {
        self.all.iter().find(|trace| *trace.asked == *asked)
    }

    /// Whether a run is one of them.
    pub fn is_own(&self, run: RunId) -> bool {
        self.left.contains(&run) || self.all.iter().any(|trace| trace.run == Some(run))
    }

    /// The runs that go on.
    pub fn runs(&self) -> impl Iterator<Item = RunId> + '_ {
        self.all.iter().filter_map(Trace::run)
    }

    /// Whether one of them is in a step, or may be: what was left is until it is over.
    pub(crate) fn is_at_work(&self) -> bool {
        let is_running = |trace: &Trace| trace.run.is_some() && trace.state == RunState::Running;
        !self.left.is_empty() || self.all.iter().any(is_running)
    }

    /// One begins, or cannot, and why. Those that are wanted stay however many there are, and however large.
    pub(crate) fn begin(
        &mut self,
        asked: &Arc<Asked>,
        (opened, beginning): (Arc<OpenedPainter>, Option<Tokens>),
        run: Result<RunId, Problem>,
        wanted: &[Arc<Asked>],
    ) {
        let (run, state) = match run {
            Ok(run) => (Some(run), RunState::Running),
            Err(problem) => (None, RunState::Failed(problem)),
        };
        self.forget(asked);
        let (asked, cells) = (Arc::clone(asked), beginning.as_ref().map_or(0, masked));
        self.all.push(Trace {
            asked,
            opened,
            beginning,
            cells,
            steps: Vec::new(),
            planned: 0,
            state,
            run,
            read: 0,
            bytes: 0,
            wrote: RefCell::default(),
        });
        let is_idle = |trace: &Trace| trace.run.is_none() && !wanted.contains(&trace.asked);
        while self.are_too_many()
            && let Some((_, older)) = self.all.split_last()
            && let Some(oldest) = older.iter().position(is_idle)
        {
            self.all.remove(oldest);
        }
    }

    /// Forgets one, wherever it stands: it is generated again when it is looked at. A run that goes on with it, or
    /// waits, ends.
    pub(crate) fn forget(&mut self, asked: &Asked) {
        let forgotten = self.all.extract_if(.., |trace| *trace.asked == *asked);
        self.left.extend(forgotten.filter_map(|trace| trace.run));
    }

    fn are_too_many(&self) -> bool {
        let steps: usize = self.all.iter().map(|trace| trace.bytes).sum();
        self.all.len() > KEPT || steps > STEPS || self.bytes_of_networks() > NETWORKS
    }

    /// What their networks take, those that several share once.
    fn bytes_of_networks(&self) -> usize {
        let mut networks: Vec<&Arc<OpenedPainter>> = Vec::new();
        for trace in &self.all {
            if networks.iter().all(|known| !Arc::ptr_eq(known, &trace.opened)) {
                networks.push(&trace.opened);
            }
        }
        networks.into_iter().map(|opened| OpenGenerator::bytes(opened)).sum()
    }

    /// One goes on after its last step, by another run.
    pub(crate) fn go_on(&mut self, asked: &Asked, run: RunId) {
        if let Some(trace) = self.all.iter_mut().find(|trace| *trace.asked == *asked) {
            (trace.run, trace.state, trace.read) = (Some(run), RunState::Running, 0);
        }
    }

    /// Takes in what all of them told since.
    pub(crate) fn follow(&mut self, session: &Session) {
        if self.left.is_empty() && self.all.iter().all(|trace| trace.run.is_none()) {
            return;
        }
        let runs = session.runs();
        self.all.iter_mut().for_each(|trace| trace.follow(session, &runs));
        self.left.retain(|left| {
            let goes_on = runs.iter().any(|run| run.id == *left && !run.state.is_over());
            if goes_on {
                // One that is paused would never be over.
                session.control(*left, Control::Cancel);
            } else {
                session.forget_run(*left);
            }
            goes_on
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_of_many_cells_one_by_one_fits_and_as_many_as_are_kept_do_not() {
        let cells = 64 * 64;
        let step = |at: usize| Step {
            index: at as u32,
            forward_passes: 1,
            committed: vec![Cell::at(0, at)],
            changed: Vec::new(),
            proposals: Vec::new(),
            tokens: Tokens::grid(64, 64, 8, vec![3; cells]).unwrap(),
        };
        let bytes: usize = (0..cells).map(|at| bytes_of(&step(at))).sum();
        assert!(bytes >= cells * cells * 4, "{bytes}");
        assert!(bytes < STEPS && bytes * KEPT > STEPS, "{bytes}");
    }
}
