//! The subjects of a document in its file: each is written once and carried along where that is wanted, and read
//! once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smalti_engine::Result;
use smalti_engine::data::braces::has_braces;
use smalti_engine::documents::Blob;
use smalti_engine::images;
use smalti_engine::questions::{Among, Given, ImageRef, PastedPicture, SourceRef, Stamp, Subject};
use smalti_engine::tokens::{Part, PartShape, Tokens};

use super::super::disk::{is_gone, read_whole, stamp};

/// Files of pictures are carried along up to this in all, so that the document can be read again.
const TOTAL: u64 = 64 << 20;
/// Pictures that are carried along take at most about this when they are decoded.
const PIXELS: usize = 1 << 30;
/// Files of pictures up to this are carried along, so that a colleague sees the same pixels.
const EMBEDDED: u64 = 16 << 20;

/// What a document's file carries along.
pub enum Carried<'a> {
    /// Only what has no file of its own: enough where all files stay where they are.
    Pasted,
    /// Every picture up to 16 MB, so that a colleague sees the same pixels. Gives a file's bytes of an image of
    /// a set, or of one whose own file is gone.
    Pictures(&'a dyn Fn(&ImageRef) -> Option<Vec<u8>>),
}

/// A subject in the text. `blob` names what is carried along.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) enum Kept {
    #[default]
    None,
    /// One that came before, by its number.
    Before(usize),
    File {
        path: PathBuf,
        #[serde(default)]
        blob: Option<String>,
        /// Which version of the file was worked on.
        #[serde(default)]
        seen: Stamp,
    },
    InSource(SourceRef, u64),
    Member {
        source: SourceRef,
        index: u64,
        blob: String,
    },
    Pasted {
        blob: String,
    },
    Tokens {
        name: String,
        parts: Vec<(PartShape, u32, Vec<u32>)>,
        #[serde(default)]
        is_size_assumed: bool,
        #[serde(default)]
        among: Option<Among>,
    },
}

impl Kept {
    /// The bytes of a picture's file that is carried along, and of which image.
    pub(super) fn carried(self, blobs: &[Blob]) -> Option<(ImageRef, Vec<u8>)> {
        let (image, name) = match self {
            Self::File { path, blob: Some(name), seen } => {
                (ImageRef::File { path: path.into(), stamp: seen }, name)
            }
            Self::Member { source, index, blob } => (ImageRef::InSource { source, index }, blob),
            _ => return None,
        };
        let blob = blobs.iter().find(|blob| blob.name == name)?;
        Some((image, blob.bytes.clone()))
    }
}

/// The subjects of a document on their way into its file, each once.
pub(super) struct Keeping<'a> {
    carried: &'a Carried<'a>,
    /// Those that are in the text already.
    kept: Vec<Subject>,
    blobs: Vec<Blob>,
    missing: Vec<PathBuf>,
}

impl<'a> Keeping<'a> {
    pub(super) fn new(carried: &'a Carried<'a>) -> Self {
        Self { carried, kept: Vec::new(), blobs: Vec::new(), missing: Vec::new() }
    }

    /// Pictures that were to be carried along and are nowhere.
    pub(super) fn into_missing(self) -> Vec<PathBuf> {
        self.missing
    }

    /// What is carried along.
    pub(super) fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// A subject in the text: work and variations on the same one refer to it.
    pub(super) fn keep(&mut self, subject: &Subject) -> Kept {
        if let Some(before) = self.kept.iter().position(|kept| kept == subject) {
            return Kept::Before(before);
        }
        self.kept.push(subject.clone());
        written(subject, self.carried, (&mut self.blobs, &mut self.missing))
    }
}

