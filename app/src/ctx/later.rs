//! What a view asks for that may take minutes.

use std::hash::Hash;

use smalti_engine::session::{Lane, Question, Reply};

use super::{ViewCtx, place_number};

impl ViewCtx<'_> {
    /// As [`ViewCtx::ask`], for what may take minutes: nothing that is seen waits for it. It is dropped when the view
    /// is not seen any more.
    pub fn ask_later<Q: Question>(&self, place: impl Hash, question: &Q) -> Reply<Q::Answer> {
        self.session.ask_at(place_number(&place), Lane::Later, question)
    }
}
