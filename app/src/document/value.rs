//! The document as a value.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{
    Blend, Encoded, ImageRef, ModelRef, Moved, PastedPicture, SourceRef, Subject, WithoutCodes,
};
use smalti_engine::tokens::{Cell, Code, Tokens};

use super::generating::Generating;
use super::looks::Looks;
use super::opened::Opened;
use super::race::Race;
use super::run::RunFolder;
use super::selecting::Tool;
use super::slot::Slot;
use super::variations::Variations;
use super::work::{Work, WorkOn};

/// Pictures of a training's probe.
pub const PROBE: usize = 4;

/// What is selected, the same in every view.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Cells of the tokens.
    pub cells: Arc<BTreeSet<Cell>>,
    /// A code.
    #[serde(deserialize_with = "super::older::code")]
    pub code: Option<Code>,
    /// Several codes that are selected together, [`Self::code`] among them or not; empty where it is alone.
    pub codes: Arc<BTreeSet<Code>>,
    /// Codes that stay in sight while others are selected.
    #[serde(deserialize_with = "super::older::codes")]
    pub pinned: Arc<[Code]>,
    /// The part that is looked at: a scale, a level; the last one, which is the finest, if `None`.
    pub part: Option<u16>,
    /// What a drag on the grid does.
    pub tool: Tool,
    /// How many cells round its middle the brush covers.
    #[serde(deserialize_with = "super::selecting::read_brush")]
    pub brush: u8,
    /// What is painted with, sRGB.
    pub color: [u8; 3],
}

impl Selection {
    /// Nothing, with the same tool in hand.
    #[must_use]
    pub(super) fn emptied(&self) -> Self {
        Self { tool: self.tool, brush: self.brush, color: self.color, ..Self::default() }
    }

    /// One code and no others, or none.
    pub(super) fn select_code(&mut self, code: Option<Code>) {
        self.code = code;
        self.codes = Arc::default();
    }

    /// All codes that are selected.
    pub fn all_codes(&self) -> Arc<BTreeSet<Code>> {
        if self.codes.is_empty() {
            return Arc::new(self.code.into_iter().collect());
        }
        Arc::clone(&self.codes)
    }
}

/// Everything a person decided. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The image or the tokens that are worked on.
    pub subject: Option<Subject>,
    /// The set that images are picked from.
    pub source: SourceRef,
    /// The size it is worked on at. `multiple_of` is replaced by the tokenizer's factor.
    pub size: WorkingSize,
    /// The tokenizer.
    pub model: ModelRef,
    /// A file of weights whose tensors are looked at; the tokenizer's own if `None`.
    pub checkpoint: Option<ModelRef>,
    /// The tokenizers it is compared with, in slots B to D.
    pub others: [Option<ModelRef>; 3],
    /// Tokens that were forced by hand, over what the tokenizer says.
    pub edits: Arc<BTreeMap<Cell, u32>>,
    /// Cells that must not change.
    pub locks: Arc<BTreeSet<Cell>>,
    /// What was done to other subjects, or to this one at another size or by another tokenizer: it is
    /// there again when they are.
    pub kept: Arc<[(WorkOn, Work)]>,
    /// States of the work that were kept.
    pub variations: Variations,
    /// What was opened from files.
    pub opened: Opened,
    /// The runs that train for it, in slots A to D.
    pub runs: [Option<RunFolder>; 4],
    /// What is asked of generators, and what is looked at of it.
    pub generating: Generating,
    /// What race is run by generators.
    pub race: Race,
    /// Codes that may not be used.
    pub switched_off: Arc<BTreeSet<Code>>,
    /// Those of other tokenizers: they are switched off again when these are back.
    pub off_elsewhere: Arc<[(ModelRef, Arc<BTreeSet<Code>>)]>,
    /// What is selected.
    pub selection: Selection,
    /// How it is looked at.
    pub looks: Looks,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            subject: None,
            source: SourceRef::Samples,
            size: WorkingSize::square(256, 1),
            model: ModelRef::Shipped("worlds-fsq".into()),
            checkpoint: None,
            others: [None, None, None],
            edits: Arc::default(),
            locks: Arc::default(),
            kept: Arc::default(),
            variations: Variations::default(),
            opened: Opened::default(),
            runs: Default::default(),
            generating: Generating::default(),
            race: Race::default(),
            switched_off: Arc::default(),
            off_elsewhere: Arc::default(),
            selection: Selection::default(),
            looks: Looks::default(),
        }
    }
}

