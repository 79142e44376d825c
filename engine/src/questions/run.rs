//! Training runs that are kept in folders.

use std::path::Path;
use std::sync::Arc;

use super::model::ModelRef;
use crate::Result;
use crate::session::{Desk, Question};
use crate::training::{StoredRun, stored_run};

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
