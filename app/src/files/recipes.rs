//! Recipes of runs that are started in the window, and the folders of those runs.
#![expect(clippy::disallowed_methods, reason = "on the thread of files")]

use std::path::{Path, PathBuf};

use smalti_engine::images::{Picture, WorkingSize};
use smalti_engine::questions::{ImageRef, WorkingImage};
use smalti_engine::session::Asker;
use smalti_engine::training::{Recipe, branch, checkpoint, metrics_log, recipe_file};
use smalti_engine::{EngineError, Knob, Result};

use crate::document::{PROBE, RecipeRef, RunFolder};
use crate::look::words::name;

/// Runs of one name.
const MOST_RUNS: u32 = 10_000;

/// A run that can start.
#[derive(Debug)]
pub struct Training {
    /// What is trained.
    pub recipe: Recipe,
    /// Where the recipe's relative paths start.
    pub beside: PathBuf,
    /// The folder of the run, which the document names.
    pub run: RunFolder,
    /// Whether it goes on from the checkpoint there.
    pub resumes: bool,
    /// What is turned before its first step.
    pub turned: Vec<(Knob, f64)>,
    /// The run that this one takes another way from, and the step.
    pub branches_from: Option<(String, u64)>,
    /// Pictures that are shown as it learns, of the side that it learns on.
    pub probe: Vec<Picture>,
}

impl Training {
    fn new((recipe, path): (Recipe, &Path), run: RunFolder, resumes: bool) -> Self {
        let beside = path.parent().unwrap_or(Path::new("")).to_owned();
        let (turned, branches_from, probe) = (Vec::new(), None, Vec::new());
        Self { recipe, beside, run, resumes, turned, branches_from, probe }
    }
}

/// Reads a recipe and makes a new folder for its run in `runs`, or in the folder of temporary files.
///
/// # Errors
/// If the recipe cannot be used or the folder cannot be made.
pub fn prepare_training(
    (reference, path): (RecipeRef, &Path),
    runs: Option<&Path>,
) -> Result<Training> {
    let recipe = Recipe::read(path)?;
    let folder = folder_for(runs, &recipe.name)?;
    let run = RunFolder { folder, recipe: reference };
    Ok(Training::new((recipe, path), run, false))
}

/// Makes a run that goes on elsewhere from where another one is, or from its kept checkpoint of a step.
///
/// # Errors
/// If the recipe cannot be used, there is no such checkpoint, or the folder cannot be made.
pub fn prepare_branch(
    path: &Path,
    (from, step): (RunFolder, Option<u64>),
    runs: Option<&Path>,
) -> Result<Training> {
    let path = &own_recipe(&from.folder, path);
    let recipe = Recipe::read(path)?;
    let folder = folder_for(runs, &recipe.name)?;
    let step = match branch(&from.folder, step, (&folder, &recipe)) {
        Ok(step) => step,
        Err(error) => {
            // It was made for this run, and has copies alone.
            std::fs::remove_dir_all(&folder).unwrap_or_default();
            return Err(error);
        }
    };
    let branches_from = Some((name(&from.folder), step));
    let run = RunFolder { folder, recipe: from.recipe };
    Ok(Training { branches_from, ..Training::new((recipe, path), run, true) })
}

/// The recipe in a run's folder, which is the one that it was started by; `path` for runs of before there was
/// one.
fn own_recipe(folder: &Path, path: &Path) -> PathBuf {
    Some(recipe_file(folder)).filter(|own| own.is_file()).unwrap_or_else(|| path.to_owned())
}

/// A new folder for a run in `runs`, or in the folder of temporary files.
fn folder_for(runs: Option<&Path>, name: &str) -> Result<PathBuf> {
    if let Some(runs) = runs {
        return new_folder(runs, name);
    }
    let made = tempfile::Builder::new().prefix("smalti-run-").tempdir();
    Ok(made.map_err(|source| EngineError::io(std::env::temp_dir(), source))?.keep())
}

/// Whether a folder holds a run: a checkpoint and a log.
pub fn is_run(folder: &Path) -> bool {
    checkpoint(folder).is_file() && metrics_log(folder).is_file()
}

/// The first of some images that can be read, as a recipe's tokenizer sees them; none for a recipe that
/// trains no tokenizer.
pub fn probe_of(recipe: &Recipe, images: Vec<ImageRef>, asker: &Asker) -> Vec<Picture> {
    if recipe.tokenizer.is_none() {
        return Vec::new();
    }
    let size = WorkingSize::square(recipe.crop.side, 1);
    let read = |image| asker.wait(&WorkingImage { image, size }).ok();
    images
        .into_iter()
        .filter_map(read)
        .map(|picture| Picture::clone(&picture))
        .take(PROBE)
        .collect()
}

/// Reads the recipe of a run that ended before it was done.
///
/// # Errors
/// If the recipe cannot be used, or the run has no checkpoint to go on from.
pub fn prepare_to_go_on(path: &Path, run: RunFolder) -> Result<Training> {
    if !checkpoint(&run.folder).is_file() {
        let reason = "there is no checkpoint of the run in it";
        let hint = "Train by the recipe anew, and forget this run";
        return Err(EngineError::bad_file(&run.folder, reason, hint));
    }
    let path = &own_recipe(&run.folder, path);
    let recipe = Recipe::read(path)?;
    Ok(Training::new((recipe, path), run, true))
}

/// The first of NAME-1, NAME-2 and so on that is not there yet.
fn new_folder(runs: &Path, name: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(runs).map_err(|source| EngineError::io(runs, source))?;
    for number in 1..=MOST_RUNS {
        let folder = runs.join(format!("{name}-{number}"));
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(EngineError::io(folder, source)),
        }
    }
    let reason = format!("there are {MOST_RUNS} runs of {name} already");
    Err(EngineError::bad_file(runs, reason, "Delete some"))
}
