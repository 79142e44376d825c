//! Strokes of color on the picture of the tokens: each is encoded anew on the tokens that the one before left, so
//! that strokes in quick succession do not undo each other.

use std::sync::Arc;

use smalti_engine::questions::{BrushStroke, PaintTokens};
use smalti_engine::session::guard;

use super::Studio;
use super::strokes::Waiting;
use super::tokens::{nothing_open, tokens_now};
use crate::document::{Edit, Notice};
use crate::files::outcome::{Outcome, Painted};
use crate::look::words::{agreeing, counted};

impl Studio {
    /// A stroke on the picture is encoded anew when those before it are in the tokens.
    pub(super) fn paint(&mut self, stroke: BrushStroke) {
        let Some(on) = self.history.document().work_on() else {
            self.notices.add(nothing_open().into());
            return;
        };
        let number = self.history.number();
        self.strokes.waiting.push_back(Waiting { on, number, stroke });
        self.go_on_painting();
    }

    /// Begins the next stroke, on the document as it is now.
    fn go_on_painting(&mut self) {
        if self.strokes.is_at_work {
            return;
        }
        let now = (self.history.document().work_on(), self.history.number());
        let all = self.strokes.waiting.len();
        self.strokes.waiting.retain(|it| (Some(&it.on), it.number) == (now.0.as_ref(), now.1));
        let lost = all - self.strokes.waiting.len();
        if lost > 0 {
            let hint = "Open it again to paint there";
            let is = agreeing(lost, "is", "are");
            let summary =
                format!("{} {is} lost: something else is open by now", counted(lost, "stroke"));
            self.notices.add(Notice::warning(summary, hint));
        }
        let Some(first) = self.strokes.waiting.front() else { return };
        let (stroke, document) = (first.stroke.clone(), self.history.document().clone());
        let asker = self.session.asker();
        let started = self.keeping.background.alongside("painting", move || {
            let (edits, off) = (Arc::clone(&document.edits), Arc::clone(&document.switched_off));
            // Whatever happens to it, those behind it must go on.
            let answer = guard("painting", || {
                Ok(tokens_now(&document, &asker).and_then(|(tokens, _)| {
                    let model = document.model.clone();
                    asker.wait(&PaintTokens { tokens, model, stroke })
                }))
            });
            let tokens = match answer {
                Ok(Ok(tokens)) => Ok(tokens.as_slice().into()),
                Ok(Err(problem)) => Err(problem),
                Err(error) => Err(error.problem()),
            };
            Outcome::Painted(Box::new(Painted { tokens, edits, off }))
        });
        match started {
            Ok(()) => self.strokes.is_at_work = true,
            Err(error) => {
                // Nothing would begin those behind it.
                self.strokes.waiting.clear();
                self.notices.add(error.problem().into());
            }
        }
    }

    /// What the first stroke makes of the tokens is known; these may be others, or others' by now.
    pub(super) fn painted(&mut self, painted: Painted, ctx: &egui::Context) {
        self.strokes.is_at_work = false;
        let document = self.history.document();
        let is_here = self.strokes.waiting.front().is_some_and(|first| {
            document.work_on().as_ref() == Some(&first.on) && first.number == self.history.number()
        });
        let is_of_now = document.edits == painted.edits && document.switched_off == painted.off;
        // What was undone or forced meanwhile is below it: it is painted anew.
        if is_here && (is_of_now || painted.tokens.is_err()) {
            self.strokes.waiting.pop_front();
            match painted.tokens {
                Err(problem) => self.notices.add(problem.into()),
                Ok(tokens) if tokens.is_empty() => {
                    let hint = "Take a larger brush (]), or a color that differs more".to_owned();
                    let summary = "The stroke makes no token another one";
                    self.notices.add(Notice { hint, ..Notice::info(summary) });
                }
                Ok(tokens) => self.edit(&Edit::ForceTokens(tokens), ctx),
            }
        }
        self.go_on_painting();
    }
}
