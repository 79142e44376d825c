//! The command line: one file a subcommand, the same questions and numbers as the window.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 done, 2 bad
//! input or usage, 1 failure, 130 cancelled. Everything a command touches comes in through
//! [`Surroundings`], so that tests run commands in their own process.

mod arguments;
mod arguments_paint;
mod around;
mod assets;
mod books;
mod command;
mod console;
mod cost;
mod decode;
mod documents;
mod edit;
mod edit_windows;
mod encode;
mod engine;
mod evaluate;
mod frechet;
mod generate;
mod given;
mod inspect;
mod inspect_document;
mod likelihood;
mod measured;
mod merge;
mod outputs;
mod painting;
mod pareto;
mod probe;
mod render;
mod replay;
mod report;
mod skipped;
mod stop;
mod subject;
mod tour;
mod tour_painted;
mod tour_window;
mod train;
mod window;

use std::ffi::OsString;

use command::{Arguments, Command};
use console::Console;
use stop::Stop;

pub use around::{BAD_INPUT, CANCELLED, DONE, FAILED, Inside, Surroundings};
pub use assets::find_assets;

/// Runs a command line, the program's name first, and gives the exit code.
pub fn run<I, T>(arguments: I, mut around: Surroundings<'_>) -> u8
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let stop = match command::parse(arguments) {
        Ok((arguments, typed)) => match dispatch(&arguments, &typed, &mut around) {
            Ok(()) => return DONE,
            Err(stop) => stop,
        },
        Err(usage) => Stop::Usage(usage),
    };
    stop.report(&mut around)
}

/// Does what is asked; `typed` are the options of the subcommand that were typed.
fn dispatch(
    arguments: &Arguments,
    typed: &[String],
    around: &mut Surroundings<'_>,
) -> Result<(), Stop> {
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
        Command::Generate(options) => generate::run(options, &mut console),
        Command::Edit(options) if documents::is_document(&options.subject) => {
            replay::run(options, typed, &mut console)
        }
        Command::Edit(options) => edit::run(options, &mut console),
        Command::Likelihood(options) => likelihood::run(options, &mut console),
        Command::Cost(options) => cost::run(options, &mut console),
        Command::Evaluate(options) => evaluate::run(options, &mut console),
        Command::Merge(options) => merge::run(options, &mut console),
        Command::Frechet(options) => frechet::run(options, &mut console),
        Command::Report(options) => report::run(options, &mut console),
        Command::Tour(options) => tour::run(options, &mut console),
        Command::Render(options) => render::run(options, &mut console),
    }
}
