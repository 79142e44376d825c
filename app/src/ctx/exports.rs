//! What files that are taken away are called, and what they say of themselves.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

use smalti_engine::questions::{ImageRef, ImageSample, LoadImage, ModelRef, SourceRef, Subject};
use smalti_engine::session::{Lane, Session};

use crate::document::Document;
use crate::look::words::{counted, name};

/// A file name for something that is taken away: what it is `of`, or else the image's name, then what it is.
pub fn name_of((document, session): (&Document, &Session), what: &str, of: Option<&str>) -> String {
    let subject = subject_name(document, session).filter(|_| of.is_none());
    let subject = subject.unwrap_or_else(|| "smalti".to_owned());
    let stem = Path::new(&subject).file_stem().unwrap_or(OsStr::new("smalti"));
    let stem = of.map_or_else(|| stem.to_string_lossy(), Cow::Borrowed);
    // What is no letter of a file name somewhere, such as the slash of a tokenizer in a folder.
    let plain = |c: char| if "/\\:*?\"<>|".contains(c) || c.is_control() { '-' } else { c };
    format!("{stem}-{what}").chars().map(plain).collect()
}

/// What a file that is taken away says of itself: what it shows, of which image, by which tokenizer, at which
/// size. `by` is the tokenizer, where `what` does not name it: the first one, with what was done by hand. What is
/// `of` something else than the image, such as a set, has nothing of that.
pub fn words_of(
    (document, session): (&Document, &Session),
    what: &str,
    by: Option<&ModelRef>,
    of: Option<&str>,
) -> Vec<(String, String)> {
    let mut about = what.to_owned();
    if let Some(model) = by {
        about = format!("{about}; tokenizer {}", document.name_of(model));
    }
    let by_hand = by.filter(|_| of.is_none());
    if by_hand.is_some() && !document.edits.is_empty() {
        about = format!("{about}; {}", counted(document.edits.len(), "forced cell"));
    }
    if by_hand.is_some() && !document.switched_off.is_empty() {
        about = format!("{about}; without {}", counted(document.switched_off.len(), "code"));
    }
    let is_of_images = if of.is_some() { by.is_some() } else { true };
    if document.image().is_some() && is_of_images {
        about = format!("{about}; worked on at {}", document.size.side);
    }
    let mut words = vec![
        ("Software".to_owned(), concat!("Smalti ", env!("CARGO_PKG_VERSION")).to_owned()),
        ("Description".to_owned(), about),
    ];
    let source = of.map(str::to_owned).or_else(|| subject_name(document, session));
    words.extend(source.map(|name| ("Source".to_owned(), name)));
    words
}

/// What a set is called in names of files.
pub fn set_name(source: &SourceRef) -> String {
    match source {
        SourceRef::Samples => "samples".to_owned(),
        SourceRef::Worlds { seed } => format!("Worlds {seed}"),
        SourceRef::Path { path, .. } => name(path),
    }
}

/// What a sample of a set is called in names of files: the set, and how many of its images.
pub fn sample_name(source: &SourceRef, sample: ImageSample) -> String {
    let (set, ImageSample { images, total }) = (set_name(source), sample);
    if sample.is_part() {
        format!("{set}-{images}-of-{total}-images")
    } else {
        format!("{set}-all-{}", counted(images as usize, "image").replace(' ', "-"))
    }
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