fn written(
    subject: &Subject,
    carried: &Carried<'_>,
    (blobs, missing): (&mut Vec<Blob>, &mut Vec<PathBuf>),
) -> Kept {
    let taken: usize = blobs.iter().map(|blob| blob.bytes.len()).sum();
    let room = EMBEDDED.min(TOTAL.saturating_sub(taken as u64));
    match subject {
        Subject::Image(ImageRef::File { path, stamp: seen }) => {
            // Only if it still is what was worked on; if not, what is in memory is.
            let now = stamp(path);
            let is_there = now != Stamp::default() && [now, Stamp::default()].contains(seen);
            let bytes = match carried {
                Carried::Pasted => None,
                Carried::Pictures(_) if is_there => read_whole(path, room).ok(),
                Carried::Pictures(pictures) => {
                    let bytes = pictures(&ImageRef::File { path: Arc::clone(path), stamp: *seen });
                    let bytes = bytes.filter(|bytes| bytes.len() as u64 <= room);
                    if bytes.is_none() {
                        missing.push(path.to_path_buf());
                    }
                    bytes
                }
            };
            let mut add = adder(blobs);
            let blob = bytes.map(|b| add("file", &|name| Blob::file(name, b.clone())));
            Kept::File { path: path.to_path_buf(), blob, seen: *seen }
        }
        Subject::Image(image @ ImageRef::InSource { source, index }) => {
            let own = Kept::InSource(source.clone(), *index);
            // Worlds and samples come with every Smalti.
            let (SourceRef::Path { path, .. }, Carried::Pictures(pictures)) = (source, carried)
            else {
                return own;
            };
            let Some(bytes) = pictures(image).filter(|bytes| bytes.len() as u64 <= room) else {
                if !has_braces(path) && stamp(path) == Stamp::default() {
                    missing.push(path.to_path_buf());
                }
                return own;
            };
            let blob = adder(blobs)("file", &|name| Blob::file(name, bytes.clone()));
            Kept::Member { source: source.clone(), index: *index, blob }
        }
        Subject::Image(ImageRef::Pasted(pasted)) => {
            let blob = adder(blobs)("picture", &|name| match &pasted.file {
                Some(bytes) => Blob::file(name, bytes.to_vec()),
                None => Blob::picture(name, &pasted.picture),
            });
            Kept::Pasted { blob }
        }
        Subject::Tokens(given) => Kept::Tokens {
            name: given.name.to_string(),
            is_size_assumed: given.is_size_assumed,
            among: given.among.as_deref().cloned(),
            parts: given
                .tokens
                .parts()
                .iter()
                .map(|part| (part.shape(), part.codebook_size(), part.codes().to_vec()))
                .collect(),
        },
    }
}

/// Adds what is carried along, once.
fn adder(blobs: &mut Vec<Blob>) -> impl FnMut(&str, &dyn Fn(String) -> Blob) -> String {
    |kind, make| {
        let blob = make(format!("{kind}.{}", blobs.len()));
        let same = |b: &&Blob| b.bytes == blob.bytes && b.shape == blob.shape;
        if let Some(known) = blobs.iter().find(same) {
            return known.name.clone();
        }
        let name = blob.name.clone();
        blobs.push(blob);
        name
    }
}

