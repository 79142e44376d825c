//! A measurement on the disk: a line of numbers an image in a `.csv`, and beside it the sums in a `.safetensors`.
//!
//! Lines are appended; the sums say up to where the lines count, so that a measurement that was stopped at any
//! moment goes on to the same numbers.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::plan::Shard;
use super::stored;
use super::sums::{Skipped, Summary, Sums};
use super::values::{COLUMNS, Column, ImageValues};
use crate::atomic::write_atomically;
use crate::{EngineError, Result};

/// What a file of sums is called inside.
const KIND: &str = "measurement";
/// A file of sums is smaller, whatever was measured.
const MOST_BYTES: u64 = 1 << 30;
/// What such a file says of itself is shorter.
const MOST_HEAD: u64 = 1 << 24;

/// What is known of a part without its sums.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) kind: String,
    pub(super) identity: Identity,
    pub(super) shard: Shard,
    /// Images of the part that were looked at, and of how many.
    pub(super) done: u64,
    pub(super) total: u64,
    /// Bytes of lines that the sums are of.
    pub(super) bytes: u64,
    pub(super) skipped: Skipped,
    /// Of a part that is done, the proxy distance at each rate.
    pub(super) proxies: Vec<Option<f64>>,
    /// A number for when the files of its images were last written: where they were measured it tells whether the
    /// images are those by now. Parts that are joined come from several machines and need not agree in it.
    #[serde(default)]
    pub(super) seen: Option<u64>,
}

impl About {
    /// Whether its images may be those whose files were written then.
    pub(super) fn is_of(&self, seen: Option<u64>) -> bool {
        self.seen.is_none() || seen.is_none() || self.seen == seen
    }

    pub(super) fn new(identity: Identity, shard: Shard, total: u64) -> Self {
        Self {
            kind: KIND.to_owned(),
            identity,
            shard,
            done: 0,
            total,
            bytes: 0,
            skipped: Skipped::default(),
            proxies: Vec::new(),
            seen: None,
        }
    }
}

/// A measurement, or a part of one, as it was kept.
#[derive(Debug, Clone)]
pub struct Part {
    /// The file of sums; its lines are beside it, with the suffix `.csv`.
    pub path: PathBuf,
    pub(super) about: About,
    pub(super) sums: Sums,
}

impl Part {
    /// What was measured, on what, and how.
    pub fn identity(&self) -> &Identity {
        &self.about.identity
    }

    /// Which part of the images.
    pub fn shard(&self) -> Shard {
        self.about.shard
    }

    /// Images that were looked at, and of how many.
    pub fn done(&self) -> (u64, u64) {
        (self.about.done, self.about.total)
    }

    /// Whether it is all there.
    pub fn is_done(&self) -> bool {
        self.about.done == self.about.total
    }

    /// Images that could not be measured.
    pub fn skipped(&self) -> &Skipped {
        &self.about.skipped
    }

    /// Images that were measured.
    pub fn images(&self) -> u64 {
        self.sums.images
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.sums.bytes()
    }

    /// What its sums say of each rate.
    pub fn summaries(&self) -> Vec<Summary> {
        self.sums.summaries(&self.about.identity.rates, &self.about.proxies)
    }

    /// Its lines.
    ///
    /// # Errors
    /// [`EngineError::Io`] if they are not there.
    pub fn values(&self) -> Result<Values> {
        Values::open(&self.path.with_extension("csv"), self.about.bytes)
    }

    /// Writes the sums in one step; its lines must be there.
    pub(super) fn write(&self) -> Result<()> {
        let fail = |error: String| EngineError::bad_file(&self.path, error, "");
        let about = serde_json::to_string(&self.about).map_err(|error| fail(error.to_string()))?;
        let bytes = stored::to_bytes(&self.sums, self.identity().columns().len(), &about)
            .map_err(|error| fail(error.to_string()))?;
        write_atomically(&self.path, |file| file.write_all(&bytes))
    }
}

/// Reads a file of sums.
///
/// # Errors
/// [`EngineError::Io`] if it cannot be read, [`EngineError::BadFile`] if it is no measurement.
pub fn part_of(path: &Path) -> Result<Part> {
    let none = || {
        let hint = "name a file that smalti evaluate --out wrote";
        EngineError::bad_file(path, "it is no measurement", hint)
    };
    let bytes = crate::images::file::read_file(path, MOST_BYTES)?;
    let about = stored::about_of(&bytes).ok_or_else(none)?;
    let about: About = serde_json::from_str(&about).map_err(|_other| none())?;
    let wanted = (about.identity.rates.len(), about.identity.columns().len());
    let sums = stored::of_bytes(&bytes, wanted);
    let mut sums = sums.filter(|_| about.kind == KIND).ok_or_else(none)?;
    sums.skipped = about.skipped.clone();
    Ok(Part { path: path.to_owned(), about, sums })
}

