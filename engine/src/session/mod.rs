//! The session: everything the engine does is asked for here, and nothing here makes a caller wait.
//!
//! - A [`Question`] is a small value; its answer is a pure function of it. [`Session::ask`] gives
//!   what is known now and sees to it that the rest is worked out. Answers are cached within a
//!   memory budget; questions nobody asks any more are dropped.
//! - A run ([`Work`]) goes on for long and only appends to its log.
//!
//! Lanes: *now* (what a visible view asks), *soon* (thumbnails, neighbors), *files* (two threads
//! that read and decode), *watched* (runs that somebody watches step by step), *long* (other runs). Each lane has threads of its own and the lanes that
//! compute have a rayon pool of their own at a lowered priority, so that a *now* question never
//! stands behind a training step: the operating system takes the processor away from it.
//! (One thread that interleaves everything, as first planned, would have to cut candle's backward
//! pass into pieces of 30 ms, which its interface does not allow.)

mod cache;
mod clock;
mod job;
mod lanes;
mod panics;
mod question;
mod runs;
mod settings;
mod shared;

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use cache::Status;
pub use panics::guard;
pub use question::{Desk, Lane, Last, Question, Reply, label};
pub use runs::{Advance, Control, RunId, RunLane, RunState, RunView, Watch, Work};
pub use settings::{News, Settings, Waker};

use crate::error::{Problem, Result};
use question::Key;
use shared::Shared;

/// The engine as its users see it. Dropping it cancels everything and ends its threads.
pub struct Session {
    shared: Arc<Shared>,
    threads: lanes::Threads,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({:?})", self.shared.settings)
    }
}

impl Session {
    /// Opens the device and starts the lanes.
    ///
    /// # Errors
    /// When the device cannot be had or threads cannot be started.
    pub fn new(settings: Settings) -> Result<Self> {
        panics::install_hook();
        let shared = Arc::new(Shared::new(settings)?);
        let threads = lanes::Threads::start(&shared)?;
        Ok(Self { shared, threads })
    }

    /// What is known of a question now. Call it every frame as long as the answer is wanted.
    pub fn ask<Q: Question>(&self, lane: Lane, question: &Q) -> Reply<Q::Answer> {
        self.shared.cache.ask(lane, question, None)
    }

    /// As [`Session::ask`]; while the answer is worked out, `Working` carries the last answer that
    /// this `place` (a view and what it shows there) was given.
    pub fn ask_at<Q: Question>(&self, place: u64, lane: Lane, question: &Q) -> Reply<Q::Answer> {
        self.shared.cache.ask(lane, question, Some(place))
    }

    /// The answer, if it is there; nothing is worked out for this.
    pub fn known<Q: Question>(&self, question: &Q) -> Option<Arc<Q::Answer>> {
        self.shared.cache.known(question)
    }

    /// Waits for an answer: for the command line and tests, never for the window.
    ///
    /// # Errors
    /// The problem, if the question has no answer.
    pub fn wait<Q: Question>(&self, question: &Q) -> Result<Arc<Q::Answer>, Problem> {
        forever(self.shared.cache.wait(question, None))
    }

    /// Asks from a thread that is not the window's.
    pub fn asker(&self) -> Asker {
        Asker(Arc::clone(&self.shared))
    }

    /// Forgets an answer, so that the next ask works it out again (a file changed).
    pub fn forget<Q: Question>(&self, question: &Q) {
        self.shared.cache.forget(&Key::new(question));
    }

    /// The frame is over: what was not asked during it is no longer wanted.
    pub fn end_frame(&self) {
        self.shared.cache.end_frame();
    }

    /// Starts a run; it goes on until it is done, paused or cancelled.
    pub fn start<W: Work>(&self, work: W) -> RunId {
        self.shared.runs.start(work, false)
    }

    /// Starts a run that does its first step, in which work is usually set up, and waits to be resumed.
    pub fn start_paused<W: Work>(&self, work: W) -> RunId {
        self.shared.runs.start(work, true)
    }

    /// Pauses, resumes, steps or cancels a run.
    pub fn control(&self, run: RunId, control: Control) {
        self.shared.runs.control(run, control);
    }

    /// Tells a run something, which it does before its next step, or at once where it is paused. Of the kind
    /// that its [`Work::Order`] is; others are left out.
    pub fn order<O: Any + Send>(&self, run: RunId, order: O) {
        self.shared.runs.order(run, Box::new(order));
    }

    /// A run that is over leaves the list of runs, and its log is given back.
    pub fn forget_run(&self, run: RunId) {
        self.shared.runs.forget(run);
    }

    /// All runs of the session, oldest first.
    pub fn runs(&self) -> Vec<RunView> {
        self.shared.runs.views()
    }

    /// The entries of a run's log from place `from` on; empty if the run has none of that type.
    pub fn log<E: Any + Send + Sync>(&self, run: RunId, from: usize) -> Vec<Arc<E>> {
        self.shared.runs.log(run, from)
    }

    /// Waits until a run is done, cancelled or failed; for the command line and tests.
    ///
    /// # Errors
    /// The problem that ended the run.
    pub fn wait_run(&self, run: RunId) -> Result<RunState, Problem> {
        self.shared.runs.wait(run)
    }

    /// Device, memory, and how long the engine's pieces take.
    pub fn status(&self) -> Status {
        self.shared.cache.status(&self.shared.settings)
    }

    /// Settings that the session was started with.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }
}

/// A session's answers for other threads, which may wait for them.
#[derive(Clone)]
pub struct Asker(Arc<Shared>);

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asker({:?})", self.0.settings)
    }
}

impl Asker {
    /// As [`Session::wait`].
    ///
    /// # Errors
    /// The problem, if the question has no answer; that it was cancelled, if the session has ended.
    pub fn wait<Q: Question>(&self, question: &Q) -> Result<Arc<Q::Answer>, Problem> {
        forever(self.0.cache.wait(question, None))
    }

    /// As [`Session::known`].
    pub fn known<Q: Question>(&self, question: &Q) -> Option<Arc<Q::Answer>> {
        self.0.cache.known(question)
    }

    /// Waits for an answer that a view will ask for, for some time at most. If it is not there by
    /// then, it is worked out all the same, as long as the next frame asks for it.
    pub fn wait_at_most<Q: Question>(&self, time: Duration, question: &Q) {
        drop(self.0.cache.wait(question, Some(Instant::now() + time)));
    }
}

/// Without a time to wait until there always is a result.
fn forever<T>(waited: Option<Result<T, Problem>>) -> Result<T, Problem> {
    waited.unwrap_or_else(|| Err(crate::EngineError::Cancelled.problem()))
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.cache.close();
        self.shared.runs.close();
        self.threads.join();
    }
}

#[cfg(test)]
mod tests;
