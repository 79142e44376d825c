//! What is known of each cell at a moment: since when it is written, how sure the generator was, what it would
//! write where nothing is written yet.

use std::sync::Arc;

use smalti_engine::generators::{Proposal, Step, Way};
use smalti_engine::session::RunState;
use smalti_engine::tokens::{Cell, Part, Tokens};

use crate::ctx::{Trace, Traced, ViewCtx};
use crate::document::Asked;
use crate::look::words::counted;

/// What is known of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Fact {
    /// The step in which it was written, from 0.
    pub(super) step: Option<usize>,
    /// The probability of its token when it was written; of what would be written, where it is not.
    pub(super) confidence: Option<f32>,
    /// How open the choice was, in bits.
    pub(super) entropy: Option<f32>,
    /// Written in the last step.
    pub(super) is_now: bool,
    /// Another token than before the last step.
    pub(super) is_changed: bool,
}

/// A moment of a generation.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    pub(super) trace: &'a Trace,
    /// After how many steps.
    pub(super) at: usize,
    /// The tokens then.
    pub(super) tokens: &'a Tokens,
    /// The number of the part that is looked at: the one that was written last.
    pub(super) number: usize,
    /// Of each cell of that part.
    pub(super) facts: Arc<[Fact]>,
    /// Whether something else is asked next.
    pub(super) is_former: bool,
}

/// What was found out of a moment: of which, and of each cell of the part that is looked at.
pub(super) type Known = Option<((Arc<Asked>, usize, Tokens), Arc<[Fact]>)>;

impl<'a> Shown<'a> {
    /// The moment that is looked at.
    pub(super) fn of(ctx: &ViewCtx<'_>, trace: &'a Trace, known: &mut Known) -> Option<Self> {
        let at = trace.at(ctx.document.generating.moment.as_ref()?);
        let tokens = trace.tokens(at)?;
        let written = |step: &Step| step.committed.first().map(|cell| usize::from(cell.part));
        let steps = trace.steps.get(..at)?;
        let number = steps.iter().rev().find_map(|traced| written(&traced.step)).unwrap_or(0);
        let part = tokens.part(number)?;
        let is_it = |(asked, step, then): &(Arc<Asked>, usize, Tokens)| {
            Arc::ptr_eq(asked, &trace.asked) && *step == at && then == tokens
        };
        // Steps are only added: what a moment is stays what it is.
        let kept = known.take().filter(|(of, _)| is_it(of)).map(|(_, facts)| facts);
        let facts = kept.unwrap_or_else(|| facts_of(steps, (number, part)));
        *known = Some(((Arc::clone(&trace.asked), at, tokens.clone()), Arc::clone(&facts)));
        let asked = ctx.document.generating.asked.as_deref();
        let is_former = asked.is_some_and(|asked| *asked != *trace.asked);
        Some(Self { trace, at, tokens, number, facts, is_former })
    }

    pub(super) fn part(&self) -> &'a Part {
        &self.tokens.parts()[self.number]
    }

    /// The step that led here; none before the first.
    pub(super) fn step(&self) -> Option<&'a Step> {
        Some(&self.trace.steps.get(self.at.checked_sub(1)?)?.step)
    }

    /// Whether a cell stays as a person said.
    pub(super) fn is_given(&self, cell: Cell) -> bool {
        self.trace.asked.given.contains_key(&cell)
    }

    /// What the generator thought of a cell: in the last step, or else in the one in which it wrote it; and in
    /// which step that was, from 0.
    pub(super) fn proposal(&self, cell: Cell) -> Option<(usize, &'a Proposal)> {
        let steps = self.trace.steps.get(..self.at)?;
        steps.iter().enumerate().rev().find_map(|(number, traced)| {
            let found = traced.step.proposals.iter().find(|proposal| proposal.cell == cell)?;
            Some((number, found))
        })
    }

    /// Cells without a token.
    pub(super) fn masked(&self) -> usize {
        let last = self.at.checked_sub(1).and_then(|last| self.trace.steps.get(last));
        if let Some(traced) = last {
            return traced.masked;
        }
        self.tokens.cells().filter(|(_, code)| code.is_none()).count()
    }

    /// What a number of steps is called below the timeline.
    pub(super) fn label(&self, at: usize) -> String {
        let Some(step) = at.checked_sub(1) else { return "start".to_owned() };
        let config = self.trace.opened.config();
        if config.way == Way::Var {
            // Scales that were given whole have no step.
            let beginning = self.trace.beginning.iter().flat_map(Tokens::parts);
            let is_open = |part: &&Part| (0..part.codes().len()).any(|at| part.code(at).is_none());
            if let Some(part) = beginning.filter(is_open).nth(step) {
                return format!("{}×{}", part.rows(), part.columns());
            }
        }
        at.to_string()
    }

    /// Where it is, in words.
    pub(super) fn words(&self) -> String {
        let (at, planned) = (self.at, self.trace.planned.max(self.trace.steps.len() as u32));
        let mut words = format!("step {at} of {planned}");
        if let Some(step) = self.step() {
            words = format!("{words} · {} now", counted(step.committed.len(), "token"));
        }
        let (masked, all) = (self.masked(), self.tokens.len());
        if masked > 0 {
            words = format!("{words} · {masked} of {all} masked");
        }
        if self.is_former {
            words = format!(
                "{words} · of {}, before the settings were changed",
                self.trace.asked.name()
            );
        }
        match &self.trace.state {
            RunState::Cancelled => words = format!("{words} · cancelled"),
            RunState::Failed(problem) => words = format!("{words} · {}", problem.summary),
            RunState::Paused => words = format!("{words} · paused"),
            RunState::Done | RunState::Running => {}
        }
        words
    }
}

/// What some steps did to the cells of a part.
fn facts_of(steps: &[Traced], (number, part): (usize, &Part)) -> Arc<[Fact]> {
    let mut facts = vec![Fact::default(); part.codes().len()];
    for (at, traced) in steps.iter().enumerate() {
        take(&mut facts, (number, part), (at, &traced.step), at + 1 == steps.len());
    }
    facts.into()
}

/// Takes in what a step did to the cells of a part.
fn take(
    facts: &mut [Fact],
    (number, part): (usize, &Part),
    (step, did): (usize, &Step),
    is_last: bool,
) {
    let place = |cell: Cell| {
        let is_here = usize::from(cell.part) == number;
        part.index(cell.frame.into(), cell.row.into(), cell.column as usize).filter(|_| is_here)
    };
    for proposal in &did.proposals {
        // What was thought of a cell that stays masked is told of the last step alone.
        if !proposal.kept && !is_last {
            continue;
        }
        if let Some(fact) = place(proposal.cell).and_then(|at| facts.get_mut(at)) {
            fact.confidence = Some(proposal.probability);
            fact.entropy = Some(proposal.entropy);
        }
    }
    for cell in &did.committed {
        if let Some(fact) = place(*cell).and_then(|at| facts.get_mut(at)) {
            (fact.step, fact.is_now) = (Some(step), is_last);
        }
    }
    for cell in did.changed.iter().filter(|_| is_last) {
        if let Some(fact) = place(*cell).and_then(|at| facts.get_mut(at)) {
            fact.is_changed = true;
        }
    }
}
