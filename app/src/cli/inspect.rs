//! `smalti inspect`: what a file is: a checkpoint, also when no network can be made of it, or tokens.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use smalti_engine::checkpoints::{CodebookCandidate, TensorRow};
use smalti_engine::measure::{BookStatistics, BooksStatistics};
use smalti_engine::questions::{
    CodeUse, GeneratorFacts, Identified, Identify, InspectModel, Inspection, ModelRef, Sample,
    Scope,
};
use smalti_engine::token_files::{self, from_arrays::Remark};
use smalti_engine::tokenizers::Facts;

use super::arguments;
use super::console::Console;
use super::documents;
use super::engine::Engine;
use super::inspect_document;
use super::stop::Stop;
use crate::look::words::counted;

/// Tensors of an unknown checkpoint that are listed for people; `--json` has all.
const LISTED: usize = 40;

#[derive(Debug, Serialize)]
struct Line<'a> {
    container: String,
    family: &'a str,
    config: serde_json::Value,
    tensors: usize,
    parameters: u64,
    /// Of the first book.
    codebook_size: Option<u32>,
    /// Codes of each book, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    codebook_sizes: Vec<u32>,
    downsample: Option<usize>,
    /// What is known of a generator.
    #[serde(skip_serializing_if = "Option::is_none")]
    generator: Option<&'a GeneratorFacts>,
    problems: &'a [String],
    notes: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    candidates: &'a [CodebookCandidate],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    list: &'a [TensorRow],
}

#[derive(Debug, Serialize)]
struct TokenLine {
    tokens: String,
    images: usize,
    layout: String,
    /// Codes of all books, as are the figures; perplexity is 2^entropy, of several books by their mean
    /// entropy.
    codebook_size: u64,
    model: Option<String>,
    used: u64,
    perplexity: f64,
    entropy_bits: f64,
    samples: u64,
    ceiling: f64,
    remarks: Vec<String>,
    /// Each book, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    books: Vec<BookStatistics>,
}

pub(super) fn run(options: &arguments::Inspect, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let path = Path::new(&options.file);
    if documents::is_document(path) {
        return inspect_document::run(path, console);
    }
    let engine = Engine::open(console)?;
    let model = engine.model(&options.file);
    if let ModelRef::File { path, stamp } = &model {
        let question = Identify { path: std::sync::Arc::clone(path), stamp: *stamp };
        let found = engine.answer(&question, console);
        if found.is_ok_and(|found| matches!(&*found, Identified::Tokens(_)))
            || options.reading.is_given()
        {
            return tokens(path, options, &engine, console);
        }
    }
    let found = engine.answer(&InspectModel { model }, console)?;
    if options.snippet {
        return console.result(&serde_json::json!({ "snippet": found.snippet }), &found.snippet);
    }
    let about = &found.recognized;
    let generator = found.generator.as_ref();
    let is_known = about.design.is_some() || generator.is_some();
    let config = match generator {
        Some(generator) => Some(generator.config.clone()),
        None => about.design.as_ref().map(|design| design.settings.clone()),
    };
    // Of a file with both, the generator is told.
    let facts = about.facts.as_ref().filter(|_| generator.is_none());
    let line = Line {
        container: about.container.to_string(),
        family: &about.family,
        config: config.unwrap_or_default(),
        tensors: about.tensors,
        parameters: about.parameters,
        codebook_size: match generator {
            Some(generator) => Some(generator.codes),
            None => facts.map(Facts::codebook_size),
        },
        codebook_sizes: facts.map(sizes_of_several).unwrap_or_default(),
        downsample: facts.filter(|facts| facts.spatial).map(|facts| facts.factor),
        generator,
        problems: &about.problems,
        notes: &about.notes,
        candidates: if is_known { &[] } else { &found.candidates },
        list: if is_known && !options.tensors { &[] } else { &found.tensors },
    };
    let text = words(&line, &found, options.tensors);
    console.result(&line, &text)
}

/// Codes of each book; none of a single one.
fn sizes_of_several(facts: &Facts) -> Vec<u32> {
    let sizes: Vec<u32> = facts.books.iter().map(|book| book.size).collect();
    if sizes.len() > 1 { sizes } else { Vec::new() }
}

