//! Gzip, unpacked with a limit: a few kilobytes can hold gigabytes of zeros.

use std::io::Read;
use std::path::Path;

use crate::images::file::size_in_words;
use crate::{EngineError, Result};

/// Whether the bytes begin like gzip.
pub(super) fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(&[0x1f, 0x8b])
}

/// Everything that `packed` unpacks to, at most `max_bytes`.
pub(super) fn unpack(packed: impl Read, path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(packed)
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| {
            let reason = match error.kind() {
                std::io::ErrorKind::UnexpectedEof => "it is cut off".to_owned(),
                _ => error.to_string(),
            };
            EngineError::bad_file(
                path,
                format!("this gzip file cannot be unpacked: {reason}"),
                "Get the file again",
            )
        })?;
    if bytes.len() as u64 > max_bytes {
        return Err(EngineError::bad_file(
            path,
            format!("it unpacks to more than {}", size_in_words(max_bytes)),
            "Unpack it and open what is inside",
        ));
    }
    Ok(bytes)
}

/// At most the first `count` bytes of what `packed` unpacks to; fewer if it is damaged.
pub(super) fn unpack_start(packed: impl Read, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let mut decoder = flate2::read::MultiGzDecoder::new(packed);
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match decoder.read(rest) {
            Ok(n) if n > 0 => filled += n,
            _ => break,
        }
    }
    bytes.truncate(filled);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut writer, bytes).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn a_gzip_bomb_is_refused_at_the_limit() {
        let bomb = pack(&vec![0; 10 << 20]);
        assert!(bomb.len() < 20_000);
        let path = Path::new("bomb.gz");
        let error = unpack(bomb.as_slice(), path, 1 << 20).unwrap_err().to_string();
        assert!(error.contains("more than 1.0 MiB"), "{error}");
        assert_eq!(unpack_start(bomb.as_slice(), 100), [0; 100]);
    }

    #[test]
    fn a_gzip_file_that_is_cut_off_says_so() {
        let packed = pack(b"some words that are packed");
        let half = &packed[..packed.len() - 9];
        let error = unpack(half, Path::new("x.gz"), 100).unwrap_err().to_string();
        assert!(error.contains("cut off"), "{error}");
    }
}
