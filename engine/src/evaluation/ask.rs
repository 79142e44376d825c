//! What is asked about measurements that are kept, and about published ones.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::identity::{Identity, SetIdentity, hash_of_judge, hash_of_model, seen_of};
use super::kept::{Part, about_at, part_of, paths_in};
use super::lpips::{LpipsFiles, LpipsIdentity, ReadLpips};
use super::plan::{Indices, Measured, Shard};
use super::probe::{Probed, all_kept, of_weights};
use super::published::{Published, parse_published};
use super::values::{COLUMNS, ImageValues};
use crate::questions::{ModelRef, OwnSide, SourceInfo, SourceRef, Stamp};
use crate::session::{Desk, Question};
use crate::training::ProbeBudget;
use crate::{EngineError, Problem, Result};

/// The measurements of a set that lie in a folder, by this version of Smalti and its judge, whole or begun.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeptMeasurements {
    /// Where they are kept; one that is not there holds none.
    pub folder: Arc<Path>,
    /// Of what: tokenizers are known by their weights, whatever their files are called.
    pub wanted: Vec<Measured>,
    /// Of which set.
    pub source: SourceRef,
    /// Of how many of its images at most.
    pub most: u64,
    /// At which side; the set's own where it is `None`.
    pub side: Option<u32>,
    /// The LPIPS that is wanted: what was measured with another one is left out, what was measured without any is
    /// not. Where none is wanted, those with any are told, too.
    pub lpips: Option<LpipsFiles>,
    /// Another number whenever they are to be looked at again.
    pub since: u64,
}

/// See [`KeptMeasurements`].
#[derive(Debug, Default)]
pub struct Kept {
    /// What was measured of what was asked for, with the LPIPS that is wanted first, and the fullest of these.
    pub parts: Vec<(Measured, Part)>,
    /// Why one that is there cannot be read.
    pub problems: Vec<Problem>,
}

impl Question for KeptMeasurements {
    type Answer = Kept;

    fn answer(&self, desk: &Desk<'_>) -> Result<Kept> {
        let mut kept = Kept::default();
        if !self.folder.is_dir() {
            return Ok(kept);
        }
        let set = desk.ask(&SourceInfo { source: self.source.clone() })?;
        let side = match self.side {
            Some(side) => side,
            None => *desk.ask(&OwnSide { source: self.source.clone() })?,
        };
        let set_identity = SetIdentity::of(&self.source, &*set.open, self.most);
        let judge = desk.ask(&JudgeHash)?;
        // Files that cannot be read are told when it is measured by them.
        let read = |files: &LpipsFiles| match desk.ask(&ReadLpips { files: files.clone() }) {
            Err(EngineError::Cancelled) => Err(EngineError::Cancelled),
            read => Ok(read.ok().map(|lpips| LpipsIdentity::clone(&lpips))),
        };
        let lpips = self.lpips.as_ref().map(read).transpose()?.flatten();
        let known = self.known(desk)?;
        let mut seen = None;
        for path in paths_in(&self.folder)? {
            desk.check()?;
            // Sums are large; most files say by their heads that they are of something else.
            let Some(about) = about_at(&path) else { continue };
            let identity = &about.identity;
            let is_same = identity.set == set_identity
                && (identity.side, about.shard) == (side, Shard::WHOLE)
                && identity.judge == *judge
                && identity.version == Identity::VERSION
                && (self.lpips.is_none() || identity.lpips.is_none() || identity.lpips == lpips);
            let of = known.iter().filter(|(_, weights)| *weights == identity.weights);
            let of: Vec<&Measured> = of.map(|(measured, _)| *measured).collect();
            if !is_same || of.is_empty() || about.done == 0 {
                continue;
            }
            let now = if let Some(now) = seen {
                now
            } else {
                let of = (set.open.len(), self.most);
                let (indices, count) = Indices::of(&self.source, of, Shard::WHOLE);
                *seen.insert(seen_of(&*set.open, (&indices, count), || desk.check())?)
            };
            if !about.is_of(now) {
                continue;
            }
            match part_of(&path) {
                Ok(part) => kept.parts.extend(of.into_iter().map(|it| (it.clone(), part.clone()))),
                Err(error) => kept.problems.push(error.problem()),
            }
        }
        kept.parts.sort_by_key(|(_, part)| {
            let identity = part.identity();
            Reverse((identity.lpips.is_some(), part.done().0, identity.rates.len()))
        });
        Ok(kept)
    }

    fn bytes(answer: &Kept) -> usize {
        answer.parts.iter().map(|(_, part)| part.bytes()).sum::<usize>() + 64
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

impl KeptMeasurements {
    /// What is asked for, each with the hash of its weights. What cannot be read is told when it is measured.
    fn known(&self, desk: &Desk<'_>) -> Result<Vec<(&Measured, Option<String>)>> {
        let mut known = Vec::new();
        for measured in &self.wanted {
            let weights = match measured {
                Measured::Jpeg => None,
                Measured::Tokenizer { model, .. } => {
                    match desk.ask(&WeightsHash { model: model.clone() }) {
                        Ok(hash) => Some(String::clone(&hash)),
                        Err(EngineError::Cancelled) => return Err(EngineError::Cancelled),
                        Err(_) => continue,
                    }
                }
            };
            known.push((measured, weights));
        }
        Ok(known)
    }
}

/// The AR probes of tokenizers that are known, with the usual budget: those that come with Smalti, and those that lie
/// in a folder. None is trained for this.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeptProbes {
    /// Where they are kept; one that is not there holds none.
    pub folder: Option<Arc<Path>>,
    /// Of which tokenizers, which are known by their weights.
    pub wanted: Vec<ModelRef>,
    /// Another number whenever they are to be looked at again.
    pub since: u64,
}

/// See [`KeptProbes`].
#[derive(Debug, Default)]
pub struct Probes {
    /// Those that are known.
    pub found: Vec<(ModelRef, Probed)>,
    /// Why one that is there cannot be read.
    pub problems: Vec<Problem>,
}

impl Question for KeptProbes {
    type Answer = Probes;

