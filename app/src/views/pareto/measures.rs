//! What is known of measurements: those that are kept, and those of this sitting's runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::evaluation::{
    Column, Identity, Kept, KeptMeasurements, LpipsFiles, MeasureEvent, Measured, Plan, Probed,
    Skipped, Stage, Summary,
};
use smalti_engine::questions::{ModelRef, ShippedModels, SourceRef};
use smalti_engine::session::{Reply, RunId, RunView};

use super::probes::Probes;
use crate::ctx::ViewCtx;

/// What was measured of a tokenizer or a format.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// What was measured: which file in which version, and not what it is called.
    pub(super) measured: Measured,
    /// What it is called, unlike any other one that is at hand.
    pub(super) name: String,
    /// What was measured, on what, and how.
    pub(super) identity: Arc<Identity>,
    /// Each of its rates.
    pub(super) points: Vec<Summary>,
    /// Images that were looked at, and of how many.
    pub(super) done: (u64, u64),
    /// Images that could not be measured.
    pub(super) skipped: Skipped,
    /// The file with what was measured of each.
    pub(super) part: Option<PathBuf>,
    /// What an AR probe found of it, where that is known.
    pub(super) probed: Option<Arc<Probed>>,
}

impl Told {
    /// Whether it is JPEG.
    pub(super) fn is_format(&self) -> bool {
        self.measured == Measured::Jpeg
    }

    /// Whether all of its images were looked at.
    pub(super) fn is_whole(&self) -> bool {
        self.done.0 == self.done.1
    }

    /// Whether LPIPS was measured of it.
    pub(super) fn has_lpips(&self) -> bool {
        self.identity.lpips.is_some()
    }

    /// [Width, height] of its smallest and its largest image.
    pub(super) fn sizes(&self) -> Option<[[u32; 2]; 2]> {
        Some(self.points.first()?.sizes)
    }
}

/// All of one set.
#[derive(Debug, Default)]
pub(super) struct Measures {
    /// Of which set, how many of its images, and by which LPIPS.
    of: Option<(SourceRef, u64, Option<LpipsFiles>)>,
    /// How much of the log of each run was read.
    read: BTreeMap<RunId, usize>,
    /// By name.
    told: Vec<Told>,
    /// Why a tokenizer could not be measured.
    failed: Vec<(Measured, Problem)>,
    /// Why something that is kept cannot be read.
    unread: Vec<Problem>,
    /// Measurements that ended so far: then what is kept is looked at again.
    ended: u64,
    /// How often something of it has changed.
    version: u64,
    /// What is kept, as it was taken in last.
    kept: Option<Arc<Kept>>,
    /// Of whichever set.
    probes: Probes,
}

/// The folder in which measurements are kept, beside that of runs.
pub(super) fn folder(ctx: &ViewCtx<'_>) -> Option<PathBuf> {
    Some(ctx.live.places.first()?.with_file_name("measured"))
}

impl Measures {
    /// Reads what is new.
    pub(super) fn follow(&mut self, ctx: &ViewCtx<'_>, most: u64) {
        let of = Some((ctx.document.source.clone(), most, ctx.live.lpips.cloned()));
        if self.of != of {
            let (ended, version) = (self.ended, self.version + 1);
            let probes = std::mem::take(&mut self.probes);
            *self = Self { of, ended, version, probes, ..Self::default() };
        }
        let models = at_hand(ctx);
        if let Some(folder) = folder(ctx) {
            self.take_kept(ctx, (folder.as_path(), models.as_slice()), most);
        }
        for run in ctx.session.runs().iter().filter(|run| is_measuring(run)) {
            let from = self.read.get(&run.id).copied().unwrap_or(0);
            let events = ctx.session.log::<MeasureEvent>(run.id, from);
            self.read.insert(run.id, from + events.len());
            for event in events {
                self.take(ctx, &event, most);
            }
        }
        // What was measured of a file that was written over since is not what is at hand.
        let before = self.told.len();
        self.told.retain(|told| !is_outdated(&told.measured, &models));
        self.version += u64::from(self.told.len() != before);
        self.failed.retain(|(measured, _)| !is_outdated(measured, &models));
        let names = names(&models);
        for told in &mut self.told {
            let name = name_of(&told.measured, (models.as_slice(), names.as_slice()));
            self.version += u64::from(told.name != name);
            told.name = name;
        }
        self.told.sort_by(|a, b| a.name.cmp(&b.name));
        let folder = folder(ctx);
        self.probes.follow(ctx, (folder.as_deref(), &models));
        for told in &mut self.told {
            let probed = self.probes.of(&told.measured);
            self.version += u64::from(told.probed != probed);
            told.probed = probed;
        }
    }

