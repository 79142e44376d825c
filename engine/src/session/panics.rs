//! Panics are caught per job; this keeps where they happened.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::sync::Once;

use crate::error::{EngineError, Result};

thread_local! {
    static GUARDED: RefCell<bool> = const { RefCell::new(false) };
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Notes the place of panics inside [`guard`] and keeps them off stderr; others are printed as ever.
pub(super) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if GUARDED.with(|g| *g.borrow()) {
                let place = info.location().map(ToString::to_string).unwrap_or_default();
                PLACE.with(|p| *p.borrow_mut() = place);
            } else {
                before(info);
            }
        }));
    });
}

/// Runs a job; a panic becomes [`EngineError::Panicked`] with its place.
pub(super) fn guard<T>(job: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let outer = GUARDED.with(|g| g.replace(true));
    let result = std::panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.with(|g| *g.borrow_mut() = outer);
    result.unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown panic".to_owned());
        let place = PLACE.with(|p| std::mem::take(&mut *p.borrow_mut()));
        Err(EngineError::Panicked { job: job.to_owned(), message: format!("{text} at {place}") })
    })
}
