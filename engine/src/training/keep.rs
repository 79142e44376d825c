//! Which checkpoints a run keeps.

use serde::{Deserialize, Serialize};

/// Which checkpoints a run keeps beside the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// Steps from one to the next; 0 keeps none.
    pub every: u64,
    /// Megabytes that all of them may take; the oldest and the newest two always stay.
    pub megabytes: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { every: 100, megabytes: 500 }
    }
}
