//! `smalti evaluate`: tokenizers measured over images.

use std::path::{Path, PathBuf};

use smalti_engine::evaluation::{
    LpipsFiles, LpipsIdentity, MeasureEvent, MeasureRun, Measured, Plan, Probed, ReadLpips, Shard,
    Skipped, Stage, Summary,
};
use smalti_engine::questions::{
    ModelFacts, ModelInfo, ModelRef, OwnSide, SourceFacts, SourceInfo, SourceRef, Stamp,
};
use smalti_engine::session::Control;

use super::arguments;
use super::console::Console;
use super::engine::Engine;
use super::measured::{Line, text_of};
use super::pareto::Figure;
use super::probe::{ProbeFigures, probes};
use super::stop::Stop;
use crate::look::words::counted;

/// Of `worlds`, which has no end, this many are measured when no limit is given.
const WORLDS: u64 = 256;

/// Tokenizers, and the images on which they are measured.
pub(super) struct Work {
    pub(super) engine: Engine,
    pub(super) models: Vec<(String, ModelRef)>,
    facts: Vec<ModelFacts>,
    /// What AR probes found of them, where that was wanted.
    probes: Vec<Option<Probed>>,
    source: SourceRef,
    pub(super) set: SourceFacts,
    most: u64,
    pub(super) side: u32,
    shard: Shard,
    seed: u64,
    lpips: Option<LpipsFiles>,
}

/// What was measured of a tokenizer.
pub(super) struct Told {
    pub(super) model: String,
    pub(super) points: Vec<Summary>,
    pub(super) event: MeasureEvent,
}

impl Told {
    /// Which LPIPS was measured, if it was.
    pub(super) fn lpips(&self) -> Option<LpipsIdentity> {
        self.event.identity.as_ref()?.lpips.clone()
    }
}

impl Work {
    /// Opens tokenizers and set, and says what is going to be measured.
    pub(super) fn open(
        names: &[String],
        images: &arguments::Images,
        shard: Shard,
        console: &mut Console<'_, '_>,
    ) -> Result<Self, Stop> {
        let engine = Engine::open(console)?;
        let (mut models, mut facts) = (Vec::new(), Vec::new());
        for name in names {
            let model = engine.model(name);
            let known = engine.answer(&ModelInfo { model: model.clone() }, console);
            facts.push(ModelFacts::clone(&*known.map_err(|stop| stop.about(name))?));
            models.push((name.clone(), model));
        }
        let source = source_of(&images.data, images.seed);
        let set = engine.answer(&SourceInfo { source: source.clone() }, console)?;
        let most = images.limit.unwrap_or(match source {
            SourceRef::Worlds { .. } => WORLDS,
            _ => u64::MAX,
        });
        if most.min(set.len) == 0 {
            let hint = "Name another --data";
            return Err(Stop::bad_input(&images.data, "there are no images", hint));
        }
        let side = match images.size {
            Some(side) => side,
            None => *engine.answer(&OwnSide { source: source.clone() }, console)?,
        };
        console.remark(&describe(&set, (&source, most), side, shard));
        for note in &set.notes {
            console.remark(note);
        }
        let lpips = lpips_of(&engine, &images.lpips, console)?;
        let (set, seed) = (SourceFacts::clone(&set), images.bootstrap_seed);
        let probes = Vec::new();
        Ok(Self { engine, models, facts, probes, source, set, most, side, shard, seed, lpips })
    }

    /// Probes the tokenizers, if that is wanted: from here on their lines say what was found.
    pub(super) fn probe(
        &mut self,
        steps: Option<u32>,
        kept: Option<&Path>,
        console: &mut Console<'_, '_>,
    ) -> Result<(), Stop> {
        if let Some(steps) = steps {
            self.probes = probes(&self.engine, &self.models, (steps, kept), console)?;
        }
        Ok(())
    }

    /// What a probe found of a tokenizer, by its number.
    pub(super) fn probed(&self, number: usize) -> Option<&Probed> {
        self.probes.get(number)?.as_ref()
    }

    fn plan(&self, measured: Measured) -> Plan {
        Plan {
            measured,
            source: self.source.clone(),
            most: self.most,
            side: Some(self.side),
            shard: self.shard,
            seed: self.seed,
            lpips: self.lpips.clone(),
        }
    }