/// What a file says of a measurement that it holds, without its sums; `None` if it is none, or cannot be read.
pub(super) fn about_at(path: &Path) -> Option<About> {
    let (mut file, length) = crate::images::file::open_regular(path).ok()?;
    let mut count = [0; 8];
    file.read_exact(&mut count).ok()?;
    let count = u64::from_le_bytes(count);
    (count <= MOST_HEAD && count <= length).then_some(())?;
    let mut head = Vec::with_capacity(count as usize);
    file.take(count).read_to_end(&mut head).ok()?;
    let head: serde_json::Value = serde_json::from_slice(&head).ok()?;
    let about = head.get("__metadata__")?.get(stored::ABOUT)?.as_str()?;
    serde_json::from_str(about).ok().filter(|about: &About| about.kind == KIND)
}

/// The files of a folder that can hold measurements, by name.
///
/// # Errors
/// [`EngineError::Io`] if the folder cannot be read.
pub(super) fn paths_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().map_err(|source| EngineError::io(folder, source))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "safetensors")).collect();
    paths.sort();
    Ok(paths)
}

/// All measurements of a folder, by name; what is none is left out.
///
/// # Errors
/// [`EngineError::Io`] if the folder cannot be read.
pub fn parts_in(folder: &Path) -> Result<Vec<Part>> {
    Ok(paths_in(folder)?.iter().filter_map(|path| part_of(path).ok()).collect())
}

/// The name of a part's files without suffix: tokenizer, a number for all settings, and which part.
pub(super) fn stem(identity: &Identity, shard: Shard) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_+".contains(c) { c } else { '-' };
    let label: String = identity.subject.chars().map(plain).take(80).collect();
    let key = identity.key();
    match shard {
        Shard::WHOLE => format!("{label}-{key}"),
        Shard { number, of } => format!("{label}-{key}-{number}-of-{of}"),
    }
}

/// A part that is being measured.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) part: Part,
    lines: BufWriter<File>,
}

/// The first line of a `.csv`.
fn head(identity: &Identity) -> String {
    let columns: Vec<&str> = identity.columns().iter().map(|column| column.name()).collect();
    let columns = columns.join(",");
    format!("image,name,point,width,height,{columns}\n")
}

/// What was measured of other images, or of these before they were written again, is not thrown away: its names
/// have `.old` at their ends, under which nothing reads it.
fn set_aside(path: &Path, csv: &Path) -> Result<()> {
    for file in [path, csv].into_iter().filter(|file| file.is_file()) {
        let mut aside = file.as_os_str().to_owned();
        aside.push(".old");
        std::fs::rename(file, &aside).map_err(|source| EngineError::io(file, source))?;
        tracing::warn!(
            "{}: the images are others than those that were measured, or were written again; what was measured is \
             kept as {}",
            file.display(),
            aside.display()
        );
    }
    Ok(())
}

impl Writer {
    /// Goes on with what lies in a folder, or begins; `books` are the codebooks of every rate.
    pub(super) fn open(folder: &Path, about: About, sums: Sums) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|source| EngineError::io(folder, source))?;
        let path = folder.join(format!("{}.safetensors", stem(&about.identity, about.shard)));
        let csv = path.with_extension("csv");
        let old = part_of(&path).ok().filter(|old| {
            let is_same = old.about.identity == about.identity
                && (old.about.shard, old.about.total) == (about.shard, about.total)
                && old.about.is_of(about.seen);
            is_same && csv.metadata().is_ok_and(|it| it.len() >= old.about.bytes)
        });
        if old.is_none() {
            set_aside(&path, &csv)?;
        }
        let io = |source| EngineError::io(&csv, source);
        let mut options = OpenOptions::new();
        options.write(true).create(true);
        let mut file = options.truncate(old.is_none()).open(&csv).map_err(io)?;
        let part = if let Some(old) = old {
            // What lies beyond comes again.
            file.set_len(old.about.bytes).map_err(io)?;
            file.seek(SeekFrom::End(0)).map_err(io)?;
            let seen = about.seen.or(old.about.seen);
            Part { about: About { seen, ..old.about }, ..old }
        } else {
            let head = head(&about.identity);
            file.write_all(head.as_bytes()).map_err(io)?;
            Part { path, about: About { bytes: head.len() as u64, ..about }, sums }
        };
        Ok(Self { part, lines: BufWriter::new(file) })
    }

    /// Appends lines, whose sums are added by whoever measured them.
    pub(super) fn append(&mut self, lines: &[ImageValues]) -> Result<()> {
        let columns = self.part.identity().columns();
        let text: String = lines.iter().map(|line| line_of(line, columns)).collect();
        self.part.about.bytes += text.len() as u64;
        let written = self.lines.write_all(text.as_bytes());
        written.map_err(|source| EngineError::io(self.part.path.with_extension("csv"), source))
    }

    /// Brings everything to the disk.
    pub(super) fn keep(&mut self) -> Result<()> {
        let flushed = self.lines.flush().and_then(|()| self.lines.get_ref().sync_all());
        flushed.map_err(|source| EngineError::io(self.part.path.with_extension("csv"), source))?;
        self.part.write()
    }
}

