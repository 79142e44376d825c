//! The one error type of the engine, and the form in which a person sees it.
//!
//! Errors are handled once: passed on, or shown as a [`Problem`].

use std::path::PathBuf;

/// The result of everything in the engine that can fail.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// Everything that can go wrong in the engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file could not be read or written.
    #[error("{path}: {said}", path = path.display(), said = in_words(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be. `reason` says what was expected and what came.
    #[error("{path}: {reason}", path = path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where in it.
        reason: String,
        /// What to do about it; may be empty.
        hint: String,
    },
    /// A file is sound, but can be read in several ways: a person has to say in which.
    #[error("{path}: {reason}", path = path.display())]
    Unclear {
        /// The file or folder.
        path: PathBuf,
        /// What it can be.
        reason: String,
        /// How to say it on the command line.
        hint: String,
    },
    /// A value that a person gave cannot be used.
    #[error("{what}: {reason}")]
    BadInput {
        /// Which option, field or argument.
        what: String,
        /// What is wrong with it.
        reason: String,
        /// What to do about it; may be empty.
        hint: String,
    },
    /// A tensor does not have the shape that was needed.
    #[error("{what} should be {expected}, but is {found:?}")]
    Shape {
        /// Which tensor.
        what: String,
        /// The shape that was expected, in words such as "(B, 3, H, W)".
        expected: String,
        /// The shape that came.
        found: Vec<usize>,
    },
    /// The work was cancelled; not a problem.
    #[error("cancelled")]
    Cancelled,
    /// A job panicked; the place is named.
    #[error("internal error in {job}: {message}")]
    Panicked {
        /// What was being done.
        job: String,
        /// The panic's message and place.
        message: String,
    },
    /// candle reported an error.
    #[error("{}", first_line(.0))]
    Tensor(#[from] candle_core::Error),
}

/// What to do where a path leads nowhere.
const GONE: &str = "Check the spelling of the path";

/// candle's text contains a whole backtrace when `RUST_BACKTRACE` is set.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or("tensor error").to_owned()
}

impl EngineError {
    /// An I/O error at `path`.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    /// A file that cannot be used, with what to do about it ("" if there is nothing to say).
    #[expect(clippy::needless_pass_by_value, reason = "callers hand over what they just made")]
    pub fn bad_file(path: impl Into<PathBuf>, reason: impl ToString, hint: impl ToString) -> Self {
        Self::BadFile { path: path.into(), reason: reason.to_string(), hint: hint.to_string() }
    }

    /// A file that can be read in several ways, with how a person says in which.
    #[expect(clippy::needless_pass_by_value, reason = "callers hand over what they just made")]
    pub fn unclear(path: impl Into<PathBuf>, reason: impl ToString, hint: impl ToString) -> Self {
        Self::Unclear { path: path.into(), reason: reason.to_string(), hint: hint.to_string() }
    }

    /// A value that cannot be used, with what to do about it ("" if there is nothing to say).
    #[expect(clippy::needless_pass_by_value, reason = "callers hand over what they just made")]
    pub fn bad_input(what: impl ToString, reason: impl ToString, hint: impl ToString) -> Self {
        Self::BadInput {
            what: what.to_string(),
            reason: reason.to_string(),
            hint: hint.to_string(),
        }
    }

    /// Whether the cause is what a person gave (exit 2 on the command line) rather than a failure
    /// of the program or the machine (exit 1).
    pub fn is_bad_input(&self) -> bool {
        matches!(
            self,
            Self::Io { .. }
                | Self::BadFile { .. }
                | Self::Unclear { .. }
                | Self::BadInput { .. }
                | Self::Shape { .. }
        )
    }

    /// The form that is shown to a person.
    pub fn problem(&self) -> Problem {
        let hint = match self {
            Self::BadFile { hint, .. }
            | Self::Unclear { hint, .. }
            | Self::BadInput { hint, .. } => hint.clone(),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => GONE.to_owned(),
                std::io::ErrorKind::PermissionDenied => "Check the permissions".to_owned(),
                std::io::ErrorKind::StorageFull => "Free some space on the disk".to_owned(),
                std::io::ErrorKind::QuotaExceeded => "Your share of the disk is full".to_owned(),
                std::io::ErrorKind::ReadOnlyFilesystem => {
                    "Use a disk that can be written to".to_owned()
                }
                std::io::ErrorKind::NotADirectory => "A folder of this path is a file".to_owned(),
                _ => String::new(),
            },
            Self::Panicked { .. } => "Please report this; your work is kept".to_owned(),
            Self::Shape { .. } | Self::Cancelled | Self::Tensor(_) => String::new(),
        };
        Problem { summary: self.to_string(), hint, bad_input: self.is_bad_input() }
    }
}

/// What the system says, without its number; that something is not there, as a person says it.
fn in_words(source: &std::io::Error) -> String {
    if source.kind() == std::io::ErrorKind::NotFound {
        return "there is no such file or folder".to_owned();
    }
    let said = source.to_string();
    said.split(" (os error ").next().map_or_else(String::new, str::to_owned)
}

/// An error as a person sees it: one line of what is wrong and where, one of what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong and where, one line without a full stop.
    pub summary: String,
    /// What to do next; may be empty.
    pub hint: String,
    /// Whether the cause is what the person gave.
    pub bad_input: bool,
}

impl Problem {
    /// Whether what it names is not there.
    pub fn is_gone(&self) -> bool {
        self.hint == GONE
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.summary)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_said_in_words() {
        let missing = std::fs::File::open("no such folder/nope.safetensors").unwrap_err();
        let problem = EngineError::io("nope.safetensors", missing).problem();
        assert_eq!(problem.summary, "nope.safetensors: there is no such file or folder");
        assert!(problem.is_gone() && !problem.hint.is_empty());
        let other = std::io::Error::from_raw_os_error(13);
        let summary = EngineError::io("a", other).problem().summary;
        assert!(summary.starts_with("a: ") && !summary.contains("os error"), "{summary}");
    }
}
