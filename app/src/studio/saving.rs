//! Documents and their files: saving, what would be lost, and the autosave.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use egui::ViewportCommand;
use smalti_engine::Problem;
use smalti_engine::checkpoints::split_part;

use super::home::Home;
use super::start::SETTINGS;
use super::{AUTOSAVE_EVERY, Studio};
use crate::ctx::subject_name;
use crate::document::{AllLost, Document, Lost, LostKind, Notice, Panel};
use crate::files::disk::{self, write_whole};
use crate::files::outcome::{Ask, Loss, Outcome, Save, Taken, notice};
use crate::files::saved::{self, Carried, DocumentFile, Saved};
use crate::look::words::name;
use crate::shell::dialogs::{Answer, Dialog, Then};

impl Studio {
    /// Does what leaves the document behind; if something of it is unsaved, asks first.
    pub(super) fn leave_for(&mut self, then: Then, ctx: &egui::Context) {
        if matches!(then, Then::Quit) {
            self.quit_when_saved(ctx);
        } else if self.has_unsaved_work() {
            self.ask(Dialog::Unsaved(then));
        } else {
            self.go(then, ctx);
        }
    }

    pub(super) fn go(&mut self, then: Then, ctx: &egui::Context) {
        match then {
            Then::Quit => {
                self.desk.quitting.may_lose_work = true;
                ctx.send_viewport_cmd(ViewportCommand::Close);
            }
            Then::New => {
                self.desk.guide.has_doors = false;
                self.leave_scene_behind();
                let looks = self.history.document().looks.clone();
                self.settle_in(None, Document { looks, ..Document::default() });
            }
            Then::Scene(scene) => {
                // Its generation was asked about; the picture was not.
                if scene.loads.image.is_some() && self.shows_other_than(&scene) {
                    self.ask(Dialog::Scene(scene));
                } else {
                    self.open_scene(&scene);
                }
            }
            Then::Open(file, saved) => {
                self.desk.guide.has_doors = false;
                self.leave_scene_behind();
                self.arrange(&saved);
                self.warn_of(&saved);
                self.settle_in(Some(file), saved.document);
            }
        }
    }

    /// Goes on with a document that has a file of its own, or none. Undo leads back to the one before,
    /// and to the file of that one.
    fn settle_in(&mut self, file: Option<DocumentFile>, document: Document) {
        self.keeping.homes.push(Home::new(file, document.clone()));
        self.history.open(document, self.keeping.homes.len() - 1);
        self.end_scene();
        self.ask_for_what_is_opened();
        // What undo cannot lead back to is left by now.
        for (number, home) in self.keeping.homes.iter_mut().enumerate() {
            if !self.history.has(number) {
                home.saved = Document::default();
            }
        }
    }

    fn warn_of(&mut self, saved: &Saved) {
        for warning in &saved.warnings {
            let hint = "What was done by hand may have been done to other contents";
            self.notices.add(Notice::warning(warning, hint));
        }
        self.say_copies(saved);
        self.say_lost(&saved.lost);
    }

    /// Says once which pictures are the document's own copies, since their files are not there.
    fn say_copies(&mut self, saved: &Saved) {
        let lost = |path: &PathBuf| Lost { kind: LostKind::Image, path: path.clone() };
        let all: AllLost =
            saved.copies.iter().map(lost).chain(saved.lost.iter().cloned()).collect();
        let Some(first) = saved.copies.first() else { return };
        let summary = match saved.copies.len() {
            1 => format!("{} is not where it was", name(first)),
            n => format!("{} and {} more are not where they were", name(first), n - 1),
        };
        let hint = "What the document carries is shown instead, with all that was done to it";
        let lost = Some(Box::new((lost(first), all)));
        self.notices.add(Notice { lost, ..Notice::warning(summary, hint) });
    }

    fn arrange(&mut self, saved: &Saved) {
        let layout = saved.layout.as_ref().filter(|_| !self.fixed.options.keeps_layout);
        if let Some(layout) = layout.filter(|layout| layout.check().is_ok()) {
            self.desk.arrangement = layout.clone().arrange();
            self.desk.folded.forget();
        }
    }

