//! The files that `torch.save` and `torch.jit.save` write: zip archives, and the older stream of
//! pickles. Of TorchScript archives only the weights are read; the code in them is not looked at.
//!
//! Archive members are stored without compression, so tensors are read straight from the file.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use zip::{CompressionMethod, ZipArchive};

use super::budget::Budget;
use super::entry::Storage;
use super::flatten;
use super::pickle::{self, Arena, Failure, Handle, Node};
use super::rebuilt::{NoStorages, Storages, storage_id};
use super::source::{Source, SourceReader};
use super::{Checkpoint, Container, kinds};
use crate::{EngineError, Result};

/// All members together may be this many times larger than the archive.
const MAX_INFLATION: u64 = 16;
const AGAIN: &str = "copy or download the file again";
/// How much of an old file is read in search of the end of its pickles, at first.
const FIRST_HEAD: u64 = 16 << 20;
/// The number 0x1950a86a20f9469cfc6c, little-endian, with which old files begin.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

#[derive(Debug)]
struct Member {
    index: usize,
    stored: bool,
    start: u64,
    len: u64,
}

struct Archive<'a> {
    source: &'a Arc<Source>,
    zip: ZipArchive<SourceReader>,
    members: BTreeMap<String, Member>,
    /// The folder that everything is in, with its slash; may be empty.
    prefix: String,
    found: BTreeMap<String, Arc<Storage>>,
}

/// Reads a zip archive of `torch.save` or `torch.jit.save`.
pub(super) fn read_zip(source: &Arc<Source>, budget: &mut Budget) -> Result<Checkpoint> {
    let zip = ZipArchive::new(SourceReader::new(source))
        .map_err(|e| source.bad(format!("zip archive: {e}"), AGAIN))?;
    let mut archive = Archive::open(source, zip, budget)?;
    if let Some(order) = archive.read_named("byteorder", budget)?
        && order != b"little"
    {
        return Err(source.bad("is written in big-endian byte order", "save it again on a PC"));
    }
    let Some(program) = archive.read_named("data.pkl", budget)? else {
        let of_numpy = |name: &String| Path::new(name).extension().is_some_and(|e| e == "npy");
        let arrays = archive.members.keys().next().is_some_and(of_numpy);
        let (reason, hint) = if arrays { kinds::NUMPY_ZIP } else { kinds::ZIP };
        return Err(source.bad(reason, hint));
    };
    let has = |name: &str| archive.members.contains_key(&format!("{}{name}", archive.prefix));
    let script = has("constants.pkl");
    let mut checkpoint =
        Checkpoint::new(if script { Container::TorchScript } else { Container::TorchZip });
    if script {
        checkpoint.notes.push("TorchScript: weights only, its code is not read".to_owned());
    }
    if has("traced_inputs.pkl") {
        checkpoint.notes.push("stepped over the inputs kept for tracing".to_owned());
    }
    let (arena, top, _) =
        pickle::run(&program, budget).map_err(|failure| failed(source, failure))?;
    flatten::fill(&mut checkpoint, source, &arena, top, &mut archive, budget)?;
    Ok(checkpoint)
}

/// The error that a person sees for a pickle that could not be read.
fn failed(source: &Source, failure: Failure) -> EngineError {
    match failure {
        Failure::Ended => source.bad("truncated: the pickle ends in the middle", AGAIN),
        Failure::Broken(place, reason) => {
            source.bad(format!("broken pickle at byte {place}: {reason}"), AGAIN)
        }
        Failure::Calls(name) => source.bad(
            format!("loading this file in Python would call {name}; nothing of it was run"),
            "do not load it elsewhere; ask for the weights as safetensors",
        ),
        Failure::Costly(spent, place) => source.bad(
            format!("{spent} (at byte {place} of its pickle)"),
            "it is damaged or made to exhaust memory",
        ),
    }
}

impl<'a> Archive<'a> {
    fn open(
        source: &'a Arc<Source>,
        mut zip: ZipArchive<SourceReader>,
        budget: &mut Budget,
    ) -> Result<Self> {
        // What the archive's directory takes is bounded by its own bytes.
        budget.steps(zip.len() as u64).map_err(|spent| source.bad(spent, ""))?;
        let mut members = BTreeMap::new();
        let mut total = 0_u64;
        for index in 0..zip.len() {
            let file = zip
                .by_index_raw(index)
                .map_err(|e| source.bad(format!("zip member {index}: {e}"), AGAIN))?;
            total = total.saturating_add(file.size());
            let name =
                file.name().map_err(|e| source.bad(format!("zip member {index}: {e}"), ""))?;
            let stored = file.compression() == CompressionMethod::Stored;
            let start = file.data_start().unwrap_or(u64::MAX);
            members.insert(name.to_string(), Member { index, stored, start, len: file.size() });
        }
        if total > source.len().saturating_mul(MAX_INFLATION) {
            let reason = format!(
                "the archive of {} bytes would unpack to {total}, more than {MAX_INFLATION} times \
                 as much",
                source.len()
            );
            return Err(source.bad(reason, "it is damaged or made to exhaust memory"));
        }
        let pickle = members
            .keys()
            .find(|name| *name == "data.pkl" || is_in_one_folder(name))
            .map(|name| name.trim_end_matches("data.pkl").to_owned());
        let prefix = pickle.unwrap_or_default();
        Ok(Self { source, zip, members, prefix, found: BTreeMap::new() })
    }

