//! Notices: words to the person.

use smalti_engine::Problem;

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
}

impl Notice {
    /// Something was done.
    pub fn info(summary: impl Into<String>) -> Self {
        Self { severity: Severity::Info, summary: summary.into(), hint: String::new() }
    }

    /// Something is not as expected.
    pub fn warning(summary: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, summary: summary.into(), hint: hint.into() }
    }

    /// Something could not be done.
    pub fn error(summary: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Error, summary: summary.into(), hint: hint.into() }
    }
}

impl From<Problem> for Notice {
    fn from(problem: Problem) -> Self {
        Self::error(problem.summary, problem.hint)
    }
}
