//! What a view may read and use: the document, the engine, the look, and what is under the pointer.

mod bits;
mod counts;
mod edited;
mod exports;
mod generated;
mod hands;
mod later;
mod live;
mod mixing;
mod offers;
mod trials;
mod unsure;

use std::cell::{Cell as Slotted, RefCell};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::images::Picture;
use smalti_engine::questions::{
    Appearance, CodeAppearance, CodeUse, Compared, Comparison, Encode, Encoded, ImageRef,
    ModelFacts, ModelInfo, ModelRef, PastedPicture, Reconstruct, Sample, Scope, SetSample, Used,
};
use smalti_engine::session::{Lane, Question, Reply, RunId, RunView, Session};
use smalti_engine::tokens::{Cell, Code, Part, Tokens};

pub use self::counts::Counts;
pub use self::edited::EditedImages;
pub use self::exports::{name_of as export_name, sample_name, set_name, subject_name, words_of};
pub use self::generated::{Generations, Trace, Traced};
pub use self::hands::USE_GENERATED;
pub(crate) use self::live::{LeftRun, Live, Preparing};
pub use self::offers::Offers;
pub use self::trials::Trials;
use crate::document::{Command, Document, Notice, Offer, RunFolder, Secret, Slot, ViewId, ZoomTo};
use crate::look::textures::Textures;
use crate::look::theme::Theme;
use crate::look::words::name;
use crate::runs::Told;

/// Images of a set that views count over, unless all are wanted.
pub const SET_IMAGES: u64 = 64;
/// Most images of a set that can be counted over; of a larger set as many, spread.
pub const MOST_IMAGES: u64 = 100_000;

/// What is under the pointer, shared by all views: one sets it, all light it up in the next frame.
#[derive(Debug, Default)]
pub struct Hovered {
    code: Slotted<Option<Code>>,
    cell: Slotted<Option<Cell>>,
    next_code: Slotted<Option<Code>>,
    next_cell: Slotted<Option<Cell>>,
}

impl Hovered {
    /// The code under the pointer.
    pub fn code(&self) -> Option<Code> {
        self.code.get()
    }

    /// The cell under the pointer.
    pub fn cell(&self) -> Option<Cell> {
        self.cell.get()
    }

    /// Says which code is under the pointer.
    pub fn set_code(&self, code: Code) {
        self.next_code.set(Some(code));
    }

    /// Says which cell is under the pointer, and its code.
    pub fn set_cell(&self, cell: Cell, code: Option<Code>) {
        self.next_cell.set(Some(cell));
        if code.is_some() {
            self.next_code.set(code);
        }
    }

    /// The frame is over: what was said becomes what is. True if something changed.
    pub(crate) fn end_frame(&self) -> bool {
        let (code, cell) = (self.next_code.take(), self.next_cell.take());
        let code_changed = self.code.replace(code) != code;
        self.cell.replace(cell) != cell || code_changed
    }
}

/// The last edited tokens. Keeps edits from being applied anew in every frame and view.
#[derive(Debug, Default)]
pub struct EditedTokens(RefCell<Vec<Edited>>);

/// Tokens, edits, tokens with edits.
type Edited = (Tokens, Arc<BTreeMap<Cell, u32>>, Tokens);

/// Encoded pictures as parts of questions: their pixels are hashed once, not in every frame.
#[derive(Debug, Default)]
pub struct Originals(RefCell<Vec<PastedPicture>>);

impl Originals {
    /// The picture as a part of a question.
    pub(crate) fn get(&self, picture: &Picture) -> PastedPicture {
        let mut kept = self.0.borrow_mut();
        let same = |p: &&PastedPicture| Arc::ptr_eq(p.picture.rgb(), picture.rgb());
        if let Some(found) = kept.iter().find(same) {
            return found.clone();
        }
        let made = PastedPicture::new(picture.clone());
        // The originals and reconstructions of four tokenizers.
        if kept.len() >= 8 {
            kept.remove(0);
        }
        kept.push(made.clone());
        made
    }
}

/// A training run, as a view shows it.
#[derive(Debug, Clone)]
pub struct TrainedRun {
    /// What it is called.
    pub name: String,
    /// Its folder, where it has a slot.
    pub folder: Option<RunFolder>,
    /// How it stands in this sitting; none if it did not go on in it.
    pub view: Option<RunView>,
    /// What is known of it.
    pub told: Told,
    /// What the pictures of its probe are in truth; may be empty.
    pub originals: Arc<[Picture]>,
}

