//! Files and folders that a document names and that are elsewhere by now.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::checkpoints::split_part;
use smalti_engine::questions::{ImageRef, ModelRef, PastedPicture, SourceRef, Stamp, Subject};

use super::run::{RecipeRef, RunFolder};
use super::value::Document;
use super::variations::{BY_HAND, Variation, Variations};
use super::work::WorkOn;

/// What is not where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// What it is.
    pub kind: LostKind,
    /// Where it was.
    pub path: PathBuf,
}

impl Lost {
    /// Whether a sentence names its path, and not one that only begins or ends like it.
    pub fn is_named_in(&self, sentence: &str) -> bool {
        // Of several tokenizers in one file the file is named.
        let paths = [self.path.clone(), split_part(&self.path).0];
        paths.iter().map(|path| path.display().to_string()).any(|path| {
            sentence.match_indices(&path).any(|(at, _)| {
                let before = sentence.get(..at).and_then(|text| text.chars().next_back());
                let after = sentence.get(at + path.len()..).and_then(|text| text.chars().next());
                let is_begin = |sign: char| sign.is_whitespace() || "\"'`(".contains(sign);
                // A blank may belong to a name.
                let is_end = |sign: char| ":,;)\"'`".contains(sign);
                before.is_none_or(is_begin) && after.is_none_or(is_end)
            })
        })
    }
}

/// What can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LostKind {
    /// An image file.
    Image,
    /// A set of images.
    Set,
    /// A tokenizer or another file of weights.
    Tokenizer,
    /// The folder of a training run.
    Run,
    /// A generator.
    Generator,
}

impl LostKind {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Set => "set",
            Self::Tokenizer => "tokenizer",
            Self::Run => "run",
            Self::Generator => "generator",
        }
    }
}

/// Where something is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// What and where it was.
    pub lost: Lost,
    /// Where it is.
    pub to: PathBuf,
    /// Its version there; of a tokenizer with what is read with it.
    pub stamp: Stamp,
    /// Of an image file its picture: what the document carried of it becomes the file again.
    pub picture: Option<PastedPicture>,
}

impl Moved {
    /// Where a path is now: the one that was moved, or one below it.
    fn path(&self, path: &Path) -> Option<PathBuf> {
        let rest = path.strip_prefix(&self.lost.path).ok()?;
        Some(if rest.as_os_str().is_empty() { self.to.clone() } else { self.to.join(rest) })
    }

    fn image(&self, image: &mut ImageRef) {
        let both = (&*image, &self.picture);
        let is_copy = matches!(both, (ImageRef::Pasted(copy), Some(own)) if copy == own);
        match image {
            ImageRef::File { path, stamp } if **path == *self.lost.path => {
                (*path, *stamp) = (self.to.as_path().into(), self.stamp);
            }
            ImageRef::Pasted(_) if is_copy => {
                *image = ImageRef::File { path: self.to.as_path().into(), stamp: self.stamp };
            }
            ImageRef::InSource { source, .. } => self.source(source),
            ImageRef::File { .. } | ImageRef::Pasted(_) => {}
        }
    }

    fn source(&self, source: &mut SourceRef) {
        if let SourceRef::Path { path, stamp } = source
            && **path == *self.lost.path
        {
            (*path, *stamp) = (self.to.as_path().into(), self.stamp);
        }
    }

    fn model(&self, model: &mut ModelRef) {
        if let ModelRef::File { path, stamp } = model
            && **path == *self.lost.path
        {
            (*path, *stamp) = (self.to.as_path().into(), self.stamp);
        }
    }

    fn subject(&self, subject: &mut Subject) {
        if let Subject::Image(image) = subject {
            self.image(image);
        }
    }

    fn on(&self, on: &mut WorkOn) {
        self.subject(&mut on.subject);
        self.model(&mut on.model);
    }

