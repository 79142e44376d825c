//! The file of a document.

use crate::document::Document;
use crate::files::saved::DocumentFile;

/// What is known of a document's file.
#[derive(Debug)]
pub(super) struct Home {
    /// Where it was saved or opened.
    pub(super) file: Option<DocumentFile>,
    /// The document as it is there, or as it began.
    pub(super) saved: Document,
}

impl Home {
    pub(super) fn new(file: Option<DocumentFile>, saved: Document) -> Self {
        Self { file, saved }
    }
}