    /// The measured tokenizers of which no AR probe is known, and none was tried in vain.
    pub(super) fn not_probed(&self) -> Vec<ModelRef> {
        let missing = self.told.iter().filter(|told| told.probed.is_none());
        let models = missing.filter_map(|told| match &told.measured {
            Measured::Tokenizer { model, .. } => Some(model),
            Measured::Jpeg => None,
        });
        models.filter(|model| !self.probes.has_failed(model)).cloned().collect()
    }

    fn take(&mut self, ctx: &ViewCtx<'_>, event: &MeasureEvent, most: u64) {
        if event.plan.source != ctx.document.source || event.plan.most != most {
            return;
        }
        // LPIPS by other weights is another number.
        let has_lpips = event.plan.lpips.is_some();
        if has_lpips && event.plan.lpips.as_ref() != ctx.live.lpips {
            return;
        }
        let measured = &event.plan.measured;
        self.failed.retain(|(other, _)| other != measured);
        if let Stage::Failed(problem) = &event.stage {
            self.failed.push((measured.clone(), problem.clone()));
            return;
        }
        self.ended += u64::from(event.stage == Stage::Done);
        let knows_more = self.get(measured).is_some_and(|told| told.has_lpips() && !has_lpips);
        if let Some(identity) = event.identity.as_ref().filter(|_| !knows_more) {
            self.put(Told {
                measured: measured.clone(),
                name: measured.label(),
                identity: Arc::clone(identity),
                points: event.points.clone(),
                done: (event.done, event.total),
                skipped: event.skipped.clone(),
                part: event.part.clone(),
                probed: None,
            });
        }
    }

    fn take_kept(&mut self, ctx: &ViewCtx<'_>, (folder, models): (&Path, &[ModelRef]), most: u64) {
        let tokenizers = models.iter().cloned().map(tokenizer);
        let question = KeptMeasurements {
            folder: folder.into(),
            wanted: [Measured::Jpeg].into_iter().chain(tokenizers).collect(),
            source: ctx.document.source.clone(),
            most,
            side: None,
            lpips: ctx.live.lpips.cloned(),
            since: self.ended,
        };
        let kept = match ctx.ask("kept measurements", &question) {
            Reply::Ready(kept) => kept,
            Reply::Failed(problem) => {
                self.unread = vec![problem];
                return;
            }
            Reply::Working { .. } => return,
        };
        if self.kept.as_ref().is_some_and(|known| Arc::ptr_eq(known, &kept)) {
            return;
        }
        self.unread.clone_from(&kept.problems);
        for (measured, part) in &kept.parts {
            // Those of this sitting are known already, and are newer. Summing up takes a moment.
            let known = self.get(measured).map(|told| (told.has_lpips(), told.done.0));
            let has_lpips = part.identity().lpips.is_some() && ctx.live.lpips.is_some();
            let now = (has_lpips, part.done().0);
            if now <= known.unwrap_or_default() || part.images() == 0 {
                continue;
            }
            let mut points = part.summaries();
            let mut identity = part.identity().clone();
            if ctx.live.lpips.is_none() {
                // It may be by any weights: of all else that is no matter.
                identity.lpips = None;
                for point in &mut points {
                    point.values[Column::Lpips.place()] = None;
                }
            }
            self.put(Told {
                measured: measured.clone(),
                name: measured.label(),
                identity: Arc::new(identity),
                points,
                done: part.done(),
                skipped: part.skipped().clone(),
                part: Some(part.path.clone()),
                probed: None,
            });
        }
        self.kept = Some(kept);
    }

    fn put(&mut self, told: Told) {
        match self.told.iter_mut().find(|known| known.measured == told.measured) {
            Some(known) => *known = told,
            None => self.told.push(told),
        }
        self.version += 1;
    }

    /// How often something of it has changed: what was made of it before holds as long as this is the same.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// All, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = &Told> {
        self.told.iter()
    }

    /// What is known of one.
    pub(super) fn get(&self, measured: &Measured) -> Option<&Told> {
        self.told.iter().find(|told| told.measured == *measured)
    }

    /// Whether nothing is measured yet.
    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// What of these is not measured in full.
    pub(super) fn missing(&self, wanted: &[Measured]) -> Vec<Measured> {
        let wants_lpips = self.of.as_ref().is_some_and(|(.., lpips)| lpips.is_some());
        let is_all = |told: &Told| told.is_whole() && (told.has_lpips() || !wants_lpips);
        let is_done = |measured: &&Measured| self.get(measured).is_some_and(is_all);
        wanted.iter().filter(|measured| !is_done(measured)).cloned().collect()
    }

    /// What could not be measured or read, each with what to do.
    pub(super) fn problems(&self) -> impl Iterator<Item = (String, &str)> {
        let failed = self.failed.iter().map(|(measured, problem)| {
            (format!("{}: {}", measured.label(), problem.summary), problem.hint.as_str())
        });
        let unread = self.unread.iter().map(|it| (it.summary.clone(), it.hint.as_str()));
        failed.chain(unread).chain(self.probes.problems())
    }

    /// [Width, height] of the smallest and the largest image of those measurements that are compared with each
    /// other: those at the size of the format, or else at the size of most.
    pub(super) fn usual_sizes(&self) -> Option<[[u32; 2]; 2]> {
        let whole = self.told.iter().filter(|told| told.is_whole() && !told.is_format());
        let sizes: Vec<[[u32; 2]; 2]> = whole.filter_map(Told::sizes).collect();
        let format = self.told.iter().find(|told| told.is_format()).and_then(Told::sizes);
        let count = |size: &[[u32; 2]; 2]| sizes.iter().filter(|other| *other == size).count();
        let of_most = || sizes.iter().copied().max_by_key(count);
        format.filter(|size| sizes.contains(size)).or_else(of_most)
    }
}