    fn run(&self, run: &mut RunFolder) {
        if let Some(folder) = self.path(&run.folder) {
            run.folder = folder;
        }
        if let RecipeRef::File(path) = &mut run.recipe
            && let Some(now) = self.path(path)
        {
            *path = now.into();
        }
    }
}

impl Document {
    /// The files and folders that it names, each once: what is worked with first.
    pub fn named_paths(&self) -> Vec<Lost> {
        let (mut found, mut known) = (Vec::new(), HashSet::new());
        let mut add = |kind: LostKind, path: &Path| {
            if known.insert((kind, path.to_owned())) {
                found.push(Lost { kind, path: path.to_owned() });
            }
        };
        let kept = self.kept.iter().map(|(on, _)| on);
        let kept: Vec<&WorkOn> = kept.chain(self.variations.all().iter().map(|v| &v.on)).collect();
        let subjects = self.subject.iter().chain(kept.iter().map(|on| &on.subject));
        for image in subjects.filter_map(Subject::image) {
            match image {
                ImageRef::File { path, .. } => add(LostKind::Image, path),
                ImageRef::InSource { source: SourceRef::Path { path, .. }, .. } => {
                    add(LostKind::Set, path);
                }
                ImageRef::InSource { .. } | ImageRef::Pasted(_) => {}
            }
        }
        if let SourceRef::Path { path, .. } = &self.source {
            add(LostKind::Set, path);
        }
        let models = std::iter::once(&self.model).chain(self.others.iter().flatten());
        let models = models.chain(&self.checkpoint).chain(kept.iter().map(|on| &on.model));
        for model in models {
            if let ModelRef::File { path, .. } = model {
                add(LostKind::Tokenizer, path);
            }
        }
        let written = self.variations.all().iter().filter_map(|v| v.asked.as_ref());
        for asked in self.generating.all_asked().chain(self.race.all_asked()).chain(written) {
            if let ModelRef::File { path, .. } = &asked.generator {
                add(LostKind::Generator, path);
            }
            if let Some(ModelRef::File { path, .. }) = &asked.tokenizer {
                add(LostKind::Tokenizer, path);
            }
        }
        for run in self.runs.iter().flatten() {
            add(LostKind::Run, &run.folder);
        }
        found
    }

    /// Of what is worked with now, what a problem says is not there.
    pub fn lost_by(&self, problem: &Problem) -> Option<Lost> {
        let is_it = |lost: &Lost| lost.is_named_in(&problem.summary);
        let seen = Self { kept: Arc::default(), variations: Variations::default(), ..self.clone() };
        let lost = || seen.named_paths().into_iter().find(is_it);
        problem.is_gone().then(lost).flatten()
    }

    /// Work on what is worked on may have been kept aside under the name that this has now: they are two of one. What
    /// is at hand stays, if something was done; the other is a state of History then.
    fn settle_doubles(&mut self) {
        let now = self.work_on();
        let (mut kept, mut off) = (self.kept.to_vec(), self.off_elsewhere.to_vec());
        let of_now = kept.iter().position(|(on, _)| Some(on) == now.as_ref());
        let off_now = off.iter().position(|(model, _)| *model == self.model);
        if of_now.is_none() && off_now.is_none() {
            return;
        }
        let mut other_work = of_now.map(|at| kept.remove(at).1);
        let mut other_off = off_now.map(|at| off.remove(at).1);
        (self.kept, self.off_elsewhere) = (kept.into(), off.into());
        let at_hand = self.work();
        if at_hand.is_empty() {
            let work = other_work.take().unwrap_or_default();
            (self.edits, self.locks) = (work.edits, work.locks);
        }
        if self.switched_off.is_empty() {
            self.switched_off = other_off.take().unwrap_or_default();
        }
        other_work.take_if(|work| *work == at_hand);
        other_off.take_if(|off| *off == self.switched_off);
        let is_other = other_work.is_some() || other_off.is_some();
        if let Some(on) = now.filter(|_| is_other) {
            let state = self.state(on, BY_HAND);
            let work = other_work.unwrap_or_else(|| self.work());
            let off = other_off.or_else(|| state.off.clone());
            self.variations = self.variations.note(Variation { work, off, ..state }).0;
        }
    }

