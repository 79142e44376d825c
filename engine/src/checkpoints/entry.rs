//! One tensor of a checkpoint: its element type, its shape, and where its elements lie.
//!
//! Nothing is read until it is asked for. Element types are kept exactly; conversion to f32 happens
//! when a network takes the tensor.

use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use half::{bf16, f16};

use super::source::Source;
use crate::Result;

/// The type of a tensor's elements.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[allow(missing_docs, reason = "the names are the types")]
pub enum ElementType {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl ElementType {
    /// Every type.
    pub const ALL: [Self; 13] = [
        Self::F64,
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::I64,
        Self::I32,
        Self::I16,
        Self::I8,
        Self::U64,
        Self::U32,
        Self::U16,
        Self::U8,
        Self::Bool,
    ];

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// The name in a safetensors header, such as "F32".
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::U64 => "U64",
            Self::U32 => "U32",
            Self::U16 => "U16",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
        }
    }

    /// Whether elements are floating point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::BF16)
    }

    /// The type of that name in a safetensors header.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }

    /// The type of a PyTorch storage class such as "FloatStorage"; bytes for an untyped one.
    pub(crate) fn from_storage_class(name: &str) -> Option<Self> {
        Some(match name {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::BF16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" | "UntypedStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }

    /// The type of a `torch.dtype` such as "float16".
    pub(crate) fn from_torch_name(name: &str) -> Option<Self> {
        Some(match name {
            "float64" | "double" => Self::F64,
            "float32" | "float" => Self::F32,
            "float16" | "half" => Self::F16,
            "bfloat16" => Self::BF16,
            "int64" | "long" => Self::I64,
            "int32" | "int" => Self::I32,
            "int16" | "short" => Self::I16,
            "int8" => Self::I8,
            "uint64" => Self::U64,
            "uint32" => Self::U32,
            "uint16" => Self::U16,
            "uint8" => Self::U8,
            "bool" => Self::Bool,
            _ => return None,
        })
    }

    /// Elements as f32; true is 1.
    fn to_f32(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
            Self::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Self::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
            Self::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
            Self::I16 => each(bytes, |b| f32::from(i16::from_le_bytes(b))),
            Self::I8 => each(bytes, |b| f32::from(i8::from_le_bytes(b))),
            Self::U64 => each(bytes, |b| u64::from_le_bytes(b) as f32),
            Self::U32 => each(bytes, |b| u32::from_le_bytes(b) as f32),
            Self::U16 => each(bytes, |b| f32::from(u16::from_le_bytes(b))),
            Self::U8 => each(bytes, |[b]: [u8; 1]| f32::from(b)),
            Self::Bool => each(bytes, |[b]: [u8; 1]| f32::from(u8::from(b != 0))),
        }
    }
}

/// A run of bytes in a source, shared by the tensors that look into it.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) source: Arc<Source>,
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// One tensor of a checkpoint; cheap to clone.
#[derive(Debug, Clone)]
pub struct Entry(Arc<Place>);

#[derive(Debug)]
struct Place {
    dtype: ElementType,
    shape: Vec<usize>,
    storage: Arc<Storage>,
    /// Elements before the first one.
    offset: u64,
    /// Elements to step for each dimension; `None` for row-major without gaps.
    strides: Option<Vec<u64>>,
}

/// More dimensions than any network has.
const MAX_DIMS: usize = 32;

impl Entry {
    /// A tensor without gaps from the start of its storage.
    pub(crate) fn contiguous(
        dtype: ElementType,
        shape: Vec<usize>,
        storage: Arc<Storage>,
    ) -> Result<Self, String> {
        Self::strided(dtype, shape, storage, 0, None)
    }

    /// A view into a storage. The reason is given if it does not lie inside.
    pub(crate) fn strided(
        dtype: ElementType,
        shape: Vec<usize>,
        storage: Arc<Storage>,
        offset: u64,
        strides: Option<Vec<u64>>,
    ) -> Result<Self, String> {
        if shape.len() > MAX_DIMS {
            return Err(format!("has {} dimensions, at most {MAX_DIMS} are read", shape.len()));
        }
        if strides.as_ref().is_some_and(|s| s.len() != shape.len()) {
            return Err("has another number of strides than of dimensions".to_owned());
        }
        let size = dtype.size() as u64;
        let elements = product(&shape).filter(|n| n.checked_mul(size).is_some());
        let elements = elements.ok_or_else(|| format!("has a shape that overflows: {shape:?}"))?;
        let dense = row_major(&shape);
        let strides = strides.filter(|s| {
            shape.iter().zip(s).zip(&dense).any(|((&n, stride), dense)| n > 1 && stride != dense)
        });
        // One past the last element that is touched.
        let end = if elements == 0 {
            Some(offset)
        } else {
            let steps = strides.as_ref().unwrap_or(&dense);
            shape.iter().zip(steps).try_fold(offset, |end, (&n, &stride)| {
                end.checked_add((n as u64 - 1).checked_mul(stride)?)
            })
        };
        let end = end.and_then(|e| e.checked_add(u64::from(elements > 0))?.checked_mul(size));
        if end.is_none_or(|end| end > storage.len) {
            return Err(format!(
                "{shape:?} of {} reaches outside of its {} bytes",
                dtype.name(),
                storage.len
            ));
        }
        Ok(Self(Arc::new(Place { dtype, shape, storage, offset, strides })))
    }

