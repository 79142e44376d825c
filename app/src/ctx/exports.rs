//! What is seen and can be taken away by a command, such as the palette's: each thing that has a menu of its own
//! offers itself in every frame under its name, and answers when it is asked for.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::path::Path;

use smalti_engine::questions::{ImageRef, LoadImage, ModelRef, Subject};
use smalti_engine::session::{Lane, Session};

use crate::document::{Document, How, Offer};
use crate::look::words::{counted, name};

/// What offered itself in a frame, and what was asked for.
#[derive(Debug, Default)]
pub struct Exports {
    offers: RefCell<Vec<Offer>>,
    last: RefCell<Vec<Offer>>,
    wanted: RefCell<Option<(String, How)>>,
}

impl Exports {
    /// Something is seen. Gives how it is to be taken away, if it is.
    pub(crate) fn offer(&self, offer: Offer) -> Option<How> {
        let mut wanted = self.wanted.borrow_mut();
        let is_it =
            |(name, how): &mut (String, How)| *name == offer.name && offer.ways.contains(how);
        let how = wanted.take_if(is_it).map(|(_, how)| how);
        let mut offers = self.offers.borrow_mut();
        if offers.iter().all(|known| known.name != offer.name) {
            offers.push(offer);
        }
        how
    }

    /// Asks for something that was seen in the last frame.
    pub(crate) fn want(&self, name: String, how: How) {
        *self.wanted.borrow_mut() = Some((name, how));
    }

    /// What was seen in the last frame.
    pub(crate) fn seen(&self) -> Vec<Offer> {
        self.last.borrow().clone()
    }

    /// The frame is over; gives what was asked for and is not seen any more.
    pub(crate) fn end_frame(&self) -> Option<String> {
        self.last.replace(self.offers.take());
        self.wanted.take().map(|(name, _)| name)
    }
}

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
        about = format!("{about}; tokenizer {}", model.label());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_answers_once_and_what_is_gone_is_said() {
        let exports = Exports::default();
        let offer = || Offer { name: "tokens".to_owned(), ways: vec![How::Copy, How::Csv] };
        assert_eq!(exports.offer(offer()), None);
        assert_eq!(exports.end_frame(), None);
        assert_eq!(exports.seen(), [offer()]);
        exports.want("tokens".to_owned(), How::Csv);
        assert_eq!(exports.offer(offer()), Some(How::Csv));
        assert_eq!(exports.offer(offer()), None, "two panels of one view save one file");
        assert_eq!(exports.end_frame(), None);
        exports.want("tokens".to_owned(), How::Svg);
        assert_eq!(exports.offer(offer()), None);
        assert_eq!(exports.end_frame().as_deref(), Some("tokens"));
    }
}