impl TrainedRun {
    /// Whether it is at work or paused.
    pub fn goes_on(&self) -> bool {
        self.view.as_ref().is_some_and(|view| !view.state.is_over())
    }
}

/// How the window shows a view.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Showing<'a> {
    /// The views that are seen now.
    pub(crate) seen: &'a [ViewId],
    /// In presentation: no controls that the idea does not need.
    pub(crate) is_presented: bool,
    /// What no view may say until somebody guessed.
    pub(crate) veiled: &'a [Secret],
    /// How little room there is for controls, from 0 on; see [`crate::widgets::fold`].
    pub(crate) tightness: u8,
}

/// What a view may read and use.
#[derive(Clone, Copy)]
pub struct ViewCtx<'a> {
    /// What the person decided.
    pub document: &'a Document,
    /// The engine.
    pub session: &'a Session,
    /// Colors and sizes.
    pub theme: &'a Theme,
    /// Pictures as textures.
    pub textures: &'a Textures,
    /// What is under the pointer, in any view.
    pub hovered: &'a Hovered,
    /// What was said so far, oldest first.
    pub notices: &'a [Notice],
    /// For wgpu pipelines; none in tests without a renderer.
    pub render_state: Option<&'a eframe::egui_wgpu::RenderState>,
    /// Whether the window is drawn by the processor: then draw less while things move.
    pub is_cpu_adapter: bool,
    /// Set for pictures that must come out the same each time: time stands still.
    pub is_time_frozen: bool,
    pub(crate) commands: &'a RefCell<Vec<Command>>,
    pub(crate) edited: &'a EditedTokens,
    pub(crate) originals: &'a Originals,
    pub(crate) offers: &'a Offers,
    /// Set while the view is drawn that was asked for by its key: what it is mainly worked by takes the keyboard.
    pub(crate) wants_focus: &'a Slotted<bool>,
    pub(crate) edited_images: &'a EditedImages,
    /// How large pictures are to be looked at, in the one frame after that was asked for.
    pub(crate) zoom: Option<ZoomTo>,
    pub(crate) live: Live<'a>,
    pub(crate) showing: Showing<'a>,
}

impl std::fmt::Debug for ViewCtx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ViewCtx({:?})", self.document)
    }
}

