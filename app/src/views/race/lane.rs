//! A lane: which generator stands in it, how far it is at a moment of the clock, and what is known of its picture.

use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::questions::{Decoded, ModelRef, OpenGenerator, OpenedPainter};
use smalti_engine::session::{Reply, RunState};

use super::clock::Clock;
use crate::ctx::{Trace, ViewCtx};
use crate::document::{LANES, OURS, Raced};

/// So many pictures of a lane are decoded at most, spread over its steps.
const PICTURES: usize = 24;

/// A lane.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    /// From 0.
    pub(super) number: usize,
    /// The generator that stands in it; none where ours is not there and nobody chose one.
    pub(super) generator: Option<ModelRef>,
    /// What it is called: by its way, where no other lane has the same one.
    pub(super) name: String,
    opened: Option<Reply<OpenedPainter>>,
    /// What it told, if it has run in the race that is seen.
    pub(super) trace: Option<&'a Trace>,
}

/// How far a lane is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Moment {
    /// Steps done.
    pub(super) steps: usize,
    /// Tokens written, of how many.
    pub(super) tokens: (usize, usize),
    /// Sequences that went through the network.
    pub(super) passes: u32,
    /// Seconds that it took.
    pub(super) seconds: f64,
}

/// The lanes of the race that would be started next, with what they told where it is the one that is seen.
pub(super) fn lanes<'a>(ctx: &ViewCtx<'a>, next: &Raced, is_seen: bool) -> Vec<Lane<'a>> {
    let open = |number: usize| {
        let asked = next.asked[number].as_ref()?;
        let question = asked.opens();
        let reply = ctx.ask(("race", number), &question);
        Some(reply.last_for(|asked: &OpenGenerator| *asked == question))
    };
    let mut lanes: Vec<Lane<'a>> = (0..LANES)
        .map(|number| {
            let asked = next.asked[number].as_ref();
            let trace = asked.and_then(|asked| ctx.live.generations.get(asked));
            Lane {
                number,
                generator: asked.map(|asked| asked.generator.clone()),
                name: OURS[number].to_owned(),
                opened: open(number),
                trace: trace.filter(|_| is_seen),
            }
        })
        .collect();
    let ways: Vec<Option<&str>> = lanes.iter().map(Lane::way).collect();
    for (number, lane) in lanes.iter_mut().enumerate() {
        let is_alone = ways.iter().filter(|way| **way == ways[number]).count() == 1;
        lane.name = match (ways[number].filter(|_| is_alone), &lane.generator) {
            (Some(way), _) => way.to_owned(),
            (None, Some(generator)) => ctx.document.name_of(generator),
            (None, None) => OURS[number].to_owned(),
        };
    }
    lanes
}

impl Lane<'_> {
    fn way(&self) -> Option<&'static str> {
        Some(self.painter()?.config().way.name())
    }

    /// Its generator, once it is there.
    pub(super) fn painter(&self) -> Option<&Arc<OpenedPainter>> {
        self.opened.as_ref()?.best()
    }

    /// Why it cannot run, or has failed.
    pub(super) fn problem(&self) -> Option<&Problem> {
        match (self.trace, &self.opened) {
            (Some(Trace { state: RunState::Failed(problem), .. }), _)
            | (None, Some(Reply::Failed(problem))) => Some(problem),
            _ => None,
        }
    }

    /// Whether its generator is still being opened.
    pub(super) fn is_opening(&self) -> bool {
        self.trace.is_none() && self.opened.as_ref().is_some_and(Reply::is_working)
    }

    /// Whether it is at work.
    pub(super) fn is_running(&self) -> bool {
        self.trace.is_some_and(|trace| !trace.state.is_over())
    }

    /// Whether nothing more will come of it.
    pub(super) fn is_over(&self) -> bool {
        match self.trace {
            Some(trace) => trace.state.is_over(),
            None => self.generator.is_none() || self.problem().is_some(),
        }
    }

    /// Whether somebody cancelled it.
    pub(super) fn is_cancelled(&self) -> bool {
        self.trace.is_some_and(|trace| trace.state == RunState::Cancelled)
    }

    /// Whether all its tokens are written.
    pub(super) fn is_done(&self) -> bool {
        self.trace.is_some_and(|trace| trace.state == RunState::Done)
    }

    /// How far it is when the clock stands there; as far as it has come, without one.
    pub(super) fn moment(&self, clock: Option<(&Clock, usize)>) -> Moment {
        let Some(trace) = self.trace else { return Moment::default() };
        let steps = clock.map_or(trace.steps.len(), |(clock, at)| clock.steps(trace, at));
        let Some(tokens) = trace.tokens(steps) else { return Moment::default() };
        let last = steps.checked_sub(1).and_then(|last| trace.steps.get(last));
        // A timeline asks for a hundred of them in every frame: nothing is counted here.
        let masked = last.map_or(trace.cells, |last| last.masked);
        Moment {
            steps,
            tokens: (tokens.len() - masked, tokens.len()),
            passes: last.map_or(0, |last| last.passes),
            seconds: last.map_or(0.0, |last| last.seconds),
        }
    }

    /// The last picture that is there after at most so many steps, and after how many of them it is. Those of the
    /// other moments are asked for, too.
    pub(super) fn picture(&self, ctx: &ViewCtx<'_>, steps: usize) -> Option<(usize, Arc<Decoded>)> {
        let trace = self.trace?;
        let mut last = None;
        for step in pictured(trace.steps.len()) {
            let Some(question) = trace.picture(step) else { continue };
            let reply = ctx.ask_soon(("race picture", self.number, step), &question);
            if let Some(decoded) = reply.ready().filter(|_| step <= steps) {
                last = Some((step, Arc::clone(decoded)));
            }
        }
        last
    }
}

/// After which of so many steps there is a picture: after each, or spread over them, and after the last.
fn pictured(steps: usize) -> impl Iterator<Item = usize> {
    let count = steps.min(PICTURES);
    (1..=count).map(move |number| number * steps / count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_spread_over_the_steps_and_the_last_is_among_them() {
        assert_eq!(pictured(0).count(), 0);
        assert_eq!(pictured(3).collect::<Vec<_>>(), [1, 2, 3]);
        let many: Vec<usize> = pictured(256).collect();
        assert_eq!((many.len(), many.last()), (PICTURES, Some(&256)));
        assert!(many.windows(2).all(|pair| pair[0] < pair[1]), "{many:?}");
    }
}
