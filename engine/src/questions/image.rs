//! Images by reference: a file, a place in a set, a Worlds picture, something pasted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::worlds::Worlds;
use crate::data::{Source, open_source};
use crate::images::{self, Picture, WorkingSize};
use crate::session::{Desk, Question};
use crate::{EngineError, Result};

/// When a file was last changed and how long it is, and the same of the files that are read with it: a
/// changed file is another question.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Stamp {
    /// Nanoseconds since 1970.
    pub modified: u128,
    /// Bytes.
    pub length: u64,
    /// A hash over the names, times and lengths of what is read with it, such as the configuration beside
    /// a checkpoint; 0 where nothing is.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub beside: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_nothing(beside: &u64) -> bool {
    *beside == 0
}

impl Stamp {
    /// The stamp of a file now; all zeros if it cannot be had.
    pub fn of(path: &Path) -> Self {
        let Ok(metadata) = path.metadata() else { return Self::default() };
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(0, |age| age.as_nanos());
        Self { modified, length: metadata.len(), beside: 0 }
    }

    /// Whether a file that is read alone is there in another version than this. One that is not known is no
    /// other.
    pub fn is_other(self, path: &Path) -> bool {
        let now = Self::of(path);
        ![self, now].contains(&Self::default()) && self != now
    }

    /// That the file is not another one than this version, as long as it is there.
    ///
    /// # Errors
    /// [`EngineError::BadFile`] if it is.
    pub(super) fn check(self, path: &Path) -> Result<()> {
        if self.is_other(path) {
            let reason = "it has changed since it was opened";
            return Err(EngineError::bad_file(path, reason, "open it again"));
        }
        Ok(())
    }

    /// The stamp of a file that is read together with others.
    pub(super) fn with(path: &Path, others: &[PathBuf]) -> Self {
        let mut hash = FNV_START;
        for other in others {
            let Self { modified, length, .. } = Self::of(other);
            let name = other.as_os_str().as_encoded_bytes();
            let numbers = modified.to_le_bytes().into_iter().chain(length.to_le_bytes());
            hash = fnv(hash, name.iter().copied().chain(numbers));
        }
        let beside = if others.is_empty() { 0 } else { hash };
        Self { beside, ..Self::of(path) }
    }
}

/// Where FNV-1a begins.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(start: u64, bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A picture that came without a file. Compared by a hash of its pixels.
#[derive(Debug, Clone)]
pub struct PastedPicture {
    /// FNV-1a of size and pixels.
    hash: u64,
    /// The picture.
    pub picture: Picture,
    /// The bytes of the file that it was decoded from, where there was one: smaller than the pixels.
    pub file: Option<Arc<[u8]>>,
}

impl PastedPicture {
    /// Takes a picture in, and the bytes of the file that it was decoded from.
    pub fn of_file(picture: Picture, bytes: Arc<[u8]>) -> Self {
        Self { file: Some(bytes), ..Self::new(picture) }
    }

    /// Takes a picture in.
    pub fn new(picture: Picture) -> Self {
        let size = [picture.width(), picture.height()];
        let bytes = size.iter().flat_map(|side| side.to_le_bytes());
        let hash = fnv(FNV_START, bytes.chain(picture.rgb().iter().copied()));
        Self { hash, picture, file: None }
    }
}
impl PartialEq for PastedPicture {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.picture.width() == other.picture.width()
    }
}
impl Eq for PastedPicture {}
impl std::hash::Hash for PastedPicture {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A set of images by reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum SourceRef {
    /// Worlds that no shipped model was trained on.
    Worlds {
        /// The seed of the set.
        seed: u64,
    },
    /// The sample photographs that come with Smalti.
    Samples,
    /// A folder, archive or binary set.
    Path {
        /// Where it is.
        path: Arc<Path>,
        /// Which version of it.
        stamp: Stamp,
    },
}

impl SourceRef {
    /// Opens it; `assets` is the folder of what comes with Smalti.
    ///
    /// # Errors
    /// As [`open_source`].
    pub fn open(&self, assets: &Path) -> Result<Arc<dyn Source>> {
        Ok(match self {
            Self::Worlds { seed } => Arc::new(Worlds::held_out(*seed)),
            Self::Samples => open_source(&assets.join("samples"))?,
            Self::Path { path, .. } => open_source(path)?,
        })
    }
}

/// An image by reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ImageRef {
    /// An image file.
    File {
        /// Where it is.
        path: Arc<Path>,
        /// Which version of it.
        stamp: Stamp,
    },
    /// An image of a set.
    InSource {
        /// The set.
        source: SourceRef,
        /// Its place there.
        index: u64,
    },
    /// A picture that came without a file.
    Pasted(PastedPicture),
}

