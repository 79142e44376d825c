//! What is done with the tokens as they are now: saving them and replacing a code wait for them on a thread of
//! their own, so that no view has to show them meanwhile. And what edits of them could not do is said.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::questions::{Encode, Given, ImageRef, ModelInfo, Subject};
use smalti_engine::session::{Asker, Lane, guard};
use smalti_engine::token_files::{self, Maker};
use smalti_engine::tokens::{Cell, Code, MASKED, Part, Tokens};

use super::Studio;
use super::exporting::{is_saved, not_saved};
use crate::ctx::export_name;
use crate::document::{Document, Edit, Notice, Open, TokenFormat};
use crate::files::disk::write_whole;
use crate::files::outcome::{Outcome, Places, notice};
use crate::look::words::{agreeing, counted, name};
use crate::shell::notices::STEPS;

impl Studio {
    /// A file name for the tokens.
    pub(super) fn tokens_name(&self, format: TokenFormat) -> String {
        let stem = export_name((self.history.document(), &self.session), "tokens", None);
        format!("{stem}.{}", format.ending())
    }

    /// The format that holds the tokens: `.npy` holds one part only.
    pub(super) fn tokens_format(&self) -> TokenFormat {
        let document = self.history.document();
        let parts = document.subject.clone().and_then(|subject| {
            let (size, model) = (document.size, document.model.clone());
            let encoded = self.session.ask(Lane::Now, &Encode { subject, size, model });
            encoded.ready().map(|encoded| encoded.tokens.parts().len())
        });
        if parts == Some(1) { TokenFormat::Npy } else { TokenFormat::Safetensors }
    }

    /// Writes the tokens to a file when they are there.
    pub(super) fn save_tokens(&mut self, path: PathBuf, document: Document) {
        let asker = self.session.asker();
        self.keeping.background.save(move || {
            let (tokens, maker) = match tokens_now(&document, &asker) {
                Ok(now) => now,
                Err(problem) => return Ok(notice(not_saved(&path, problem))),
            };
            let bytes = token_bytes(&path, &tokens, &maker);
            Ok(notice(match bytes.and_then(|bytes| write_whole(&path, &bytes)) {
                Ok(()) => is_saved(&path),
                Err(error) => not_saved(&path, error.problem()),
            }))
        });
    }

    /// Every place of a code becomes forced to another, when the places are known.
    pub(super) fn replace_code(&mut self, from: Code, to: u32) {
        let (document, asker) = (self.history.document().clone(), self.session.asker());
        let number = self.history.number();
        let started = self.keeping.background.alongside("replacing a code", move || {
            // Whatever happens, it must be told: the end may wait for it.
            let found = guard("replacing a code", || {
                let tokens = tokens_now(&document, &asker);
                Ok(tokens.and_then(|(tokens, _)| {
                    let on = document.work_on().ok_or_else(nothing_open)?;
                    let cells = places_of(from, &tokens);
                    let edits = Arc::clone(&document.edits);
                    Ok(Box::new(Places { on, number, from, to, cells, edits }))
                }))
            });
            Outcome::Places(found.unwrap_or_else(|error| Err(error.problem())))
        });
        match started {
            Ok(()) => self.replacing += 1,
            Err(error) => self.notices.add(error.problem().into()),
        }
    }

    /// The places of a code that is to be replaced are known, or why not.
    pub(super) fn found_places(
        &mut self,
        places: Result<Box<Places>, Problem>,
        ctx: &egui::Context,
    ) {
        self.replacing = self.replacing.saturating_sub(1);
        match places {
            Ok(places) => self.replace_at(&places, ctx),
            Err(problem) => self.notices.add(problem.into()),
        }
    }

    /// The places are known; what is open may be something else by now.
    fn replace_at(&mut self, places: &Places, ctx: &egui::Context) {
        let (from, to) = (places.from, places.to);
        // Another document may work on the same.
        let on = self.history.document().work_on();
        if on.as_ref() != Some(&places.on) || places.number != self.history.number() {
            let hint = "Open it again to replace the code there";
            let summary = format!("Code {from} was not replaced: something else is open by now");
            self.notices.add(Notice::warning(summary, hint));
            return;
        }
        let (cells, left) = replaceable(places, self.history.document());
        let count = cells.len();
        self.change(&Edit::ForceCells { cells: Arc::new(cells), code: to }.into(), ctx);
        let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
        let locked = stay(left);
        self.notices.add(Notice::info(format!("Code {from} replaced by {to}, {times}{locked}")));
    }

