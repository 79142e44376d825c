//! What a pickle's values are here, and the arena that holds them.

use std::borrow::Cow;

use super::super::budget::{Budget, Spent};
use super::role::Role;

/// A value's number in its arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle(u32);

impl Handle {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A range of the pickle's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// A value of 16 bytes. Containers are kept beside, so that one value can stand in many places.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A whole number beyond 64 bits, little-endian.
    Long(Span),
    Text(Span),
    Bytes(Span),
    /// Bytes that protocol 2 writes as text, a character a byte.
    Latin(Span),
    Tuple(Slice),
    List(Slot),
    /// Keys and values in turn.
    Dict(Slot),
    /// A class or function.
    Global(ClassId),
    /// An instance of a class that is not known here: class, state.
    Object(Handle, Handle),
    /// What stands for a tensor's data: the tuple of its persistent id.
    Storage(Handle),
    /// A tensor: the arguments of its rebuilding, checked when it is asked for.
    Tensor(Handle),
    /// NumPy's element type: arguments, state.
    NumpyType(Handle, Handle),
    /// An array of NumPy: how it is described, and where (arguments or state).
    Array(Described, Handle),
    /// Sets and other things of which only the presence matters.
    Opaque,
}

/// Consecutive handles of the arena.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    start: u32,
    len: u32,
}

/// A list that can still grow; empty ones have no place of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(u32);

const EMPTY: Slot = Slot(u32::MAX);

/// The number of a class or function in the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClassId(u32);

impl ClassId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// How NumPy describes an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Described {
    /// State: version, shape, element type, whether columns come first, bytes.
    State,
    /// Arguments: bytes, element type, shape, order.
    Buffer,
    /// Arguments: element type, bytes of one number.
    Scalar,
}

/// A class or function, and what it means here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Class {
    pub(crate) module: Span,
    pub(crate) name: Span,
    pub(crate) role: Role,
}

/// Nodes of one piece; pieces never move, so growing copies nothing.
const PIECE: usize = 1 << 10;

/// All values of one pickle, with its bytes.
#[derive(Debug)]
pub(crate) struct Arena<'a> {
    data: &'a [u8],
    pieces: Vec<Vec<Node>>,
    /// Items of all tuples.
    items: Vec<Handle>,
    /// Items of lists and dictionaries.
    lists: Vec<Vec<Handle>>,
    classes: Vec<Class>,
}

impl<'a> Arena<'a> {
    pub(crate) const NONE: Handle = Handle(0);
    pub(crate) const FALSE: Handle = Handle(1);
    pub(crate) const TRUE: Handle = Handle(2);
    pub(crate) const EMPTY_TUPLE: Handle = Handle(3);
    pub(crate) const OPAQUE: Handle = Handle(4);
    /// Whole numbers of one byte are there from the start.
    const SMALL: u32 = 5;
    const FIRST_OWN: u32 = Self::SMALL + 256;
    /// Bytes for each value: itself, and the number of tensors below it (see `flatten`).
    const PER_NODE: u64 = (size_of::<Node>() + size_of::<u32>()) as u64;

    pub(super) fn new(data: &'a [u8]) -> Self {
        let mut first = Vec::with_capacity(PIECE);
        let nothing = Slice { start: 0, len: 0 };
        first.extend([Node::None, Node::Bool(false), Node::Bool(true), Node::Tuple(nothing)]);
        first.push(Node::Opaque);
        first.extend((0..256).map(Node::Int));
        Self { data, pieces: vec![first], items: vec![], lists: vec![], classes: vec![] }
    }

    /// The number of a value that fits a byte.
    pub(super) fn small(number: u8) -> Handle {
        Handle(Self::SMALL + u32::from(number))
    }

