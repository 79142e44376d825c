//! The threads of a session and their priorities.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use thread_priority::ThreadPriority;

use super::cache::{self, Desktop};
use super::panics::Notes;
use super::runs::RunLane;
use super::shared::Shared;
use crate::error::{EngineError, Result};

/// Stack of engine threads: candle walks and drops graphs recursively (address space only).
const STACK_BYTES: usize = 64 << 20;

/// All threads, to be joined when the session ends.
pub(super) struct Threads {
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    /// Starts now, soon, later, two file threads and a thread for each lane of runs.
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let threads = if shared.settings.threads == 0 { cores } else { shared.settings.threads };
        let mut handles = Vec::new();
        let lanes = [
            ("engine-now", Desktop::Now, 30, threads),
            ("engine-soon", Desktop::Soon, 18, threads),
            ("engine-later", Desktop::Later, 12, threads),
            ("files-1", Desktop::Files, 25, 1),
            ("files-2", Desktop::Files, 25, 1),
        ];
        for (name, desktop, priority, pool_threads) in lanes {
            let shared = Arc::clone(shared);
            handles.push(spawn(name, priority, pool_threads, move || {
                cache::serve(&shared.cache, &*shared, desktop);
            })?);
        }
        // Lowest of all: training takes what the window and its questions leave.
        for (name, lane, priority) in
            [("engine-watched", RunLane::Watched, 20), ("engine-long", RunLane::Long, 8)]
        {
            let shared = Arc::clone(shared);
            handles.push(spawn(name, priority, threads, move || {
                shared.runs.serve(&shared.device, lane);
            })?);
        }
        Ok(Self { handles: Mutex::new(handles) })
    }

    /// Waits for the threads to end.
    pub(super) fn join(&self) {
        let handles = match self.handles.lock() {
            Ok(mut handles) => std::mem::take(&mut *handles),
            Err(poisoned) => std::mem::take(&mut *poisoned.into_inner()),
        };
        for handle in handles {
            if handle.join().is_err() {
                tracing::error!("an engine thread ended with a panic");
            }
        }
    }
}

/// A thread with a lowered priority whose rayon calls go to a pool of its own; the pool's threads
/// inherit the priority, because the thread lowers itself before it makes them. Panics of all of them
/// are noted together.
fn spawn(
    name: &str,
    priority: u8,
    pool_threads: usize,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>> {
    let pool_name = name.to_owned();
    std::thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            lower_priority(priority);
            let notes = Notes::default();
            notes.keep();
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(pool_threads)
                .stack_size(STACK_BYTES)
                .thread_name(move |i| format!("{pool_name}-{i}"))
                .start_handler(move |_| notes.keep())
                .build();
            match pool {
                Ok(pool) => pool.install(work),
                Err(error) => {
                    tracing::error!("no thread pool, going on with one thread: {error}");
                    work();
                }
            }
        })
        .map_err(|source| EngineError::io(format!("thread {name}"), source))
}

/// 0 to 100, 50 is normal; lowering needs no rights.
fn lower_priority(priority: u8) {
    let Ok(value) = priority.try_into() else { return };
    if let Err(error) =
        thread_priority::set_current_thread_priority(ThreadPriority::Crossplatform(value))
    {
        tracing::warn!("thread priority stays as it is: {error:?}");
    }
}
