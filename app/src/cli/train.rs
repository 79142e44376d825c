//! `smalti train`: a recipe becomes a tokenizer.
#![expect(
    clippy::disallowed_methods,
    reason = "a command looks at files; only the window must not"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use smalti_engine::device::DeviceChoice;
use smalti_engine::measure::BookStatistics;
use smalti_engine::questions::ModelRef;
use smalti_engine::session::{Control, RunId, RunState, RunView};
use smalti_engine::training::{self, Order, Recipe, Report, TrainEvent, TrainRun};

use super::arguments;
use super::books;
use super::console::Console;
use super::engine::Engine;
use super::stop::Stop;
use crate::look::words::duration;

/// What a run keeps in its folder.
const CHECKPOINT: &str = "checkpoint.safetensors";

#[derive(Debug, Serialize)]
struct Line<'a> {
    step: u64,
    seconds: f64,
    loss: f64,
    #[serde(flatten)]
    figures: Map<String, Value>,
    /// Each loss by name, where there is more than the sum.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    losses: BTreeMap<&'a str, f64>,
    images_per_second: f64,
    /// Dead codes that were replaced, where some were.
    #[serde(skip_serializing_if = "Option::is_none")]
    restarted: Option<usize>,
    /// The use of each book, where there are several; what stands above is of all.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    books: &'a [BookStatistics],
}