    /// Measures all tokenizers, and JPEG where that is wanted; tells of each when it is done. One that cannot be
    /// measured keeps none of the others from it: it is said at once, and the first of them at the end.
    pub(super) fn measure(
        &self,
        (by_levels, with_jpeg): (bool, bool),
        kept: Option<&Path>,
        console: &mut Console<'_, '_>,
        mut told: impl FnMut(Told, &mut Console<'_, '_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let of = |(_, model): &(String, ModelRef)| {
            self.plan(Measured::Tokenizer { model: model.clone(), by_levels })
        };
        let jpeg = with_jpeg.then(|| self.plan(Measured::Jpeg));
        let plans: Vec<Plan> = self.models.iter().map(of).chain(jpeg).collect();
        let session = self.engine.session();
        let (count, assets) = (plans.len(), session.settings().assets.clone());
        let run = session.start(MeasureRun::new(plans, kept.map(Path::to_owned), assets));
        let (mut read, mut done) = (0, 0);
        let mut failed: Option<Stop> = None;
        while done < count {
            if console.check().is_err() {
                session.control(run, Control::Cancel);
                drop(session.wait_run(run));
                if let Some(folder) = kept {
                    let folder = folder.display();
                    console.remark(&format!("the same command goes on with what is in {folder}"));
                }
                return Err(Stop::Cancelled);
            }
            let events = session.log::<MeasureEvent>(run, read);
            if events.is_empty() {
                let view = session.runs().into_iter().find(|view| view.id == run);
                if let Some(problem) = view.as_ref().and_then(|view| view.problem.clone()) {
                    return Err(problem.into());
                }
                if view.is_none_or(|view| view.state.is_over()) {
                    // What ended it without a word.
                    session.wait_run(run)?;
                }
                self.engine.wait_for_news();
                continue;
            }
            read += events.len();
            for event in events {
                let name = self.models.get(event.number).map_or("JPEG", |(name, _)| name.as_str());
                match &event.stage {
                    Stage::Failed(problem) => {
                        done += 1;
                        if failed.is_some() || done < count {
                            console.remark(&format!("{name}: {problem}"));
                        }
                        failed.get_or_insert(Stop::from(problem.clone()).about(name));
                    }
                    Stage::Measuring => {
                        let part = event.done as f32 / event.total.max(1) as f32;
                        let part = (event.number as f32 + part) / count as f32;
                        console.progress(part, &so_far(name, &event));
                    }
                    Stage::Done => {
                        done += 1;
                        let event = MeasureEvent::clone(&event);
                        let (model, points) = (name.to_owned(), event.points.clone());
                        told(Told { model, points, event }, console)?;
                    }
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// The lines of a tokenizer that was measured, with what is to be said of it.
    pub(super) fn lines(
        &self,
        told: &Told,
        (data, is_asked): (&str, bool),
        console: &mut Console<'_, '_>,
    ) -> Result<Vec<Line>, Stop> {
        report(&told.event.skipped, told.points.first().map_or(0, |it| it.images), data, console)?;
        let is_drawn = matches!(self.source, SourceRef::Worlds { .. });
        let of_images = (!is_drawn).then_some(self.set.len);
        let lines: Vec<Line> = told
            .points
            .iter()
            .map(|summary| {
                let line = Line::of(&told.model, summary, of_images, &told.event);
                // A probe reads all levels.
                let is_whole = line.levels.is_none();
                let probed = self.probed(told.event.number).filter(|_| is_whole);
                Line { probe: probed.map(ProbeFigures::from), ..line }
            })
            .collect();
        let facts = self.facts.get(told.event.number);
        let is_fixed = facts.is_some_and(|facts| facts.facts.fixed_size().is_some());
        if let Some(line) = lines.first() {
            remark_on_size(line, (self.side, is_asked, is_fixed), console);
        }
        Ok(lines)
    }
}

pub(super) fn run(
    options: &arguments::Evaluate,
    console: &mut Console<'_, '_>,
) -> Result<(), Stop> {
    if options.shard != Shard::WHOLE && options.out.is_none() {
        let hint = "Name a folder for the part with --out; smalti merge joins parts";
        return Err(Stop::bad_input("--shard", "a part of a set is of no use by itself", hint));
    }
    if options.shard != Shard::WHOLE && options.probing.probe.is_some() {
        let hint = "Probe in a command without --shard";
        return Err(Stop::bad_input(
            "--probe",
            "a probe is of a tokenizer, not of a part of images",
            hint,
        ));
    }
    let images = &options.images;
    let mut work = Work::open(&options.models, images, options.shard, console)?;
    // Said before the work, not after it.
    let mut figure = match &options.pareto {
        Some(folder) => Some(Figure::new(folder, work.side)?),
        None => None,
    };
    work.probe(options.probing.probe, options.out.as_deref(), console)?;
    let count = work.models.len();
    // Parts that are going to be joined have all that a whole may be asked for.
    let is_part = options.shard != Shard::WHOLE;
    let with = (figure.is_some() || is_part, figure.is_some() || is_part);
    let about = (images.data.as_str(), images.size.is_some());
    let measured = work.measure(with, options.out.as_deref(), console, |told, console| {
        if told.event.number >= count {
            if let Some(figure) = &mut figure {
                let lpips = told.lpips();
                figure.set_jpeg((told.points.clone(), lpips), told.event.skipped.clone());
            }
            return Ok(());
        }
        for line in work.lines(&told, about, console)? {
            console.result(&line, &text_of(&line))?;
            if let Some(figure) = &mut figure {
                figure.add(line.clone());
            }
        }
        Ok(())
    });
    // One that failed keeps the figure of the others back no more than their numbers.
    let is_cancelled = matches!(measured, Err(Stop::Cancelled));
    if let Some(figure) = figure.filter(|figure| !is_cancelled && !figure.is_empty()) {
        figure.write(&work.set.description, console)?;
    }
    measured
}

/// The weights that `--lpips` names, opened before anything is measured.
fn lpips_of(
    engine: &Engine,
    paths: &[PathBuf],
    console: &mut Console<'_, '_>,
) -> Result<Option<LpipsFiles>, Stop> {
    if paths.is_empty() {
        return Ok(None);
    }
    let files = LpipsFiles::of(paths)?;
    let known = engine.answer(&ReadLpips { files: files.clone() }, console);
    let known = known.map_err(|stop| stop.about("--lpips"))?;
    let named: Vec<String> = files.paths().map(|path| path.display().to_string()).collect();
    console.remark(&format!("LPIPS is by {}: {}", known.network.name(), named.join(" and ")));
    Ok(Some(files))
}

/// What `--data` names.
pub(super) fn source_of(data: &str, seed: u64) -> SourceRef {
    match data {
        "worlds" => SourceRef::Worlds { seed },
        "samples" => SourceRef::Samples,
        path => {
            let path = Path::new(path);
            SourceRef::Path { path: path.into(), stamp: Stamp::of(path) }
        }
    }
}

fn describe(
    set: &SourceFacts,
    (source, most): (&SourceRef, u64),
    side: u32,
    shard: Shard,
) -> String {
    let images = most.min(set.len);
    let which = match (images < set.len, source.is_drawn()) {
        (false, _) => "all".to_owned(),
        (true, true) => format!("a sample, the first {images}"),
        (true, false) => format!("a sample of {images}, spread over the set"),
    };
    let part =
        if shard == Shard::WHOLE { String::new() } else { format!(", part {shard} of these") };
    format!("{}: {which} at a side of {side} pixels{part}", set.description)
}

fn so_far(name: &str, event: &MeasureEvent) -> String {
    let psnr = event.points.last().and_then(|it| it.get(smalti_engine::evaluation::Column::Psnr));
    match psnr {
        Some(psnr) => {
            format!("{name}: {}, PSNR {:.2} dB", counted(event.done as usize, "image"), psnr.mean)
        }
        None => name.to_owned(),
    }
}

/// Says what was left out. Where nothing is left that is the end.
pub(super) fn report(
    skipped: &Skipped,
    images: u64,
    data: &str,
    console: &mut Console<'_, '_>,
) -> Result<(), Stop> {
    let first = skipped.named.first().map(|(_, why)| why.as_str()).unwrap_or_default();
    if images == 0 && skipped.count == 1 {
        return Err(Stop::bad_input(data, first, ""));
    }
    for (_, why) in skipped.named.iter().take(10) {
        console.remark(&format!("skipped: {why}"));
    }
    if skipped.count > 10 {
        console.remark(&format!("skipped {} images in all", skipped.count));
    }
    if images > 0 || skipped.count == 0 {
        return Ok(());
    }
    let reason = format!("none of {} could be measured", counted(skipped.count as usize, "image"));
    Err(Stop::bad_input(data, reason, first))
}

/// Where the size is not the one that was asked for, or not the images' own.
fn remark_on_size(
    line: &Line,
    (side, is_asked, is_fixed): (u32, bool, bool),
    console: &mut Console<'_, '_>,
) {
    let is_other = line.size != format!("{side}x{side}") && line.images > 0;
    let (model, size) = (&line.model, &line.size);
    if is_other && is_fixed {
        console.remark(&format!(
            "{model}: measured at {size}, the one size that it takes; its figures are not to be compared \
             with those at {side}x{side}"
        ));
    } else if is_other && is_asked {
        let why = format!("as {side} does not divide by its factor");
        console.remark(&format!("{model}: measured at {size}, {why}"));
    }
    if line.enlarged > 0 {
        console.remark(&format!(
            "{}: {} of {} images are smaller than {} and were enlarged, which flatters PSNR",
            line.model, line.enlarged, line.images, line.size
        ));
    }
}