/// The subjects of a document's file as they are read, each once.
pub(super) struct Reading<'a> {
    blobs: &'a [Blob],
    read: Vec<Subject>,
    /// Pictures that were carried along and are decoded, by their names.
    decoded: BTreeMap<&'a str, Subject>,
    /// Bytes that these take.
    taken: usize,
    /// Files that are gone, each with the picture that was carried along of it.
    copies: Vec<(PathBuf, ImageRef)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(blobs: &'a [Blob]) -> Self {
        Self { blobs, read: Vec::new(), decoded: BTreeMap::new(), taken: 0, copies: Vec::new() }
    }

    /// Files that are gone, each once, with the picture that takes its place.
    pub(super) fn into_copies(self) -> Vec<(PathBuf, ImageRef)> {
        self.copies
    }

    /// Notes the picture that takes the place of a file, if that is gone: one that was written over is another
    /// picture.
    fn note_copy(&mut self, path: &Path, subject: &Subject) {
        let is_known = self.copies.iter().any(|(known, _)| known == path);
        if let Some(image) = subject.image().filter(|_| !is_known && is_gone(path)) {
            self.copies.push((path.to_owned(), image.clone()));
        }
    }

    pub(super) fn read(&mut self, kept: Kept) -> Result<Option<Subject>, String> {
        match kept {
            Kept::None => Ok(None),
            Kept::Before(number) => match self.read.get(number) {
                Some(subject) => Ok(Some(subject.clone())),
                None => Err(format!("its subject {number} is missing")),
            },
            written => {
                let subject = self.subject(written)?;
                self.read.extend(subject.clone());
                Ok(subject)
            }
        }
    }

    fn subject(&mut self, kept: Kept) -> Result<Option<Subject>, String> {
        Ok(Some(match kept {
            Kept::None | Kept::Before(_) => return Ok(None),
            // Its version is the one that was worked on; documents that do not say it take it as it is.
            Kept::File { path, blob: None, seen } => file(&path, restamped_if_unknown(&path, seen)),
            Kept::File { path, blob: Some(name), seen } => {
                let carried = self.blob(&name)?;
                let there = read_whole(&path, EMBEDDED).is_ok_and(|bytes| bytes == carried.bytes);
                if there {
                    return Ok(Some(file(&path, stamp(&path))));
                }
                match self.decoded(carried, &path) {
                    Some(subject) => {
                        self.note_copy(&path, &subject);
                        subject
                    }
                    // The rest of the document is worth more than this picture.
                    None => file(&path, restamped_if_unknown(&path, seen)),
                }
            }
            Kept::Member { source, index, blob: name } => {
                // A pattern of shards is no path; whether they are there is seen when they are opened.
                let is_there = |path: &Path| has_braces(path) || stamp(path) != Stamp::default();
                let own = Subject::Image(ImageRef::InSource {
                    source: restamped_source(source.clone()),
                    index,
                });
                match &source {
                    SourceRef::Path { path, .. } if !is_there(path) => {
                        let blob = self.blob(&name)?;
                        self.decoded(blob, path).unwrap_or(own)
                    }
                    _ => own,
                }
            }
            Kept::InSource(source, index) => {
                Subject::Image(ImageRef::InSource { source: restamped_source(source), index })
            }
            Kept::Pasted { blob: name } => {
                let blob = self.blob(&name)?;
                if let [_] = blob.shape[..]
                    && let Some(subject) = self.decoded(blob, Path::new("picture"))
                {
                    return Ok(Some(subject));
                }
                if blob.shape.len() == 1 && self.taken > PIXELS {
                    return Err(format!("its pictures take more than {} MB", PIXELS >> 20));
                }
                let picture = blob.to_picture().map_err(|e| e.to_string())?;
                Subject::Image(ImageRef::Pasted(PastedPicture::new(picture)))
            }
            Kept::Tokens { name, parts, is_size_assumed, among } => {
                let part = |(shape, size, codes)| Part::new(shape, size, codes);
                let parts = parts.into_iter().map(part as fn((PartShape, u32, Vec<u32>)) -> _);
                let parts = parts.collect::<Result<Vec<_>>>().map_err(|e| e.to_string())?;
                let tokens = Tokens::new(parts).map_err(|e| e.to_string())?;
                let among = among.map(Arc::new);
                Subject::Tokens(Given { name: name.into(), tokens, is_size_assumed, among })
            }
        }))
    }

    fn blob(&self, name: &str) -> Result<&'a Blob, String> {
        let found = self.blobs.iter().find(|blob| blob.name == name);
        found.ok_or_else(|| format!("its {name} is missing"))
    }

    /// A picture that was carried along, with its bytes, so that it can be carried on; `None` if it is none,
    /// or if those before it take all the memory that there is for them: some kilobytes can be one of 200 MB.
    fn decoded(&mut self, blob: &'a Blob, path: &Path) -> Option<Subject> {
        if let Some(known) = self.decoded.get(blob.name.as_str()) {
            return Some(known.clone());
        }
        if self.taken > PIXELS {
            return None;
        }
        let decoded = images::decode(&blob.bytes, path, &images::Limits::default()).ok()?;
        self.taken += decoded.picture.rgb().len();
        let pasted = PastedPicture::of_file(decoded.picture, blob.bytes.as_slice().into());
        let subject = Subject::Image(ImageRef::Pasted(pasted));
        self.decoded.insert(&blob.name, subject.clone());
        Some(subject)
    }
}

fn file(path: &Path, stamp: Stamp) -> Subject {
    Subject::Image(ImageRef::File { stamp, path: path.into() })
}

fn restamped_if_unknown(path: &Path, seen: Stamp) -> Stamp {
    if seen == Stamp::default() { stamp(path) } else { seen }
}

pub(super) fn restamped(path: &Path, old: Stamp) -> Stamp {
    let now = stamp(path);
    if now == Stamp::default() { old } else { now }
}

pub(super) fn restamped_source(source: SourceRef) -> SourceRef {
    match source {
        SourceRef::Path { path, stamp } => SourceRef::Path { stamp: restamped(&path, stamp), path },
        other @ (SourceRef::Worlds { .. } | SourceRef::Samples) => other,
    }
}
