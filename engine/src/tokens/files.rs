//! Tokens as files: NumPy's `.npy` for one part, and safetensors with one tensor a part.
//!
//! In Python: `numpy.load(path)`, or `safetensors.numpy.load_file(path)["tokens"]`.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::npy::{self, Numbers};
use super::{Part, PartShape, Tokens};
use crate::images::file::read_file;
use crate::{EngineError, Result};

/// Token files above this are refused; a 65,536 x 1024 grid of 8-byte numbers is smaller.
const MAX_BYTES: u64 = 1 << 29;
/// The version of the metadata in safetensors files. Version 1 held one part, without its book.
const FORMAT: u64 = 2;
/// The metadata's key.
const KEY: &str = "smalti_tokens";
const AGAIN: &str = "save whole numbers of shape (H, W), or (B, H, W) for several images";

/// Who made tokens: what tells whether another tokenizer's codes mean the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Maker {
    /// What people call the tokenizer.
    pub model: Option<String>,
    /// Identifies its encoder and quantizer.
    pub token_hash: Option<String>,
}

/// What a token file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFile {
    /// The tokens of each image, all of one layout; at least one.
    pub images: Vec<Tokens>,
    /// The tokenizer that made them, where the file says it.
    pub maker: Maker,
    /// What a person should know, such as that the largest code was taken for the codebook's size.
    pub remarks: Vec<String>,
}

/// The tokens as `.npy`: u32, (H, W), or (T, H, W) for a clip.
///
/// # Errors
/// [`EngineError::BadInput`] if they have several parts, which one array cannot hold.
pub fn npy_bytes(tokens: &Tokens) -> Result<Vec<u8>> {
    let [part] = tokens.parts() else {
        let reason = format!("{}, and a .npy holds one array", tokens.words());
        return Err(EngineError::bad_input("tokens", reason, "save them as .safetensors"));
    };
    let shape: Vec<String> = array_shape(part.shape()).iter().map(ToString::to_string).collect();
    let mut header =
        format!("{{'descr': '<u4', 'fortran_order': False, 'shape': ({}), }}", shape.join(", "));
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(part.codes().iter().flat_map(|code| code.to_le_bytes()));
    Ok(bytes)
}

/// (H, W), or (T, H, W) for a clip.
fn array_shape(shape: PartShape) -> Vec<usize> {
    let mut sides = vec![shape.frames, shape.rows, shape.columns];
    if shape.frames == 1 {
        sides.remove(0);
    }
    sides
}

/// What the tensor of a part is called.
fn tensor_name(part: usize, parts: usize) -> String {
    if parts == 1 { "tokens".to_owned() } else { format!("tokens.{part}") }
}