pub(super) fn run(options: &arguments::Train, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let (path, out) = places(options, &console.assets())?;
    let mut recipe = Recipe::read(&path)?;
    if let Some(seed) = options.seed {
        recipe.seed = seed;
    }
    recipe.recompute |= options.recompute;
    let turned = options.knobs.iter().map(|text| Order::parse(text, 0).map(|o| (o.knob, o.value)));
    let turned = turned.collect::<Result<Vec<_>, _>>()?;
    let engine = Engine::open(console)?;
    if let Some(model) = &options.init {
        recipe.init = Some(init_path(model, &console.assets()));
    }
    let mut resume = resumes(&out, options.resume, console)?;
    if let Some(from) = &options.from {
        let step = training::branch(from, options.at, (&out, &recipe))?;
        console.remark(&format!("from step {step} of {}", from.display()));
        resume = true;
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let (steps, assets) = (recipe.steps, console.assets());
    let work = TrainRun::new(recipe, folder.to_owned(), assets, out.clone(), resume)
        .turning(turned)
        .with_other_data(options.other_data)
        .ending_at(options.steps, options.max_seconds.map(Duration::from_secs));
    let run = engine.session().start(work);
    let last = options.steps.map_or(steps, |last| last.min(steps));
    let again = again(options, &out);
    let state = follow(&engine, run, (last, &again), console)?;
    console.clear();
    match state {
        RunState::Failed(problem) => Err(problem.into()),
        RunState::Cancelled => {
            again.say(console);
            Err(Stop::Cancelled)
        }
        RunState::Done | RunState::Running | RunState::Paused => Ok(()),
    }
}

/// The recipe's file and the run's folder.
fn places(options: &arguments::Train, assets: &Path) -> Result<(PathBuf, PathBuf), Stop> {
    let mut given = &options.recipe;
    // One that comes with Smalti, by its name.
    let shipped = assets.join("recipes").join(given).with_extension("ron");
    if !given.exists() && given.components().count() == 1 && shipped.is_file() {
        given = &shipped;
    }
    let own = training::recipe_file(given);
    // The recipe in a run's folder, named by itself, is that run's.
    let of_run = given
        .parent()
        .filter(|run| given.file_name() == own.file_name() && run.join(CHECKPOINT).is_file());
    if let (None, Some(run)) = (&options.out, of_run) {
        // A file that is named alone lies here.
        let here = Path::new(".");
        let run = if run.as_os_str().is_empty() { here } else { run };
        return Ok((given.clone(), run.to_owned()));
    }
    if !given.exists() {
        return Err(Stop::bad_input(
            &given.display().to_string(),
            "there is no such file or folder",
            "Name a recipe, one that comes with Smalti (such as collapse), or the folder of a run",
        ));
    }
    match (&options.out, given.is_dir()) {
        (Some(out), false) => Ok((given.clone(), out.clone())),
        (None, true) if own.is_file() => Ok((own, given.clone())),
        (Some(out), true) if own.is_file() => Ok((own, out.clone())),
        (_, true) => Err(Stop::bad_input(
            &given.display().to_string(),
            "there is no recipe.ron in this folder",
            "Name the recipe, and the run's folder by --out",
        )),
        (None, false) => Err(Stop::bad_input(
            "--out",
            "it is missing",
            "Name the folder that the run's files go to",
        )),
    }
}

/// How a run goes on that was stopped.
struct Again {
    out: PathBuf,
    command: String,
}

/// The run's folder has its recipe and all else that decides numbers; what decides how it goes is said again.
fn again(options: &arguments::Train, out: &Path) -> Again {
    let mut command = format!("smalti train {} --resume", quoted(out));
    let common = &options.common;
    let mut add = |option: String| command.push_str(&option);
    if common.device != DeviceChoice::built_for() {
        add(format!(" --device {}", common.device));
    }
    if common.threads != 0 {
        add(format!(" --threads {}", common.threads));
    }
    if let Some(steps) = options.steps {
        add(format!(" --steps {steps}"));
    }
    if let Some(seconds) = options.max_seconds {
        add(format!(" --max-seconds {seconds}"));
    }
    Again { out: out.to_owned(), command }
}

/// A path as it is typed in a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/\\._-:".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

impl Again {
    fn say(&self, console: &mut Console<'_, '_>) {
        if self.out.join(CHECKPOINT).is_file() {
            let (out, command) = (self.out.display(), &self.command);
            console.remark(&format!("what is done is kept in {out}: `{command}` goes on"));
        }
    }
}

/// Whether there is a run to go on with. One that is there is never trained over by accident.
fn resumes(out: &Path, asked: bool, console: &mut Console<'_, '_>) -> Result<bool, Stop> {
    let there = out.join(CHECKPOINT).is_file();
    if there && !asked {
        return Err(Stop::bad_input(
            &out.display().to_string(),
            "there is a run in this folder already",
            "Go on with it by --resume, or name another folder with --out",
        ));
    }
    if asked && !there {
        console.remark(&format!("{}: no run to resume, starting one", out.display()));
    }
    Ok(there)
}

/// Shows what the run logs until it is over. Ctrl-C cancels it, which keeps what is done.
fn follow(
    engine: &Engine,
    run: RunId,
    (last, again): (u64, &Again),
    console: &mut Console<'_, '_>,
) -> Result<RunState, Stop> {
    let (mut shown, mut steps) = (0, None);
    let mut latest: Option<Arc<TrainEvent>> = None;
    loop {
        if console.check().is_err() {
            engine.session().control(run, Control::Cancel);
        }
        // Looked at before the log, so that nothing of a run that is over is missed.
        let Some(view) = engine.session().runs().into_iter().find(|view| view.id == run) else {
            return Ok(RunState::Cancelled);
        };
        for event in engine.session().log::<TrainEvent>(run, shown) {
            shown += 1;
            // Who reads what is printed may be slower than the run is.
            if console.check().is_err() {
                engine.session().control(run, Control::Cancel);
            }
            if let TrainEvent::Started { step, steps: all, .. } = &*event
                && step >= all
            {
                steps = Some(*all);
            }
            show(&event, console)?;
            latest = Some(event);
        }
        if view.state.is_over() {
            if let (RunState::Done, Some(steps)) = (&view.state, steps) {
                console
                    .remark(&format!("all {steps} steps were done before: nothing is left to do"));
            }
            return Ok(view.state);
        }
        // Nobody is there to resume it; it tries once more to keep what it has.
        if let Some(problem) = view.problem {
            // By the same command it would stop again.
            if !matches!(latest.as_deref(), Some(TrainEvent::OtherData(_))) {
                again.say(console);
            }
            return Ok(RunState::Failed(problem));
        }
        if let Some(TrainEvent::Report(report)) = latest.as_deref() {
            console.progress(view.progress.unwrap_or(0.0), &so_far(report, last, &view));
        }
        engine.wait_for_news();
    }
}

fn show(event: &TrainEvent, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    match event {
        TrainEvent::Report(report) => {
            let line = Line {
                step: report.step,
                seconds: report.seconds,
                loss: report.loss(),
                figures: report
                    .figures
                    .iter()
                    .map(|(name, x)| (name.clone(), (*x).into()))
                    .collect(),
                losses: if report.losses.len() > 2 {
                    by_name(&report.losses[1..])
                } else {
                    BTreeMap::new()
                },
                images_per_second: report.images_per_second,
                restarted: Some(report.restarted).filter(|count| *count > 0),
                books: if report.books.len() > 1 { &report.books } else { &[] },
            };
            let text = format!(
                "step {:>6}  loss {:.5}{}  {:.1} images/s{}",
                line.step,
                line.loss,
                figures(report),
                line.images_per_second,
                books::words(line.books)
            );
            console.result(&line, &text)
        }
        TrainEvent::Finished { model } => {
            console.remark(&format!("model: {}", model.display()));
            Ok(())
        }
        TrainEvent::Turned(order) => {
            let Order { step, knob, value } = order;
            console.remark(&format!("{knob} is {value} from step {step} on"));
            Ok(())
        }
        TrainEvent::Started { .. }
        | TrainEvent::Probe { .. }
        | TrainEvent::Waits { .. }
        | TrainEvent::Saved { .. }
        | TrainEvent::OtherData(_)
        | TrainEvent::Stepped { .. }
        | TrainEvent::Kept(_)
        | TrainEvent::WentTo { .. }
        | TrainEvent::Refused(_) => Ok(()),
    }
}

/// What is measured beside the losses, in words.
fn figures(report: &Report) -> String {
    let words = |(name, value): &(String, f64)| match name.as_str() {
        "psnr" => format!("  PSNR {value:.2} dB"),
        "usage" | "accuracy" => format!("  {name} {:.1} %", value * 100.0),
        _ => format!("  {name} {value:.1}"),
    };
    let restarted = match report.restarted {
        0 => String::new(),
        n => format!("  {n} restarted"),
    };
    // Quality first, as people read it.
    let (quality, rest): (Vec<_>, Vec<_>) =
        report.figures.iter().partition(|(name, _)| name == "psnr");
    quality.into_iter().chain(rest).map(words).collect::<String>() + &restarted
}

fn by_name(values: &[(String, f64)]) -> BTreeMap<&str, f64> {
    values.iter().map(|(name, value)| (name.as_str(), *value)).collect()
}

/// The file of a model that a run starts from.
fn init_path(model: &str, assets: &Path) -> PathBuf {
    let path = ModelRef::named(model, assets).path(assets);
    std::path::absolute(&path).unwrap_or(path)
}

fn so_far(report: &Report, last: u64, view: &RunView) -> String {
    let left = view.seconds_left.map(|left| format!(", {} left", duration(left)));
    format!(
        "step {} of {last}, loss {:.5}{}, {:.1} images/s{}",
        report.step,
        report.loss(),
        report
            .figure("usage")
            .map(|usage| format!(", usage {:.0} %", usage * 100.0))
            .unwrap_or_default(),
        report.images_per_second,
        left.unwrap_or_default()
    )
}
