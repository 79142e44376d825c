//! `smalti edit` of a document: its images are made again as the window shows them, and what generators wrote into them
//! is written again beside that, so that it is known whether it still comes out the same.

use std::path::{Path, PathBuf};

use serde::Serialize;
use smalti_engine::images::png_with_words;
use smalti_engine::questions::{ImageRef, Subject};
use smalti_engine::token_files::{self, Maker, from_arrays::Index};
use smalti_engine::tokens::{Cell, Tokens};

use super::arguments_paint::Edit;
use super::console::Console;
use super::documents;
use super::engine::Engine;
use super::outputs::{Outputs, stem_of};
use super::painting::follow;
use super::stop::Stop;
use crate::document::{Asked, Document, Variation, with_forced};
use crate::files::saved::Saved;
use crate::look::words::counted;

#[derive(Debug, Serialize)]
struct Line {
    document: PathBuf,
    image: String,
    tokenizer: String,
    out: PathBuf,
    tokens_file: PathBuf,
    cells: usize,
    forced: usize,
    /// The share of the picture that is not the original's alone, where that stays outside of the edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    decoded: Option<f32>,
    /// What generators wrote, the first one first.
    written: Vec<WrittenLine>,
}

/// What a generator wrote, and whether it would write it again.
#[derive(Debug, Serialize)]
struct WrittenLine {
    /// How the document calls the state.
    variation: String,
    what: String,
    generator: String,
    class: Option<String>,
    seed: u64,
    /// Cells that it wrote and that were not locked, nor made by hand meanwhile.
    cells: Option<usize>,
    /// How many of them come out as another token now; none if they cannot be written again.
    differing: Option<usize>,
    /// Why they cannot be.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// What is typed beside a document.
const TAKEN: [&str; 5] = ["--out", "--pure", "--device", "--threads", "--json"];

/// Makes the images of a document again.
pub(super) fn run(
    options: &Edit,
    typed: &[String],
    console: &mut Console<'_, '_>,
) -> Result<(), Stop> {
    let path = &options.subject;
    check_options(path, typed)?;
    let saved = documents::read(path, console)?;
    let all = documents::chosen(path, documents::images(&saved.document), Some(Index::All))?;
    let engine = Engine::open(console)?;
    let mut outputs = Outputs::into_folder(&options.base.out)?;
    for document in &all {
        if let Some(Subject::Image(ImageRef::File { path, .. })) = &document.subject {
            outputs.spare(path);
        }
    }
    let mut lines = Vec::new();
    for (number, document) in all.iter().enumerate() {
        let name = documents::name(document, &engine, console);
        console.progress(number as f32 / all.len() as f32, &name);
        let of = (&saved, document, name.as_str());
        let line = of_image((path, options.pure), of, &mut outputs, (&engine, console));
        lines.push(line.map_err(|stop| documents::with_lost(stop, &saved))?);
        engine.forget_old_answers();
    }
    console.check()?;
    outputs.commit()?;
    lines.iter().try_for_each(|line| tell(line, console))
}

/// That nothing was typed that a document says itself, be it what is usual.
fn check_options(path: &Path, typed: &[String]) -> Result<(), Stop> {
    let said = typed.iter().map(String::as_str).filter(|name| !TAKEN.contains(name));
    let said: Vec<&str> = said.collect();
    if said.is_empty() {
        return Ok(());
    }
    Err(Stop::bad_input(
        &said.join(", "),
        format!("{} is a document, which says itself what was done", path.display()),
        "Leave it out; to change more of the picture, name its tokens, which this command writes",
    ))
}

/// One image: the picture, its tokens, and what is known of how they came about.
fn of_image(
    (path, is_pure): (&Path, bool),
    (saved, document, name): (&Saved, &Document, &str),
    outputs: &mut Outputs,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Line, Stop> {
    let (tokens, encoded, facts) = documents::tokens(document, engine, console)?;
    let states = document.written();
    let mut written = Vec::new();
    for (number, state) in states.iter().enumerate() {
        let Some(asked) = &state.asked else { continue };
        let which = (number as u64, states.len() as u64);
        let written_again = write_again(asked, which, (engine, console));
        let written_again = written_again.map_err(|stop| documents::with_lost(stop, saved));
        let line = compared(state, asked, &encoded.tokens, written_again)?;
        if let Some(remark) = line.remark() {
            console.remark(&format!("{name}: {remark}"));
        }
        written.push(line);
    }
    let known = (&tokens, &*encoded);
    let seen = documents::picture(document, known, is_pure, (engine, console))?;
    let stem = outputs.unique_stem(&format!("{}-edited", stem_of(Path::new(name))));
    let words = documents::words(document, name, &seen);
    let out = outputs.add(&format!("{stem}.png"), &png_with_words(&seen.picture, &words)?)?;
    // Of who made given tokens nothing is known.
    let maker = match &document.subject {
        Some(Subject::Tokens(given)) => {
            Maker { is_size_assumed: given.is_size_assumed, ..Maker::default() }
        }
        _ => facts.maker(),
    };
    let whole = token_files::safetensors_bytes(std::slice::from_ref(&tokens), &maker)?;
    let tokens_file = outputs.add(&format!("{stem}.safetensors"), &whole)?;
    Ok(Line {
        document: path.to_owned(),
        image: name.to_owned(),
        tokenizer: document.model.label(),
        out,
        tokens_file,
        cells: tokens.len(),
        forced: document.edits.len(),
        decoded: seen.decoded,
        written,
    })
}

/// Compares what a generator wrote again, where it could, with what the document keeps of it.
fn compared(
    state: &Variation,
    asked: &Asked,
    of_tokenizer: &Tokens,
    written_again: Result<Tokens, Stop>,
) -> Result<WrittenLine, Stop> {
    let mut line = WrittenLine {
        variation: state.name.to_string(),
        what: state.noted.as_deref().unwrap_or_default().to_owned(),
        generator: asked.generator.label(),
        class: asked.class.as_ref().map(ToString::to_string),
        seed: asked.seed,
        cells: None,
        differing: None,
        problem: None,
    };
    let written = match written_again {
        Ok(written) => written,
        // Of what is at hand it cannot be; where the machine failed, nothing is known of it.
        Err(Stop::Problem(problem)) if problem.bad_input => {
            line.problem = Some(problem.to_string());
            return Ok(line);
        }
        Err(other) => return Err(other),
    };
    let kept = with_forced(of_tokenizer, &state.work.edits);
    let is_its = |cell: &Cell| {
        let is_hands = state.work.locks.contains(cell) || state.by_hand.contains(cell);
        !asked.given.contains_key(cell) && !is_hands
    };
    let its = written.cells().filter(|(cell, _)| is_its(cell));
    let (mut cells, mut differing) = (0, 0);
    for (cell, code) in its {
        cells += 1;
        differing += usize::from(kept.get(cell) != code);
    }
    (line.cells, line.differing) = (Some(cells), Some(differing));
    Ok(line)
}

/// What a generator writes if it is asked so.
fn write_again(
    asked: &Asked,
    (number, count): (u64, u64),
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Tokens, Stop> {
    let opened = engine.answer(&asked.opens(), console)?;
    let request = asked.request(opened.config())?;
    let which = ("step", number, count);
    let painted = follow(engine, &opened.painter, request, None, which, console)?;
    let Some(tokens) = painted.tokens else {
        return Err(Stop::failure("the generator took no step", ""));
    };
    Ok(opened.for_tokenizer(&tokens)?)
}

impl WrittenLine {
    /// What a person should know of it.
    fn remark(&self) -> Option<String> {
        let kept = "those that the document keeps stand in the picture";
        if let Some(problem) = &self.problem {
            return Some(format!(
                "{} ({}) cannot be written again: {problem}; {kept}",
                self.variation, self.what
            ));
        }
        let (differing, cells) = (self.differing?, self.cells?);
        (differing > 0).then(|| {
            let of = counted(cells, "token");
            format!(
                "{} ({}): {differing} of {of} would be others now; {kept}",
                self.variation, self.what
            )
        })
    }
}

fn tell(line: &Line, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let again = line.written.iter().filter(|w| w.differing == Some(0)).count();
    let written = match line.written.len() {
        0 => String::new(),
        all => format!(", {again} of {} came out the same again", counted(all, "generation")),
    };
    let original = documents::words_of_share(line.decoded);
    let text = format!(
        "{}: {} by {}, {} of {} tokens forced{written}{original}",
        line.out.display(),
        line.image,
        line.tokenizer,
        line.forced,
        line.cells
    );
    console.result(line, &text)
}