/// Tokens of one layout as safetensors: one tensor a part, u32, "tokens" where there is one part,
/// else "tokens.0", "tokens.1", ...; (H, W), (T, H, W) for a clip, with a first axis for the images
/// where there are several. [`super::MASKED`] (4294967295) stands where there is no token.
///
/// # Errors
/// [`EngineError::BadInput`] if there are none or their layouts differ.
pub fn safetensors_bytes(images: &[Tokens], maker: &Maker) -> Result<Vec<u8>> {
    let bad = |reason: &str| EngineError::bad_input("tokens", reason, "");
    let facts = |tokens: &Tokens| -> Vec<(PartShape, u32)> {
        tokens.parts().iter().map(|part| (part.shape(), part.codebook_size())).collect()
    };
    let first = images.first().ok_or_else(|| bad("there are none to write"))?;
    let layout = facts(first);
    if images.iter().any(|tokens| facts(tokens) != layout) {
        return Err(bad("they differ in layout or codebook, one file holds one layout"));
    }
    let mut parts = Vec::new();
    let mut data: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (number, (shape, codebook_size)) in layout.iter().enumerate() {
        let name = tensor_name(number, layout.len());
        let codes = images.iter().flat_map(|tokens| tokens.parts()[number].codes().iter());
        let mut sides = array_shape(*shape);
        if images.len() > 1 {
            sides.insert(0, images.len());
        }
        data.push((name.clone(), sides, codes.flat_map(|code| code.to_le_bytes()).collect()));
        parts.push(serde_json::json!({
            "tensor": name, "frames": shape.frames, "rows": shape.rows, "columns": shape.columns,
            "book": shape.book, "codebook_size": codebook_size,
        }));
    }
    let metadata = serde_json::json!({
        "format": FORMAT, "images": images.len(), "parts": parts, "model": maker.model,
        "token_hash": maker.token_hash,
    });
    let failed = |e: safetensors::SafeTensorError| bad(&e.to_string());
    let views = data
        .iter()
        .map(|(name, sides, bytes)| {
            Ok((name.as_str(), TensorView::new(Dtype::U32, sides.clone(), bytes).map_err(failed)?))
        })
        .collect::<Result<Vec<_>>>()?;
    let metadata = HashMap::from([(KEY.to_owned(), metadata.to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(failed)
}

/// Reads all tokens of a file of any kind. Where the file does not say its codebook's size,
/// `codebook_size` is taken, or else the largest code decides.
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
    if npy::is_npy(bytes) {
        return from_array(&npy::read(bytes).map_err(bad)?, codebook_size).map_err(bad);
    }
    from_safetensors(bytes, codebook_size).map_err(bad)
}

fn from_safetensors(bytes: &[u8], codebook_size: Option<u32>) -> Result<TokenFile, String> {
    let not_tokens = |e: safetensors::SafeTensorError| format!("not a file of tokens: {e}");
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_tokens)?;
    let text = header.metadata().as_ref().and_then(|m| m.get(KEY));
    let metadata: serde_json::Value = match text {
        Some(text) => {
            serde_json::from_str(text).map_err(|e| format!("its metadata is damaged: {e}"))?
        }
        None => serde_json::Value::Null,
    };
    let text_of = |key: &str| metadata[key].as_str().map(str::to_owned);
    let maker = Maker { model: text_of("model"), token_hash: text_of("token_hash") };
    let file = SafeTensors::deserialize(bytes).map_err(not_tokens)?;
    // Files of the first builds have no version.
    let format = metadata.get("format").map_or(Some(1), serde_json::Value::as_u64);
    let mut found = match format {
        Some(1) => {
            let numbers = numbers(&file, "tokens")?;
            let own = metadata["codebook_size"].as_u64().and_then(|k| u32::try_from(k).ok());
            from_array(&numbers, own.or(codebook_size))?
        }
        Some(FORMAT) => from_parts(&file, &metadata)?,
        _ => {
            let format = &metadata["format"];
            return Err(format!(
                "written in format {format}, this program reads formats 1 to {FORMAT}"
            ));
        }
    };
    found.maker = maker;
    Ok(found)
}

/// What the metadata of format 2 says of a part.
#[derive(serde::Deserialize)]
struct PartEntry {
    tensor: String,
    frames: usize,
    rows: usize,
    columns: usize,
    book: u16,
    codebook_size: u32,
}

fn from_parts(file: &SafeTensors<'_>, metadata: &serde_json::Value) -> Result<TokenFile, String> {
    let damaged = |e: serde_json::Error| format!("its metadata is damaged: {e}");
    let entries: Vec<PartEntry> =
        serde_json::from_value(metadata["parts"].clone()).map_err(damaged)?;
    let images: usize = serde_json::from_value(metadata["images"].clone()).map_err(damaged)?;
    let mut by_image: Vec<Vec<Part>> = Vec::new();
    for entry in &entries {
        let PartEntry { frames, rows, columns, book, .. } = *entry;
        let shape = PartShape { frames, rows, columns, book };
        let numbers = numbers(file, &entry.tensor)?;
        let cells = shape.cells().filter(|cells| *cells > 0);
        let all = cells.and_then(|cells| cells.checked_mul(images));
        let (Some(cells), true) = (cells, images > 0 && all == Some(numbers.values.len())) else {
            return Err(format!(
                "{} has {} numbers, {images} images of {shape} were said",
                entry.tensor,
                numbers.values.len()
            ));
        };
        by_image.resize_with(images, Vec::new);
        for (parts, values) in by_image.iter_mut().zip(numbers.values.chunks_exact(cells)) {
            // What is no u32 is no code either, and is told with its place.
            let code = |value: &i128| u32::try_from(*value).unwrap_or(entry.codebook_size);
            let codes: Vec<u32> = values.iter().map(code).collect();
            let part = Part::new(shape, entry.codebook_size, codes);
            parts.push(part.map_err(|e| format!("{}: {e}", entry.tensor))?);
        }
    }
    let images = by_image.into_iter().map(|parts| Tokens::new(parts).map_err(|e| e.to_string()));
    let images = images.collect::<Result<Vec<_>, _>>()?;
    if images.is_empty() {
        return Err("its metadata is damaged: there are no parts".to_owned());
    }
    Ok(TokenFile { images, maker: Maker::default(), remarks: Vec::new() })
}

fn numbers(file: &SafeTensors<'_>, name: &str) -> Result<Numbers, String> {
    let view = file.tensor(name).map_err(|e| format!("not a file of tokens: {e}"))?;
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
    Ok(Numbers { shape: view.shape().to_vec(), values })
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> i128) -> Vec<i128> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
}

