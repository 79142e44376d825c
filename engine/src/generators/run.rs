//! A generation as a session runs it: every step in the log, to be looked at while it goes on.

use std::time::Instant;

use super::painter::Painter;
use super::request::{Request, Step};
use super::writing::Writing;
use crate::Result;
use crate::session::{Advance, RunLane, Watch, Work};

/// An entry of a generation's log.
#[derive(Debug, Clone, PartialEq)]
pub enum GenerateEvent {
    /// It begins, with so many steps as far as that is known.
    Started {
        /// Steps.
        steps: u32,
    },
    /// A step, and the seconds that it took.
    Step(Box<Step>, f64),
    /// The same of a step that nobody looks at: how many sequences went through the network.
    Passed(u32, f64),
}

/// A generation for [`crate::session::Session::start`].
#[derive(Debug)]
pub struct GenerateRun {
    title: String,
    writing: Writing,
    has_started: bool,
    last_alone: bool,
}

impl GenerateRun {
    /// The generation of a request, or going on after a step of it. Tokens larger than the generator's grid are
    /// written in windows of it.
    ///
    /// # Errors
    /// As [`Writing::new`].
    pub fn new(
        title: String,
        painter: Painter,
        request: Request,
        after: Option<&Step>,
    ) -> Result<Self> {
        let writing = Writing::new(painter, request, after)?;
        Ok(Self { title, writing, has_started: false, last_alone: false })
    }

    /// Keeps the last step alone in its log: thousands of pictures need no memory then.
    #[must_use]
    pub fn keeping_the_last_alone(mut self) -> Self {
        self.last_alone = true;
        self
    }
}

impl Work for GenerateRun {
    type Entry = GenerateEvent;
    type Order = ();

    fn title(&self) -> String {
        self.title.clone()
    }

    fn lane(&self) -> RunLane {
        RunLane::Watched
    }

    fn step(&mut self, watch: &mut Watch<'_, GenerateEvent>) -> Result<Advance> {
        let steps = self.writing.steps();
        if !self.has_started {
            watch.append(GenerateEvent::Started { steps });
            self.has_started = true;
        }
        let began = Instant::now();
        let fraction = self.writing.done() as f32 / steps.max(1) as f32;
        let mut between = |at: usize, of: usize| {
            watch.check()?;
            watch.progress(fraction, format!("read {at} of {of}"));
            Ok(())
        };
        let step = self.writing.next_step_between(&mut between)?;
        let Some(step) = step else { return Ok(Advance::Done) };
        let seconds = began.elapsed().as_secs_f64();
        let done = step.index + 1;
        watch.progress(done as f32 / steps.max(1) as f32, format!("step {done} of {steps}"));
        if self.last_alone && step.tokens.first_masked().is_some() {
            watch.append(GenerateEvent::Passed(step.forward_passes, seconds));
        } else {
            let proposals = if self.last_alone { Vec::new() } else { step.proposals };
            let step = Step { proposals, ..step };
            watch.append(GenerateEvent::Step(Box::new(step), seconds));
        }
        Ok(Advance::More)
    }
}
