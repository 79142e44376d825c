//! From the values of a pickle to named tensors: which part holds the weights, and what its names are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Checkpoint;
use super::entry::{ElementType, Entry, Storage};
use super::pickle::{Arena, Handle, Node};
use super::source::Source;
use crate::Result;

/// Where training scripts keep weights, the preferred one first (averaged weights before the last).
const ROOTS: [&str; 8] =
    ["ema", "params_ema", "model", "state_dict", "module", "model_state_dict", "params", "net"];
/// Parts of a training checkpoint that hold tensors, but no weights.
const NO_WEIGHTS: [&str; 10] = [
    "optimizer",
    "optimizers",
    "optimizer_states",
    "optimizer_state_dict",
    "optim",
    "lr_schedulers",
    "scheduler",
    "callbacks",
    "loops",
    "hyper_parameters",
];
/// Nesting beyond this is a mistake or a loop.
const MAX_DEPTH: usize = 64;
/// All tensors together may be this many times larger than the file (shared and expanded ones).
const MAX_GROWTH: u64 = 16;

/// Where the data of a storage lies, by its key.
pub(super) trait Storages {
    /// The bytes of a storage; `None` if there is no such key.
    fn find(&mut self, key: &str) -> Result<Option<Arc<Storage>>>;
}

/// Adds the tensors of a pickle's value to the checkpoint.
pub(super) fn fill(
    checkpoint: &mut Checkpoint,
    source: &Source,
    arena: &Arena<'_>,
    top: Handle,
    storages: &mut dyn Storages,
) -> Result<()> {
    checkpoint.metadata.extend(scalars(arena, top));
    let (root, path) = find_root(arena, top);
    if let Some(last) = path.last() {
        checkpoint.root = Some(path.join("."));
        note_other_parts(checkpoint, arena, top, path.first().unwrap_or(last));
    }
    note_classes(checkpoint, arena);
    let pickle_len = arena.nodes().len();
    let mut walk = Walk { arena, found: BTreeMap::new(), budget: 256 * pickle_len + 65_536 };
    let whole = walk.visit("", root, 0, checkpoint.root.is_none());
    if whole.is_none() {
        return Err(source.bad("names its parts over and over, far beyond its own size", ""));
    }
    let mut total = 0_u64;
    for (name, arguments) in walk.found {
        let name = if name.is_empty() { "tensor".to_owned() } else { name };
        match tensor(arena, arguments, storages)? {
            Ok(entry) => {
                total = total.saturating_add(entry.byte_len() as u64);
                if total > source.len().saturating_mul(MAX_GROWTH) {
                    let reason = format!(
                        "its tensors would take more than {MAX_GROWTH} times the file's size \
                         (reached at {name:?})"
                    );
                    return Err(source.bad(reason, "the file is damaged or made to exhaust memory"));
                }
                checkpoint.tensors.insert(name, entry);
            }
            Err(Odd::Foreign(what)) => {
                checkpoint.notes.push(format!("stepped over {name} of element type {what}"));
            }
            Err(Odd::Wrong(reason)) => {
                let reason = format!("tensor {name:?} {reason}");
                return Err(source.bad(reason, "the file is damaged or incomplete"));
            }
        }
    }
    Ok(())
}

/// Small facts that stand beside the weights, such as the epoch.
fn scalars(arena: &Arena<'_>, top: Handle) -> BTreeMap<String, String> {
    let Node::Dict(entries) = arena.get(top) else { return BTreeMap::new() };
    let pairs = entries.as_chunks::<2>().0.iter().filter_map(|&[key, value]| {
        let value = match arena.get(value) {
            Node::Int(n) => n.to_string(),
            Node::Float(x) => x.to_string(),
            Node::Bool(b) => b.to_string(),
            Node::Text(span) if span.len <= 200 => arena.string(*span).into_owned(),
            _ => return None,
        };
        Some((arena.text(key)?.into_owned(), value))
    });
    pairs.take(100).collect()
}

fn note_other_parts(checkpoint: &mut Checkpoint, arena: &Arena<'_>, top: Handle, root: &str) {
    let Node::Dict(entries) = arena.get(top) else { return };
    let others: Vec<String> = entries
        .as_chunks::<2>()
        .0
        .iter()
        .filter(|[_, value]| !matches!(arena.get(*value), Node::Int(_) | Node::Float(_)))
        .filter_map(|[key, _]| arena.text(*key))
        .filter(|key| key != root)
        .take(12)
        .map(|key| key.chars().take(40).collect())
        .collect();
    if !others.is_empty() {
        checkpoint.notes.push(format!("stepped over what is not weights: {}", others.join(", ")));
    }
}

fn note_classes(checkpoint: &mut Checkpoint, arena: &Arena<'_>) {
    let mut classes: BTreeMap<(&[u8], &[u8]), usize> = BTreeMap::new();
    for node in arena.nodes() {
        if let Node::Object(class, _) = node
            && let Some(class) = arena.global(*class)
            && !class.0.starts_with(b"__torch__")
            && (classes.len() < 20 || classes.contains_key(&class))
        {
            *classes.entry(class).or_default() += 1;
        }
    }
    for ((module, name), n) in classes {
        let [module, name] = [module, name].map(String::from_utf8_lossy);
        let shown: String = format!("{module}.{name}").chars().take(100).collect();
        let times = if n == 1 { "once".to_owned() } else { format!("{n} times") };
        checkpoint.notes.push(format!("stepped over the class {shown} ({times})"));
    }
}

