//! Measurements as a run: one image a step, so that it can be paused and cancelled between any two.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::identity::{Identity, SetIdentity, hash_of_judge, seen_of, side_of};
use super::kept::{About, Part, Writer};
use super::lpips::{LpipsFiles, LpipsIdentity};
use super::plan::{Indices, Measured, Plan};
use super::subject::{Eye, Subject};
use super::sums::{Skipped, Summary, Sums, lines_of};
use crate::data::Source;
use crate::error::Problem;
use crate::images;
use crate::perceptual::Lpips;
use crate::questions::SourceRef;
use crate::questions::perceive::open_judge;
use crate::session::{Advance, Watch, Work};
use crate::{EngineError, Result};

/// What is done is brought to the disk so often.
const KEEP_EVERY: Duration = Duration::from_secs(20);
/// A measurement says so often at most how far it is: the log stays small, however many images there are.
const REPORTS: u64 = 60;

/// Where a measurement stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Images are measured.
    Measuring,
    /// All are.
    Done,
    /// It cannot be measured; the run goes on with the next.
    Failed(Problem),
}

/// What a run of measurements says.
#[derive(Debug, Clone)]
pub struct MeasureEvent {
    /// Which of its plans.
    pub number: usize,
    /// The plan.
    pub plan: Arc<Plan>,
    /// Where it stands.
    pub stage: Stage,
    /// Images that were looked at, and of how many.
    pub done: u64,
    /// See above.
    pub total: u64,
    /// What was measured, on what, and how; none of one that could not be opened.
    pub identity: Option<Arc<Identity>>,
    /// What is known of each rate so far.
    pub points: Vec<Summary>,
    /// Images that could not be measured.
    pub skipped: Skipped,
    /// Its file of sums, where it is kept.
    pub part: Option<PathBuf>,
}

/// Plans that are measured one after the other.
pub struct MeasureRun {
    plans: Vec<Arc<Plan>>,
    folder: Option<PathBuf>,
    assets: PathBuf,
    next: usize,
    current: Option<Measuring>,
    judge: Option<Arc<(Option<Lpips>, Option<String>)>>,
    /// What was opened last.
    lpips: Option<(LpipsFiles, Arc<(Lpips, LpipsIdentity)>)>,
}

impl std::fmt::Debug for MeasureRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MeasureRun({} of {})", self.next, self.plans.len())
    }
}

impl MeasureRun {
    /// Measures plans; in a folder, if one is given, per-image values and sums are kept, and what is there already
    /// is not measured again. `assets` is the folder of what comes with Smalti.
    pub fn new(plans: Vec<Plan>, folder: Option<PathBuf>, assets: PathBuf) -> Self {
        let plans = plans.into_iter().map(Arc::new).collect();
        Self { plans, folder, assets, next: 0, current: None, judge: None, lpips: None }
    }

    fn judge(
        &mut self,
        watch: &Watch<'_, MeasureEvent>,
    ) -> Result<Arc<(Option<Lpips>, Option<String>)>> {
        if let Some(judge) = &self.judge {
            return Ok(Arc::clone(judge));
        }
        let judge = open_judge(&self.assets, watch.device())?;
        let judge = Arc::new((judge, hash_of_judge(&self.assets)?));
        self.judge = Some(Arc::clone(&judge));
        Ok(judge)
    }

    fn lpips(
        &mut self,
        plan: &Plan,
        watch: &Watch<'_, MeasureEvent>,
    ) -> Result<Option<Arc<(Lpips, LpipsIdentity)>>> {
        let Some(files) = &plan.lpips else { return Ok(None) };
        if let Some((_, lpips)) = self.lpips.as_ref().filter(|(known, _)| known == files) {
            return Ok(Some(Arc::clone(lpips)));
        }
        let lpips = Arc::new(files.open(watch.device())?);
        self.lpips = Some((files.clone(), Arc::clone(&lpips)));
        Ok(Some(lpips))
    }

    fn begin(&mut self, plan: &Arc<Plan>, watch: &Watch<'_, MeasureEvent>) -> Result<Measuring> {
        let eyes = (self.judge(watch)?, self.lpips(plan, watch)?);
        Measuring::open(self.next, plan, (&self.assets, self.folder.as_deref()), eyes, watch)
    }
}

impl Work for MeasureRun {
    type Entry = MeasureEvent;
    type Order = ();

    fn title(&self) -> String {
        match self.plans.as_slice() {
            [only] => format!("measure {}", only.measured.label()),
            plans => {
                let all = plans.iter().map(|plan| &plan.measured);
                format!("measure {}", Measured::counted(all))
            }
        }
    }

