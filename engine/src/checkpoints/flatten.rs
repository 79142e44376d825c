//! From the values of a pickle to named tensors: which part holds the weights, and what its names are.

use std::collections::BTreeMap;

use super::Checkpoint;
use super::budget::{Budget, Spent};
use super::pickle::{Arena, Child, Handle, Node, Reach, Role};
use super::rebuilt::{Odd, Rebuilder, Storages};
use super::source::Source;
use crate::Result;

/// Where training scripts keep weights, the preferred one first (averaged weights before the last, as
/// LlamaGen's loader does).
pub(super) const ROOTS: [&str; 20] = [
    "ema",
    "params_ema",
    "ema_state_dict",
    "model_ema",
    "model",
    "state_dict",
    "module",
    "model_state_dict",
    "model_state",
    "params",
    "net",
    "network",
    "weights",
    "vqvae",
    "vqgan",
    "vae",
    "tokenizer",
    "generator",
    "g",
    "trainer",
];
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
/// Nesting beyond this is a mistake.
const MAX_DEPTH: usize = 64;
/// All tensors together may be this many times larger than the file (shared and expanded ones).
const MAX_GROWTH: u64 = 16;
/// What a tensor takes in memory besides its name, with what later stages keep of it.
const PER_TENSOR: u64 = 512;

/// Adds the tensors of a pickle's value to the checkpoint.
pub(super) fn fill(
    checkpoint: &mut Checkpoint,
    source: &Source,
    arena: &Arena<'_>,
    top: Handle,
    storages: &mut dyn Storages,
    budget: &mut Budget,
) -> Result<()> {
    let spent = |spent: Spent| source.bad(spent, "the file is damaged or made to exhaust memory");
    let reach = Reach::of(arena, top, budget).map_err(spent)?;
    if reach.module_loops() {
        return Err(contains_itself(source, ""));
    }
    checkpoint.metadata.extend(scalars(arena, top));
    let (root, path) = find_root(arena, &reach, top);
    if !path.is_empty() {
        checkpoint.root = Some(path.join("."));
    }
    note_classes(checkpoint, arena);
    // Nothing below a root of weights is called after an optimizer.
    let mut walks = vec![(root, None, path.is_empty())];
    if !path.is_empty() {
        walks.push((top, Some(root), true));
    }
    let mut found = Vec::new();
    for (from, not, skip) in walks {
        let mut walk = Walk {
            arena,
            reach: &reach,
            not,
            skip,
            found: BTreeMap::new(),
            path: vec![],
            deep: None,
        };
        walk.visit("", from, budget).map_err(|stop| match stop {
            Stop::Spent(reason) => spent(reason),
            Stop::Loop(name) => contains_itself(source, &name),
        })?;
        if let Some(name) = walk.deep {
            checkpoint.notes.push(format!("stepped over what is nested too deeply, at {name}"));
        }
        found.push(walk.found);
    }
    note_other_parts(checkpoint, arena, &reach, top, path.first().copied().unwrap_or_default());
    if found.iter().all(BTreeMap::is_empty) && reach.loops() {
        return Err(contains_itself(source, ""));
    }
    let mut rebuilder = Rebuilder::new(arena, source, storages, budget);
    let mut total = 0_u64;
    for (i, names) in found.into_iter().enumerate() {
        for (name, handle) in names {
            let name = if name.is_empty() { "tensor".to_owned() } else { name };
            let entry = match rebuilder.entry(handle)? {
                Ok(entry) => entry,
                Err(odd) => {
                    step_over(checkpoint, source, &name, odd)?;
                    continue;
                }
            };
            total = total.saturating_add(entry.byte_len() as u64);
            if total > source.len().saturating_mul(MAX_GROWTH) {
                let reason = format!(
                    "its tensors would take more than {MAX_GROWTH} times the file's size \
                     (reached at {name:?})"
                );
                return Err(source.bad(reason, "the file is damaged or made to exhaust memory"));
            }
            let list = if i == 0 { &mut checkpoint.tensors } else { &mut checkpoint.others };
            list.insert(name, entry);
        }
    }
    Ok(())
}

fn contains_itself(source: &Source, name: &str) -> crate::EngineError {
    let place = if name.is_empty() { String::new() } else { format!(", at {name}") };
    source.bad(
        format!("holds an object that contains itself{place}"),
        "the file is damaged or made to exhaust the reader; save the state_dict instead",
    )
}

