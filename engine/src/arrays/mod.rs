//! Arrays of numbers as people save them: NumPy's `.npy` and `.npz`, and the tensors of PyTorch and
//! safetensors files of any producer.
//!
//! [`open`] reads headers only and gives the arrays by name; numbers are read when they are asked
//! for, in the part that is asked for. An array that cannot be read in parts (packed in a `.npz`,
//! column by column, or a view with gaps) is held whole from then on. So a file takes at most its
//! own size in memory, a packed one what its headers claim: no more than 1032 times its size, which
//! is the most that deflate can do, and no more than 2 GiB.
//!
//! Files of tokens ([`crate::token_files::from_arrays`]) and sets of images ([`crate::data::arrays`]) are
//! read with it; [`guess`] says which of the two a file holds.

mod array;
mod dense;
pub mod guess;
mod member;
mod npy;
mod npz;
mod origin;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::Result;
pub use crate::checkpoints::ElementType;
use crate::checkpoints::{self, Checkpoint, Entry};
use crate::images::kind::{Kind as FileKind, sniff};
pub use array::{Array, Arrays, Kind, Listed, names_in_words, shape_in_words};
use array::{Data, Packed};
use origin::Origin;

/// The arrays of a file. Reads headers only.
///
/// # Errors
/// [`EngineError::Io`](crate::EngineError::Io) if it cannot be opened,
/// [`EngineError::BadFile`](crate::EngineError::BadFile) with what it is instead, or with what is wrong
/// with it.
pub fn open(path: &Path) -> Result<Arrays> {
    let origin = Origin::open(path)?;
    open_origin(&origin, || checkpoints::read(path))
}

/// As [`open`], of bytes in memory; `name` is the name that errors show.
///
/// # Errors
/// As [`open`].
pub fn open_bytes(name: &Path, bytes: impl Into<Arc<[u8]>>) -> Result<Arrays> {
    let bytes = bytes.into();
    let origin = Origin::memory(name, Arc::clone(&bytes));
    open_origin(&origin, || checkpoints::read_bytes(name, bytes))
}

/// The arrays of a file, one a name.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path) -> Result<Vec<Array>> {
    Ok(open(path)?.members)
}

/// Names, shapes and kinds of the arrays of a file.
///
/// # Errors
/// As [`open`].
pub fn list(path: &Path) -> Result<Vec<Listed>> {
    Ok(open(path)?.members.iter().map(Array::listed).collect())
}

fn open_origin(
    origin: &Origin,
    as_checkpoint: impl FnOnce() -> Result<Checkpoint>,
) -> Result<Arrays> {
    let start = origin.head(4096)?;
    if npy::is_npy(&start) {
        return npy::open(origin);
    }
    if start.starts_with(b"PK") && npz::is_npz(origin) {
        return npz::open(origin);
    }
    // A pickle, an archive, or the length of a safetensors header before its brace.
    let is_container =
        start.starts_with(b"PK") || start.first() == Some(&0x80) || start.get(8) == Some(&b'{');
    if is_container {
        return as_checkpoint().map(from_checkpoint);
    }
    let hint = "arrays are read from .npy, .npz, .pt and .safetensors files";
    let reason = match sniff(&start) {
        FileKind::Empty => "the file is empty (0 bytes)",
        FileKind::Image(_) => "this is an image, not a file of arrays",
        FileKind::Known(what, _) => return Err(origin.bad(format!("this is {what}"), hint)),
        FileKind::Text => {
            let hint = "in Python: numpy.save(\"x.npy\", numpy.loadtxt(...)) makes an array of it";
            return Err(origin.bad("this is text, not a file of arrays", hint));
        }
        FileKind::Unknown => "this is not a file of arrays that is known here",
    };
    Err(origin.bad(reason, hint))
}

/// All tensors of a checkpoint, by name. Where some stand outside of the part that holds the weights, all
/// have their whole names; else names are those below it.
fn from_checkpoint(checkpoint: Checkpoint) -> Arrays {
    let root = match &checkpoint.root {
        Some(root) if !checkpoint.others.is_empty() => format!("{root}."),
        _ => String::new(),
    };
    let below =
        checkpoint.tensors.into_iter().map(|(name, entry)| (format!("{root}{name}"), entry));
    let all: BTreeMap<String, Entry> = below.chain(checkpoint.others).collect();
    let arrays = all.into_iter().map(|(name, entry)| {
        let (shape, element) = (entry.shape().to_vec(), entry.dtype());
        let data = if entry.is_contiguous() {
            Data::Tensor(entry)
        } else {
            Data::whole(Packed::Tensor(entry))
        };
        Array { name, shape, element, data: Arc::new(data) }
    });
    Arrays {
        container: checkpoint.container.to_string(),
        members: arrays.collect(),
        metadata: checkpoint.metadata,
        notes: checkpoint.notes,
    }
}
