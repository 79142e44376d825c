//! Where the records of `log` and `tracing` go: to standard error, and errors to the Log view as
//! well. Which ones are written says SMALTI_LOG, such as `debug` or `warn,smalti_engine=trace`.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// The target of what the window says in a notice: it stands in the Log view already.
pub const NOTICE: &str = "smalti::notice";

/// Without SMALTI_LOG: warnings of our own, and errors of everybody but of the library of file dialogs: where the
/// system shows none the path is typed here, and nobody can do anything about its reasons.
const USUAL: &str = "error,smalti=warn,rfd=off";

/// Errors that wait for the window; more are only written.
const WAITING: usize = 64;

/// Errors for the Log view.
#[derive(Debug)]
pub struct Errors(Receiver<String>);

impl Errors {
    /// What was logged since the last time.
    pub fn new_ones(&self) -> impl Iterator<Item = String> + '_ {
        self.0.try_iter()
    }
}

/// Starts to log, with what SMALTI_LOG says; gives the errors for the Log view. `None` if the process
/// logs in another way already.
pub fn start(filter: Option<&str>) -> Option<Errors> {
    let (filter, unknown) = Filter::parse(filter.unwrap_or(USUAL));
    let (send, errors) = sync_channel(WAITING);
    let most = filter.most();
    let logger = Logger { filter, errors: send };
    log::set_boxed_logger(Box::new(logger)).ok()?;
    log::set_max_level(most);
    for part in unknown {
        log::error!("SMALTI_LOG: {part:?} is no level; write error, warn, info, debug or trace");
    }
    Some(Errors(errors))
}

struct Logger {
    filter: Filter,
    errors: SyncSender<String>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.lets(metadata.target(), metadata.level())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // Where nobody reads, nothing is to be said.
        drop(writeln!(
            std::io::stderr(),
            "{:5} {}: {}",
            record.level(),
            record.target(),
            record.args()
        ));
        if record.level() == Level::Error && record.target() != NOTICE {
            // Full, or no window: it was written.
            drop(self.errors.try_send(format!("{}: {}", record.target(), record.args())));
        }
    }

    fn flush(&self) {}
}

/// The lowest level that is written of each target; the longest name that fits counts.
#[derive(Debug, PartialEq, Eq)]
struct Filter {
    rest: LevelFilter,
    targets: Vec<(String, LevelFilter)>,
}

impl Filter {
    /// From `level` and `target=level`, with commas between; gives the parts that are neither, too.
    fn parse(text: &str) -> (Self, Vec<String>) {
        let mut filter = Self { rest: LevelFilter::Error, targets: Vec::new() };
        let mut unknown = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (target, level) = match part.split_once('=') {
                Some((target, level)) => (Some(target.trim()), level.trim()),
                None => (None, part),
            };
            match (target, level.parse()) {
                (None, Ok(level)) => filter.rest = level,
                (Some(target), Ok(level)) => filter.targets.push((target.to_owned(), level)),
                (_, Err(_)) => unknown.push(part.to_owned()),
            }
        }
        filter.targets.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        (filter, unknown)
    }

    fn lets(&self, target: &str, level: Level) -> bool {
        let found = self.targets.iter().find(|(name, _)| target.starts_with(name.as_str()));
        level <= found.map_or(self.rest, |(_, level)| *level)
    }

    fn most(&self) -> LevelFilter {
        let levels = self.targets.iter().map(|(_, level)| *level);
        levels.fold(self.rest, Ord::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_decides_and_what_is_no_level_is_said() {
        let (filter, unknown) =
            Filter::parse("warn, smalti_engine=debug,smalti_engine::data=off,x=loud");
        assert_eq!(unknown, ["x=loud"]);
        assert!(filter.lets("wgpu_core", Level::Warn) && !filter.lets("wgpu_core", Level::Info));
        assert!(filter.lets("smalti_engine::session", Level::Debug));
        assert!(!filter.lets("smalti_engine::data::loader", Level::Error));
        assert_eq!(filter.most(), LevelFilter::Debug);
    }

    #[test]
    fn what_nobody_can_do_anything_about_is_not_said_unless_it_is_asked_for() {
        let (usual, unknown) = Filter::parse(USUAL);
        assert!(unknown.is_empty());
        assert!(!usual.lets("rfd::backend::xdg_desktop_portal", Level::Error));
        assert!(usual.lets("wgpu_core", Level::Error) && usual.lets("smalti::files", Level::Warn));
        assert!(Filter::parse("debug").0.lets("rfd::backend", Level::Debug));
    }

    #[test]
    fn errors_wait_for_the_window_but_not_those_that_it_said_itself() {
        let (send, errors) = sync_channel(2);
        let (filter, _) = Filter::parse(USUAL);
        let logger = Logger { filter, errors: send };
        let say = |level, target, text: &str| {
            logger.log(
                &Record::builder().level(level).target(target).args(format_args!("{text}")).build(),
            );
        };
        say(Level::Error, "smalti::files", "first");
        say(Level::Error, NOTICE, "a notice");
        say(Level::Warn, "smalti::files", "a warning");
        for _ in 0..3 {
            say(Level::Error, "wgpu_core", "more than wait");
        }
        let heard: Vec<String> = Errors(errors).new_ones().collect();
        assert_eq!(heard, ["smalti::files: first", "wgpu_core: more than wait"]);
    }
}