impl ImageRef {
    /// An image file as it is now.
    pub fn file(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        Self::File { path: path.into(), stamp: Stamp::of(path) }
    }
}

/// What a set is. Opening it is the work.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceInfo {
    /// Which set.
    pub source: SourceRef,
}

/// See [`SourceInfo`].
#[derive(Debug, Clone)]
pub struct SourceFacts {
    /// In a few words.
    pub description: String,
    /// Number of images.
    pub len: u64,
    /// Class names; empty when there are none.
    pub classes: Vec<String>,
    /// [Width, height] of every image, where all are of one size and it is known.
    pub size: Option<[u32; 2]>,
    /// What a person might want to know of how it was opened, such as an archive that was left out.
    pub notes: Vec<String>,
    pub(crate) open: Arc<dyn Source>,
}

impl Question for SourceInfo {
    type Answer = SourceFacts;

    fn answer(&self, desk: &Desk<'_>) -> Result<SourceFacts> {
        let open = self.source.open(desk.assets())?;
        Ok(SourceFacts {
            description: open.describe(),
            len: open.len(),
            classes: open.classes().to_vec(),
            size: open.size(),
            notes: open.notes(),
            open,
        })
    }

    fn bytes(_: &SourceFacts) -> usize {
        1 << 16
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// The side of the squares at which a set is measured where nobody says one: its images' own short
/// side, up to [`OwnSide::MOST`]. Of files of different sizes, that of the middle one among a few.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnSide {
    /// Which set.
    pub source: SourceRef,
}

impl OwnSide {
    /// No set is measured at more, unless somebody says so; Worlds, which have no own size, at this.
    pub const MOST: u32 = 256;
    /// Images of a set that are looked at, where their sizes are not known.
    const LOOKED_AT: u64 = 9;

    /// The side for a set that is open; `check` stops it.
    pub(crate) fn of(
        source: &SourceRef,
        set: &dyn Source,
        check: impl Fn() -> Result<()>,
    ) -> Result<u32> {
        if let Some([width, height]) = set.size() {
            return Ok(width.min(height).min(Self::MOST));
        }
        if matches!(source, SourceRef::Worlds { .. }) {
            return Ok(Self::MOST);
        }
        let looked_at = set.len().min(Self::LOOKED_AT);
        let mut sides = Vec::new();
        for number in 0..looked_at {
            let index = (u128::from(number) * u128::from(set.len()) / u128::from(looked_at)) as u64;
            // A broken one is named when it is measured.
            if let Ok(sample) = set.sample(index, Self::MOST) {
                sides.push(sample.picture.width().min(sample.picture.height()));
            }
            check()?;
        }
        sides.sort_unstable();
        Ok(sides.get(sides.len() / 2).map_or(Self::MOST, |side| *side.min(&Self::MOST)))
    }
}

impl Question for OwnSide {
    type Answer = u32;

    fn answer(&self, desk: &Desk<'_>) -> Result<u32> {
        let set = desk.ask(&SourceInfo { source: self.source.clone() })?;
        Self::of(&self.source, &*set.open, || desk.check())
    }

    fn bytes(_: &u32) -> usize {
        4
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// The images of a class among the first [`ClassMembers::SEARCHED`] of a set, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClassMembers {
    /// Which set.
    pub source: SourceRef,
    /// Which class: an index into [`SourceFacts::classes`].
    pub class: u32,
}

impl ClassMembers {
    /// Images of the set that are looked through.
    pub const SEARCHED: u64 = 100_000;
}

impl Question for ClassMembers {
    type Answer = Vec<u64>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Vec<u64>> {
        let set = desk.ask(&SourceInfo { source: self.source.clone() })?;
        let searched = 0..set.len.min(Self::SEARCHED);
        Ok(searched.filter(|index| set.open.class_of(*index) == Some(self.class)).collect())
    }

