//! Parts of a measurement that were made on several machines, joined to the measurement of the whole.

use std::path::{Path, PathBuf};

use super::kept::{About, Part, join_lines, stem};
use super::plan::Shard;
use super::sums::Sums;
use crate::{EngineError, Result};

/// Joins the parts of one measurement and writes the whole into a folder: sums and lines are those that measuring
/// it at once would have given, bit for bit; seconds add up.
///
/// # Errors
/// [`EngineError::BadInput`] naming what overlaps, is missing, is not done, or differs; [`EngineError::Io`] if the
/// lines of a part are not there or the whole cannot be written.
pub fn merge(parts: &[Part], folder: &Path) -> Result<Part> {
    check(parts)?;
    let mut parts: Vec<&Part> = parts.iter().collect();
    parts.sort_by_key(|part| part.about.shard);
    let Some(first) = parts.first() else {
        return Err(EngineError::bad_input(
            "parts",
            "there are none",
            "name those of one measurement",
        ));
    };
    let identity = first.about.identity.clone();
    let mut sums = Sums::default();
    for (number, part) in parts.iter().enumerate() {
        if number == 0 {
            sums = part.sums.clone();
        } else {
            sums.join(&part.sums)?;
        }
    }
    let total = parts.iter().map(|part| part.about.total).sum();
    let path = folder.join(format!("{}.safetensors", stem(&identity, Shard::WHOLE)));
    std::fs::create_dir_all(folder).map_err(|source| EngineError::io(folder, source))?;
    let bytes = join_lines(&path.with_extension("csv"), &identity, &parts)?;
    let about = About {
        done: total,
        bytes,
        skipped: sums.skipped.clone(),
        proxies: sums.proxies(),
        ..About::new(identity, Shard::WHOLE, total)
    };
    let whole = Part { path, about, sums };
    whole.write()?;
    Ok(whole)
}

/// Whether parts are all of one measurement, each once, whole and with its lines: nothing is written for it.
///
/// # Errors
/// As [`merge`], but for what cannot be written.
pub fn check(parts: &[Part]) -> Result<()> {
    let mut parts: Vec<&Part> = parts.iter().collect();
    parts.sort_by_key(|part| part.about.shard);
    is_whole(&parts)?;
    for part in parts {
        let csv = part.path.with_extension("csv");
        let length = csv.metadata().map_err(|source| EngineError::io(&csv, source))?.len();
        if length < part.about.bytes {
            let reason =
                format!("it has {length} bytes of the {} that were measured", part.about.bytes);
            return Err(EngineError::bad_file(&csv, reason, "measure this part again"));
        }
    }
    Ok(())
}

fn is_whole(parts: &[&Part]) -> Result<()> {
    let named = |part: &Part| file_name(&part.path);
    let bad = |reason: String, hint: &str| Err(EngineError::bad_input("parts", reason, hint));
    for pair in parts.windows(2) {
        let [one, other] = pair else { continue };
        if let Some(difference) = one.about.identity.difference(&other.about.identity) {
            let reason = format!("{} and {}: {difference}", named(one), named(other));
            return bad(reason, "join parts of one measurement");
        }
        if one.about.shard.of != other.about.shard.of {
            let (a, b) = (one.about.shard, other.about.shard);
            let reason = format!("{} is {a} and {} is {b}: they overlap", named(one), named(other));
            return bad(reason, "join parts of the same number of parts");
        }
        if one.about.shard == other.about.shard {
            let reason =
                format!("{} and {} are both {}", named(one), named(other), one.about.shard);
            return bad(reason, "name each part once");
        }
    }
    let Some(first) = parts.first() else { return Ok(()) };
    let of = first.about.shard.of;
    let has = |number: &u64| parts.iter().any(|part| part.about.shard.number == *number);
    let missing: Vec<String> =
        (1..=of).filter(|number| !has(number)).map(|number| format!("{number}/{of}")).collect();
    if !missing.is_empty() {
        let (what, verb) = if missing.len() == 1 { ("part", "is") } else { ("parts", "are") };
        let shown = missing.iter().take(12).cloned().collect::<Vec<_>>().join(", ");
        let more = if missing.len() > 12 {
            format!(" and {} more", missing.len() - 12)
        } else {
            String::new()
        };
        let reason =
            format!("{what} {shown}{more} of {} {verb} missing", first.about.identity.subject);
        return bad(reason, "measure them with --shard, or name their files");
    }
    if let Some(part) = parts.iter().find(|part| !part.is_done()) {
        let (done, total) = part.done();
        let reason = format!("{} has {done} of its {total} images", named(part));
        return bad(reason, "run the command that measures it again: it goes on");
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| PathBuf::from(path), PathBuf::from).display().to_string()
}
