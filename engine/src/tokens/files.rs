//! Grids as files: NumPy's `.npy`, and safetensors with the codebook's size in the metadata.
//!
//! In Python: `numpy.load(path)`, or `safetensors.numpy.load_file(path)["tokens"]`. A file holds one
//! grid (H, W) or (1, H, W), or a batch of grids of one size (B, H, W).

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::npy::{self, Numbers};
use super::{Grid, MAX_CODEBOOK};
use crate::images::file::read_file;
use crate::{EngineError, Result};

/// Token files above this are refused; a 65,536 x 1024 grid of 8-byte numbers is smaller.
const MAX_BYTES: u64 = 1 << 29;
/// The version of the metadata in safetensors files.
const FORMAT: u64 = 1;
/// The metadata's key.
const KEY: &str = "smalti_tokens";
const AGAIN: &str = "write the file again, for example with `smalti encode`";

/// What a token file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFile {
    /// The grids, all of one size; at least one.
    pub grids: Vec<Grid>,
    /// The tokenizer that made them, where the file says it.
    pub model: Option<String>,
}

/// The grid as `.npy`: u32, (H, W).
#[allow(clippy::unnecessary_wraps, reason = "as the other kinds, which can fail")]
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
    batch_bytes(std::slice::from_ref(grid), None)
}

/// Grids of one size and codebook as safetensors: tensor "tokens", u32, (H, W), or (B, H, W) where
/// there are several. `model` names the tokenizer that made them.
///
/// # Errors
/// [`EngineError::BadInput`] if there is no grid or sizes differ.
pub fn batch_bytes(grids: &[Grid], model: Option<&str>) -> Result<Vec<u8>> {
    let bad = |reason: &str| EngineError::bad_input("token grids", reason, "");
    let facts = |g: &Grid| (g.height(), g.width(), g.codebook_size());
    let first = grids.first().ok_or_else(|| bad("there is none to write"))?;
    if grids.iter().any(|grid| facts(grid) != facts(first)) {
        return Err(bad("they differ in size or codebook, one file holds one size"));
    }
    let mut shape = vec![first.height(), first.width()];
    if grids.len() > 1 {
        shape.insert(0, grids.len());
    }
    let codes = grids.iter().flat_map(|grid| grid.tokens().iter());
    let data: Vec<u8> = codes.flat_map(|code| code.to_le_bytes()).collect();
    let metadata = serde_json::json!({
        "format": FORMAT, "codebook_size": first.codebook_size(), "shape": shape, "model": model,
    });
    let failed = |e: safetensors::SafeTensorError| bad(&e.to_string());
    let view = TensorView::new(Dtype::U32, shape, &data).map_err(failed)?;
    let metadata = HashMap::from([(KEY.to_owned(), metadata.to_string())]);
    safetensors::serialize([("tokens", view)], Some(metadata)).map_err(failed)
}

/// Reads one grid of either kind, for a codebook of this size.
///
/// # Errors
/// As [`read_all`], and if the file holds several grids.
pub fn read(path: &Path, codebook_size: u32) -> Result<Grid> {
    let mut grids = read_all(path, Some(codebook_size))?.grids;
    match (grids.pop(), grids.len()) {
        (Some(grid), 0) => Ok(grid),
        (_, others) => Err(EngineError::bad_file(
            path,
            format!("holds {} grids, one is wanted here", others + 1),
            "give a file with one grid (H, W)",
        )),
    }
}

/// Reads all grids of a file of either kind. Without `codebook_size` the file's own is taken, or
/// else the largest code decides.
///
/// # Errors
/// [`EngineError::Io`] if the file cannot be read; [`EngineError::BadFile`] if it holds no whole
/// numbers, has another number of dimensions, is cut off, or has a code that is negative or outside
/// of the codebook, with its place.
pub fn read_all(path: &Path, codebook_size: Option<u32>) -> Result<TokenFile> {
    parse(path, &read_file(path, MAX_BYTES)?, codebook_size)
}

