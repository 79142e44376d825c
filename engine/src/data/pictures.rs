//! Image files as a set: loose ones, those in archives, and both together.
//!
//! Listed once by [`super::folder`] and [`super::tar`], decoded one at a time. Archives are never
//! unpacked to disk, so names inside them can do no harm.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::classes_of;
use super::{Sample, Source, images_in_words, no_such_image, short_name};
use crate::images::{Limits, decode, file, open};
use crate::random::name_hash;
use crate::{EngineError, Result};

/// Captions are a line or two; anything longer is not one.
const MAX_CAPTION_BYTES: u64 = 64 << 10;

/// Of so many loose files the size is a part of [`Source::listing`].
const MOST_SIZES: usize = 4096;

/// Where a file lies inside an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// An archive's bytes.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    /// Its file, also for messages.
    pub(super) path: Arc<Path>,
    pub(super) bytes: Bytes,
}

/// Where an archive's bytes are.
#[derive(Debug, Clone)]
pub(super) enum Bytes {
    /// In its file, as it was when it was indexed.
    File(file::Version),
    /// In memory: what a compressed file unpacks to.
    Unpacked(Arc<[u8]>),
}

impl Archive {
    /// The bytes of a file inside; `name` is for messages.
    pub(super) fn read(&self, span: Span, max_bytes: u64, name: &Path) -> Result<Vec<u8>> {
        if span.length > max_bytes {
            return Err(EngineError::bad_file(
                name,
                format!("{} are too much for one file", file::size_in_words(span.length)),
                "",
            ));
        }
        let changed = || {
            EngineError::bad_file(name, "the archive changed while it was open", "Open it again")
        };
        let version = match &self.bytes {
            Bytes::File(version) => version,
            Bytes::Unpacked(bytes) => {
                let end = span.offset.saturating_add(span.length) as usize;
                let part = bytes.get(span.offset as usize..end);
                return part.map(<[u8]>::to_vec).ok_or_else(changed);
            }
        };
        let fail = |source| EngineError::io(&*self.path, source);
        let mut archive = version.open(&self.path)?;
        archive.seek(SeekFrom::Start(span.offset)).map_err(fail)?;
        let mut bytes = Vec::new();
        archive.take(span.length).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 == span.length { Ok(bytes) } else { Err(changed()) }
    }
}

/// One image file.
#[derive(Debug)]
enum Entry {
    Loose(PathBuf),
    Inside { part: u32, name: Box<str>, image: Span, caption: Option<Span> },
}

/// An archive of a set, and what its entries' names begin with.
#[derive(Debug)]
struct Part {
    archive: Archive,
    prefix: String,
}

/// Image files, in the order in which they were listed.
#[derive(Debug)]
pub struct Pictures {
    /// The folder or archive that names are told from.
    root: PathBuf,
    title: String,
    parts: Vec<Part>,
    entries: Vec<Entry>,
    classes: Vec<String>,
    class_of: Vec<Option<u32>>,
    limits: Limits,
    notes: Vec<String>,
}

/// A set that is being listed.
#[derive(Debug, Default)]
pub(super) struct Listing {
    parts: Vec<Part>,
    entries: Vec<Entry>,
    /// The folders that each image lies in, outermost first.
    folders: Vec<Vec<String>>,
    pub(super) notes: Vec<String>,
}

impl Listing {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an image file that lies in these folders.
    pub(super) fn add(&mut self, path: PathBuf, folders: Vec<String>) {
        self.entries.push(Entry::Loose(path));
        self.folders.push(folders);
    }

    /// Adds an archive, whose entries' names will begin with `prefix`; gives its number.
    pub(super) fn add_archive(&mut self, archive: Archive, prefix: String) -> u32 {
        self.parts.push(Part { archive, prefix });
        (self.parts.len() - 1) as u32
    }

    /// Adds an image in an archive, below these folders.
    pub(super) fn add_inside(
        &mut self,
        part: u32,
        name: &str,
        (image, caption): (Span, Option<Span>),
        folders: &[String],
    ) {
        let mut folders = folders.to_vec();
        folders.extend(name.split('/').map(str::to_owned));
        folders.pop();
        self.entries.push(Entry::Inside { part, name: name.into(), image, caption });
        self.folders.push(folders);
    }

    /// The set, with what it is called, such as "folder kodak"; names are told from `root`.
    pub(super) fn finish(self, root: &Path, title: String, limits: Limits) -> Pictures {
        let (classes, class_of) = classes_of(&self.folders);
        Pictures {
            root: root.to_owned(),
            title,
            parts: self.parts,
            entries: self.entries,
            classes,
            class_of,
            limits,
            notes: self.notes,
        }
    }
}

