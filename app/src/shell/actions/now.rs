//! What actions may look at: what is open and selected, what runs, what views offer.

use std::collections::BTreeSet;
use std::sync::Arc;

use smalti_engine::questions::Encoded;
use smalti_engine::session::Question;
use smalti_engine::tokens::{Cell, Code, Tokens};

use crate::ctx::ViewCtx;
use crate::document::{PanelId, Slot};
use crate::settings::Settings;

/// What an action looks at to know what it does now. Nothing is worked out for it: it knows what is known.
#[derive(Debug)]
pub struct Now<'a> {
    /// What views may read.
    pub view: &'a ViewCtx<'a>,
    /// What was set once.
    pub settings: &'a Settings,
    /// What would be undone, and what done again, where there is something.
    pub history: (Option<String>, Option<String>),
    /// The panels of the window.
    pub panels: &'a [PanelId],
    /// Those of them that are in front.
    pub seen: &'a [PanelId],
    /// Whether the window presents.
    pub is_presenting: bool,
    /// Whether it does so for a hall, rather than for one person who is led.
    pub is_for_hall: bool,
    /// Whether the developer's panel is there.
    pub shows_timings: bool,
    /// Names of shipped tokenizers.
    pub models: &'a [String],
    /// Names of shipped generators.
    pub generators: &'a [String],
    /// Names of shipped recipes.
    pub recipes: &'a [String],
}

impl Now<'_> {
    /// The answer to a question, if it is there.
    pub(super) fn known<Q: Question>(&self, question: &Q) -> Option<Arc<Q::Answer>> {
        self.view.session.known(question)
    }

    /// The tokens before edits, if they are there.
    pub(super) fn encoded(&self) -> Option<Arc<Encoded>> {
        self.known(&self.view.encode_question(Slot::A)?)
    }

    /// The tokens with edits, or why there are none.
    pub(super) fn tokens(&self) -> Result<Tokens, String> {
        if self.view.document.subject.is_none() {
            return Err("open an image or tokens first".to_owned());
        }
        let encoded = self.encoded().ok_or("the tokens are not worked out yet")?;
        let tokens = self.view.tokens(&encoded);
        match self.view.document.without(&tokens) {
            None => Ok(tokens),
            // As they are seen: with others where codes are switched off.
            Some(question) => match self.known(&question) {
                Some(without) => Ok(Tokens::clone(&without)),
                None => Err("the tokens without codes are not worked out yet".to_owned()),
            },
        }
    }

    /// The selected cells, or that there are none.
    pub(super) fn cells(&self) -> Result<Arc<BTreeSet<Cell>>, String> {
        let cells = &self.view.document.selection.cells;
        if cells.is_empty() {
            return Err(self.view.nothing_selected());
        }
        Ok(Arc::clone(cells))
    }

    /// The selected code, or that there is none.
    pub(super) fn code(&self) -> Result<Code, String> {
        self.view.document.selection.code.ok_or_else(|| "select a code first".to_owned())
    }

    /// Whether a code can stand in the part that is looked at; if not, why.
    pub(super) fn fits(&self, code: Code) -> Result<(), String> {
        let tokens = self.tokens()?;
        let (_, part) = self.view.part(&tokens);
        if part.book() != code.book {
            return Err("the selected code is of another part's codebook".to_owned());
        }
        if code.number >= part.codebook_size() {
            return Err(format!("the codes are 0 to {}", part.codebook_size() - 1));
        }
        if self.view.document.switched_off.contains(&code) {
            return Err(format!("code {} is switched off", code.number));
        }
        Ok(())
    }
}
