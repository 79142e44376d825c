//! `smalti generate`: a generator paints pictures with a tokenizer's codes.

use std::path::PathBuf;

use serde::Serialize;
use smalti_engine::generators::{
    GenerateEvent, GenerateRun, Painter, Request, Sampling, Schedule, Unmasking, UnmaskingOrder,
};
use smalti_engine::images::png_bytes;
use smalti_engine::questions::{Decode, OpenGenerator};
use smalti_engine::session::{Control, RunState};
use smalti_engine::tokens::Tokens;

use super::arguments;
use super::console::Console;
use super::engine::Engine;
use super::outputs::Outputs;
use super::stop::Stop;

#[derive(Debug, Serialize)]
struct Line {
    out: PathBuf,
    class: Option<String>,
    seed: u64,
    steps: usize,
    /// Sequences that went through the network.
    forward_passes: u32,
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
    if options.guidance != 1.0 && class.is_none() {
        return Err(Stop::bad_input(
            "--guidance",
            "it leads towards a class, and none is named",
            "Name one by --class, or leave it out",
        ));
    }
    let mut outputs = Outputs::into_folder(&options.out)?;
    let mut lines = Vec::new();
    for number in 0..options.count {
        let seed = options.seed.wrapping_add(number);
        let request = Request {
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
        };
        let painted = follow(&engine, &opened.painter, request, (number, options.count), console)?;
        let Some(tokens) = painted.tokens else {
            return Err(Stop::failure("the generator took no step", ""));
        };
        let decoded =
            engine.answer(&Decode { tokens, model: opened.tokenizer.clone() }, console)?;
        let kind = class.map_or("any", |class| config.classes[class as usize].as_str());
        // Names of classes come from recipes and files.
        let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
        let stem: String = kind.chars().map(plain).collect();
        let name = outputs.unique_stem(&format!("{stem}-{seed}"));
        let out = outputs.add(&format!("{name}.png"), &png_bytes(&decoded.picture)?)?;
        let line = Line {
            out,
            class: class.map(|class| config.classes[class as usize].clone()),
            seed,
            steps: painted.steps,
            forward_passes: painted.forward_passes,
            seconds: painted.seconds,
        };
        let text = format!(
            "{}: {kind}, {} steps, {} passes, {:.2} s",
            line.out.display(),
            line.steps,
            line.forward_passes,
            line.seconds
        );
        lines.push((line, text));
        engine.forget_old_answers();
    }
    console.check()?;
    outputs.commit()?;
    for (line, text) in &lines {
        console.result(line, text)?;
    }
    Ok(())
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
