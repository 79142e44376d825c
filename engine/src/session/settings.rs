//! How a session is set up, and how it says that there is something new to see.

use std::sync::Arc;

use crate::device::DeviceChoice;

/// What a [`Waker`] is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// An answer that a frame asked for is there, or a run stopped or goes on again: nobody should
    /// wait to see it.
    Settled,
    /// A run that goes on has more to show. There can be many of these in a second.
    Progress,
}

/// Called from engine threads when there is something new to see.
pub type Waker = Arc<dyn Fn(News) + Send + Sync>;

/// How a session is set up.
#[derive(Clone)]
pub struct Settings {
    /// The device of all networks.
    pub device: DeviceChoice,
    /// Threads of the *now* lane's pool; 0 means all cores.
    pub threads: usize,
    /// Bytes that cached answers may take.
    pub budget_bytes: usize,
    /// Folder of the shipped models, recipes and samples.
    pub assets: std::path::PathBuf,
    /// Asks for a frame.
    pub waker: Waker,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Settings({:?}, {} threads)", self.device, self.threads)
    }
}

impl Settings {
    /// The CPU, all cores, half a GiB of answers, no waker.
    pub fn new(assets: impl Into<std::path::PathBuf>) -> Self {
        Self {
            device: DeviceChoice::Cpu,
            threads: 0,
            budget_bytes: 512 << 20,
            assets: assets.into(),
            waker: Arc::new(|_news| {}),
        }
    }
}
