//! What commands do to a document.

use std::sync::Arc;

use smalti_engine::tokens::Cell;

use super::command::{Command, Edit, Look, Open};
use super::slot::Slot;
use super::value::{Document, Selection};

impl Document {
    /// The document after a command. Commands that are not about the document leave it as it is;
    /// [`Edit::ReplaceCode`] needs the encoded grid and is resolved before it comes here.
    #[must_use]
    pub fn after(&self, command: &Command) -> Self {
        let mut next = self.clone();
        match command {
            Command::Open(open) => next.open(open),
            Command::Edit(edit) => next.edit(edit),
            Command::Look(look) => next.look(*look),
            Command::Layout(_) | Command::Job(_) | Command::App(_) => {}
        }
        next
    }

    fn open(&mut self, open: &Open) {
        match open {
            Open::Image(image) => {
                if self.image.as_ref() != Some(image) {
                    self.image = Some(image.clone());
                    self.forget_cells();
                }
            }
            Open::Source(source) => self.source = source.clone(),
            Open::Model(Slot::A, model) => {
                if self.model != *model {
                    self.model = model.clone();
                    self.forget_cells();
                    self.switched_off = Arc::default();
                    self.selection = Selection::default();
                }
            }
            Open::Model(Slot::B, model) => self.model_b = Some(model.clone()),
            Open::NoModelB => self.model_b = None,
            Open::Size(size) => {
                if self.size != *size {
                    self.size = *size;
                    self.forget_cells();
                }
            }
            Open::Path(_) => {}
        }
    }

    /// Cells of another image, tokenizer or size mean nothing.
    fn forget_cells(&mut self) {
        self.edits = Arc::default();
        self.locks = Arc::default();
        self.selection.cells = Arc::default();
    }

    fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::SelectCells(cells) => self.selection.cells = Arc::clone(cells),
            Edit::SelectCode(code) => self.selection.code = *code,
            Edit::PinCode(code) => {
                let mut pinned = self.selection.pinned.to_vec();
                match pinned.iter().position(|p| p == code) {
                    Some(at) => {
                        pinned.remove(at);
                    }
                    None => pinned.push(*code),
                }
                self.selection.pinned = pinned.into();
            }
            Edit::ForceCells { cells, code } => {
                self.force(cells.iter().map(|cell| (*cell, *code)));
            }
            Edit::ForceTokens(tokens) => self.force(tokens.iter().copied()),
            Edit::ReleaseCells(cells) => {
                let locks = Arc::clone(&self.locks);
                Arc::make_mut(&mut self.edits)
                    .retain(|cell, _| !cells.contains(cell) || locks.contains(cell));
            }
            Edit::LockCells { cells, locked } => {
                let locks = Arc::make_mut(&mut self.locks);
                for cell in cells.iter() {
                    if *locked {
                        locks.insert(*cell);
                    } else {
                        locks.remove(cell);
                    }
                }
            }
            Edit::ClearEdits => self.edits = Arc::default(),
            Edit::SwitchCode { code, on } => {
                let off = Arc::make_mut(&mut self.switched_off);
                if *on {
                    off.remove(code);
                } else {
                    off.insert(*code);
                }
            }
            Edit::ReplaceCode { .. } | Edit::Undo | Edit::Redo => {}
        }
    }

    fn force(&mut self, tokens: impl Iterator<Item = (Cell, u32)>) {
        let edits = Arc::make_mut(&mut self.edits);
        for (cell, code) in tokens {
            if !self.locks.contains(&cell) {
                edits.insert(cell, code);
            }
        }
    }

    fn look(&mut self, look: Look) {
        let looks = &mut self.looks;
        match look {
            Look::ColorBy(by) => looks.color_by = by,
            Look::TokenOpacity(opacity) => looks.token_opacity = opacity.clamp(0.0, 1.0),
            Look::Compare(mode) => looks.compare = mode,
            Look::Difference(kind) => looks.difference = kind,
            Look::ShowIds(show) => looks.show_ids = show,
        }
    }
}
