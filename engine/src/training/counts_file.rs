//! `codes.counts`: how often each code was chosen, report by report, so that a stored run shows its codes
//! living and dying as a live one does.
//!
//! A header of 16 bytes (the magic `SMALTICC`, then the number of codes of all books together as u64, little
//! endian), then one record a report: the step as u64 and a u32 for each code.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{EngineError, Result};

pub(super) const NAME: &str = "codes.counts";
const MAGIC: &[u8; 8] = b"SMALTICC";
const HEADER: usize = 16;
/// Larger codebooks are not kept: a report would take more than a picture.
const MOST_CODES: usize = 1 << 15;
/// Of a file beyond this every second report is read, or every third, as many as fit.
const MOST_BYTES: u64 = 1 << 28;

/// The counts of a report, all books one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCounts {
    /// Steps done.
    pub step: u64,
    /// How often each code was chosen since the report before.
    pub counts: Arc<[u32]>,
}

/// The file of a run that goes on.
#[derive(Debug)]
pub(super) struct CountsFile {
    path: PathBuf,
    codes: usize,
}

fn record(codes: usize) -> usize {
    8 + 4 * codes
}

impl CountsFile {
    /// The file of a run that stands at `step`: what lies beyond it is dropped, since it comes again. `None`
    /// where there are no codes to count, or too many.
    pub(super) fn open(run: &Path, codes: usize, step: u64) -> Result<Option<Self>> {
        if codes == 0 || codes > MOST_CODES {
            return Ok(None);
        }
        let path = run.join(NAME);
        if step > 0 && path.is_file() {
            match cut(&path, codes, step) {
                Ok(true) => return Ok(Some(Self { path, codes })),
                // No counts, or of another codebook: they are no reason not to train.
                Ok(false) => set_aside(&path),
                Err(source) => return Err(EngineError::io(&path, source)),
            }
        }
        super::state::write_atomically(&path, &head(codes))?;
        Ok(Some(Self { path, codes }))
    }

    /// Appends the counts of each book.
    pub(super) fn append(&self, step: u64, books: &[Arc<[u64]>]) -> Result<()> {
        let mut bytes = step.to_le_bytes().to_vec();
        for count in books.iter().flat_map(|book| book.iter()) {
            bytes.extend(u32::try_from(*count).unwrap_or(u32::MAX).to_le_bytes());
        }
        debug_assert_eq!(bytes.len(), record(self.codes));
        let io = |source| EngineError::io(&self.path, source);
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path).map_err(io)?;
        let before = file.metadata().map_err(io)?.len();
        if before == 0 {
            // It was moved away while the run went on.
            bytes.splice(0..0, head(self.codes));
        }
        file.write_all(&bytes).map_err(|source| {
            // All or nothing: it is written again.
            if let Err(error) = file.set_len(before) {
                tracing::warn!("a part of a record stays in {}: {error}", self.path.display());
            }
            io(source)
        })
    }
}

/// What a file of so many codes begins with.
fn head(codes: usize) -> Vec<u8> {
    let mut head = MAGIC.to_vec();
    head.extend((codes as u64).to_le_bytes());
    head
}

/// The counts that a run's folder keeps, oldest first; none where there is no such file.
///
/// # Errors
/// [`EngineError::BadFile`] if it is no file of counts.
pub fn stored_counts(run: &Path) -> Result<Vec<StoredCounts>> {
    let Some((codes, body)) = read(&run.join(NAME), MOST_BYTES)? else { return Ok(Vec::new()) };
    let records = body.chunks_exact(record(codes)).map(|record| {
        let count = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, byte| n << 8 | u32::from(*byte));
        StoredCounts { step: step_of(record), counts: record[8..].chunks(4).map(count).collect() }
    });
    Ok(records.collect())
}

fn step_of(record: &[u8]) -> u64 {
    record.iter().take(8).rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// Drops the records beyond a step; false if it is no file of so many codes. Only the steps are read, from the
/// end: a long run has a large file.
fn cut(path: &Path, codes: usize, step: u64) -> std::io::Result<bool> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    if header(&mut file)? != Some(codes) {
        return Ok(false);
    }
    let size = record(codes) as u64;
    let mut records = (file.metadata()?.len() - HEADER as u64) / size;
    while records > 0 && step_at(&mut file, HEADER as u64 + (records - 1) * size)? > step {
        records -= 1;
    }
    file.set_len(HEADER as u64 + records * size)?;
    Ok(true)
}