/// Tokens with those that were forced over them.
pub fn with_forced(tokens: &Tokens, edits: &BTreeMap<Cell, u32>) -> Tokens {
    if edits.is_empty() {
        return tokens.clone();
    }
    // A code of another tokenizer's codebook has no meaning here.
    let has = |cell: &Cell, code: u32| {
        tokens.part(cell.part.into()).is_some_and(|part| code < part.codebook_size())
    };
    let changes = edits.iter().filter(|(cell, code)| has(cell, **code));
    let changes = changes.map(|(cell, code)| (*cell, Some(*code)));
    tokens.with(changes).unwrap_or_else(|_| tokens.clone())
}

impl Document {
    /// The tokenizer in a slot.
    pub fn model(&self, slot: Slot) -> Option<&ModelRef> {
        match slot.other() {
            None => Some(&self.model),
            Some(other) => self.others[other].as_ref(),
        }
    }

    /// The image that is worked on, if it is one.
    pub fn image(&self) -> Option<&ImageRef> {
        self.subject.as_ref()?.image()
    }

    /// The images that a training shows as it learns, best first: the one that is worked on, its neighbors in
    /// the set, then the samples. Some may not be there.
    pub fn probe(&self) -> Vec<ImageRef> {
        let of = |source: &SourceRef, index| ImageRef::InSource { source: source.clone(), index };
        let mut images: Vec<ImageRef> = match self.image() {
            Some(ImageRef::InSource { source, index }) => {
                let after = (*index..).take(PROBE);
                let before = (0..*index).rev().take(PROBE - 1);
                after.chain(before).map(|index| of(source, index)).collect()
            }
            Some(image) => vec![image.clone()],
            None => Vec::new(),
        };
        let samples = (0..PROBE as u64).map(|index| of(&SourceRef::Samples, index));
        let samples: Vec<ImageRef> = samples.filter(|image| !images.contains(image)).collect();
        images.extend(samples);
        images
    }

    /// A document that was read has at hand what it works with, beside what it had.
    #[must_use]
    pub fn with_opened(mut self) -> Self {
        let mut opened = std::mem::take(&mut self.opened);
        for (on, _) in self.kept.iter() {
            on.subject.image().into_iter().for_each(|image| opened.note_image(image));
            opened.note_model(&on.model);
        }
        self.image().into_iter().for_each(|image| opened.note_image(image));
        let others = self.others.iter().flatten();
        others.chain([&self.model]).for_each(|model| opened.note_model(model));
        self.opened = opened;
        self
    }

    /// What was done by hand with a tokenizer that is kept: how many images and sets of tokens have forced or
    /// locked cells by it, and how many of its codes are switched off.
    pub fn kept_of(&self, model: &ModelRef) -> (usize, usize) {
        let mut subjects: Vec<Subject> = Vec::new();
        for on in self.all_work().into_iter().filter_map(|(on, _)| on) {
            if on.model == *model && !subjects.contains(&on.subject) {
                subjects.push(on.subject);
            }
        }
        let off = self.off_elsewhere.iter().find(|(of, _)| of == model).map(|(_, off)| off.len());
        let here = if self.model == *model { self.switched_off.len() } else { 0 };
        (subjects.len(), off.unwrap_or(here))
    }

    /// The number of the part of some tokens that is looked at: the selected one, or else the last, which is
    /// the finest.
    pub fn part_number(&self, tokens: &Tokens) -> usize {
        let last = tokens.parts().len() - 1;
        self.selection.part.map_or(last, usize::from).min(last)
    }

    /// What the edits and locks belong to; nothing without a subject.
    pub fn work_on(&self) -> Option<WorkOn> {
        Some(WorkOn::new(self.subject.clone()?, self.size, self.model.clone()))
    }