/// As [`read_all`], of bytes in memory; `path` is the name that errors show.
pub fn parse(path: &Path, bytes: &[u8], codebook_size: Option<u32>) -> Result<TokenFile> {
    let bad = |reason: String| EngineError::bad_file(path, reason, AGAIN);
    let (numbers, metadata) = if npy::is_npy(bytes) {
        (npy::read(bytes).map_err(bad)?, serde_json::Value::Null)
    } else {
        from_safetensors(bytes).map_err(bad)?
    };
    let own = metadata["codebook_size"].as_u64().and_then(|k| u32::try_from(k).ok());
    let largest = numbers.values.iter().max().copied().unwrap_or(0).max(0);
    let largest = u32::try_from(largest).map_or(MAX_CODEBOOK, |code| code.saturating_add(1));
    let codebook_size = codebook_size.or(own).unwrap_or(largest);
    let model = metadata["model"].as_str().map(str::to_owned);
    Ok(TokenFile { grids: grids(&numbers, codebook_size).map_err(bad)?, model })
}

fn from_safetensors(bytes: &[u8]) -> Result<(Numbers, serde_json::Value), String> {
    let not_tokens = |e: safetensors::SafeTensorError| format!("not a file of tokens: {e}");
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_tokens)?;
    let text = header.metadata().as_ref().and_then(|m| m.get(KEY));
    let metadata: serde_json::Value = match text {
        Some(text) => {
            serde_json::from_str(text).map_err(|e| format!("its metadata is damaged: {e}"))?
        }
        None => serde_json::Value::Null,
    };
    // Files of the first builds have no version.
    let format = metadata.get("format").map_or(Some(FORMAT), serde_json::Value::as_u64);
    if format != Some(FORMAT) {
        let format = &metadata["format"];
        return Err(format!("written in format {format}, this program reads format {FORMAT}"));
    }
    let file = SafeTensors::deserialize(bytes).map_err(not_tokens)?;
    let view = file.tensor("tokens").map_err(|e| format!("not a file of tokens: {e}"))?;
    let data = view.data();
    let values = match view.dtype() {
        Dtype::U8 => each(data, |[b]: [u8; 1]| b.into()),
        Dtype::I8 => each(data, |b| i8::from_le_bytes(b).into()),
        Dtype::U16 => each(data, |b| u16::from_le_bytes(b).into()),
        Dtype::I16 => each(data, |b| i16::from_le_bytes(b).into()),
        Dtype::U32 => each(data, |b| u32::from_le_bytes(b).into()),
        Dtype::I32 => each(data, |b| i32::from_le_bytes(b).into()),
        Dtype::U64 => each(data, |b| u64::from_le_bytes(b).into()),
        Dtype::I64 => each(data, |b| i64::from_le_bytes(b).into()),
        other => return Err(format!("its tokens are {other:?}, codes are whole numbers")),
    };
    Ok((Numbers { shape: view.shape().to_vec(), values }, metadata))
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i128) -> Vec<i128> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

