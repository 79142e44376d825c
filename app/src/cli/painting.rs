//! A generation as a command follows it, and the files that are made of its steps.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use smalti_engine::generators::{
    GenerateEvent, GenerateRun, Painter, Request, Trace, TracedModel, model_hash,
};
use smalti_engine::images::{Picture, apng_bytes, gif_bytes, png_bytes};
use smalti_engine::questions::{DecodePartly, ModelInfo, ModelRef, OpenGenerator, OpenedPainter};
use smalti_engine::session::{Control, RunState};
use smalti_engine::tokens::Tokens;

use super::arguments::Generate;
use super::arguments_paint::Show;
use super::console::Console;
use super::engine::Engine;
use super::outputs::Outputs;
use super::stop::Stop;
use crate::figures::sheet::{Item, sheet_picture, sheet_svg};
use crate::figures::steps::with_masked;

/// Pictures on a contact sheet.
const MOST_ON_A_SHEET: u64 = 400;
/// Steps that a contact sheet shows.
const MOST_STEPS: usize = 32;
/// The last picture of a moving one stays this long, in milliseconds.
const LAST_STAYS: u64 = 1500;

/// A generator that was opened, and which one it is.
pub(super) struct Opened {
    /// What paints.
    pub(super) painter: std::sync::Arc<OpenedPainter>,
    /// Which file.
    pub(super) generator: ModelRef,
}

/// Opens the generator of a command.
pub(super) fn open(
    model: Option<&str>,
    tokenizer: Option<&String>,
    (engine, console): (&Engine, &Console<'_, '_>),
) -> Result<Opened, Stop> {
    let Some(model) = model else {
        let hint = "Name the generator: a shipped name or a file";
        return Err(Stop::bad_input("--model", "it is missing", hint));
    };
    let generator = engine.model(model);
    let tokenizer = tokenizer.map(|named| engine.model(named));
    let question = OpenGenerator { generator: generator.clone(), tokenizer };
    Ok(Opened { painter: engine.answer(&question, console)?, generator })
}

impl Opened {
    /// What a trace says of it. Reads the whole file.
    pub(super) fn traced(
        &self,
        (engine, console): (&Engine, &Console<'_, '_>),
    ) -> Result<TracedModel, Stop> {
        let (tokenizer, token_hash) = match &self.painter.tokenizer {
            Some(model) => {
                let facts = engine.answer(&ModelInfo { model: model.clone() }, console)?;
                (facts.name.clone(), facts.token_hash.clone())
            }
            // Tokens alone.
            None => (self.painter.needs.clone(), String::new()),
        };
        let path = self.generator.path(&engine.session().settings().assets);
        Ok(TracedModel {
            name: self.generator.label(),
            hash: model_hash(&path)?,
            tokenizer,
            token_hash,
        })
    }
}

/// That guidance has a class to lead to.
pub(super) fn check_guidance(options: &Generate, has_class: bool) -> Result<(), Stop> {
    if options.guidance == 1.0 || has_class {
        return Ok(());
    }
    Err(Stop::bad_input(
        "--guidance",
        "it leads towards a class or a caption, and none is given",
        "Name one by --class or --caption, or leave it out",
    ))
}

/// That a contact sheet has room for so many pictures, where one is wanted.
pub(super) fn check_sheet(show: &Show, pictures: u64) -> Result<(), Stop> {
    if !show.sheet || pictures <= MOST_ON_A_SHEET {
        return Ok(());
    }
    Err(Stop::bad_input(
        "--sheet",
        format!("{pictures} pictures are too many for one page"),
        format!("At most {MOST_ON_A_SHEET}: fewer with --count"),
    ))
}

/// What came of a generation.
#[derive(Debug, Default)]
pub(super) struct Painted {
    pub(super) steps: usize,
    pub(super) forward_passes: u32,
    pub(super) seconds: f64,
    /// Of each step.
    pub(super) step_seconds: Vec<f64>,
    /// All of them, at the end.
    pub(super) tokens: Option<Tokens>,
}

/// What is said while it goes on: "picture 2 of 5", and which of how many that is.
pub(super) type Which<'a> = (&'a str, u64, u64);