impl ViewCtx<'_> {
    /// Sends a command; it is applied after the frame.
    pub fn send(&self, command: impl Into<Command>) {
        self.commands.borrow_mut().push(command.into());
    }

    /// Whether it is shown to a hall: pictures and figures, without the controls of work.
    pub fn is_presented(&self) -> bool {
        self.showing.is_presented
    }

    /// Whether this is asked about, so that no view may say it yet.
    pub fn is_veiled(&self, secret: Secret) -> bool {
        self.showing.veiled.contains(&secret)
    }

    /// Whether a view is seen now.
    pub fn is_seen(&self, view: ViewId) -> bool {
        self.showing.seen.contains(&view)
    }

    /// Whether there is little room for controls: no figures among them, short words.
    pub fn is_tight(&self) -> bool {
        self.showing.tightness > 0
    }

    /// A name where there is room for it; else its end, by which names of one kind differ: no shorter than need be.
    pub fn short_name(&self, name: String) -> String {
        let letters = match self.showing.tightness {
            0 => return name,
            1 => 24,
            2 => 14,
            _ => 8,
        };
        let count = name.chars().count();
        if count <= letters {
            return name;
        }
        let end: String = name.chars().skip(count + 1 - letters).collect();
        format!("…{end}")
    }

    /// Offers something under a name, as a button that is `clicked` or not: true if it is to be done now, be it
    /// by that button or by the palette.
    pub fn offer(&self, name: &str, clicked: bool) -> bool {
        self.offers.offer(Offer::button(name)).is_some() || clicked
    }

    /// Gives the keyboard to what a view is mainly worked by, if the view was asked for by its key.
    pub fn take_focus(&self, response: &egui::Response) {
        if self.wants_focus.replace(false) {
            response.request_focus();
        }
    }

    /// Asks what a visible view needs now. `place` names the spot in the view that shows it: until
    /// a new answer is there, that spot gets its last one.
    pub fn ask<Q: Question>(&self, place: impl Hash, question: &Q) -> Reply<Q::Answer> {
        self.session.ask_at(place_number(&place), Lane::Now, question)
    }

    /// As [`ViewCtx::ask`], for what takes minutes: a whole set is counted. That goes on when the view is not
    /// seen any more.
    pub fn count(&self, view: &'static str, question: &CodeUse) -> Reply<Used> {
        let place = place_number(&("whole set", view));
        let reply = self.session.ask_at(place, Lane::Later, question);
        if reply.is_working() {
            self.live.counts.add(view, question);
        }
        reply
    }

    /// The images of the document's set that figures are taken over, the same in all views; `most` of them.
    pub fn set_sample(&self, most: u64) -> Reply<Arc<[ImageRef]>> {
        let question = SetSample { source: self.document.source.clone(), most };
        let reply = self.ask(("set sample", most), &question);
        // Those of another set are none of this one.
        reply.last_for(|asked: &SetSample| *asked == question)
    }

    /// How often codes occur in the document's set, the same in all views: over the sample, or over all of it
    /// where that is wanted.
    pub fn use_in_set(&self, scope: Scope) -> CodeUse {
        let (model, size) = (self.document.model.clone(), self.document.size);
        let most = if self.document.looks.whole_set { MOST_IMAGES } else { SET_IMAGES };
        let sample = SetSample { source: self.document.source.clone(), most };
        let sample = Sample::Set { model, sample, size };
        // The rows below the codebook's cells are the same answer.
        CodeUse { sample, scope, by_image: true }
    }

    /// As [`ViewCtx::ask`], for what can wait: thumbnails, neighbors.
    pub fn ask_soon<Q: Question>(&self, place: impl Hash, question: &Q) -> Reply<Q::Answer> {
        self.session.ask_at(place_number(&place), Lane::Soon, question)
    }

    /// A file name for something that is taken away; see [`export_name`].
    pub fn export_name(&self, what: &str, of: Option<&str>) -> String {
        exports::name_of((self.document, self.session), what, of)
    }

    /// What a file that is taken away says of itself; see [`words_of`].
    pub fn words_of(
        &self,
        what: &str,
        by: Option<&ModelRef>,
        of: Option<&str>,
    ) -> Vec<(String, String)> {
        exports::words_of((self.document, self.session), what, by, of)
    }

    /// The tokenizers whose tokens of an image were forced or locked, at any size.
    pub(crate) fn edited_by(&self, image: &ImageRef) -> Vec<ModelRef> {
        self.edited_images.by(self.document, image)
    }

    /// The question for the tokens of the document's subject by a tokenizer; none without both.
    pub fn encode_question(&self, slot: Slot) -> Option<Encode> {
        let subject = self.document.subject.clone()?;
        let model = self.document.model(slot)?.clone();
        Some(Encode { subject, size: self.document.size, model })
    }

    /// The tokens of the document's image, before edits. While they are worked out, those of the last image,
    /// but never of another tokenizer, to whose codes theirs mean nothing.
    pub fn encoded(&self, slot: Slot) -> Option<Reply<Encoded>> {
        let question = self.encode_question(slot)?;
        let reply = self.ask(("encoded", slot), &question);
        // Nor may what is forced here stand in another image.
        let is_forced = !self.document.edits.is_empty();
        Some(reply.last_for(|asked: &Encode| {
            *asked == question || (asked.model == question.model && !is_forced)
        }))
    }

    /// The question for what the image's own tokens decode to; none while tokens are edited.
    pub(crate) fn plain_question(&self) -> Option<Reconstruct> {
        let document = self.document;
        let is_whole = document.selection.part.is_none();
        let is_plain = document.edits.is_empty() && document.switched_off.is_empty();
        if is_plain && is_whole { self.encode_question(Slot::A).map(Reconstruct) } else { None }
    }

    /// Facts of a tokenizer: factor, K, levels.
    pub fn facts(&self, slot: Slot) -> Option<Reply<ModelFacts>> {
        let question = ModelInfo { model: self.document.model(slot)?.clone() };
        let reply = self.ask(("facts", slot), &question);
        Some(reply.last_for(|asked: &ModelInfo| *asked == question))
    }

    /// What tokens decode to against the original; while it is worked out the last one at this place, but
    /// never of another tokenizer.
    pub(crate) fn compared<Q>(
        &self,
        place: impl Hash,
        model: &ModelRef,
        question: &Q,
    ) -> Reply<Compared>
    where
        Q: Question<Answer = Compared>,
    {
        self.ask(place, question).last_if(|last| {
            let of_image = last.question::<Reconstruct>().map(|asked| &asked.0.model);
            let of_tokens = last.question::<Comparison>().map(|asked| &asked.model);
            of_image.or(of_tokens) == Some(model)
        })
    }

    /// Why the tokens that were given are not this tokenizer's, if they are not: then nothing that it knows
    /// of its codes is said of theirs.
    pub(crate) fn unfit(&self) -> Option<Problem> {
        self.encoded(Slot::A).and_then(|e| e.best().and_then(|e| e.unfit.clone()))
    }

    /// How the codes of a book look; never those of another tokenizer or book, and no way at all if the
    /// tokens are not of this tokenizer.
    pub(crate) fn appearance(&self, book: u16) -> Reply<Appearance> {
        if let Some(unfit) = self.unfit() {
            return Reply::Failed(unfit);
        }
        let question = CodeAppearance { model: self.document.model.clone(), book };
        let reply = self.ask_soon(("appearance", book), &question);
        reply.last_for(|asked: &CodeAppearance| *asked == question)
    }

    /// How often codes occur; while it is counted the last figures at this place, but only those of the same
    /// book and part of the same tokenizer's tokens.
    pub(crate) fn used(&self, place: impl Hash, question: &CodeUse) -> Reply<Used> {
        let model = &self.document.model;
        let reply = self.ask((place, model), question);
        reply.last_for(|asked: &CodeUse| asked.scope == question.scope)
    }

    /// Whether the tokens can hold a code that was typed, and may; if not, says so.
    pub(crate) fn has_code(&self, book: u16, code: u32) -> bool {
        // Given tokens can be of another codebook than the tokenizer's.
        let encoded = self.encoded(Slot::A);
        let own = encoded.as_ref().and_then(Reply::best).and_then(|encoded| {
            let part = encoded.tokens.parts().iter().find(|part| part.book() == book)?;
            Some((part.codebook_size(), encoded.unfit.is_none()))
        });
        let of_model = || Some((self.known()?.facts.book(book).size, true));
        let Some((size, is_models)) = own.or_else(of_model).filter(|(size, _)| code >= *size)
        else {
            let is_off = self.document.switched_off.contains(&Code { book, number: code });
            if is_off {
                let hint = "Switch it on first: until then the nearest other code stands for it";
                self.send(Notice::warning(format!("Code {code} is switched off"), hint));
            }
            return !is_off;
        };
        let whose = if is_models {
            self.document.name_of(&self.document.model)
        } else {
            "these tokens".into()
        };
        let hint = format!("The codes of {whose} are 0 to {}", size - 1);
        self.send(Notice::error(format!("There is no code {code}"), hint));
        false
    }

    /// The tokens with the document's edits; see [`Document::tokens`].
    pub fn tokens(&self, encoded: &Encoded) -> Tokens {
        if self.document.edits.is_empty() {
            return encoded.tokens.clone();
        }
        let edits = &self.document.edits;
        let mut kept = self.edited.0.borrow_mut();
        let found = kept.iter().find(|k| Arc::ptr_eq(&k.1, edits) && k.0 == encoded.tokens);
        if let Some(found) = found {
            return found.2.clone();
        }
        let edited = self.document.tokens(encoded);
        if kept.len() >= 4 {
            kept.remove(0);
        }
        kept.push((encoded.tokens.clone(), Arc::clone(edits), edited.clone()));
        edited
    }

    /// The tokens as they are now: with edits, without the codes that are switched off. What is counted,
    /// decoded and saved. While it is not known which codes stand instead there are none, never others.
    pub fn now(&self, encoded: &Encoded) -> Reply<Tokens> {
        let tokens = self.tokens(encoded);
        match self.document.without(&tokens) {
            None => Reply::Ready(Arc::new(tokens)),
            Some(question) => self.ask("without", &question).last_if(|_| false),
        }
    }

    /// What is known of the tokens as they are now, to be drawn: where it is not known what stands instead of a
    /// code that is switched off, no token stands.
    pub fn seen_now(&self, encoded: &Encoded) -> Tokens {
        if let Reply::Ready(tokens) = self.now(encoded) {
            return Tokens::clone(&tokens);
        }
        let tokens = self.tokens(encoded);
        let is_off = |(cell, number): &(Cell, Option<u32>)| {
            let book = tokens.part(cell.part.into()).map(Part::book);
            let code = book.zip(*number).map(|(book, number)| Code { book, number });
            code.is_some_and(|code| self.document.switched_off.contains(&code))
        };
        let off = tokens.cells().filter(is_off).map(|(cell, _)| (cell, None));
        tokens.with(off.collect::<Vec<_>>()).unwrap_or_else(|_| tokens.clone())
    }

    /// Whether the tokens that [`Self::encoded`] gives are those of what is worked on, and not of the last image.
    pub(crate) fn is_encoded(&self) -> bool {
        self.encoded(Slot::A).is_some_and(|reply| reply.ready().is_some())
    }

    /// What is known of the tokenizer, if anything is.
    pub fn known(&self) -> Option<Arc<ModelFacts>> {
        self.facts(Slot::A)?.best().cloned()
    }

    /// The run in a slot; none if there is none, or while it is being read.
    ///
    /// # Errors
    /// Why its folder cannot be read.
    pub fn trained_run(&self, slot: Slot) -> Option<Result<TrainedRun, Problem>> {
        let folder = self.document.runs[slot as usize].clone()?;
        let (path, id) = (&folder.folder, self.live.runs.get(&folder.folder));
        let mut view = id.and_then(|id| self.session.runs().into_iter().find(|run| run.id == *id));
        let originals = id.and_then(|id| self.live.probes.get(id)).cloned().unwrap_or_default();
        let records = self.live.records;
        let resting = || records.resting(self.session, path, self.live.second);
        // One that could not even begin tells nothing of the run that is there already; without one, why.
        view.take_if(|view| view.state.is_over() && view.entries == 0 && resting().is_ok());
        let told = match &view {
            Some(run) => {
                let live = records.live(self.session, run, Some(path));
                // Until it says something, its folder is all there is. A new run has nothing there.
                let stored = || records.stored(self.session, path, run.id.0).ok().flatten();
                let mut told = live.or_else(stored).unwrap_or_default();
                // Another program may have gone on with what ended here.
                let is_over = run.state.is_over();
                if let Some(later) = is_over.then(|| resting().ok().flatten()).flatten()
                    && later.record.step > told.record.step
                {
                    (told, view) = (later, None);
                }
                told
            }
            None => match resting() {
                Ok(told) => told?,
                Err(problem) => return Some(Err(problem)),
            },
        };
        Some(Ok(TrainedRun { name: name(path), folder: Some(folder), view, told, originals }))
    }

    /// How many jobs are not over: runs, and what is counted over a whole set.
    pub fn open_jobs(&self) -> usize {
        let runs = self.session.runs().iter().filter(|run| !run.state.is_over()).count();
        runs + self.live.counts.all().len()
    }

    /// What a run is called: a training by its folder, as two of one recipe have one title.
    pub(crate) fn run_title(&self, run: &RunView) -> String {
        let folder = self.live.runs.iter().find(|(_, id)| **id == run.id);
        folder.map_or(run.title.clone(), |(folder, _)| format!("train {}", name(folder)))
    }

    /// The training of this sitting that was started last.
    pub fn newest_run(&self) -> Option<TrainedRun> {
        self.session.runs().into_iter().rev().find_map(|view| {
            let of_run = |(_, id): &(&PathBuf, &RunId)| **id == view.id;
            let folder = self.live.runs.iter().find(of_run).map(|(folder, _)| folder.as_path());
            let told = self.live.records.live(self.session, &view, folder)?;
            let name = view.title.clone();
            let originals = self.live.probes.get(&view.id).cloned().unwrap_or_default();
            Some(TrainedRun { name, folder: None, view: Some(view), told, originals })
        })
    }

    /// What is known of the generation that is looked at.
    pub fn trace(&self) -> Option<&Trace> {
        self.live.generations.get(&self.document.generating.moment.as_ref()?.asked)
    }

    /// The part of some tokens that is looked at, with its number; see [`Document::part_number`].
    pub fn part<'t>(&self, tokens: &'t Tokens) -> (usize, &'t Part) {
        let number = self.document.part_number(tokens);
        (number, &tokens.parts()[number])
    }
}

fn place_number(place: &impl Hash) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    place.hash(&mut hasher);
    hasher.finish()
}
