//! Coarse scales of one picture with the fine ones of another: the other one is encoded on a thread of its own, and its
//! scales take their place when they are there.

use std::sync::Arc;

use smalti_engine::questions::{Encode, ImageRef, LoadImage, Subject};
use smalti_engine::session::{Asker, guard};
use smalti_engine::tokens::Cell;

use super::Studio;
use super::tokens::nothing_open;
use crate::document::{Edit, Notice, with_forced};
use crate::files::outcome::{Outcome, Scales};
use crate::look::words::{counted, name};

impl Studio {
    /// The coarse scales become those of something else when its tokens are there.
    pub(super) fn mix_scales(&mut self, from: Subject, through: u16) {
        let (document, number) = (self.history.document(), self.history.number());
        let Some(on) = document.work_on() else {
            self.notices.add(nothing_open().into());
            return;
        };
        let (size, model, subject) = (document.size, document.model.clone(), on.subject.clone());
        let asker = self.session.asker();
        let started = self.keeping.background.alongside("mixing scales", move || {
            let of = name_of(&from, &asker, size.side);
            // Whatever happens, it must be told: the end may wait for it.
            let tokens = guard("mixing scales", || {
                let encode =
                    |subject: Subject| asker.wait(&Encode { subject, size, model: model.clone() });
                Ok(encode(subject).and_then(|own| {
                    let other = encode(from)?;
                    match other.problem() {
                        Some(problem) => Err(problem.clone()),
                        None => Ok((own.tokens.clone(), other.tokens.clone())),
                    }
                }))
            });
            let tokens = tokens.unwrap_or_else(|error| Err(error.problem()));
            Outcome::Scales(Box::new(Scales { on, number, name: of, through, tokens }))
        });
        match started {
            Ok(()) => self.replacing += 1,
            Err(error) => self.notices.add(error.problem().into()),
        }
    }

    /// The tokens are known whose scales are taken; what is open may be something else by now.
    pub(super) fn mixed_scales(&mut self, scales: Scales, ctx: &egui::Context) {
        self.replacing = self.replacing.saturating_sub(1);
        self.take_scales(scales, ctx);
        self.quit_when_edited(ctx);
    }

    fn take_scales(&mut self, scales: Scales, ctx: &egui::Context) {
        let Scales { on, number, name, through, tokens } = scales;
        let (own, other) = match tokens {
            Ok(tokens) => tokens,
            Err(problem) => {
                self.notices.add(problem.into());
                return;
            }
        };
        let document = self.history.document();
        if document.work_on().as_ref() != Some(&on) || number != self.history.number() {
            let hint = "Open it again to take them there";
            let summary = format!("No scale of {name} was taken: something else is open by now");
            self.notices.add(Notice::warning(summary, hint));
            return;
        }
        if own.layout() != other.layout() {
            let (theirs, here) = (other.words(), own.words());
            let summary =
                format!("No scale was taken: the tokens of {name} are {theirs}, not {here}");
            self.notices.add(Notice::warning(summary, "Work at a square size, such as 256×256"));
            return;
        }
        let now = with_forced(&own, &document.edits);
        let pairs = now.cells().zip(other.cells());
        let is_taken = |cell: &Cell| cell.part <= through;
        let changes: Arc<[(Cell, u32)]> = pairs
            .filter(|((cell, own), (_, other))| is_taken(cell) && own != other)
            .filter_map(|(_, (cell, code))| Some((cell, code?)))
            .collect();
        let locked = changes.iter().filter(|(cell, _)| document.locks.contains(cell)).count();
        let count = changes.len() - locked;
        let scales = counted(usize::from(through) + 1, "coarse scale");
        let words = format!("{scales} of {name}: {} with another token", counted(count, "cell"));
        self.notices.add(Notice::info(words));
        self.edit(&Edit::ForceTokens(changes), ctx);
    }
}

/// What a person calls something. Waits.
fn name_of(subject: &Subject, asker: &Asker, side: u32) -> String {
    match subject {
        Subject::Tokens(given) => given.name.to_string(),
        Subject::Image(ImageRef::File { path, .. }) => name(path),
        Subject::Image(ImageRef::Pasted(_)) => "the pasted image".to_owned(),
        Subject::Image(image @ ImageRef::InSource { index, .. }) => {
            let question = LoadImage { image: image.clone(), paint_side: side };
            let known = asker.wait(&question);
            known.map_or_else(|_| format!("image {}", index + 1), |known| known.name.clone())
        }
    }
}
