//! Hands on what is generated: which of the document's tokens stay, and what a step's tokens become.

use std::collections::BTreeSet;
use std::sync::Arc;

use smalti_engine::generators::{Way, freed, kept_with_finest};
use smalti_engine::questions::{Given, ModelRef, OpenGenerator, OpenedPainter};
use smalti_engine::session::Reply;
use smalti_engine::tokens::{Cell, Tokens};

use super::ViewCtx;
use super::generated::Trace;
use super::trials::Trials;
use crate::document::{Asked, Generate, Region, Slot, ViewId};

/// How what is generated comes to where cells are selected.
pub const USE_GENERATED: &str =
    "\u{201c}Use as tokens\u{201d} in Generate brings the tokens of a step there";

/// What is asked of a generator, the generator, and tokens that it writes.
pub(super) type Fitting = (Arc<Asked>, Arc<OpenedPainter>, Arc<Tokens>);

impl ViewCtx<'_> {
    /// The generator that is open, as far as it is there.
    pub fn generator(&self) -> Option<Reply<OpenedPainter>> {
        let question = self.document.generating.asked.as_ref()?.opens();
        let reply = self.ask("generator", &question);
        Some(reply.last_for(|asked: &OpenGenerator| *asked == question))
    }

    /// What is asked next, with the locked and the forced cells of the document's tokens as those that stay.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn keeping_locked(&self) -> Result<Asked, String> {
        let document = self.document;
        if document.locks.is_empty() && document.edits.is_empty() {
            return Err("lock or force cells in Tokens first".to_owned());
        }
        let is_kept =
            |cell: Cell| document.locks.contains(&cell) || document.edits.contains_key(&cell);
        self.keeping(is_kept, None)
    }

    /// Why the selected cells cannot be written anew; none if they can. Costs no pass over the tokens.
    pub fn why_not_rewrite(&self) -> Option<String> {
        self.selected_and_free().and_then(|()| self.begins_at()).err()
    }

    /// The tokenizer whose tokens the generator writes, where it is only that the selected ones are another's that they
    /// cannot be written anew; none where it is not known here.
    pub fn tokenizer_to_rewrite(&self) -> Option<ModelRef> {
        self.selected_and_free().ok()?;
        let opened = self.generator()?.ready().cloned()?;
        let (own, hash) = (self.known()?, opened.maker.token_hash.as_deref()?);
        let tokenizer = opened.tokenizer.clone()?;
        (own.token_hash != hash && tokenizer != self.document.model).then_some(tokenizer)
    }

    /// What to do where cells have to be selected and none is.
    pub fn nothing_selected(&self) -> String {
        let words = "select cells of the token grid in Tokens first";
        // There is a grid in Generate, too, which looks as if one could.
        if self.is_seen(ViewId::Generate) && self.trace().is_some() {
            return format!("{words}: {USE_GENERATED}");
        }
        words.to_owned()
    }

    fn selected_and_free(&self) -> Result<(), String> {
        let document = self.document;
        let selected = &document.selection.cells;
        if selected.is_empty() {
            return Err(self.nothing_selected());
        }
        if selected.is_subset(&document.locks) {
            return Err("the selected cells are locked: unlock them first".to_owned());
        }
        Ok(())
    }

    /// What is asked of a generator, and the scale at which its freedom begins. Some of the selected cells lie there
    /// or in a finer one.
    fn begins_at(&self) -> Result<(Arc<Asked>, u16), String> {
        let (asked, opened, _) = self.fitting()?;
        let from = asked.begins_at(opened.config());
        let (selected, locks) = (&self.document.selection.cells, &self.document.locks);
        if selected.difference(locks).any(|cell| cell.part >= from) {
            return Ok((asked, from));
        }
        Err(format!(
            "the selected cells are of scales before scale {from}, which stay: begin at a coarser one in the settings \
             of Generate"
        ))
    }

    /// What is asked next, with all cells of the document's tokens as those that stay but the selected ones.
    /// Locked cells stay also where they are selected, and so do those of scales before the one at which freedom
    /// begins, and those that the share that is free leaves out.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn keeping_unselected(&self) -> Result<Asked, String> {
        self.selected_and_free()?;
        let (selected, locks) = (&self.document.selection.cells, &self.document.locks);
        let mut written: BTreeSet<Cell> = selected.difference(locks).copied().collect();
        let (asked, from) = self.begins_at()?;
        written.retain(|cell| cell.part >= from);
        written = freed(&written, asked.free, asked.seed).map_err(|error| error.to_string())?;
        self.keeping(|cell| !written.contains(&cell), Some(from))
    }

    /// What is asked of a generator that writes the document's tokens, and these.
    ///
    /// # Errors
    /// What is not there, or why they do not fit together, and what to do.
    pub(super) fn fitting(&self) -> Result<Fitting, String> {
        let model = self.document.model.label();
        let asked = self.document.generating.asked.as_ref().ok_or_else(|| {
            format!(
                "open a generator first, in the menu Generate: one that writes {model}'s tokens"
            )
        })?;
        let opened = match self.generator() {
            Some(Reply::Ready(opened)) => opened,
            Some(Reply::Failed(problem)) => {
                return Err(format!("{} {}", problem.summary, problem.hint));
            }
            Some(Reply::Working { .. }) | None => {
                return Err("the generator is not open yet".to_owned());
            }
        };
        let encoded = self.encoded(Slot::A).ok_or("open an image or tokens first")?;
        let encoded = encoded.ready().cloned().ok_or("the tokens are not worked out yet")?;
        let tokens = self.now(&encoded).ready().cloned();
        let tokens = tokens.ok_or("the tokens are not worked out yet")?;
        let (config, hash) = (opened.config(), opened.maker.token_hash.as_deref());
        let own = self.known().map(|facts| facts.token_hash.clone());
        if let (Some(own), Some(hash)) = (own, hash)
            && own != hash
        {
            let (generator, needs) = (asked.generator.label(), &opened.needs);
            return Err(format!(
                "the tokens are those of {model}, the generator {generator} writes {needs}'s: work with the \
                 tokenizer {needs}, or open a generator of {model}'s tokens in the menu Generate"
            ));
        }
        let size = tokens.first().codebook_size();
        let layout = tokens.layout();
        let lies_in = match (config.layout.as_slice(), layout.as_slice()) {
            ([own], [part]) => {
                part.frames == 1 && part.rows >= own.rows && part.columns >= own.columns
            }
            _ => layout == config.layout,
        };
        if !lies_in || size != config.codes {
            return Err(format!(
                "the tokens are {} of {size} codes, the generator writes {} of {}",
                tokens.words(),
                config.words(),
                config.codes
            ));
        }
        Ok((Arc::clone(asked), opened, tokens))
    }

    /// With scales a part of a picture stays only with what the coarser ones say of it (`frees` is none), and is
    /// written again only with them, down to the scale that `frees` names.
    pub(super) fn keeping(
        &self,
        is_kept: impl Fn(Cell) -> bool,
        frees: Option<u16>,
    ) -> Result<Asked, String> {
        let (asked, opened, tokens) = self.fitting()?;
        let config = opened.config();
        let mut stays: BTreeSet<Cell> =
            tokens.cells().map(|(cell, _)| cell).filter(|cell| is_kept(*cell)).collect();
        if config.way == Way::Var {
            let last = config.layout.len() - 1;
            let is_finest = |cell: &Cell| usize::from(cell.part) == last;
            let with_finest = kept_with_finest(&config.layout, &stays);
            match frees {
                None => stays.extend(with_finest),
                Some(from) if self.document.selection.cells.iter().any(is_finest) => {
                    let locks = &self.document.locks;
                    let is_before = |cell: &Cell| cell.part < from || locks.contains(cell);
                    stays.retain(|cell| {
                        is_finest(cell) || with_finest.contains(cell) || is_before(cell)
                    });
                }
                Some(_) => {}
            }
        }
        let part = tokens.first();
        let is_larger = tokens.layout() != config.layout;
        let grid = is_larger.then(|| (part.rows(), part.columns()));
        let kept = asked.keeping(&tokens, |cell| stays.contains(&cell));
        let kept = Asked { grid, ..kept };
        if kept.given.len() == tokens.len() {
            return Err("all cells would stay: there is nothing to write".to_owned());
        }
        Ok(kept)
    }

    /// The ways in which cells are being written anew, or were and are shown.
    pub fn trials(&self) -> Option<&Trials> {
        self.live.trials
    }

    /// Tokens that are being put somewhere; none where their codes are not known to be those of the tokenizer.
    pub fn pasting(&self) -> Option<&Arc<Region>> {
        let region = self.live.pasting?;
        // Not the facts that were known before: they may be another tokenizer's.
        let facts = self.facts(Slot::A)?.ready().cloned()?;
        (facts.token_hash == region.token_hash).then_some(region)
    }

    /// What is known of a generation.
    pub fn trace_of(&self, asked: &Asked) -> Option<&Trace> {
        self.live.generations.get(asked)
    }

    /// The command by which the tokens of the moment that is looked at become what is worked on.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn using_generated(&self) -> Result<Generate, String> {
        let nothing = || "generate something first".to_owned();
        let moment = self.document.generating.moment.as_ref().ok_or_else(nothing)?;
        let trace = self.trace().ok_or_else(nothing)?;
        let at = trace.at(moment);
        let tokens = trace.tokens(at).ok_or_else(nothing)?;
        let tokens = trace.opened.for_tokenizer(tokens).map_err(|error| error.to_string())?;
        if at == 0 && tokens.cells().all(|(_, code)| code.is_none()) {
            return Err("no token is written yet".to_owned());
        }
        let mut name = trace.asked.name();
        if at < trace.planned as usize {
            name = format!("{name}, step {at}");
        }
        let given = Given { name: name.into(), tokens, is_size_assumed: false, among: None };
        let Some(tokenizer) = trace.opened.tokenizer.clone() else {
            return Err(format!(
                "name the tokenizer of these tokens first: {}",
                trace.opened.needs
            ));
        };
        Ok(Generate::Use(Box::new(given), tokenizer))
    }
}
