//! One piece of work, as its worker and its askers share it: progress, and whether it is still wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Progress that nobody has set.
const NO_PROGRESS: u32 = u32::MAX;

/// One piece of work, as its worker and its askers share it.
#[derive(Debug, Default)]
pub(super) struct JobHandle {
    cancelled: AtomicBool,
    progress: AtomicU32,
}

impl JobHandle {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { cancelled: AtomicBool::new(false), progress: AtomicU32::new(NO_PROGRESS) })
    }

    pub(super) fn set_progress(&self, fraction: f32) {
        let value = (fraction.clamp(0.0, 1.0) * 1e6) as u32;
        self.progress.store(value, Ordering::Relaxed);
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(super) fn progress(&self) -> Option<f32> {
        let value = self.progress.load(Ordering::Relaxed);
        (value != NO_PROGRESS).then_some(value as f32 / 1e6)
    }
}
