//! One file of any container, told from its first bytes, on disk or in memory.

use std::path::Path;
use std::sync::Arc;

use super::budget::{Budget, Cost};
use super::checkpoint::Checkpoint;
use super::source::Source;
use super::{kinds, safetensors, torch};
use crate::Result;

/// One file, without what lies beside it.
pub(super) fn read_file(path: &Path) -> Result<Checkpoint> {
    let source = Source::open(path)?;
    Ok(read_source(&source, &mut Budget::of(source.len()))?.without_long_names())
}

/// Reads a checkpoint that is in memory; `name` is shown in errors. Shards are not followed.
pub fn read_bytes(name: &Path, bytes: Arc<[u8]>) -> Result<Checkpoint> {
    read_bytes_counted(name, bytes).0
}

/// As [`read_bytes`]; says also what it took, whether the bytes could be read or not.
pub fn read_bytes_counted(name: &Path, bytes: Arc<[u8]>) -> (Result<Checkpoint>, Cost) {
    let source = Source::memory(name, bytes);
    let mut budget = Budget::of(source.len());
    let checkpoint = read_source(&source, &mut budget).map(Checkpoint::without_long_names);
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
