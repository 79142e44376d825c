//! What a scene did is taken back, and nothing else: what a person did beside it, or over it, stays.

use std::sync::Arc;

use smalti_engine::tokens::Cell;

use super::generating::Moment;
use super::value::Document;

impl Document {
    /// Without what led from one value to the next: each thing that is still as it is `after` becomes what it was
    /// `before`. What was locked, opened, begun or kept since stays, and so does what is no more as it was left.
    #[must_use]
    pub fn taking_back(&self, before: &Self, after: &Self) -> Self {
        let mut next = self.clone();
        if self.work_on() == after.work_on() && after.work_on() == before.work_on() {
            next.take_edits_back(before, after);
            let (own, was) = (&mut next.selection, &before.selection);
            if own.cells == after.selection.cells {
                own.cells = Arc::clone(&was.cells);
            }
            if (own.code, &own.codes) == (after.selection.code, &after.selection.codes) {
                (own.code, own.codes) = (was.code, Arc::clone(&was.codes));
            }
            next.variations = self.variations.rebased(&before.variations, &after.variations);
        }
        let (own, was, left) = (&mut next.generating, &before.generating, &after.generating);
        if own.asked == left.asked {
            own.asked.clone_from(&was.asked);
        }
        // Which of its steps is looked at is not what was done.
        let asked = |moment: &Option<Moment>| moment.as_ref().map(|it| Arc::clone(&it.asked));
        if was.moment != left.moment && asked(&own.moment) == asked(&left.moment) {
            own.moment.clone_from(&was.moment);
        }
        if was.color_by != left.color_by {
            own.color_by = was.color_by;
        }
        if was.shows_ghost != left.shows_ghost {
            own.shows_ghost = was.shows_ghost;
        }
        if self.race == after.race {
            next.race = before.race.clone();
        }
        next
    }

    /// Cells that hold what was written there hold again what they held, unless they were locked since.
    fn take_edits_back(&mut self, before: &Self, after: &Self) {
        if Arc::ptr_eq(&before.edits, &after.edits) {
            return;
        }
        let cells = before.edits.keys().chain(after.edits.keys());
        let changed = cells.filter(|cell| before.edits.get(*cell) != after.edits.get(*cell));
        let is_so = |cell: &Cell| self.edits.get(cell) == after.edits.get(cell);
        let is_taken = |cell: &Cell| is_so(cell) && !self.locks.contains(cell);
        let back: Vec<Cell> = changed.copied().filter(is_taken).collect();
        let edits = Arc::make_mut(&mut self.edits);
        for cell in back {
            match before.edits.get(&cell) {
                Some(code) => edits.insert(cell, *code),
                None => edits.remove(&cell),
            };
        }
    }

    /// Whether it is as a scene has left it, in all that scenes work with: what is merely selected, looked at, opened or
    /// kept counts for nothing.
    pub fn is_as_left(&self, left: &Self) -> bool {
        let work = |of: &Self| (of.work_on(), of.work(), Arc::clone(&of.switched_off));
        let asked = |of: &Self| of.generating.moment.as_ref().map(|it| Arc::clone(&it.asked));
        work(self) == work(left)
            && (asked(self), &self.generating.asked) == (asked(left), &left.generating.asked)
            && self.race == left.race
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use smalti_engine::questions::{ImageRef, ModelRef, SourceRef};

    use super::*;
    use crate::document::{Asked, Edit, Generate, Open, RecipeRef, RunFolder, Sampled, Slot};

    fn cell(column: usize) -> Arc<BTreeSet<Cell>> {
        Arc::new([Cell::at(0, column)].into())
    }

    fn force(column: usize, code: u32) -> Edit {
        Edit::ForceCells { cells: cell(column), code }
    }

    /// A document before and after four cells were written by a generator.
    fn written() -> (Document, Document) {
        let image = ImageRef::InSource { source: SourceRef::Samples, index: 0 };
        let before = Document::default().after(&Open::Image(image).into());
        let asked = Arc::new(Asked::of(ModelRef::Shipped("worlds-maskgit".into())));
        let start = Generate::Start { asked: Box::new(Asked::clone(&asked)), waits: false };
        let before = before.after(&Edit::SelectCells(cell(9)).into()).after(&force(3, 7).into());
        let on = before.work_on().unwrap();
        let tokens = (0..4).map(|column| (Cell::at(0, column), 5)).collect();
        let sampled = Sampled { on, asked, cells: 4, tokens, by_hand: Arc::default() };
        let after = before.after(&start.into()).after(&Generate::Take(Box::new(sampled)).into());
        (before.clone(), after.after(&Edit::Deselect.into()))
    }

    #[test]
    fn what_was_done_since_stays_where_a_scene_is_taken_back() {
        let (before, after) = written();
        let recipe = RecipeRef::Shipped("worlds-fsq".into());
        let run = RunFolder { folder: "/runs/own".into(), recipe };
        let later = after
            .after(&force(1, 9).into())
            .after(&force(8, 9).into())
            .after(&Edit::LockCells { cells: cell(2), locked: true }.into())
            .after(&Edit::KeepVariation.into())
            .after(&Open::Run(Slot::A, run.clone()).into());
        let back = later.taking_back(&before, &after);
        let codes = |document: &Document| {
            (0..10).map(|at| document.edits.get(&Cell::at(0, at)).copied()).collect::<Vec<_>>()
        };
        let mut expected = [None; 10];
        (expected[1], expected[2], expected[3], expected[8]) = (Some(9), Some(5), Some(7), Some(9));
        assert_eq!(codes(&back), expected, "by hand, locked, as before, by hand");
        assert_eq!(back.locks, later.locks);
        assert_eq!(back.variations, later.variations, "what was kept is worked on from");
        assert_eq!(back.runs[0].as_ref(), Some(&run));
        assert_eq!((&back.generating, &back.selection), (&before.generating, &before.selection));
    }

    #[test]
    fn what_nobody_touched_is_as_it_was_before() {
        let (before, after) = written();
        let back = after.taking_back(&before, &after);
        assert!(after.variations.base().is_some());
        assert_eq!((back.variations.base(), back.variations.all()), (None, after.variations.all()));
        let noted = Document { variations: back.variations.clone(), ..before.clone() };
        assert_eq!(back, noted, "what it wrote stays in History");
        let other = Asked { seed: 9, ..Asked::of(ModelRef::Shipped("worlds-raster".into())) };
        let start = Generate::Start { asked: Box::new(other), waits: false };
        let own = after.after(&start.into());
        assert_eq!(own.taking_back(&before, &after).generating, own.generating, "it is own work");
    }

    #[test]
    fn what_a_scene_left_is_told_from_what_somebody_works_on() {
        let (before, left) = written();
        assert!(
            left.is_as_left(&left) && left.after(&Edit::KeepVariation.into()).is_as_left(&left)
        );
        assert!(!before.is_as_left(&left));
        assert!(!left.after(&force(8, 9).into()).is_as_left(&left));
        assert!(left.after(&Edit::SelectCells(cell(4)).into()).is_as_left(&left));
    }
}