/// A generation to its end; its steps go into a trace, where there is one, from whose last step it goes on. Cancelled,
/// what was done is in the trace.
pub(super) fn follow(
    engine: &Engine,
    painter: &Painter,
    request: Request,
    mut trace: Option<&mut Trace>,
    (what, number, count): Which<'_>,
    console: &mut Console<'_, '_>,
) -> Result<Painted, Stop> {
    let title = format!("generate {}", number + 1);
    let after = trace.as_ref().and_then(|trace| trace.last_step());
    let before = after.as_ref().map_or(0, |step| step.index as usize + 1);
    let mut work = GenerateRun::new(title, painter.clone(), request, after.as_ref())?;
    if trace.is_none() {
        work = work.keeping_the_last_alone();
    }
    let run = engine.session().start(work);
    let mut painted = Painted { tokens: after.map(|step| step.tokens), ..Painted::default() };
    let (mut shown, mut all) = (0, 1);
    loop {
        if console.check().is_err() {
            engine.session().control(run, Control::Cancel);
        }
        let view = engine.session().runs().into_iter().find(|view| view.id == run);
        for event in engine.session().log::<GenerateEvent>(run, shown) {
            shown += 1;
            let (passes, took) = match &*event {
                GenerateEvent::Started { steps } => {
                    all = *steps;
                    continue;
                }
                GenerateEvent::Passed(passes, took) => (*passes, *took),
                GenerateEvent::Step(step, took) => {
                    if let Some(trace) = trace.as_deref_mut() {
                        trace.push(step);
                    }
                    painted.tokens = Some(step.tokens.clone());
                    (step.forward_passes, *took)
                }
            };
            painted.steps += 1;
            painted.forward_passes += passes;
            painted.seconds += took;
            painted.step_seconds.push(took);
        }
        let state = view.map(|view| view.state);
        if state.as_ref().is_some_and(RunState::is_over) {
            // All of its log was read: thousands of pictures must not fill memory.
            engine.session().forget_run(run);
        }
        match state {
            None | Some(RunState::Cancelled) => return Err(Stop::Cancelled),
            Some(RunState::Failed(problem)) => return Err(problem.into()),
            Some(RunState::Done) => return Ok(painted),
            Some(RunState::Running | RunState::Paused) => {}
        }
        let done = before + painted.steps;
        let of_one = done as f32 / all.max(1) as f32;
        let text = format!("{what} {} of {count}, step {done} of {all}", number + 1);
        console.progress((number as f32 + of_one) / count as f32, &text);
        engine.wait_for_news();
    }
}

/// Files that are made of the steps of a picture.
#[derive(Debug, Default, Clone, serde::Serialize)]
pub(super) struct StepFiles {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gif: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    apng: Option<PathBuf>,
}

/// Writes the trace, and gives its path.
pub(super) fn keep_trace(
    trace: &Trace,
    name: &str,
    outputs: &mut Outputs,
) -> Result<PathBuf, Stop> {
    outputs.add(&format!("{name}.trace.safetensors"), &trace.to_bytes()?)
}

/// Stopped midway, what is done of a picture stays as its trace, beside the pictures before it; `next` says how to
/// go on with a file. Without a trace nothing stays.
pub(super) fn keep_part(
    stop: Stop,
    part: Option<(&Trace, &str)>,
    next: impl Fn(&str) -> String,
    mut outputs: Outputs,
    console: &mut Console<'_, '_>,
) -> Stop {
    let Some((trace, name)) = part else { return stop };
    let done = trace.steps.len();
    if done == 0 && outputs.is_empty() {
        return stop;
    }
    let kept = (done > 0).then(|| keep_trace(trace, name, &mut outputs)).transpose();
    match kept.and_then(|path| outputs.commit().map(|()| path)) {
        Ok(Some(path)) => {
            let path = path.display().to_string();
            console.remark(&format!("{path}: {done} steps are kept; {}", next(&path)));
            stop
        }
        Ok(None) => stop,
        // What was to be told first is told.
        Err(_) if !matches!(stop, Stop::Cancelled) => stop,
        Err(failed) => failed,
    }
}