    /// A small member, read whole and checked against its checksum.
    fn read_named(&mut self, name: &str, budget: &mut Budget) -> Result<Option<Vec<u8>>> {
        let full = format!("{}{name}", self.prefix);
        let Some(member) = self.members.get(&full) else { return Ok(None) };
        let (index, len) = (member.index, member.len);
        self.unpack(index, len, &full, budget).map(Some)
    }

    fn unpack(
        &mut self,
        index: usize,
        len: u64,
        name: &str,
        budget: &mut Budget,
    ) -> Result<Vec<u8>> {
        let source = self.source;
        let bad = |e: &dyn std::fmt::Display| source.bad(format!("zip member {name}: {e}"), AGAIN);
        let file = self.zip.by_index(index).map_err(|e| bad(&e))?;
        budget.memory(len).map_err(|spent| bad(&spent))?;
        let mut bytes = Vec::with_capacity(len as usize);
        let mut file = file.take(len);
        file.read_to_end(&mut bytes).map_err(|e| bad(&e))?;
        // One byte more than promised, to notice a member that is larger.
        let more = file.into_inner().read(&mut [0]).map_err(|e| bad(&e))?;
        if bytes.len() as u64 != len || more > 0 {
            return Err(bad(&"has another size than the archive says"));
        }
        Ok(bytes)
    }
}

fn is_in_one_folder(name: &str) -> bool {
    name.strip_suffix("/data.pkl").is_some_and(|folder| !folder.is_empty() && !folder.contains('/'))
}

impl Storages for Archive<'_> {
    fn find(&mut self, key: &str, budget: &mut Budget) -> Result<Option<Arc<Storage>>> {
        if let Some(storage) = self.found.get(key) {
            return Ok(Some(Arc::clone(storage)));
        }
        let name = format!("{}data/{key}", self.prefix);
        let Some(member) = self.members.get(&name) else { return Ok(None) };
        let storage = if member.stored {
            let (start, len) = (member.start, member.len);
            if start.checked_add(len).is_none_or(|end| end > self.source.len()) {
                return Err(self
                    .source
                    .bad(format!("truncated: {name} ends after the file"), AGAIN));
            }
            Storage { source: Arc::clone(self.source), start, len }
        } else {
            let (index, len) = (member.index, member.len);
            let bytes = self.unpack(index, len, &name, budget)?;
            Storage { source: Source::unpacked(self.source.path(), bytes), start: 0, len }
        };
        let storage = Arc::new(storage);
        self.found.insert(key.to_owned(), Arc::clone(&storage));
        Ok(Some(storage))
    }
}

/// Reads a pickle that stands alone: the layout before PyTorch 1.6, which is five pickles (magic
/// number, protocol, system, object, keys of the storages), then each storage as its number of
/// elements and their bytes; or one pickle of NumPy arrays.
pub(super) fn read_pickle(source: &Arc<Source>, budget: &mut Budget) -> Result<Checkpoint> {
    let mut len = FIRST_HEAD.min(source.len());
    loop {
        // What an attempt on too short a part took is given back with it.
        let mut attempt = Budget::of(source.len());
        let paid = attempt.memory(len);
        paid.map_err(|spent| source.bad(spent, ""))?;
        let head = source.head(len)?;
        match Pickles::read(&head, &mut attempt) {
            Err(Failure::Ended) if len < source.len() => {
                len = len.saturating_mul(4).min(source.len());
            }
            Err(failure) => return Err(failed(source, failure)),
            Ok(pickles) => {
                *budget = attempt;
                return pickles.fill(source, budget);
            }
        }
    }
}

enum Pickles<'a> {
    Torch(OldLayout<'a>),
    Alone(Arena<'a>, Handle),
}

/// The pickles of PyTorch's old layout.
struct OldLayout<'a> {
    object: Arena<'a>,
    top: Handle,
    keys: Vec<String>,
    /// Where the first storage begins.
    end: usize,
}