/// A tokenizer at all of its rates.
pub(super) fn tokenizer(model: ModelRef) -> Measured {
    Measured::Tokenizer { model, by_levels: true }
}

/// Whether a run is one of measurements.
fn is_measuring(run: &RunView) -> bool {
    run.title.starts_with("measure ")
}

/// A run of measurements that goes on.
#[derive(Debug)]
pub(super) struct GoingOn {
    pub(super) run: RunView,
    /// What it measures now, once it has begun.
    plan: Option<Arc<Plan>>,
}

impl GoingOn {
    /// Whether it measures on the document's set, as far as is known.
    pub(super) fn is_here(&self, ctx: &ViewCtx<'_>) -> bool {
        self.plan.as_ref().is_none_or(|plan| plan.source == ctx.document.source)
    }
}

/// The run of measurements that goes on; of several rather one on the document's set.
pub(super) fn going_on(ctx: &ViewCtx<'_>) -> Option<GoingOn> {
    let runs = ctx.session.runs().into_iter().rev();
    let open = runs.filter(|run| is_measuring(run) && !run.state.is_over()).map(|run| {
        let last = ctx.session.log::<MeasureEvent>(run.id, run.entries.saturating_sub(1));
        GoingOn { plan: last.last().map(|event| Arc::clone(&event.plan)), run }
    });
    let mut open: Vec<GoingOn> = open.collect();
    let at = open.iter().position(|it| it.is_here(ctx)).unwrap_or(0);
    (at < open.len()).then(|| open.swap_remove(at))
}

fn file_of(model: &ModelRef) -> Option<&Arc<Path>> {
    if let ModelRef::File { path, .. } = model { Some(path) } else { None }
}

/// All tokenizers that are at hand: the shipped ones, and those that were opened, each file once as it was opened last.
pub(super) fn at_hand(ctx: &ViewCtx<'_>) -> Vec<ModelRef> {
    let shipped = ctx.ask("shipped", &ShippedModels);
    let shipped = shipped.best().into_iter().flat_map(|names| names.iter());
    let shipped = shipped.map(|name| ModelRef::Shipped(name.as_str().into()));
    let document = ctx.document;
    let own = [Some(&document.model)].into_iter().chain(document.others.iter().map(Option::as_ref));
    let own = own.flatten().chain(document.opened.models.iter()).cloned();
    newest(shipped.chain(own))
}

fn newest(models: impl Iterator<Item = ModelRef>) -> Vec<ModelRef> {
    let mut found: Vec<ModelRef> = Vec::new();
    for model in models {
        let is_it = |known: &ModelRef| match (file_of(known), file_of(&model)) {
            (Some(known), Some(file)) => known == file,
            _ => *known == model,
        };
        match found.iter().position(is_it) {
            Some(at) => found[at] = model,
            None => found.push(model),
        }
    }
    found
}

/// Whether a file is at hand in another version than the one that was measured.
fn is_outdated(measured: &Measured, models: &[ModelRef]) -> bool {
    let Measured::Tokenizer { model, .. } = measured else { return false };
    let Some(path) = file_of(model) else { return false };
    models.iter().any(|other| other != model && file_of(other) == Some(path))
}

/// What tokenizers are called side by side: where a file is called as another one, its folder stands before it.
pub(super) fn names(models: &[ModelRef]) -> Vec<String> {
    let labels: Vec<String> = models.iter().map(ModelRef::label).collect();
    let in_folder = |at: usize| {
        let folder = file_of(models.get(at)?)?.parent()?.file_name()?.to_string_lossy();
        Some(format!("{folder}/{}", labels.get(at)?))
    };
    let is_shared = |at: usize| {
        let label = &labels[at];
        label == FORMAT || labels.iter().enumerate().any(|(other, it)| other != at && it == label)
    };
    let folders: Vec<Option<String>> =
        (0..models.len()).map(|at| if is_shared(at) { in_folder(at) } else { None }).collect();
    let name = |at: usize| {
        let Some(name) = folders[at].clone() else { return labels[at].clone() };
        let is_unlike = folders.iter().filter(|other| other.as_ref() == Some(&name)).count() == 1;
        let whole = || file_of(&models[at]).map(|path| path.display().to_string());
        if is_unlike { name } else { whole().unwrap_or(name) }
    };
    (0..models.len()).map(name).collect()
}

