//! The file of a document.

use std::path::PathBuf;

use crate::document::Document;

/// What is known of a document's file.
#[derive(Debug)]
pub(super) struct Home {
    /// Where it was saved or opened.
    pub(super) file: Option<PathBuf>,
    /// The document as it is there, or as it began.
    pub(super) saved: Document,
}

impl Home {
    pub(super) fn new(file: Option<PathBuf>, saved: Document) -> Self {
        Self { file, saved }
    }
}
