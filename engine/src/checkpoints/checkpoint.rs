//! Named tensors of a file, not yet read, and the kinds of files that they come in.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor};

use super::entry::Entry;
use crate::{EngineError, Result};

/// Names longer than this are no names of parameters; in bytes.
const MAX_NAME: usize = 4096;

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
    /// Names of tensors that were stepped over: their element type cannot be read, or their name is none.
    pub(super) foreign: BTreeSet<String>,
}

impl Checkpoint {
    pub(super) fn new(container: Container) -> Self {
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

    /// Without the tensors whose names are too long to be any, with a note: what is done with names later
    /// looks at each of them more than once.
    #[must_use]
    pub(super) fn without_long_names(mut self) -> Self {
        let mut first = None;
        let mut count = 0_usize;
        for tensors in [&mut self.tensors, &mut self.others] {
            if tensors.keys().all(|name| name.len() <= MAX_NAME) {
                continue;
            }
            for (name, entry) in std::mem::take(tensors) {
                if name.len() <= MAX_NAME {
                    tensors.insert(name, entry);
                    continue;
                }
                first.get_or_insert_with(|| name.chars().take(40).collect::<String>());
                count += 1;
                self.foreign.insert(name);
            }
        }
        if let Some(first) = first {
            self.notes.push(format!(
                "stepped over {count} tensors whose names have more than {MAX_NAME} bytes ({first}...)"
            ));
        }
        self
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
pub(super) fn load(
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