    /// The same with files and folders where they are now; what was done by hand stays on them.
    pub(super) fn take_as_moved(&mut self, moved: &[Moved]) {
        for moved in moved {
            self.subject.iter_mut().for_each(|subject| moved.subject(subject));
            moved.source(&mut self.source);
            moved.model(&mut self.model);
            let now = |model: &ModelRef| {
                let mut model = model.clone();
                moved.model(&mut model);
                model
            };
            self.generating = std::mem::take(&mut self.generating).with_models(now);
            self.race = std::mem::take(&mut self.race).with_models(now);
            self.checkpoint.iter_mut().for_each(|model| moved.model(model));
            self.others.iter_mut().flatten().for_each(|model| moved.model(model));
            let mut kept = self.kept.to_vec();
            for at in 0..kept.len() {
                let mut on = kept[at].0.clone();
                moved.on(&mut on);
                // What was done there meanwhile stays, and this where it was: neither takes the other's place.
                if kept.iter().all(|(known, _)| *known != on) {
                    kept[at].0 = on;
                }
            }
            self.kept = kept.into();
            self.variations = self.variations.with(|on| moved.on(on), now);
            let mut off = self.off_elsewhere.to_vec();
            for at in 0..off.len() {
                let mut model = off[at].0.clone();
                moved.model(&mut model);
                if off.iter().all(|(known, _)| *known != model) {
                    off[at].0 = model;
                }
            }
            self.off_elsewhere = off.into();
            let mut opened = (self.opened.images.to_vec(), self.opened.models.to_vec());
            for image in &mut opened.0 {
                moved.image(image);
            }
            for model in &mut opened.1 {
                moved.model(model);
            }
            (self.opened.images, self.opened.models) = (opened.0.into(), opened.1.into());
            self.runs.iter_mut().flatten().for_each(|run| moved.run(run));
        }
        self.settle_doubles();
    }
}

/// What else is found by what is: where a folder was moved, all in it was.
pub fn guesses(found: (&Path, &Path), others: &[Lost]) -> Vec<(Lost, PathBuf)> {
    let (from, to) = found;
    let same = from.iter().rev().zip(to.iter().rev()).take_while(|(a, b)| a == b).count();
    let root = |path: &Path| path.ancestors().nth(same).map(Path::to_owned);
    let (Some(old), Some(new)) = (root(from), root(to)) else { return Vec::new() };
    let guess = |lost: &Lost| Some((lost.clone(), new.join(lost.path.strip_prefix(&old).ok()?)));
    others.iter().filter(|lost| *lost.path != *from).filter_map(guess).collect()
}

/// What a document misses, shared with its notices.
pub type AllLost = Arc<[Lost]>;

#[cfg(test)]
mod tests {
    use smalti_engine::images::Picture;
    use smalti_engine::tokens::{Cell, Code};

    use super::*;
    use crate::document::{Edit, Open, Slot, Work};

    fn lost(path: &str) -> Lost {
        Lost { kind: LostKind::Image, path: path.into() }
    }

    #[test]
    fn a_sentence_names_a_whole_path_and_no_beginning_of_one() {
        let hat = lost("/photos/hat");
        for sentence in ["/photos/hat: no such file", "cannot open '/photos/hat'", "/photos/hat"] {
            assert!(hat.is_named_in(sentence), "{sentence}");
        }
        let others = [
            "/photos/hat.png: no such file",
            "/photos/hat 2: no such file",
            "/photos/hat/1.png: no such file",
            "/old/photos/hat: no such file",
        ];
        for sentence in others {
            assert!(!hat.is_named_in(sentence), "{sentence}");
        }
        assert!(lost("/a/two.pt#vae").is_named_in("/a/two.pt: no such file"));
    }

