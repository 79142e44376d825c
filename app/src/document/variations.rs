//! Variations: states of the work on tokens that were kept, and those that came of generators, a small tree. Each
//! says which one it was made from, so that a person can go back and try another way.

use std::collections::BTreeSet;
use std::sync::Arc;

use smalti_engine::questions::ModelRef;
use smalti_engine::tokens::{Cell, Code};

use super::generating::Asked;
use super::work::{Work, WorkOn};

/// So many states are noted by themselves; what a person keeps is kept however many there are.
pub const MOST_NOTED: usize = 64;

/// What was done to come to a state that is noted before something else takes its place.
pub(super) const BY_HAND: &str = "by hand";

/// A state that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Variation {
    /// Its name: "1", "2" from the start, "1.1" from "1".
    pub name: Arc<str>,
    /// The one that it was made from.
    pub parent: Option<usize>,
    /// What the work belongs to.
    pub on: WorkOn,
    /// What was done.
    pub work: Work,
    /// The tokenizer's codes that were switched off; `None` where that is not known, in documents of before
    /// it was kept.
    pub off: Option<Arc<BTreeSet<Code>>>,
    /// What was done to come there, of one that was noted by itself; none where a person kept it.
    pub noted: Option<Arc<str>>,
    /// What a generator was asked, of one that it wrote: the same again gives the same tokens.
    pub asked: Option<Arc<Asked>>,
    /// Cells that it was asked for and that a person forced or released meanwhile: they stay as the person made them.
    pub by_hand: Arc<BTreeSet<Cell>>,
}

impl Variation {
    /// Whether it is the same one, whatever is noted or kept beside it.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.on, &self.work, &self.off)
            == (&other.name, &other.on, &other.work, &other.off)
    }

    /// Whether it is this work without these codes, as far as it is known.
    pub fn is_of(&self, work: &Work, off: &Arc<BTreeSet<Code>>) -> bool {
        self.work == *work && self.off.as_ref().is_none_or(|known| known == off)
    }
}

/// All variations of a document, each after its parent, and the one that is worked on from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Variations {
    all: Arc<[Variation]>,
    from: Option<usize>,
}

impl Variations {
    /// Variations and the one that is worked on from; parents that are none before it are left out.
    pub fn new(mut all: Vec<Variation>, from: Option<usize>) -> Self {
        for (at, variation) in all.iter_mut().enumerate() {
            variation.parent = variation.parent.filter(|parent| *parent < at);
        }
        let from = from.filter(|from| *from < all.len());
        Self { all: all.into(), from }
    }

    /// All, each after its parent.
    pub fn all(&self) -> &[Variation] {
        &self.all
    }

    /// The one that is worked on from.
    pub fn base(&self) -> Option<usize> {
        self.from
    }

    /// Another one is worked on from.
    #[must_use]
    pub(super) fn based_on(&self, number: usize) -> Self {
        Self { from: Some(number), ..self.clone() }
    }

    /// None of them is worked on from.
    #[must_use]
    pub(super) fn based_on_none(&self) -> Self {
        Self { from: None, ..self.clone() }
    }

    /// Which one a state is; of several, the one that is worked on from.
    pub fn number_of(&self, on: &WorkOn, work: &Work, off: &Arc<BTreeSet<Code>>) -> Option<usize> {
        let is_it = |variation: &Variation| variation.on == *on && variation.is_of(work, off);
        let from = self.from.filter(|from| is_it(&self.all[*from]));
        from.or_else(|| self.all.iter().rposition(is_it))
    }

    /// With a state that is noted by itself, and its number; one that is there already is that one. Where there are
    /// too many, the oldest one that was noted leaves.
    #[must_use]
    pub(super) fn note(&self, variation: Variation) -> (Self, usize) {
        let same = |known: &Variation| {
            known.on == variation.on && known.work == variation.work && known.off == variation.off
        };
        if let Some(known) = self.all.iter().rposition(same) {
            return (self.clone(), known);
        }
        let is_free = |name: &str| self.all.iter().all(|known| *known.name != *name);
        let mut names = (1..=self.all.len() + 1).map(|number| format!("sample-{number}"));
        let name = names.find(|name| is_free(name)).unwrap_or_default().into();
        let mut all = self.all.to_vec();
        all.push(Variation { name, ..variation });
        let mut noted = Self { all: all.into(), from: self.from };
        let mut number = noted.all.len() - 1;
        while noted.all.iter().filter(|known| known.noted.is_some()).count() > MOST_NOTED {
            let stays = [Some(number), noted.from, noted.all[number].parent];
            let mut all = noted.all.iter().enumerate();
            let oldest = all.find(|(at, v)| v.noted.is_some() && !stays.contains(&Some(*at)));
            let Some((oldest, _)) = oldest else { break };
            noted = noted.without(oldest);
            number -= 1;
        }
        (noted, number)
    }

