//! What the runs of a sitting are and told, as views read it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::evaluation::LpipsFiles;
use smalti_engine::images::Picture;
use smalti_engine::questions::Stamp;
use smalti_engine::session::RunId;

use super::counts::Counts;
use super::generated::Generations;
use super::trials::Trials;
use crate::document::{JobCommand, Raced, Region};
use crate::runs::Records;
use crate::settings::Settings;

/// A run whose recipe and probe are being read: it starts when they are there.
#[derive(Debug, Clone)]
pub(crate) struct Preparing {
    /// Which one it is, of all.
    pub(crate) number: u64,
    /// What was asked for.
    pub(crate) asked: JobCommand,
    /// Whether a scene asked, not a person.
    pub(crate) is_for_scene: bool,
}

/// A run that had to make room in its slot for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftRun {
    /// The run.
    pub(crate) folder: PathBuf,
    /// Whether all of its steps were done.
    pub(crate) is_done: bool,
}

/// The runs of a sitting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live<'a> {
    /// What left which slot, until it was read.
    pub(crate) left: &'a [Option<LeftRun>; 4],
    /// The folders in which runs usually are.
    pub(crate) places: &'a [PathBuf],
    /// For runs elsewhere, and those that are not to be listed.
    pub(crate) settings: &'a Settings,
    /// Those that do not go on yet.
    pub(crate) preparing: &'a [Preparing],
    /// By their folders.
    pub(crate) runs: &'a BTreeMap<PathBuf, RunId>,
    /// The pictures that they reconstruct as they learn.
    pub(crate) probes: &'a BTreeMap<RunId, Arc<[Picture]>>,
    /// What they told.
    pub(crate) records: &'a Records,
    /// What generations told.
    pub(crate) generations: &'a Generations,
    /// The race that was asked for last.
    pub(crate) raced: Option<&'a Arc<Raced>>,
    /// What is counted over a whole set.
    pub(crate) counts: &'a Counts,
    /// The ways in which cells are written anew.
    pub(crate) trials: Option<&'a Trials>,
    /// Tokens that are being put somewhere.
    pub(crate) pasting: Option<&'a Arc<Region>>,
    /// Tables of results that were opened.
    pub(crate) results: &'a [(Arc<Path>, Stamp)],
    /// The person's own weights of LPIPS, by which it is measured.
    pub(crate) lpips: Option<&'a LpipsFiles>,
    /// Seconds since the start; 0 where time stands still.
    pub(crate) second: u64,
}