    /// The work of an unexpected end is back.
    pub(super) fn recover(&mut self, saved: Saved) {
        self.keeping.unapplied.store(false, Ordering::Relaxed);
        self.desk.guide.has_doors = false;
        self.arrange(&saved);
        self.warn_of(&saved);
        let hint = if self.has_unsaved_work() {
            "Undo brings back what you did before it was read"
        } else {
            "Undo brings the usual start back"
        };
        // Whatever was opened meanwhile keeps its own file.
        self.settle_in(saved.home, saved.document);
        if let Some(home) = self.keeping.homes.last_mut() {
            home.saved = Document::default();
        }
        self.notices.add(Notice::warning("Smalti ended unexpectedly; your work is back", hint));
    }

    pub(super) fn save(&mut self) {
        let saved = self.to_save();
        if !self.write_again(self.history.number(), saved) {
            self.ask_where_to_save();
        }
    }

    pub(super) fn ask_where_to_save(&self) {
        let subject = self.subject_name().unwrap_or_else(|| "document".to_owned());
        let stem = Path::new(&subject).file_stem().unwrap_or(OsStr::new("document"));
        let name = format!("{}.smalti", stem.to_string_lossy());
        let what = Save::Document(self.history.number(), Box::new(self.to_save()));
        self.keeping.background.ask(Ask::Save { what, name });
    }

    fn subject_name(&self) -> Option<String> {
        subject_name(self.history.document(), &self.session)
    }

    /// The window's title: the document, with a star while there is something of it to be saved.
    pub(super) fn title_now(&self) -> String {
        let home = self.keeping.homes[self.history.number()].file.as_ref();
        let what = home.map(|home| name(&home.path)).or_else(|| self.subject_name());
        let mark = if self.has_unsaved_work() { "*" } else { "" };
        match what {
            Some(what) => format!("{mark}{what} – Smalti"),
            None if mark.is_empty() => "Smalti".to_owned(),
            None => format!("{mark}untitled – Smalti"),
        }
    }

    pub(super) fn to_save(&self) -> Saved {
        let layout = Panel::of(&self.desk.arrangement);
        Saved::new(self.history.document().clone(), layout)
    }

    /// Settings and autosave, when they changed.
    pub(super) fn keep(&mut self, ctx: &egui::Context) {
        let Some(folder) = self.fixed.options.settings_dir.clone() else { return };
        if self.settings != self.keeping.settings {
            self.keeping.settings = self.settings.clone();
            let (path, text) = (folder.join(SETTINGS), self.settings.to_text());
            self.keeping.background.run(move || {
                let error = write_whole(&path, text.as_bytes()).err()?;
                Some(notice(error.problem().into()))
            });
        }
        let (last, when) = &self.keeping.autosaved;
        if last == self.history.document() {
            return;
        }
        let since = when.map_or(AUTOSAVE_EVERY, |when| when.elapsed());
        if since < AUTOSAVE_EVERY {
            ctx.request_repaint_after(AUTOSAVE_EVERY.saturating_sub(since));
            return;
        }
        self.autosave();
    }

    /// Keeps the work for the case of an unexpected end.
    pub(super) fn autosave(&mut self) {
        let Some(autosave) = &self.keeping.autosave else { return };
        self.keeping.autosaved = (self.history.document().clone(), Some(Instant::now()));
        let home = self.keeping.homes[self.history.number()].file.clone();
        let (path, saved) = (autosave.path().to_owned(), Saved { home, ..self.to_save() });
        let unapplied = Arc::clone(&self.keeping.unapplied);
        self.keeping.background.run(move || {
            // What is there is still to be brought back.
            if unapplied.load(Ordering::Relaxed) {
                return None;
            }
            let written = saved::to_bytes(&saved, &Carried::Pasted)
                .and_then(|bytes| write_whole(&path, &bytes));
            Some(notice(written.err()?.problem().into()))
        });
    }

    /// The end was asked for: nothing is left to be restored.
    pub(super) fn forget_autosave(&self) {
        if let Some(autosave) = &self.keeping.autosave {
            let path = autosave.path().to_owned();
            let unapplied = Arc::clone(&self.keeping.unapplied);
            self.keeping.background.run(move || {
                // Somebody who closes at once has not seen yet what was brought back.
                if !unapplied.load(Ordering::Relaxed) {
                    disk::remove(&path);
                }
                None
            });
        }
    }

