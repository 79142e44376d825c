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
    let config = found.config.as_ref().and_then(|c| serde_json::to_value(c).ok());
    let line = Line {
        container: found.container.to_string(),
        family: found.family.to_string(),
        config: config.unwrap_or_default(),
        tensors: found.tensors,
        parameters: found.parameters,
        codebook_size: found.codebook_size,
        downsample: found.factor,
        problems: found.problems.clone(),
        notes: found.notes.clone(),
    };
    let text = words(&line);
    console.result(&line, &text)
}

fn words(line: &Line) -> String {
    let mut text = format!(
        "container   {}\nfamily      {}\ntensors     {}\nparameters  {}",
        line.container, line.family, line.tensors, line.parameters
    );
    if let Some(k) = line.codebook_size {
        text.push_str(&format!("\ncodes       {k}"));
    }
    if let Some(factor) = line.downsample {
        text.push_str(&format!("\ndownsample  {factor}"));
    }
    if !line.config.is_null() {
        text.push_str(&format!("\nconfig      {}", line.config));
    }
    for problem in &line.problems {
        text.push_str(&format!("\nproblem     {problem}"));
    }
    for note in &line.notes {
        text.push_str(&format!("\nnote        {note}"));
    }
    text
}