fn grids(numbers: &Numbers, codebook_size: u32) -> Result<Vec<Grid>, String> {
    let (count, height, width) = match numbers.shape[..] {
        [height, width] => (1, height, width),
        [count, height, width] => (count, height, width),
        ref other => {
            return Err(format!(
                "an array of {other:?} is no grid; rows and columns (H, W) or a batch (B, H, W) are"
            ));
        }
    };
    let cells = height.checked_mul(width).filter(|cells| *cells > 0 && count > 0);
    let Some(cells) = cells else {
        return Err(format!("an array of {:?} has no tokens", numbers.shape));
    };
    let grid = |(number, values): (usize, &[i128])| {
        let mut tokens = Vec::with_capacity(cells);
        for (place, value) in values.iter().enumerate() {
            match u32::try_from(*value) {
                Ok(code) if code < codebook_size => tokens.push(code),
                _ => {
                    let which = if count > 1 { format!("grid {number}, ") } else { String::new() };
                    return Err(format!(
                        "code {value} at {which}row {}, column {} is outside the codebook \
                         0..{codebook_size}",
                        place / width,
                        place % width
                    ));
                }
            }
        }
        Grid::new(height, width, codebook_size, tokens).map_err(|e| e.to_string())
    };
    numbers.values.chunks_exact(cells).enumerate().map(grid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn tokens(bytes: &[u8]) -> Vec<u32> {
        parse(Path::new("x.npy"), bytes, None).unwrap().grids[0].tokens().to_vec()
    }

    fn refused(bytes: &[u8], codebook_size: Option<u32>) -> String {
        parse(Path::new("x.npy"), bytes, codebook_size).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_comes_back() {
        let grid = Grid::new(2, 3, 1000, vec![0, 1, 2, 999, 500, 7]).unwrap();
        for bytes in [npy_bytes(&grid).unwrap(), safetensors_bytes(&grid).unwrap()] {
            let back = parse(Path::new("x"), &bytes, Some(1000)).unwrap();
            assert_eq!(back.grids, std::slice::from_ref(&grid));
        }
        let grids = [grid.clone(), grid.with([(crate::tokens::Cell::at(0, 0), 9)]).unwrap()];
        let bytes = batch_bytes(&grids, Some("worlds-fsq")).unwrap();
        let back = parse(Path::new("x"), &bytes, None).unwrap();
        assert_eq!(back.grids, grids, "the codebook's size comes from the file");
        assert_eq!(back.model.as_deref(), Some("worlds-fsq"));
    }

    #[test]
    fn every_width_and_byte_order_of_whole_numbers_is_read() {
        assert_eq!(tokens(&array("'|u1'", "False", "(1, 3)", &[1, 2, 255])), [1, 2, 255]);
        assert_eq!(tokens(&array("'<u2'", "False", "(1, 2)", &[1, 2, 3, 4])), [513, 1027]);
        assert_eq!(tokens(&array("'>i2'", "False", "(1, 2)", &[1, 2, 3, 4])), [258, 772]);
        let eight = 70_000_i64.to_le_bytes();
        assert_eq!(tokens(&array("'<i8'", "False", "(1, 1, 1)", &eight)), [70_000]);
        // Column by column: 1 2 / 3 4 / 5 6 rests as 1 3 5 2 4 6.
        let columns = array("'|i1'", "True", "(3, 2)", &[1, 3, 5, 2, 4, 6]);
        assert_eq!(tokens(&columns), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn what_is_no_grid_of_codes_is_refused_with_its_place() {
        let minus = array("'<i4'", "False", "(2, 1)", &[0, 0, 0, 0, 255, 255, 255, 255]);
        assert!(refused(&minus, None).contains("code -1 at row 1, column 0"));
        let large = array("'|u1'", "False", "(2, 2, 1)", &[0, 1, 9, 2]);
        let error = refused(&large, Some(9));
        assert!(error.contains("code 9 at grid 1, row 0, column 0"), "{error}");
        let huge = array("'<u8'", "False", "(1, 1)", &[255; 8]);
        assert!(refused(&huge, None).contains("18446744073709551615"));
        for (descr, shape, part) in [
            ("'<f4'", "(1, 1)", "'<f4'"),
            ("'|b1'", "(2, 2)", "true and false"),
            ("'|O'", "(2, 2)", "'|O'"),
            ("[('a', '<u4')]", "(1, 1)", "codes are whole numbers"),
            ("'<u4'", "(1,)", "no grid"),
            ("'<u4'", "()", "no grid"),
            ("'<u4'", "(1, 1, 1, 1)", "no grid"),
            ("'<u4'", "(2, 1)", "truncated"),
            ("'|u1'", "(1, 3)", "too long"),
            ("'<u4'", "(9223372036854775807, 3)", "overflows"),
            ("'<u4'", "(-1, -4)", "no list of sizes"),
        ] {
            let error = refused(&array(descr, "False", shape, &[0; 4]), None);
            assert!(error.contains(part), "{descr} {shape}: {error}");
        }
        assert!(refused(&array("'<u4'", "False", "(0, 3)", &[]), None).contains("no tokens"));
        assert!(refused(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", None).contains("truncated"));
    }

    #[test]
    fn an_unknown_version_is_named() {
        let grid = Grid::new(1, 1, 2, vec![1]).unwrap();
        let mut bytes = safetensors_bytes(&grid).unwrap();
        let needle = br#"\"format\":1"#;
        let place = bytes.windows(needle.len()).position(|w| w == needle).unwrap();
        bytes[place + needle.len() - 1] = b'7';
        assert!(refused(&bytes, None).contains("format 7"), "{}", refused(&bytes, None));
    }
}
