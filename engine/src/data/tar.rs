//! A `.tar` or `.tar.gz` of images, in the naming of WebDataset, and archives of such archives.
//!
//! `<class>/<key>.webp` with `<class>/<key>.txt` as its caption. An archive in an archive is a class,
//! as in ImageNet's own `train` archive; it is indexed where it lies. A compressed archive is held in
//! memory.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::archive_names::{has_suffix, stem};
use super::packed::{is_gzip, unpack};
use super::pictures::{Archive, Bytes, Listing, Pictures, Span};
use super::short_name;
use crate::images::kind::has_image_suffix;
use crate::images::{Limits, file};
use crate::{EngineError, Result};

/// Compressed archives may unpack to this much in all, as they are held in memory.
const MAX_UNPACKED_BYTES: u64 = 2 << 30;

/// An archive and what is in it.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) archive: Archive,
    /// Names and places of the regular files.
    pub(super) files: BTreeMap<String, Span>,
    /// What was stepped over.
    notes: Vec<String>,
}

impl Contents {
    /// Indexes an archive; `unpacked` counts what compressed ones take in memory.
    ///
    /// # Errors
    /// [`EngineError::Io`], or [`EngineError::BadFile`] if it is damaged or cut off.
    pub(super) fn open(path: &Path, unpacked: &mut u64) -> Result<Self> {
        let start = file::read_start(path, 2)?;
        let (opened, _) = file::open_regular(path)?;
        let version = file::Version::of(&opened, path)?;
        if is_gzip(&start) {
            let bytes = unpack(opened, path, MAX_UNPACKED_BYTES.saturating_sub(*unpacked))?;
            *unpacked += bytes.len() as u64;
            return Self::from_bytes(bytes.into(), path);
        }
        let (files, note) = index(opened, version.len, path)?;
        let archive = Archive { path: path.into(), bytes: Bytes::File(version) };
        Ok(Self { archive, files, notes: note.into_iter().collect() })
    }

    fn from_bytes(bytes: Arc<[u8]>, path: &Path) -> Result<Self> {
        let (files, note) = index(Cursor::new(&bytes), bytes.len() as u64, path)?;
        let archive = Archive { path: path.into(), bytes: Bytes::Unpacked(bytes) };
        Ok(Self { archive, files, notes: note.into_iter().collect() })
    }

    /// The files of an archive inside.
    fn inner(&self, name: &str, span: Span) -> Result<Index> {
        let path = self.archive.path.join(name);
        let (mut files, note) = match &self.archive.bytes {
            Bytes::Unpacked(bytes) => {
                let end = span.offset.saturating_add(span.length) as usize;
                let part = bytes.get(span.offset as usize..end).unwrap_or_default();
                index(Cursor::new(part), span.length, &path)?
            }
            Bytes::File(version) => {
                let file = version.open(&self.archive.path)?;
                index(Window { file, span, position: 0 }, span.length, &path)?
            }
        };
        for inside in files.values_mut() {
            inside.offset += span.offset;
        }
        Ok((files, note))
    }

    /// Adds all images to a set; gives how many there were.
    pub(super) fn list(&self, listing: &mut Listing, prefix: &str, folders: &[String]) -> usize {
        let mut count = add_files(listing, (&self.archive, prefix), &self.files, folders);
        listing.notes.extend(self.notes.iter().cloned());
        for (name, &span) in
            self.files.iter().filter(|(name, _)| has_suffix(Path::new(name), "tar"))
        {
            let mut folders = folders.to_vec();
            folders.extend(name.split('/').map(str::to_owned));
            folders.pop();
            folders.push(stem(Path::new(name)).to_owned());
            match self.inner(name, span) {
                Ok((files, note)) => {
                    listing.notes.extend(note);
                    let prefix = format!("{prefix}{name}/");
                    count += add_files(listing, (&self.archive, &prefix), &files, &folders);
                }
                Err(error) => listing.notes.push(error.to_string()),
            }
        }
        count
    }
}

