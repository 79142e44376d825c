//! Smalti's own model files: safetensors whose metadata holds everything but the weights.
//!
//! The metadata's key `smalti` is JSON with a `format` version and what the writer adds (`config`,
//! `recipe`, measured quality). `safetensors.torch.load_file` opens the same file in Python.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use candle_core::{DType, Tensor};
use half::f16;

use super::{Checkpoint, ElementType};
use crate::atomic::write_atomically;
use crate::{EngineError, Result};

/// The version of Smalti's own files that this program writes and reads.
pub const FORMAT: u64 = 1;
/// The metadata's key.
const KEY: &str = "smalti";

/// How weights rest in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Half precision: half the size, about three decimal digits.
    F16,
    /// Exactly as trained.
    F32,
}

/// Writes a model: tensors, and `metadata` (a JSON object; `format` is added) under `smalti`.
///
/// With [`Precision::F16`] a tensor with a value beyond the range of f16 stays f32, so that nothing
/// becomes infinite. Whole numbers are kept as they are.
///
/// # Errors
/// [`EngineError::Io`] if the file cannot be written, [`EngineError::BadInput`] if `metadata` is no
/// object; the old file stays in either case.
pub fn save_model(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &serde_json::Value,
    precision: Precision,
) -> Result<()> {
    let serde_json::Value::Object(object) = metadata else {
        return Err(EngineError::bad_input("model metadata", "not a JSON object", ""));
    };
    let mut object = object.clone();
    object.insert("format".to_owned(), FORMAT.into());
    let mut header = serde_json::Map::new();
    let text = serde_json::Value::Object(object).to_string();
    header.insert("__metadata__".to_owned(), serde_json::json!({ KEY: text }));
    let mut kinds = Vec::with_capacity(tensors.len());
    let mut at = 0_usize;
    for (name, tensor) in tensors {
        let dtype = stored_type(name, tensor, precision)?;
        let end = at + tensor.elem_count() * dtype.size();
        let described = serde_json::json!({
            "dtype": dtype.name(), "shape": tensor.dims(), "data_offsets": [at, end],
        });
        header.insert(name.clone(), described);
        kinds.push(dtype);
        at = end;
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    // The data begins at a multiple of eight, as readers that map the file expect.
    header.resize(header.len().next_multiple_of(8), b' ');
    write_atomically(path, |w| {
        w.write_all(&(header.len() as u64).to_le_bytes())?;
        w.write_all(&header)?;
        for (tensor, dtype) in tensors.values().zip(&kinds) {
            write_tensor(w, tensor, *dtype).map_err(io::Error::other)??;
        }
        Ok(())
    })
}

fn stored_type(name: &str, tensor: &Tensor, precision: Precision) -> Result<ElementType> {
    Ok(match tensor.dtype() {
        DType::U8 => ElementType::U8,
        DType::U32 => ElementType::U32,
        DType::I64 => ElementType::I64,
        DType::F32 | DType::F16 | DType::BF16 | DType::F64 => {
            let fits = precision == Precision::F16 && {
                let values = tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
                values.iter().all(|x| x.abs() <= f32::from(f16::MAX) || !x.is_finite())
            };
            if fits { ElementType::F16 } else { ElementType::F32 }
        }
        other => {
            let reason = format!("{other:?} cannot be saved");
            return Err(EngineError::bad_input(format!("tensor {name}"), reason, ""));
        }
    })
}

/// The outer error is candle's, the inner one the file's.
fn write_tensor(
    w: &mut dyn Write,
    tensor: &Tensor,
    dtype: ElementType,
) -> candle_core::Result<io::Result<()>> {
    let flat = tensor.flatten_all()?;
    let bytes: Vec<u8> = match dtype {
        ElementType::U8 => flat.to_vec1::<u8>()?,
        ElementType::U32 => flat.to_vec1::<u32>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ElementType::I64 => flat.to_vec1::<i64>()?.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ElementType::F16 => {
            let values = flat.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect()
        }
        _ => {
            let values = flat.to_dtype(DType::F32)?.to_vec1::<f32>()?;
            values.iter().flat_map(|x| x.to_le_bytes()).collect()
        }
    };
    Ok(w.write_all(&bytes))
}

impl Checkpoint {
    /// What Smalti wrote beside the tensors; `None` for files of others.
    ///
    /// # Errors
    /// [`EngineError::BadFile`] if it is damaged, or of a `format` that this program does not know.
    pub fn smalti(&self, path: &Path) -> Result<Option<serde_json::Value>> {
        let Some(text) = self.metadata.get(KEY) else { return Ok(None) };
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| {
            EngineError::bad_file(path, format!("its metadata is damaged: {e}"), "")
        })?;
        let format = &value["format"];
        if format.as_u64() == Some(FORMAT) {
            return Ok(Some(value));
        }
        Err(EngineError::bad_file(
            path,
            format!("written in format {format}, this program reads format {FORMAT}"),
            "update Smalti",
        ))
    }
}
