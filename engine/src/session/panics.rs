//! Panics are caught per job; this keeps where they happened, also if that was on another thread of the
//! job's pool.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use crate::error::{EngineError, Result};

/// Where panics happened on the threads that work on the same jobs.
#[derive(Clone, Default)]
pub(super) struct Notes(Arc<Mutex<Noted>>);

#[derive(Default)]
struct Noted {
    /// Jobs that are guarded now: one, and those that it asked for.
    guarded: usize,
    panics: Vec<Panic>,
}

struct Panic {
    text: String,
    place: String,
}

thread_local! {
    static NOTES: RefCell<Option<Notes>> = const { RefCell::new(None) };
}

impl Notes {
    /// Panics of this thread are noted here from now on.
    pub(super) fn keep(&self) {
        NOTES.with(|notes| notes.replace(Some(self.clone())));
    }

    fn of_this_thread() -> Option<Self> {
        // A thread that is about to end has none.
        NOTES
            .try_with(|notes| notes.try_borrow().ok().and_then(|notes| notes.clone()))
            .ok()
            .flatten()
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a panic of a guarded job.
    fn note(&self, info: &PanicHookInfo<'_>) -> bool {
        if self.noted().guarded == 0 {
            return false;
        }
        let text = text_of(info.payload());
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("without a name");
        let trace = Backtrace::force_capture();
        tracing::error!("panic on thread {thread} at {place}: {text}\n{trace}");
        self.noted().panics.push(Panic { text, place });
        true
    }

    /// Takes the place of a panic that was caught.
    fn take(&self, text: &str) -> Option<String> {
        let mut noted = self.noted();
        let at = noted.panics.iter().rposition(|panic| panic.text == text)?;
        Some(noted.panics.remove(at).place)
    }

    fn enter(&self) {
        self.noted().guarded += 1;
    }

    fn leave(&self) {
        let mut noted = self.noted();
        noted.guarded -= 1;
        if noted.guarded == 0 {
            // Of several threads that panic, only one panic is handed on.
            noted.panics.clear();
        }
    }
}

/// Notes the place of panics inside [`guard`] and keeps them off stderr; others are printed as ever.
pub(super) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !Notes::of_this_thread().is_some_and(|notes| notes.note(info)) {
                before(info);
            }
        }));
    });
}

/// Runs a job; a panic becomes [`EngineError::Panicked`] with its place. On a thread without notes only
/// panics of its own have one.
///
/// # Errors
/// The job's own, or that it panicked.
pub fn guard<T>(job: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let notes = Notes::of_this_thread().unwrap_or_else(|| {
        let notes = Notes::default();
        notes.keep();
        notes
    });
    notes.enter();
    let result = std::panic::catch_unwind(AssertUnwindSafe(work));
    let result = result.unwrap_or_else(|payload| {
        let text = text_of(&*payload);
        let place = notes.take(&text).unwrap_or_else(|| "an unknown place".to_owned());
        Err(EngineError::Panicked { job: job.to_owned(), message: format!("{text} at {place}") })
    });
    notes.leave();
    result
}

/// What a panic says.
fn text_of(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".to_owned())
}
