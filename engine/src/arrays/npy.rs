//! NumPy's `.npy`: a header that is a Python dictionary of three keys, then the numbers.
//!
//! Source: the format's description in `numpy.lib.format`, versions 1 to 3.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::array::{Array, Arrays, Data, Packed};
use super::dense::{Dense, product};
use super::origin::{AGAIN, Origin};
use crate::Result;
use crate::checkpoints::ElementType;

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy itself refuses headers above 10,000 bytes.
pub(super) const MAX_HEADER: u64 = 64 << 10;
/// More dimensions than NumPy has.
const MAX_DIMS: usize = 64;

/// Whether the bytes begin as a NumPy array does.
pub(super) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    /// Where the numbers begin.
    pub(super) start: u64,
    pub(super) dense: Dense,
}

/// Why an array is not taken.
#[derive(Debug)]
pub(super) enum Odd {
    /// It is sound, but holds no plain numbers: what it holds instead.
    Foreign(String),
    /// It is damaged.
    Broken(String),
}

/// The only array of a file.
pub(super) fn open(origin: &Origin) -> Result<Arrays> {
    let header = Header::parse(&origin.head(MAX_HEADER)?).map_err(|odd| match odd {
        Odd::Foreign(what) => origin
            .bad(format!("it holds {what}; codes are whole numbers, pixels plain ones"), PLAIN),
        Odd::Broken(reason) => origin.bad(reason, AGAIN),
    })?;
    header.fits(origin.len()).map_err(|reason| origin.bad(reason, AGAIN))?;
    let array = header.into_array("array".to_owned(), origin, 0);
    let (container, metadata) = ("NumPy array".to_owned(), BTreeMap::new());
    Ok(Arrays { container, members: vec![array], metadata, notes: Vec::new() })
}

const PLAIN: &str = "save it with whole or floating point numbers, such as x.astype(numpy.int64)";

impl Header {
    /// Reads the header at the start of `bytes`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Odd> {
        let short = || Odd::Broken("truncated: its header is not whole".to_owned());
        let (major, rest) = match bytes.get(MAGIC.len()..) {
            Some([major, _, rest @ ..]) if is_npy(bytes) => (*major, rest),
            _ => return Err(short()),
        };
        let (len, prefix): (usize, usize) = match (major, rest) {
            (1, [a, b, ..]) => (usize::from(u16::from_le_bytes([*a, *b])), 2),
            (2 | 3, [a, b, c, d, ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 4),
            (1..=3, _) => return Err(short()),
            _ => {
                let reason = format!("version {major} of the .npy format is not known");
                return Err(Odd::Broken(reason));
            }
        };
        let header = prefix.checked_add(len).and_then(|end| rest.get(prefix..end));
        let header = std::str::from_utf8(header.ok_or_else(short)?);
        let header = header.map_err(|e| Odd::Broken(format!("its header is no text: {e}")))?;
        let is_columns_first = match value(header, "fortran_order")? {
            "True" => true,
            "False" => false,
            other => return Err(Odd::Broken(format!("its fortran_order is {other:?}"))),
        };
        let shape = shape(value(header, "shape")?)?;
        let descr = value(header, "descr")?;
        let (element, is_big_endian) = element(descr)?;
        // One row or column lies the same either way.
        let is_columns_first =
            is_columns_first && shape.iter().filter(|size| **size != 1).count() > 1;
        let start = (MAGIC.len() + 2 + prefix + len) as u64;
        let is_big_endian = is_big_endian && element.size() > 1;
        Ok(Self { start, dense: Dense { element, shape, is_big_endian, is_columns_first } })
    }

    /// Whether header and numbers take exactly `len` bytes; the reason if not.
    pub(super) fn fits(&self, len: u64) -> Result<(), String> {
        let shape = &self.dense.shape;
        let needed = product(shape).and_then(|n| n.checked_mul(self.dense.element.size() as u64));
        let Some(needed) = needed else { return Err(format!("its shape {shape:?} overflows")) };
        let there = len.saturating_sub(self.start);
        if needed == there {
            return Ok(());
        }
        let what = if needed > there { "truncated" } else { "too long" };
        Err(format!("{what}: an array of {shape:?} takes {needed} bytes, the file has {there}"))
    }

    /// The array of a file whose `.npy` begins `at` bytes in.
    pub(super) fn into_array(self, name: String, origin: &Origin, at: u64) -> Array {
        let (origin, start) = (origin.clone(), at + self.start);
        let (shape, element) = (self.dense.shape.clone(), self.dense.element);
        let data = if self.dense.is_columns_first {
            Data::whole(Packed::Columns { origin, start, dense: self.dense })
        } else {
            Data::InPlace { origin, start, is_big_endian: self.dense.is_big_endian }
        };
        Array { name, shape, element, data: Arc::new(data) }
    }
}

/// The type of numbers, and whether their bytes come highest first.
fn element(descr: &str) -> Result<(ElementType, bool), Odd> {
    let kind = descr.trim_matches(['\'', '"']);
    let element = match kind.get(1..) {
        Some("b1") => ElementType::Bool,
        Some("u1") => ElementType::U8,
        Some("u2") => ElementType::U16,
        Some("u4") => ElementType::U32,
        Some("u8") => ElementType::U64,
        Some("i1") => ElementType::I8,
        Some("i2") => ElementType::I16,
        Some("i4") => ElementType::I32,
        Some("i8") => ElementType::I64,
        Some("f2") => ElementType::F16,
        Some("f4") => ElementType::F32,
        Some("f8") => ElementType::F64,
        rest => {
            let what = match (kind.starts_with('['), rest.and_then(|rest| rest.chars().next())) {
                (true, _) => "records of several fields",
                (_, Some('O')) => "Python objects",
                (_, Some('U' | 'S' | 'a')) => "text",
                (_, Some('c')) => "complex numbers",
                (_, Some('M' | 'm')) => "dates",
                _ => "something else",
            };
            let descr: String = descr.chars().take(40).collect();
            return Err(Odd::Foreign(format!("{what} ({descr})")));
        }
    };
    Ok((element, kind.starts_with('>')))
}

/// The text of a key's value in the header.
fn value<'a>(header: &'a str, key: &str) -> Result<&'a str, Odd> {
    let broken = |reason: String| Odd::Broken(reason);
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let rest = quoted.iter().find_map(|q| header.split_once(q.as_str())).map(|(_, rest)| rest);
    let rest = rest.and_then(|rest| rest.trim_start().strip_prefix(':'));
    let rest = rest.ok_or_else(|| broken(format!("its header has no {key}")))?.trim_start();
    let end = match rest.as_bytes().first() {
        Some(b'(') => rest.find(')').map(|i| i + 1),
        Some(b'[') => rest.find(']').map(|i| i + 1),
        _ => rest.find([',', '}']),
    };
    end.and_then(|end| rest.get(..end))
        .map(str::trim)
        .ok_or_else(|| broken(format!("its header breaks off in {key}")))
}

fn shape(text: &str) -> Result<Vec<usize>, Odd> {
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    let bad = || Odd::Broken(format!("its shape {text:?} is no list of sizes"));
    let sizes: Vec<&str> = inner.ok_or_else(bad)?.split(',').map(str::trim).collect();
    if sizes.len() > MAX_DIMS {
        return Err(Odd::Broken("has more dimensions than an array can have".to_owned()));
    }
    let sizes = sizes.into_iter().filter(|size| !size.is_empty());
    sizes.map(|size| size.trim_end_matches('L').parse().ok().ok_or_else(bad)).collect()
}
