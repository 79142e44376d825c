//! NumPy's `.npy` with whole numbers, as the reader of Smalti's own files takes them.

use std::path::Path;

use crate::arrays;

/// Whole numbers with their shape, row by row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<i128>,
}

/// Whether the bytes begin as a NumPy array does.
pub(super) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x93NUMPY")
}

/// Reads an array; the reason is given if it is not one of whole numbers.
pub(super) fn read(bytes: &[u8]) -> Result<Numbers, String> {
    let reason = |error: crate::EngineError| match error {
        crate::EngineError::BadFile { reason, .. } => reason,
        other => other.to_string(),
    };
    let file = arrays::open_bytes(Path::new("array"), bytes).map_err(reason)?;
    let Some(array) = file.arrays.first() else { return Err("there is no array".to_owned()) };
    match array.kind() {
        arrays::Kind::Integers => {}
        arrays::Kind::Bools => return Err("true and false are no codes".to_owned()),
        arrays::Kind::Floats => {
            let size = array.element().size();
            return Err(format!("its numbers are '<f{size}', codes are whole numbers"));
        }
    }
    let values = array.integers(0..array.len()).map_err(reason)?;
    Ok(Numbers { shape: array.shape().to_vec(), values })
}
