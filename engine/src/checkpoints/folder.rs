//! Folders as people share them: which file is the checkpoint, and which the configuration.

use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, Container};
use super::entry::Entry;
use super::file::read_file;
use crate::{EngineError, Result};

/// Files of a folder are looked at up to this number.
const MAX_FILES: usize = 10_000;
/// Names that say which of several checkpoints is meant, the best first.
const CHECKPOINTS: [&str; 14] = [
    "model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors.index.json",
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "diffusion_pytorch_model.bin",
    "encoder.jit",
    "autoencoder.jit",
    "last.ckpt",
    "model.ckpt",
    "model.pt",
    "model.pth",
    "weights.safetensors",
];
/// Endings of checkpoints; weights that cannot run code come first.
const ENDINGS: [&str; 6] = ["safetensors", "ckpt", "pt", "pth", "bin", "jit"];
/// Folders inside of a model's folder that hold the tokenizer.
const SUBFOLDERS: [&str; 8] =
    ["vqvae", "movq", "vqgan", "vq_model", "vqmodel", "vae", "tokenizer", "checkpoints"];

/// The checkpoint file in a folder, or in the one of its folders that holds the tokenizer.
pub(super) fn choose(folder: &Path) -> Result<PathBuf> {
    if let Some(found) = directly(folder)? {
        return Ok(found);
    }
    for name in SUBFOLDERS {
        let inner = folder.join(name);
        if inner.is_dir()
            && let Some(found) = directly(&inner)?
        {
            return Ok(found);
        }
    }
    Err(EngineError::bad_file(
        folder,
        "a folder without a checkpoint (.safetensors, .ckpt, .pt, .pth, .bin or .jit)",
        "give the checkpoint file itself, or the folder that it is in",
    ))
}

/// What a folder is: a checkpoint with its configuration beside it, or at least a checkpoint.
///
/// # Errors
/// [`EngineError::BadFile`] if there is none in it, or if there are several and none is the one that is meant.
pub fn is_configured(folder: &Path) -> Result<bool> {
    choose(folder).map(|chosen| configuration(&chosen).is_some())
}

/// The checkpoint among the files of a folder; `None` if there is none.
fn directly(folder: &Path) -> Result<Option<PathBuf>> {
    let names = files(folder)?;
    if let Some(found) = CHECKPOINTS.iter().find(|name| names.iter().any(|n| n == *name)) {
        return Ok(Some(folder.join(found)));
    }
    let index: Vec<&String> = names.iter().filter(|n| n.ends_with(".index.json")).collect();
    if let [only] = index[..] {
        return Ok(Some(folder.join(only)));
    }
    let of_kind = |ending: &'static str| names.iter().filter(move |n| has_ending(n, ending));
    let all: Vec<&String> = ENDINGS.into_iter().flat_map(of_kind).collect();
    let Some(first) = all.first() else { return Ok(None) };
    // One file, or the same weights in several formats.
    let stem = |name: &String| Path::new(name).file_stem().map(ToOwned::to_owned);
    if all.iter().all(|name| stem(name) == stem(first)) {
        return Ok(Some(folder.join(first)));
    }
    let listed: Vec<&str> = all.iter().take(6).map(|name| name.as_str()).collect();
    Err(EngineError::unclear(
        folder,
        format!("a folder with {} checkpoints: {}", all.len(), listed.join(", ")),
        "give one of them",
    ))
}

fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// Names of the files in a folder, sorted.
fn files(folder: &Path) -> Result<Vec<String>> {
    let list = folder.read_dir().map_err(|e| EngineError::io(folder, e))?;
    let mut names: Vec<String> = list
        .take(MAX_FILES)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            (!name.starts_with('.') && entry.path().is_file()).then_some(name)
        })
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// The configuration beside a checkpoint file, or in a folder (beside the checkpoint that is chosen
/// there).
pub(super) fn configuration(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        let chosen = choose(path).ok();
        let inner = chosen.as_deref().and_then(configuration);
        return inner.or_else(|| in_folder(path, None));
    }
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return None,
    };
    let stem = path.file_name()?.to_str()?.split('.').next()?.to_owned();
    if let Some(found) = in_folder(folder, Some(&stem)) {
        return Some(found);
    }
    // A folder of logs: checkpoints/last.ckpt with configs/<date>-project.yaml or hparams.yaml.
    let inside = folder.file_name().is_some_and(|name| name == "checkpoints");
    let above = folder.parent().filter(|_| inside)?;
    let configs = above.join("configs");
    in_folder(&configs, None).or_else(|| in_folder(above, None))
}

fn in_folder(folder: &Path, stem: Option<&str>) -> Option<PathBuf> {
    let names = files(folder).ok()?;
    let has = |name: &str| names.iter().any(|n| n == name).then(|| folder.join(name));
    if let Some(stem) = stem {
        let own = [".yaml", ".yml", "_config.yaml", "_config.json", "-config.yaml"];
        if let Some(found) = own.iter().find_map(|ending| has(&format!("{stem}{ending}"))) {
            return Some(found);
        }
    }
    let known = ["config.yaml", "config.yml", "model.yaml", "titok_config.json", "hf_config.json"];
    if let Some(found) = known.iter().find_map(|name| has(name)) {
        return Some(found);
    }
    // Lightning writes one for each start; the last one is of the last start.
    if let Some(project) = names.iter().rfind(|name| name.ends_with("-project.yaml")) {
        return Some(folder.join(project));
    }
    if let Some(found) = ["config.json", "hparams.yaml"].iter().find_map(|name| has(name)) {
        return Some(found);
    }
    let is_yaml = |name: &&String| has_ending(name, "yaml") || has_ending(name, "yml");
    let yaml: Vec<&String> = names.iter().filter(is_yaml).collect();
    match yaml[..] {
        [only] => Some(folder.join(only)),
        _ => None,
    }
}

/// The other half of a tokenizer that is shared as two TorchScript files, encoder and decoder.
pub(super) fn other_half(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    if name.contains("autoencoder") {
        return None;
    }
    let other = if name.contains("encoder") {
        name.replace("encoder", "decoder")
    } else if name.contains("decoder") {
        name.replace("decoder", "encoder")
    } else {
        return None;
    };
    let other = path.with_file_name(other);
    other.is_file().then_some(other)
}

/// Adds the tensors of the other half.
pub(super) fn join(checkpoint: &mut Checkpoint, path: &Path, half: &Path) -> Result<()> {
    let other = read_file(half)?;
    if other.container != Container::TorchScript {
        return Ok(());
    }
    let is_encoder = |path: &Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().contains("encoder"))
    };
    let side = |path: &Path| if is_encoder(path) { "encoder." } else { "decoder." };
    let named = |tensors: &mut std::collections::BTreeMap<String, Entry>, side: &str| {
        if !tensors.keys().any(|name| name.starts_with(side)) {
            let bare = std::mem::take(tensors);
            tensors.extend(bare.into_iter().map(|(name, entry)| (format!("{side}{name}"), entry)));
        }
    };
    let mut tensors = other.tensors;
    named(&mut checkpoint.tensors, side(path));
    named(&mut tensors, side(half));
    for (name, entry) in tensors {
        let taken = checkpoint.tensors.contains_key(&name);
        let name = if taken { format!("{}{name}", side(half)) } else { name };
        checkpoint.tensors.insert(name, entry);
    }
    let shown = half.file_name().unwrap_or_default().to_string_lossy();
    checkpoint.notes.push(format!("read together with {shown} beside it"));
    Ok(())
}
