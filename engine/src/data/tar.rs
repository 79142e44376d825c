//! A `.tar` or `.tar.gz` of images, in the naming of WebDataset.
//!
//! `<class>/<key>.webp` with `<class>/<key>.txt` as its caption. The archive is indexed once and
//! never unpacked, so names inside it can do no harm. A compressed one is held in memory.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::folder::{MAX_CAPTION_BYTES, caption_of};
use super::layout::classes_of;
use super::packed::{is_gzip, unpack};
use super::{Sample, Source, images_in_words, no_such_image, short_name};
use crate::images::kind::has_image_suffix;
use crate::images::{Limits, decode, file};
use crate::{EngineError, Result};

/// A compressed archive may unpack to this much, as it is held in memory.
const MAX_UNPACKED_BYTES: u64 = 2 << 30;

/// Where a file lies inside the archive.
#[derive(Debug, Clone, Copy)]
struct Span {
    offset: u64,
    length: u64,
}

#[derive(Debug)]
struct Entry {
    name: String,
    image: Span,
    caption: Option<Span>,
}

/// The archive's bytes.
#[derive(Debug)]
enum Bytes {
    File,
    Memory(Arc<[u8]>),
}

/// Images in an archive, in the order of their names.
#[derive(Debug)]
pub struct Tar {
    path: PathBuf,
    bytes: Bytes,
    entries: Vec<Entry>,
    classes: Vec<String>,
    class_of: Vec<Option<u32>>,
    limits: Limits,
}

impl Tar {
    /// Indexes an archive.
    ///
    /// # Errors
    /// [`EngineError::Io`], or [`EngineError::BadFile`] if it is damaged, cut off or without images.
    pub fn open(path: &Path, limits: Limits) -> Result<Self> {
        let start = file::read_start(path, 2)?;
        if is_gzip(&start) {
            let (packed, _) = file::open_regular(path)?;
            let bytes: Arc<[u8]> = unpack(packed, path, MAX_UNPACKED_BYTES)?.into();
            let index = index(Cursor::new(&bytes), bytes.len() as u64, path)?;
            return Self::from_index(path, Bytes::Memory(bytes), &index, limits);
        }
        let (archive, length) = file::open_regular(path)?;
        let index = index(archive, length, path)?;
        Self::from_index(path, Bytes::File, &index, limits)
    }

    /// Indexes an archive that is in memory; `name` is for messages.
    ///
    /// # Errors
    /// As [`Tar::open`].
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>, name: &Path, limits: Limits) -> Result<Self> {
        let bytes = bytes.into();
        let index = index(Cursor::new(&bytes), bytes.len() as u64, name)?;
        Self::from_index(name, Bytes::Memory(bytes), &index, limits)
    }

    fn from_index(
        path: &Path,
        bytes: Bytes,
        files: &BTreeMap<String, Span>,
        limits: Limits,
    ) -> Result<Self> {
        let entries: Vec<Entry> = files
            .iter()
            .filter(|(name, _)| has_image_suffix(Path::new(name)))
            .map(|(name, &image)| {
                let caption = files.get(&caption_name(name)).copied();
                Entry { name: name.clone(), image, caption }
            })
            .collect();
        if entries.is_empty() {
            return Err(EngineError::bad_file(
                path,
                format!("no images found among the {} files of this archive", files.len()),
                "Images in it should be named such as cat/0001.png",
            ));
        }
        let folders: Vec<Vec<String>> = entries
            .iter()
            .map(|entry| {
                let mut parts: Vec<String> = entry.name.split('/').map(str::to_owned).collect();
                parts.pop();
                parts
            })
            .collect();
        let (classes, class_of) = classes_of(&folders);
        Ok(Self { path: path.to_owned(), bytes, entries, classes, class_of, limits })
    }

    fn read(&self, span: Span, max_bytes: u64, name: &Path) -> Result<Vec<u8>> {
        if span.length > max_bytes {
            return Err(EngineError::bad_file(
                name,
                format!("{} are too much for one image", file::size_in_words(span.length)),
                "",
            ));
        }
        match &self.bytes {
            Bytes::Memory(bytes) => {
                let end = span.offset.saturating_add(span.length) as usize;
                let part = bytes.get(span.offset as usize..end);
                part.map(<[u8]>::to_vec).ok_or_else(|| changed(name))
            }
            Bytes::File => {
                let fail = |source| EngineError::io(&self.path, source);
                let (mut archive, _) = file::open_regular(&self.path)?;
                archive.seek(SeekFrom::Start(span.offset)).map_err(fail)?;
                let mut bytes = Vec::new();
                archive.take(span.length).read_to_end(&mut bytes).map_err(fail)?;
                if bytes.len() as u64 != span.length {
                    return Err(changed(name));
                }
                Ok(bytes)
            }
        }
    }
}