impl<'a> Pickles<'a> {
    fn read(head: &'a [u8], budget: &mut Budget) -> Result<Self, Failure> {
        let broken = |reason: &str| Failure::Broken(0, reason.to_owned());
        let mut rest = head;
        let mut next = || -> Result<(Arena<'a>, Handle), Failure> {
            let (arena, top, len) = pickle::run(rest, budget)?;
            rest = rest.get(len..).unwrap_or_default();
            Ok((arena, top))
        };
        let (arena, top) = next()?;
        if !matches!(arena.get(top), Node::Long(span) if arena.bytes(span) == MAGIC) {
            return Ok(Self::Alone(arena, top));
        }
        let (arena, top) = next()?;
        if !matches!(arena.get(top), Node::Int(1001)) {
            return Err(broken("an unknown version of PyTorch's old format"));
        }
        let (arena, top) = next()?;
        let little = arena.lookup(top, "little_endian");
        if little.is_some_and(|h| matches!(arena.get(h), Node::Bool(false))) {
            return Err(broken("is written in big-endian byte order"));
        }
        let (object, top) = next()?;
        let (arena, list) = next()?;
        let mut keys = Vec::new();
        for key in arena.items(list).unwrap_or_default() {
            if let Node::Text(span) = arena.get(*key) {
                budget.memory(u64::from(span.len) + 64)?;
                keys.push(arena.string(span).into_owned());
            }
        }
        let end = head.len() - rest.len();
        Ok(Self::Torch(OldLayout { object, top, keys, end }))
    }

    fn fill(self, source: &Arc<Source>, budget: &mut Budget) -> Result<Checkpoint> {
        match self {
            Self::Torch(pickles) => pickles.fill(source, budget),
            Self::Alone(arena, top) => alone(source, &arena, top, budget),
        }
    }
}

/// A pickle that PyTorch did not write: read if it holds arrays of NumPy, else named for what it is.
fn alone(
    source: &Arc<Source>,
    arena: &Arena<'_>,
    top: Handle,
    budget: &mut Budget,
) -> Result<Checkpoint> {
    let mut checkpoint = Checkpoint::new(Container::NumpyPickle);
    flatten::fill(&mut checkpoint, source, arena, top, &mut NoStorages, budget)?;
    if !checkpoint.tensors.is_empty() || !checkpoint.others.is_empty() {
        return Ok(checkpoint);
    }
    let from = |room: &[u8]| {
        arena.classes().iter().any(|class| {
            let module = arena.bytes(class.module);
            module.split(|b| *b == b'.').next() == Some(room)
        })
    };
    let torch = from(b"torch");
    let (reason, hint) = match () {
        () if torch => kinds::TORCH_PICKLE,
        () if from(b"numpy") => kinds::NUMPY_PICKLE,
        () => kinds::PICKLE,
    };
    Err(source.bad(reason, hint))
}

impl OldLayout<'_> {
    fn fill(self, source: &Arc<Source>, budget: &mut Budget) -> Result<Checkpoint> {
        let mut sizes = BTreeMap::new();
        for node in self.object.nodes() {
            if let Node::Storage(id) = node
                && let Ok((key, dtype, _, _)) = storage_id(&self.object, id)
            {
                let paid = budget.memory(key.len() as u64 + 64);
                paid.map_err(|spent| source.bad(spent, ""))?;
                sizes.insert(key, dtype.size() as u64);
            }
        }
        let mut stream = Stream { found: BTreeMap::new() };
        let mut at = self.end as u64;
        for key in self.keys {
            let Some(size) = sizes.get(&key) else {
                // Its length cannot be known, so nothing behind it can be found.
                break;
            };
            let count = source.read(at, 8)?;
            let count = count.iter().rev().fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
            let start = at + 8;
            let end = count.checked_mul(*size).and_then(|len| len.checked_add(start));
            let Some(end) = end.filter(|end| *end <= source.len()) else {
                let reason = format!("truncated: storage {key:?} of {count} elements at {at}");
                return Err(source.bad(reason, AGAIN));
            };
            let len = end - start;
            stream.found.insert(key, Arc::new(Storage { source: Arc::clone(source), start, len }));
            at = end;
        }
        let mut checkpoint = Checkpoint::new(Container::TorchLegacy);
        flatten::fill(&mut checkpoint, source, &self.object, self.top, &mut stream, budget)?;
        Ok(checkpoint)
    }
}

struct Stream {
    found: BTreeMap<String, Arc<Storage>>,
}

impl Storages for Stream {
    fn find(&mut self, key: &str, _: &mut Budget) -> Result<Option<Arc<Storage>>> {
        Ok(self.found.get(key).map(Arc::clone))
    }
}
