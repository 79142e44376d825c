//! Which generator a file is, in a few digits.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::{EngineError, Result, checkpoints};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// 16 hexadecimal digits over all that is read of a generator: another file, other digits.
///
/// # Errors
/// [`EngineError::Io`] if it cannot be read.
pub fn model_hash(path: &Path) -> Result<String> {
    let (path, part) = checkpoints::split_part(path);
    let mut files = checkpoints::read_with(&path);
    if path.is_file() {
        files.push(path);
    }
    files.sort();
    files.dedup();
    let mut hash = crate::random::name_hash(part.as_deref().unwrap_or_default());
    let mut piece = vec![0; PIECE];
    for path in &files {
        let io = |error| EngineError::io(path, error);
        let mut file = File::open(path).map_err(io)?;
        loop {
            let mut filled = 0;
            while filled < PIECE {
                match file.read(&mut piece[filled..]).map_err(io)? {
                    0 => break,
                    count => filled += count,
                }
            }
            // FNV-1a over words instead of bytes: gigabytes are read.
            let (words, rest) = piece[..filled].as_chunks::<8>();
            let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
            let stir = |hash: u64| hash ^ (hash >> 29);
            hash = words.iter().fold(hash, |h, word| stir(mix(h, u64::from_le_bytes(*word))));
            hash = rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)));
            hash = mix(hash, filled as u64);
            if filled < PIECE {
                break;
            }
        }
    }
    Ok(format!("{hash:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_byte_anywhere_is_another_generator() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.safetensors");
        let mut bytes: Vec<u8> = (0..PIECE + 21).map(|i| (i % 251) as u8).collect();
        let hash = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            model_hash(&path).unwrap()
        };
        let first = hash(&bytes);
        assert_eq!(hash(&bytes), first);
        for at in [0, 7, 8, PIECE - 1, PIECE, PIECE + 20] {
            bytes[at] ^= 1;
            assert_ne!(hash(&bytes), first, "byte {at}");
            bytes[at] ^= 1;
        }
        assert_ne!(hash(&bytes[..bytes.len() - 1]), first);
    }
}
