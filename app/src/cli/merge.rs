//! `smalti merge`: parts of measurements become wholes.
#![expect(
    clippy::disallowed_methods,
    reason = "a command looks at files; only the window must not"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use smalti_engine::EngineError;
use smalti_engine::evaluation::{Part, Shard, check, merge, part_of, parts_in};

use super::arguments;
use super::console::Console;
use super::measured::{Line, text_of};
use super::pareto::Figure;
use super::stop::Stop;

pub(super) fn run(options: &arguments::Merge, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let groups = groups(&options.parts)?;
    if groups.is_empty() {
        let what = options.parts.first().map(|it| it.display().to_string()).unwrap_or_default();
        let hint = "Name files that smalti evaluate --shard --out wrote, or their folder";
        return Err(Stop::bad_input(&what, "there are no parts of a measurement", hint));
    }
    // All of them before the first is written: a command that is refused leaves nothing.
    for ((subject, _), parts) in &groups {
        if let Err(error) = check(parts) {
            return Err(mixed(&groups, subject).unwrap_or(error).into());
        }
    }
    let side = groups.values().flatten().next().map_or(0, |part| part.identity().side);
    let mut figure = match &options.pareto {
        Some(folder) => Some(Figure::new(folder, side)?),
        None => None,
    };
    let mut set = String::new();
    for ((subject, weights), parts) in &groups {
        let whole = merge(parts, &options.out)?;
        set.clone_from(&whole.identity().set.description);
        let points = whole.summaries();
        if let (Some(figure), None) = (&mut figure, &whole.identity().weights) {
            let lpips = whole.identity().lpips.clone();
            figure.set_jpeg((points.clone(), lpips), whole.skipped().clone());
        }
        for summary in &points {
            let mut line = Line::of_part(&whole, summary);
            // Two of one name would be joined as levels of one.
            if let Some(weights) = weights.as_ref().filter(|_| is_twin(&groups, subject)) {
                line.model = format!("{subject} ({weights})");
            }
            console.result(&line, &text_of(&line))?;
            if let (Some(figure), Some(_)) = (&mut figure, &whole.identity().weights) {
                figure.add(line);
            }
        }
        console.remark(&format!("wrote {}", whole.path.display()));
        console.check()?;
    }
    match figure {
        Some(figure) => figure.write(&set, console),
        None => Ok(()),
    }
}

/// Parts of one tokenizer: what it is called, and the hash of its weights.
type Groups = BTreeMap<(String, Option<String>), Vec<Part>>;

/// Whether several tokenizers are called so.
fn is_twin(groups: &Groups, subject: &str) -> bool {
    groups.keys().filter(|(other, _)| other == subject).count() > 1
}

/// What is said where parts of one name are of several weights, and not one of these is whole.
fn mixed(groups: &Groups, subject: &str) -> Option<EngineError> {
    if !is_twin(groups, subject) {
        return None;
    }
    let of = groups.iter().filter(|((other, _), _)| other == subject);
    let parts: Vec<Part> = of.flat_map(|(_, parts)| parts).cloned().collect();
    check(&parts).err()
}

/// The parts that were named, those of one tokenizer together. A whole that lies in a folder beside its parts
/// was joined before.
fn groups(paths: &[PathBuf]) -> Result<Groups, Stop> {
    let mut groups: BTreeMap<_, Vec<(Part, bool)>> = BTreeMap::new();
    // The lines beside the sums may be named with them, as `DIR/*` does.
    let is_lines = |path: &PathBuf| path.extension().is_some_and(|it| it == "csv");
    for path in paths.iter().filter(|path| !is_lines(path)) {
        let found = if path.is_dir() { parts_in(path)? } else { vec![part_of(path)?] };
        for part in found {
            let identity = part.identity();
            let subject = (identity.subject.clone(), identity.weights.clone());
            groups.entry(subject).or_default().push((part, path.is_dir()));
        }
    }
    let of = |(subject, mut parts): (_, Vec<(Part, bool)>)| {
        let has_shards = parts.iter().any(|(part, _)| part.shard() != Shard::WHOLE);
        parts.retain(|(part, is_found)| !(has_shards && *is_found && part.shard() == Shard::WHOLE));
        (subject, parts.into_iter().map(|(part, _)| part).collect())
    };
    Ok(groups.into_iter().map(of).collect())
}