/// The most notes of one kind.
const MAX_NOTES: usize = 100;

fn step_over(checkpoint: &mut Checkpoint, source: &Source, name: &str, odd: Odd) -> Result<()> {
    let short: String = name.chars().take(200).collect();
    let note = match odd {
        Odd::Foreign(what) => format!("stepped over {short} of element type {what}"),
        Odd::Over(reason) => format!("stepped over {short}, which {reason}"),
        Odd::Wrong(reason) => {
            let reason = format!("tensor {short:?} {reason}");
            return Err(source.bad(reason, "the file is damaged or incomplete"));
        }
    };
    if checkpoint.notes.len() < MAX_NOTES {
        checkpoint.notes.push(note);
    }
    Ok(())
}

/// Small facts that stand beside the weights, such as the epoch.
fn scalars(arena: &Arena<'_>, top: Handle) -> BTreeMap<String, String> {
    let entries = arena.entries(top).unwrap_or_default();
    let pairs = entries.iter().filter_map(|&[key, value]| {
        let value = match arena.get(value) {
            Node::Int(n) => n.to_string(),
            Node::Float(x) => x.to_string(),
            Node::Bool(b) => b.to_string(),
            Node::Text(span) if span.len <= 200 => arena.string(span).into_owned(),
            _ => return None,
        };
        Some((short_key(arena, key)?, value))
    });
    pairs.take(100).collect()
}

/// A key that is text of a reasonable length.
fn short_key(arena: &Arena<'_>, key: Handle) -> Option<String> {
    match arena.get(key) {
        Node::Text(span) if span.len <= 200 => Some(arena.string(span).into_owned()),
        _ => None,
    }
}

/// What else stands at the top of the file: other weights, and what is stepped over.
fn note_other_parts(
    checkpoint: &mut Checkpoint,
    arena: &Arena<'_>,
    reach: &Reach,
    top: Handle,
    root: &str,
) {
    if checkpoint.root.is_none() && !arena.entries(top).is_some_and(|e| holds_no_weights(arena, e))
    {
        return;
    }
    let (mut other, mut over) = (Vec::new(), Vec::new());
    for &[key, value] in arena.entries(top).unwrap_or_default() {
        if matches!(arena.get(value), Node::Int(_) | Node::Float(_) | Node::Bool(_)) {
            continue;
        }
        let Some(key) = short_key(arena, key).filter(|key| key != root) else { continue };
        let shown: String = key.chars().take(40).collect();
        match reach.tensors(value) {
            n if n > 0 && no_weights(&key) => {
                over.push(format!("{shown} ({n} tensors)"));
            }
            0 => over.push(shown),
            n if checkpoint.root.is_some() => other.push(format!("{shown} ({n} tensors)")),
            _ => {}
        }
        if over.len() >= 12 || other.len() >= 12 {
            break;
        }
    }
    if !other.is_empty() {
        checkpoint.notes.push(format!("also holds tensors under {}", other.join(", ")));
    }
    if !over.is_empty() {
        checkpoint.notes.push(format!("stepped over what is not weights: {}", over.join(", ")));
    }
}

fn holds_no_weights(arena: &Arena<'_>, entries: &[[Handle; 2]]) -> bool {
    entries.iter().any(|[key, _]| match arena.get(*key) {
        Node::Text(span) if span.len < 100 => no_weights(&arena.string(span)),
        _ => false,
    })
}

/// Whether a part of a training checkpoint is called after what holds no weights.
fn no_weights(part: &str) -> bool {
    NO_WEIGHTS.contains(&part) || part.contains("optimizer")
}

