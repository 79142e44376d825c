//! How many tensors lie below each value of a pickle, counted once a value.
//!
//! With these numbers a walk goes only where tensors are, so that neither a maze of empty lists nor
//! an object that contains itself costs more than its size.

use std::collections::BTreeMap;

use super::super::budget::{Budget, Spent};
use super::role::Role;
use super::values::{Arena, Handle, Node};

/// Not seen yet.
const NEW: u32 = u32::MAX;
/// Being counted: whoever meets it is inside of it.
const OPEN: u32 = u32::MAX - 1;
const MOST: u32 = u32::MAX - 2;

/// Dictionaries of a `torch.nn.Module` that hold its tensors and its parts.
const PARTS: [&[u8]; 3] = [b"_parameters", b"_buffers", b"_modules"];

/// See [`Reach::of`].
#[derive(Debug)]
pub(crate) struct Reach {
    counts: Vec<u32>,
    /// For each state of an object that was looked at: its [`PARTS`].
    parts: BTreeMap<Handle, [Option<Handle>; 3]>,
    /// Whether some value contains itself, and whether a module does.
    loops: [bool; 2],
}

struct Open {
    handle: Handle,
    next: u32,
    sum: u32,
}

/// What follows in a container.
pub(crate) enum Child {
    /// A value that a walk goes to; its number in the container.
    At(Handle),
    /// Something that no tensor's name leads through.
    Other,
    /// There is no more.
    End,
}

impl Reach {
    /// Counts the tensors below every value that can be reached from `top`; one that stands in many
    /// places is counted in each.
    pub(crate) fn of(arena: &Arena<'_>, top: Handle, budget: &mut Budget) -> Result<Self, Spent> {
        let counts = vec![NEW; arena.len()];
        let mut reach = Self { counts, parts: BTreeMap::new(), loops: [false; 2] };
        let mut open = Vec::new();
        reach.enter(arena, top, &mut open, budget)?;
        while let Some(frame) = open.last_mut() {
            budget.steps(1)?;
            match reach.child(arena, frame.handle, frame.next) {
                Child::End => {
                    let (handle, sum) = (frame.handle, frame.sum);
                    open.pop();
                    reach.set(handle, sum);
                    if let Some(parent) = open.last_mut() {
                        parent.sum = parent.sum.saturating_add(sum).min(MOST);
                    }
                }
                Child::Other => frame.next += 1,
                Child::At(child) => {
                    frame.next += 1;
                    match reach.counts.get(child.index()).copied().unwrap_or(0) {
                        NEW => {
                            if let Some(sum) = reach.enter(arena, child, &mut open, budget)?
                                && let Some(parent) = open.last_mut()
                            {
                                parent.sum = parent.sum.saturating_add(sum).min(MOST);
                            }
                        }
                        OPEN => {
                            let module = matches!(arena.get(child), Node::Object(..));
                            reach.loops = [true, reach.loops[1] || module];
                        }
                        n => frame.sum = frame.sum.saturating_add(n).min(MOST),
                    }
                }
            }
        }
        Ok(reach)
    }

    /// Begins a value; gives its count at once if nothing can be below it.
    fn enter(
        &mut self,
        arena: &Arena<'_>,
        handle: Handle,
        open: &mut Vec<Open>,
        budget: &mut Budget,
    ) -> Result<Option<u32>, Spent> {
        let leaf = match arena.get(handle) {
            Node::Tensor(_) => 1,
            Node::Array(_, from) => u32::from(from != Arena::NONE),
            Node::Dict(_) | Node::List(_) | Node::Tuple(_) => {
                budget.room(open, 1)?;
                open.push(Open { handle, next: 0, sum: 0 });
                self.set(handle, OPEN);
                return Ok(None);
            }
            Node::Object(_, state) => {
                self.find_parts(arena, state, budget)?;
                budget.room(open, 1)?;
                open.push(Open { handle, next: 0, sum: 0 });
                self.set(handle, OPEN);
                return Ok(None);
            }
            _ => 0,
        };
        self.set(handle, leaf);
        Ok(Some(leaf))
    }

    fn set(&mut self, handle: Handle, count: u32) {
        if let Some(place) = self.counts.get_mut(handle.index()) {
            *place = count;
        }
    }

    /// Every entry of a state is looked at once, however many objects share it.
    fn find_parts(
        &mut self,
        arena: &Arena<'_>,
        state: Handle,
        budget: &mut Budget,
    ) -> Result<(), Spent> {
        let Some(entries) = arena.entries(state) else { return Ok(()) };
        if self.parts.contains_key(&state) {
            return Ok(());
        }
        budget.steps(entries.len() as u64)?;
        let mut parts = [None; 3];
        for &[key, value] in entries {
            if let Node::Text(span) = arena.get(key)
                && let Some(place) = PARTS.iter().position(|part| *part == arena.bytes(span))
            {
                parts[place] = Some(value);
            }
        }
        if parts.iter().any(Option::is_some) {
            budget.memory(64)?;
            self.parts.insert(state, parts);
        }
        Ok(())
    }

    /// The `n`th thing in a value that tensors' names may lead through.
    pub(crate) fn child(&self, arena: &Arena<'_>, handle: Handle, n: u32) -> Child {
        let n = n as usize;
        match arena.get(handle) {
            Node::Dict(_) => match arena.entries(handle).and_then(|entries| entries.get(n)) {
                Some(&[key, value]) => match arena.get(key) {
                    Node::Text(_) | Node::Int(_) => Child::At(value),
                    _ => Child::Other,
                },
                None => Child::End,
            },
            Node::List(_) | Node::Tuple(_) => arena
                .items(handle)
                .and_then(|items| items.get(n))
                .map_or(Child::End, |&h| Child::At(h)),
            Node::Object(class, state) => {
                if let Some(parts) = self.parts.get(&state) {
                    return match parts.get(n) {
                        Some(Some(part)) => Child::At(*part),
                        Some(None) => Child::Other,
                        None => Child::End,
                    };
                }
                let script = arena.class(class).is_some_and(|(_, c)| c.role == Role::Script);
                if script && n == 0 { Child::At(state) } else { Child::End }
            }
            _ => Child::End,
        }
    }

    /// Tensors below a value.
    pub(crate) fn tensors(&self, handle: Handle) -> usize {
        match self.counts.get(handle.index()) {
            Some(&n) if n <= MOST => n as usize,
            _ => 0,
        }
    }

    /// Whether some value contains itself, where names of tensors could lead through.
    pub(crate) fn loops(&self) -> bool {
        self.loops[0]
    }

    /// Whether a module contains itself, which no network does.
    pub(crate) fn module_loops(&self) -> bool {
        self.loops[1]
    }
}
