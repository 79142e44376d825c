//! Checkpoints: any container that people share, as named tensors on the CPU.
//!
//! [`read`] takes safetensors (single or sharded), PyTorch's zip and older pickle files, and
//! TorchScript archives (weights only). Nothing in a file is ever executed, every size is checked
//! before memory is taken for it, and tensors stay in the file until they are asked for.
//! [`recognize`] says which network the names and shapes belong to. Smalti's own models
//! ([`save_model`]) are safetensors files whose metadata holds the configuration.
//!
//! Read in this order: `source` (bytes), `entry` (one tensor), `safetensors`, `shards`,
//! `pickle` and `torch` (PyTorch's files), `flatten` (which part of a pickle holds the weights).

mod entry;
mod flatten;
mod model_file;
mod open;
mod pickle;
mod recognize;
mod safetensors;
mod shards;
mod source;
mod torch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};

pub use entry::{ElementType, Entry};
pub use model_file::{FORMAT, Precision, save_model};
pub use open::{Opened, open_tokenizer};
pub use recognize::{Design, NOT_THE_NETWORK, Recognized, recognize};

use crate::{EngineError, Result};
use source::Source;

/// The kind of file that tensors came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Container {
    /// One safetensors file.
    Safetensors,
    /// Several safetensors files with an index.
    ShardedSafetensors,
    /// A zip archive of `torch.save`.
    TorchZip,
    /// A stream of pickles, as `torch.save` wrote before version 1.6.
    TorchLegacy,
    /// An archive of `torch.jit.save`.
    TorchScript,
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::ShardedSafetensors => "sharded safetensors",
            Self::TorchZip => "PyTorch zip",
            Self::TorchLegacy => "PyTorch legacy",
            Self::TorchScript => "TorchScript",
        })
    }
}

/// Named tensors of a file, not yet read.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The kind of file.
    pub container: Container,
    /// Text that stands beside the tensors: safetensors metadata, or a pickle's plain numbers and
    /// strings such as the epoch.
    pub metadata: BTreeMap<String, String>,
    /// The tensors by name; nested names are joined with dots.
    pub tensors: BTreeMap<String, Entry>,
    /// What was stepped over.
    pub notes: Vec<String>,
    /// The part of a pickle that holds the weights, such as "state_dict"; `None` if it is the whole.
    pub root: Option<String>,
}

impl Checkpoint {
    fn new(container: Container) -> Self {
        Self {
            container,
            metadata: BTreeMap::new(),
            tensors: BTreeMap::new(),
            notes: Vec::new(),
            root: None,
        }
    }

    /// All tensors as f32 on a device, after [`check_finite`](Self::check_finite); for
    /// [`Weights::loaded`](crate::layers::weights::Weights::loaded).
    pub fn to_tensors(&self, device: &Device) -> Result<BTreeMap<String, Tensor>> {
        self.to_tensors_where(device, |_| true)
    }

    /// As [`to_tensors`](Self::to_tensors), for the names that `wanted` picks.
    pub fn to_tensors_where(
        &self,
        device: &Device,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = BTreeMap::new();
        for (name, entry) in self.tensors.iter().filter(|(name, _)| wanted(name)) {
            let values = entry.values()?;
            finite(name, entry, &values)?;
            tensors.insert(name.clone(), Tensor::from_vec(values, entry.shape(), device)?);
        }
        Ok(tensors)
    }

    /// Whether all weights are numbers.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] naming the first tensor with a NaN or an infinity, and its place.
    /// Infinities are allowed in masks.
    pub fn check_finite(&self) -> Result<()> {
        for (name, entry) in self.tensors.iter().filter(|(_, entry)| entry.dtype().is_float()) {
            finite(name, entry, &entry.values()?)?;
        }
        Ok(())
    }
}

fn finite(name: &str, entry: &Entry, values: &[f32]) -> Result<()> {
    let mask = name.contains("mask");
    // A double beyond f32 becomes infinite here, which a network cannot use either.
    let bad = |x: &f32| x.is_nan() || (x.is_infinite() && !mask);
    let Some(place) = values.iter().position(bad) else { return Ok(()) };
    Err(EngineError::bad_input(
        format!("tensor {name}"),
        format!("element {place} of {} is {}, which is no weight", entry.elements(), values[place]),
        "the training that made this file went wrong; use an earlier checkpoint",
    ))
}

/// Reads a checkpoint: a file, an index of shards, or the folder of a model.
///
/// # Errors
/// [`EngineError::Io`] if it cannot be opened; [`EngineError::BadFile`] if it is no checkpoint, or
/// damaged, or would run code, with what is wrong and where.
pub fn read(path: &Path) -> Result<Checkpoint> {
    let facts = std::fs::metadata(path).map_err(|e| EngineError::io(path, e))?;
    if facts.is_dir() {
        return read(&in_folder(path)?);
    }
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
        return shards::read(path);
    }
    let mut checkpoint = read_source(&Source::open(path)?)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if checkpoint.container == Container::Safetensors && name.contains("-of-") {
        checkpoint
            .notes
            .push("one of several files; open the index for the whole model".to_owned());
    }
    Ok(checkpoint)
}

/// Reads a checkpoint that is in memory; `name` is shown in errors. Shards are not followed.
pub fn read_bytes(name: &Path, bytes: Arc<[u8]>) -> Result<Checkpoint> {
    read_source(&Source::memory(name, bytes))
}

/// The file in a model's folder that is meant.
fn in_folder(folder: &Path) -> Result<PathBuf> {
    let names = ["model.safetensors.index.json", "model.safetensors"];
    names.iter().map(|name| folder.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        EngineError::bad_file(
            folder,
            "a folder without a model.safetensors",
            "give the checkpoint file itself",
        )
    })
}

fn read_source(source: &Arc<Source>) -> Result<Checkpoint> {
    let head = source.head(64)?;
    let named = source.path().extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors"));
    let hint = "checkpoints are .safetensors, .ckpt, .pt, .pth, .bin or .jit files";
    if head.is_empty() {
        return Err(source.bad("the file is empty", "copy or download the file again"));
    }
    if head.starts_with(b"version https://git-lfs") {
        return Err(source
            .bad("a Git LFS pointer, not the file itself", "fetch the file with `git lfs pull`"));
    }
    if head.starts_with(b"PK") {
        return torch::read_zip(source);
    }
    // A header length can look like a pickle's first bytes, so the brace decides.
    let braced = head.get(8) == Some(&b'{');
    if named || (braced && (head[0] != 0x80 || plausible(&head, source.len()))) {
        return safetensors::read(source);
    }
    if head[0] == 0x80 {
        return torch::read_legacy(source);
    }
    let kind = match &head[..] {
        h if h.starts_with(b"\x89HDF") => "an HDF5 file",
        h if h.starts_with(b"GGUF") => "a GGUF file",
        h if h.starts_with(b"\x93NUMPY") => "a NumPy array",
        h if h.starts_with(b"<") => "a web page",
        h if h.starts_with(b"{") => "a JSON file",
        h if h.starts_with(b"\x89PNG") || h.starts_with(b"\xff\xd8") => "a picture",
        _ => "",
    };
    let reason = if kind.is_empty() {
        "not a checkpoint that is known here".to_owned()
    } else {
        format!("{kind}, not a checkpoint")
    };
    Err(source.bad(reason, hint))
}

fn plausible(head: &[u8], len: u64) -> bool {
    let claimed = head.iter().take(8).rev().fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
    claimed < len
}