    fn answer(&self, desk: &Desk<'_>) -> Result<Probes> {
        let (all, problems) = all_kept(desk.assets(), self.folder.as_deref());
        let problems = problems.iter().map(EngineError::problem).collect();
        let mut probes = Probes { found: Vec::new(), problems };
        for model in &self.wanted {
            desk.check()?;
            let weights = match desk.ask(&WeightsHash { model: model.clone() }) {
                Ok(hash) => hash,
                Err(EngineError::Cancelled) => return Err(EngineError::Cancelled),
                Err(_) => continue,
            };
            if let Some(known) = of_weights(&all, &weights, ProbeBudget::default()) {
                let model_name = model.label();
                probes.found.push((model.clone(), Probed { model: model_name, ..known.clone() }));
            }
        }
        Ok(probes)
    }

    fn bytes(answer: &Probes) -> usize {
        (answer.found.len() + answer.problems.len()) * 300
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// A hash over the files of a tokenizer, as [`Identity::weights`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct WeightsHash {
    model: ModelRef,
}

impl Question for WeightsHash {
    type Answer = String;

    fn answer(&self, desk: &Desk<'_>) -> Result<String> {
        hash_of_model(&self.model.path(desk.assets()))
    }

    fn bytes(answer: &String) -> usize {
        answer.len()
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// A hash over the judge's file, as [`Identity::judge`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct JudgeHash;

impl Question for JudgeHash {
    type Answer = Option<String>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Option<String>> {
        hash_of_judge(desk.assets())
    }

    fn bytes(_: &Option<String>) -> usize {
        32
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// What was measured of each image at a rate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImagesOfPart {
    /// The file of sums; lines are beside it.
    pub part: PathBuf,
    /// Which of its rates.
    pub point: usize,
    /// At most so many images are shown.
    pub most: usize,
    /// Another number whenever it may hold more.
    pub since: u64,
}

/// See [`ImagesOfPart`].
#[derive(Debug, Clone, Default)]
pub struct ShownImages {
    /// Some of the images, in the order of the set and spread over it; the same ones of every measurement of a set.
    /// All where there are no more than were asked for.
    pub shown: Vec<ImageValues>,
    /// Images that were measured.
    pub measured: u64,
    /// Of all of them the one that is worst by each number, in the order of [`COLUMNS`].
    pub worst: [Option<ImageValues>; COLUMNS.len()],
}

impl ShownImages {
    /// Whether more were measured than are shown.
    pub fn is_part(&self) -> bool {
        (self.shown.len() as u64) < self.measured
    }

    fn add(&mut self, line: ImageValues, is_shown: bool) {
        self.measured += 1;
        for (column, worst) in COLUMNS.into_iter().zip(&mut self.worst) {
            let Some(value) = line.get(column) else { continue };
            let is_worse = |than: f64| {
                if column.is_better_high() { value < than } else { value > than }
            };
            if worst.as_ref().and_then(|it| it.get(column)).is_none_or(is_worse) {
                *worst = Some(line.clone());
            }
        }
        if is_shown {
            self.shown.push(line);
        }
    }
}

impl Question for ImagesOfPart {
    type Answer = ShownImages;

    fn answer(&self, desk: &Desk<'_>) -> Result<ShownImages> {
        let part = part_of(&self.part)?;
        // By their numbers in the set: what was skipped of another tokenizer puts no two out of step.
        let chosen = part.identity().set.chosen(self.most as u64);
        let mut found = ShownImages::default();
        for (number, line) in part.values()?.enumerate() {
            if number.is_multiple_of(512) {
                desk.check()?;
            }
            let line = line?;
            if line.point == self.point {
                let is_shown = chosen.binary_search(&line.index).is_ok();
                found.add(line, is_shown);
            }
        }
        Ok(found)
    }

    fn bytes(answer: &ShownImages) -> usize {
        (answer.shown.len() + answer.worst.len()) * 160
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
        answer.len() * 1000
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::Column;
    use super::*;

    fn line(index: u64, psnr: f64) -> ImageValues {
        ImageValues {
            index,
            name: format!("{index}.png"),
            point: 0,
            size: [8, 8],
            values: [0.1, psnr, 0.5, f64::NAN, f64::INFINITY, 0.0, f64::NAN],
        }
    }

    #[test]
    fn the_worst_image_is_that_of_all_and_not_of_those_that_are_shown() {
        let mut found = ShownImages::default();
        for (index, psnr) in [(0, 20.0), (1, 11.0), (2, f64::INFINITY), (3, 30.0)] {
            found.add(line(index, psnr), index % 2 == 0);
        }
        let worst = |column: Column| found.worst[column.place()].as_ref().map(|it| it.index);
        assert_eq!(worst(Column::Psnr), Some(1), "which is not shown");
        assert_eq!((worst(Column::MsSsim), worst(Column::LpipsLike)), (None, None));
        let shown: Vec<u64> = found.shown.iter().map(|it| it.index).collect();
        assert_eq!((shown, found.measured, found.is_part()), (vec![0, 2], 4, true));
    }
}
