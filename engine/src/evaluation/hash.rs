//! By what files are known to be the same ones.

use std::io::Read as _;
use std::path::Path;

use crate::{EngineError, Result};

/// A hash over the bytes of a file, on from `start`.
pub(super) fn hash_of_file(path: &Path, start: u64) -> Result<u64> {
    let io = |source| EngineError::io(path, source);
    let (mut file, _) = crate::images::file::open_regular(path)?;
    let (mut hash, mut buffer) = (start, vec![0_u8; 1 << 16]);
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            let count = file.read(&mut buffer[filled..]).map_err(io)?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        hash = crate::random::bytes_hash(hash, &buffer[..filled]);
        if filled < buffer.len() {
            return Ok(hash);
        }
    }
}
