//! What is counted over a whole set. That takes minutes, and goes on when the view that asked for it is not seen
//! any more: until it is done, or a person stops it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use smalti_engine::questions::{CodeUse, Sample, SourceRef};
use smalti_engine::session::{Lane, Session};

/// What is counted: of each view that wants it what it asked for last.
#[derive(Debug, Default)]
pub struct Counts(RefCell<BTreeMap<&'static str, CodeUse>>);

impl Counts {
    /// A view asks for something that is not known yet.
    pub(super) fn add(&self, view: &'static str, question: &CodeUse) {
        self.0.borrow_mut().insert(view, question.clone());
    }

    /// What is not done, each once.
    pub(crate) fn all(&self) -> Vec<CodeUse> {
        let mut found: Vec<CodeUse> = Vec::new();
        for question in self.0.borrow().values() {
            if !found.contains(question) {
                found.push(question.clone());
            }
        }
        found
    }

    /// The frame is over: what is not done is asked for again, though no view did. Only of the set that is to be
    /// counted whole; without one all of it is stopped.
    pub(crate) fn end_frame(&self, session: &Session, set: Option<&SourceRef>) {
        let is_wanted = |question: &CodeUse| match &question.sample {
            Sample::Set { sample, .. } => Some(&sample.source) == set,
            _ => false,
        };
        self.0.borrow_mut().retain(|_, question| {
            is_wanted(question) && session.ask(Lane::Later, question).is_working()
        });
    }
}
