//! What generators wrote into the tokens that are worked on: it stands there as if it was forced, and what was there
//! before and what came of it are noted in the tree of variations.

use std::sync::Arc;

use smalti_engine::questions::Subject;
use smalti_engine::tokens::Cell;

use super::generating::{Asked, Moment, Sampled};
use super::value::Document;
use super::variations::{BY_HAND, Variation};
use super::work::WorkOn;

/// Whether tokens are those of a generation after its last step: a step of it is called otherwise.
fn is_whole(on: &WorkOn, asked: &Asked) -> bool {
    matches!(&on.subject, Subject::Tokens(given) if *given.name == *asked.name())
}

impl Sampled {
    /// Without the cells that a person forced, released or locked since it was `begun`, and how many those are.
    #[must_use]
    pub fn beside_hands(&self, begun: &Document, now: &Document) -> (Self, usize) {
        let is_free =
            |cell: &Cell| begun.edits.get(cell) == now.edits.get(cell) && !now.locks.contains(cell);
        let tokens: Arc<[_]> =
            self.tokens.iter().copied().filter(|(cell, _)| is_free(cell)).collect();
        let left = self.tokens.len() - tokens.len();
        // Also where what was written is what stood there.
        let made = begun.edits.keys().chain(now.edits.keys());
        let is_made = |cell: &&Cell| {
            !self.asked.given.contains_key(*cell) && begun.edits.get(*cell) != now.edits.get(*cell)
        };
        let by_hand = Arc::new(made.filter(is_made).copied().collect());
        (Self { tokens, by_hand, ..self.clone() }, left)
    }
}

impl Document {
    /// With a state in the tree that came of it, without going there.
    #[must_use]
    pub fn noting(&self, sampled: &Sampled) -> Self {
        let mut next = self.clone();
        next.note(sampled);
        next
    }

    /// What was written takes its place. Locked cells stay. Of something else than is worked on it does nothing.
    pub(super) fn take(&mut self, sampled: &Sampled) {
        let Some(number) = self.note(sampled) else { return };
        self.force(sampled.tokens.iter().copied());
        self.generating.moment = Some(Moment { asked: Arc::clone(&sampled.asked), steps: None });
        self.variations = self.variations.based_on(number);
    }

    /// With what was written since, in a state that was undone: what was forced or released there, compared with the
    /// state in which it is taken, stays.
    #[must_use]
    pub fn with_taken(&self, sampled: &Sampled, taken_in: &Self) -> Self {
        let is_free = |cell: &Cell| self.edits.get(cell) == taken_in.edits.get(cell);
        let mut next = self.clone();
        if self.work_on().as_ref() == Some(&sampled.on) {
            next.force(sampled.tokens.iter().copied().filter(|(cell, _)| is_free(cell)));
        }
        next
    }

    /// Notes what came of it below what it came of; gives its number.
    fn note(&mut self, sampled: &Sampled) -> Option<usize> {
        let on = self.work_on().filter(|on| *on == sampled.on)?;
        self.note_by_hand(self.variations.base());
        let (before, off) = (self.work(), Arc::clone(&self.switched_off));
        let is_start = before.edits.is_empty() && off.is_empty();
        let parent = if is_start {
            self.generated_whole(&on)
        } else {
            self.variations.number_of(&on, &before, &off)
        };
        let mut after = self.clone();
        after.force(sampled.tokens.iter().copied());
        let asked = Some(Arc::clone(&sampled.asked));
        let what = sampled.what();
        let by_hand = Arc::clone(&sampled.by_hand);
        let next = Variation { parent, asked, by_hand, ..after.state(on, &what) };
        let (variations, number) = self.variations.note(next);
        self.variations = variations;
        Some(number)
    }

    /// Tokens of a whole generation are what is worked on now: what was asked for is noted, so that it is known later how
    /// they came about.
    pub(super) fn note_generated(&mut self) {
        let Some(asked) = self.generating.moment.as_ref().map(|moment| Arc::clone(&moment.asked))
        else {
            return;
        };
        let Some(on) = self.work_on().filter(|on| is_whole(on, &asked)) else { return };
        let state = Variation { asked: Some(Arc::clone(&asked)), ..self.state(on, &asked.name()) };
        self.variations = self.variations.note(state).0;
    }

