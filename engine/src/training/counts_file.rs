//! `codes.counts`: how often each code was chosen, report by report, so that a stored run shows its codes
//! living and dying as a live one does.
//!
//! A header of 16 bytes (the magic `SMALTICC`, then the number of codes of all books together as u64, little
//! endian), then one record a report: the step as u64 and a u32 for each code.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{EngineError, Result};

pub(super) const NAME: &str = "codes.counts";
const MAGIC: &[u8; 8] = b"SMALTICC";
const HEADER: usize = 16;
/// Larger codebooks are not kept: a report would take more than a picture.
const MOST_CODES: usize = 1 << 15;
/// A file beyond this is not read.
const MOST_BYTES: u64 = 1 << 30;

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
        let mut kept = MAGIC.to_vec();
        kept.extend((codes as u64).to_le_bytes());
        if step > 0
            && let Some((found, body)) = read(&path)?
            && found == codes
        {
            let is_before = |record: &&[u8]| step_of(record) <= step;
            kept.extend(body.chunks_exact(record(codes)).take_while(is_before).flatten());
        }
        super::state::write_atomically(&path, &kept)?;
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
        file.write_all(&bytes).map_err(|source| {
            // All or nothing: it is written again.
            if let Err(error) = file.set_len(before) {
                tracing::warn!("a part of a record stays in {}: {error}", self.path.display());
            }
            io(source)
        })
    }
}

/// The counts that a run's folder keeps, oldest first; none where there is no such file.
///
/// # Errors
/// [`EngineError::BadFile`] if it is no file of counts.
pub fn stored_counts(run: &Path) -> Result<Vec<StoredCounts>> {
    let Some((codes, body)) = read(&run.join(NAME))? else { return Ok(Vec::new()) };
    let records = body.chunks_exact(record(codes)).map(|record| {
        let count = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, byte| n << 8 | u32::from(*byte));
        StoredCounts { step: step_of(record), counts: record[8..].chunks(4).map(count).collect() }
    });
    Ok(records.collect())
}

fn step_of(record: &[u8]) -> u64 {
    record.iter().take(8).rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// The number of codes and all records.
fn read(path: &Path) -> Result<Option<(usize, Vec<u8>)>> {
    if !path.is_file() {
        return Ok(None);
    }
    let mut bytes = crate::images::file::read_file(path, MOST_BYTES)?;
    let codes = bytes.get(8..HEADER).map_or(0, step_of) as usize;
    if !bytes.starts_with(MAGIC) || !(1..=MOST_CODES).contains(&codes) {
        let hint = "it is left out if it is moved away";
        return Err(EngineError::bad_file(path, "no counts of codes", hint));
    }
    bytes.drain(..HEADER);
    Ok(Some((codes, bytes)))
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
}