    fn step(&mut self, watch: &mut Watch<'_, MeasureEvent>) -> Result<Advance> {
        let Some(plan) = self.plans.get(self.next).cloned() else { return Ok(Advance::Done) };
        let stepped = match self.current.take() {
            None => self.begin(&plan, watch).map(|mut measuring| {
                measuring.report(Stage::Measuring, watch);
                (measuring, false)
            }),
            Some(mut measuring) => measuring.step(watch).map(|is_done| (measuring, is_done)),
        };
        match stepped {
            Ok((measuring, is_done)) => {
                let part = measuring.fraction();
                let fraction = (self.next as f32 + part) / self.plans.len() as f32;
                watch.progress(fraction, measuring.words());
                if is_done {
                    self.next += 1;
                } else {
                    self.current = Some(measuring);
                }
            }
            Err(EngineError::Cancelled) => return Err(EngineError::Cancelled),
            Err(error) => {
                watch.append(MeasureEvent {
                    number: self.next,
                    plan,
                    stage: Stage::Failed(error.problem()),
                    done: 0,
                    total: 0,
                    identity: None,
                    points: Vec::new(),
                    skipped: Skipped::default(),
                    part: None,
                });
                self.next += 1;
            }
        }
        Ok(if self.next < self.plans.len() { Advance::More } else { Advance::Done })
    }

    fn keep(&mut self, watch: &mut Watch<'_, MeasureEvent>) -> Result<()> {
        let Some(measuring) = &mut self.current else { return Ok(()) };
        measuring.report(Stage::Measuring, watch);
        measuring.keep()
    }
}

/// The judge with its hash, and a person's own LPIPS.
type Eyes = (Arc<(Option<Lpips>, Option<String>)>, Option<Arc<(Lpips, LpipsIdentity)>>);

/// A plan that is being measured.
struct Measuring {
    number: usize,
    plan: Arc<Plan>,
    subject: Subject,
    set: Arc<dyn Source>,
    /// The numbers of its images in the set.
    indices: Indices,
    identity: Arc<Identity>,
    judge: Arc<(Option<Lpips>, Option<String>)>,
    lpips: Option<Arc<(Lpips, LpipsIdentity)>>,
    output: Output,
    kept_at: Instant,
    reported: u64,
}

/// Where results go.
enum Output {
    Disk(Box<Writer>),
    Memory(Box<Part>),
}

impl Output {
    fn part(&self) -> &Part {
        match self {
            Self::Disk(writer) => &writer.part,
            Self::Memory(part) => part,
        }
    }

    fn part_mut(&mut self) -> &mut Part {
        match self {
            Self::Disk(writer) => &mut writer.part,
            Self::Memory(part) => part,
        }
    }
}

impl Measuring {
    fn open(
        number: usize,
        plan: &Arc<Plan>,
        (assets, folder): (&Path, Option<&Path>),
        (judge, lpips): Eyes,
        watch: &Watch<'_, MeasureEvent>,
    ) -> Result<Self> {
        let subject = Subject::open(&plan.measured, assets, watch.device())?;
        watch.check()?;
        let set = plan.source.open(assets)?;
        let side = side_of(plan, &*set, || watch.check())?;
        let identity = Identity {
            subject: plan.measured.label(),
            weights: subject.weights.clone(),
            rates: subject.rates.clone(),
            set: SetIdentity::of(&plan.source, &*set, plan.most),
            side,
            judge: judge.1.clone(),
            seed: plan.seed,
            version: Identity::VERSION.to_owned(),
            lpips: lpips.as_ref().map(|lpips| lpips.1.clone()),
        };
        if let Some(lpips) = &identity.lpips {
            lpips.check_size(subject.size(side).target(side, side)?)?;
        }
        let (indices, total) = Indices::of(&plan.source, (set.len(), plan.most), plan.shard);
        let seen = match folder {
            Some(_) => seen_of(&*set, (&indices, total), || watch.check())?,
            None => None,
        };
        let about = About { seen, ..About::new(identity.clone(), plan.shard, total) };
        let sums = Sums::new(subject.books());
        let output = match folder {
            Some(folder) => Output::Disk(Box::new(Writer::open(folder, about, sums)?)),
            None => Output::Memory(Box::new(Part { path: PathBuf::new(), about, sums })),
        };
        let (plan, kept_at) = (Arc::clone(plan), Instant::now());
        let identity = Arc::new(identity);
        Ok(Self {
            number,
            plan,
            subject,
            set,
            indices,
            identity,
            judge,
            lpips,
            output,
            kept_at,
            reported: 0,
        })
    }

