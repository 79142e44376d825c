//! Where bytes come from: a file that is read in parts, or memory. Every read is checked against the
//! length first, so that no length field of a file can make us allocate more than the file holds.
//!
//! Files are not mapped: a mapped file that shrinks ends the process.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::images::file::{Version, open_regular};
use crate::{EngineError, Result};

/// A file or a piece of memory that takes the place of one.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    len: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    /// A file that is kept open, and how it was then.
    File(Mutex<File>, Version),
    Memory(Arc<[u8]>),
    Unpacked(Vec<u8>),
}

impl Source {
    /// Opens a regular file.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>> {
        let (file, _) = open_regular(path)?;
        let version = Version::of(&file, path)?;
        let (path, len) = (path.to_owned(), version.len);
        let bytes = Bytes::File(Mutex::new(file), version);
        Ok(Arc::new(Self { path, len, bytes }))
    }

    /// Bytes in memory; `path` is the name that errors show.
    pub(crate) fn memory(path: &Path, bytes: Arc<[u8]>) -> Arc<Self> {
        let len = bytes.len() as u64;
        Arc::new(Self { path: path.to_owned(), len, bytes: Bytes::Memory(bytes) })
    }

    /// Bytes that were unpacked from a file; `path` is that file.
    pub(crate) fn unpacked(path: &Path, bytes: Vec<u8>) -> Arc<Self> {
        let len = bytes.len() as u64;
        Arc::new(Self { path: path.to_owned(), len, bytes: Bytes::Unpacked(bytes) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The error that says what is wrong with this file.
    pub(crate) fn bad(&self, reason: impl ToString, hint: &str) -> EngineError {
        EngineError::bad_file(&self.path, reason, hint)
    }

    /// Exactly `len` bytes from `start`.
    ///
    /// # Errors
    /// [`EngineError::BadFile`] if the file ends before, without allocating.
    pub(crate) fn read(&self, start: u64, len: u64) -> Result<Vec<u8>> {
        let inside = start.checked_add(len).is_some_and(|end| end <= self.len);
        let (true, Ok(n)) = (inside, usize::try_from(len)) else {
            return Err(self.bad(
                format!("truncated: {len} bytes are needed at {start}, the file has {}", self.len),
                "copy or download the file again",
            ));
        };
        let mut buffer = vec![0; n];
        let filled = self.fill(start, &mut buffer).map_err(|e| EngineError::io(&self.path, e));
        // A file that was written over in its place has other bytes at the places that were noted.
        if let Bytes::File(file, version) = &self.bytes {
            version.is_of(&file.lock().unwrap_or_else(PoisonError::into_inner), &self.path)?;
        }
        filled.map(|()| buffer)
    }

    /// The first `len` bytes, or fewer if the file is shorter.
    pub(crate) fn head(&self, len: u64) -> Result<Vec<u8>> {
        self.read(0, len.min(self.len))
    }

    fn fill(&self, start: u64, buffer: &mut [u8]) -> io::Result<()> {
        match &self.bytes {
            Bytes::File(file, _) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(start))?;
                file.read_exact(buffer)
            }
            Bytes::Memory(bytes) => copy(bytes, start, buffer),
            Bytes::Unpacked(bytes) => copy(bytes, start, buffer),
        }
    }
}

fn copy(bytes: &[u8], start: u64, buffer: &mut [u8]) -> io::Result<()> {
    let start = usize::try_from(start).ok();
    let part = start.and_then(|s| bytes.get(s..s.checked_add(buffer.len())?));
    buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
    Ok(())
}

/// Reads a [`Source`] front to back, with seeking; for archive readers.
#[derive(Debug)]
pub(crate) struct SourceReader {
    source: Arc<Source>,
    position: u64,
}

impl SourceReader {
    pub(crate) fn new(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), position: 0 }
    }
}

impl Read for SourceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len.saturating_sub(self.position);
        let n = left.min(buffer.len() as u64) as usize;
        self.source.fill(self.position, &mut buffer[..n])?;
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for SourceReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
