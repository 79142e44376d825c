//! `smalti inspect`: what a checkpoint is, also when no network can be made of it.

use serde::Serialize;
use smalti_engine::answers::InspectModel;

use super::arguments;
use super::console::Console;
use super::engine::Engine;
use super::stop::Stop;

#[derive(Debug, Serialize)]
struct Line {
    container: String,
    family: String,
    config: serde_json::Value,
    tensors: usize,
    parameters: u64,
    codebook_size: Option<u32>,
    downsample: Option<usize>,
    problems: Vec<String>,
    notes: Vec<String>,
}

pub(super) fn run(options: &arguments::Inspect, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let engine = Engine::open(console)?;
    let model = engine.model(&options.file);
    let found = engine.answer(&InspectModel { model }, console)?;
    let config = found.design.as_ref().map(|design| design.settings.clone());
    let line = Line {
        container: found.container.to_string(),
        family: found.family.to_string(),
        config: config.unwrap_or_default(),
        tensors: found.tensors,
        parameters: found.parameters,
        codebook_size: found.facts.as_ref().map(|facts| facts.codebook_size()),
        downsample: found.facts.as_ref().map(|facts| facts.factor),
        problems: found.problems.clone(),
        notes: found.notes.clone(),
    };
    let text = words(&line);
    console.result(&line, &text)
}

fn words(line: &Line) -> String {
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
    lines.join("\n")
}