    /// Measures the next image; whether that was the last.
    fn step(&mut self, watch: &mut Watch<'_, MeasureEvent>) -> Result<bool> {
        let (done, total) = self.output.part().done();
        if done < total
            && let Err(error) = self.measure(self.indices.at(done), watch)
        {
            // What is measured so far is gone on with when it can be read again.
            self.keep()?;
            return Err(error);
        }
        let done = (done + 1).min(total);
        self.output.part_mut().about.done = done;
        if done < total {
            if self.kept_at.elapsed() > KEEP_EVERY {
                self.keep()?;
            }
            let is_due = done <= 3 || done * REPORTS / total != self.reported;
            if is_due {
                self.reported = done * REPORTS / total;
                self.report(Stage::Measuring, watch);
            }
            return Ok(false);
        }
        let part = self.output.part_mut();
        if part.about.proxies.is_empty() {
            part.about.proxies = part.sums.proxies();
            self.keep()?;
        }
        self.report(Stage::Done, watch);
        Ok(true)
    }

    fn measure(&mut self, index: u64, watch: &Watch<'_, MeasureEvent>) -> Result<()> {
        let size = self.subject.size(self.identity.side);
        let sampled = self.set.sample(index, size.side.clamp(16, 2048));
        let measured = sampled.and_then(|sample| {
            let picture = images::fit(&sample.picture, size)?;
            let (width, height) = (picture.width(), picture.height());
            let is_enlarged = sample.picture.width() < width || sample.picture.height() < height;
            let lpips = self.lpips.as_ref().map(|lpips| &lpips.0);
            let eye = Eye { judge: self.judge.0.as_ref(), lpips, device: watch.device() };
            Ok((self.subject.measure(&picture, is_enlarged, &eye)?, sample.name))
        });
        match measured {
            Ok((image, name)) => {
                let seed = self.plan.seed;
                self.output.part_mut().sums.add(seed, index, &image)?;
                if let Output::Disk(writer) = &mut self.output {
                    writer.append(&lines_of(index, &name, &image))?;
                }
            }
            // What may be read again in an hour is not the image's fault, and would be left out for ever.
            Err(error @ EngineError::Io { .. }) if self.is_passing(&error) => return Err(error),
            // One broken image among many must not hide the rest.
            Err(error) if error.is_bad_input() => {
                let part = self.output.part_mut();
                part.sums.skipped.add(index, error.problem().to_string());
                part.about.skipped = part.sums.skipped.clone();
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether it is the disk or the network that fails, and not this one image: its kind of error is none of a
    /// file that is missing or broken, or the set is not there any more.
    fn is_passing(&self, error: &EngineError) -> bool {
        let EngineError::Io { source, .. } = error else { return false };
        let is_of_one_file = matches!(
            source.kind(),
            ErrorKind::NotFound
                | ErrorKind::PermissionDenied
                | ErrorKind::UnexpectedEof
                | ErrorKind::InvalidData
                | ErrorKind::InvalidInput
                | ErrorKind::IsADirectory
                | ErrorKind::NotADirectory
        );
        // A drive that is gone takes the set's own place along. Looking at that alone is quick, however many files
        // cannot be read.
        let is_gone = matches!(&self.plan.source, SourceRef::Path { path, .. } if !path.exists());
        !is_of_one_file || is_gone
    }

    fn keep(&mut self) -> Result<()> {
        self.kept_at = Instant::now();
        if let Output::Disk(writer) = &mut self.output { writer.keep() } else { Ok(()) }
    }

    fn fraction(&self) -> f32 {
        let (done, total) = self.output.part().done();
        done as f32 / total.max(1) as f32
    }

    fn words(&self) -> String {
        let (done, total) = self.output.part().done();
        format!("{}: {done} of {total}", self.identity.subject)
    }

    fn report(&mut self, stage: Stage, watch: &mut Watch<'_, MeasureEvent>) {
        let part = self.output.part();
        let (done, total) = part.done();
        let path = matches!(self.output, Output::Disk(_)).then(|| part.path.clone());
        watch.append(MeasureEvent {
            number: self.number,
            plan: Arc::clone(&self.plan),
            stage,
            done,
            total,
            identity: Some(Arc::clone(&self.identity)),
            points: part.summaries(),
            skipped: part.skipped().clone(),
            part: path,
        });
    }
}