/// Writes a whole `.csv` out of parts, one after the other, in one step; gives its length in bytes.
pub(super) fn join_lines(path: &Path, identity: &Identity, parts: &[&Part]) -> Result<u64> {
    let head = head(identity);
    let mut bytes = head.len() as u64;
    let mut failed = None;
    write_atomically(path, |out| {
        out.write_all(head.as_bytes())?;
        for part in parts {
            let csv = part.path.with_extension("csv");
            let copied = File::open(&csv).and_then(|mut file| {
                file.seek(SeekFrom::Start(head.len() as u64))?;
                let wanted = part.about.bytes.saturating_sub(head.len() as u64);
                let copied = std::io::copy(&mut file.take(wanted), out)?;
                if copied == wanted {
                    Ok(copied)
                } else {
                    Err(std::io::ErrorKind::UnexpectedEof.into())
                }
            });
            match copied {
                Ok(copied) => bytes += copied,
                Err(source) => {
                    let again = source.kind().into();
                    failed = Some(EngineError::io(&csv, source));
                    return Err(again);
                }
            }
        }
        Ok(())
    })
    .map_err(|error| failed.take().unwrap_or(error))?;
    Ok(bytes)
}

fn line_of(line: &ImageValues, columns: &[Column]) -> String {
    let name = if line.name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", line.name.replace('"', "\"\"").replace(['\n', '\r'], " "))
    } else {
        line.name.clone()
    };
    // The shortest text that reads back as the same number.
    let number = |value: &f64| if value.is_finite() { value.to_string() } else { String::new() };
    let values: Vec<String> = line.values.iter().take(columns.len()).map(number).collect();
    let ([width, height], values) = (line.size, values.join(","));
    format!("{},{name},{},{width},{height},{values}\n", line.index, line.point)
}

/// The lines of a measurement, one image and rate after the other.
#[derive(Debug)]
pub struct Values {
    path: PathBuf,
    lines: std::io::Take<BufReader<File>>,
    number: u64,
}

impl Values {
    /// The lines up to a number of bytes.
    fn open(path: &Path, bytes: u64) -> Result<Self> {
        let file = File::open(path).map_err(|source| EngineError::io(path, source))?;
        Ok(Self { path: path.to_owned(), lines: BufReader::new(file).take(bytes), number: 0 })
    }
}

impl Iterator for Values {
    type Item = Result<ImageValues>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut text = String::new();
            match self.lines.read_line(&mut text) {
                Ok(0) => return None,
                Ok(_) => self.number += 1,
                Err(source) => return Some(Err(EngineError::io(&self.path, source))),
            }
            if self.number == 1 {
                continue;
            }
            let read = read_line(text.trim_end_matches(['\n', '\r']));
            return Some(read.ok_or_else(|| {
                let reason = format!("line {} is none of a measurement", self.number);
                EngineError::bad_file(&self.path, reason, "measure again")
            }));
        }
    }
}

fn read_line(text: &str) -> Option<ImageValues> {
    let cells = super::published::cells(text)?;
    let [index, name, point, width, height, values @ ..] = cells.as_slice() else { return None };
    let mut line = ImageValues {
        index: index.parse().ok()?,
        name: name.clone(),
        point: point.parse().ok()?,
        size: [width.parse().ok()?, height.parse().ok()?],
        values: [f64::NAN; COLUMNS.len()],
    };
    // Without LPIPS there is no column of it.
    (COLUMNS.len() - 1..=COLUMNS.len()).contains(&values.len()).then_some(())?;
    for (value, text) in line.values.iter_mut().zip(values) {
        if !text.is_empty() {
            *value = text.parse().ok()?;
        }
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_the_same_numbers() {
        let line = ImageValues {
            index: 7,
            name: "a \"fine\", picture.png".to_owned(),
            point: 2,
            size: [32, 48],
            values: [0.1 + 0.2, f64::INFINITY, 1.0 / 3.0, f64::NAN, 1e-9, 0.0, 0.25],
        };
        let text = line_of(&line, &COLUMNS);
        let back = read_line(text.trim_end()).unwrap();
        assert_eq!((&back.name, back.size, back.point), (&line.name, line.size, 2));
        assert_eq!(back.values[0].to_bits(), line.values[0].to_bits());
        assert_eq!(back.get(COLUMNS[1]), None);
        assert_eq!(back.values[2].to_bits(), line.values[2].to_bits());
        assert_eq!(back.get(Column::Lpips), Some(0.25));
        let less = line_of(&line, &COLUMNS[..6]);
        assert_eq!(less.trim_end(), text.trim_end().strip_suffix(",0.25").unwrap());
        assert_eq!(read_line(less.trim_end()).unwrap().get(Column::Lpips), None);
        assert_eq!(read_line("1,x,0,3"), None);
    }
}
