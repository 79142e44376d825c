//! The command line: one file a subcommand, the same questions and numbers as the window.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 2 bad
//! input or usage, 1 failure, 130 cancelled. Everything a command touches comes in through
//! [`Surroundings`], so that tests run commands in their own process.

mod arguments;
mod assets;
mod console;
mod decode;
mod encode;
mod engine;
mod evaluate;
mod inspect;
mod outputs;
mod render;
mod stop;
mod tour;
mod tour_window;
mod train;
mod window;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;

use arguments::{Arguments, Command};
use console::Console;
use stop::Stop;

pub use assets::find_assets;

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
    /// The folder of shipped models and samples, if the caller knows better than [`find_assets`].
    pub assets: Option<PathBuf>,
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

/// Runs a command line, the program's name first, and gives the exit code.
pub fn run<I, T>(arguments: I, mut around: Surroundings<'_>) -> u8
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let stop = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => match dispatch(&arguments, &mut around) {
            Ok(()) => return DONE,
            Err(stop) => stop,
        },
        Err(usage) => Stop::Usage(usage),
    };
    stop.report(&mut around)
}

fn dispatch(arguments: &Arguments, around: &mut Surroundings<'_>) -> Result<(), Stop> {
    let common = arguments.command.as_ref().map_or(&arguments.window.common, Command::common);
    let (device, remark) = common.device.or_cpu();
    if let Some(remark) = remark {
        drop(writeln!(around.err, "{remark}"));
    }
    let Some(command) = &arguments.command else {
        return window::run(&arguments.window, device, around);
    };
    let mut console = Console::new(around, command.common(), device);
    match command {
        Command::Inspect(options) => inspect::run(options, &mut console),
        Command::Encode(options) => encode::run(options, &mut console),
        Command::Decode(options) => decode::run(options, &mut console),
        Command::Train(options) => train::run(options, &mut console),
        Command::Evaluate(options) => evaluate::run(options, &mut console),
        Command::Tour(options) => tour::run(options, &mut console),
        Command::Render(options) => render::run(options, &mut console),
    }
}