/// The number of codes that a file is of; `None` if it is no such file.
fn header(file: &mut File) -> std::io::Result<Option<usize>> {
    let mut start = Vec::new();
    file.take(HEADER as u64).read_to_end(&mut start)?;
    let codes = start.get(8..HEADER).map_or(0, step_of) as usize;
    Ok((start.starts_with(MAGIC) && (1..=MOST_CODES).contains(&codes)).then_some(codes))
}

fn step_at(file: &mut File, place: u64) -> std::io::Result<u64> {
    let mut step = [0; 8];
    file.seek(SeekFrom::Start(place))?;
    file.read_exact(&mut step)?;
    Ok(u64::from_le_bytes(step))
}

/// Moves a file out of the way. If that fails it is written over, as it is of no use.
fn set_aside(path: &Path) {
    let aside = path.with_extension("counts.unreadable");
    let moved = std::fs::rename(path, &aside);
    tracing::warn!("{} is of another run or damaged: {aside:?}, {moved:?}", path.display());
}

/// The number of codes and the records, or as many of them, evenly, as fit into so many bytes.
fn read(path: &Path, most: u64) -> Result<Option<(usize, Vec<u8>)>> {
    if !path.is_file() {
        return Ok(None);
    }
    let io = |source| EngineError::io(path, source);
    let mut file = File::open(path).map_err(io)?;
    let Some(codes) = header(&mut file).map_err(io)? else {
        let hint = "it is left out if it is moved away";
        return Err(EngineError::bad_file(path, "no counts of codes", hint));
    };
    let size = record(codes);
    let all = (file.metadata().map_err(io)?.len() - HEADER as u64) / size as u64;
    let every = (all * size as u64).div_ceil(most).max(1);
    let (mut records, mut one) = (Vec::new(), vec![0; size]);
    for number in 0..all {
        // The last one is what is now.
        if number % every == 0 || number + 1 == all {
            let place = HEADER as u64 + number * size as u64;
            file.seek(SeekFrom::Start(place)).map_err(io)?;
            file.read_exact(&mut one).map_err(io)?;
            records.extend_from_slice(&one);
        }
    }
    Ok(Some((codes, records)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_and_what_lies_beyond_a_checkpoint_is_dropped() {
        let run = tempfile::tempdir().unwrap();
        let books = |n: u64| [Arc::from([n, 0]), Arc::from([7_u64])];
        let file = CountsFile::open(run.path(), 3, 0).unwrap().unwrap();
        for step in [10, 20, 30] {
            file.append(step, &books(step * 1000)).unwrap();
        }
        let file = CountsFile::open(run.path(), 3, 20).unwrap().unwrap();
        file.append(25, &books(u64::MAX)).unwrap();
        let found = stored_counts(run.path()).unwrap();
        assert_eq!(found.iter().map(|r| r.step).collect::<Vec<_>>(), [10, 20, 25]);
        assert_eq!(*found[1].counts, [20_000, 0, 7]);
        assert_eq!(*found[2].counts, [u32::MAX, 0, 7]);
        assert!(CountsFile::open(run.path(), 1 << 18, 0).unwrap().is_none());
        std::fs::write(run.path().join(NAME), b"SMALTICC\0\0\0\0\0\0\0\0").unwrap();
        assert!(stored_counts(run.path()).unwrap_err().to_string().contains(NAME));
    }

    #[test]
    fn a_damaged_file_is_no_reason_not_to_train_and_a_large_one_is_read_in_parts() {
        let run = tempfile::tempdir().unwrap();
        let path = run.path().join(NAME);
        std::fs::write(&path, b"something else").unwrap();
        let file = CountsFile::open(run.path(), 2, 50).unwrap().unwrap();
        let aside = run.path().join("codes.counts.unreadable");
        assert_eq!(std::fs::read(aside).unwrap(), b"something else");
        for step in 1..=100 {
            file.append(step, &[Arc::from([step, 1])]).unwrap();
        }
        let (codes, body) = read(&path, 320).unwrap().unwrap();
        let steps: Vec<u64> = body.chunks_exact(record(codes)).map(step_of).collect();
        assert_eq!((steps[0], steps[1], steps.last()), (1, 6, Some(&100)));
        // Half a record, as a kill leaves it, is dropped with what lies beyond.
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        drop(CountsFile::open(run.path(), 2, 60).unwrap());
        assert_eq!(stored_counts(run.path()).unwrap().last().unwrap().step, 60);
    }
}