/// A part of a file as if it were one.
struct Window {
    file: std::fs::File,
    span: Span,
    position: u64,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.span.length.saturating_sub(self.position);
        let n = left.min(buffer.len() as u64) as usize;
        self.file.seek(SeekFrom::Start(self.span.offset + self.position))?;
        let n = self.file.read(&mut buffer[..n])?;
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.span.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Opens an archive as a set of its own.
///
/// # Errors
/// [`EngineError::Io`], or [`EngineError::BadFile`] if it is damaged, cut off or without images.
pub fn open(path: &Path, limits: Limits) -> Result<Pictures> {
    pictures(&Contents::open(path, &mut 0)?, limits)
}

/// As [`open`], of an archive that is in memory; `name` is for messages.
///
/// # Errors
/// As [`open`].
pub fn from_bytes(bytes: impl Into<Arc<[u8]>>, name: &Path, limits: Limits) -> Result<Pictures> {
    pictures(&Contents::from_bytes(bytes.into(), name)?, limits)
}

/// The images of an archive.
pub(super) fn pictures(contents: &Contents, limits: Limits) -> Result<Pictures> {
    let mut listing = Listing::default();
    if contents.list(&mut listing, "", &[]) == 0 {
        return Err(no_images(&contents.archive.path, contents, &listing));
    }
    let path = &contents.archive.path;
    Ok(listing.finish(path, format!("archive {}", short_name(path)), limits))
}

/// Adds the images of an archive to a set; `unpacked` as in [`Contents::open`].
pub(super) fn add(
    listing: &mut Listing,
    path: &Path,
    prefix: &str,
    folders: &[String],
    unpacked: &mut u64,
) -> Result<()> {
    let contents = Contents::open(path, unpacked)?;
    match contents.list(listing, prefix, folders) {
        0 => Err(no_images(path, &contents, listing)),
        _ => Ok(()),
    }
}

fn no_images(path: &Path, contents: &Contents, listing: &Listing) -> EngineError {
    let n = contents.files.len();
    let why = listing.notes.last().map(|note| format!("; {note}")).unwrap_or_default();
    EngineError::bad_file(
        path,
        format!("no images found among the {n} files of this archive{why}"),
        "Images in it should be named such as cat/0001.png",
    )
}

/// Adds the images among the files of an archive.
fn add_files(
    listing: &mut Listing,
    (archive, prefix): (&Archive, &str),
    files: &BTreeMap<String, Span>,
    folders: &[String],
) -> usize {
    let mut part = None;
    let mut count = 0;
    for (name, &image) in files.iter().filter(|(name, _)| has_image_suffix(Path::new(name))) {
        let part =
            *part.get_or_insert_with(|| listing.add_archive(archive.clone(), prefix.to_owned()));
        let caption = files.get(&caption_name(name)).copied();
        listing.add_inside(part, name, (image, caption), folders);
        count += 1;
    }
    count
}

fn caption_name(image: &str) -> String {
    let stem = image.rsplit_once('.').map_or(image, |(stem, _)| stem);
    format!("{stem}.txt")
}

/// Whether bytes begin as an archive does: by its magic, or by the checksum of its first header,
/// which is all that the oldest ones have.
pub(super) fn is_tar(start: &[u8]) -> bool {
    if start.get(257..262) == Some(b"ustar") {
        return true;
    }
    let Some(header) = start.first_chunk::<512>() else { return false };
    let text = std::str::from_utf8(&header[148..156]).unwrap_or_default();
    let claimed = u32::from_str_radix(text.trim_matches([' ', '\0']), 8);
    let counted =
        |(at, byte): (usize, &u8)| u32::from(if (148..156).contains(&at) { b' ' } else { *byte });
    header[0] != 0 && claimed == Ok(header.iter().enumerate().map(counted).sum())
}

/// Longer names, in bytes, and deeper folders are no images of a set: each image keeps its folders.
const MAX_NAME: usize = 4096;
const MAX_FOLDERS: usize = 64;

/// Names and places of regular files, and what was stepped over.
type Index = (BTreeMap<String, Span>, Option<String>);

/// Names and places of the regular files of an archive of `length` bytes.
fn index<R: Read + Seek>(archive: R, length: u64, path: &Path) -> Result<Index> {
    let damaged = |reason: String| {
        EngineError::bad_file(path, reason, "Get the archive again, or make it anew with tar")
    };
    let mut files = BTreeMap::new();
    let (mut over, mut first) = (0_usize, String::new());
    let mut archive = ::tar::Archive::new(archive);
    let entries = archive
        .entries_with_seek()
        .map_err(|error| damaged(format!("not a tar archive: {error}")))?;
    for (number, entry) in entries.enumerate() {
        let entry = entry.map_err(|error| {
            damaged(format!("this tar archive is damaged after {number} entries: {error}"))
        })?;
        let span = Span { offset: entry.raw_file_position(), length: entry.size() };
        if entry.header().entry_type() != ::tar::EntryType::Regular {
            continue;
        }
        if span.offset.checked_add(span.length).is_none_or(|end| end > length) {
            return Err(damaged(format!(
                "this tar archive is cut off inside its entry {}",
                String::from_utf8_lossy(&entry.path_bytes())
            )));
        }
        let bytes = entry.path_bytes();
        let is_deep = || String::from_utf8_lossy(&bytes).matches('/').count() > MAX_FOLDERS;
        if bytes.len() > MAX_NAME || is_deep() {
            over += 1;
            if over == 1 {
                first = String::from_utf8_lossy(&bytes).chars().take(40).collect();
            }
            continue;
        }
        let name = String::from_utf8_lossy(&bytes).into_owned();
        let name = name.trim_start_matches("./").to_owned();
        let is_hidden = name.rsplit('/').next().is_none_or(|last| last.starts_with('.'));
        if !is_hidden {
            files.insert(name, span);
        }
    }
    let note = (over > 0).then(|| {
        format!(
            "{}: stepped over {over} files whose names have more than {MAX_NAME} bytes or \
             {MAX_FOLDERS} folders ({first}...)",
            short_name(path)
        )
    });
    Ok((files, note))
}

#[cfg(test)]
mod tests;