fn words(line: &Line<'_>, found: &Inspection, all: bool) -> String {
    let mut lines = vec![
        format!("container   {}", line.container),
        format!("family      {}", line.family),
        format!("tensors     {}", line.tensors),
        format!("parameters  {}", line.parameters),
    ];
    match &line.codebook_sizes[..] {
        [] => lines.extend(line.codebook_size.map(|k| format!("codes       {k}"))),
        [first, rest @ ..] if rest.iter().all(|size| size == first) => {
            lines.push(format!("codes       {first} in each of {} books", rest.len() + 1));
        }
        sizes => {
            let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
            lines.push(format!("codes       {} in {} books", sizes.join(", "), sizes.len()));
        }
    }
    lines.extend(line.downsample.map(|factor| format!("downsample  {factor}")));
    if let Some(generator) = line.generator {
        let GeneratorFacts { way, layout, sub_tokens, classes, takes, tokenizer, .. } = generator;
        lines.push(format!("writes      {layout} tokens, {way}"));
        if !sub_tokens.is_empty() {
            let sizes: Vec<String> = sub_tokens.iter().map(ToString::to_string).collect();
            lines.push(format!("sub-tokens  {}", sizes.join(" x ")));
        }
        if *classes > 0 {
            lines.push(format!("classes     {classes}"));
        }
        lines.push(format!("takes       {takes}"));
        lines.push(format!("tokenizer   {tokenizer}"));
    }
    if !line.config.is_null() {
        lines.push(format!("config      {}", line.config));
    }
    lines.extend(line.problems.iter().map(|problem| format!("problem     {problem}")));
    lines.extend(line.notes.iter().map(|note| format!("note        {note}")));
    for candidate in line.candidates {
        let CodebookCandidate { tensor, size, dim, usage, why, .. } = candidate;
        let usage = usage.as_ref().map_or(String::new(), |name| format!(", use in {name}"));
        lines.push(format!("codebook?   {tensor}: {size} codes of {dim}{usage} ({why})"));
    }
    let most = if all { usize::MAX } else { LISTED };
    for (row, norm) in line.list.iter().zip(&found.norms).take(most) {
        let norm = norm.map_or(String::new(), |norm| format!(", norm {norm:.4}"));
        lines.push(format!("tensor      {} {:?} {}{norm}", row.name, row.shape, row.dtype));
    }
    if line.list.len() > most {
        let more = line.list.len() - most;
        lines.push(format!("            and {more} more (--tensors lists all)"));
    }
    if found.recognized.design.is_none() && found.generator.is_none() {
        lines.push(
            "            --snippet prints how its own code writes tokens for Smalti".to_owned(),
        );
    }
    lines.join("\n")
}

/// A stream of indices and a K are enough for its use.
fn tokens(
    path: &Path,
    options: &arguments::Inspect,
    engine: &Engine,
    console: &mut Console<'_, '_>,
) -> Result<(), Stop> {
    let read = token_files::read(path, &options.reading.wanted(None), None)?;
    let Some(first) = read.images.first() else {
        return Err(Stop::bad_input(&path.display().to_string(), "there are no tokens", ""));
    };
    let sample = Sample::Tokens(read.images.as_slice().into());
    let mut of_books = Vec::new();
    let books: BTreeSet<u16> = first.layout().iter().map(|part| part.book).collect();
    for book in books {
        let (sample, scope) = (sample.clone(), Scope { book, part: None });
        let used = engine.answer(&CodeUse { sample, scope, by_image: false }, console)?;
        of_books.push(BookStatistics { book, statistics: used.statistics });
    }
    let s = &BooksStatistics::of(of_books);
    let line = TokenLine {
        tokens: path.display().to_string(),
        images: read.images.len(),
        layout: first.words(),
        codebook_size: s.codes,
        model: read.maker.model.clone(),
        used: s.used,
        perplexity: s.perplexity,
        entropy_bits: s.entropy_bits,
        samples: s.samples,
        ceiling: s.ceiling,
        remarks: read.remarks.iter().map(Remark::in_full).collect(),
        books: s.several().to_vec(),
    };
    let mut lines = vec![
        format!("tokens      {} of {}, {}", s.samples, counted(line.images, "image"), line.layout),
        format!("codes       {} of {} used, ceiling {:.0}", s.used, s.codes, s.ceiling),
        format!("perplexity  {:.1} ({:.3} bits a token)", s.perplexity, s.entropy_bits),
    ];
    lines.extend(line.books.iter().map(|BookStatistics { book, statistics: s }| {
        let (used, of, samples) = (s.used, s.codebook_size, s.samples);
        let perplexity = s.perplexity;
        format!(
            "book {book:<6} {used} of {of} used in {samples} tokens, perplexity {perplexity:.1}"
        )
    }));
    lines.extend(line.model.iter().map(|model| format!("made by     {model}")));
    lines.extend(line.remarks.iter().map(|remark| format!("note        {remark}")));
    console.result(&line, &lines.join("\n"))
}
