//! `smalti generate`: a generator writes tokens and, with a tokenizer, pictures.

use std::path::PathBuf;

use serde::Serialize;
use smalti_engine::generators::{
    GenerateEvent, GenerateRun, GeneratorConfig, Painter, Request, Sampling, Schedule, Unmasking,
    UnmaskingOrder, Way,
};
use smalti_engine::images::png_bytes;
use smalti_engine::questions::{Decode, OpenGenerator, OpenedPainter, caption_of, prefix_of};
use smalti_engine::session::{Control, RunState};
use smalti_engine::token_files;
use smalti_engine::tokens::Tokens;

use super::arguments;
use super::console::Console;
use super::engine::Engine;
use super::outputs::Outputs;
use super::stop::Stop;

#[derive(Debug, Serialize)]
struct Line {
    /// The picture, where a tokenizer decodes.
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
}

pub(super) fn run(
    options: &arguments::Generate,
    console: &mut Console<'_, '_>,
) -> Result<(), Stop> {
    let engine = Engine::open(console)?;
    let generator = engine.model(&options.model);
    let tokenizer = options.tokenizer.as_ref().map(|named| engine.model(named));
    let opened = engine.answer(&OpenGenerator { generator, tokenizer }, console)?;
    let config = opened.config();
    let class = options.class.as_ref().map(|said| config.class(said)).transpose()?;
    let prompt = match (&options.caption, &options.prefix) {
        (Some(caption), _) => Some(caption_of(caption, config)?),
        (None, Some(prefix)) => Some(prefix_of(prefix, config)?),
        (None, None) => None,
    };
    if options.guidance != 1.0 && class.is_none() && prompt.is_none() {
        return Err(Stop::bad_input(
            "--guidance",
            "it leads towards a class or a caption, and none is given",
            "Name one by --class or --caption, or leave it out",
        ));
    }
    let mut outputs = Outputs::into_folder(&options.out)?;
    let mut lines = Vec::new();
    for number in 0..options.count {
        let request = Request {
            prompt: prompt.clone(),
            ..request(options, config, class, options.seed.wrapping_add(number))?
        };
        let painted = follow(&engine, &opened.painter, request, (number, options.count), console)?;
        lines.push(write(
            &engine,
            &opened,
            (options, number, class),
            painted,
            &mut outputs,
            console,
        )?);
        engine.forget_old_answers();
    }
    console.check()?;
    outputs.commit()?;
    for note in &opened.notes {
        console.remark(&format!("note: {note}"));
    }
    if opened.tokenizer.is_none() {
        let text = format!(
            "tokens alone: a picture needs {}, and none was named (--tokenizer)",
            opened.needs
        );
        console.remark(&text);
    }
    for (line, text) in &lines {
        console.result(line, text)?;
    }
    Ok(())
}

/// What the options ask for, of one picture.
fn request(
    options: &arguments::Generate,
    config: &GeneratorConfig,
    class: Option<u32>,
    seed: u64,
) -> Result<Request, Stop> {
    Ok(Request {
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
            order: UnmaskingOrder::parse(&options.order)?,
            self_correction: options.self_correct,
        },
        ..Request::new(config, class, seed)?
    })
}

/// The files of a picture: its tokens and, where a tokenizer decodes, itself.
fn write(
    engine: &Engine,
    opened: &OpenedPainter,
    (options, number, class): (&arguments::Generate, u64, Option<u32>),
    painted: Painted,
    outputs: &mut Outputs,
    console: &mut Console<'_, '_>,
) -> Result<(Line, String), Stop> {
    let Some(tokens) = painted.tokens else {
        return Err(Stop::failure("the generator took no step", ""));
    };
    let seed = options.seed.wrapping_add(number);
    let class = class.map(|class| opened.config().classes[class as usize].clone());
    let kind = match &class {
        // A number alone says nothing.
        Some(class) if class.parse::<u32>().is_ok() => format!("class-{class}"),
        Some(class) => class.clone(),
        None if options.caption.is_some() => "caption".to_owned(),
        None if options.prefix.is_some() => "prefix".to_owned(),
        None => "any".to_owned(),
    };
    // Names of classes come from recipes and files.
    let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
    let stem: String = kind.chars().map(plain).collect();
    let name = outputs.unique_stem(&format!("{stem}-{seed}"));
    let bytes = token_files::safetensors_bytes(std::slice::from_ref(&tokens), &opened.maker)?;
    let tokens_file = outputs.add(&format!("{name}.safetensors"), &bytes)?;
    if tokens.parts().len() == 1 {
        outputs.add(&format!("{name}.npy"), &token_files::npy_bytes(&tokens)?)?;
    }
    let out = match &opened.tokenizer {
        Some(model) => {
            let tokens = opened.for_tokenizer(&tokens)?;
            let decoded = engine.answer(&Decode { tokens, model: model.clone() }, console)?;
            Some(outputs.add(&format!("{name}.png"), &png_bytes(&decoded.picture)?)?)
        }
        None => None,
    };
    let line = Line {
        out,
        tokens_file,
        class,
        seed,
        steps: painted.steps,
        forward_passes: painted.forward_passes,
        self_correction: Some(options.self_correct)
            .filter(|count| *count > 0 && opened.config().way == Way::MaskGit),
        seconds: painted.seconds,
    };
    let corrected = line.self_correction.map(|count| format!(" with self-correction of {count}"));
    let text = format!(
        "{}: {kind}, {} steps{}, {} passes, {:.2} s",
        line.out.as_ref().unwrap_or(&line.tokens_file).display(),
        line.steps,
        corrected.unwrap_or_default(),
        line.forward_passes,
        line.seconds
    );
    Ok((line, text))
}

/// What came of a generation.
#[derive(Debug, Default)]
struct Painted {
    steps: usize,
    forward_passes: u32,
    seconds: f64,
    /// All of them, at the end.
    tokens: Option<Tokens>,
}

/// A generation to its end.
fn follow(
    engine: &Engine,
    painter: &Painter,
    request: Request,
    (number, count): (u64, u64),
    console: &mut Console<'_, '_>,
) -> Result<Painted, Stop> {
    let title = format!("generate {}", number + 1);
    let work = GenerateRun::new(title, painter.clone(), request, None)?.keeping_the_last_alone();
    let run = engine.session().start(work);
    let (mut shown, mut all, mut painted) = (0, 1, Painted::default());
    loop {
        if console.check().is_err() {
            engine.session().control(run, Control::Cancel);
        }
        let view = engine.session().runs().into_iter().find(|view| view.id == run);
        for event in engine.session().log::<GenerateEvent>(run, shown) {
            shown += 1;
            match &*event {
                GenerateEvent::Started { steps } => all = *steps,
                GenerateEvent::Passed(passed, took) => {
                    painted.steps += 1;
                    painted.forward_passes += passed;
                    painted.seconds += took;
                }
                GenerateEvent::Step(step, took) => {
                    painted.steps += 1;
                    painted.forward_passes += step.forward_passes;
                    painted.seconds += took;
                    painted.tokens = Some(step.tokens.clone());
                }
            }
        }
        match view.map(|view| view.state) {
            None | Some(RunState::Cancelled) => return Err(Stop::Cancelled),
            Some(RunState::Failed(problem)) => return Err(problem.into()),
            Some(RunState::Done) => return Ok(painted),
            Some(RunState::Running | RunState::Paused) => {}
        }
        let of_one = painted.steps as f32 / all.max(1) as f32;
        let text = format!("picture {} of {count}, step {} of {all}", number + 1, painted.steps);
        console.progress((number as f32 + of_one) / count as f32, &text);
        engine.wait_for_news();
    }
}
