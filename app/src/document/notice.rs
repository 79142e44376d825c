//! Notices: words to the person.

use smalti_engine::Problem;
use smalti_engine::questions::ModelRef;

use super::lost::{AllLost, Lost};

/// How grave a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Something was done.
    Info,
    /// Something is not as expected, but work goes on.
    Warning,
    /// Something could not be done.
    Error,
}

/// A word to the person, shown as a toast and kept in the Log view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How grave it is.
    pub severity: Severity,
    /// One line without a full stop.
    pub summary: String,
    /// What to do next; may be empty.
    pub hint: String,
    /// What it says is not there, and what else is not: it can be pointed at where that is now.
    pub lost: Option<Box<(Lost, AllLost)>>,
    /// The tokenizer with which what could not be done can be: a person may go on with it.
    pub tokenizer: Option<ModelRef>,
}

impl Notice {
    /// Something was done.
    pub fn info(summary: impl Into<String>) -> Self {
        Self::new(Severity::Info, summary.into(), String::new())
    }

    /// Something is not as expected.
    pub fn warning(summary: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Severity::Warning, summary.into(), hint.into())
    }

    /// Something could not be done.
    pub fn error(summary: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Severity::Error, summary.into(), hint.into())
    }

    fn new(severity: Severity, summary: String, hint: String) -> Self {
        Self { severity, summary, hint, lost: None, tokenizer: None }
    }
}

impl Notice {
    /// Something that a document names is not where it was.
    pub fn of_lost(lost: &Lost, all: &AllLost) -> Self {
        let summary =
            format!("The {} is not where it was: {}", lost.kind.word(), lost.path.display());
        let hint = "What was done by hand is kept; say where it is now, or put it back";
        Self {
            lost: Some(Box::new((lost.clone(), AllLost::clone(all)))),
            ..Self::warning(summary, hint)
        }
    }
}

impl From<Problem> for Notice {
    fn from(problem: Problem) -> Self {
        Self::error(problem.summary, problem.hint)
    }
}
