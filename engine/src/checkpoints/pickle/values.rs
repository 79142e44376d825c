//! What a pickle's values are here, and the arena that holds them.

/// A value's number in its arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle(u32);

/// A range of the pickle's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// A value. Containers hold handles, so that one value can stand in many places.
#[derive(Debug)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A whole number beyond 64 bits, little-endian.
    Long(Span),
    Text(Span),
    Tuple(Box<[Handle]>),
    List(Vec<Handle>),
    /// Keys and values in turn.
    Dict(Vec<Handle>),
    /// A class or function, by module and name.
    Global(Span, Span),
    /// An instance of a class that is not known here: class, state.
    Object(Handle, Handle),
    /// What stands for a tensor's data: the tuple of its persistent id.
    Storage(Handle),
    /// A tensor: the arguments of its rebuilding, checked when it is asked for.
    Tensor(Handle),
    /// Bytes, sets, and other things of which only the presence matters.
    Opaque,
}

/// All values of one pickle, with its bytes.
#[derive(Debug)]
pub(crate) struct Arena<'a> {
    data: &'a [u8],
    nodes: Vec<Node>,
}

impl<'a> Arena<'a> {
    pub(crate) const NONE: Handle = Handle(0);
    pub(crate) const FALSE: Handle = Handle(1);
    pub(crate) const TRUE: Handle = Handle(2);
    pub(crate) const EMPTY_TUPLE: Handle = Handle(3);
    pub(crate) const OPAQUE: Handle = Handle(4);

    pub(super) fn new(data: &'a [u8]) -> Self {
        let nodes = vec![
            Node::None,
            Node::Bool(false),
            Node::Bool(true),
            Node::Tuple(Box::default()),
            Node::Opaque,
        ];
        Self { data, nodes }
    }

    pub(super) fn add(&mut self, node: Node) -> Handle {
        // A value takes at least one byte of a pickle of at most 4 GiB.
        self.nodes.push(node);
        Handle((self.nodes.len() - 1) as u32)
    }

    pub(crate) fn get(&self, handle: Handle) -> &Node {
        self.nodes.get(handle.0 as usize).unwrap_or(&Node::Opaque)
    }

    pub(super) fn get_mut(&mut self, handle: Handle) -> Option<&mut Node> {
        // The shared constants never change.
        if handle.0 <= Self::OPAQUE.0 { None } else { self.nodes.get_mut(handle.0 as usize) }
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn bytes(&self, span: Span) -> &'a [u8] {
        let start = span.start as usize;
        self.data.get(start..start + span.len as usize).unwrap_or_default()
    }

    /// Text as a string; bytes that are no UTF-8 are replaced.
    pub(crate) fn string(&self, span: Span) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.bytes(span))
    }

    /// The text, if the value is text.
    pub(crate) fn text(&self, handle: Handle) -> Option<std::borrow::Cow<'a, str>> {
        match self.get(handle) {
            Node::Text(span) => Some(self.string(*span)),
            _ => None,
        }
    }

    /// The number, if the value is a whole number that is not negative.
    pub(crate) fn unsigned(&self, handle: Handle) -> Option<u64> {
        match self.get(handle) {
            Node::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The items of a tuple or list.
    pub(crate) fn items(&self, handle: Handle) -> Option<&[Handle]> {
        match self.get(handle) {
            Node::Tuple(items) => Some(items),
            Node::List(items) => Some(items),
            _ => None,
        }
    }

    /// Module and name of a class or function.
    pub(crate) fn global(&self, handle: Handle) -> Option<(&'a [u8], &'a [u8])> {
        match self.get(handle) {
            Node::Global(module, name) => Some((self.bytes(*module), self.bytes(*name))),
            _ => None,
        }
    }

    /// The value under a text key of a dictionary, the last one if there are several.
    pub(crate) fn lookup(&self, dict: Handle, key: &str) -> Option<Handle> {
        let Node::Dict(entries) = self.get(dict) else { return None };
        entries.as_chunks::<2>().0.iter().rev().find_map(|&[k, value]| match self.get(k) {
            Node::Text(span) if self.bytes(*span) == key.as_bytes() => Some(value),
            _ => None,
        })
    }
}
