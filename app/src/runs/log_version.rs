//! Whether another program trains in a folder: its log is another one than a while ago.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use smalti_engine::Result;
use smalti_engine::questions::Stamp;
use smalti_engine::session::{Desk, Question};
use smalti_engine::training::metrics_log;

/// Which version of its log a run's folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LogVersion {
    /// The folder.
    pub(super) folder: Arc<Path>,
    /// When it is asked: each second anew.
    pub(super) second: u64,
}

impl Question for LogVersion {
    /// Another number for each version.
    type Answer = u64;

    fn answer(&self, _desk: &Desk<'_>) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        Stamp::of(&metrics_log(&self.folder)).hash(&mut hasher);
        Ok(hasher.finish())
    }

    fn bytes(_answer: &u64) -> usize {
        8
    }

    fn is_file_work(&self) -> bool {
        true
    }

    fn is_look(&self) -> bool {
        true
    }
}
