//! What files that are taken away are called, and what they say of themselves.

use std::ffi::OsStr;
use std::path::Path;

use smalti_engine::questions::{ImageRef, LoadImage, ModelRef, Subject};
use smalti_engine::session::{Lane, Session};

use crate::document::Document;
use crate::look::words::{counted, name};

/// A file name for something that is taken away: the image's name, then what it is.
pub fn name_of((document, session): (&Document, &Session), what: &str) -> String {
    let subject = subject_name(document, session);
    let subject = subject.unwrap_or_else(|| "smalti".to_owned());
    let stem = Path::new(&subject).file_stem().unwrap_or(OsStr::new("smalti"));
    // What is no letter of a file name somewhere, such as the slash of a tokenizer in a folder.
    let plain = |c: char| if "/\\:*?\"<>|".contains(c) || c.is_control() { '-' } else { c };
    format!("{}-{what}", stem.to_string_lossy()).chars().map(plain).collect()
}

/// What a file that is taken away says of itself: what it shows, of which image, by which tokenizer, at which
/// size. `by` is the tokenizer, where `what` does not name it: the first one, with what was done by hand.
pub fn words_of(
    (document, session): (&Document, &Session),
    what: &str,
    by: Option<&ModelRef>,
) -> Vec<(String, String)> {
    let mut about = what.to_owned();
    if let Some(model) = by {
        about = format!("{about}; tokenizer {}", document.name_of(model));
    }
    if by.is_some() && !document.edits.is_empty() {
        about = format!("{about}; {}", counted(document.edits.len(), "forced cell"));
    }
    if by.is_some() && !document.switched_off.is_empty() {
        about = format!("{about}; without {}", counted(document.switched_off.len(), "code"));
    }
    if document.image().is_some() {
        about = format!("{about}; worked on at {}", document.size.side);
    }
    let mut words = vec![
        ("Software".to_owned(), concat!("Smalti ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("Description".to_owned(), about),
    ];
    words.extend(subject_name(document, session).map(|name| ("Source".to_owned(), name)));
    words
}

/// What a person calls what is worked on; none while that is not known.
pub fn subject_name(document: &Document, session: &Session) -> Option<String> {
    Some(match document.subject.as_ref()? {
        Subject::Tokens(given) => given.name.to_string(),
        Subject::Image(ImageRef::File { path, .. }) => name(path),
        Subject::Image(ImageRef::Pasted(_)) => "pasted image".to_owned(),
        Subject::Image(image @ ImageRef::InSource { .. }) => {
            let question = LoadImage { image: image.clone(), paint_side: document.size.side };
            session.ask(Lane::Soon, &question).ready()?.name.clone()
        }
    })
}