    #[test]
    fn what_a_document_carried_of_a_file_becomes_the_file_that_is_found_and_nothing_else_does() {
        let picture = |color: u8| Picture::new(1, 1, vec![color; 3]).unwrap();
        let [copy, other] =
            [1, 2].map(|color| ImageRef::Pasted(PastedPicture::new(picture(color))));
        let to = PathBuf::from("/new/hat.png");
        let (lost, stamp) = (lost("/old/hat.png"), Stamp::default());
        let picture = Some(PastedPicture::new(picture(1)));
        let found = ImageRef::File { path: to.as_path().into(), stamp };
        let moved = Moved { lost, to, stamp, picture };
        for (before, after) in [(copy, found), (other.clone(), other)] {
            let mut image = before;
            moved.image(&mut image);
            assert_eq!(image, after);
        }
    }

    #[test]
    fn of_two_works_on_what_is_one_thing_by_now_none_is_lost() {
        let model = |path: &str| ModelRef::File {
            path: PathBuf::from(path).into(),
            stamp: Stamp::default(),
        };
        let open = |path: &str| Open::Model(Slot::A, model(path)).into();
        let image = ImageRef::InSource { source: SourceRef::Samples, index: 0 };
        let force = |code| Edit::ForceCells { cells: Arc::new([Cell::at(0, 0)].into()), code };
        let off = |number| Edit::switch(Code::first(number), false);
        let there = Document::default()
            .after(&Open::Image(image).into())
            .after(&open("/new/vae.pt"))
            .after(&force(6).into())
            .after(&off(1).into())
            .after(&open("/old/vae.pt"));
        let lost = Lost { kind: LostKind::Tokenizer, path: "/old/vae.pt".into() };
        let to = PathBuf::from("/new/vae.pt");
        let moved = Moved { lost, to, stamp: Stamp::default(), picture: None };
        let found =
            |document: &Document| document.after(&Open::Moved([moved.clone()].into()).into());
        let code = |work: &Work| work.edits.get(&Cell::at(0, 0)).copied();
        // Nothing was done under the old name: what was done under the new one is there.
        let one = found(&there);
        assert_eq!((code(&one.work()), one.switched_off.len()), (Some(6), 1));
        assert!(one.kept.is_empty() && one.off_elsewhere.is_empty());
        assert!(one.variations.all().is_empty());
        // Under both: this one stays, and the other one is in History.
        let both = found(&there.after(&force(5).into()).after(&off(2).into()));
        assert_eq!(both.model, model("/new/vae.pt"));
        let now =
            |document: &Document| (code(&document.work()), Arc::clone(&document.switched_off));
        assert_eq!(now(&both), (Some(5), Arc::new([Code::first(2)].into())));
        let away = both.after(&Open::Model(Slot::A, ModelRef::Shipped("worlds-fsq".into())).into());
        assert_eq!(now(&away.after(&open("/new/vae.pt"))), now(&both), "it is found again");
        let back = both.after(&Edit::UseVariation(0).into());
        assert_eq!(now(&back), (Some(6), Arc::new([Code::first(1)].into())));
    }

    #[test]
    fn what_lay_beside_what_is_found_is_looked_for_beside_it() {
        let others = [lost("/old/photos/cat.png"), lost("/old/runs/a"), lost("/elsewhere/dog.png")];
        let found = (Path::new("/old/photos/hat.png"), Path::new("/new/disk/photos/hat.png"));
        let found: Vec<PathBuf> = guesses(found, &others).into_iter().map(|(_, to)| to).collect();
        assert_eq!(found, ["/new/disk/photos/cat.png", "/new/disk/runs/a"].map(PathBuf::from));
        // Under another name nothing is known of its folder.
        let renamed = (Path::new("/old/photos/hat.png"), Path::new("/new/photos/cap.png"));
        assert!(guesses(renamed, &others).is_empty());
    }
}
