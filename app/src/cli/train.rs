//! `smalti train`: a recipe becomes a tokenizer.
#![expect(
    clippy::disallowed_methods,
    reason = "a command looks at files; only the window must not"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use smalti_engine::measure::BookStatistics;
use smalti_engine::session::{Control, RunId, RunState, RunView};
use smalti_engine::training::{Recipe, Report, TrainEvent, TrainRun};

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
    usage: f64,
    perplexity: f64,
    psnr: f64,
    images_per_second: f64,
    /// The use of each book, where there are several; what stands above is of all.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    books: &'a [BookStatistics],
}

pub(super) fn run(options: &arguments::Train, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let mut recipe = Recipe::read(&options.recipe)?;
    if let Some(seed) = options.seed {
        recipe.seed = seed;
    }
    recipe.recompute |= options.recompute;
    let resume = resumes(&options.out, options.resume, console)?;
    let engine = Engine::open(console)?;
    let folder = options.recipe.parent().unwrap_or(Path::new(""));
    let (steps, assets) = (recipe.steps, console.assets());
    let work = TrainRun::new(recipe, folder.to_owned(), assets, options.out.clone(), resume)
        .ending_at(options.steps, options.max_seconds.map(Duration::from_secs));
    let run = engine.session().start(work);
    let last = options.steps.map_or(steps, |last| last.min(steps));
    let state = follow(&engine, run, (last, &options.out), console)?;
    console.clear();
    match state {
        RunState::Failed(problem) => Err(problem.into()),
        RunState::Cancelled => {
            say_what_is_kept(&options.out, console);
            Err(Stop::Cancelled)
        }
        RunState::Done | RunState::Running | RunState::Paused => Ok(()),
    }
}

fn say_what_is_kept(out: &Path, console: &mut Console<'_, '_>) {
    if out.join(CHECKPOINT).is_file() {
        console.remark(&format!(
            "what is done is kept in {}: the same command with --resume goes on",
            out.display()
        ));
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
    (last, out): (u64, &Path),
    console: &mut Console<'_, '_>,
) -> Result<RunState, Stop> {
    let mut shown = 0;
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
            show(&event, console)?;
            latest = Some(event);
        }
        if view.state.is_over() {
            return Ok(view.state);
        }
        // Nobody is there to resume it; it tries once more to keep what it has.
        if let Some(problem) = view.problem {
            say_what_is_kept(out, console);
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
                loss: loss(report),
                usage: report.usage,
                perplexity: report.perplexity,
                psnr: report.psnr,
                images_per_second: report.images_per_second,
                books: if report.books.len() > 1 { &report.books } else { &[] },
            };
            let text = format!(
                "step {:>6}  loss {:.5}  PSNR {:.2} dB  usage {:.1} %  perplexity {:.1}  {:.1} images/s{}",
                line.step,
                line.loss,
                line.psnr,
                line.usage * 100.0,
                line.perplexity,
                line.images_per_second,
                books::words(line.books)
            );
            console.result(&line, &text)
        }
        TrainEvent::Finished { model } => {
            console.remark(&format!("model: {}", model.display()));
            Ok(())
        }
        TrainEvent::Probe { .. } => Ok(()),
    }
}

fn loss(report: &Report) -> f64 {
    report.losses.iter().find(|(name, _)| name == "loss").map_or(f64::NAN, |(_, value)| *value)
}

fn so_far(report: &Report, last: u64, view: &RunView) -> String {
    let left = view.seconds_left.map(|left| format!(", {} left", duration(left)));
    format!(
        "step {} of {last}, loss {:.5}, usage {:.0} %, {:.1} images/s{}",
        report.step,
        loss(report),
        report.usage * 100.0,
        report.images_per_second,
        left.unwrap_or_default()
    )
}