    /// Whether tokens were forced, locked or switched off, variations kept, runs begun or pictures generated since
    /// the document was saved.
    pub(super) fn has_unsaved_work(&self) -> bool {
        let (now, saved) =
            (self.history.document(), &self.keeping.homes[self.history.number()].saved);
        let has_more = now.variations.all() != saved.variations.all() || now.runs != saved.runs;
        let has_more = has_more || now.generating.has_work_beside(&saved.generating);
        has_more || !now.has_off_of(saved) || !now.has_work_of(saved)
    }

    /// A path was chosen. What would be replaced by saving there is asked about, unless the system's dialog
    /// did so, which it does for the very name that was chosen in it.
    pub(super) fn chosen(&self, ask: Ask, path: PathBuf, by_system: bool) {
        let Ask::Save { what, .. } = &ask else {
            self.keeping.background.run(move || {
                // The system's dialogs show what is there. Of one of several tokenizers in a file the file is.
                let seen = if by_system { Ok(()) } else { disk::look(&split_part(&path).0) };
                Some(match seen {
                    Ok(()) => Outcome::Chosen(ask, path),
                    Err(error) => Outcome::Mistyped(ask, path, Box::new(error.problem())),
                })
            });
            return;
        };
        let place = what.at(&path);
        let place = std::path::absolute(&place).unwrap_or(place);
        self.keeping.background.run(move || {
            if let Some(folder) = place.parent().filter(|folder| !disk::is_folder(folder)) {
                let summary = format!("There is no folder {}", folder.display());
                let hint = "Make it first, or save elsewhere".to_owned();
                let problem = Problem { summary, hint, bad_input: true };
                return Some(if by_system {
                    Outcome::Refused(ask, Box::new(problem))
                } else {
                    Outcome::Mistyped(ask, path, Box::new(problem))
                });
            }
            // The system's dialog does not know what else is in the file that tokens are from.
            let loss = match ask.others_in(|file| disk::is_same(file, &place)) {
                Some(count) => Loss::Others(count),
                None => Loss::File,
            };
            let is_asked = by_system && place == path && loss == Loss::File;
            let is_taken = !is_asked && disk::is_taken(&place);
            Some(if is_taken {
                let typed = (!by_system).then_some(path);
                Outcome::Taken(ask, Box::new(Taken { path: place, loss, typed }))
            } else {
                Outcome::Chosen(ask, place)
            })
        });
    }

    pub(super) fn answered(&mut self, answer: Answer, ctx: &egui::Context) {
        if let Answer::Browse(ask) = answer {
            self.keeping.background.ask(ask);
            return;
        }
        let asked = std::mem::replace(&mut self.desk.dialog, self.desk.questions.pop_front());
        match answer {
            Answer::Close => self.closed(asked),
            Answer::Save(then) => {
                self.desk.quitting.runs_may_stop = matches!(asked, Some(Dialog::Running { .. }));
                self.desk.after_saving = Some((self.history.number(), then));
                self.save();
            }
            Answer::Discard(then) => self.go(then, ctx),
            Answer::Scene(scene, keeps_own) => self.answered_scene(*scene, keeps_own),
            Answer::Tokens(path, reading) => self.keeping.openings.ask_tokens(path, reading),
            Answer::Train(form) => self.train_by_form(form),
            Answer::OtherRecipe(recipe, form) => {
                let on = form.point.as_ref().map(|point| point.on.clone());
                self.ask_training(&recipe, Some(form), on);
            }
            Answer::Browse(_) => {}
            Answer::Path(ask, path) => self.chosen(ask, path, false),
            Answer::Replace(ask, path) => {
                let commands = self.use_path(ask, path);
                self.commands.borrow_mut().extend(commands);
            }
        }
    }

    /// A question was closed without an answer.
    fn closed(&mut self, asked: Option<Dialog>) {
        match asked {
            // What was typed is not lost with the place that is taken.
            Some(Dialog::Replace { ask, taken: Taken { path, typed: Some(typed), .. } }) => {
                let problem = Some(Problem {
                    summary: format!("{} is there already", name(&path)),
                    hint: "Save under another name, or there all the same".to_owned(),
                    bad_input: true,
                });
                let text = typed.display().to_string();
                // Before what else is asked.
                let next = self.desk.dialog.replace(Dialog::Path { ask, text, problem });
                if let Some(next) = next {
                    self.desk.questions.push_front(next);
                }
            }
            Some(Dialog::Path { ask, .. } | Dialog::Replace { ask, .. }) => {
                if let Some(number) = ask.document() {
                    self.leave_no_more(number);
                }
            }
            _ => {}
        }
    }
}
