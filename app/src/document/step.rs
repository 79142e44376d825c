//! What a step of undo is called: what of the document it changed, in words.

use std::collections::BTreeSet;

use smalti_engine::questions::{ImageRef, Subject};
use smalti_engine::tokens::Cell;

use super::value::Document;

/// What a person did from one value of a document to the next, such as "choose a.png" or "force 12 cells".
pub(super) fn step(before: &Document, after: &Document) -> String {
    let opened = opened(before, after).or_else(|| kept(before, after));
    let by_hand = || edited(before, after).or_else(|| locked(before, after));
    let words = opened.or_else(by_hand).or_else(|| switched(before, after));
    words.unwrap_or_else(|| other(before, after).to_owned())
}

/// What is worked on, and with what.
fn opened(before: &Document, after: &Document) -> Option<String> {
    if before.subject != after.subject {
        return Some(match &after.subject {
            None => "close the image".to_owned(),
            Some(Subject::Tokens(given)) => format!("open the tokens {}", given.name),
            Some(Subject::Image(ImageRef::Pasted(_))) => "paste a picture".to_owned(),
            Some(Subject::Image(ImageRef::InSource { index, .. })) => {
                format!("choose image {}", index + 1)
            }
            Some(Subject::Image(ImageRef::File { path, .. })) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                format!("choose {}", name.to_string_lossy())
            }
        });
    }
    if before.model != after.model {
        return Some(format!("work with {}", after.name_of(&after.model)));
    }
    None
}

/// Going to a state that was kept, and keeping or leaving one.
fn kept(before: &Document, after: &Document) -> Option<String> {
    let (old, new) = (&before.variations, &after.variations);
    let name = |number: usize| new.all().get(number).map(|kept| kept.name.to_string());
    if new.all().len() < old.all().len() {
        return Some("leave a variation".to_owned());
    }
    if new.all().len() > old.all().len() {
        let last = new.all().last()?;
        if last.noted.is_none() {
            return Some(format!("keep variation {}", last.name));
        }
        let (forced, released) = changed(before, after);
        let count = forced + released;
        return (count > 0).then(|| format!("write {} anew", cells(count)));
    }
    let to = new.base().filter(|base| old.base() != Some(*base));
    to.and_then(name).map(|name| format!("go to variation {name}"))
}

/// How many cells are forced to something else, and how many are forced no more.
fn changed(before: &Document, after: &Document) -> (usize, usize) {
    let forced = after.edits.iter().filter(|(cell, code)| before.edits.get(cell) != Some(code));
    let released = before.edits.keys().filter(|cell| !after.edits.contains_key(cell));
    (forced.count(), released.count())
}

fn edited(before: &Document, after: &Document) -> Option<String> {
    match changed(before, after) {
        (0, 0) => None,
        (forced, 0) => Some(format!("force {}", cells(forced))),
        (0, released) => Some(format!("release {}", cells(released))),
        (forced, released) => Some(format!("force {}, release {released}", cells(forced))),
    }
}

fn locked(before: &Document, after: &Document) -> Option<String> {
    let more = |a: &BTreeSet<Cell>, b: &BTreeSet<Cell>| a.difference(b).count();
    let (locks, unlocks) = (more(&after.locks, &before.locks), more(&before.locks, &after.locks));
    match (locks, unlocks) {
        (0, 0) => None,
        (0, count) => Some(format!("unlock {}", cells(count))),
        (count, _) => Some(format!("lock {}", cells(count))),
    }
}

fn switched(before: &Document, after: &Document) -> Option<String> {
    let (old, new) = (&before.switched_off, &after.switched_off);
    let (off, on) = (new.difference(old).count(), old.difference(new).count());
    let codes = |count| if count == 1 { "1 code".to_owned() } else { format!("{count} codes") };
    match (off, on) {
        (0, 0) => None,
        (0, count) => Some(format!("switch {} on", codes(count))),
        (count, _) => Some(format!("switch {} off", codes(count))),
    }
}

/// What is neither the work nor what it is on.
fn other(before: &Document, after: &Document) -> &'static str {
    let generator = |document: &Document| {
        document.generating.asked.as_ref().map(|asked| asked.generator.clone())
    };
    if before.size != after.size {
        "work at another size"
    } else if before.source != after.source {
        "open another set"
    } else if before.others != after.others {
        "compare with another tokenizer"
    } else if generator(before) != generator(after) {
        "open a generator"
    } else if before.generating.moment != after.generating.moment {
        "generate"
    } else if before.generating != after.generating {
        "ask something else of the generator"
    } else if before.race != after.race {
        "race"
    } else if before.looks != after.looks {
        "look at it in another way"
    } else {
        "the last change"
    }
}

fn cells(count: usize) -> String {
    if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use smalti_engine::questions::ModelRef;

    use super::*;
    use crate::document::{Command, Edit, Look, Open, Slot};

    #[test]
    fn a_step_is_called_after_what_it_changed() {
        let start = Document::default();
        let after = |command: Command| {
            let next = start.after(&command);
            (step(&start, &next), step(&next, &start))
        };
        let image = ImageRef::file(std::path::Path::new("/there/kodim23.png"));
        let cells: Arc<BTreeSet<Cell>> = Arc::new([Cell::at(0, 0), Cell::at(0, 1)].into());
        let (opened, closed) = after(Open::Image(image).into());
        assert_eq!((opened.as_str(), closed.as_str()), ("choose kodim23.png", "close the image"));
        let force = Edit::ForceCells { cells: Arc::clone(&cells), code: 3 };
        let (forced, released) = after(force.into());
        assert_eq!((forced.as_str(), released.as_str()), ("force 2 cells", "release 2 cells"));
        let (locked, unlocked) = after(Edit::LockCells { cells, locked: true }.into());
        assert_eq!((locked.as_str(), unlocked.as_str()), ("lock 2 cells", "unlock 2 cells"));
        let other = ModelRef::Shipped("worlds-vqgan".into());
        assert_eq!(after(Open::Model(Slot::A, other).into()).0, "work with worlds-vqgan");
        let looks = Look::ShowIds(!start.looks.show_ids);
        assert_eq!(after(looks.into()).0, "look at it in another way");
    }
}
