//! Checkpoints: any container that people share, as named tensors on the CPU.
//!
//! [`read`] takes safetensors (single or sharded), PyTorch's zip and older pickle files, and
//! TorchScript archives (weights only). Nothing in a file is ever executed, every size is checked
//! before memory is taken for it, and tensors stay in the file until they are asked for.
//! [`recognize`] says which network the names and shapes belong to. Smalti's own models
//! ([`save_model`]) are safetensors files whose metadata holds the configuration.
//!
//! Read in this order: `source` (bytes), `budget` (what a file may cost), `entry` (one tensor),
//! `safetensors`, `shards`, `pickle` and `torch` (PyTorch's files), `flatten` (which part of a pickle
//! holds the weights), `rebuilt` and `numpy` (one tensor of a pickle), `kinds` (what is no
//! checkpoint), `folder` and `configuration` (what lies beside a checkpoint), `wrappers` (where in a
//! checkpoint a network can be), `survey` (an unknown checkpoint), `snippet`.

mod budget;
mod configuration;
mod entry;
mod flatten;
mod folder;
mod kinds;
mod model_file;
mod numpy;
mod open;
mod pickle;
mod rebuilt;
mod recognize;
mod safetensors;
mod shards;
mod snippet;
mod source;
mod survey;
mod torch;
mod wrappers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};

pub use budget::Cost;
pub use configuration::{Beside, beside};
pub use entry::{ElementType, Entry};
pub use model_file::{FORMAT, Precision, save_model};
pub use open::{Opened, open_tokenizer, split_part};
pub use recognize::{Design, Other, Recognized, recognize, recognize_part};
pub use snippet::snippet;
pub use survey::{
    CodebookCandidate, TensorRow, candidate_usage, candidate_values, codebook_candidates, norm,
    tensor_rows,
};
pub use wrappers::{SetAside, View, views};

use crate::{EngineError, Result};
use budget::Budget;
use source::Source;

/// The kind of file that tensors came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Container {
    /// One safetensors file.
    Safetensors,
    /// Several safetensors files with an index.
    ShardedSafetensors,
    /// Several PyTorch files with an index.
    ShardedTorch,
    /// A zip archive of `torch.save`.
    TorchZip,
    /// A stream of pickles, as `torch.save` wrote before version 1.6.
    TorchLegacy,
    /// An archive of `torch.jit.save`, or two (encoder and decoder).
    TorchScript,
    /// A pickle of NumPy arrays.
    NumpyPickle,
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::ShardedSafetensors => "sharded safetensors",
            Self::TorchZip => "PyTorch zip",
            Self::TorchLegacy => "PyTorch legacy",
            Self::TorchScript => "TorchScript",
            Self::ShardedTorch => "sharded PyTorch",
            Self::NumpyPickle => "pickle of NumPy arrays",
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
    /// Tensors outside of [`root`](Self::root), by their whole name: averaged weights beside the last
    /// ones, a second network. Optimizers are left out.
    pub others: BTreeMap<String, Entry>,
    /// What was stepped over.
    pub notes: Vec<String>,
    /// The part of a pickle that holds the weights, such as "state_dict"; `None` if it is the whole.
    pub root: Option<String>,
    /// Names of tensors whose element type cannot be read.
    foreign: BTreeSet<String>,
}

