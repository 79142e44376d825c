//! A run in a few words, from as little of its folder as tells it: for lists of many.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::recipe::Recipe;
use super::recipe_file::recipe_file;
use super::trainer::{checkpoint, metrics_log};
use super::{problem_file, state};
use crate::{EngineError, Problem, Result};

/// So much of the beginning and of the end of a log is read.
const PART: u64 = 1 << 16;

/// A run in a few words.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Brief {
    /// What it trains by; none where neither its recipe nor a checkpoint can be read.
    pub recipe: Option<Recipe>,
    /// Whether the recipe lies in the folder.
    pub has_recipe: bool,
    /// The steps of its latest checkpoint; 0 without one.
    pub step: u64,
    /// The step of its last report; 0 without one.
    pub reported: u64,
    /// Numbers of the last report by name; none that are empty there.
    pub figures: Vec<(String, f64)>,
    /// When its log or its checkpoint was written last, in seconds since 1970.
    pub modified: u64,
    /// The checkpoint, which opens as a model.
    pub checkpoint: Option<PathBuf>,
    /// The model that was written when it was done.
    pub model: Option<PathBuf>,
    /// Whether it goes on now, here or in another program.
    pub is_going_on: bool,
    /// Why it stopped, if it went wrong.
    pub problem: Option<Problem>,
}

impl Brief {
    /// One of [`Brief::figures`].
    pub fn figure(&self, name: &str) -> Option<f64> {
        let found = self.figures.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }

    /// Steps of the whole run; 0 if that is not known.
    pub fn steps(&self) -> u64 {
        self.recipe.as_ref().map_or(0, |recipe| recipe.steps)
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.steps() > 0 && self.step >= self.steps()
    }
}

/// Whether a folder holds a run: a checkpoint or a log.
pub fn holds_run(folder: &Path) -> bool {
    checkpoint(folder).is_file() || metrics_log(folder).is_file()
}

/// Tells a run in a few words.
///
/// # Errors
/// If there is no run in the folder. What cannot be read of it is left out.
pub fn brief(folder: &Path) -> Result<Brief> {
    let (latest, log) = (checkpoint(folder), metrics_log(folder));
    if !holds_run(folder) {
        let reason = if folder.is_dir() { "there is no run in this folder" } else { "it is gone" };
        let hint = "Remove it from the list, or put it back";
        return Err(EngineError::bad_file(folder, reason, hint));
    }
    let mut brief = Brief {
        has_recipe: recipe_file(folder).is_file(),
        is_going_on: state::is_claimed(folder),
        problem: problem_file::read(folder),
        modified: written(&latest).max(written(&log)),
        ..Brief::default()
    };
    if latest.is_file() {
        match state::done_of(&latest) {
            Ok((done, recipe)) => (brief.step, brief.recipe) = (done.step, Some(recipe)),
            Err(error) => brief.problem = Some(error.problem()),
        }
        brief.checkpoint = Some(latest);
    }
    if brief.recipe.is_none() {
        brief.recipe = Recipe::read(&recipe_file(folder)).ok();
    }
    let name = brief.recipe.as_ref().map(|recipe| format!("{}.safetensors", recipe.name));
    brief.model = name.map(|name| folder.join(name)).filter(|model| model.is_file());
    if let Some((step, figures)) = last_report(&log) {
        (brief.reported, brief.figures) = (step, figures);
    }
    Ok(brief)
}

fn written(path: &Path) -> u64 {
    let time = path.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The step and the numbers of the last whole line of a log.
fn last_report(log: &Path) -> Option<(u64, Vec<(String, f64)>)> {
    let mut file = std::fs::File::open(log).ok()?;
    let mut part = |from: u64| -> Option<String> {
        file.seek(SeekFrom::Start(from)).ok()?;
        let mut bytes = Vec::new();
        file.by_ref().take(PART).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let head = part(0)?;
    let end = part(log.metadata().ok()?.len().saturating_sub(PART))?;
    let names = head.lines().next()?.split(',');
    let line = end.rsplit_once('\n')?.0.lines().next_back()?;
    let mut cells = std::iter::zip(names, line.split(','));
    let step = cells.next()?.1.parse().ok()?;
    let figures = cells.filter_map(|(name, cell)| Some((name.to_owned(), cell.parse().ok()?)));
    Some((step, figures.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_of_any_length_tells_its_last_whole_line_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let log = metrics_log(folder.path());
        let lines: Vec<String> = (1..20_000).map(|step| format!("{step},0.5,\n")).collect();
        let text = format!("step,loss,psnr\n{}", lines.concat());
        std::fs::write(&log, format!("{text}20000,0.25,31.5\n20001,0.1")).unwrap();
        let told = brief(folder.path()).unwrap();
        assert_eq!(
            (told.reported, told.figure("loss"), told.figure("psnr")),
            (20_000, Some(0.25), Some(31.5))
        );
        std::fs::write(&log, "step,loss,psnr\n").unwrap();
        assert_eq!(brief(folder.path()).unwrap().reported, 0);
        std::fs::remove_file(&log).unwrap();
        assert!(brief(folder.path()).unwrap_err().to_string().contains("no run"));
    }
}
