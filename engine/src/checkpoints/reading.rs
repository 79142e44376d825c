//! Reads a checkpoint with what lies beside it: shards, its folder, the other half.

use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, Container};
use super::file::read_file;
use super::{configuration, folder, shards};
use crate::{EngineError, Result};

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
    if is_index(path) {
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
    Ok(checkpoint)
}

/// The files that [`read`] and [`super::beside`] read besides the one at `path`: in a folder the checkpoint that is
/// chosen, the shards of an index, the other half, the configuration.
pub fn read_with(path: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut checkpoint = path.to_owned();
    if path.is_dir() {
        let Ok(chosen) = folder::choose(path) else { return files };
        files.push(chosen.clone());
        checkpoint = chosen;
    }
    if is_index(&checkpoint) {
        files.extend(shards::files(&checkpoint));
    }
    files.extend(folder::other_half(&checkpoint));
    files.extend(configuration::files(path));
    files
}

/// Whether a file says which others hold the tensors.
fn is_index(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"))
}