impl Checkpoint {
    fn new(container: Container) -> Self {
        Self {
            container,
            metadata: BTreeMap::new(),
            tensors: BTreeMap::new(),
            others: BTreeMap::new(),
            notes: Vec::new(),
            root: None,
            foreign: BTreeSet::new(),
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
        load(&self.tensors, device, wanted)
    }

    /// Whether all weights are numbers.
    ///
    /// # Errors
    /// [`EngineError::BadFile`] naming the first tensor with a NaN or an infinity, and its place.
    /// Infinities are allowed in masks.
    pub fn check_finite(&self) -> Result<()> {
        for (name, entry) in self.tensors.iter().filter(|(_, entry)| entry.dtype().is_float()) {
            finite(name, entry, &entry.values()?)?;
        }
        Ok(())
    }
}

/// Tensors as f32 on a device, each checked to hold numbers only.
fn load(
    entries: &BTreeMap<String, Entry>,
    device: &Device,
    wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Tensor>> {
    let mut tensors = BTreeMap::new();
    for (name, entry) in entries.iter().filter(|(name, _)| wanted(name)) {
        let values = entry.values()?;
        finite(name, entry, &values)?;
        tensors.insert(name.clone(), Tensor::from_vec(values, entry.shape(), device)?);
    }
    Ok(tensors)
}

fn finite(name: &str, entry: &Entry, values: &[f32]) -> Result<()> {
    let mask = name.contains("mask");
    // A double beyond f32 becomes infinite here, which a network cannot use either.
    let bad = |x: &f32| x.is_nan() || (x.is_infinite() && !mask);
    let Some(place) = values.iter().position(bad) else { return Ok(()) };
    Err(EngineError::bad_file(
        entry.file(),
        format!(
            "tensor {name}: element {place} of {} is {}, which is no weight",
            entry.elements(),
            values[place]
        ),
        "the training that made this file went wrong; use an earlier checkpoint",
    ))
}

/// Reads a checkpoint: a file, an index of shards, or a folder as people share it (the checkpoint
/// with its configuration, a model of diffusers, encoder and decoder as two TorchScript files).
///
/// # Errors
/// [`EngineError::Io`] if it cannot be opened; [`EngineError::BadFile`] if it is no checkpoint, or
/// damaged, or would run code, with what is wrong and where.
pub fn read(path: &Path) -> Result<Checkpoint> {
    let facts = std::fs::metadata(path).map_err(|e| EngineError::io(path, e))?;
    if facts.is_dir() {
        let chosen = folder::choose(path)?;
        let mut checkpoint = read(&chosen)?;
        let shown = chosen.strip_prefix(path).unwrap_or(&chosen).display().to_string();
        checkpoint.notes.insert(0, format!("read {shown} of the folder"));
        return Ok(checkpoint);
    }
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
        return shards::read(path);
    }
    let mut checkpoint = read_file(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let sharded = matches!(checkpoint.container, Container::Safetensors | Container::TorchZip);
    if sharded && name.contains("-of-") {
        checkpoint
            .notes
            .push("one of several files; open the index for the whole model".to_owned());
    }
    if checkpoint.container == Container::TorchScript
        && let Some(half) = folder::other_half(path)
    {
        folder::join(&mut checkpoint, path, &half)?;
    }
    if let Some(Beside { path, problem: Some(problem), .. }) = beside(path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        checkpoint.notes.push(format!("{name} beside it is not used: {problem}"));
    }
    Ok(checkpoint)
}

/// One file, without what lies beside it.
fn read_file(path: &Path) -> Result<Checkpoint> {
    let source = Source::open(path)?;
    read_source(&source, &mut Budget::of(source.len()))
}

/// Reads a checkpoint that is in memory; `name` is shown in errors. Shards are not followed.
pub fn read_bytes(name: &Path, bytes: Arc<[u8]>) -> Result<Checkpoint> {
    read_bytes_counted(name, bytes).0
}

/// As [`read_bytes`]; says also what it took, whether the bytes could be read or not.
pub fn read_bytes_counted(name: &Path, bytes: Arc<[u8]>) -> (Result<Checkpoint>, Cost) {
    let source = Source::memory(name, bytes);
    let mut budget = Budget::of(source.len());
    let checkpoint = read_source(&source, &mut budget);
    (checkpoint, budget.cost())
}

fn read_source(source: &Arc<Source>, budget: &mut Budget) -> Result<Checkpoint> {
    let head = source.head(4096)?;
    let named = source.path().extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors"));
    if head.is_empty() {
        return Err(source.bad("the file is empty", "copy or download the file again"));
    }
    if head.starts_with(b"version https://git-lfs") {
        return Err(source
            .bad("a Git LFS pointer, not the file itself", "fetch the file with `git lfs pull`"));
    }
    if head.starts_with(b"PK") {
        return torch::read_zip(source, budget);
    }
    // A header length can look like a pickle's first bytes, so the brace decides.
    let braced = head.get(8) == Some(&b'{');
    if braced && (named || head[0] != 0x80 || plausible(&head, source.len())) {
        return safetensors::read(source, budget);
    }
    if let Some((reason, hint)) = kinds::other(&head) {
        return Err(source.bad(reason, hint));
    }
    if named {
        return safetensors::read(source, budget);
    }
    if head[0] == 0x80 {
        return torch::read_pickle(source, budget);
    }
    Err(source.bad(
        "not a checkpoint that is known here",
        "checkpoints are .safetensors, .ckpt, .pt, .pth, .bin or .jit files",
    ))
}

fn plausible(head: &[u8], len: u64) -> bool {
    let claimed = head.iter().take(8).rev().fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
    claimed < len
}
