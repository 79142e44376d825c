//! `smalti generate`: a generator paints pictures with a tokenizer's codes.

use std::path::{Path, PathBuf};

use serde::Serialize;
use smalti_engine::generators::{
    Condition, GeneratorConfig, Request, Sampling, Schedule, Trace, TracedModel, Unmasking,
    UnmaskingOrder, Way,
};
use smalti_engine::images::{Picture, png_bytes};
use smalti_engine::questions::{Decode, caption_of, prefix_of};
use smalti_engine::token_files;
use smalti_engine::tokens::Tokens;

use super::arguments;
use super::arguments_paint::Paint;
use super::console::Console;
use super::engine::Engine;
use super::given;
use super::outputs::Outputs;
use super::painting::{
    Opened, Painted, StepFiles, check_guidance, check_sheet, columns, follow, keep_part,
    keep_sheet, keep_steps, open, steps_on_a_sheet,
};
use super::stop::Stop;
use crate::figures::sheet::Item;

#[derive(Debug, Serialize)]
struct Line {
    /// Left out where no tokenizer decodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    tokens_file: PathBuf,
    class: Option<String>,
    seed: u64,
    steps: usize,
    /// Sequences that went through the network.
    forward_passes: u32,
    /// Tokens that were questioned in each step, where some were.
    #[serde(skip_serializing_if = "Option::is_none")]
    self_correction: Option<u32>,
    seconds: f64,
    /// Of each step, where they are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    step_seconds: Option<Vec<f64>>,
    #[serde(flatten)]
    files: StepFiles,
}

/// What is painted: a request, and how far it is.
struct Job {
    request: Request,
    /// With the steps that are done already.
    trace: Option<Trace>,
}

pub(super) fn run(options: &Paint, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let base = &options.base;
    let engine = Engine::open(console)?;
    let opened = open(base.model.as_deref(), base.tokenizer.as_ref(), (&engine, console))?;
    let model = if options.wants_steps() { Some(opened.traced((&engine, console))?) } else { None };
    let jobs = jobs(options, &opened, model.as_ref(), (&engine, console))?;
    let columns = in_a_row(options, jobs.len());
    let config = opened.painter.config();
    let mut outputs = Outputs::into_folder(&base.out)?;
    for read in options.init.iter().chain(&base.prefix).chain(&base.caption) {
        outputs.spare(read);
    }
    let (mut lines, mut sheet) = (Vec::new(), Vec::new());
    let count = jobs.len() as u64;
    for (number, mut job) in (0..).zip(jobs) {
        let name = outputs.unique_stem(&stem(config, &job.request));
        let painted = paint(
            options,
            (&opened, &mut job),
            (&name, number, count),
            &mut outputs,
            (&engine, console),
        );
        let (line, picture, steps) = match painted {
            Ok(painted) => painted,
            Err(stop) => {
                let part = job.trace.as_ref().filter(|_| options.is_kept());
                let part = part.map(|trace| (trace, name.as_str()));
                let next = |path: &str| format!("--resume {path} goes on with it");
                return Err(keep_part(stop, part, next, outputs, console));
            }
        };
        if let Some(picture) = picture.filter(|_| options.show.sheet && count > 1) {
            let kind = line.class.as_deref().unwrap_or("any class");
            sheet.push(Item { picture, label: format!("{kind}, seed {}", line.seed) });
        } else if options.show.sheet
            && let Some(trace) = &job.trace
        {
            sheet = steps_on_a_sheet(trace, &steps);
        }
        lines.push(line);
        engine.forget_old_answers();
    }
    let sheet = keep_sheet(&sheet, columns, &mut outputs)?;
    // What traces tell is kept, however late it is cancelled.
    if !options.is_kept() {
        console.check()?;
    }
    outputs.commit()?;
    for note in &opened.painter.notes {
        console.remark(&format!("note: {note}"));
    }
    if opened.painter.tokenizer.is_none() {
        let needs = &opened.painter.needs;
        let text =
            format!("tokens alone: a picture needs {needs}, and none was named (--tokenizer)");
        console.remark(&text);
    }
    lines.iter().try_for_each(|line| tell(line, console))?;
    sheet.iter().try_for_each(|line| line.tell(console))
}