    pub(super) fn add(&mut self, node: Node, budget: &mut Budget) -> Result<Handle, Spent> {
        budget.memory(Self::PER_NODE)?;
        let full = self.pieces.last().is_none_or(|piece| piece.len() == PIECE);
        if full {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        if let Some(last) = self.pieces.last_mut() {
            last.push(node);
        }
        // A value takes at least one byte of a pickle of at most 4 GiB.
        Ok(Handle((self.len() - 1) as u32))
    }

    pub(super) fn add_tuple(
        &mut self,
        items: &[Handle],
        budget: &mut Budget,
    ) -> Result<Handle, Spent> {
        if items.is_empty() {
            return Ok(Self::EMPTY_TUPLE);
        }
        budget.steps(items.len() as u64)?;
        budget.room(&mut self.items, items.len())?;
        let slice = Slice { start: self.items.len() as u32, len: items.len() as u32 };
        self.items.extend_from_slice(items);
        self.add(Node::Tuple(slice), budget)
    }

    pub(super) fn add_list(
        &mut self,
        items: &[Handle],
        node: fn(Slot) -> Node,
        budget: &mut Budget,
    ) -> Result<Handle, Spent> {
        let handle = self.add(node(EMPTY), budget)?;
        self.extend(handle, items, budget)?;
        Ok(handle)
    }

    /// Adds to a list or dictionary; anything else takes nothing.
    pub(super) fn extend(
        &mut self,
        handle: Handle,
        items: &[Handle],
        budget: &mut Budget,
    ) -> Result<(), Spent> {
        if items.is_empty() {
            return Ok(());
        }
        budget.steps(items.len() as u64)?;
        let lists = &mut self.lists;
        let node = self.pieces.get_mut(handle.index() / PIECE);
        let node = node.and_then(|piece| piece.get_mut(handle.index() % PIECE));
        if let Some(Node::List(slot) | Node::Dict(slot)) = node {
            if *slot == EMPTY {
                budget.room(lists, 1)?;
                *slot = Slot(lists.len() as u32);
                lists.push(Vec::new());
            }
            if let Some(list) = lists.get_mut(slot.0 as usize) {
                budget.room(list, items.len())?;
                list.extend_from_slice(items);
            }
        }
        Ok(())
    }

    pub(super) fn add_class(&mut self, class: Class, budget: &mut Budget) -> Result<Handle, Spent> {
        budget.room(&mut self.classes, 1)?;
        let id = ClassId(self.classes.len() as u32);
        self.classes.push(class);
        self.add(Node::Global(id), budget)
    }

    /// Gives an object that was made its state.
    pub(super) fn set_state(&mut self, handle: Handle, state: Handle) {
        if handle.0 < Self::FIRST_OWN {
            return;
        }
        let node = self.pieces.get_mut(handle.index() / PIECE);
        if let Some(
            Node::Object(_, kept) | Node::NumpyType(_, kept) | Node::Array(Described::State, kept),
        ) = node.and_then(|piece| piece.get_mut(handle.index() % PIECE))
        {
            *kept = state;
        }
    }

    pub(crate) fn get(&self, handle: Handle) -> Node {
        let piece = self.pieces.get(handle.index() / PIECE);
        piece.and_then(|p| p.get(handle.index() % PIECE)).copied().unwrap_or(Node::Opaque)
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        let last = self.pieces.last().map_or(0, Vec::len);
        self.pieces.len().saturating_sub(1) * PIECE + last
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        self.pieces.iter().flatten().copied()
    }

    pub(crate) fn bytes(&self, span: Span) -> &'a [u8] {
        let start = span.start as usize;
        self.data.get(start..start + span.len as usize).unwrap_or_default()
    }

    /// Text as a string; bytes that are no UTF-8 are replaced.
    pub(crate) fn string(&self, span: Span) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes(span))
    }

    /// The text, if the value is a short one: names and words. A long one would be looked through each
    /// time that something names it.
    pub(crate) fn word(&self, handle: Handle) -> Option<Cow<'a, str>> {
        match self.get(handle) {
            Node::Text(span) if span.len <= 200 => Some(self.string(span)),
            _ => None,
        }
    }

    /// Bytes that text or bytes take in the pickle.
    pub(crate) fn length(&self, handle: Handle) -> u64 {
        match self.get(handle) {
            Node::Text(span) | Node::Bytes(span) | Node::Latin(span) => u64::from(span.len),
            _ => 0,
        }
    }

    /// The number, if the value is a whole number that is not negative.
    pub(crate) fn unsigned(&self, handle: Handle) -> Option<u64> {
        match self.get(handle) {
            Node::Int(n) => u64::try_from(n).ok(),
            _ => None,
        }
    }

    /// The items of a tuple or list.
    pub(crate) fn items(&self, handle: Handle) -> Option<&[Handle]> {
        match self.get(handle) {
            Node::Tuple(slice) => {
                let start = slice.start as usize;
                self.items.get(start..start + slice.len as usize)
            }
            Node::List(slot) => Some(self.list(slot)),
            _ => None,
        }
    }

    /// Keys and values of a dictionary.
    pub(crate) fn entries(&self, handle: Handle) -> Option<&[[Handle; 2]]> {
        match self.get(handle) {
            Node::Dict(slot) => Some(self.list(slot).as_chunks::<2>().0),
            _ => None,
        }
    }

    fn list(&self, slot: Slot) -> &[Handle] {
        self.lists.get(slot.0 as usize).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The class, if the value is a class or function.
    pub(crate) fn class(&self, handle: Handle) -> Option<(ClassId, Class)> {
        match self.get(handle) {
            Node::Global(id) => Some((id, *self.classes.get(id.index())?)),
            _ => None,
        }
    }

    /// Module and name of a class or function.
    pub(crate) fn global(&self, handle: Handle) -> Option<(&'a [u8], &'a [u8])> {
        self.class(handle).map(|(_, class)| (self.bytes(class.module), self.bytes(class.name)))
    }

    /// The value under a text key of a dictionary, the last one if there are several. Looks at every
    /// entry: for a few questions a file, not for one a value.
    pub(crate) fn lookup(&self, dict: Handle, key: &str) -> Option<Handle> {
        self.entries(dict)?.iter().rev().find_map(|&[k, value]| match self.get(k) {
            Node::Text(span) if self.bytes(span) == key.as_bytes() => Some(value),
            _ => None,
        })
    }
}
