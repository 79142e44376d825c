//! Training runs that are kept in folders.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::model::ModelRef;
use crate::session::{Desk, Question};
use crate::training::{Brief, StoredRun, brief, holds_run, stored_run};
use crate::{Problem, Result};

/// What a run's folder tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReadRun {
    /// Its folder.
    pub folder: Arc<Path>,
    /// Another number whenever the folder may tell something else, since a run went on in it.
    pub since: u64,
}

/// A run as its folder tells it.
#[derive(Debug, Clone)]
pub struct KeptRun {
    /// Its log and how far it is.
    pub run: StoredRun,
    /// Its latest checkpoint as a model.
    pub model: Option<ModelRef>,
}

impl Question for ReadRun {
    type Answer = KeptRun;

    fn answer(&self, desk: &Desk<'_>) -> Result<KeptRun> {
        let run = stored_run(&self.folder)?;
        let named = |path: &Path| ModelRef::named(&path.display().to_string(), desk.assets());
        Ok(KeptRun { model: run.checkpoint.as_deref().map(named), run })
    }

    fn bytes(answer: &KeptRun) -> usize {
        let KeptRun { run, .. } = answer;
        let values: usize = run.reports.iter().map(|report| 8 * report.values.len()).sum();
        values + run.counts.iter().map(|counts| 4 * counts.counts.len()).sum::<usize>()
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// All runs in some folders, in a few words each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListRuns {
    /// Folders in each folder of which a run may be; one that is not there has none.
    pub places: Arc<[PathBuf]>,
    /// Folders of runs elsewhere.
    pub runs: Arc<[PathBuf]>,
    /// Another number whenever they are to be looked at again.
    pub since: u64,
}

/// A run of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedRun {
    /// Its folder.
    pub folder: PathBuf,
    /// What it tells, or why it cannot be told.
    pub told: Result<Brief, Problem>,
}

impl Question for ListRuns {
    /// The newest first; those that tell nothing last.
    type Answer = Vec<ListedRun>;

    fn answer(&self, _desk: &Desk<'_>) -> Result<Vec<ListedRun>> {
        let mut folders: Vec<PathBuf> = self.runs.to_vec();
        for place in self.places.iter() {
            let entries = place.read_dir().into_iter().flatten().flatten();
            folders.extend(entries.map(|entry| entry.path()).filter(|path| holds_run(path)));
        }
        folders.sort();
        folders.dedup();
        let told = |folder: PathBuf| {
            let told = brief(&folder).map_err(|error| error.problem());
            ListedRun { folder, told }
        };
        let mut runs: Vec<ListedRun> = folders.into_iter().map(told).collect();
        let age = |run: &ListedRun| run.told.as_ref().map_or(0, |told| told.modified);
        runs.sort_by_key(|run| std::cmp::Reverse(age(run)));
        Ok(runs)
    }

    fn bytes(answer: &Vec<ListedRun>) -> usize {
        answer.len() * 2048
    }

    fn is_file_work(&self) -> bool {
        true
    }
}