/// What is painted, in order: each class with each seed, or what a trace leaves to do.
fn jobs(
    options: &Paint,
    opened: &Opened,
    model: Option<&TracedModel>,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Vec<Job>, Stop> {
    let (base, config) = (&options.base, opened.painter.config());
    if opened.painter.tokenizer.is_none() && (options.wants_pictures() || options.init.is_some()) {
        opened.painter.decoder()?;
    }
    if let (Some(path), Some(model)) = (&options.resume, model) {
        return Ok(vec![resumed(path, model, config)?]);
    }
    let classes: Vec<Option<u32>> = match &base.class {
        None => vec![None],
        Some(said) => said
            .split(',')
            .map(|said| config.class(said.trim()).map(Some))
            .collect::<Result<_, _>>()?,
    };
    let prompt = prompt(base, config)?;
    check_guidance(base, base.class.is_some() || prompt.is_some())?;
    let count = classes.len() as u64 * base.count;
    check_sheet(&options.show, count)?;
    let given = given::for_generate(options, &opened.painter, (engine, console))?;
    // All share the memory of what is given.
    let mut all = Request { prompt, ..request(base, config, None, base.seed)? };
    if let Some(given) = given {
        all.given = given;
    }
    let mut jobs = Vec::new();
    for class in classes {
        for number in 0..base.count {
            let request = Request { class, seed: base.seed.wrapping_add(number), ..all.clone() };
            if number == 0 {
                request.validate(config)?;
            }
            if number % 1024 == 0 {
                console.check()?;
            }
            let trace = model.map(|model| Trace::new(model.clone(), request.clone()));
            jobs.push(Job { request, trace });
        }
    }
    Ok(jobs)
}

/// What leads in the place of a class.
pub(super) fn prompt(
    options: &arguments::Generate,
    config: &GeneratorConfig,
) -> Result<Option<Condition>, Stop> {
    Ok(match (&options.caption, &options.prefix) {
        (Some(caption), _) => Some(caption_of(caption, config)?),
        (None, Some(prefix)) => Some(prefix_of(prefix, config)?),
        (None, None) => None,
    })
}

/// What a person asks of the generator.
pub(super) fn request(
    options: &arguments::Generate,
    config: &GeneratorConfig,
    class: Option<u32>,
    seed: u64,
) -> Result<Request, Stop> {
    let (order, groups) = order(&options.order)?;
    Ok(Request {
        groups,
        sampling: Sampling {
            temperature: options.temperature,
            top_k: options.top_k,
            top_p: options.top_p,
            guidance: options.guidance,
            ramp: options.ramp,
        },
        unmasking: Unmasking {
            steps: options.steps,
            schedule: Schedule::parse(&options.schedule)?,
            choice_temperature: options.choice_temperature,
            order,
            self_correction: options.self_correct,
        },
        ..Request::new(config, class, seed)?
    })
}

/// Which tokens a masked generator keeps first, and in how many groups a raster one writes.
fn order(said: &str) -> Result<(UnmaskingOrder, u32), Stop> {
    let Some(count) = said.trim().strip_prefix("groups:") else {
        return Ok((UnmaskingOrder::parse(said)?, 1));
    };
    let groups = count.trim().parse().map_err(|_no_number| {
        let reason = format!("{count:?} is no number of groups");
        Stop::bad_input("--order", reason, "Such as groups:4")
    })?;
    Ok((UnmaskingOrder::default(), groups))
}

/// What a trace leaves to do.
fn resumed(path: &Path, model: &TracedModel, config: &GeneratorConfig) -> Result<Job, Stop> {
    let trace = Trace::read(path)?;
    trace.check(path, model)?;
    trace
        .request
        .validate(config)
        .map_err(|error| Stop::from(error).about(&path.display().to_string()))?;
    Ok(Job { request: trace.request.clone(), trace: Some(trace) })
}

/// How the files of a picture are called.
fn stem(config: &GeneratorConfig, request: &Request) -> String {
    let kind = match (class_name(config, request.class), &request.prompt) {
        // A number alone says nothing.
        (Some(class), _) if class.parse::<u32>().is_ok() => format!("class-{class}"),
        (Some(class), _) => class.to_owned(),
        (None, Some(prompt)) => prompt.kind().to_owned(),
        (None, None) => "any".to_owned(),
    };
    // Names of classes come from recipes and files.
    let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
    let kind: String = kind.chars().map(plain).collect();
    format!("{kind}-{}", request.seed)
}

fn class_name(config: &GeneratorConfig, class: Option<u32>) -> Option<&str> {
    config.classes.get(class? as usize).map(String::as_str)
}

/// Paints a picture and stages its files; gives the picture, and those of its steps.
fn paint(
    options: &Paint,
    (opened, job): (&Opened, &mut Job),
    (name, number, count): (&str, u64, u64),
    outputs: &mut Outputs,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<(Line, Option<Picture>, Vec<Picture>), Stop> {
    let which = ("picture", number, count);
    let painter = &opened.painter.painter;
    let (request, trace) = (job.request.clone(), job.trace.as_mut());
    let painted = follow(engine, painter, request, trace, which, console)?;
    let Some(tokens) = &painted.tokens else {
        return Err(Stop::failure("the generator took no step", ""));
    };
    let whole =
        token_files::safetensors_bytes(std::slice::from_ref(tokens), &opened.painter.maker)?;
    let tokens_file = outputs.add(&format!("{name}.safetensors"), &whole)?;
    if tokens.parts().len() == 1 {
        outputs.add(&format!("{name}.npy"), &token_files::npy_bytes(tokens)?)?;
    }
    let picture = decoded(tokens, opened, (engine, console))?;
    let bytes = picture.as_ref().map(png_bytes).transpose()?;
    let out = bytes.map(|bytes| outputs.add(&format!("{name}.png"), &bytes)).transpose()?;
    let (mut files, mut steps) = (StepFiles::default(), Vec::new());
    if let Some(trace) = &job.trace {
        let painter = &opened.painter;
        let kept = (&options.show, options.is_kept());
        (files, steps) = keep_steps(kept, (trace, name), painter, outputs, (engine, console))?;
    }
    let Painted { forward_passes, seconds, step_seconds, .. } = painted;
    let class = class_name(opened.painter.config(), job.request.class).map(str::to_owned);
    let line = Line {
        out,
        tokens_file,
        class,
        seed: job.request.seed,
        steps: painted.steps,
        forward_passes,
        self_correction: Some(job.request.unmasking.self_correction)
            .filter(|count| *count > 0 && opened.painter.config().way == Way::MaskGit),
        seconds,
        step_seconds: job.trace.is_some().then_some(step_seconds),
        files,
    };
    Ok((line, picture, steps))
}

/// The picture of tokens, where a tokenizer decodes.
fn decoded(
    tokens: &Tokens,
    opened: &Opened,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Option<Picture>, Stop> {
    let Some(model) = opened.painter.tokenizer.clone() else { return Ok(None) };
    let question = Decode { tokens: opened.painter.for_tokenizer(tokens)?, model };
    Ok(Some(engine.answer(&question, console)?.picture.clone()))
}

/// How many pictures stand in a row of the contact sheet: all of a class, where there are several.
fn in_a_row(options: &Paint, pictures: usize) -> usize {
    let classes = options.base.class.as_ref().map_or(1, |said| said.split(',').count());
    if classes > 1 && pictures > 1 { options.base.count as usize } else { columns(pictures) }
}

fn tell(line: &Line, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let corrected = line.self_correction.map(|count| format!(" with self-correction of {count}"));
    let text = format!(
        "{}: {}, {} steps{}, {} passes, {:.2} s",
        line.out.as_ref().unwrap_or(&line.tokens_file).display(),
        line.class.as_deref().unwrap_or("any"),
        line.steps,
        corrected.unwrap_or_default(),
        line.forward_passes,
        line.seconds
    );
    console.result(line, &text)
}