/// What JPEG is called among tokenizers.
const FORMAT: &str = "JPEG";

fn name_of(measured: &Measured, (models, names): (&[ModelRef], &[String])) -> String {
    let Measured::Tokenizer { model, .. } = measured else { return measured.label() };
    let at = models.iter().position(|other| other == model);
    at.and_then(|at| names.get(at).cloned()).unwrap_or_else(|| measured.label())
}

#[cfg(test)]
mod tests {
    use super::*;
    use smalti_engine::evaluation::{COLUMNS, Rate, SetIdentity};
    use smalti_engine::questions::Stamp;

    /// A measurement of three images at a side, of which so many were looked at.
    fn told(measured: Measured, side: u32, done: u64) -> Told {
        let point = Summary {
            rate: Rate::default(),
            images: done,
            sizes: [[side; 2]; 2],
            enlarged: 0,
            values: [None; COLUMNS.len()],
            entropy_bits_per_pixel: None,
            proxy_fd: None,
            fine_detail_of_images: 0.0,
            books: None,
            encode_seconds: 0.0,
            decode_seconds: 0.0,
        };
        let (description, listing, seed) = ("three".to_owned(), None, None);
        let identity = Identity {
            subject: measured.label(),
            weights: None,
            rates: vec![Rate::default()],
            set: SetIdentity { description, total: 3, sampled: 3, listing, seed },
            side,
            judge: None,
            seed: 0,
            version: String::new(),
            lpips: None,
        };
        Told {
            name: measured.label(),
            measured,
            identity: Arc::new(identity),
            points: vec![point],
            done: (done, 3),
            skipped: Skipped::default(),
            part: None,
            probed: None,
        }
    }

    #[test]
    fn measurements_at_the_size_of_the_format_are_compared_or_those_at_the_size_of_most() {
        let model = |name: &str, side, done| told(tokenizer(file(name, 1)), side, done);
        let mut measures = Measures::default();
        for it in [model("/a.pt", 256, 3), model("/b.pt", 256, 3), model("/c.pt", 64, 3)] {
            measures.put(it);
        }
        let square = |side| Some([[side; 2]; 2]);
        assert_eq!(measures.usual_sizes(), square(256));
        measures.put(told(Measured::Jpeg, 64, 3));
        assert_eq!(measures.usual_sizes(), square(64));
        measures.put(model("/c.pt", 64, 1));
        assert_eq!(measures.usual_sizes(), square(256), "one image says nothing of the set");
        assert_eq!(measures.all().count(), 4, "each is there once");
    }

    fn file(path: &str, modified: u128) -> ModelRef {
        let stamp = Stamp { modified, ..Stamp::default() };
        ModelRef::File { path: Path::new(path).into(), stamp }
    }

    #[test]
    fn tokenizers_of_one_name_are_told_apart_by_where_they_lie() {
        let shipped = ModelRef::Shipped("worlds-fsq".into());
        let models = [
            shipped,
            file("/mine/worlds-fsq.safetensors", 1),
            file("/a/x.ckpt", 1),
            file("/b/x.ckpt", 1),
            file("/c/d/y.ckpt", 1),
            file("/e/d/y.ckpt", 1),
            file("/f/JPEG.ckpt", 1),
            file("/f/z.ckpt", 1),
        ];
        let wanted = [
            "worlds-fsq",
            "mine/worlds-fsq",
            "a/x",
            "b/x",
            "/c/d/y.ckpt",
            "/e/d/y.ckpt",
            "f/JPEG",
            "z",
        ];
        assert_eq!(names(&models), wanted);
    }

    #[test]
    fn a_file_that_was_written_over_is_another_tokenizer() {
        let (old, new) = (file("/a/x.ckpt", 1), file("/a/x.ckpt", 2));
        let models = newest([old.clone(), file("/b/x.ckpt", 1), new.clone()].into_iter());
        assert_eq!(models, [new.clone(), file("/b/x.ckpt", 1)]);
        assert!(is_outdated(&tokenizer(old), &models));
        assert!(!is_outdated(&tokenizer(new), &models));
        assert!(!is_outdated(&tokenizer(file("/c/x.ckpt", 1)), &models), "it is closed by now");
        assert!(!is_outdated(&Measured::Jpeg, &models));
    }
}