    /// The number of the state that is a whole generation, which these tokens were before anything was done to them.
    fn generated_whole(&self, on: &WorkOn) -> Option<usize> {
        let is_it = |state: &Variation| {
            let is_whole = state.asked.as_ref().is_some_and(|asked| is_whole(on, asked));
            state.on == *on && state.work.edits.is_empty() && is_whole
        };
        self.variations.all().iter().position(is_it)
    }

    /// The state of what is worked on, to be noted by these words.
    pub(super) fn state(&self, on: WorkOn, what: &str) -> Variation {
        Variation {
            name: "".into(),
            parent: None,
            on,
            work: self.work(),
            off: Some(Arc::clone(&self.switched_off)),
            noted: Some(what.into()),
            asked: None,
            by_hand: Arc::default(),
        }
    }

    /// Notes what was done by hand since `base`, before something takes its place; the start, to which nothing was
    /// done, and what is in the tree already are not noted again.
    pub(super) fn note_by_hand(&mut self, base: Option<usize>) {
        let (Some(on), work) = (self.work_on(), self.work()) else { return };
        let is_start = work.edits.is_empty() && self.switched_off.is_empty();
        if is_start || self.variations.number_of(&on, &work, &self.switched_off).is_some() {
            return;
        }
        let parent = base.filter(|at| self.variations.all()[*at].on == on);
        let by_hand = Variation { parent, ..self.state(on, BY_HAND) };
        self.variations = self.variations.note(by_hand).0;
    }

    /// The states that generators wrote and that the work came of, the first one first. What was done by hand
    /// since stands over them.
    pub fn written(&self) -> Vec<&Variation> {
        let (Some(on), all) = (self.work_on(), self.variations.all()) else { return Vec::new() };
        // Of what is not looked at nobody keeps from which state it is worked on: the last one that is in it.
        let is_in_it = |state: &Variation| {
            let mut tokens = state.work.edits.iter();
            tokens.all(|(cell, code)| self.edits.get(cell) == Some(code))
        };
        let last = || {
            let is_it =
                |state: &Variation| state.on == on && state.asked.is_some() && is_in_it(state);
            all.iter().rposition(is_it).filter(|_| !self.edits.is_empty())
        };
        let exact = self.variations.number_of(&on, &self.work(), &self.switched_off);
        let base = self.variations.base().filter(|base| all[*base].on == on);
        let mut at = exact.or(base).or_else(last);
        let mut states = Vec::new();
        while let Some(state) = at.map(|at| &all[at]) {
            at = state.parent.filter(|parent| Some(*parent) < at);
            if state.asked.is_some() && state.on == on {
                states.push(state);
            }
        }
        let whole = self.generated_whole(&on).map(|whole| &all[whole]);
        let is_new = |whole: &&Variation| !states.iter().any(|state| std::ptr::eq(*state, *whole));
        states.extend(whole.filter(is_new));
        states.reverse();
        states
    }

