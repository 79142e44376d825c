//! What makes a measurement the same one: parts that agree in this can be joined, and numbers that are kept are
//! those of these settings and no others.

use std::path::Path;

use super::hash::hash_of_file;
use super::lpips::LpipsIdentity;
use super::plan::{Indices, Plan};
use super::values::{COLUMNS, Column};
use crate::data::Source;
use crate::questions::SourceRef;
use crate::questions::perceive::JUDGE;
use crate::{Result, checkpoints};

/// Of which images, without where they lie: the same on another machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct SetIdentity {
    /// In a few words, such as "folder kodak, 24 images".
    pub description: String,
    /// Images of the set.
    pub total: u64,
    /// Of how many of them the measurement is, all its parts together.
    pub sampled: u64,
    /// A number for what is listed, where something is; see [`Source::listing`].
    pub listing: Option<u64>,
    /// The seed of a painted set.
    pub seed: Option<u64>,
}

impl SetIdentity {
    /// Of a set that is open, of which at most so many images are measured.
    pub fn of(source: &SourceRef, set: &dyn Source, most: u64) -> Self {
        let seed = if let SourceRef::Worlds { seed } = source { Some(*seed) } else { None };
        let (total, description) = (set.len(), set.describe());
        Self { description, total, sampled: total.min(most), listing: set.listing(), seed }
    }

    /// The numbers of at most `most` of its images, in order: the same ones of every measurement of the set, and all
    /// of those that are measured where these are no more.
    pub(super) fn chosen(&self, most: u64) -> Vec<u64> {
        // As the images that are measured are chosen, of which more have all of fewer.
        let source = self.seed.map_or(SourceRef::Samples, |seed| SourceRef::Worlds { seed });
        source.sampled(self.total, most)
    }
}

/// One rate of what is measured.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Rate {
    /// The first so many residual levels alone; all where it is `None`.
    pub levels: Option<usize>,
    /// The quality that a format was given.
    pub quality: Option<u8>,
}

/// What was measured, on what, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// What a person calls the tokenizer or format.
    pub subject: String,
    /// A hash over the bytes of its files; of a format none.
    pub weights: Option<String>,
    /// Its rates, in the order of points.
    pub rates: Vec<Rate>,
    /// The images.
    pub set: SetIdentity,
    /// Side in pixels of the middle square.
    pub side: u32,
    /// A hash over the judge's file, where there is one.
    pub judge: Option<String>,
    /// The seed of the intervals.
    pub seed: u64,
    /// The version of Smalti.
    pub version: String,
    /// Which LPIPS was measured, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lpips: Option<LpipsIdentity>,
}

impl Identity {
    /// The version that measures here.
    pub const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// The numbers that such a measurement has of each image, in the order of files.
    pub fn columns(&self) -> &'static [Column] {
        if self.lpips.is_some() { &COLUMNS } else { &COLUMNS[..Column::Lpips.place()] }
    }

    /// A short number for it, which file names carry.
    pub fn key(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        format!("{:08x}", crate::random::name_hash(&text) as u32)
    }

    /// In what two differ, in words; `None` if they are the same.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let of = |it: &Self| {
            let none = "none".to_owned();
            let (set, rates) = (&it.set, &it.rates);
            [
                ("tokenizer", it.subject.clone()),
                ("weights", it.weights.clone().unwrap_or(none.clone())),
                ("rates", serde_json::to_string(rates).unwrap_or_default()),
                ("set", set.description.clone()),
                ("images", format!("{} of {}", set.sampled, set.total)),
                ("listed images", set.listing.map_or(none.clone(), |it| format!("{it:016x}"))),
                ("seed of the set", set.seed.map_or(none.clone(), |it| it.to_string())),
                ("side", format!("{} pixels", it.side)),
                ("judge", it.judge.clone().unwrap_or(none)),
                ("seed", it.seed.to_string()),
                ("version", it.version.clone()),
                ("LPIPS", it.lpips.as_ref().map_or("not measured".to_owned(), ToString::to_string)),
            ]
        };
        let mut both = of(self).into_iter().zip(of(other));
        let (one, other) = both.find(|(one, other)| one != other)?;
        Some(format!("{} is {} here and {} there", one.0, one.1, other.1))
    }
}

/// A number for when the files of some images of a set were last written: what was measured of them counts no
/// longer where it is another one. `None` of painted sets, and where nothing is known of any file.
pub(super) fn seen_of(
    set: &dyn Source,
    (indices, count): (&Indices, u64),
    check: impl Fn() -> Result<()>,
) -> Result<Option<u64>> {
    let mut seen: Option<u64> = None;
    if set.listing().is_none() {
        return Ok(seen);
    }
    for place in 0..count {
        if place.is_multiple_of(256) {
            check()?;
        }
        if let Some(written) = set.written(indices.at(place)) {
            let hash = crate::random::bytes_hash(seen.unwrap_or_default(), &written.to_le_bytes());
            seen = Some(hash);
        }
    }
    Ok(seen)
}

/// The side at which a plan measures a set that is open.
pub(super) fn side_of(
    plan: &Plan,
    set: &dyn Source,
    check: impl Fn() -> Result<()>,
) -> Result<u32> {
    match plan.side {
        Some(side) => Ok(side),
        None => crate::questions::OwnSide::of(&plan.source, set, check),
    }
}

/// A hash over the judge's file; none where it is not there.
pub(super) fn hash_of_judge(assets: &Path) -> Result<Option<String>> {
    let path = assets.join("models").join(format!("{JUDGE}.safetensors"));
    let hash = path.is_file().then(|| hash_of_file(&path, 0)).transpose()?;
    Ok(hash.map(|hash| format!("{hash:016x}")))
}

/// A hash over the bytes of a checkpoint: of its file, and of those that are read with it.
pub(super) fn hash_of_model(path: &Path) -> Result<String> {
    let (file, part) = checkpoints::split_part(path);
    let mut hash = crate::random::name_hash(part.as_deref().unwrap_or_default());
    let others = checkpoints::read_with(&file);
    for path in std::iter::once(&file).chain(&others).filter(|path| path.is_file()) {
        hash = hash_of_file(path, hash)?;
    }
    Ok(format!("{hash:016x}"))
}
