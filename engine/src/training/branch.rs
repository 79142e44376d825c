//! A run that takes another way from where a run is, or was.

use std::path::Path;

use super::counts_file;
use super::kept;
use super::metrics::MetricsFile;
use super::recipe::Recipe;
use super::recipe_file::recipe_file;
use super::seen_data;
use super::state;
use super::trainer::checkpoint;
use crate::{EngineError, Result};

/// Makes the folder of a run that goes on from the latest checkpoint of the run in `from`, or from the kept one
/// of a step; gives that step. The other run stays as it is. `recipe` is that of the new run.
///
/// # Errors
/// If there is no such checkpoint, or it is of another recipe in what decides a run's numbers, if there is a run in `to` already, or if it cannot be written.
pub fn branch(from: &Path, step: Option<u64>, (to, recipe): (&Path, &Recipe)) -> Result<u64> {
    let source = step.map_or_else(|| checkpoint(from), |step| kept::path(from, step));
    if !source.is_file() {
        let kept: Vec<String> = kept::kept_steps(from).iter().map(u64::to_string).collect();
        let hint = match kept.as_slice() {
            [] => "it has no checkpoints to go on from".to_owned(),
            kept => format!("it keeps those of the steps {}", kept.join(", ")),
        };
        let reason = match step {
            Some(step) => format!("no checkpoint of step {step} is kept there"),
            None => "there is no checkpoint of a run in it".to_owned(),
        };
        return Err(EngineError::bad_file(from, reason, hint));
    }
    state::is_of_recipe(&source, recipe)?;
    let target = checkpoint(to);
    if target.exists() {
        let reason = "there is a run in this folder already";
        return Err(EngineError::bad_file(to, reason, "choose another folder"));
    }
    std::fs::create_dir_all(to).map_err(|source| EngineError::io(to, source))?;
    let at = state::step_of(&source)?;
    let names = [MetricsFile::NAME, counts_file::NAME, seen_data::NAME];
    let logs = names.map(|name| (from.join(name), to.join(name)));
    // Its own, if it has another one, is written when it starts.
    let recipes = (recipe_file(from), recipe_file(to));
    let recipes_to = recipes.1.clone();
    for (old, new) in logs.into_iter().chain([recipes]) {
        if old.is_file() && !(new == recipes_to && new.exists()) {
            std::fs::copy(&old, &new).map_err(|source| EngineError::io(&new, source))?;
        }
    }
    // Last: only then is it a run.
    let bytes = std::fs::read(&source).map_err(|error| EngineError::io(&source, error))?;
    state::write_atomically(&target, &bytes)?;
    Ok(at)
}