    /// The type of the elements.
    pub fn dtype(&self) -> ElementType {
        self.0.dtype
    }

    /// The shape; empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        // Checked when the entry was made.
        product(&self.0.shape).unwrap_or(0) as usize
    }

    /// Bytes that all elements take.
    pub fn byte_len(&self) -> usize {
        self.elements() * self.0.dtype.size()
    }

    /// All elements, little-endian, row by row, whatever the order in the file.
    ///
    /// # Errors
    /// [`EngineError::Io`](crate::EngineError::Io) if the file cannot be read any more.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let Place { dtype, shape, storage, offset, strides } = &*self.0;
        let size = dtype.size() as u64;
        let start = storage.start + offset * size;
        if self.elements() == 0 {
            return Ok(Vec::new());
        }
        let Some(strides) = strides else {
            return storage.source.read(start, self.byte_len() as u64);
        };
        let span: u64 = shape.iter().zip(strides).map(|(&n, s)| (n as u64 - 1) * s).sum();
        let data = storage.source.read(start, (span + 1) * size)?;
        Ok(gather(&data, shape, strides, size as usize))
    }

    /// Whether the elements lie in one piece, row by row.
    pub fn is_contiguous(&self) -> bool {
        self.0.strides.is_none()
    }

    /// The file that the tensor lies in.
    pub fn file(&self) -> &Path {
        self.0.storage.source.path()
    }

    /// `count` elements from `first` on, as [`Entry::bytes`] has them.
    ///
    /// # Errors
    /// As [`Entry::bytes`]; [`EngineError::BadInput`](crate::EngineError::BadInput) if there are
    /// fewer.
    pub fn part(&self, first: usize, count: usize) -> Result<Vec<u8>> {
        let end = first.checked_add(count).filter(|end| *end <= self.elements());
        let Some(end) = end else {
            let reason = format!("{count} elements from {first} on are not in it");
            return Err(crate::EngineError::bad_input("tensor", reason, ""));
        };
        let Place { dtype, storage, offset, .. } = &*self.0;
        let size = dtype.size();
        if self.is_contiguous() && count > 0 {
            let start = storage.start + (offset + first as u64) * size as u64;
            return storage.source.read(start, (count * size) as u64);
        }
        Ok(self.bytes()?.get(first * size..end * size).unwrap_or_default().to_vec())
    }

    /// All elements as f32, row by row; true is 1.
    pub fn values(&self) -> Result<Vec<f32>> {
        Ok(self.0.dtype.to_f32(&self.bytes()?))
    }

    /// As [`values`](Self::values), a piece at a time, so that a tensor of any size takes little memory.
    /// Views with gaps are read whole.
    pub fn pieces(&self, mut take: impl FnMut(&[f32])) -> Result<()> {
        const PIECE: u64 = 1 << 16;
        let Place { dtype, storage, offset, strides, .. } = &*self.0;
        if strides.is_some() {
            take(&self.values()?);
            return Ok(());
        }
        let size = dtype.size() as u64;
        let (mut at, end) = (*offset, offset + self.elements() as u64);
        while at < end {
            let n = PIECE.min(end - at);
            take(&dtype.to_f32(&storage.source.read(storage.start + at * size, n * size)?));
            at += n;
        }
        Ok(())
    }

    /// The tensor as f32 on a device.
    pub fn to_tensor(&self, device: &Device) -> Result<Tensor> {
        Ok(Tensor::from_vec(self.values()?, self.shape(), device)?)
    }
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

/// The product, or `None` if it overflows (a zero anywhere makes it zero).
pub(crate) fn product(shape: &[usize]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_u64, |n, &d| n.checked_mul(d as u64))
}

fn row_major(shape: &[usize]) -> Vec<u64> {
    let mut strides = vec![1_u64; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(shape[i].max(1) as u64);
    }
    strides
}

/// Copies a strided view into row-major order; `data` starts at the view's first element.
fn gather(data: &[u8], shape: &[usize], strides: &[u64], size: usize) -> Vec<u8> {
    let elements: usize = shape.iter().product();
    let mut out = Vec::with_capacity(elements * size);
    let mut index = vec![0_usize; shape.len()];
    let mut place = 0_usize;
    for _ in 0..elements {
        out.extend_from_slice(&data[place..place + size]);
        // The odometer: the last dimension turns fastest.
        for d in (0..shape.len()).rev() {
            index[d] += 1;
            place += strides[d] as usize * size;
            if index[d] < shape[d] {
                break;
            }
            place -= index[d] * strides[d] as usize * size;
            index[d] = 0;
        }
    }
    out
}
