//! One tensor of a pickle: from the arguments of its rebuilding to an [`Entry`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::budget::Budget;
use super::entry::{ElementType, Entry, Storage};
use super::numpy;
use super::pickle::{Arena, Described, Handle, Node};
use super::source::Source;
use crate::Result;

/// Where the data of a storage lies, by its key.
pub(super) trait Storages {
    /// The bytes of a storage; `None` if there is no such key.
    fn find(&mut self, key: &str, budget: &mut Budget) -> Result<Option<Arc<Storage>>>;
}

/// The storages of a pickle that stands alone.
pub(super) struct NoStorages;

impl Storages for NoStorages {
    fn find(&mut self, _: &str, _: &mut Budget) -> Result<Option<Arc<Storage>>> {
        Ok(None)
    }
}

/// Why a tensor is not taken.
pub(super) enum Odd {
    /// An element type that is stepped over.
    Foreign(String),
    /// Something that cannot be read and is stepped over, because it ...
    Over(String),
    /// It cannot be what it says.
    Wrong(String),
}

fn wrong<T>(reason: impl Into<String>) -> Result<T, Odd> {
    Err(Odd::Wrong(reason.into()))
}

/// Makes entries of a pickle's values.
pub(super) struct Rebuilder<'a, 'b> {
    pub(super) arena: &'a Arena<'b>,
    pub(super) source: &'a Source,
    pub(super) storages: &'a mut dyn Storages,
    pub(super) budget: &'a mut Budget,
    /// Bytes of NumPy arrays, by the value that holds them; `None` if it holds none.
    arrays: BTreeMap<Handle, Option<Arc<Storage>>>,
}

impl<'a, 'b> Rebuilder<'a, 'b> {
    pub(super) fn new(
        arena: &'a Arena<'b>,
        source: &'a Source,
        storages: &'a mut dyn Storages,
        budget: &'a mut Budget,
    ) -> Self {
        Self { arena, source, storages, budget, arrays: BTreeMap::new() }
    }

    /// The tensor that a value stands for. The outer error ends the reading of the file.
    pub(super) fn entry(&mut self, handle: Handle) -> Result<Result<Entry, Odd>> {
        match self.arena.get(handle) {
            Node::Tensor(arguments) => self.tensor(arguments),
            Node::Array(described, from) => self.array(described, from),
            _ => Ok(wrong("is no tensor")),
        }
    }

    /// Arguments: storage, offset, shape, strides, ...
    fn tensor(&mut self, arguments: Handle) -> Result<Result<Entry, Odd>> {
        let view = match View::parse(self.arena, arguments) {
            Ok(view) => view,
            Err(odd) => return Ok(Err(odd)),
        };
        let Some(storage) = self.storages.find(&view.key, self.budget)? else {
            return Ok(wrong(format!("lacks its data (storage {:?})", view.key)));
        };
        Ok(view.into_entry(storage))
    }

    fn array(&mut self, described: Described, from: Handle) -> Result<Result<Entry, Odd>> {
        let array = match numpy::array(self.arena, described, from) {
            Ok(array) => array,
            Err(reason) => return Ok(Err(Odd::Over(reason))),
        };
        if !self.arrays.contains_key(&array.data) {
            let storage = self.unpacked(array.data)?;
            self.arrays.insert(array.data, storage);
        }
        let Some(Some(storage)) = self.arrays.get(&array.data).cloned() else {
            return Ok(Err(Odd::Over("holds Python objects".to_owned())));
        };
        let len = storage.len;
        let entry = Entry::strided(array.dtype, array.shape, storage, 0, array.strides);
        Ok(match entry {
            Ok(entry) if entry.byte_len() as u64 == len => Ok(entry),
            Ok(entry) => {
                let reason = format!("needs {} bytes and has {len}", entry.byte_len());
                Err(Odd::Over(reason))
            }
            Err(reason) => Err(Odd::Over(reason)),
        })
    }

    /// The bytes that a value stands for, copied out of the pickle.
    fn unpacked(&mut self, data: Handle) -> Result<Option<Arc<Storage>>> {
        let paid = self.budget.memory(self.arena.length(data) + 128);
        paid.map_err(|spent| self.source.bad(spent, ""))?;
        let Some(bytes) = numpy::bytes(self.arena, data) else { return Ok(None) };
        let len = bytes.len() as u64;
        let source = Source::unpacked(self.source.path(), bytes.into_owned());
        Ok(Some(Arc::new(Storage { source, start: 0, len })))
    }
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
        let id = match arena.get(*storage) {
            Node::Storage(id) => id,
            // pickle.dump puts a storage as a whole file into bytes.
            Node::Object(..) => return Err(Odd::Over("was written with pickle.dump".to_owned())),
            _ => return wrong("has no storage"),
        };
        let (key, stored, numel, view) = storage_id(arena, id)?;
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
    if arena.word(*kind).as_deref() != Some("storage") {
        return wrong("has a storage of an unknown kind");
    }
    let Some((_, class)) = arena.global(*class) else {
        return wrong("has a storage without a class");
    };
    let class = String::from_utf8_lossy(class);
    let stored =
        ElementType::from_storage_class(&class).ok_or_else(|| Odd::Foreign(class.into_owned()))?;
    let key = match arena.get(*key) {
        Node::Text(span) if span.len <= 200 => arena.string(span).into_owned(),
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
