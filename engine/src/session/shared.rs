//! What all threads of a session share.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;

use super::cache::Cache;
use super::job::JobHandle;
use super::question::{AnyAnswer, Key, Office};
use super::runs::Runs;
use super::settings::Settings;
use crate::error::Result;

/// What all threads of a session share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) device: Device,
    pub(super) cache: Cache,
    pub(super) runs: Runs,
}

impl Shared {
    /// Opens the device.
    pub(super) fn new(settings: Settings) -> Result<Self> {
        let device = crate::device::open(settings.device)?;
        let cache = Cache::new(settings.budget_bytes, Arc::clone(&settings.waker));
        let runs = Runs::new(Arc::clone(&settings.waker));
        Ok(Self { settings, device, cache, runs })
    }
}

impl Office for Shared {
    fn work_out(&self, key: &Key, parent: &JobHandle) -> Result<AnyAnswer> {
        self.cache.work_out(self, key, parent)
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn assets(&self) -> &Path {
        &self.settings.assets
    }
}
