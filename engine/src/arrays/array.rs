//! One array of a file, and all of them: a header, and where the numbers are.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use half::{bf16, f16};

use super::dense::{Dense, product};
use super::member;
use super::origin::Origin;
use crate::checkpoints::{ElementType, Entry};
use crate::{EngineError, Result};

/// The named arrays of a file.
#[derive(Debug, Clone)]
pub struct Arrays {
    /// The kind of file, for people: "NumPy array", "NumPy archive", "PyTorch zip".
    pub container: String,
    /// The arrays of numbers, in the order of their names.
    pub members: Vec<Array>,
    /// Text that stands beside them.
    pub metadata: BTreeMap<String, String>,
    /// What was stepped over.
    pub notes: Vec<String>,
}

/// Whether the numbers are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Whole numbers of any width.
    Integers,
    /// Floating point numbers.
    Floats,
    /// True and false.
    Bools,
}

/// An array by its header alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name in the file.
    pub name: String,
    /// The shape; empty for a single number.
    pub shape: Vec<usize>,
    /// What its numbers are.
    pub kind: Kind,
}

/// One array of a file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Array {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) element: ElementType,
    pub(super) data: Arc<Data>,
}

/// Where the numbers are.
#[derive(Debug)]
pub(super) enum Data {
    /// In the file, row by row.
    InPlace { origin: Origin, start: u64, is_big_endian: bool },
    /// A tensor that a checkpoint's reader knows; read in parts where it has no gaps.
    Tensor(Entry),
    /// To be made whole before any part of it can be had.
    Whole { made_of: Packed, kept: Mutex<Option<Arc<[u8]>>> },
}

/// What has to be made whole.
#[derive(Debug)]
pub(super) enum Packed {
    /// A member of a zip archive, deflated.
    Member { origin: Origin, index: usize, dense: Dense },
    /// In the file, column by column.
    Columns { origin: Origin, start: u64, dense: Dense },
    /// A tensor with gaps.
    Tensor(Entry),
}

impl Data {
    pub(super) fn whole(made_of: Packed) -> Self {
        Self::Whole { made_of, kept: Mutex::new(None) }
    }
}

impl Packed {
    /// All numbers, little-endian, row by row.
    fn make(&self) -> Result<Vec<u8>> {
        match self {
            Self::Member { origin, index, dense } => member::unpack(origin, *index, dense),
            Self::Columns { origin, start, dense } => {
                Ok(dense.rows_first(origin.read(*start, dense.byte_len())?))
            }
            Self::Tensor(entry) => entry.bytes(),
        }
    }
}

impl Array {
    /// Its name in the file: a member's or a tensor's; a `.npy` has none and is called "array".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape; empty for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of its numbers.
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Whether its numbers are whole.
    pub fn kind(&self) -> Kind {
        match self.element {
            ElementType::Bool => Kind::Bools,
            element if element.is_float() => Kind::Floats,
            _ => Kind::Integers,
        }
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        // Checked when the file was opened; a shape with a zero may have sizes that overflow.
        product(&self.shape).and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Name, shape and kind.
    pub fn listed(&self) -> Listed {
        Listed { name: self.name.clone(), shape: self.shape.clone(), kind: self.kind() }
    }

    /// Some of its numbers as bytes, little-endian, row by row.
    ///
    /// # Errors
    /// [`EngineError::Io`] or [`EngineError::BadFile`] if the file cannot be read any more, is
    /// damaged where it is packed, or would take more than 2 GiB unpacked;
    /// [`EngineError::BadInput`] if there are fewer numbers.
    pub fn bytes(&self, part: Range<usize>) -> Result<Vec<u8>> {
        if part.start > part.end || part.end > self.len() {
            return Err(EngineError::bad_input(
                format!("array {}", self.name),
                format!("{}..{} is not in 0..{}", part.start, part.end, self.len()),
                "",
            ));
        }
        let size = self.element.size();
        match &*self.data {
            Data::InPlace { origin, start, is_big_endian } => {
                let at = start + (part.start * size) as u64;
                let mut bytes = origin.read(at, (part.len() * size) as u64)?;
                if *is_big_endian {
                    bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
                }
                Ok(bytes)
            }
            Data::Tensor(entry) => entry.part(part.start, part.len()),
            Data::Whole { made_of, kept } => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let all = match &*kept {
                    Some(all) => Arc::clone(all),
                    None => Arc::clone(kept.insert(made_of.make()?.into())),
                };
                drop(kept);
                let bytes = all.get(part.start * size..part.end * size);
                bytes.map(<[u8]>::to_vec).ok_or_else(|| {
                    let what = format!("array {}", self.name);
                    EngineError::bad_input(what, "it is shorter than its shape", "")
                })
            }
        }
    }

    /// Some of its numbers as whole ones; floating point numbers lose what is behind the point,
    /// true is 1.
    ///
    /// # Errors
    /// As [`Array::bytes`].
    pub fn integers(&self, part: Range<usize>) -> Result<Vec<i128>> {
        let bytes = self.bytes(part)?;
        Ok(match self.element {
            ElementType::I64 => each(&bytes, |b| i64::from_le_bytes(b).into()),
            ElementType::I32 => each(&bytes, |b| i32::from_le_bytes(b).into()),
            ElementType::I16 => each(&bytes, |b| i16::from_le_bytes(b).into()),
            ElementType::I8 => each(&bytes, |b| i8::from_le_bytes(b).into()),
            ElementType::U64 => each(&bytes, |b| u64::from_le_bytes(b).into()),
            ElementType::U32 => each(&bytes, |b| u32::from_le_bytes(b).into()),
            ElementType::U16 => each(&bytes, |b| u16::from_le_bytes(b).into()),
            ElementType::U8 => each(&bytes, |[b]: [u8; 1]| b.into()),
            ElementType::Bool => each(&bytes, |[b]: [u8; 1]| (b != 0).into()),
            _ => self.to_floats(&bytes).into_iter().map(|x| x as i128).collect(),
        })
    }

    /// Some of its numbers as floating point ones.
    ///
    /// # Errors
    /// As [`Array::bytes`].
    pub fn floats(&self, part: Range<usize>) -> Result<Vec<f64>> {
        if self.kind() == Kind::Floats {
            return Ok(self.to_floats(&self.bytes(part)?));
        }
        Ok(self.integers(part)?.into_iter().map(|n| n as f64).collect())
    }

    fn to_floats(&self, bytes: &[u8]) -> Vec<f64> {
        match self.element {
            ElementType::F64 => each(bytes, f64::from_le_bytes),
            ElementType::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f64()),
            ElementType::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f64()),
            _ => each(bytes, |b| f32::from_le_bytes(b).into()),
        }
    }
}

fn each<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

impl fmt::Display for Array {
    /// "x_train (60000, 28, 28) U8".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, shape_in_words(&self.shape), self.element.name())
    }
}

/// A shape as Python writes it: "(3, 11, 16)", "(5,)", "()".
pub fn shape_in_words(shape: &[usize]) -> String {
    if let [only] = shape {
        return format!("({only},)");
    }
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("({})", sizes.join(", "))
}

/// The names of arrays for a message, at most eight of them.
pub fn names_in_words(arrays: &[Array]) -> String {
    const NAMED: usize = 8;
    let mut names: Vec<String> = arrays.iter().take(NAMED).map(ToString::to_string).collect();
    if arrays.len() > NAMED {
        names.push(format!("and {} more", arrays.len() - NAMED));
    }
    names.join(", ")
}
