//! Writing documents: one job for each at a time, since only its end tells in which version the file is that
//! the next one finds. What is to be saved meanwhile waits for that, the newest of it.

use std::cell::OnceCell;
use std::path::PathBuf;

use smalti_engine::Problem;
use smalti_engine::images::png_bytes;
use smalti_engine::questions::{ImageRef, LoadImage, Stamp};
use smalti_engine::session::{Asker, guard};

use super::Studio;
use super::exporting::{is_saved, not_saved};
use super::home::{Home, Next, Writing};
use crate::document::{Document, Notice};
use crate::files::disk::{self, write_whole};
use crate::files::outcome::{Ask, InFile, Loss, Outcome, Save, Taken};
use crate::files::saved::{self, Carried, DocumentFile, Saved, Written};
use crate::look::words::{counted, name};
use crate::shell::dialogs::{Dialog, Then};

impl Studio {
    /// Which document is being written, or waits for that. What comes of it is not known yet: it is neither saved nor
    /// unsaved.
    pub(super) fn waiting_to_be_written(&self) -> Option<usize> {
        self.keeping.writing.keys().next().copied()
    }

    /// Writes the document into its own file; gives whether it has one.
    pub(super) fn write_again(&mut self, number: usize, saved: Saved) -> bool {
        if let Some(writing) = self.keeping.writing.get_mut(&number) {
            let path = writing.next.take().and_then(|next| next.path);
            writing.next = Some(Next { path, saved });
            return true;
        }
        let Some(file) = self.keeping.homes[number].file.clone() else { return false };
        self.begin(number, (file.path, Some(file.seen)), saved);
        true
    }

    /// Writes a document to a place that was asked about.
    pub(super) fn write_to(&mut self, number: usize, path: PathBuf, saved: Saved) {
        match self.keeping.writing.get_mut(&number) {
            Some(writing) => writing.next = Some(Next { path: Some(path), saved }),
            None => self.begin(number, (path, None), saved),
        }
    }

    /// If the file is there in another version than `seen`, it is asked about instead.
    fn begin(&mut self, number: usize, (path, seen): (PathBuf, Option<Stamp>), saved: Saved) {
        self.keeping.writing.insert(number, Writing { path: path.clone(), next: None });
        let (asker, paint_side) = (self.session.asker(), saved.document.size.side);
        let home = self.keeping.homes.get(number).and_then(|home| home.file.as_ref());
        let home = home.map(|file| file.path.clone());
        self.keeping.background.save(move || {
            if seen.is_some_and(|seen| seen.is_other(&path)) {
                let what = Save::Document(number, Box::new(saved));
                let ask = Ask::Save { what, name: name(&path) };
                let taken = Taken { path, loss: Loss::Changes, typed: None };
                return Ok(Outcome::Taken(ask, Box::new(taken)));
            }
            let before = OnceCell::new();
            let picture = |image: &ImageRef| {
                // Of a file that is gone the document may have the bytes since it was saved last.
                let before = before
                    .get_or_init(|| home.as_deref().map(saved::carried_in).unwrap_or_default());
                let known = before.iter().find(|(carried, _)| carried == image);
                known
                    .map(|(_, bytes)| bytes.clone())
                    .or_else(|| from_memory(image, paint_side, &asker))
            };
            // After a panic too it is said that nothing was saved.
            let written = guard("saving a document", || {
                let Written { bytes, missing } =
                    saved::write(&saved, &Carried::Pictures(&picture))?;
                write_whole(&path, &bytes).map(|()| missing)
            });
            Ok(match written {
                Ok(missing) => {
                    let file = DocumentFile { seen: disk::stamp(&path), path };
                    let document = saved.document;
                    Outcome::Saved(number, Box::new(InFile { file, document, missing }))
                }
                Err(error) => Outcome::NotSaved(number, error.problem()),
            })
        });
    }