/// The part that holds the weights, and the keys that lead there.
fn find_root(arena: &Arena<'_>, top: Handle) -> (Handle, Vec<&'static str>) {
    let (mut at, mut path) = (top, Vec::new());
    let mut budget = 16 * arena.nodes().len() + 4096;
    while path.len() < 4 {
        let counted: Vec<(&'static str, Handle, usize)> = ROOTS
            .into_iter()
            .filter_map(|key| {
                let value = arena.lookup(at, key)?;
                Some((key, value, count_tensors(arena, value, 0, &mut budget)))
            })
            .filter(|(_, _, n)| *n > 0)
            .collect();
        let most = counted.iter().map(|(_, _, n)| *n).max().unwrap_or(0);
        // Averages of a few tensors only must not hide the whole network.
        let Some(&(key, value, n)) = counted.iter().find(|(_, _, n)| 2 * n >= most) else { break };
        if direct_tensors(arena, at) > n {
            break;
        }
        path.push(key);
        at = value;
    }
    (at, path)
}

fn direct_tensors(arena: &Arena<'_>, handle: Handle) -> usize {
    let Node::Dict(entries) = arena.get(handle) else { return 0 };
    let values = entries.as_chunks::<2>().0.iter();
    values.filter(|[_, value]| matches!(arena.get(*value), Node::Tensor(_))).count()
}

/// Tensors under text keys, through nested dictionaries and modules.
fn count_tensors(arena: &Arena<'_>, handle: Handle, depth: usize, budget: &mut usize) -> usize {
    let dict = match arena.get(handle) {
        Node::Object(_, state) => *state,
        _ => handle,
    };
    let Node::Dict(entries) = arena.get(dict) else { return 0 };
    let mut n = 0;
    for &[key, value] in entries.as_chunks::<2>().0 {
        if *budget == 0 || depth > 8 {
            break;
        }
        *budget -= 1;
        if matches!(arena.get(key), Node::Text(_)) {
            n += match arena.get(value) {
                Node::Tensor(_) => 1,
                _ => count_tensors(arena, value, depth + 1, budget),
            };
        }
    }
    n
}

struct Walk<'a, 'b> {
    arena: &'a Arena<'b>,
    /// Names, and the arguments of each tensor's rebuilding.
    found: BTreeMap<String, Handle>,
    /// Bytes of names that may still be made.
    budget: usize,
}

impl Walk<'_, '_> {
    /// Collects what lies below; `None` when the budget is spent.
    fn visit(&mut self, name: &str, handle: Handle, depth: usize, whole_file: bool) -> Option<()> {
        let arena = self.arena;
        match arena.get(handle) {
            Node::Tensor(arguments) => {
                self.found.insert(name.to_owned(), *arguments);
            }
            _ if depth >= MAX_DEPTH => {}
            Node::Dict(entries) => self.visit_dict(name, entries, depth, whole_file)?,
            Node::List(items) => self.visit_items(name, items, depth)?,
            Node::Tuple(items) => self.visit_items(name, items, depth)?,
            Node::Object(class, state) => {
                let parts =
                    ["_parameters", "_buffers", "_modules"].map(|p| arena.lookup(*state, p));
                if parts.iter().any(Option::is_some) {
                    // A whole torch.nn.Module.
                    for part in parts.into_iter().flatten() {
                        self.visit(name, part, depth + 1, false)?;
                    }
                } else if arena.global(*class).is_some_and(|(m, _)| m.starts_with(b"__torch__")) {
                    self.visit(name, *state, depth + 1, false)?;
                }
            }
            _ => {}
        }
        Some(())
    }

    fn visit_dict(
        &mut self,
        name: &str,
        entries: &[Handle],
        depth: usize,
        whole_file: bool,
    ) -> Option<()> {
        for &[key, value] in entries.as_chunks::<2>().0 {
            if !self.may_hold_tensors(value)? {
                continue;
            }
            let key = match self.arena.get(key) {
                Node::Text(span) => self.arena.string(*span),
                Node::Int(n) => n.to_string().into(),
                _ => continue,
            };
            if whole_file && depth == 0 && NO_WEIGHTS.contains(&&*key) {
                continue;
            }
            self.visit_part(name, &key, value, depth)?;
        }
        Some(())
    }

    fn visit_items(&mut self, name: &str, items: &[Handle], depth: usize) -> Option<()> {
        for (i, &item) in items.iter().enumerate() {
            if self.may_hold_tensors(item)? {
                self.visit_part(name, &i.to_string(), item, depth)?;
            }
        }
        Some(())
    }

    fn visit_part(&mut self, name: &str, part: &str, value: Handle, depth: usize) -> Option<()> {
        self.budget = self.budget.checked_sub(name.len() + part.len() + 32)?;
        let full = if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
        self.visit(&full, value, depth + 1, false)
    }

    fn may_hold_tensors(&mut self, handle: Handle) -> Option<bool> {
        self.budget = self.budget.checked_sub(1)?;
        Some(match self.arena.get(handle) {
            Node::Tensor(_) | Node::Object(..) => true,
            Node::Dict(items) | Node::List(items) => !items.is_empty(),
            Node::Tuple(items) => !items.is_empty(),
            _ => false,
        })
    }
}

/// Why a tensor is not taken.
pub(super) enum Odd {
    /// An element type that is stepped over.
    Foreign(String),
    /// It cannot be what it says.
    Wrong(String),
}

fn wrong<T>(reason: impl Into<String>) -> Result<T, Odd> {
    Err(Odd::Wrong(reason.into()))
}

/// Makes an entry of the arguments (storage, offset, shape, strides, ...).
fn tensor(
    arena: &Arena<'_>,
    arguments: Handle,
    storages: &mut dyn Storages,
) -> Result<Result<Entry, Odd>> {
    let view = match View::parse(arena, arguments) {
        Ok(view) => view,
        Err(odd) => return Ok(Err(odd)),
    };
    let Some(storage) = storages.find(&view.key)? else {
        return Ok(wrong(format!("lacks its data (storage {:?})", view.key)));
    };
    Ok(view.into_entry(storage))
}

struct View {
    key: String,
    /// The type of the storage, and of the tensor where it differs.
    stored: ElementType,
    dtype: ElementType,
    /// Elements of the storage, as the pickle says.
    numel: u64,
    offset: u64,
    shape: Vec<usize>,
    strides: Vec<u64>,
}

impl View {
    fn parse(arena: &Arena<'_>, arguments: Handle) -> Result<Self, Odd> {
        let Some([storage, offset, shape, strides, rest @ ..]) = arena.items(arguments) else {
            return wrong("is described by too few values");
        };
        let Node::Storage(id) = arena.get(*storage) else {
            return wrong("has no storage");
        };
        let (key, stored, numel, view) = storage_id(arena, *id)?;
        let numbers = |handle: Handle| -> Option<Vec<u64>> {
            let items = arena.items(handle).filter(|items| items.len() <= 64)?;
            items.iter().map(|item| arena.unsigned(*item)).collect()
        };
        let (Some(offset), Some(shape), Some(strides)) =
            (arena.unsigned(*offset), numbers(*shape), numbers(*strides))
        else {
            return wrong("has an offset, shape or strides that are no numbers");
        };
        let Ok(shape) = shape.into_iter().map(usize::try_from).collect() else {
            return wrong("has a shape that overflows");
        };
        let Some(offset) = offset.checked_add(view) else {
            return wrong("has an offset that overflows");
        };
        // The third form of rebuilding adds the element type after two flags.
        let dtype = match rest.get(2).and_then(|dtype| arena.global(*dtype)) {
            Some((b"torch", name)) => {
                let name = String::from_utf8_lossy(name);
                ElementType::from_torch_name(&name)
                    .ok_or_else(|| Odd::Foreign(name.into_owned()))?
            }
            _ => stored,
        };
        Ok(Self { key, stored, dtype, numel, offset, shape, strides })
    }

    fn into_entry(self, storage: Arc<Storage>) -> Result<Entry, Odd> {
        let bytes = self.numel.checked_mul(self.stored.size() as u64);
        if bytes.is_none_or(|bytes| bytes > storage.len) {
            return wrong(format!(
                "needs {} elements of storage {:?}, which has {} bytes",
                self.numel, self.key, storage.len
            ));
        }
        Entry::strided(self.dtype, self.shape, storage, self.offset, Some(self.strides))
            .map_err(Odd::Wrong)
    }
}

/// Key, element type, number of elements, and the elements before a view, of a persistent id:
/// `("storage", class, key, device, numel)`, in old files with `(key, offset, size)` of a view.
pub(super) fn storage_id(
    arena: &Arena<'_>,
    id: Handle,
) -> Result<(String, ElementType, u64, u64), Odd> {
    let Some([kind, class, key, _, numel, rest @ ..]) = arena.items(id) else {
        return wrong("has a storage that is not described");
    };
    if arena.text(*kind).as_deref() != Some("storage") {
        return wrong("has a storage of an unknown kind");
    }
    let Some((_, class)) = arena.global(*class) else {
        return wrong("has a storage without a class");
    };
    let class = String::from_utf8_lossy(class);
    let stored =
        ElementType::from_storage_class(&class).ok_or_else(|| Odd::Foreign(class.into_owned()))?;
    let key = match arena.get(*key) {
        Node::Text(span) => arena.string(*span).into_owned(),
        Node::Int(n) => n.to_string(),
        _ => return wrong("has a storage without a key"),
    };
    let Some(numel) = arena.unsigned(*numel) else {
        return wrong("has a storage without a size");
    };
    let view = rest.first().and_then(|view| arena.items(*view)).and_then(|view| view.get(1));
    let view = view.and_then(|offset| arena.unsigned(*offset)).unwrap_or(0);
    Ok((key, stored, numel, view))
}
