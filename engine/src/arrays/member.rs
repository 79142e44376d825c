//! The numbers of a deflated member of a zip archive, unpacked in memory.

use std::io::Read;

use zip::ZipArchive;

use super::dense::Dense;
use super::origin::{AGAIN, Origin, ReadSeek};
use crate::images::file::size_in_words;
use crate::{EngineError, Result};

/// What a deflated member may unpack to, as it is held in memory.
const MAX_UNPACKED: u64 = 2 << 30;

pub(super) type Archive = ZipArchive<Box<dyn ReadSeek>>;

/// Opens an archive; reads its list of members.
pub(super) fn archive(origin: &Origin) -> Result<Archive> {
    ZipArchive::new(origin.reader()?)
        .map_err(|error| origin.bad(format!("zip archive: {error}"), AGAIN))
}

/// The numbers of a deflated member, row by row and little-endian.
pub(super) fn unpack(origin: &Origin, index: usize, dense: &Dense) -> Result<Vec<u8>> {
    let wanted = dense.byte_len();
    if wanted > MAX_UNPACKED {
        let reason = format!(
            "an array in it takes {} unpacked, more than the {} that are unpacked in memory",
            size_in_words(wanted),
            size_in_words(MAX_UNPACKED)
        );
        let hint = "save it with numpy.savez or numpy.save, which can be read in place";
        return Err(origin.bad(reason, hint));
    }
    let bad =
        |reason: &dyn std::fmt::Display| origin.bad(format!("zip member {index}: {reason}"), AGAIN);
    let mut archive = archive(origin)?;
    let mut file = archive.by_index(index).map_err(|error| bad(&error))?;
    let skipped = file.size().checked_sub(wanted).ok_or_else(|| changed(origin))?;
    std::io::copy(&mut (&mut file).take(skipped), &mut std::io::sink())
        .map_err(|error| bad(&error))?;
    // Its header promised as much, and the packed bytes can give it.
    let mut bytes = Vec::with_capacity(wanted as usize);
    (&mut file).take(wanted).read_to_end(&mut bytes).map_err(|error| bad(&error))?;
    if bytes.len() as u64 != wanted {
        return Err(bad(&"truncated: it is shorter than the archive says"));
    }
    // The checksum is looked at behind the last byte.
    if file.read(&mut [0]).map_err(|error| bad(&error))? != 0 {
        return Err(bad(&"it is longer than the archive says"));
    }
    Ok(dense.rows_first(bytes))
}

fn changed(origin: &Origin) -> EngineError {
    EngineError::bad_file(origin.path(), "it changed while it was open", "open it again")
}
