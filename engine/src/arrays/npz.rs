//! NumPy's `.npz`: a zip archive of `.npy` members, stored (`numpy.savez`) or deflated
//! (`numpy.savez_compressed`).
//!
//! Stored members are read where they lie. Deflated ones are unpacked when they are asked for, after
//! three checks: the archive and the array's own header claim the same size, the packed bytes can
//! give as much, and it is no more than 2 GiB.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use zip::CompressionMethod;

use super::array::{Array, Arrays, Data, Packed};
use super::member::{Archive, archive};
use super::npy::{Header, MAX_HEADER, Odd};
use super::origin::{AGAIN, Origin};
use crate::Result;

/// The most that deflate makes of a byte, and what its last block may add.
const MAX_INFLATION: u64 = 1032;
const SLACK: u64 = 1024;

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
    Ok(Arrays { container, members: arrays.into_values().collect(), metadata, notes })
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
