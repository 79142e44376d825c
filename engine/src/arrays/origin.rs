//! Where the bytes of arrays are: a file, opened anew for each read, or memory that takes its place.

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use crate::images::file::{Version, open_regular};
use crate::{EngineError, Result};

/// What to do with a file that is damaged.
pub(super) const AGAIN: &str = "copy or download the file again";

/// A file or a piece of memory.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    path: Arc<Path>,
    len: u64,
    bytes: Bytes,
}

#[derive(Debug, Clone)]
enum Bytes {
    /// In the file as it was when it was opened first.
    File(Version),
    Memory(Arc<[u8]>),
}

pub(super) trait ReadSeek: Read + Seek {}
impl<R: Read + Seek> ReadSeek for R {}

impl Origin {
    /// A regular file as it is now.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (file, _) = open_regular(path)?;
        let version = Version::of(&file, path)?;
        Ok(Self { path: path.into(), len: version.len, bytes: Bytes::File(version) })
    }

    /// Bytes in memory; `name` is the name that errors show.
    pub(super) fn memory(name: &Path, bytes: Arc<[u8]>) -> Self {
        Self { path: name.into(), len: bytes.len() as u64, bytes: Bytes::Memory(bytes) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The error that says what is wrong with this file.
    pub(super) fn bad(&self, reason: impl ToString, hint: &str) -> EngineError {
        EngineError::bad_file(&*self.path, reason, hint)
    }

    /// Exactly `len` bytes from `start`; nothing is allocated if there are fewer.
    pub(super) fn read(&self, start: u64, len: u64) -> Result<Vec<u8>> {
        let end = start.checked_add(len).filter(|end| *end <= self.len);
        let (Some(_), Ok(n)) = (end, usize::try_from(len)) else {
            let reason =
                format!("truncated: {len} bytes are needed at {start}, it has {}", self.len);
            return Err(self.bad(reason, AGAIN));
        };
        let mut buffer = vec![0; n];
        let mut reader = self.plain()?;
        let filled =
            reader.seek(SeekFrom::Start(start)).and_then(|_| reader.read_exact(&mut buffer));
        filled.map_err(|error| EngineError::io(&*self.path, error))?;
        Ok(buffer)
    }

    /// The first bytes, at most `len`.
    pub(super) fn head(&self, len: u64) -> Result<Vec<u8>> {
        self.read(0, len.min(self.len))
    }

    /// All of it, front to back, with seeking.
    pub(super) fn reader(&self) -> Result<Box<dyn ReadSeek>> {
        Ok(Box::new(BufReader::new(self.plain()?)))
    }

    fn plain(&self) -> Result<Box<dyn ReadSeek>> {
        Ok(match &self.bytes {
            Bytes::Memory(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
            Bytes::File(version) => Box::new(version.open(&self.path)?),
        })
    }
}
