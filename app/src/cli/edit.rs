//! `smalti edit`: parts of a picture are painted again, the rest stays.
#![expect(clippy::disallowed_methods, reason = "a command waits; only the window must not")]

use std::path::{Path, PathBuf};

use serde::Serialize;
use smalti_engine::generators::{Request, Way, windows};
use smalti_engine::images::png_bytes;
use smalti_engine::questions::Decode;
use smalti_engine::token_files;
use smalti_engine::tokens::{Tokens, words};

use super::arguments_paint::Edit;
use super::console::Console;
use super::engine::Engine;
use super::generate::{prompt, request};
use super::given::{self, Work};
use super::outputs::Outputs;
use super::painting::{Opened, check_guidance, follow, open};
use super::stop::Stop;
use super::subject::{AtSize, tokens_of};
use crate::look::words::counted;

#[derive(Debug, Serialize)]
struct Line {
    image: PathBuf,
    out: PathBuf,
    tokens_file: PathBuf,
    class: Option<String>,
    seed: u64,
    /// Of all tokens.
    cells: usize,
    /// Cells that were written again.
    resampled: usize,
    forced: usize,
    /// Tokens that are others than before.
    changed: usize,
    /// Windows of the generator's size in which was written.
    windows: usize,
    steps: usize,
    forward_passes: u32,
    seconds: f64,
}

/// What came of an edit.
struct Edited {
    tokens: Tokens,
    windows: usize,
    steps: usize,
    forward_passes: u32,
    seconds: f64,
}

pub(super) fn run(options: &Edit, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let base = &options.base;
    let engine = Engine::open(console)?;
    let opened = open(&base.model, base.tokenizer.as_ref(), (&engine, console))?;
    let config = opened.painter.config();
    let class = base.class.as_ref().map(|said| config.class(said)).transpose()?;
    let led = prompt(base, config)?;
    check_guidance(base, class.is_some() || led.is_some())?;
    let path = &options.subject;
    // Scales are those of one size.
    let sized = if config.way == Way::Var { AtSize::Generators } else { AtSize::Own(options.size) };
    let named = tokens_of(path, sized, &opened.painter, (&engine, console))?;
    let before = named.tokens;
    check_grid(&before, &opened, &path.display().to_string())?;
    let work = given::for_edit(options, &before, config)?;
    let mut outputs = Outputs::into_folder(&base.out)?;
    let stem = stem_of(path, &base.out);
    let mut lines = Vec::new();
    for number in 0..base.count {
        let seed = base.seed.wrapping_add(number);
        let asked = Request { prompt: led.clone(), ..request(base, config, class, seed)? };
        let edited = edit(&work, &asked, &opened, (number, base.count), (&engine, console))?;
        let question = Decode {
            tokens: opened.painter.for_tokenizer(&edited.tokens)?,
            model: opened.painter.decoder()?.clone(),
        };
        let decoded = engine.answer(&question, console)?;
        let one = if base.count > 1 { format!("{stem}-{seed}") } else { stem.clone() };
        let name = outputs.unique_stem(&one);
        let out = outputs.add(&format!("{name}.png"), &png_bytes(&decoded.picture)?)?;
        let images = std::slice::from_ref(&edited.tokens);
        let whole = token_files::safetensors_bytes(images, &named.maker)?;
        let mut tokens_file = outputs.add(&format!("{name}.safetensors"), &whole)?;
        if let Ok(array) = token_files::npy_bytes(&edited.tokens) {
            tokens_file = outputs.add(&format!("{name}.npy"), &array)?;
        }
        let pairs = before.cells().zip(edited.tokens.cells());
        lines.push(Line {
            image: path.clone(),
            out,
            tokens_file,
            class: class.and_then(|class| config.classes.get(class as usize).cloned()),
            seed,
            cells: before.len(),
            resampled: work.written.len(),
            forced: work.forced,
            changed: pairs.filter(|((_, before), (_, after))| before != after).count(),
            windows: edited.windows,
            steps: edited.steps,
            forward_passes: edited.forward_passes,
            seconds: edited.seconds,
        });
        engine.forget_old_answers();
    }
    console.check()?;
    outputs.commit()?;
    lines.iter().try_for_each(|line| tell(line, console))
}

/// How the files are called: as the subject, but never over it.
fn stem_of(subject: &Path, out: &Path) -> String {
    let stem = subject.file_stem().unwrap_or(subject.as_os_str()).to_string_lossy().into_owned();
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let own = subject.parent().filter(|own| !own.as_os_str().is_empty());
    let is_beside = whole(own.unwrap_or(Path::new("."))) == whole(out);
    if is_beside { format!("{stem}-edited") } else { stem }
}

fn tell(line: &Line, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let text = format!(
        "{}: {} of {} tokens changed ({} written again, {} forced) in {}, {} passes, {:.2} s",
        line.out.display(),
        line.changed,
        line.cells,
        line.resampled,
        line.forced,
        counted(line.windows, "window"),
        line.forward_passes,
        line.seconds
    );
    console.result(line, &text)
}

/// That windows of the generator's size lie in the tokens.
fn check_grid(tokens: &Tokens, opened: &Opened, name: &str) -> Result<(), Stop> {
    let config = opened.painter.config();
    let own = &config.layout;
    let layout = tokens.layout();
    let fits = match (own.as_slice(), layout.as_slice()) {
        ([own], [part]) => part.frames == 1 && part.rows >= own.rows && part.columns >= own.columns,
        _ => layout == *own,
    };
    if !fits {
        let reason =
            format!("its tokens are {}, this generator writes {}", words(&layout), words(own));
        return Err(Stop::bad_input(name, reason, "Use a picture that is at least as large"));
    }
    if let Some(part) = tokens.parts().iter().find(|part| part.codebook_size() != config.codes) {
        let (theirs, own) = (part.codebook_size(), config.codes);
        let reason = format!("its tokens are of {theirs} codes, this generator writes {own}");
        return Err(Stop::bad_input(name, reason, "Use tokens of the generator's tokenizer"));
    }
    Ok(())
}

/// Writes what is to be written.
fn edit(
    work: &Work,
    asked: &Request,
    opened: &Opened,
    (number, count): (u64, u64),
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Edited, Stop> {
    let mut edited = Edited {
        tokens: work.tokens.clone(),
        windows: 0,
        steps: 0,
        forward_passes: 0,
        seconds: 0.0,
    };
    if work.written.is_empty() {
        return Ok(edited);
    }
    edited.windows = match opened.painter.config().layout.as_slice() {
        [own] => windows(work.tokens.first().shape(), *own, &work.written)?.len(),
        _ => 1,
    };
    let free: Vec<_> = work.written.iter().map(|cell| (*cell, None)).collect();
    let request = Request { given: work.tokens.with(free)?, ..asked.clone() };
    let painter = &opened.painter.painter;
    let painted = follow(engine, painter, request, None, ("picture", number, count), console)?;
    let Some(tokens) = painted.tokens else {
        return Err(Stop::failure("the generator took no step", ""));
    };
    edited.tokens = tokens;
    edited.steps = painted.steps;
    edited.forward_passes = painted.forward_passes;
    edited.seconds = painted.seconds;
    Ok(edited)
}
