//! NumPy arrays inside a pickle: what they are, without running NumPy.
//!
//! An array is its shape, element type, order and bytes, so nothing has to be called to read one;
//! arrays of Python objects are stepped over. Source: `numpy.core.multiarray._reconstruct` with the
//! state of `ndarray.__reduce__`, and `numpy.core.numeric._frombuffer` of protocol 5.

use std::borrow::Cow;

use super::entry::ElementType;
use super::pickle::{Arena, Described, Handle, Node};

/// An array that could be read.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) dtype: ElementType,
    pub(super) shape: Vec<usize>,
    /// Elements to step for each dimension, where columns come first.
    pub(super) strides: Option<Vec<u64>>,
    /// The value that holds the bytes.
    pub(super) data: Handle,
}

/// What an array's description says; the reason if it cannot be read.
pub(super) fn array(
    arena: &Arena<'_>,
    described: Described,
    from: Handle,
) -> Result<Array, String> {
    let parts = arena.items(from).unwrap_or_default();
    let none = Arena::EMPTY_TUPLE;
    let (dtype, shape, columns, data) = match (described, parts) {
        (Described::State, &[_, shape, dtype, order, data] | &[shape, dtype, order, data]) => {
            (dtype, shape, matches!(arena.get(order), Node::Bool(true)), data)
        }
        (Described::Buffer, &[data, dtype, shape, order]) => {
            (dtype, shape, arena.word(order).as_deref() == Some("F"), data)
        }
        (Described::Scalar, &[dtype, data]) => (dtype, none, false, data),
        _ => return Err("is not described as NumPy does".to_owned()),
    };
    let dtype = element_type(arena, dtype)?;
    let shape = arena.items(shape).filter(|shape| shape.len() <= 32);
    let shape: Option<Vec<usize>> = shape.and_then(|shape| {
        shape.iter().map(|&n| usize::try_from(arena.unsigned(n)?).ok()).collect()
    });
    let Some(shape) = shape else { return Err("has no shape".to_owned()) };
    let mut step = 1_u64;
    let strides = columns.then(|| {
        let next = |n: &usize| {
            let stride = step;
            step = step.saturating_mul((*n).max(1) as u64);
            stride
        };
        shape.iter().map(next).collect()
    });
    Ok(Array { dtype, shape, strides, data })
}

fn element_type(arena: &Arena<'_>, handle: Handle) -> Result<ElementType, String> {
    let Node::NumpyType(arguments, state) = arena.get(handle) else {
        return Err("has no element type".to_owned());
    };
    let code = arena.items(arguments).and_then(|a| a.first()).and_then(|code| arena.word(*code));
    let code = code.unwrap_or_default();
    let order = arena.items(state).and_then(|s| s.get(1)).and_then(|order| arena.word(*order));
    if order.as_deref() == Some(">") {
        return Err("has its bytes in big-endian order".to_owned());
    }
    Ok(match &*code {
        "f8" => ElementType::F64,
        "f4" => ElementType::F32,
        "f2" => ElementType::F16,
        "i8" => ElementType::I64,
        "i4" => ElementType::I32,
        "i2" => ElementType::I16,
        "i1" => ElementType::I8,
        "u8" => ElementType::U64,
        "u4" => ElementType::U32,
        "u2" => ElementType::U16,
        "u1" => ElementType::U8,
        "b1" => ElementType::Bool,
        _ => {
            let code: String = code.chars().take(20).collect();
            return Err(format!("is of NumPy's type {code:?}"));
        }
    })
}

/// The bytes that a value stands for.
pub(super) fn bytes<'a>(arena: &Arena<'a>, handle: Handle) -> Option<Cow<'a, [u8]>> {
    match arena.get(handle) {
        // Python 2 has text where later ones have bytes.
        Node::Bytes(span) | Node::Text(span) => Some(arena.bytes(span).into()),
        Node::Latin(span) => {
            let text = std::str::from_utf8(arena.bytes(span)).ok()?;
            let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
            bytes.map(Cow::Owned)
        }
        _ => None,
    }
}