    fn bytes(answer: &Vec<u64>) -> usize {
        answer.len() * 8
    }
}

/// The picture itself, at its own size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LoadImage {
    /// Which image.
    pub image: ImageRef,
    /// The short side, in pixels, at which generated pictures are painted; 0 where none is known,
    /// as for "original size", which they have none of: then 256.
    pub paint_side: u32,
}

/// See [`LoadImage`].
#[derive(Debug, Clone)]
pub struct LoadedImage {
    /// The picture, upright.
    pub picture: Picture,
    /// Its name: the file's, or its address in a generated set.
    pub name: String,
    /// The format, such as "PNG".
    pub format: String,
    /// The class by name, where there is one.
    pub class: Option<String>,
    /// The caption, where there is one.
    pub caption: Option<String>,
    /// What a person should know, such as "turned upright by its EXIF orientation".
    pub notes: Vec<String>,
}

impl Question for LoadImage {
    type Answer = LoadedImage;

    fn answer(&self, desk: &Desk<'_>) -> Result<LoadedImage> {
        match &self.image {
            ImageRef::File { path, stamp } => {
                let decoded = images::open(path, &images::Limits::default())?;
                // What was worked on is not what stands there now.
                stamp.check(path)?;
                Ok(LoadedImage {
                    picture: decoded.picture,
                    name: file_name(path),
                    format: decoded.format.to_string(),
                    class: None,
                    caption: None,
                    notes: decoded.warnings,
                })
            }
            ImageRef::InSource { source, index } => {
                let set = desk.ask(&SourceInfo { source: source.clone() })?;
                if *index >= set.len {
                    return Err(EngineError::bad_input(
                        "image",
                        format!("number {index} of a set of {}", set.len),
                        "",
                    ));
                }
                let side = if self.paint_side == 0 { OwnSide::MOST } else { self.paint_side };
                let sample = set.open.sample(*index, side.clamp(16, 2048))?;
                let class = sample.class.and_then(|c| set.classes.get(c as usize).cloned());
                Ok(LoadedImage {
                    picture: sample.picture,
                    name: sample.name,
                    format: String::new(),
                    class,
                    caption: sample.caption,
                    notes: Vec::new(),
                })
            }
            ImageRef::Pasted(pasted) => Ok(LoadedImage {
                picture: pasted.picture.clone(),
                name: "pasted image".to_owned(),
                format: String::new(),
                class: None,
                caption: None,
                notes: Vec::new(),
            }),
        }
    }

    fn bytes(answer: &LoadedImage) -> usize {
        answer.picture.rgb().len()
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// [Width, height] of the picture itself. A caption that asks for it in every frame does not keep the
/// pixels in memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ImageSize(pub LoadImage);

impl Question for ImageSize {
    type Answer = [u32; 2];

    fn answer(&self, desk: &Desk<'_>) -> Result<[u32; 2]> {
        let loaded = desk.ask(&self.0)?;
        Ok([loaded.picture.width(), loaded.picture.height()])
    }

    fn bytes(_: &[u32; 2]) -> usize {
        8
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// The picture at the size a tokenizer works at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkingImage {
    /// Which image.
    pub image: ImageRef,
    /// At which size.
    pub size: WorkingSize,
}

impl Question for WorkingImage {
    type Answer = Picture;

    fn answer(&self, desk: &Desk<'_>) -> Result<Picture> {
        let loaded =
            desk.ask(&LoadImage { image: self.image.clone(), paint_side: self.size.side })?;
        images::fit(&loaded.picture, self.size)
    }

    fn bytes(answer: &Picture) -> usize {
        answer.rgb().len()
    }
}

/// A small square picture for lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Thumbnail {
    /// Which image.
    pub image: ImageRef,
    /// Its side in pixels.
    pub side: u32,
}

impl Question for Thumbnail {
    type Answer = Picture;

    fn answer(&self, desk: &Desk<'_>) -> Result<Picture> {
        let loaded = desk.ask(&LoadImage { image: self.image.clone(), paint_side: self.side })?;
        images::fit(&loaded.picture, WorkingSize::square(self.side.max(1), 1))
    }

    fn bytes(answer: &Picture) -> usize {
        answer.rgb().len()
    }

    fn is_file_work(&self) -> bool {
        true
    }
}
