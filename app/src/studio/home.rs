//! The file of a document, and what is being written there.

use std::path::PathBuf;

use crate::document::Document;
use crate::files::saved::{DocumentFile, Saved};

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

/// A document that is being written.
#[derive(Debug)]
pub(super) struct Writing {
    /// Where.
    pub(super) path: PathBuf,
    /// What is to be written after that.
    pub(super) next: Option<Next>,
}

/// What waits until a document is written.
#[derive(Debug)]
pub(super) struct Next {
    /// Where it goes, where that is another place, and was asked about.
    pub(super) path: Option<PathBuf>,
    /// What is written.
    pub(super) saved: Saved,
}
