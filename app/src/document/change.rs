//! What commands do to a document.

use std::sync::Arc;

use smalti_engine::questions::{Given, ModelRef, Subject};
use smalti_engine::tokens::Cell;

use super::command::{Command, Edit, Look, Open};
use super::generating::Generate;
use super::selecting::LARGEST_BRUSH;
use super::slot::Slot;
use super::value::Document;
use super::work::{Work, WorkOn};

impl Document {
    /// The document after a command. Commands that are not about the document leave it as it is;
    /// [`Edit::ReplaceCode`], [`Edit::MixScales`] and [`Edit::SelectAllCells`] need the encoded grid and are resolved before they
    /// come here.
    #[must_use]
    pub fn after(&self, command: &Command) -> Self {
        let mut next = self.clone();
        match command {
            Command::Open(open) => next.open(open),
            Command::Edit(edit) => next.edit(edit),
            Command::Look(look) => next.look(*look),
            Command::Generate(generate) => next.generate(generate),
            Command::Race(race) => next.race.after(race),
            Command::Layout(_) | Command::Job(_) | Command::App(_) => {}
        }
        next
    }

    fn open(&mut self, open: &Open) {
        match open {
            Open::Image(image) => {
                self.opened.note_image(image);
                self.work_with(|d| d.subject = Some(image.clone().into()));
            }
            Open::Tokens(given) => {
                self.work_with(|d| d.subject = Some(Subject::Tokens(given.clone())));
            }
            Open::Source(source) => {
                // To count all of one says nothing of another, which may have millions.
                self.looks.whole_set &= self.source == *source;
                self.source = source.clone();
            }
            Open::Model(Slot::A, model) => {
                self.opened.note_model(model);
                if self.model != *model {
                    self.leave_tokenizer_for(model);
                    self.work_with(|d| d.model = model.clone());
                }
            }
            Open::Model(slot, model) => {
                self.opened.note_model(model);
                self.set_other(*slot, Some(model.clone()));
            }
            Open::Generator(generator) => self.generating.open(generator),
            Open::Checkpoint(model) => self.checkpoint.clone_from(model),
            Open::NoModel(slot) => self.set_other(*slot, None),
            Open::Run(slot, run) => self.runs[*slot as usize] = Some(run.clone()),
            Open::NoRun(slot) => self.runs[*slot as usize] = None,
            Open::Size(size) => self.work_with(|d| d.size = *size),
            Open::CloseImage(image) => self.opened.close_image(image),
            Open::Keep(model) => self.opened.note_model(model),
            Open::CloseModel(model) => self.opened.close_model(model),
            Open::Moved(moved) => self.take_as_moved(moved),
            // With the disk looked at, these become others.
            Open::Path(_)
            | Open::TokensAs(..)
            | Open::ModelAgain(..)
            | Open::ImageAgain(_)
            | Open::GeneratorAgain(_) => {}
        }
    }

    fn generate(&mut self, generate: &Generate) {
        self.generating.after(generate);
        if let Generate::Use(given, model) = generate {
            if self.model != *model {
                self.open(&Open::Model(Slot::A, model.clone()));
            }
            self.open(&Open::Tokens(Given::clone(given)));
            self.note_generated();
        }
        if let Generate::Take(sampled) = generate {
            self.take(sampled);
        }
    }

    fn set_other(&mut self, slot: Slot, model: Option<ModelRef>) {
        if let Some(other) = slot.other() {
            self.others[other] = model;
        }
    }

    /// Another tokenizer's codes are other codes: those that are switched off are kept with theirs, and those of
    /// the new one are off again.
    fn leave_tokenizer_for(&mut self, model: &ModelRef) {
        let mut kept = self.off_elsewhere.to_vec();
        let off = std::mem::take(&mut self.switched_off);
        kept.retain(|(known, _)| *known != self.model);
        if !off.is_empty() {
            kept.push((self.model.clone(), off));
        }
        let at = kept.iter().position(|(known, _)| known == model);
        self.switched_off = at.map(|at| kept.remove(at).1).unwrap_or_default();
        self.off_elsewhere = kept.into();
        self.checkpoint = None;
        self.selection = self.selection.emptied();
    }

    /// Changes what is worked on. Cells of another image, tokenizer or size mean nothing: what was
    /// done to them is kept aside, and what was done to the new ones before is there again.
    fn work_with(&mut self, change: impl FnOnce(&mut Self)) {
        let (before, work) = (self.work_on(), self.work());
        change(self);
        let now = self.work_on();
        if now == before {
            return;
        }
        let at = self.kept.iter().position(|(on, _)| Some(on) == now.as_ref());
        let before = before.filter(|_| !work.is_empty());
        let found = at.map(|at| self.kept[at].1.clone()).unwrap_or_default();
        // Looking through images leaves what is kept the same value.
        if at.is_some() || before.is_some() {
            let mut kept: Vec<(WorkOn, Work)> = self.kept.to_vec();
            if let Some(at) = at {
                kept.remove(at);
            }
            kept.extend(before.map(|before| (before, work)));
            self.kept = kept.into();
        }
        let work = found;
        (self.edits, self.locks) = (work.edits, work.locks);
        self.selection.cells = Arc::default();
        self.selection.part = None;
    }

    fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::SelectCells(cells) => self.selection.cells = Arc::clone(cells),
            Edit::Deselect => {
                self.selection.cells = Arc::default();
                self.selection.select_code(None);
            }
            Edit::SelectCode(code) => self.selection.select_code(*code),
            Edit::SelectCodes(code, codes) => {
                self.selection.select_code(Some(*code));
                if codes.len() > 1 {
                    self.selection.codes = Arc::clone(codes);
                }
            }
            Edit::SelectPart(part) => {
                // Cells of a part that is out of sight would be forced unseen.
                self.selection.cells = Arc::default();
                self.selection.part = *part;
            }
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
            Edit::ReleaseAll => {
                let locks = Arc::clone(&self.locks);
                Arc::make_mut(&mut self.edits).retain(|cell, _| locks.contains(cell));
            }
            Edit::SwitchCodes { codes, on } => {
                let off = Arc::make_mut(&mut self.switched_off);
                if *on {
                    off.retain(|code| !codes.contains(code));
                } else {
                    off.extend(codes.iter().copied());
                }
            }
            Edit::SwitchAllOn => self.switched_off = Arc::default(),
            Edit::Hold(tool) => self.selection.tool = *tool,
            Edit::Brush(cells) => self.selection.brush = (*cells).min(LARGEST_BRUSH),
            Edit::Color(color) => self.selection.color = *color,
            Edit::UseStart => self.use_start(),
            Edit::KeepVariation => self.keep_variation(),
            Edit::UseVariation(number) => self.use_variation(*number),
            Edit::DropVariation(number) => self.drop_variation(*number),
            // With the tokens looked at, these become others.
            Edit::ReplaceCode { .. }
            | Edit::Paint(_)
            | Edit::MixScales { .. }
            | Edit::SelectAllCells
            | Edit::Undo
            | Edit::Redo => {}
        }
    }

    /// How many cells an edit of cells leaves alone because they are locked.
    pub fn stopped_by_locks(&self, edit: &Edit) -> usize {
        match edit {
            Edit::ForceCells { cells, .. } => self.locks.intersection(cells).count(),
            Edit::ForceTokens(tokens) => {
                tokens.iter().filter(|(cell, _)| self.locks.contains(cell)).count()
            }
            Edit::ReleaseCells(cells) => {
                let locked = self.locks.intersection(cells);
                locked.filter(|cell| self.edits.contains_key(cell)).count()
            }
            Edit::ReleaseAll => self.locked_edits(),
            _ => 0,
        }
    }

    pub(super) fn force(&mut self, tokens: impl Iterator<Item = (Cell, u32)>) {
        let edits = Arc::make_mut(&mut self.edits);
        for (cell, code) in tokens {
            if !self.locks.contains(&cell) {
                edits.insert(cell, code);
            }
        }
    }

    /// Keeps the work as it is as a variation of the one that it was made from.
    fn keep_variation(&mut self) {
        if let Some(on) = self.work_on() {
            let off = Arc::clone(&self.switched_off);
            self.variations = self.variations.keep(on, self.work(), off);
        }
    }

    /// Goes back to a variation: its work on what it was done to.
    fn use_variation(&mut self, number: usize) {
        let Some(variation) = self.variations.all().get(number).cloned() else { return };
        let WorkOn { subject, size, model } = variation.on;
        let is_given = subject.image().is_none();
        if self.model != model {
            self.leave_tokenizer_for(&model);
        }
        let before = self.work_on();
        self.work_with(|d| {
            d.subject = Some(subject);
            d.model = model;
            if !is_given {
                d.size = size;
            }
        });
        // What was done there since, out of sight, becomes a variation of its own rather than being lost.
        let now = self.work_on();
        let is_kept = |v: &super::variations::Variation| {
            v.is_of(&self.work(), &self.switched_off) && Some(&v.on) == now.as_ref()
        };
        let has_work = !(self.work().is_empty() && self.switched_off.is_empty());
        if now != before && has_work && !self.variations.all().iter().any(is_kept) {
            self.keep_variation();
        }
        // It stays whatever is noted now.
        let base = self.variations.base();
        self.variations = self.variations.based_on(number);
        if now == before {
            self.note_by_hand(base);
        }
        (self.edits, self.locks) = (variation.work.edits, variation.work.locks);
        // Of one that was kept before this was, nobody knows which codes were off: they stay as they are.
        if let Some(off) = variation.off {
            self.switched_off = off;
        }
    }

    /// Drops a variation; those that were made from it stay.
    fn drop_variation(&mut self, number: usize) {
        self.variations = self.variations.without(number);
    }

    fn look(&mut self, look: Look) {
        let looks = &mut self.looks;
        match look {
            Look::ColorBy(by) => looks.color_by = by,
            Look::TokenOpacity(opacity) => looks.token_opacity = opacity.clamp(0.0, 1.0),
            Look::Compare(mode) => looks.compare = mode,
            Look::Pair(pair) => looks.pair = pair,
            Look::Difference(kind) => looks.difference = kind,
            Look::ShowIds(show) => looks.show_ids = show,
            Look::WholeDecoding(whole) => looks.edited.whole_decoding = whole,
            Look::Moved(shown) => looks.edited.moved = shown,
            Look::Again(shown) => looks.edited.again = shown,
            Look::Adds(adds) => looks.adds = adds,
            Look::WholeSet(whole) => looks.whole_set = whole,
            Look::Rates(rates) => looks.rates = rates,
        }
    }
}