fn changed(name: &Path) -> EngineError {
    EngineError::bad_file(name, "the archive changed while it was open", "Open it again")
}

fn caption_name(image: &str) -> String {
    let stem = image.rsplit_once('.').map_or(image, |(stem, _)| stem);
    format!("{stem}.txt")
}

/// Names and places of the regular files of an archive of `length` bytes.
fn index<R: Read + Seek>(archive: R, length: u64, path: &Path) -> Result<BTreeMap<String, Span>> {
    let damaged = |reason: String| {
        EngineError::bad_file(path, reason, "Get the archive again, or make it anew with tar")
    };
    let mut files = BTreeMap::new();
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
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.trim_start_matches("./").to_owned();
        let is_hidden = name.rsplit('/').next().is_none_or(|last| last.starts_with('.'));
        if !is_hidden {
            files.insert(name, span);
        }
    }
    Ok(files)
}

impl Source for Tar {
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
        // Messages name both, such as emoji.tar/flags/1f1e6.webp.
        let name = self.path.join(&entry.name);
        let bytes = self.read(entry.image, self.limits.max_file_bytes, &name)?;
        let picture = decode(&bytes, &name, &self.limits)?.picture;
        let caption = entry
            .caption
            .and_then(|span| self.read(span, MAX_CAPTION_BYTES, &name).ok())
            .and_then(|bytes| caption_of(&bytes));
        Ok(Sample { picture, class, caption, name: entry.name.clone() })
    }
    fn describe(&self) -> String {
        format!("archive {}, {}", short_name(&self.path), images_in_words(self.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{Picture, png_bytes};

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = ::tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gray(value: u8) -> Vec<u8> {
        png_bytes(&Picture::new(2, 2, vec![value; 12]).unwrap()).unwrap()
    }

    fn sample_archive() -> Vec<u8> {
        archive(&[
            ("./set/dog/2.png", &gray(2)),
            ("./set/dog/1.png", &gray(1)),
            ("./set/dog/1.txt", b"one dog\n"),
            ("./set/cat/._3.png", b"resource fork"),
            ("./set/cat/3.png", &gray(3)),
            ("./set/README.md", b"words"),
        ])
    }

    fn check(source: &Tar) {
        assert_eq!(source.len(), 3);
        assert_eq!(source.classes(), ["cat", "dog"]);
        let sample = source.sample(1, 8).unwrap();
        assert_eq!((sample.name.as_str(), sample.class), ("set/dog/1.png", Some(1)));
        assert_eq!(sample.caption.as_deref(), Some("one dog"));
        assert_eq!(sample.picture.pixel(1, 1), Some([1; 3]));
        assert_eq!(source.sample(2, 8).unwrap().caption, None);
        assert!(source.sample(3, 8).is_err());
    }

    #[test]
    fn an_archive_is_read_where_it_lies_plain_and_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("set.tar");
        std::fs::write(&plain, sample_archive()).unwrap();
        check(&Tar::open(&plain, Limits::default()).unwrap());
        let packed = folder.path().join("set.tar.gz");
        let file = std::fs::File::create(&packed).unwrap();
        let mut writer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        std::io::Write::write_all(&mut writer, &sample_archive()).unwrap();
        writer.finish().unwrap();
        check(&Tar::open(&packed, Limits::default()).unwrap());
    }

    #[test]
    fn a_broken_image_inside_names_the_archive_and_the_entry() {
        let bytes = archive(&[("a/x.png", b"words"), ("b/y.png", &gray(1))]);
        let source = Tar::from_bytes(bytes, Path::new("set.tar"), Limits::default()).unwrap();
        let error = source.sample(0, 8).unwrap_err().to_string();
        assert!(error.contains("set.tar") && error.contains("a/x.png"), "{error}");
        assert!(source.sample(1, 8).is_ok());
    }

    #[test]
    fn an_archive_that_is_cut_off_is_refused() {
        let large = vec![7; 5000];
        let bytes = archive(&[("a/x.png", &gray(1)), ("a/large.png", &large)]);
        for cut in [1200, 1700, 3000] {
            let part = bytes[..cut].to_vec();
            let result = Tar::from_bytes(part, Path::new("set.tar"), Limits::default());
            let error = result.unwrap_err().to_string();
            assert!(error.contains("cut off") || error.contains("damaged"), "{cut}: {error}");
        }
    }

    #[test]
    fn an_entry_that_claims_more_than_there_is_is_refused() {
        let mut bytes = archive(&[("a/x.png", &gray(1))]);
        let mut header = ::tar::Header::new_gnu();
        header.set_path("a/x.png").unwrap();
        header.set_size(1 << 40);
        header.set_cksum();
        bytes[..512].copy_from_slice(header.as_bytes());
        let result = Tar::from_bytes(bytes, Path::new("set.tar"), Limits::default());
        assert!(result.unwrap_err().to_string().contains("cut off"));
    }
}
