//! Which of the tokens that are worked on a generator was least sure of: by the generation that wrote them, or by
//! their bits where those were worked out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smalti_engine::generators::TokenBits;
use smalti_engine::tokens::{Cell, Tokens};

use super::ViewCtx;
use super::generated::Trace;

/// The share of the cells that is selected.
const SHARE: f64 = 0.1;

/// By what it is known how sure a generator was.
enum By<'a> {
    Confidence(&'a Trace),
    Bits(Arc<TokenBits>),
}

/// Cells of which a generator was least sure.
#[derive(Debug)]
pub struct LeastSure {
    /// Where they are.
    pub cells: BTreeSet<Cell>,
    /// How many there are and by what, for people.
    pub words: String,
}

impl ViewCtx<'_> {
    /// Why the least sure of these tokens cannot be selected; none if they can. Nothing is worked out for this.
    pub fn why_not_least_sure(&self, now: &Tokens) -> Option<String> {
        self.sure_by(now).err()
    }

    /// A tenth of the cells of the part that is looked at, of those of which it is known how sure a generator was of
    /// them: the least sure ones, at least one.
    ///
    /// # Errors
    /// Why that is not known, and what to do.
    pub fn least_sure(&self, now: &Tokens) -> Result<LeastSure, String> {
        let (number, _) = self.part(now);
        let (doubts, by) = match self.sure_by(now)? {
            By::Confidence(trace) => (doubts_of(trace, now), "confidence"),
            By::Bits(bits) => (doubts_in(&bits, now), "bits in Likelihood"),
        };
        let is_seen = |(_, cell): &([f32; 2], Cell)| usize::from(cell.part) == number;
        let mut known: Vec<([f32; 2], Cell)> = doubts.into_iter().filter(is_seen).collect();
        if known.is_empty() {
            return Err("the generator wrote none of the tokens of this part".to_owned());
        }
        let all = known.len();
        let cells = greatest(&mut known);
        let words = format!("The {} least sure of {all} tokens are selected, by {by}", cells.len());
        Ok(LeastSure { cells, words })
    }

    /// By what it is known how sure a generator was of these tokens.
    fn sure_by(&self, now: &Tokens) -> Result<By<'_>, String> {
        if let Some(trace) = self.trace().filter(|trace| trace.wrote(now, || wrote(trace, now))) {
            return Ok(By::Confidence(trace));
        }
        let known = |fast: bool| {
            let (question, _) = self.likelihood(fast).ok()?;
            if question.tokens != *now {
                return None;
            }
            self.session.known(&question).filter(|bits| bits.bits.len() == now.len())
        };
        // One at a time says more than an eighth at a time.
        known(false).or_else(|| known(true)).map(By::Bits).ok_or_else(|| {
            "no generator has said how sure it is of these tokens: let one write them, or look at them in Likelihood"
                .to_owned()
        })
    }
}

/// Whether tokens are those of a generation: most of what it wrote still stands there.
fn wrote(trace: &Trace, now: &Tokens) -> bool {
    let Some(written) = trace.tokens(trace.steps.len()) else { return false };
    if trace.steps.is_empty() || written.layout() != now.layout() {
        return false;
    }
    let own = written
        .cells()
        .filter(|(cell, code)| code.is_some() && !trace.asked.given.contains_key(cell));
    let (mut all, mut same) = (0_usize, 0);
    for (cell, code) in own {
        all += 1;
        same += usize::from(now.get(cell) == code);
    }
    same > 0 && same * 2 >= all
}

/// How unsure a generation was of each token that it wrote and that still stands; the more the greater, by
/// probability and, where that is the same, by how open the choice was.
fn doubts_of(trace: &Trace, now: &Tokens) -> Vec<([f32; 2], Cell)> {
    let kept = trace.steps.iter().flat_map(|traced| &traced.step.proposals);
    let kept = kept.filter(|proposal| proposal.kept);
    // What was written twice is as sure as the second time.
    let last: BTreeMap<Cell, _> = kept.map(|proposal| (proposal.cell, proposal)).collect();
    let stands = last.into_iter().filter(|(cell, own)| now.get(*cell) == Some(own.token));
    stands.map(|(cell, own)| ([-own.probability, own.entropy], cell)).collect()
}

/// The bits of each token.
fn doubts_in(bits: &TokenBits, now: &Tokens) -> Vec<([f32; 2], Cell)> {
    now.cells().zip(&bits.bits).map(|((cell, _), bits)| ([*bits, 0.0], cell)).collect()
}

/// The cells with the greatest doubts; of equal ones the first.
fn greatest(known: &mut [([f32; 2], Cell)]) -> BTreeSet<Cell> {
    known.sort_by(|([a, open], cell), ([b, opener], other)| {
        b.total_cmp(a).then(opener.total_cmp(open)).then(cell.cmp(other))
    });
    let count = (known.len() as f64 * SHARE).round().max(1.0) as usize;
    known.iter().take(count).map(|(_, cell)| *cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_with_the_greatest_doubts_is_selected_and_at_least_one_cell() {
        let doubt = |at: usize| [[3, 9, 1, 7, 5, 9, 0, 2, 4, 6][at % 10] as f32, at as f32];
        let mut all: Vec<_> = (0..20).map(|at| (doubt(at), Cell::at(0, at))).collect();
        // The 9s are at 1, 5, 11 and 15: the choice was more open at the last two.
        assert_eq!(greatest(&mut all), [Cell::at(0, 11), Cell::at(0, 15)].into());
        let mut even: Vec<_> = (0..3).rev().map(|at| ([1.0, 0.0], Cell::at(0, at))).collect();
        assert_eq!(greatest(&mut even), [Cell::at(0, 0)].into(), "the first of equal ones");
    }
}