fn note_classes(checkpoint: &mut Checkpoint, arena: &Arena<'_>) {
    let mut objects = vec![0_usize; arena.classes().len()];
    for node in arena.nodes() {
        if let Node::Object(class, _) = node
            && let Some((id, _)) = arena.class(class)
            && let Some(n) = objects.get_mut(id.index())
        {
            *n += 1;
        }
    }
    // A class may be named many times.
    let mut classes: BTreeMap<(&[u8], &[u8]), usize> = BTreeMap::new();
    for (class, n) in arena.classes().iter().zip(objects).filter(|(_, n)| *n > 0) {
        let name = (arena.bytes(class.module), arena.bytes(class.name));
        if class.role != Role::Script && (classes.len() < 20 || classes.contains_key(&name)) {
            *classes.entry(name).or_default() += n;
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
fn find_root(arena: &Arena<'_>, reach: &Reach, top: Handle) -> (Handle, Vec<&'static str>) {
    let (mut at, mut path) = (top, Vec::new());
    while path.len() < 4 {
        let counted: Vec<(&'static str, Handle, usize)> = ROOTS
            .into_iter()
            .filter_map(|key| arena.lookup(at, key).map(|value| (key, value, reach.tensors(value))))
            .filter(|(_, value, n)| *n > 0 && !is_one_tensor(arena, *value))
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

fn is_one_tensor(arena: &Arena<'_>, handle: Handle) -> bool {
    matches!(arena.get(handle), Node::Tensor(_) | Node::Array(..))
}

fn direct_tensors(arena: &Arena<'_>, handle: Handle) -> usize {
    let entries = arena.entries(handle).unwrap_or_default();
    entries.iter().filter(|[_, value]| is_one_tensor(arena, *value)).count()
}

struct Walk<'a, 'b> {
    arena: &'a Arena<'b>,
    reach: &'a Reach,
    /// A value that is left out.
    not: Option<Handle>,
    /// Whether parts that hold no weights are left out.
    skip: bool,
    /// Names, and the value of each tensor.
    found: BTreeMap<String, Handle>,
    /// The values that lead to the present one.
    path: Vec<Handle>,
    /// A place that is nested too deeply.
    deep: Option<String>,
}

/// Why a walk ends early.
enum Stop {
    Spent(Spent),
    /// The name of what contains itself.
    Loop(String),
}

impl From<Spent> for Stop {
    fn from(spent: Spent) -> Self {
        Self::Spent(spent)
    }
}

impl Walk<'_, '_> {
    /// Collects the tensors below a value.
    fn visit(&mut self, name: &str, handle: Handle, budget: &mut Budget) -> Result<(), Stop> {
        if self.reach.tensors(handle) == 0 || Some(handle) == self.not {
            return Ok(());
        }
        budget.steps(1 + name.len() as u64 / 16)?;
        if is_one_tensor(self.arena, handle) {
            // A tensor takes more of a file than this: only one with very many names gets here.
            let paid = budget.memory(PER_TENSOR + name.len() as u64);
            paid.map_err(|_spent| Spent::Steps)?;
            self.found.insert(name.to_owned(), handle);
            return Ok(());
        }
        if self.path.contains(&handle) {
            return Err(Stop::Loop(name.chars().take(200).collect()));
        }
        if self.path.len() >= MAX_DEPTH {
            self.deep.get_or_insert_with(|| name.chars().take(200).collect());
            return Ok(());
        }
        self.path.push(handle);
        let node = self.arena.get(handle);
        let mut n = 0;
        loop {
            budget.steps(1)?;
            let child = match self.reach.child(self.arena, handle, n) {
                Child::At(child) if self.reach.tensors(child) > 0 => child,
                Child::At(_) | Child::Other => {
                    n += 1;
                    continue;
                }
                Child::End => break,
            };
            let part = match node {
                Node::Dict(_) => self.key(handle, n),
                Node::List(_) | Node::Tuple(_) => Some(n.to_string()),
                // A module's dictionaries have no names of their own.
                _ => None,
            };
            n += 1;
            let Some(part) = part else {
                self.visit(name, child, budget)?;
                continue;
            };
            if self.skip && self.path.len() <= 2 && no_weights(&part) {
                continue;
            }
            budget.steps((name.len() + part.len()) as u64 / 16)?;
            let full = if name.is_empty() { part } else { format!("{name}.{part}") };
            self.visit(&full, child, budget)?;
        }
        self.path.pop();
        Ok(())
    }

    fn key(&self, dict: Handle, n: u32) -> Option<String> {
        let [key, _] = *self.arena.entries(dict)?.get(n as usize)?;
        match self.arena.get(key) {
            Node::Text(span) => Some(self.arena.string(span).into_owned()),
            Node::Int(n) => Some(n.to_string()),
            _ => None,
        }
    }
}
