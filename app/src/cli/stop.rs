//! Why a command ended early, and what the person is told.

use std::io;

use smalti_engine::{EngineError, Problem};

use super::around::{BAD_INPUT, CANCELLED, DONE, FAILED, Surroundings};

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// Something is wrong; the problem says whose fault it is.
    Problem(Problem),
    /// The command line itself is wrong, or asked for help.
    Usage(clap::Error),
    /// A person cancelled it.
    Cancelled,
    /// Nobody reads the results any more (`smalti ... | head`).
    NobodyReads,
}

impl Stop {
    /// A value on the command line that cannot be used.
    pub(super) fn bad_input(what: &str, reason: impl ToString, hint: impl ToString) -> Self {
        EngineError::bad_input(what, reason, hint).into()
    }

    /// A failure of the machine, with what to do about it.
    pub(super) fn failure(summary: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Problem(Problem { summary: summary.into(), hint: hint.into(), bad_input: false })
    }

    /// From writing results.
    #[expect(clippy::needless_pass_by_value, reason = "stands in `map_err`")]
    pub(super) fn from_output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::NobodyReads
        } else {
            Self::failure(format!("standard output: {error}"), "")
        }
    }

    /// Says which of several things it is about, where that is not said already.
    pub(super) fn about(self, name: &str) -> Self {
        match self {
            Self::Problem(problem) if !problem.summary.contains(name) => {
                let summary = format!("{name}: {}", problem.summary);
                Self::Problem(Problem { summary, ..problem })
            }
            other => other,
        }
    }

    /// Tells the person and gives the exit code. What cannot be told is not: there is nobody left.
    pub(super) fn report(self, around: &mut Surroundings<'_>) -> u8 {
        match self {
            Self::NobodyReads => DONE,
            Self::Cancelled => {
                drop(writeln!(around.err, "cancelled"));
                CANCELLED
            }
            Self::Problem(problem) => {
                drop(writeln!(around.err, "error: {}", problem.summary));
                if !problem.hint.is_empty() {
                    drop(writeln!(around.err, "  what to do: {}", problem.hint));
                }
                if problem.bad_input { BAD_INPUT } else { FAILED }
            }
            Self::Usage(error) => {
                let text = error.render();
                if error.use_stderr() {
                    drop(write!(around.err, "{text}"));
                    BAD_INPUT
                } else {
                    drop(write!(around.out, "{text}"));
                    DONE
                }
            }
        }
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        if problem.summary == EngineError::Cancelled.to_string() {
            return Self::Cancelled;
        }
        Self::Problem(problem)
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        error.problem().into()
    }
}
