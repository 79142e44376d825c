//! NumPy's `.npz`: a zip archive of `.npy` members, stored (`numpy.savez`) or deflated
//! (`numpy.savez_compressed`).
//!
//! Stored members are read where they lie. Deflated ones are unpacked when they are asked for, after
//! three checks: the archive and the array's own header claim the same size, the packed bytes can
//! give as much, and it is no more than 2 GiB.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use zip::{CompressionMethod, ZipArchive};

use super::npy::{AGAIN, Dense, Header, MAX_HEADER, Odd};
use super::origin::{Origin, ReadSeek};
use super::{Array, Arrays, Data, Packed};
use crate::images::file::size_in_words;
use crate::{EngineError, Result};

/// What a deflated member may unpack to, as it is held in memory.
const MAX_UNPACKED: u64 = 2 << 30;
/// The most that deflate makes of a byte, and what its last block may add.
const MAX_INFLATION: u64 = 1032;
const SLACK: u64 = 1024;

type Archive = ZipArchive<Box<dyn ReadSeek>>;

fn archive(origin: &Origin) -> Result<Archive> {
    ZipArchive::new(origin.reader()?)
        .map_err(|error| origin.bad(format!("zip archive: {error}"), AGAIN))
}

/// Whether a zip archive is one of NumPy's: it has `.npy` members and no PyTorch pickle.
pub(super) fn is_npz(origin: &Origin) -> bool {
    let Ok(archive) = archive(origin) else { return false };
    let mut has_arrays = false;
    for name in archive.file_names_raw() {
        if name == b"data.pkl" || name.ends_with(b"/data.pkl") {
            return false;
        }
        has_arrays |= name.ends_with(b".npy");
    }
    has_arrays
}

/// The arrays of an archive, by the headers of its members.
pub(super) fn open(origin: &Origin) -> Result<Arrays> {
    let mut archive = archive(origin)?;
    let mut arrays: BTreeMap<String, Array> = BTreeMap::new();
    let mut notes = Vec::new();
    for index in 0..archive.len() {
        match member(origin, &mut archive, index)? {
            (name, Ok(array)) => {
                if arrays.insert(name.clone(), array).is_some() {
                    return Err(origin.bad(format!("array {name:?} stands twice in it"), AGAIN));
                }
            }
            (name, Err(what)) => notes.push(format!("stepped over {name}: {what}")),
        }
    }
    if arrays.is_empty() {
        let reason = format!("there is no array of numbers in it ({})", notes.join("; "));
        return Err(origin.bad(reason, "save arrays of whole or floating point numbers"));
    }
    let (container, metadata) = ("NumPy archive".to_owned(), BTreeMap::new());
    Ok(Arrays { container, arrays: arrays.into_values().collect(), metadata, notes })
}

/// A member's name, and its array or what it is instead.
fn member(
    origin: &Origin,
    archive: &mut Archive,
    index: usize,
) -> Result<(String, Result<Array, String>)> {
    let bad = |name: &str, reason: &dyn std::fmt::Display| {
        origin.bad(format!("zip member {name}: {reason}"), AGAIN)
    };
    let number = index.to_string();
    let file = archive.by_index_raw(index).map_err(|error| bad(&number, &error))?;
    let name = file.name().map_err(|error| bad(&number, &error))?.into_owned();
    let (method, size, packed) = (file.compression(), file.size(), file.compressed_size());
    let at = file.data_start();
    drop(file);
    let Some(short) = name.strip_suffix(".npy").map(str::to_owned) else {
        return Ok((name, Err("it is no array".to_owned())));
    };
    let head = match (method, at) {
        (CompressionMethod::Stored, Some(at)) => origin.read(at, size.min(MAX_HEADER))?,
        (CompressionMethod::Deflated, _) => {
            let file = archive.by_index(index).map_err(|error| bad(&name, &error))?;
            let mut head = Vec::new();
            file.take(MAX_HEADER.min(size))
                .read_to_end(&mut head)
                .map_err(|error| bad(&name, &error))?;
            head
        }
        _ => return Ok((short, Err(format!("it is packed by {method}, which is not read")))),
    };
    let header = match Header::parse(&head) {
        Ok(header) => header,
        Err(Odd::Foreign(what)) => return Ok((short, Err(format!("it holds {what}")))),
        Err(Odd::Broken(reason)) => return Err(bad(&name, &reason)),
    };
    header.fits(size).map_err(|reason| bad(&name, &reason))?;
    if let (CompressionMethod::Stored, Some(at)) = (method, at) {
        if at.checked_add(size).is_none_or(|end| end > origin.len()) {
            return Err(bad(&name, &"truncated: it ends after the file"));
        }
        let array = header.into_array(short.clone(), origin, at);
        return Ok((short, Ok(array)));
    }
    if size > packed.saturating_mul(MAX_INFLATION).saturating_add(SLACK) {
        let reason = format!("claims {size} bytes, which its {packed} packed ones cannot give");
        return Err(bad(&name, &reason));
    }
    let (shape, element) = (header.dense.shape.clone(), header.dense.element);
    let packed = Packed::Member { origin: origin.clone(), index, dense: header.dense };
    let data = Arc::new(Data::whole(packed));
    Ok((short.clone(), Ok(Array { name: short, shape, element, data })))
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
