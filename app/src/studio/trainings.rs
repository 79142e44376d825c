//! Trainings that were asked for and do not go on yet, and those that scenes started.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::ctx::Preparing;
use crate::document::JobCommand;

/// What is known of trainings beside the document and what they told.
#[derive(Debug, Default)]
pub(super) struct Trainings {
    /// What was asked for and does not go on yet, oldest first.
    pub(super) preparing: Vec<Preparing>,
    /// How many were asked for so far.
    asked: u64,
    /// The folders of the runs that scenes started and that nobody branched from.
    pub(super) of_scenes: BTreeSet<PathBuf>,
}

impl Trainings {
    /// Takes what was asked for; its number, or none if the same is being prepared already.
    pub(super) fn ask(&mut self, asked: JobCommand, is_for_scene: bool) -> Option<u64> {
        if self.preparing.iter().any(|it| it.asked == asked && it.is_for_scene == is_for_scene) {
            return None;
        }
        self.asked += 1;
        self.preparing.push(Preparing { number: self.asked, asked, is_for_scene });
        Some(self.asked)
    }

    /// What was asked for is there, or cannot be.
    pub(super) fn end(&mut self, number: u64) -> Option<Preparing> {
        let at = self.preparing.iter().position(|it| it.number == number)?;
        Some(self.preparing.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{RecipeRef, Slot};

    #[test]
    fn what_is_being_prepared_is_not_prepared_again() {
        let mut trainings = Trainings::default();
        let train = || JobCommand::Train(RecipeRef::Shipped("collapse".into()));
        let first = trainings.ask(train(), false).unwrap();
        assert_eq!(trainings.ask(train(), false), None);
        assert!(trainings.ask(JobCommand::GoOn(Slot::A), false).is_some(), "that is another");
        assert!(trainings.ask(train(), true).is_some(), "a scene has one of its own");
        assert!(trainings.end(first).is_some_and(|ended| !ended.is_for_scene));
        assert!(trainings.ask(train(), false).is_some(), "it goes on: another one may come");
    }
}