    /// With those that were noted later: they stay whatever is undone.
    #[must_use]
    pub(super) fn with_noted_of(&self, later: &Self) -> Self {
        if Arc::ptr_eq(&self.all, &later.all) {
            return self.clone();
        }
        let mut all = self.all.to_vec();
        // Where each of the later ones is here.
        let mut places: Vec<Option<usize>> = Vec::with_capacity(later.all.len());
        for variation in later.all.iter() {
            let mut place = all.iter().position(|known| known.is_same(variation));
            if place.is_none() && variation.noted.is_some() {
                let parent = variation.parent.and_then(|parent| places[parent]);
                all.push(Variation { parent, ..variation.clone() });
                place = Some(all.len() - 1);
            }
            places.push(place);
        }
        Self { all: all.into(), from: self.from }
    }

    /// Worked on from what was worked on from `before` something, if it is still what is worked on from `after` that;
    /// all of them stay.
    #[must_use]
    pub(super) fn rebased(&self, before: &Self, after: &Self) -> Self {
        fn base(them: &Variations) -> Option<&Variation> {
            them.all.get(them.from?)
        }
        let is_same = |a: Option<&Variation>, b: Option<&Variation>| match (a, b) {
            (Some(a), Some(b)) => a.is_same(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        if is_same(base(before), base(after)) || !is_same(base(self), base(after)) {
            return self.clone();
        }
        let is_it = |known: &Variation| is_same(Some(known), base(before));
        Self { all: Arc::clone(&self.all), from: self.all.iter().position(is_it) }
    }

    /// The same with what their work belongs to, and what wrote them, as it is called now.
    #[must_use]
    pub(super) fn with(
        &self,
        change: impl Fn(&mut WorkOn),
        now: impl Fn(&ModelRef) -> ModelRef,
    ) -> Self {
        let mut all = self.all.to_vec();
        for variation in &mut all {
            change(&mut variation.on);
            let asked = variation.asked.as_ref();
            variation.asked = asked.map(|asked| Arc::new(asked.with_models(&now)));
        }
        Self { all: all.into(), from: self.from }
    }

    /// All in the order of a tree, children below their parent, with how deep they stand.
    pub fn tree(&self) -> Vec<(usize, usize)> {
        let mut ordered = Vec::with_capacity(self.all.len());
        let mut open: Vec<(usize, usize)> = self.children(None).rev().map(|at| (at, 0)).collect();
        while let Some((at, depth)) = open.pop() {
            ordered.push((at, depth));
            open.extend(self.children(Some(at)).rev().map(|child| (child, depth + 1)));
        }
        ordered
    }

    fn children(&self, parent: Option<usize>) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.all.iter().enumerate().filter(move |(_, v)| v.parent == parent).map(|(at, _)| at)
    }

    /// With one more, made from the one that is worked on from.
    #[must_use]
    pub(super) fn keep(&self, on: WorkOn, work: Work, off: Arc<BTreeSet<Code>>) -> Self {
        let parent = self.from;
        let stem = parent.map_or(String::new(), |parent| format!("{}.", self.all[parent].name));
        // One that was dropped leaves its number free.
        let is_free = |name: &str| self.all.iter().all(|variation| *variation.name != *name);
        let name = (1..=self.all.len() + 1)
            .map(|number| format!("{stem}{number}"))
            .find(|name| is_free(name));
        let name = name.unwrap_or_default().into();
        let mut all = self.all.to_vec();
        let off = Some(off);
        let by_hand = Arc::default();
        all.push(Variation { name, parent, on, work, off, noted: None, asked: None, by_hand });
        Self { from: Some(all.len() - 1), all: all.into() }
    }

    /// Without one; those that were made from it stay.
    #[must_use]
    pub(super) fn without(&self, dropped: usize) -> Self {
        let Some(parent) = self.all.get(dropped).map(|variation| variation.parent) else {
            return self.clone();
        };
        let moved = |at: usize| at - usize::from(at > dropped);
        // What was made from it is now made from what it was made from.
        let new = |at: Option<usize>| {
            at.and_then(|at| if at == dropped { parent } else { Some(at) }).map(moved)
        };
        let kept = self.all.iter().enumerate().filter(|(at, _)| *at != dropped);
        let all = kept.map(|(_, v)| Variation { parent: new(v.parent), ..v.clone() }).collect();
        Self { all, from: new(self.from) }
    }
}