/// Writes what was asked for of a picture's steps; gives their pictures too.
pub(super) fn keep_steps(
    (show, is_kept): (&Show, bool),
    (trace, name): (&Trace, &str),
    painter: &OpenedPainter,
    outputs: &mut Outputs,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<(StepFiles, Vec<Picture>), Stop> {
    let mut files = StepFiles::default();
    let mut pictures = Vec::new();
    // Without a tokenizer there are no pictures.
    let decoder = painter.tokenizer.as_ref();
    let pairs = decoder.iter().flat_map(|model| trace.steps.iter().map(move |step| (*model, step)));
    // Tokens without a place have none that could be hatched.
    let facts = decoder.map(|model| engine.answer(&ModelInfo { model: model.clone() }, console));
    let is_spatial = facts.transpose()?.is_none_or(|facts| facts.facts.spatial);
    for (model, step) in pairs {
        let tokens = painter.for_tokenizer(&step.tokens)?;
        let question = DecodePartly { tokens, meant: None, model: model.clone() };
        let decoded = engine.answer(&question, console)?;
        pictures.push(if is_spatial {
            with_masked(&decoded.picture, &step.tokens)?
        } else {
            decoded.picture.clone()
        });
        engine.forget_old_answers();
    }
    if is_kept {
        files.trace = Some(keep_trace(trace, name, outputs)?);
        let digits = pictures.len().to_string().len().max(2);
        for (number, picture) in (1..).zip(&pictures) {
            outputs.add(&format!("{name}.step-{number:0digits$}.png"), &png_bytes(picture)?)?;
        }
    }
    if show.gif || show.apng {
        // About four seconds, but no step too fast or too slow to be seen.
        let each = (4000 / pictures.len().max(1) as u64).clamp(40, 400);
        let count = pictures.len();
        let shown = pictures.iter().enumerate().map(|(at, picture)| {
            let stays = if at + 1 == count { LAST_STAYS } else { each };
            (picture.clone(), Duration::from_millis(stays))
        });
        let shown: Vec<(Picture, Duration)> = shown.collect();
        if show.gif {
            files.gif = Some(outputs.add(&format!("{name}.gif"), &gif_bytes(&shown)?)?);
        }
        if show.apng {
            files.apng = Some(outputs.add(&format!("{name}.apng"), &apng_bytes(&shown)?)?);
        }
    }
    Ok((files, pictures))
}

/// The steps of a picture for a contact sheet, each with what it is: all, or as many as fit, evenly.
pub(super) fn steps_on_a_sheet(trace: &Trace, pictures: &[Picture]) -> Vec<Item> {
    let items = (1..).zip(&trace.steps).zip(pictures).map(|((number, step), picture)| {
        let tokens = &step.tokens;
        let written = tokens.cells().filter(|(_, token)| token.is_some()).count();
        let label = format!("step {number}: {written} of {}", tokens.len());
        Item { picture: picture.clone(), label }
    });
    thinned(items.collect())
}

/// As many steps as a contact sheet shows, evenly, with the last one.
pub(super) fn thinned(items: Vec<Item>) -> Vec<Item> {
    let count = items.len();
    let shown = count.min(MOST_STEPS);
    let kept: BTreeSet<usize> =
        (1..=shown).map(|at| (at * count).div_ceil(shown.max(1)) - 1).collect();
    let items = items.into_iter().enumerate().filter(|(at, _)| kept.contains(at));
    items.map(|(_, item)| item).collect()
}

/// A contact sheet, as it is told.
#[derive(Debug, serde::Serialize)]
pub(super) struct SheetLine {
    sheet: PathBuf,
    svg: PathBuf,
    pictures: usize,
}

impl SheetLine {
    /// Says that it was written.
    pub(super) fn tell(&self, console: &mut Console<'_, '_>) -> Result<(), Stop> {
        let text = format!("{}: {} pictures", self.sheet.display(), self.pictures);
        console.result(self, &text)
    }
}

/// How many of several pictures, or else of steps, stand in a row of a contact sheet: wider than high, as slides are.
pub(super) fn columns(pictures: usize) -> usize {
    if pictures > 1 { ((pictures as f64 * 1.5).sqrt().ceil() as usize).max(1) } else { 8 }
}

/// Writes a contact sheet, if there is something on it.
pub(super) fn keep_sheet(
    items: &[Item],
    columns: usize,
    outputs: &mut Outputs,
) -> Result<Option<SheetLine>, Stop> {
    if items.is_empty() {
        return Ok(None);
    }
    let name = outputs.unique_stem("sheet");
    let picture = sheet_picture(items, columns)?;
    let sheet = outputs.add(&format!("{name}.png"), &png_bytes(&picture)?)?;
    let svg = outputs.add(&format!("{name}.svg"), sheet_svg(items, columns)?.as_bytes())?;
    Ok(Some(SheetLine { sheet, svg, pictures: items.len() }))
}