    /// A document is in its file; the window may show another one by now.
    pub(super) fn written(
        &mut self,
        number: usize,
        InFile { file, document, missing }: InFile,
        ctx: &egui::Context,
    ) {
        self.notices.add(is_saved(&file.path));
        self.say_missing(&missing);
        self.settings.remember(&file.path);
        for home in &mut self.keeping.homes {
            // The document that was in that file is in none by now.
            if home.file.as_ref().is_some_and(|own| own.path == file.path) {
                *home = Home::new(None, Document::default());
            }
        }
        if let Some(home) = self.keeping.homes.get_mut(number) {
            *home = Home::new(Some(file), document);
        }
        if self.write_next(number) {
            return;
        }
        if number == self.history.number() {
            // It knows another file, or another version of it.
            self.autosave();
        }
        if !missing.is_empty() {
            // Whoever leaves now leaves pictures behind.
            self.leave_no_more(number);
        }
        match self.desk.after_saving.take_if(|(saving, _)| *saving == number) {
            None => {}
            // It was read before this was saved, maybe to the very same file.
            Some((_, Then::Open(file, _))) => self.keeping.openings.ask_first(file.path),
            // What was done while it was written is unsaved.
            Some((_, then)) => self.leave_for(then, ctx),
        }
    }

    /// A document could not be written.
    pub(super) fn not_written(&mut self, number: usize, problem: Problem) {
        let path = self.keeping.writing.get(&number).map(|writing| writing.path.clone());
        self.notices.add(match path {
            Some(path) => not_saved(&path, problem),
            None => problem.into(),
        });
        if !self.write_next(number) {
            self.leave_no_more(number);
        }
    }

    /// Somebody else has written a document's file: it is asked whether that may be lost.
    pub(super) fn not_written_over(&mut self, mut ask: Ask, taken: Taken) {
        if let Ask::Save { what: Save::Document(number, saved), .. } = &mut ask
            && let Some(Writing { next: Some(next), .. }) = self.keeping.writing.remove(number)
        {
            if let Some(path) = next.path {
                return self.begin(*number, (path, None), next.saved);
            }
            **saved = next.saved;
        }
        self.ask(Dialog::Replace { ask, taken });
    }

    /// Begins to write what waited for that; gives whether something did.
    fn write_next(&mut self, number: usize) -> bool {
        let Some(Writing { next: Some(next), .. }) = self.keeping.writing.remove(&number) else {
            return false;
        };
        match next.path {
            Some(path) => self.begin(number, (path, None), next.saved),
            None => return self.write_again(number, next.saved),
        }
        true
    }

    /// At the end what waits is put in line without a look at what is there, which was this program's.
    pub(super) fn write_all_that_waits(&mut self) {
        for (number, writing) in std::mem::take(&mut self.keeping.writing) {
            if let Some(Next { path, saved }) = writing.next {
                self.begin(number, (path.unwrap_or(writing.path), None), saved);
            }
        }
    }

    /// A document is not saved: what was to come after that does not.
    pub(super) fn leave_no_more(&mut self, number: usize) {
        self.desk.after_saving.take_if(|(saving, _)| *saving == number);
    }

    /// Pictures are not in the document that was saved.
    fn say_missing(&mut self, missing: &[PathBuf]) {
        let Some(first) = missing.first() else { return };
        let others = match missing.len() {
            1 => String::new(),
            n => format!(" and {}", counted(n - 1, "other")),
        };
        let summary = format!("{}{others} could not be put into the document", name(first));
        let hint = "What you did is in it; put the file back where it was and save again";
        self.notices.add(Notice::warning(summary, hint));
    }
}

/// A picture as a file's bytes: of a set it is read; a file of its own that is gone, or another one by now, is
/// only taken from what is known of it.
fn from_memory(image: &ImageRef, paint_side: u32, asker: &Asker) -> Option<Vec<u8>> {
    let question = LoadImage { image: image.clone(), paint_side };
    let loaded = match image {
        ImageRef::File { .. } => asker.known(&question)?,
        _ => asker.wait(&question).ok()?,
    };
    png_bytes(&loaded.picture).ok()
}
