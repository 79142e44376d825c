//! What commands have around them: where they speak, and what they end with.

use std::borrow::Cow;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::logging::Errors;

/// What comes with Smalti and lies inside the program, so that it can be copied alone to another machine.
#[derive(Debug, Clone, Copy)]
pub struct Inside {
    /// The files, such as "models/worlds-fsq.safetensors", each with a hash of what is in it.
    pub names: fn() -> Vec<(String, [u8; 32])>,
    /// What is in a file.
    pub read: fn(&str) -> Option<Cow<'static, [u8]>>,
}

/// What a command may use of the world around it.
pub struct Surroundings<'a> {
    /// Where results go.
    pub out: &'a mut dyn Write,
    /// Where everything else goes.
    pub err: &'a mut dyn Write,
    /// Whether a person watches standard error: then progress is a bar that moves.
    pub watched: bool,
    /// Set from outside to stop the command.
    pub cancel: Arc<AtomicBool>,
    /// Errors that are logged, for the window's Log view.
    pub errors: Option<Errors>,
    /// The folder of shipped models and samples, if the caller knows better than [`super::find_assets`].
    pub assets: Option<PathBuf>,
    /// What lies inside the program, for where there is no such folder.
    pub inside: Option<Inside>,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("watched", &self.watched).finish_non_exhaustive()
    }
}

/// The exit code of a command that did what it should.
pub const DONE: u8 = 0;
/// The exit code of a failure of the program or the machine.
pub const FAILED: u8 = 1;
/// The exit code of bad input or usage.
pub const BAD_INPUT: u8 = 2;
/// The exit code of a command that was cancelled.
pub const CANCELLED: u8 = 130;
