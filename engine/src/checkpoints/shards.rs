//! Sharded checkpoints: `*.safetensors.index.json` or `*.bin.index.json` says which file holds which
//! tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::checkpoint::{Checkpoint, Container};
use super::file::read_file;
use super::source::Source;
use crate::{EngineError, Result};

/// An index beyond this is no index.
const MAX_INDEX: u64 = 64 << 20;
const COMPLETE: &str = "put all files of the model into one folder";

#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Reads the shards that an index names; all must lie beside it.
pub(super) fn read(path: &Path) -> Result<Checkpoint> {
    let source = Source::open(path)?;
    let index = index(&source)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut shards: BTreeMap<&str, Checkpoint> = BTreeMap::new();
    let mut whole = Checkpoint::new(Container::ShardedSafetensors);
    for (name, file) in &index.weight_map {
        if !shards.contains_key(file.as_str()) {
            let shard = read_shard(path, folder, file)?;
            whole.notes.extend(shard.notes.iter().cloned());
            whole.metadata.extend(shard.metadata.clone());
            if !matches!(shard.container, Container::Safetensors) {
                whole.container = Container::ShardedTorch;
            }
            shards.insert(file, shard);
        }
        let Some(shard) = shards.get_mut(file.as_str()) else { continue };
        let Some(entry) = shard.tensors.remove(name) else {
            if shard.foreign.contains(name) {
                continue;
            }
            return Err(source.bad(format!("tensor {name:?} is not in {file}"), COMPLETE));
        };
        whole.tensors.insert(name.clone(), entry);
    }
    for (file, shard) in shards {
        if !shard.tensors.is_empty() {
            let names: Vec<&str> = shard.tensors.keys().map(String::as_str).take(3).collect();
            whole.notes.push(format!(
                "stepped over {} tensors of {file} that the index does not name ({})",
                shard.tensors.len(),
                names.join(", ")
            ));
        }
    }
    Ok(whole)
}

fn index(source: &Source) -> Result<Index> {
    if source.len() > MAX_INDEX {
        return Err(source.bad("too large for an index of shards", ""));
    }
    serde_json::from_slice(&source.head(MAX_INDEX)?).map_err(|e| {
        source.bad(
            format!("not an index of shards: {e}"),
            "open the checkpoint beside it, or the model's `*.index.json`",
        )
    })
}

/// The files that an index names; none where it cannot be read.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(index) = Source::open(path).and_then(|source| index(&source)) else { return Vec::new() };
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    names.into_iter().map(|name| path.with_file_name(name)).collect()
}

fn read_shard(index: &Path, folder: &Path, file: &str) -> Result<Checkpoint> {
    // A file name only: an index must not reach into other folders.
    let mut parts = Path::new(file).components();
    let (Some(Component::Normal(_)), None) = (parts.next(), parts.next()) else {
        return Err(EngineError::bad_file(
            index,
            format!("names a file outside of its folder: {file:?}"),
            "",
        ));
    };
    let path = folder.join(file);
    if !path.exists() {
        return Err(EngineError::bad_file(index, format!("the shard {file} is missing"), COMPLETE));
    }
    read_file(&path)
}
