//! What a step of undo is called: what of the document it changed, in words.

use std::collections::BTreeSet;
use std::sync::Arc;

use smalti_engine::questions::{ImageRef, Subject};
use smalti_engine::tokens::Cell;

use super::value::Document;
use super::variations::{BY_HAND, Variation, Variations};

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

/// Going to a state that was kept, or to the start, writing cells anew, and keeping or leaving a state.
fn kept(before: &Document, after: &Document) -> Option<String> {
    let (old, new) = (&before.variations, &after.variations);
    let is_in =
        |state: &Variation, them: &Variations| them.all().iter().any(|it| it.is_same(state));
    let is_by_hand = |state: &&Variation| state.noted.as_deref() == Some(BY_HAND);
    let base = |of: &Variations| of.base().and_then(|at| of.all().get(at)).cloned();
    let (from, to) = (base(old), base(new));
    if let Some(to) = to.as_ref().filter(|to| to.noted.is_none() && !is_in(to, old)) {
        return Some(format!("keep variation {}", to.name));
    }
    let mut came = new.all().iter().filter(|state| !is_in(state, old)).peekable();
    if came.peek().is_none() && old.all().iter().any(|state| !is_in(state, new)) {
        return Some("leave a variation".to_owned());
    }
    // What was done by hand is noted before it is left, if it was not before.
    let is_left = |state: &Variation| state.work == before.work() && before.work() != after.work();
    let leaves_hand =
        came.any(|state| is_by_hand(&state)) || old.all().iter().filter(is_by_hand).any(is_left);
    let is_there = match &to {
        Some(to) => to.work == after.work(),
        None => after.edits.is_empty() && after.switched_off.is_empty(),
    };
    let goes = match (&from, &to) {
        (Some(from), Some(to)) => !from.is_same(to),
        (from, to) => from.is_some() != to.is_some(),
    };
    if !(goes || leaves_hand) || !is_there {
        return None;
    }
    let Some(to) = to else { return Some("go back to the start".to_owned()) };
    let is_new = !is_in(&to, old) || before.generating.moment != after.generating.moment;
    if to.asked.is_some() && is_new {
        let (forced, released) = changed(before, after);
        let count = forced + released;
        return (count > 0).then(|| format!("write {} anew", cells(count)));
    }
    Some(format!("go to variation {}", to.name))
}

/// How many cells are forced to something else, and how many are forced no more.
fn changed(before: &Document, after: &Document) -> (usize, usize) {
    if Arc::ptr_eq(&before.edits, &after.edits) {
        return (0, 0);
    }
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
    use smalti_engine::questions::{ModelRef, SourceRef};

    use super::*;
    use crate::document::{
        Asked, Command, Edit, Generate, History, Look, MOST_NOTED, Moment, Open, Sampled, Slot,
    };

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

    fn image() -> Document {
        let image = ImageRef::InSource { source: SourceRef::Samples, index: 0 };
        Document::default().after(&Open::Image(image).into())
    }

    fn force(column: usize, code: u32) -> Command {
        Edit::ForceCells { cells: Arc::new([Cell::at(0, column)].into()), code }.into()
    }

    /// Two cells as a generator wrote them.
    fn sampled(on: &Document, seed: u64) -> Sampled {
        let asked = Asked { seed, ..Asked::of(ModelRef::Shipped("worlds-maskgit".into())) };
        let code = 100 + seed as u32;
        let tokens = [(Cell::at(5, 0), code), (Cell::at(5, 1), code)].into();
        Sampled {
            on: on.work_on().unwrap(),
            asked: Arc::new(asked),
            cells: 2,
            tokens,
            by_hand: Arc::default(),
        }
    }

    /// What a step is called when it was done, undone, and done again.
    fn names(history: &mut History) -> [String; 3] {
        let done = history.undoes().unwrap();
        history.undo();
        let undone = history.redoes().unwrap();
        history.redo();
        [done, undone, history.undoes().unwrap()]
    }

    #[test]
    fn a_step_keeps_its_name_when_it_is_undone_and_done_again() {
        let mut history = History::new(image());
        let mut told = |command: Command| {
            history.change(history.document().after(&command), false);
            names(&mut history)
        };
        assert_eq!(told(force(0, 3)), ["force 1 cell"; 3]);
        assert_eq!(told(Edit::UseStart.into()), ["go back to the start"; 3]);
        assert_eq!(told(force(1, 3)), ["force 1 cell"; 3]);
        assert_eq!(told(Edit::KeepVariation.into()), ["keep variation 1"; 3]);
        assert_eq!(told(force(2, 3)), ["force 1 cell"; 3]);
        assert_eq!(told(Edit::UseVariation(1).into()), ["go to variation 1"; 3]);
        assert_eq!(told(force(2, 3)), ["force 1 cell"; 3]);
        assert_eq!(told(Edit::UseStart.into()), ["go back to the start"; 3]);
        assert_eq!(told(Edit::UseVariation(2).into()), ["go to variation sample-2"; 3]);
        let on = image();
        let take = |seed: u64| Generate::Take(Box::new(sampled(&on, seed))).into();
        assert_eq!(told(take(1)), ["write 2 cells anew"; 3]);
        assert_eq!(told(force(3, 3)), ["force 1 cell"; 3]);
        assert_eq!(told(take(2)), ["write 2 cells anew"; 3]);
        assert_eq!(told(Edit::DropVariation(0).into()), ["leave a variation"; 3]);
        assert_eq!(told(Edit::UseStart.into()), ["go back to the start"; 3]);
    }

    #[test]
    fn what_was_written_is_called_so_when_the_oldest_state_makes_room_for_it() {
        let start = image();
        let seeds = 10..10 + MOST_NOTED as u64;
        let full = seeds.fold(start.clone(), |next, seed| next.noting(&sampled(&start, seed)));
        let next = full.after(&Generate::Take(Box::new(sampled(&start, 1))).into());
        assert_eq!(next.variations.all().len(), full.variations.all().len());
        assert_eq!(step(&full, &next), "write 2 cells anew");
    }

    #[test]
    fn what_is_there_after_a_while_gives_its_step_the_name() {
        let mut history = History::new(image());
        let sampled = sampled(history.document(), 1);
        let mut begun = history.document().clone();
        begun.generating.moment = Some(Moment { asked: Arc::clone(&sampled.asked), steps: None });
        history.change(begun.clone(), false);
        assert_eq!(history.undoes().as_deref(), Some("generate"));
        let next = begun.after(&Generate::Take(Box::new(sampled)).into());
        history.complete(next, true, Document::clone);
        assert_eq!(names(&mut history), ["write 2 cells anew"; 3]);
    }
}