    /// An edit that needs no tokens; what it could not do is said.
    pub(super) fn edit(&mut self, edit: &Edit, ctx: &egui::Context) {
        let before = self.history.document().clone();
        self.change(&edit.clone().into(), ctx);
        let did = self.history.document().edits != before.edits;
        let document = self.history.document();
        if let Some(notice) =
            left_undone(edit, &before, did).or_else(|| done(edit, &before, document))
        {
            self.notices.add(notice);
        }
    }

    /// Takes the last change back, and says what that was.
    pub(super) fn undo(&mut self) {
        self.history.finish_interaction();
        let what = self.history.undoes();
        self.history.undo();
        if let Some(what) = what {
            self.notices.add_step(STEPS[0], &what);
        }
    }

    /// Does what was undone again, and says what that is.
    pub(super) fn redo(&mut self) {
        self.history.finish_interaction();
        let what = self.history.redoes();
        self.history.redo();
        if let Some(what) = what {
            self.notices.add_step(STEPS[1], &what);
        }
    }

    /// All cells of the part that is looked at are selected, if its tokens are there.
    pub(super) fn select_all_cells(&mut self, ctx: &egui::Context) {
        let document = self.history.document();
        let Some(subject) = document.subject.clone() else {
            self.notices.add(nothing_open().into());
            return;
        };
        let (size, model) = (document.size, document.model.clone());
        let encoded = self.session.ask(Lane::Now, &Encode { subject, size, model });
        let Some(encoded) = encoded.ready() else {
            let hint = "Wait for them, or see in Tokens why there are none";
            let summary = "No cell was selected: the tokens are not there yet";
            self.notices.add(Notice::warning(summary, hint));
            return;
        };
        let number = document.part_number(&encoded.tokens);
        let part = &encoded.tokens.parts()[number];
        let cells = (0..part.codes().len()).map(|at| part.cell(number, at)).collect();
        self.change(&Edit::SelectCells(Arc::new(cells)).into(), ctx);
    }

    /// Takes an image or a tokenizer out of the lists of what was opened, and says what stays.
    pub(super) fn close(&mut self, closed: &Open, ctx: &egui::Context) {
        let document = self.history.document();
        let (what, stays) = match closed {
            Open::CloseModel(model) => {
                let (images, off) = document.kept_of(model);
                let edits = format!("its edits to the tokens of {}", counted(images, "image"));
                let codes = format!("{} switched off", counted(off, "code"));
                let stays = match (images, off) {
                    (0, 0) => None,
                    (_, 0) => Some(format!("{edits} stay")),
                    (0, _) => Some(format!("{codes} {}", agreeing(off, "stays", "stay"))),
                    _ => Some(format!("{edits} and {codes} stay")),
                };
                (document.name_of(model), stays)
            }
            Open::CloseImage(image) => {
                let by: Vec<String> = self
                    .edited_images
                    .by(document, image)
                    .iter()
                    .map(|of| document.name_of(of))
                    .collect();
                let name = match image {
                    ImageRef::File { path, .. } => name(path),
                    _ => "The image".to_owned(),
                };
                (
                    name,
                    (!by.is_empty())
                        .then(|| format!("the edits to its tokens by {} stay", by.join(", "))),
                )
            }
            _ => return,
        };
        self.change(&closed.clone().into(), ctx);
        if let Some(stays) = stays {
            let summary = format!("{what} is closed; {stays} in the document");
            let hint = "They are back when the same file is opened again".to_owned();
            self.notices.add(Notice { hint, ..Notice::info(summary) });
        }
    }
}

