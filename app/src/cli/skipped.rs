//! Images that cannot be used: one broken file among thousands must not hide the rest.

use smalti_engine::Problem;

use super::console::Console;
use super::stop::Stop;
use crate::look::words::counted;

/// Broken images are named up to this many, then counted.
const NAMED: usize = 10;

/// Why images were left out.
#[derive(Debug, Default)]
pub(super) struct Skipped(Vec<Problem>);

impl Skipped {
    /// What came of an image; none if it is bad, which is noted. What else stops the command does.
    pub(super) fn or_skip<T>(&mut self, result: Result<T, Stop>) -> Result<Option<T>, Stop> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Problem(problem)) if problem.bad_input => {
                self.0.push(problem);
                Ok(None)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Says what was left out. Where nothing is left that is the end: `what` was given, and nothing
    /// of it could be `done`.
    pub(super) fn report(
        &self,
        is_anything_left: bool,
        (what, done): (&str, &str),
        console: &mut Console<'_, '_>,
    ) -> Result<(), Stop> {
        if let ([only], false) = (self.0.as_slice(), is_anything_left) {
            return Err(only.clone().into());
        }
        for problem in self.0.iter().take(NAMED) {
            console.remark(&format!("skipped: {problem}"));
        }
        let count = self.0.len();
        if count > NAMED {
            console.remark(&format!("skipped {count} images in all"));
        }
        if is_anything_left {
            return Ok(());
        }
        let hint = self.0.first().map(ToString::to_string).unwrap_or_default();
        Err(Stop::bad_input(
            what,
            format!("none of {} could be {done}", counted(count, "image")),
            hint,
        ))
    }
}