    /// The edits and locks that are seen now.
    pub fn work(&self) -> Work {
        Work { edits: Arc::clone(&self.edits), locks: Arc::clone(&self.locks) }
    }

    /// Everything that was done by hand, here and elsewhere: what must not be lost.
    pub(super) fn all_work(&self) -> Vec<(Option<WorkOn>, Work)> {
        let here = (self.work_on(), self.work());
        let kept = self.kept.iter().map(|(on, work)| (Some(on.clone()), work.clone()));
        let variations = self.variations.all().iter();
        let variations = variations.map(|kept| (Some(kept.on.clone()), kept.work.clone()));
        let all = std::iter::once(here).chain(kept).chain(variations);
        all.filter(|(_, work)| !work.is_empty()).collect()
    }

    /// Whether the work on all subjects is the same as in another document, whichever is looked at.
    pub fn has_work_of(&self, other: &Self) -> bool {
        let is_same = |a: &Arc<[(WorkOn, Work)]>, b| Arc::ptr_eq(a, b);
        if is_same(&self.kept, &other.kept)
            && self.variations == other.variations
            && (self.work_on(), self.work()) == (other.work_on(), other.work())
        {
            return true;
        }
        // By their hashes: there may be thousands.
        let all = |document: &Self| document.all_work().into_iter().collect::<HashSet<_>>();
        all(self) == all(other)
    }

    /// Whether the same codes of all tokenizers are switched off as in another document.
    pub fn has_off_of(&self, other: &Self) -> bool {
        fn all(document: &Document) -> Vec<(&ModelRef, &Arc<BTreeSet<Code>>)> {
            let here = std::iter::once((&document.model, &document.switched_off));
            let elsewhere = document.off_elsewhere.iter().map(|(model, off)| (model, off));
            here.chain(elsewhere).filter(|(_, off)| !off.is_empty()).collect()
        }
        let (own, others) = (all(self), all(other));
        own.len() == others.len() && own.iter().all(|off| others.contains(off))
    }

    /// What the tokenizer said, with the forced tokens over it. Costs a pass over the tokens when
    /// there are edits: [`crate::ctx::ViewCtx::tokens`] keeps the last ones.
    pub fn tokens(&self, encoded: &Encoded) -> Tokens {
        with_forced(&encoded.tokens, &self.edits)
    }

    /// The question for tokens without the codes that are switched off; none if all may be used.
    pub fn without(&self, tokens: &Tokens) -> Option<WithoutCodes> {
        let (tokens, model) = (tokens.clone(), self.model.clone());
        let off = Arc::clone(&self.switched_off);
        (!off.is_empty()).then_some(WithoutCodes { tokens, model, off })
    }

    /// The question for the picture as it is seen where the original's pixels stay outside of an edit: `own` are the
    /// tokenizer's tokens of it, `tokens` those that were edited. None where it is decoded whole: no image, the same
    /// tokens, or codes switched off, of which it is to be seen what the whole picture loses.
    pub fn blend(&self, original: PastedPicture, own: &Tokens, tokens: &Tokens) -> Option<Blend> {
        let is_whole = self.looks.edited.whole_decoding || !self.switched_off.is_empty();
        if is_whole || self.image().is_none() || own == tokens {
            return None;
        }
        let (before, after, model) = (own.clone(), tokens.clone(), self.model.clone());
        Some(Blend { original, moved: Moved { before, after, model } })
    }

    /// How many forced tokens stand in locked cells: those that are not released.
    pub fn locked_edits(&self) -> usize {
        self.locks.iter().filter(|cell| self.edits.contains_key(cell)).count()
    }

    /// Whether two documents differ in more than what is selected: the measure for undo and for
    /// unsaved changes.
    pub fn differs_beyond_selection(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self.clone(), other.clone());
        a.selection = Selection::default();
        b.selection = Selection::default();
        // A run goes on whatever is undone, and what was opened stays at hand.
        a.runs.clone_from(&b.runs);
        a.opened.clone_from(&b.opened);
        a.generating = a.generating.without_looks();
        b.generating = b.generating.without_looks();
        a != b
    }
}
