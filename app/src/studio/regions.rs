//! Regions of tokens on their way to the clipboard and back.

use std::sync::Arc;

use smalti_engine::questions::ModelInfo;
use smalti_engine::session::{Lane, Reply};

use super::Studio;
use crate::document::{Command, Layout, Notice, Region, ViewId};
use crate::look::words::counted;
use crate::shell::actions::copied_tokens;

impl Studio {
    /// The copied tokens are those that are selected; what is copied otherwise, such as text, is left alone.
    pub(super) fn copied(&self) -> Vec<Command> {
        if self.history.document().selection.cells.is_empty() {
            return Vec::new();
        }
        self.with_now(|now| match copied_tokens(now) {
            Ok(commands) => commands,
            Err(why) => vec![Notice::info(format!("No tokens were copied: {why}")).into()],
        })
    }

    /// A region of tokens is to be put somewhere, if its codes are those of the tokenizer.
    pub(super) fn paste_tokens(&mut self, region: Option<Arc<Region>>) {
        let Some(region) = region else {
            self.pasting = None;
            return;
        };
        let document = self.history.document();
        if document.subject.is_none() {
            let hint = "Open an image that they are to be put into first";
            self.notices.add(Notice::warning("There is nothing to paste tokens into", hint));
            return;
        }
        let model = document.model.clone();
        let name = document.name_of(&model);
        let Some(facts) = self.session.known(&ModelInfo { model }) else {
            let hint = "Wait until the tokenizer is open, and paste again";
            self.notices.add(Notice::warning("No tokens were pasted yet", hint));
            return;
        };
        if facts.token_hash != region.token_hash {
            let theirs = &region.tokenizer;
            let summary =
                format!("The copied tokens are those of {theirs}, these here are those of {name}");
            let hint = format!("Work with the tokenizer {theirs} here, or copy tokens of {name}");
            self.notices.add(Notice::error(summary, hint));
            return;
        }
        let tokens = counted(region.cells.len(), "token");
        let hint = "Click where they go; Escape drops them".to_owned();
        self.notices.add(Notice { hint, ..Notice::info(format!("{tokens} to be put somewhere")) });
        self.pasting = Some(region);
        self.send(Layout::Show(ViewId::Tokens));
    }

    /// What is being put somewhere is dropped where its codes mean something else: the tokenizer may be another one by
    /// now, and so may the document.
    pub(super) fn go_on_pasting(&mut self) {
        let Some(region) = &self.pasting else { return };
        let document = self.history.document();
        let model = document.model.clone();
        let name = document.name_of(&model);
        // While that is not known the views offer nothing.
        let facts = match self.session.ask(Lane::Now, &ModelInfo { model }) {
            Reply::Working { .. } => return,
            Reply::Ready(facts) => Some(facts),
            Reply::Failed(_) => None,
        };
        if facts.is_some_and(|facts| facts.token_hash == region.token_hash) {
            return;
        }
        let summary = format!(
            "The copied tokens are put nowhere: they are those of {}, these here are those of {name}",
            region.tokenizer
        );
        let hint = format!("Work with the tokenizer {} again, and paste them", region.tokenizer);
        self.notices.add(Notice { hint, ..Notice::info(summary) });
        self.pasting = None;
    }
}