impl Pictures {
    /// A set of one image.
    pub fn single(path: &Path, limits: Limits) -> Self {
        let mut listing = Listing::default();
        listing.add(path.to_owned(), Vec::new());
        listing.finish(path, format!("image {}", short_name(path)), limits)
    }

    fn loose(&self, path: &Path, class: Option<u32>) -> Result<Sample> {
        let picture = open(path, &self.limits)?.picture;
        let caption = file::read_file(&path.with_extension("txt"), MAX_CAPTION_BYTES)
            .ok()
            .and_then(|bytes| caption_of(&bytes));
        let name = path.strip_prefix(&self.root).ok().filter(|p| !p.as_os_str().is_empty());
        let name = name.map_or_else(|| short_name(path), |p| p.to_string_lossy().into_owned());
        Ok(Sample { picture, class, caption, name })
    }

    fn inside(
        &self,
        (part, name): (u32, &str),
        (image, caption): (Span, Option<Span>),
        class: Option<u32>,
    ) -> Result<Sample> {
        let Some(part) = self.parts.get(part as usize) else {
            return Err(EngineError::bad_file(&self.root, "an archive of it is gone", ""));
        };
        // Messages name both, such as emoji.tar/flags/1f1e6.webp.
        let name = format!("{}{name}", part.prefix);
        let full = self.root.join(&name);
        let bytes = part.archive.read(image, self.limits.max_file_bytes, &full)?;
        let picture = decode(&bytes, &full, &self.limits)?.picture;
        let caption = caption
            .and_then(|span| part.archive.read(span, MAX_CAPTION_BYTES, &full).ok())
            .and_then(|bytes| caption_of(&bytes));
        Ok(Sample { picture, class, caption, name })
    }
}

impl Source for Pictures {
    fn len(&self) -> u64 {
        self.entries.len() as u64
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn class_of(&self, index: u64) -> Option<u32> {
        usize::try_from(index).ok().and_then(|place| *self.class_of.get(place)?)
    }
    fn sample(&self, index: u64, _side: u32) -> Result<Sample> {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let (Some(entry), Some(&class)) = (self.entries.get(place), self.class_of.get(place))
        else {
            return Err(no_such_image(index, self));
        };
        match entry {
            Entry::Loose(path) => self.loose(path, class),
            Entry::Inside { part, name, image, caption } => {
                self.inside((*part, name), (*image, *caption), class)
            }
        }
    }
    fn describe(&self) -> String {
        let (title, count) = (&self.title, images_in_words(self.len()));
        match (self.parts.len(), self.entries.first()) {
            (0, Some(Entry::Loose(only))) if *only == self.root => title.clone(),
            (0 | 1, _) => format!("{title}, {count}"),
            (n, _) => format!("{title}, {count} in {n} archives"),
        }
    }
    fn listing(&self) -> Option<u64> {
        // Sizes of loose files cost a look at each: of a large set some, spread evenly.
        let every = self.entries.len().div_ceil(MOST_SIZES).max(1);
        let mix = |hash: u64, (number, entry): (usize, &Entry)| {
            let (name, size) = match entry {
                Entry::Loose(path) => {
                    let is_looked_at = number.is_multiple_of(every);
                    let found = if is_looked_at { path.metadata().ok() } else { None };
                    let name = path.strip_prefix(&self.root).unwrap_or(Path::new(""));
                    // As other systems write it, too: a folder may have moved there.
                    let name = name.to_string_lossy().replace('\\', "/");
                    (name, found.map_or(0, |found| found.len()))
                }
                Entry::Inside { part, name, image, .. } => {
                    let part = self.parts.get(*part as usize);
                    let prefix = part.map_or("", |part| part.prefix.as_str());
                    (format!("{prefix}{name}"), image.length)
                }
            };
            name_hash(&format!("{hash:x} {size} {name}"))
        };
        Some(self.entries.iter().enumerate().fold(0, mix))
    }
    fn written(&self, index: u64) -> Option<u64> {
        match self.entries.get(usize::try_from(index).ok()?)? {
            Entry::Loose(path) => file::written(path),
            Entry::Inside { part, .. } => {
                file::written(&self.parts.get(*part as usize)?.archive.path)
            }
        }
    }
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// A caption file's text on one line; none if it is empty or not text.
fn caption_of(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}');
    let caption = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!caption.is_empty()).then_some(caption)
}
