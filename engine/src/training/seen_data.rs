//! `data.json`: which images a run was trained on, from which step on, so that it is noticed when a folder holds
//! others than before. Counts and a number over names and sizes; nothing is decoded for it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::recipe::{DataPart, DataSource, Recipe};
use super::state::write_atomically;
use crate::data::Source;
use crate::random::name_hash;
use crate::{EngineError, Problem, Result};

/// What the file is called in a run's folder.
pub(super) const NAME: &str = "data.json";
/// Files beyond this are none of ours.
const MOST_BYTES: u64 = 1 << 20;

/// What was found of a part of a recipe's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SeenPart {
    /// What a person calls it.
    name: String,
    images: u64,
    /// Over the names and sizes of what is listed, or the files' sizes.
    listing: String,
    /// What earlier versions wrote of it: the sizes of its files.
    #[serde(skip)]
    older: Option<String>,
}

impl SeenPart {
    /// Of an opened part. Folders as in [`Recipe::open_data`].
    pub(super) fn of(part: &DataPart, source: &dyn Source, folders: (&Path, &Path)) -> Self {
        let (name, number, older) = match &part.from {
            DataSource::Worlds(seed) => (format!("Worlds {seed}"), 0, None),
            DataSource::Path(path) => {
                let path = Recipe::path(path, folders.0, folders.1);
                let name = path.file_name().unwrap_or(path.as_os_str());
                let sizes = sizes(&path);
                let number = source.listing().unwrap_or(sizes);
                (name.to_string_lossy().into_owned(), number, Some(format!("{sizes:016x}")))
            }
        };
        Self { name, images: source.len(), listing: format!("{number:016x}"), older }
    }

    /// Whether it is what was kept, by this version or an earlier one.
    fn is(&self, kept: &Self) -> bool {
        let is_known = kept.listing == self.listing || Some(&kept.listing) == self.older.as_ref();
        self.images == kept.images && is_known
    }
}

/// A number over the sizes of a file, or of the files of a folder: many images are in each.
fn sizes(path: &Path) -> u64 {
    let mut files: Vec<(String, u64)> = Vec::new();
    if let Ok(entries) = path.read_dir() {
        let file = |entry: std::fs::DirEntry| {
            let found = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((entry.file_name().to_string_lossy().into_owned(), found.len()))
        };
        files.extend(entries.flatten().filter_map(file));
    } else if let Ok(found) = path.metadata() {
        files.push((String::new(), found.len()));
    }
    files.sort();
    files.iter().fold(0, |hash, (name, size)| name_hash(&format!("{hash:x} {size} {name}")))
}

/// What a run was trained on from a step on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Since {
    step: u64,
    parts: Vec<SeenPart>,
}

/// What a run was trained on, and whether that is what is there now.
#[derive(Debug, Default)]
pub(super) struct SeenData {
    known: Vec<Since>,
    /// What is there now, if the file does not say it yet.
    new: Option<Vec<SeenPart>>,
}

impl SeenData {
    /// Of a run that stands at a step. What is in its folder of another run is no matter at step 0.
    pub(super) fn open(run: &Path, now: &[SeenPart], step: u64) -> Self {
        let mut known = if step > 0 { read(run) } else { Vec::new() };
        known.retain(|since| since.step <= step);
        let is_known = known.last().is_some_and(|last| {
            let is_it = |(old, new): (&SeenPart, &SeenPart)| old.name == new.name && new.is(old);
            last.parts.len() == now.len() && last.parts.iter().zip(now).all(is_it)
        });
        Self { known, new: (!is_known && !now.is_empty()).then(|| now.to_vec()) }
    }

    /// What is other than before, in words, if something is. Of runs of before this was kept, nothing is known.
    pub(super) fn problem(&self) -> Option<Problem> {
        let (before, now) = (self.known.last()?, self.new.as_ref()?);
        let changed: Vec<String> = std::iter::zip(&before.parts, now)
            .filter_map(|(old, new)| difference(old, new))
            .collect();
        let summary = if changed.is_empty() {
            "the data are others than those that this run was trained on".to_owned()
        } else {
            format!(
                "the data are others than those that this run was trained on: {}",
                changed.join("; ")
            )
        };
        let hint = "For the numbers of before stop it, put those back and go on then; Resume goes on with these (on \
                    the command line --other-data)";
        Some(Problem { summary, hint: hint.to_owned(), bad_input: true })
    }

    /// Writes what is there now, from a step on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn keep(&mut self, run: &Path, step: u64) -> Result<()> {
        let Some(parts) = self.new.take() else { return Ok(()) };
        self.known.retain(|since| since.step < step);
        self.known.push(Since { step, parts });
        let text = serde_json::to_string_pretty(&self.known)
            .map_err(|error| EngineError::bad_input("data", error, ""))?;
        let written = write_atomically(&file(run), text.as_bytes());
        if written.is_err() {
            self.new = self.known.pop().map(|since| since.parts);
        }
        written
    }
}

fn file(run: &Path) -> PathBuf {
    run.join(NAME)
}

fn read(run: &Path) -> Vec<Since> {
    let path = file(run);
    if !path.is_file() {
        return Vec::new();
    }
    let bytes = crate::images::file::read_file(&path, MOST_BYTES);
    let known = bytes.map(|bytes| serde_json::from_slice(&bytes));
    match known {
        Ok(Ok(known)) => known,
        // It is no reason not to train.
        other => {
            tracing::warn!("{} cannot be read: {other:?}", path.display());
            Vec::new()
        }
    }
}

/// How a part differs.
fn difference(old: &SeenPart, new: &SeenPart) -> Option<String> {
    if new.is(old) {
        return None;
    }
    let name = &new.name;
    Some(if old.images == new.images {
        format!("{name} has as many images ({}), but of other names, sizes or pixels", new.images)
    } else {
        format!("{name} has {} images, it had {}", new.images, old.images)
    })
}
