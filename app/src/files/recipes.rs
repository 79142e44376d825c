//! Recipes of runs that are started in the window, and the folders of those runs.
#![expect(clippy::disallowed_methods, reason = "on the thread of files")]

use std::path::{Path, PathBuf};

use smalti_engine::images::{Picture, WorkingSize};
use smalti_engine::questions::{ImageRef, SourceRef, WorkingImage};
use smalti_engine::session::Asker;
use smalti_engine::training::{
    Recipe, branch, brief, checkpoint, holds_run, metrics_log, recipe_file,
};
use smalti_engine::{EngineError, Knob, Result};

use super::training_form::{DataChoice, Form, Pace, SlotSaid};
use crate::document::{Changes, PROBE, RecipeRef, RunFolder, Slot};
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
    /// The slot that was asked for.
    pub slot: Option<Slot>,
    /// Whether it waits to be resumed before its first step.
    pub waits: bool,
    /// Where its tokenizer is measured once it is done.
    pub point: Option<(SourceRef, u64)>,
}

impl Training {
    fn new((recipe, path): (Recipe, &Path), run: RunFolder, resumes: bool) -> Self {
        let beside = path.parent().unwrap_or(Path::new("")).to_owned();
        let (turned, branches_from, probe) = (Vec::new(), None, Vec::new());
        let (slot, waits, point) = (None, false, None);
        Self { recipe, beside, run, resumes, turned, branches_from, probe, slot, waits, point }
    }
}

/// Reads a recipe and makes a new folder for its run in `runs`, or in the folder of temporary files, or where
/// that is wanted otherwise.
///
/// # Errors
/// If the recipe cannot be used or the folder cannot be made.
pub fn prepare_training(
    (reference, path): (RecipeRef, &Path),
    changes: &Changes,
    runs: Option<&Path>,
) -> Result<Training> {
    let recipe = changes.apply(Recipe::read(path)?);
    recipe.validate()?;
    let folder = match &changes.folder {
        Some(folder) => wanted_folder(folder)?,
        None => folder_for(runs, &recipe.name)?,
    };
    let run = RunFolder { folder, recipe: reference };
    let point = changes.point.as_ref().map(|point| point.on.clone());
    Ok(Training { slot: changes.slot, point, ..Training::new((recipe, path), run, false) })
}

/// Looks whether a recipe's images are there and of use, as a person asked for them and waits for a word.
///
/// # Errors
/// With the name of the field.
pub fn check_data(path: &Path, changes: &Changes, assets: &Path) -> Result<()> {
    let recipe = changes.apply(Recipe::read(path)?);
    let beside = path.parent().unwrap_or(Path::new(""));
    let named = |error: &EngineError| {
        let problem = error.problem();
        EngineError::bad_input("Data", problem.summary, problem.hint)
    };
    let source = recipe.open_data(beside, assets).map_err(|error| named(&error))?;
    let Some(classifier) = &recipe.classifier else { return Ok(()) };
    let (found, wanted) = (source.classes().len(), classifier.classes);
    if found == wanted {
        return Ok(());
    }
    let reason = format!("the recipe tells {wanted} classes apart, but the images have {found}");
    Err(EngineError::bad_input("Data", reason, "Choose images of other folders"))
}

/// The folder that a person wants for a run: a new one, or one that is empty.
fn wanted_folder(folder: &Path) -> Result<PathBuf> {
    let bad = |reason: String, hint: &str| {
        Err(EngineError::bad_input("Folder", format!("{} {reason}", folder.display()), hint))
    };
    if holds_run(folder) {
        return bad(
            "holds a run already".to_owned(),
            "Choose another one; Runs goes on with a run",
        );
    }
    match folder.read_dir().map(|mut entries| entries.next().is_none()) {
        Ok(false) => {
            let hint = "Choose an empty folder, or add a name for a new one in it";
            return bad("is not empty".to_owned(), hint);
        }
        Ok(true) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if let Err(error) = std::fs::create_dir_all(folder) {
                return bad(format!("cannot be made: {error}"), "Choose another place");
            }
        }
        Err(error) => return bad(format!("cannot be used: {error}"), "Choose another place"),
    }
    // Better now than after the first minutes.
    match tempfile::tempfile_in(folder) {
        Ok(_) => Ok(folder.to_owned()),
        Err(error) => bad(format!("cannot be written: {error}"), "Choose another place"),
    }
}

/// What is asked before a training begins, as its recipe and earlier runs say it. `places` are where runs are,
/// the first one where a new one comes; `slots` what is in those.
///
/// # Errors
/// If the recipe cannot be used.
pub fn read_form(
    (reference, path): (RecipeRef, &Path),
    places: &[PathBuf],
    (opened, slots): (Option<std::sync::Arc<Path>>, [SlotSaid; 4]),
    recipes: Vec<String>,
) -> Result<Form> {
    let recipe = Recipe::read(path)?;
    let free = |number: u32| places.first().map(|runs| numbered(runs, &recipe.name, number));
    let is_free = |folder: &PathBuf| folder.symlink_metadata().is_err();
    let folder = (1..=MOST_RUNS).filter_map(free).find(is_free);
    let folder = folder.map_or(String::new(), |folder| folder.display().to_string());
    Ok(Form {
        reference,
        recipes,
        data: DataChoice::default(),
        opened,
        path: String::new(),
        steps: recipe.steps.to_string(),
        side: recipe.crop.side.to_string(),
        batch: recipe.batch.to_string(),
        first_folder: folder.clone(),
        folder,
        home: directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()),
        slot: None,
        slots,
        paces: paces(places),
        problem: None,
        point: None,
        recipe,
    })
}

/// How fast the runs in some folders were, the latest first.
fn paces(places: &[PathBuf]) -> Vec<Pace> {
    let mut found = Vec::new();
    for place in places {
        let Ok(entries) = place.read_dir() else { continue };
        for folder in entries.flatten().map(|entry| entry.path()) {
            let Ok(told) = brief(&folder) else { continue };
            let pace = told.figure("images_per_second").filter(|pace| *pace > 0.0);
            if let (Some(images_per_second), Some(recipe)) = (pace, told.recipe) {
                let name = name(&folder);
                found.push((told.modified, Pace { name, recipe, images_per_second }));
            }
        }
    }
    found.sort_by_key(|(modified, _)| std::cmp::Reverse(*modified));
    found.into_iter().map(|(_, pace)| pace).collect()
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

/// NAME-1, NAME-2 and so on.
fn numbered(runs: &Path, name: &str, number: u32) -> PathBuf {
    runs.join(format!("{name}-{number}"))
}

/// The first of NAME-1, NAME-2 and so on that is not there yet.
fn new_folder(runs: &Path, name: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(runs).map_err(|source| EngineError::io(runs, source))?;
    for number in 1..=MOST_RUNS {
        let folder = numbered(runs, name, number);
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(EngineError::io(folder, source)),
        }
    }
    let reason = format!("there are {MOST_RUNS} runs of {name} already");
    Err(EngineError::bad_file(runs, reason, "Delete some"))
}
