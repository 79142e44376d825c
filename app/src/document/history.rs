//! Undo and redo by value: one entry for each finished interaction.

use std::sync::Arc;

use super::step::step;
use super::value::Document;

/// Values of the past and the undone future are kept up to this many.
const KEPT: usize = 200;

/// A value, and which of the sitting's documents it is one of: undo leads from one into another, and each
/// has a file of its own.
type Value = (Document, usize);

/// A value that a step leads from, or to, and what a person did by it, in words. They are found when it is done: what
/// is noted later belongs to no step.
type Step = (Value, Arc<str>);

/// What is called so while it goes on.
const GOES_ON: &str = "the last change";

/// The document now, what it was, and what it was before it was undone.
#[derive(Debug, Clone, Default)]
pub struct History {
    now: Value,
    past: Vec<Step>,
    future: Vec<Step>,
    /// The value before the interaction that is going on (a drag of a slider).
    before_interaction: Option<Value>,
}

impl History {
    /// Starts with a document and no past.
    pub fn new(document: Document) -> Self {
        Self { now: (document, 0), ..Self::default() }
    }

    /// The document now.
    pub fn document(&self) -> &Document {
        &self.now.0
    }

    /// Which of the sitting's documents it is: 0 for the first.
    pub fn number(&self) -> usize {
        self.now.1
    }

    /// Whether undo or redo leads to one of the sitting's documents, or it is the one now.
    pub fn has(&self, number: usize) -> bool {
        let steps = self.past.iter().chain(&self.future).map(|(value, _)| value);
        let mut values = steps.chain(&self.before_interaction).chain([&self.now]);
        values.any(|value| value.1 == number)
    }

    /// Goes on with another document; undo leads back into this one.
    pub fn open(&mut self, document: Document, number: usize) {
        self.finish_interaction();
        let before = std::mem::replace(&mut self.now, (document, number));
        self.enter(before);
    }

    /// Takes a new value in. While `interacting` (a button of the pointer is held down), changes
    /// gather into one entry; what is merely picked makes none.
    pub fn change(&mut self, next: Document, interacting: bool) {
        if next == self.now.0 {
            return;
        }
        let next = (next, self.now.1);
        let before = std::mem::replace(&mut self.now, next);
        if interacting {
            self.before_interaction.get_or_insert(before);
        } else {
            let before = self.before_interaction.take().unwrap_or(before);
            self.enter(before);
        }
    }

    /// The interaction is over: what changed during it becomes one entry.
    pub fn finish_interaction(&mut self) {
        if let Some(before) = self.before_interaction.take() {
            self.enter(before);
        }
    }

    /// Takes in what came without a change by a person: no step of its own, and what was noted stays, whatever is
    /// done again.
    pub fn note(&mut self, next: Document) {
        let number = self.now.1;
        for (value, _) in undone_of(&mut self.future, number) {
            value.variations = value.variations.with_noted_of(&next.variations);
        }
        self.now.0 = next;
    }

    /// What was begun by a change is there: it becomes part of that one, if it is the last, or a step of its own. What
    /// was undone can be done again, `with` it.
    pub fn complete(
        &mut self,
        next: Document,
        is_of_last: bool,
        with: impl Fn(&Document) -> Document,
    ) {
        if next == self.now.0 {
            return;
        }
        let number = self.now.1;
        for (value, _) in undone_of(&mut self.future, number) {
            *value = with(value);
            value.variations = value.variations.with_noted_of(&next.variations);
        }
        if is_of_last {
            self.now.0 = next;
            if let Some((before, words)) = self.past.last_mut() {
                *words = between(before, &self.now);
            }
            return;
        }
        let before = self.before_interaction.take();
        let last = std::mem::replace(&mut self.now.0, next);
        self.remember(before.unwrap_or((last, number)));
    }

    fn enter(&mut self, before: Value) {
        if before.1 == self.now.1 && !before.0.differs_beyond_selection(&self.now.0) {
            return;
        }
        self.remember(before);
        self.future.clear();
    }

    fn remember(&mut self, before: Value) {
        let words = between(&before, &self.now);
        self.past.push((before, words));
        if self.past.len() > KEPT {
            self.past.remove(0);
        }
    }

    /// What would be taken back, in words; none where there is nothing.
    pub fn undoes(&self) -> Option<String> {
        if self.before_interaction.is_some() {
            return Some(GOES_ON.to_owned());
        }
        self.past.last().map(|(_, words)| words.to_string())
    }

    /// What would be done again, in words; none where there is nothing.
    pub fn redoes(&self) -> Option<String> {
        self.future.last().map(|(_, words)| words.to_string())
    }

    /// Takes the last change back.
    pub fn undo(&mut self) {
        self.finish_interaction();
        if let Some((before, words)) = self.past.pop() {
            let after = std::mem::replace(&mut self.now, before);
            self.keep_runs(&after);
            if self.now.1 == after.1 {
                let variations = &self.now.0.variations;
                self.now.0.variations = variations.with_noted_of(&after.0.variations);
            }
            self.future.push((after, words));
        }
    }

    /// Does the last undone change again.
    pub fn redo(&mut self) {
        self.finish_interaction();
        if let Some((after, words)) = self.future.pop() {
            let before = std::mem::replace(&mut self.now, after);
            self.keep_runs(&before);
            self.past.push((before, words));
        }
    }

    /// A run goes on whatever is undone, and what was opened stays at hand, as the tool does.
    fn keep_runs(&mut self, latest: &Value) {
        if self.now.1 == latest.1 {
            self.now.0.runs.clone_from(&latest.0.runs);
            self.now.0.opened.clone_from(&latest.0.opened);
            self.now.0.generating.opened.clone_from(&latest.0.generating.opened);
            let (now, latest) = (&mut self.now.0.selection, &latest.0.selection);
            (now.tool, now.brush, now.color) = (latest.tool, latest.brush, latest.color);
        }
    }
}

/// What a person did from one value to the next.
fn between(before: &Value, after: &Value) -> Arc<str> {
    if before.1 == after.1 {
        step(&before.0, &after.0).into()
    } else {
        "open another document".into()
    }
}

/// What was undone of one of the sitting's documents.
fn undone_of(future: &mut [Step], number: usize) -> impl Iterator<Item = &mut Value> {
    future.iter_mut().map(|(value, _)| value).filter(move |value| value.1 == number)
}