/// The largest code decides the codebook's size where nothing else does.
fn from_array(numbers: &Numbers, codebook_size: Option<u32>) -> Result<TokenFile, String> {
    let largest = numbers.values.iter().max().copied().unwrap_or(0).max(0);
    let seen = u32::try_from(largest).map_or(u32::MAX, |code| code.saturating_add(1));
    let mut remarks = Vec::new();
    if codebook_size.is_none() {
        remarks.push(format!("K is not said; the largest code makes it at least {seen}"));
    }
    let images = grids(numbers, codebook_size.unwrap_or(seen))?;
    Ok(TokenFile { images, maker: Maker::default(), remarks })
}

fn grids(numbers: &Numbers, codebook_size: u32) -> Result<Vec<Tokens>, String> {
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
        let mut codes = Vec::with_capacity(cells);
        for (place, value) in values.iter().enumerate() {
            match u32::try_from(*value) {
                Ok(code) if code < codebook_size => codes.push(code),
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
        Tokens::grid(height, width, codebook_size, codes).map_err(|e| e.to_string())
    };
    numbers.values.chunks_exact(cells).enumerate().map(grid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::{Cell, MASKED};

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
        parse(Path::new("x.npy"), bytes, None).unwrap().images[0].first().codes().to_vec()
    }

    fn refused(bytes: &[u8], codebook_size: Option<u32>) -> String {
        parse(Path::new("x.npy"), bytes, codebook_size).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_comes_back() {
        let grid = Tokens::grid(2, 3, 1000, vec![0, 1, 2, 999, 500, 7]).unwrap();
        let maker =
            Maker { model: Some("worlds-fsq".to_owned()), token_hash: Some("ab".to_owned()) };
        let back = parse(Path::new("x"), &npy_bytes(&grid).unwrap(), Some(1000)).unwrap();
        assert_eq!(back.images, std::slice::from_ref(&grid));
        let images = [grid.clone(), grid.with([(Cell::at(0, 0), Some(9))]).unwrap()];
        for images in [&images[..1], &images[..]] {
            let back = parse(Path::new("x"), &safetensors_bytes(images, &maker).unwrap(), Some(7));
            let back = back.unwrap();
            assert_eq!(back.images, images, "the codebook's size comes from the file");
            assert_eq!(back.maker, maker);
        }
    }

    #[test]
    fn parts_books_and_masked_cells_come_back() {
        let part = |shape, size, codes: Vec<u32>| Part::new(shape, size, codes).unwrap();
        let text = PartShape { frames: 1, rows: 1, columns: 3, book: 1 };
        let clip = PartShape { frames: 2, rows: 1, columns: 2, book: 0 };
        let tokens = Tokens::new([
            part(PartShape::grid(1, 1), 16, vec![3]),
            part(clip, 16, vec![1, 2, MASKED, 4]),
            part(text, 50_000, vec![7, 49_999, 0]),
        ])
        .unwrap();
        let bytes = safetensors_bytes(std::slice::from_ref(&tokens), &Maker::default()).unwrap();
        assert_eq!(parse(Path::new("x"), &bytes, None).unwrap().images, [tokens.clone()]);
        // As any other program sees them.
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("tokens.1").unwrap().shape(), [2, 1, 2]);
        assert!(npy_bytes(&tokens).unwrap_err().to_string().contains(".safetensors"));
    }

    #[test]
    fn a_file_of_the_first_format_is_still_read() {
        let data: Vec<u8> = [1_u32, 2, 3, 4].iter().flat_map(|x| x.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::U32, vec![2, 2], &data).unwrap();
        let text = r#"{"format":1,"codebook_size":512,"shape":[2,2],"model":null}"#;
        let metadata = HashMap::from([(KEY.to_owned(), text.to_owned())]);
        let bytes = safetensors::serialize([("tokens", view)], Some(metadata)).unwrap();
        let read = parse(Path::new("x"), &bytes, Some(1000)).unwrap();
        assert_eq!(read.images, [Tokens::grid(2, 2, 512, vec![1, 2, 3, 4]).unwrap()]);
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
        let grid = Tokens::grid(1, 1, 2, vec![1]).unwrap();
        let mut bytes = safetensors_bytes(&[grid], &Maker::default()).unwrap();
        let needle = br#"\"format\":2"#;
        let place = bytes.windows(needle.len()).position(|w| w == needle).unwrap();
        bytes[place + needle.len() - 1] = b'7';
        assert!(refused(&bytes, None).contains("format 7"), "{}", refused(&bytes, None));
    }
}
