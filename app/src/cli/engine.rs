//! The session as commands use it: waits for answers, shows progress, hears Ctrl-C.
#![expect(clippy::disallowed_methods, reason = "a command waits; only the window must not")]

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use smalti_engine::questions::ModelRef;
use smalti_engine::session::{Lane, Question, Reply, Session, Settings};

use super::console::Console;
use super::stop::Stop;

/// A session that a command waits for.
#[derive(Debug)]
pub(super) struct Engine {
    session: Session,
    news: Receiver<()>,
}

impl Engine {
    /// Opens the device that was asked for.
    pub(super) fn open(console: &Console<'_, '_>) -> Result<Self, Stop> {
        let (wake, news) = sync_channel(1);
        // A wake-up that is already waiting is enough.
        let waker = move |_news| wake.try_send(()).unwrap_or_default();
        let settings = Settings {
            device: console.device,
            threads: console.threads,
            waker: Arc::new(waker),
            ..Settings::new(console.assets())
        };
        Ok(Self { session: Session::new(settings)?, news })
    }

    /// The session itself.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// A shipped name, or else a path.
    pub(super) fn model(&self, name_or_path: &str) -> ModelRef {
        ModelRef::named(name_or_path, &self.session.settings().assets)
    }

    /// Waits for an answer, unless the person cancels.
    pub(super) fn answer<Q: Question>(
        &self,
        question: &Q,
        console: &Console<'_, '_>,
    ) -> Result<Arc<Q::Answer>, Stop> {
        loop {
            console.check()?;
            match self.session.ask(Lane::Now, question) {
                Reply::Ready(answer) => return Ok(answer),
                Reply::Failed(problem) => return Err(problem.into()),
                Reply::Working { .. } => self.wait_for_news(),
            }
        }
    }

    /// Waits for an answer that takes long, showing how far it is.
    pub(super) fn long_answer<Q: Question>(
        &self,
        question: &Q,
        what: &str,
        console: &mut Console<'_, '_>,
    ) -> Result<Arc<Q::Answer>, Stop> {
        loop {
            console.check()?;
            match self.session.ask(Lane::Now, question) {
                Reply::Ready(answer) => return Ok(answer),
                Reply::Failed(problem) => return Err(problem.into()),
                Reply::Working { progress, .. } => {
                    console.progress(progress.unwrap_or(0.0), what);
                    self.wait_for_news();
                }
            }
        }
    }

    /// Lets the cache drop what this command is done with.
    pub(super) fn forget_old_answers(&self) {
        self.session.end_frame();
    }

    /// Until something happens, and often enough to hear Ctrl-C.
    pub(super) fn wait_for_news(&self) {
        self.news.recv_timeout(Duration::from_millis(50)).unwrap_or_default();
    }
}
