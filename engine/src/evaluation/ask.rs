//! What is asked about measurements that are kept, and about published ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::identity::{Identity, SetIdentity};
use super::kept::{Part, part_of, parts_in};
use super::plan::Shard;
use super::published::{Published, parse_published};
use super::values::ImageValues;
use crate::questions::{OwnSide, SourceInfo, SourceRef, Stamp};
use crate::session::{Desk, Question};
use crate::{EngineError, Result};

/// The measurements of a set that lie in a folder, by this version of Smalti, whole or begun.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeptMeasurements {
    /// Where they are kept; one that is not there holds none.
    pub folder: Arc<Path>,
    /// Of which set.
    pub source: SourceRef,
    /// Of how many of its images at most.
    pub most: u64,
    /// At which side; the set's own where it is `None`.
    pub side: Option<u32>,
    /// Another number whenever they are to be looked at again.
    pub since: u64,
}

impl Question for KeptMeasurements {
    type Answer = Vec<Part>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Vec<Part>> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let set = desk.ask(&SourceInfo { source: self.source.clone() })?;
        let side = match self.side {
            Some(side) => side,
            None => *desk.ask(&OwnSide { source: self.source.clone() })?,
        };
        let wanted = SetIdentity::of(&self.source, &*set.open, self.most);
        let mut parts = parts_in(&self.folder)?;
        parts.retain(|part| {
            let identity = part.identity();
            let is_same = identity.set == wanted && identity.side == side;
            is_same && identity.version == Identity::VERSION && part.shard() == Shard::WHOLE
        });
        Ok(parts)
    }

    fn bytes(answer: &Vec<Part>) -> usize {
        answer.len() << 19
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// What was measured of each image, of at most so many: of more every second, or every third.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImagesOfPart {
    /// The file of sums; lines are beside it.
    pub part: PathBuf,
    /// Which of its rates.
    pub point: usize,
    /// At most so many images.
    pub most: usize,
    /// Another number whenever it may hold more.
    pub since: u64,
}

impl Question for ImagesOfPart {
    type Answer = Vec<ImageValues>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Vec<ImageValues>> {
        let part = part_of(&self.part)?;
        let (done, _) = part.done();
        let every = (done as usize).div_ceil(self.most.max(1)).max(1);
        let mut found = Vec::new();
        let mut seen = 0_usize;
        for line in part.values()? {
            let line = line?;
            if line.point != self.point {
                continue;
            }
            if seen.is_multiple_of(every) {
                found.push(line);
                desk.check()?;
            }
            seen += 1;
        }
        Ok(found)
    }

    fn bytes(answer: &Vec<ImageValues>) -> usize {
        answer.len() * 160
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// A table of results: the landscape that comes with Smalti, or a person's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ReadPublished {
    /// `landscape.csv`, which comes with Smalti.
    Landscape,
    /// A file.
    File {
        /// Where it is.
        path: Arc<Path>,
        /// Which version of it.
        stamp: Stamp,
    },
}

/// A table is smaller.
const MOST_BYTES: u64 = 1 << 26;

impl Question for ReadPublished {
    type Answer = Vec<Published>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Vec<Published>> {
        let path = match self {
            Self::Landscape => desk.assets().join("landscape.csv"),
            Self::File { path, .. } => path.to_path_buf(),
        };
        let bytes = crate::images::file::read_file(&path, MOST_BYTES)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
                .iter()
                .filter(|b| **b == b'\n');
            let reason = format!("line {}: it is not written in UTF-8", line.count() + 1);
            EngineError::bad_file(&path, reason, "save the table as UTF-8")
        })?;
        parse_published(&text, &path)
    }

    fn bytes(answer: &Vec<Published>) -> usize {
        answer.len() * 600
    }

    fn is_file_work(&self) -> bool {
        true
    }
}
