//! What is done with the tokens as they are now, saving them and replacing a code. Both wait for them on a
//! thread of their own: no view has to show them meanwhile.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::questions::{Encode, ModelInfo};
use smalti_engine::session::{Asker, Lane};
use smalti_engine::token_files::{self, Maker};
use smalti_engine::tokens::{Cell, Code, Part, Tokens};

use super::Studio;
use crate::document::{Document, Edit, Notice};
use crate::files::disk::write_whole;
use crate::files::outcome::{Outcome, Places, notice};
use crate::look::words::name;

impl Studio {
    /// A file name for the tokens: `.npy` holds one part only.
    pub(super) fn tokens_name(&self) -> String {
        let document = self.history.document();
        let parts = document.subject.clone().and_then(|subject| {
            let (size, model) = (document.size, document.model.clone());
            let encoded = self.session.ask(Lane::Now, &Encode { subject, size, model });
            encoded.ready().map(|encoded| encoded.tokens.parts().len())
        });
        if parts == Some(1) { "tokens.npy".to_owned() } else { "tokens.safetensors".to_owned() }
    }

    /// Writes the tokens to a file when they are there.
    pub(super) fn save_tokens(&mut self, path: PathBuf, document: Document) {
        let asker = self.session.asker();
        // On the thread of files, for which the end of the window waits.
        self.keeping.background.run(move || {
            let saved = tokens_now(&document, &asker).and_then(|(tokens, maker)| {
                let is_array = path.extension().is_some_and(|suffix| suffix == "npy");
                let bytes = if is_array {
                    token_files::npy_bytes(&tokens)
                } else {
                    token_files::safetensors_bytes(std::slice::from_ref(&tokens), &maker)
                };
                bytes.and_then(|bytes| write_whole(&path, &bytes)).map_err(|error| error.problem())
            });
            Some(notice(match saved {
                Ok(()) => Notice::info(format!("Saved {}", name(&path))),
                Err(problem) => problem.into(),
            }))
        });
    }

    /// Every place of a code becomes forced to another, when the places are known.
    pub(super) fn replace_code(&mut self, from: Code, to: u32) {
        let (document, asker) = (self.history.document().clone(), self.session.asker());
        self.keeping.background.alongside("replacing a code", move || {
            match (document.work_on(), tokens_now(&document, &asker)) {
                (Some(on), Ok((tokens, _))) => {
                    let cells = places_of(from, &tokens);
                    Outcome::Places(Box::new(Places { on, from, to, cells }))
                }
                (_, Err(problem)) => notice(problem.into()),
                (None, Ok(_)) => notice(nothing_open().into()),
            }
        });
    }

    /// The places are known; what is open may be something else by now.
    pub(super) fn replace_at(&mut self, places: Places, ctx: &egui::Context) {
        let Places { on, from, to, cells: all } = places;
        if self.history.document().work_on() != Some(on) {
            let hint = "Open it again to replace the code there";
            let summary = format!("Code {from} was not replaced: something else is open by now");
            self.notices.add(Notice::warning(summary, hint));
            return;
        }
        let locks = Arc::clone(&self.history.document().locks);
        let cells: BTreeSet<Cell> = all.difference(&locks).copied().collect();
        let (count, left) = (cells.len(), all.len() - cells.len());
        self.change(&Edit::ForceCells { cells: Arc::new(cells), code: to }.into(), ctx);
        let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
        let locked = stay(left);
        self.notices.add(Notice::info(format!("Code {from} replaced by {to}, {times}{locked}")));
    }

    /// Says that locked cells were left alone, if some were.
    pub(super) fn locked_stay(&mut self, cells: usize) {
        let said = match cells {
            0 => return,
            1 => "The locked cell keeps its code".to_owned(),
            n => format!("{n} locked cells keep their codes"),
        };
        self.notices.add(Notice::info(said));
    }

    /// Gives all cells back that are not locked.
    pub(super) fn clear_edits(&mut self, ctx: &egui::Context) {
        let left = self.history.document().locked_edits();
        self.change(&Edit::ClearEdits.into(), ctx);
        if left > 0 {
            self.notices.add(Notice::info(format!("Cells were given back{}", stay(left))));
        }
    }
}

fn nothing_open() -> Problem {
    Problem {
        summary: "There are no tokens".to_owned(),
        hint: "Open an image or tokens first".to_owned(),
        bad_input: true,
    }
}

/// The tokens as they are now, and who made them. Waits.
fn tokens_now(document: &Document, asker: &Asker) -> Result<(Tokens, Maker), Problem> {
    let subject = document.subject.clone().ok_or_else(nothing_open)?;
    let (size, model) = (document.size, document.model.clone());
    let encoded = asker.wait(&Encode { subject, size, model: model.clone() })?;
    let mut tokens = document.tokens(&encoded);
    if let Some(question) = document.without(&tokens) {
        tokens = Tokens::clone(&*asker.wait(&question)?);
    }
    // Of who made given tokens nothing is known, also where this tokenizer can decode them.
    if document.image().is_none() {
        return Ok((tokens, Maker::default()));
    }
    let facts = asker.wait(&ModelInfo { model })?;
    let maker =
        Maker { model: Some(facts.name.clone()), token_hash: Some(facts.token_hash.clone()) };
    Ok((tokens, maker))
}

fn places_of(code: Code, tokens: &Tokens) -> BTreeSet<Cell> {
    let is_it = |cell: &Cell, number: Option<u32>| {
        let book = tokens.part(cell.part.into()).map(Part::book);
        number == Some(code.number) && book == Some(code.book)
    };
    tokens.cells().filter(|(cell, number)| is_it(cell, *number)).map(|(cell, _)| cell).collect()
}

/// What locks kept from being changed, at the end of a sentence.
fn stay(cells: usize) -> String {
    match cells {
        0 => String::new(),
        1 => "; 1 locked cell stays".to_owned(),
        n => format!("; {n} locked cells stay"),
    }
}
