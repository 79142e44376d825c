//! What a document names and is not where it was: a person points at where it is now, and what was done by hand
//! stays on it.

use std::path::PathBuf;
use std::sync::Arc;

use smalti_engine::checkpoints::split_part;
use smalti_engine::questions::{
    Identified, Identify, ImageRef, LoadImage, ModelRef, PastedPicture, Stamp, Subject,
};
use smalti_engine::session::Asker;
use smalti_engine::{EngineError, Problem};

use super::Studio;
use crate::document::{AllLost, Document, Lost, LostKind, Moved, Notice, Open, guesses};
use crate::files::disk::{is_gone, model_now, stamp};
use crate::files::outcome::{Ask, Outcome};
use crate::files::recipes::is_run;
use crate::look::words::{agreeing, name};

impl Studio {
    /// Says what a document that was opened misses, each with where it was.
    pub(super) fn say_lost(&mut self, lost: &AllLost) {
        /// More are named by their number: all are found by the first mostly. In the Log each has its button.
        const NAMED: usize = 3;
        /// So many stay in the Log at most.
        const KEPT: usize = 400;
        for one in lost.iter().skip(NAMED).take(KEPT) {
            self.notices.keep(Notice::of_lost(one, lost));
        }
        for one in lost.iter().take(NAMED) {
            self.notices.add(Notice::of_lost(one, lost));
        }
        if let Some(more) = lost.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let hint =
                "Those that lie beside what is found are found with it; Log has a button for each";
            let are = agreeing(more, "is not where it was", "are not where they were");
            self.notices.add(Notice::warning(format!("{more} more {are}"), hint));
        }
    }

    /// Somebody points at where something is now. Whether it is that kind of thing is looked at first.
    pub(super) fn take_place(&mut self, (lost, all): (Lost, AllLost), to: PathBuf) {
        let asker = self.session.asker();
        let to = std::path::absolute(&to).unwrap_or(to);
        let started = self.keeping.background.alongside("finding", move || {
            match moved(lost.clone(), to, &asker) {
                Err(problem) => Outcome::Refused(Ask::Place(lost, all), Box::new(problem)),
                Ok(first) => {
                    let others = guesses((&first.lost.path, &first.to), &all);
                    let others = others.into_iter().map(|(lost, to)| (lost, split_part(&to).0));
                    let others = others
                        .filter(|(lost, to)| is_gone(&split_part(&lost.path).0) && !is_gone(to));
                    let others = others.filter_map(|(lost, to)| moved(lost, to, &asker).ok());
                    let all: Arc<[Moved]> = std::iter::once(first.clone()).chain(others).collect();
                    Outcome::Command(Open::Moved(all).into())
                }
            }
        });
        if let Err(error) = started {
            self.notices.add(error.problem().into());
        }
    }

    /// The document goes on with what was found.
    pub(super) fn take_moved(&mut self, moved: &Arc<[Moved]>, ctx: &egui::Context) {
        let before = self.history.document().clone();
        self.change(&Open::Moved(Arc::clone(moved)).into(), ctx);
        for one in moved.iter().filter(|one| is_other_file(&before, one)) {
            let summary = format!("{} is not the file that was worked on", name(&one.to));
            let hint =
                "It has another length. What was done by hand is on it now; Undo takes it back";
            self.notices.add(Notice::warning(summary, hint));
        }
        let named = match &moved[..] {
            [one] => name(&one.to),
            many => format!("{} and {} beside it", name(&many[0].to), many.len() - 1),
        };
        self.notices.found(moved);
        self.notices.add(Notice::info(format!("Found {named}")));
    }
}

/// Whether what was found is another file than the one that was worked on, as far as that is known.
fn is_other_file(document: &Document, moved: &Moved) -> bool {
    let seen = match moved.lost.kind {
        LostKind::Image => {
            let kept = document.kept.iter().map(|(on, _)| &on.subject);
            let mut subjects = document.subject.iter().chain(kept);
            subjects.find_map(|subject| match subject {
                Subject::Image(ImageRef::File { path, stamp }) if **path == *moved.lost.path => {
                    Some(*stamp)
                }
                _ => None,
            })
        }
        LostKind::Tokenizer => match &document.model {
            ModelRef::File { path, stamp } if **path == *moved.lost.path => Some(*stamp),
            _ => None,
        },
        LostKind::Set | LostKind::Run | LostKind::Generator => None,
    };
    seen.is_some_and(|seen| seen != Stamp::default() && seen.length != moved.stamp.length)
}

/// What was found, if it is of its kind. Waits for the engine.
fn moved(lost: Lost, to: PathBuf, asker: &Asker) -> Result<Moved, Problem> {
    let is_it = match lost.kind {
        LostKind::Run => is_run(&to),
        kind => {
            let found = asker.wait(&Identify { path: to.as_path().into(), stamp: stamp(&to) })?;
            matches!(
                (kind, &*found),
                (LostKind::Image, Identified::Image(_))
                    | (LostKind::Set, Identified::Images(_))
                    | (LostKind::Tokenizer, Identified::Model(_))
                    | (LostKind::Generator, Identified::Generator(_))
            )
        }
    };
    if !is_it {
        let what = lost.kind.word();
        let hint = format!("{} is still looked for: point at it", name(&lost.path));
        return Err(EngineError::bad_file(&to, format!("this is no {what}"), hint).problem());
    }
    let seen = stamp(&to);
    // The same one of several tokenizers in the file.
    let whole = match split_part(&lost.path).1.filter(|_| lost.kind == LostKind::Tokenizer) {
        Some(part) => {
            let mut whole = to.into_os_string();
            whole.push(format!("#{part}"));
            PathBuf::from(whole)
        }
        None => to,
    };
    let stamp = match (
        lost.kind,
        model_now(ModelRef::File { path: whole.as_path().into(), stamp: seen }),
    ) {
        (LostKind::Tokenizer | LostKind::Generator, ModelRef::File { stamp, .. }) => stamp,
        _ => seen,
    };
    let image = ImageRef::File { path: whole.as_path().into(), stamp };
    let load = || asker.wait(&LoadImage { image, paint_side: 0 }).ok();
    let loaded = (lost.kind == LostKind::Image).then(load).flatten();
    let picture = loaded.map(|loaded| PastedPicture::new(loaded.picture.clone()));
    Ok(Moved { lost, to: whole, stamp, picture })
}
