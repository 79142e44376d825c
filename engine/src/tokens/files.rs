//! Grids as files: `.npy`, and safetensors with the codebook's size in the metadata.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use super::Grid;
use crate::images::file::read_file;
use crate::{EngineError, Result};

/// Token files above this are refused; a 65,536 x 1024 grid of 8-byte numbers is smaller.
const MAX_BYTES: u64 = 1 << 29;

/// The grid as `.npy`: u32, (H, W).
pub fn npy_bytes(grid: &Grid) -> Result<Vec<u8>> {
    let mut header = format!(
        "{{'descr': '<u4', 'fortran_order': False, 'shape': ({}, {}), }}",
        grid.height(),
        grid.width()
    );
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(grid.tokens().iter().flat_map(|code| code.to_le_bytes()));
    Ok(bytes)
}

/// The grid as safetensors: tensor "tokens", u32, (H, W).
pub fn safetensors_bytes(grid: &Grid) -> Result<Vec<u8>> {
    let data: Vec<u8> = grid.tokens().iter().flat_map(|code| code.to_le_bytes()).collect();
    let bad = |e: safetensors::SafeTensorError| EngineError::bad_input("token grid", e, "");
    let view =
        TensorView::new(Dtype::U32, vec![grid.height(), grid.width()], &data).map_err(bad)?;
    let facts = HashMap::from([(
        "smalti_tokens".to_owned(),
        serde_json::json!({ "codebook_size": grid.codebook_size() }).to_string(),
    )]);
    safetensors::serialize([("tokens", view)], Some(facts)).map_err(bad)
}

/// Reads a grid of either kind.
pub fn read(path: &Path, codebook_size: u32) -> Result<Grid> {
    let bytes = read_file(path, MAX_BYTES)?;
    let bad = |reason: String| EngineError::bad_file(path, reason, "");
    let (shape, numbers) = if bytes.starts_with(b"\x93NUMPY") {
        npy(&bytes).map_err(bad)?
    } else {
        let file = safetensors::SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
        let view = file.tensor("tokens").map_err(|e| bad(e.to_string()))?;
        let (chunks, _) = view.data().as_chunks::<4>();
        let numbers = chunks.iter().map(|c| i64::from(u32::from_le_bytes(*c))).collect();
        (view.shape().to_vec(), numbers)
    };
    let [height, width] = shape[..] else {
        return Err(bad(format!("{shape:?} is no grid of rows and columns")));
    };
    let mut tokens = Vec::with_capacity(numbers.len());
    for (at, number) in numbers.iter().enumerate() {
        tokens.push(u32::try_from(*number).map_err(|_| {
            bad(format!("{number} at row {}, column {}", at / width.max(1), at % width.max(1)))
        })?);
    }
    Grid::new(height, width, codebook_size, tokens).map_err(|e| bad(e.to_string()))
}

fn npy(bytes: &[u8]) -> Result<(Vec<usize>, Vec<i64>), String> {
    let file = npyz::NpyFile::new(bytes).map_err(|e| e.to_string())?;
    let shape: Vec<usize> = file.shape().iter().map(|n| *n as usize).collect();
    let count = shape.iter().try_fold(1_usize, |a, b| a.checked_mul(*b)).unwrap_or(usize::MAX);
    if count > bytes.len() {
        return Err(format!("{shape:?} is more than the file holds"));
    }
    let numbers = match file.dtype().descr().trim_matches('\'') {
        "<i8" => file.into_vec::<i64>(),
        "<u4" => file.into_vec::<u32>().map(|v| v.into_iter().map(i64::from).collect()),
        other => return Err(format!("{other} is no whole number")),
    };
    Ok((shape, numbers.map_err(|e| e.to_string())?))
}