    /// Goes back to the start: nothing is forced or switched off in what is worked on. Locks, which forbid changes
    /// and are none, stay; what was done by hand is noted.
    pub(super) fn use_start(&mut self) {
        self.note_by_hand(self.variations.base());
        (self.edits, self.switched_off) = (Arc::default(), Arc::default());
        self.variations = self.variations.based_on_none();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use smalti_engine::questions::{ImageRef, ModelRef, SourceRef};

    use super::*;
    use crate::document::variations::MOST_NOTED;
    use crate::document::{Asked, Edit, Generate, History, Open};

    fn image(index: u64) -> Document {
        let image = ImageRef::InSource { source: SourceRef::Samples, index };
        Document::default().after(&Open::Image(image).into())
    }

    fn cells(columns: &[usize]) -> Arc<BTreeSet<Cell>> {
        Arc::new(columns.iter().map(|column| Cell::at(0, *column)).collect())
    }

    fn sampled(document: &Document, seed: u64, tokens: &[(usize, u32)]) -> Sampled {
        let asked = Asked { seed, ..Asked::of(ModelRef::Shipped("worlds-maskgit".into())) };
        let tokens = tokens.iter().map(|(column, code)| (Cell::at(0, *column), *code));
        Sampled {
            on: document.work_on().unwrap(),
            asked: Arc::new(asked),
            cells: tokens.len(),
            tokens: tokens.collect(),
            by_hand: Arc::default(),
        }
    }

    fn take(document: &Document, sampled: &Sampled) -> Document {
        document.after(&Generate::Take(Box::new(sampled.clone())).into())
    }

    #[test]
    fn what_is_taken_is_a_branch_of_what_it_came_of_and_nothing_locked_changes() {
        let start = image(0);
        let force = Edit::ForceCells { cells: cells(&[4]), code: 9 };
        let lock = Edit::LockCells { cells: cells(&[1, 4]), locked: true };
        let by_hand = start.after(&force.into()).after(&lock.into());
        let one = take(&by_hand, &sampled(&by_hand, 3, &[(0, 5), (1, 6), (4, 7)]));
        assert_eq!(one.edits.get(&Cell::at(0, 0)), Some(&5));
        assert_eq!(one.edits.get(&Cell::at(0, 1)), None, "it is locked");
        assert_eq!(one.edits.get(&Cell::at(0, 4)), Some(&9), "it is locked");
        assert_eq!(one.locks, by_hand.locks);
        let all = one.variations.all();
        assert_eq!(all.len(), 2, "what was done by hand, and what came of it");
        assert_eq!((&all[0].work, all[0].parent), (&by_hand.work(), None));
        assert_eq!((&all[1].work, all[1].parent), (&one.work(), Some(0)));
        assert_eq!(one.variations.base(), Some(1));
        // Another one of the same state is beside it.
        let back = one.after(&Edit::UseVariation(0).into());
        assert_eq!(back.work(), by_hand.work());
        let two = take(&back, &sampled(&back, 4, &[(0, 8)]));
        assert_eq!(two.variations.all()[2].parent, Some(0));
        assert_eq!(two.after(&Edit::UseVariation(1).into()).work(), one.work());
        let at_start = two.after(&Edit::UseStart.into());
        assert_eq!((&at_start.edits, &at_start.locks), (&start.edits, &by_hand.locks));
        assert_eq!(at_start.variations.all(), two.variations.all(), "all of it was noted before");
    }

    #[test]
    fn what_was_done_by_hand_is_noted_before_a_state_of_history_takes_its_place() {
        let start = image(0);
        let force = |column: usize| Edit::ForceCells { cells: cells(&[column]), code: 9 };
        let lock = Edit::LockCells { cells: cells(&[4]), locked: true };
        let kept = start.after(&force(0).into()).after(&Edit::KeepVariation.into());
        let by_hand = kept.after(&force(1).into()).after(&lock.clone().into());
        for gone in [Edit::UseStart, Edit::UseVariation(0)] {
            let there = by_hand.after(&gone.into());
            let all = there.variations.all();
            let parents: Vec<_> = all.iter().map(|state| state.parent).collect();
            assert_eq!(parents, [None, Some(0)]);
            assert_eq!(all[1].work, by_hand.work());
            let back = there.after(&Edit::UseVariation(1).into());
            assert_eq!(back.work(), by_hand.work());
            assert_eq!(back.variations.all(), all, "going to and fro notes nothing more");
        }
        assert_eq!(by_hand.after(&Edit::UseVariation(0).into()).variations.base(), Some(0));
        // Locks alone are no state, and stay where the start is now.
        let locked = start.after(&lock.into());
        assert_eq!(locked.after(&Edit::UseStart.into()), locked);
    }

    #[test]
    fn a_state_that_is_gone_to_is_not_the_one_that_makes_room() {
        let start = image(0);
        let mut now = start.clone();
        for seed in 0..MOST_NOTED as u64 {
            now = now.noting(&sampled(&start, seed, &[(0, seed as u32)]));
        }
        let first = now.variations.all()[0].clone();
        let by_hand = now.after(&Edit::ForceCells { cells: cells(&[7]), code: 1 }.into());
        let there = by_hand.after(&Edit::UseVariation(0).into());
        assert_eq!(there.work(), first.work);
        let base = there.variations.base().unwrap();
        assert_eq!(there.variations.all()[base].name, first.name);
        let noted = there.variations.all().iter().filter(|state| state.noted.is_some());
        assert_eq!(noted.count(), MOST_NOTED);
        assert!(there.variations.all().iter().any(|state| state.work == by_hand.work()));
    }

    #[test]
    fn what_a_person_did_while_it_was_written_stays() {
        let start = image(0).after(&Edit::ForceCells { cells: cells(&[0, 3]), code: 9 }.into());
        let written = sampled(&start, 3, &[(0, 5), (1, 6), (2, 7), (3, 8), (4, 4)]);
        let force = Edit::ForceCells { cells: cells(&[1]), code: 2 };
        let lock = Edit::LockCells { cells: cells(&[2]), locked: true };
        let release = Edit::ReleaseCells(cells(&[3]));
        let now = start.after(&force.into()).after(&lock.into()).after(&release.into());
        let (rest, left) = written.beside_hands(&start, &now);
        assert_eq!((&*rest.tokens, left), (&[(Cell::at(0, 0), 5), (Cell::at(0, 4), 4)][..], 3));
        assert_eq!(rest.by_hand, cells(&[1, 3]), "that one is locked the document says itself");
        let after = take(&now, &rest);
        let codes = |column: usize| after.edits.get(&Cell::at(0, column)).copied();
        assert_eq!([0, 1, 2, 3, 4].map(codes), [Some(5), Some(2), None, None, Some(4)]);
        assert_eq!(written.beside_hands(&start, &start), (written.clone(), 0));
    }

    #[test]
    fn what_generators_wrote_is_known_with_what_they_were_asked_in_the_order_it_was_done() {
        let start = image(0);
        assert!(start.written().is_empty());
        let noted = start.noting(&sampled(&start, 9, &[(6, 1)]));
        assert!(noted.written().is_empty(), "it was not taken");
        let one = take(&noted, &sampled(&noted, 3, &[(0, 5), (1, 6)]));
        let by_hand = one.after(&Edit::ForceCells { cells: cells(&[4]), code: 9 }.into());
        let two = take(&by_hand, &sampled(&by_hand, 4, &[(1, 7)]));
        let seeds = |document: &Document| -> Vec<u64> {
            let states = document.written().into_iter();
            states.filter_map(|state| Some(state.asked.as_ref()?.seed)).collect()
        };
        assert_eq!(seeds(&two), [3, 4]);
        assert_eq!(seeds(&one), [3]);
        let later = two.after(&Edit::ForceCells { cells: cells(&[5]), code: 2 }.into());
        assert_eq!(seeds(&later), [3, 4], "what is done by hand stands over it");
        let other = ImageRef::InSource { source: SourceRef::Samples, index: 1 };
        assert!(seeds(&two.after(&Open::Image(other).into())).is_empty());
    }

    #[test]
    fn what_is_noted_is_gone_to_by_taking_it_and_stays_beside_what_is_taken() {
        let start = image(0);
        let four: Vec<Sampled> = (0..4).map(|n| sampled(&start, n, &[(0, n as u32 + 1)])).collect();
        let noted = four.iter().fold(start.clone(), |document, one| document.noting(one));
        assert_eq!((noted.edits.len(), noted.variations.all().len()), (0, 4));
        let taken = take(&noted, &four[2]);
        assert_eq!(taken.variations.all().len(), 4, "it was noted already");
        assert_eq!(taken.variations.base(), Some(2));
        assert_eq!(taken.edits.get(&Cell::at(0, 0)), Some(&3));
        let elsewhere = image(1);
        assert_eq!(take(&elsewhere, &four[0]), elsewhere, "of another image");
    }

    #[test]
    fn what_was_sampled_stays_in_the_tree_when_it_is_undone_and_redo_brings_it_back() {
        let start = image(0);
        let mut history = History::new(start.clone());
        let one = take(&start, &sampled(&start, 1, &[(0, 5)]));
        history.change(one.clone(), false);
        history.undo();
        assert_eq!(history.document().work(), start.work());
        assert_eq!(history.document().variations.all(), one.variations.all());
        assert_eq!(history.document().variations.base(), None);
        history.redo();
        assert_eq!(history.document(), &one);
        // What a person kept is no more there when that is undone.
        let force = Edit::ForceCells { cells: cells(&[2]), code: 2 };
        let kept = one.after(&force.into());
        history.change(kept.clone(), false);
        history.change(kept.after(&Edit::KeepVariation.into()), false);
        history.undo();
        assert_eq!(history.document(), &kept);
    }

    #[test]
    fn what_comes_without_a_person_is_no_step_of_undo_and_undoes_nothing() {
        let start = image(0);
        let mut history = History::new(start.clone());
        let forced = start.after(&Edit::ForceCells { cells: cells(&[3]), code: 1 }.into());
        history.change(forced, false);
        history.undo();
        let one = sampled(&start, 1, &[(0, 5)]);
        history.note(history.document().noting(&one));
        assert!(history.undoes().is_none() && history.redoes().is_some());
        history.redo();
        let document = history.document();
        assert_eq!(document.edits.get(&Cell::at(0, 3)), Some(&1));
        let noted: Vec<_> = document.variations.all().iter().map(|v| v.work.edits.len()).collect();
        assert_eq!(noted, [1], "it is there whatever is redone, as it came");
    }

    #[test]
    fn what_was_begun_by_a_change_becomes_part_of_it() {
        let start = image(0);
        let mut history = History::new(start.clone());
        let asked = Asked::of(ModelRef::Shipped("worlds-maskgit".into()));
        let begin = Generate::Rewrite { asked: Box::new(asked), count: 1 };
        history.change(start.after(&begin.into()), false);
        let done = take(history.document(), &sampled(&start, 1, &[(0, 5)]));
        history.complete(done.clone(), true, Document::clone);
        history.undo();
        assert_eq!(history.document().work(), start.work());
        assert_eq!(history.document().generating, start.generating);
        assert!(history.undoes().is_none(), "it was one step");
        history.redo();
        assert_eq!(history.document(), &done);
    }

    #[test]
    fn what_was_undone_while_it_was_written_can_be_done_again_with_it() {
        let start = image(0);
        let asked = Asked::of(ModelRef::Shipped("worlds-maskgit".into()));
        let begin = Generate::Rewrite { asked: Box::new(asked), count: 1 };
        let force = |at: usize| Edit::ForceCells { cells: cells(&[at]), code: 9 };
        for steps in [0, 1] {
            let mut history = History::new(start.clone());
            history.change(start.after(&begin.clone().into()), false);
            // One that stays, and one that is undone, in a cell that is written and in another one.
            for at in 3..3 + steps {
                history.change(history.document().after(&force(at).into()), false);
            }
            let undone = [force(0), force(5)];
            for edit in undone {
                history.change(history.document().after(&edit.into()), false);
            }
            history.undo();
            history.undo();
            let now = history.document().clone();
            let sampled = sampled(&now, 1, &[(0, 5), (1, 6)]);
            let with = |value: &Document| value.with_taken(&sampled, &now);
            history.complete(take(&now, &sampled), steps == 0, with);
            assert!(history.redoes().is_some());
            let edits = |history: &History| Arc::clone(&history.document().edits);
            assert_eq!(edits(&history).get(&Cell::at(0, 0)), Some(&5));
            history.redo();
            history.redo();
            assert_eq!(edits(&history).get(&Cell::at(0, 0)), Some(&9), "by hand, later");
            assert_eq!(edits(&history).get(&Cell::at(0, 1)), Some(&6), "as it was written");
            assert_eq!(edits(&history).get(&Cell::at(0, 5)), Some(&9), "it is not lost");
            history.undo();
            history.undo();
            assert_eq!(edits(&history).get(&Cell::at(0, 0)), Some(&5));
            history.undo();
            assert_eq!(edits(&history).len(), steps, "what was written is undone");
        }
    }

    #[test]
    fn only_so_many_are_noted_and_what_a_person_kept_is_not_among_them() {
        let start = image(0);
        let mut now = start.after(&Edit::ForceCells { cells: cells(&[7]), code: 1 }.into());
        now = now.after(&Edit::KeepVariation.into());
        for seed in 0..2 * MOST_NOTED as u64 {
            now = take(&now, &sampled(&now, seed, &[(0, seed as u32)]));
        }
        let noted = now.variations.all().iter().filter(|v| v.noted.is_some()).count();
        assert_eq!(noted, MOST_NOTED);
        let all = now.variations.all();
        assert!(all.iter().any(|variation| variation.noted.is_none()), "kept by hand");
        assert_eq!(all[now.variations.base().unwrap()].work, now.work());
        for (at, variation) in all.iter().enumerate() {
            assert!(variation.parent.is_none_or(|parent| parent < at));
        }
    }
}
