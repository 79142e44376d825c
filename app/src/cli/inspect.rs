//! `smalti inspect`: what a file is: a checkpoint, also when no network can be made of it, or tokens.

use std::path::Path;

use serde::Serialize;
use smalti_engine::answers::{
    CodeUse, Identified, Identify, InspectModel, Inspection, ModelRef, Sample, Scope,
};
use smalti_engine::checkpoints::{CodebookCandidate, TensorRow};
use smalti_engine::token_files;
use smalti_engine::tokenizers::Facts;

use super::arguments;
use super::console::Console;
use super::engine::Engine;
use super::stop::Stop;

/// Tensors of an unknown checkpoint that are listed for people; `--json` has all.
const LISTED: usize = 40;

#[derive(Debug, Serialize)]
struct Line<'a> {
    container: String,
    family: &'a str,
    config: serde_json::Value,
    tensors: usize,
    parameters: u64,
    codebook_size: Option<u32>,
    downsample: Option<usize>,
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
    codebook_size: u32,
    model: Option<String>,
    used: u32,
    perplexity: f64,
    entropy_bits: f64,
    samples: u64,
    ceiling: f64,
    remarks: Vec<String>,
}

pub(super) fn run(options: &arguments::Inspect, console: &mut Console<'_, '_>) -> Result<(), Stop> {
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
    let is_known = about.design.is_some();
    let config = about.design.as_ref().map(|design| design.settings.clone());
    let line = Line {
        container: about.container.to_string(),
        family: &about.family,
        config: config.unwrap_or_default(),
        tensors: about.tensors,
        parameters: about.parameters,
        codebook_size: about.facts.as_ref().map(Facts::codebook_size),
        downsample: about.facts.as_ref().filter(|facts| facts.spatial).map(|facts| facts.factor),
        problems: &about.problems,
        notes: &about.notes,
        candidates: if is_known { &[] } else { &found.candidates },
        list: if is_known && !options.tensors { &[] } else { &found.tensors },
    };
    let text = words(&line, &found, options.tensors);
    console.result(&line, &text)
}

fn words(line: &Line<'_>, found: &Inspection, all: bool) -> String {
    let mut lines = vec![
        format!("container   {}", line.container),
        format!("family      {}", line.family),
        format!("tensors     {}", line.tensors),
        format!("parameters  {}", line.parameters),
    ];
    lines.extend(line.codebook_size.map(|k| format!("codes       {k}")));
    lines.extend(line.downsample.map(|factor| format!("downsample  {factor}")));
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
    if found.recognized.design.is_none() {
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
    let used = engine.answer(&CodeUse { sample, scope: Scope::default() }, console)?;
    let s = &used.statistics;
    let line = TokenLine {
        tokens: path.display().to_string(),
        images: read.images.len(),
        layout: first.words(),
        codebook_size: s.codebook_size,
        model: read.maker.model.clone(),
        used: s.used,
        perplexity: s.perplexity,
        entropy_bits: s.entropy_bits,
        samples: s.samples,
        ceiling: s.ceiling,
        remarks: read.remarks.clone(),
    };
    let mut lines = vec![
        format!("tokens      {} of {} images, {}", s.samples, line.images, line.layout),
        format!("codes       {} of {} used, ceiling {:.0}", s.used, s.codebook_size, s.ceiling),
        format!("perplexity  {:.1} ({:.3} bits a token)", s.perplexity, s.entropy_bits),
    ];
    lines.extend(line.model.iter().map(|model| format!("made by     {model}")));
    lines.extend(line.remarks.iter().map(|remark| format!("note        {remark}")));
    console.result(&line, &lines.join("\n"))
}