/// What an edit did that is not seen where it was done: a selection lies over the marks of locks, and what was kept
/// stands in History.
fn done(edit: &Edit, before: &Document, now: &Document) -> Option<Notice> {
    match edit {
        Edit::LockCells { locked, .. } => {
            let (more, less) = if *locked { (now, before) } else { (before, now) };
            let count = more.locks.difference(&less.locks).count();
            let word = if *locked { "locked" } else { "unlocked" };
            (count > 0).then(|| Notice::info(format!("{} {word}", counted(count, "cell"))))
        }
        Edit::KeepVariation if before.variations != now.variations => {
            let kept = now.variations.base().and_then(|base| now.variations.all().get(base))?;
            let hint = "History has it; the menu beside Keep leads back to it".to_owned();
            Some(Notice { hint, ..Notice::info(format!("Kept as variation {}", kept.name)) })
        }
        _ => None,
    }
}

/// What an edit could not do, if it was not all done; `did` whether forced cells are others than before.
fn left_undone(edit: &Edit, before: &Document, did: bool) -> Option<Notice> {
    const UNLOCK: &str = "Unlock them first";
    let locked = before.stopped_by_locks(edit);
    match edit {
        Edit::ReleaseAll | Edit::ReleaseCells(_) if locked > 0 && !did => {
            let summary = match locked {
                1 => "No cell was released: the forced one is locked".to_owned(),
                n => format!("No cell was released: all {n} forced ones are locked"),
            };
            Some(Notice::warning(summary, UNLOCK))
        }
        Edit::ReleaseAll if !did => Some(Notice::info("No cell is forced")),
        Edit::ReleaseCells(_) if !did => Some(Notice::info("None of the selected cells is forced")),
        Edit::ReleaseAll | Edit::ReleaseCells(_) if locked > 0 => {
            Some(Notice::info(format!("Cells were released{}", stay(locked))))
        }
        Edit::SwitchAllOn if before.switched_off.is_empty() => {
            Some(Notice::info("No code is switched off"))
        }
        _ if locked == 0 => None,
        _ => {
            let summary = match locked {
                1 => "The locked cell keeps its code".to_owned(),
                n => format!("{n} locked cells keep their codes"),
            };
            Some(if did { Notice::info(summary) } else { Notice::warning(summary, UNLOCK) })
        }
    }
}

pub(super) fn nothing_open() -> Problem {
    Problem {
        summary: "There are no tokens".to_owned(),
        hint: "Open an image or tokens first".to_owned(),
        bad_input: true,
    }
}

/// The tokens as they are now, and who made them. Waits.
pub(super) fn tokens_now(document: &Document, asker: &Asker) -> Result<(Tokens, Maker), Problem> {
    let subject = document.subject.clone().ok_or_else(nothing_open)?;
    let (size, model) = (document.size, document.model.clone());
    let encoded = asker.wait(&Encode { subject, size, model: model.clone() })?;
    let mut tokens = document.tokens(&encoded);
    if let Some(question) = document.without(&tokens) {
        tokens = Tokens::clone(&*asker.wait(&question)?);
    }
    // Of who made given tokens nothing is known, also where this tokenizer can decode them.
    if let Some(Subject::Tokens(given)) = &document.subject {
        let is_size_assumed = given.is_size_assumed;
        if is_size_assumed {
            tokens = as_assumed(&tokens, given).map_err(|error| error.problem())?;
        }
        return Ok((tokens, Maker { is_size_assumed, ..Maker::default() }));
    }
    Ok((tokens, asker.wait(&ModelInfo { model })?.maker()))
}

/// Tokens with the codebook that was assumed of them, or what is forced by hand needs: the size of the
/// tokenizer that they are looked at with is not known to be theirs.
fn as_assumed(tokens: &Tokens, given: &Given) -> smalti_engine::Result<Tokens> {
    let codes = tokens.parts().iter().flat_map(|part| part.codes().iter().copied());
    let largest = codes.filter(|code| *code != MASKED).max().unwrap_or(0);
    let size = given.tokens.first().codebook_size().max(largest + 1);
    let sized = |part: &Part| Part::new(part.shape(), size, Arc::clone(part.codes()));
    Tokens::new(tokens.parts().iter().map(sized).collect::<smalti_engine::Result<Vec<_>>>()?)
}

