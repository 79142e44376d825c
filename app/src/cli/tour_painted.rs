//! The pictures of the tour that generators paint.

use smalti_engine::generators::Request;
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{
    ClassMembers, Decode, Encode, ImageRef, ModelInfo, ShippedGenerators, SourceInfo, SourceRef,
};

use super::console::Console;
use super::engine::Engine;
use super::painting::{Opened, follow, open};
use super::stop::Stop;
use crate::figures::story::Painting;

/// The three ways, in the order of the lecture.
const GENERATORS: [&str; 3] = ["worlds-raster", "worlds-maskgit", "worlds-var"];
/// Decides what they paint.
const SEED: u64 = 7;
/// The worlds that they learned; the real picture is one of those that were held out.
const WORLDS: SourceRef = SourceRef::Worlds { seed: 1 };

/// The same class painted by all three; nothing where they did not come with this Smalti.
pub(super) fn paintings(
    engine: &Engine,
    console: &mut Console<'_, '_>,
) -> Result<Vec<Painting>, Stop> {
    let shipped = match engine.answer(&ShippedGenerators, console) {
        Ok(shipped) => shipped,
        Err(Stop::Cancelled) => return Err(Stop::Cancelled),
        // A program without its folder of models has none.
        Err(_) => return Ok(Vec::new()),
    };
    if !GENERATORS.iter().all(|name| shipped.iter().any(|known| known == name)) {
        return Ok(Vec::new());
    }
    let mut paintings = Vec::new();
    let mut class: Option<String> = None;
    for (number, name) in (0..).zip(GENERATORS) {
        let painted = open(Some(name), None, (engine, console))
            .and_then(|opened| painting(name, &opened, number, class.clone(), (engine, console)));
        match painted {
            Ok(painted) => {
                class = Some(painted.class.clone());
                paintings.push(painted);
            }
            Err(Stop::Problem(problem)) => {
                console.remark(&format!("what generators paint is left out: {problem}"));
                return Ok(Vec::new());
            }
            Err(stop) => return Err(stop),
        }
        engine.forget_old_answers();
    }
    Ok(paintings)
}

fn painting(
    name: &str,
    opened: &Opened,
    number: u64,
    class: Option<String>,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Painting, Stop> {
    let (config, tokenizer) = (opened.painter.config(), opened.painter.decoder()?.clone());
    let worlds = engine.answer(&SourceInfo { source: WORLDS }, console)?;
    let class = match class {
        Some(class) => class,
        // One that has real pictures, too.
        None => config
            .classes
            .iter()
            .find(|class| worlds.classes.contains(*class))
            .cloned()
            .ok_or_else(|| Stop::bad_input(name, "none of its classes are worlds", ""))?,
    };
    let request = Request::new(config, Some(config.class(&class)?), SEED)?;
    let which = ("painting", number, GENERATORS.len() as u64);
    let painted = follow(engine, &opened.painter.painter, request, None, which, console)?;
    let Some(tokens) = painted.tokens else {
        return Err(Stop::failure("the generator took no step", ""));
    };
    let decoded =
        engine.answer(&Decode { tokens: tokens.clone(), model: tokenizer.clone() }, console)?;
    let picture = decoded.picture.clone();
    let of_class = worlds.classes.iter().position(|known| *known == class).unwrap_or_default();
    let members = ClassMembers { source: WORLDS, class: of_class as u32 };
    let members = engine.long_answer(&members, "looking for a picture of the class", console)?;
    let Some(index) = members.first().copied() else {
        return Err(Stop::bad_input(name, format!("no world is {class}"), ""));
    };
    let size = WorkingSize::square(picture.width().min(picture.height()), 1);
    let subject = ImageRef::InSource { source: WORLDS, index }.into();
    let encoded = engine.answer(&Encode { subject, size, model: tokenizer.clone() }, console)?;
    let question = Decode { tokens: encoded.tokens.clone(), model: tokenizer.clone() };
    let back = engine.answer(&question, console)?;
    let facts = engine.answer(&ModelInfo { model: tokenizer }, console)?;
    Ok(Painting {
        way: config.way.name().to_owned(),
        name: name.to_owned(),
        class,
        picture,
        tokens: tokens.words(),
        steps: painted.steps,
        passes: painted.forward_passes,
        seconds: painted.seconds,
        tokenizer: facts.name.clone(),
        original: encoded.picture.clone(),
        reconstruction: back.picture.clone(),
    })
}