/// Tokens as a file of the kind that its name says.
fn token_bytes(path: &Path, tokens: &Tokens, maker: &Maker) -> smalti_engine::Result<Vec<u8>> {
    if path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("npy")) {
        return token_files::npy_bytes(tokens);
    }
    token_files::safetensors_bytes(std::slice::from_ref(tokens), maker)
}

fn places_of(code: Code, tokens: &Tokens) -> BTreeSet<Cell> {
    let is_it = |cell: &Cell, number: Option<u32>| {
        let book = tokens.part(cell.part.into()).map(Part::book);
        number == Some(code.number) && book == Some(code.book)
    };
    tokens.cells().filter(|(cell, number)| is_it(cell, *number)).map(|(cell, _)| cell).collect()
}

/// The cells in which the code is still to be replaced, and how many of its cells are locked. What was
/// forced or released while the places were looked for stays as it is.
fn replaceable(places: &Places, now: &Document) -> (BTreeSet<Cell>, usize) {
    let is_as_it_was = |cell: &Cell| places.edits.get(cell) == now.edits.get(cell);
    let mut cells: BTreeSet<Cell> =
        places.cells.iter().filter(|c| is_as_it_was(c)).copied().collect();
    let count = cells.len();
    cells.retain(|cell| !now.locks.contains(cell));
    let locked = count - cells.len();
    (cells, locked)
}

/// What locks kept from being changed, at the end of a sentence.
fn stay(cells: usize) -> String {
    match cells {
        0 => String::new(),
        1 => "; 1 locked cell stays".to_owned(),
        n => format!("; {n} locked cells stay"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use smalti_engine::questions::Stamp;

    use super::*;
    use crate::document::WorkOn;

    #[test]
    fn the_name_says_what_is_written_in_any_case() {
        let tokens = Tokens::grid(1, 2, 4, vec![3, 1]).unwrap();
        let bytes = |name: &str| token_bytes(Path::new(name), &tokens, &Maker::default()).unwrap();
        for name in ["t.npy", "t.NPY", "t.Npy"] {
            assert!(bytes(name).starts_with(b"\x93NUMPY"), "{name}");
        }
        assert!(!bytes("t.safetensors").starts_with(b"\x93NUMPY"));
    }

    #[test]
    fn tokens_of_an_assumed_codebook_are_not_saved_as_those_of_the_tokenizer_at_hand() {
        let tokens = |size| Tokens::grid(1, 3, size, vec![0, 7, 2]).unwrap();
        let (name, tokens_given) = ("a.npy".into(), tokens(8));
        let given = Given { name, tokens: tokens_given, is_size_assumed: true, among: None };
        assert_eq!(as_assumed(&tokens(1000), &given).unwrap().first().codebook_size(), 8);
        let forced = tokens(1000).with([(Cell::at(0, 0), Some(500))]).unwrap();
        assert_eq!(as_assumed(&forced, &given).unwrap().first().codebook_size(), 501);
    }

    #[test]
    fn what_is_forced_while_places_are_looked_for_stays() {
        let cell = |column| Cell::at(0, column);
        let edits = |cells: &[(usize, u32)]| -> Arc<BTreeMap<Cell, u32>> {
            Arc::new(cells.iter().map(|(column, code)| (cell(*column), *code)).collect())
        };
        let mut now = Document::default();
        let path = std::path::Path::new("cat.png").into();
        let subject = Subject::Image(ImageRef::File { path, stamp: Stamp::default() });
        let on = WorkOn::new(subject, now.size, now.model.clone());
        let from = Code { book: 0, number: 7 };
        let cells = (0..4).map(cell).collect();
        let (number, edits_then) = (0, edits(&[(1, 7), (2, 7)]));
        let places = Places { on, number, from, to: 9, cells, edits: edits_then };
        // The first was forced since, the third was released, the last was locked.
        now.edits = edits(&[(0, 5), (1, 7)]);
        now.locks = Arc::new(BTreeSet::from([cell(3)]));
        assert_eq!(replaceable(&places, &now), (BTreeSet::from([cell(1)]), 1));
    }
}
