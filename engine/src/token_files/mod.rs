//! Tokens as files: NumPy's `.npy` for one part, and safetensors with one tensor a part.
//!
//! In Python: `numpy.load(path)`, or `safetensors.numpy.load_file(path)["tokens"]`.

pub mod from_arrays;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, TensorView};

use crate::arrays::{self, Array, Arrays};
use crate::tokens::{MASKED, Part, PartShape, Tokens};
use crate::{EngineError, Result};
use from_arrays::{Index, Indices, PIECE, Remark, Wanted};

/// The version of the metadata in safetensors files. Version 1 held one part, without its book.
const FORMAT: u64 = 2;
/// The metadata's key.
const KEY: &str = "smalti_tokens";
/// The key of a trace of a generation.
const TRACE: &str = "smalti_trace";

/// Who made tokens: what tells whether another tokenizer's codes mean the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Maker {
    /// What people call the tokenizer.
    pub model: Option<String>,
    /// Identifies its encoder and quantizer.
    pub token_hash: Option<String>,
    /// Nobody says how large its codebook is: the size that is written is one more than the largest code,
    /// and a tokenizer of more codes may well have made them.
    pub is_size_assumed: bool,
}

/// What a token file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFile {
    /// The tokens of each image that was wanted, all of one layout; at least one.
    pub images: Vec<Tokens>,
    /// How many the file has.
    pub total: usize,
    /// The tokenizer that made them, where the file says it.
    pub maker: Maker,
    /// What was assumed.
    pub remarks: Vec<Remark>,
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
    if let Some(cell) = tokens.first_masked() {
        let reason = format!("no token stands at {cell}, which a .npy cannot say");
        return Err(EngineError::bad_input("tokens", reason, "save them as .safetensors"));
    }
    let numbers = part.codes().iter().flat_map(|code| code.to_le_bytes());
    Ok(npy("<u4", &array_shape(part.shape()), numbers))
}

/// Numbers as `.npy`: f32, row by row.
///
/// # Errors
/// [`EngineError::BadInput`] if they do not fill the shape.
pub fn npy_floats(shape: &[usize], numbers: &[f32]) -> Result<Vec<u8>> {
    if shape.iter().product::<usize>() != numbers.len() {
        let reason = format!("{} numbers do not fill {shape:?}", numbers.len());
        return Err(EngineError::bad_input("array", reason, ""));
    }
    Ok(npy("<f4", shape, numbers.iter().flat_map(|number| number.to_le_bytes())))
}

/// An array of a NumPy type, of numbers that fill the shape.
fn npy(element: &str, shape: &[usize], numbers: impl Iterator<Item = u8>) -> Vec<u8> {
    let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let mut header = format!(
        "{{'descr': '{element}', 'fortran_order': False, 'shape': ({}), }}",
        shape.join(", ")
    );
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(numbers);
    bytes
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
/// where there are several. [`MASKED`] (4294967295) stands where there is no token.
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
        "token_hash": maker.token_hash, "is_size_assumed": maker.is_size_assumed,
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

/// Reads the tokens of a file of any kind. Where neither the person nor the file says the codebook's
/// size it is `fallback` if all codes are below it, such as the size of the tokenizer at hand; else the
/// largest code decides.
///
/// # Errors
/// [`EngineError::Io`] if the file cannot be read; [`EngineError::BadFile`] if it holds no codes, is cut
/// off, has a number that is no code, with its place, or leaves open what has to be known.
pub fn read(path: &Path, wanted: &Wanted, fallback: Option<u32>) -> Result<TokenFile> {
    of_arrays(path, &arrays::open(path)?, wanted, fallback)
}

/// As [`read`], of bytes in memory; `path` is the name that errors show.
///
/// # Errors
/// As [`read`].
pub fn parse(
    path: &Path,
    bytes: &[u8],
    wanted: &Wanted,
    fallback: Option<u32>,
) -> Result<TokenFile> {
    of_arrays(path, &arrays::open_bytes(path, bytes)?, wanted, fallback)
}

fn of_arrays(
    path: &Path,
    file: &Arrays,
    wanted: &Wanted,
    fallback: Option<u32>,
) -> Result<TokenFile> {
    if file.metadata.contains_key(TRACE) {
        let reason = "the trace of a generation, which holds the tokens of every step";
        let hint = "`smalti generate --resume` goes on with it; in Python its array \"tokens\" has all steps";
        return Err(EngineError::bad_file(path, reason, hint));
    }
    let bad = |reason: String| EngineError::bad_file(path, reason, "make the file again");
    let metadata: serde_json::Value = match file.metadata.get(KEY) {
        Some(text) => {
            serde_json::from_str(text).map_err(|e| bad(format!("its metadata is damaged: {e}")))?
        }
        None => serde_json::Value::Null,
    };
    let text_of = |key: &str| metadata[key].as_str().map(str::to_owned);
    let said = metadata["is_size_assumed"].as_bool().unwrap_or(false);
    let is_size_assumed = said && wanted.codes.is_none();
    let (model, token_hash) = (text_of("model"), text_of("token_hash"));
    let mut maker = Maker { model, token_hash, is_size_assumed };
    // Files of the first builds have no version.
    let format = metadata.get("format").map_or(Some(1), serde_json::Value::as_u64);
    let (images, total, remarks) = match format {
        Some(1) => {
            let mut read = from_arrays::of_arrays(path, file, wanted)?;
            maker.is_size_assumed = read.codebook_size.is_none();
            if let (None, Some(fallback)) = (read.codebook_size, fallback)
                && read.largest() < fallback
            {
                read.codebook_size = Some(fallback);
            }
            let size = read.assume_codes();
            let grid = |grid: Indices| Tokens::grid(grid.rows, grid.columns, size, grid.codes);
            let images = read.grids.into_iter().map(grid).collect::<Result<Vec<_>>>()?;
            (images, read.total, read.remarks)
        }
        Some(FORMAT) => {
            let (mut images, total) = from_parts(path, file, &metadata, wanted.index)?;
            if said && let Some(size) = wanted.codes.or(fallback) {
                images = with_codes(images, size)?;
            }
            agrees(path, wanted, &images)?;
            (images, total, Vec::new())
        }
        _ => {
            let format = &metadata["format"];
            let reason =
                format!("written in format {format}, this program reads formats 1 to {FORMAT}");
            return Err(EngineError::bad_file(path, reason, "update Smalti"));
        }
    };
    Ok(TokenFile { images, total, maker, remarks })
}

/// Tokens of which nobody says how many codes there are, as those of a codebook of so many, if all codes are
/// below that.
fn with_codes(images: Vec<Tokens>, size: u32) -> Result<Vec<Tokens>> {
    let is_beyond = |code: &u32| *code >= size && *code != MASKED;
    let has_beyond = |part: &Part| part.codes().iter().any(is_beyond);
    if images.iter().any(|tokens| tokens.parts().iter().any(has_beyond)) {
        return Ok(images);
    }
    let sized = |part: &Part| Part::new(part.shape(), size, Arc::clone(part.codes()));
    let all = |tokens: &Tokens| {
        Tokens::new(tokens.parts().iter().map(sized).collect::<Result<Vec<_>>>()?)
    };
    images.iter().map(all).collect()
}

/// That a person says nothing else of a file of format 2 than it says of itself.
fn agrees(path: &Path, wanted: &Wanted, images: &[Tokens]) -> Result<()> {
    let Some(parts) = images.first().map(Tokens::parts) else { return Ok(()) };
    let differs = |option: &str, reason: String| {
        let reason = format!("{reason}, so that {option} cannot be another");
        Err(EngineError::bad_file(path, reason, format!("leave {option} out")))
    };
    if let Some(codes) = wanted.codes
        && let Some(part) = parts.iter().find(|part| part.codebook_size() != codes)
    {
        let size = part.codebook_size();
        return differs("--codes", format!("it says itself that there are {size} codes"));
    }
    if let Some((rows, columns)) = wanted.grid
        && let Some(part) = parts
            .iter()
            .map(Part::shape)
            .find(|shape| (shape.frames, shape.rows, shape.columns) != (1, rows, columns))
    {
        return differs("--grid", format!("it says itself that its tokens are {part}"));
    }
    if let Some(key) = &wanted.key
        && (parts.len() > 1 || *key != tensor_name(0, 1))
    {
        let names: Vec<String> =
            (0..parts.len()).map(|part| tensor_name(part, parts.len())).collect();
        return differs(
            "--key",
            format!("it says itself that its tokens are {}", names.join(", ")),
        );
    }
    Ok(())
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

/// The tokens of the images that are wanted, and how many the file has. Of the others nothing is read.
fn from_parts(
    path: &Path,
    file: &Arrays,
    metadata: &serde_json::Value,
    index: Option<Index>,
) -> Result<(Vec<Tokens>, usize)> {
    let bad = |reason: String| EngineError::bad_file(path, reason, "make the file again");
    let damaged = |e: serde_json::Error| bad(format!("its metadata is damaged: {e}"));
    let entries: Vec<PartEntry> =
        serde_json::from_value(metadata["parts"].clone()).map_err(damaged)?;
    let images: usize = serde_json::from_value(metadata["images"].clone()).map_err(damaged)?;
    if entries.len() > file.members.len() {
        let (parts, tensors) = (entries.len(), file.members.len());
        return Err(bad(format!("it has {tensors} tensors for the {parts} parts that it says")));
    }
    let mut arrays: BTreeMap<&str, &Array> =
        file.members.iter().map(|array| (array.name(), array)).collect();
    let which = match index {
        None | Some(Index::All) => 0..images,
        Some(Index::One(index)) if index < images => index..index + 1,
        Some(Index::One(index)) => {
            let reason = format!("there is no image {index}: it has {images}");
            let hint = format!("say --index 0 to {}, or all", images.saturating_sub(1));
            return Err(EngineError::bad_file(path, reason, hint));
        }
    };
    from_arrays::check_count(path, which.len().saturating_mul(entries.len()))?;
    let mut by_image: Vec<Vec<Part>> = Vec::new();
    for entry in &entries {
        let PartEntry { frames, rows, columns, book, .. } = *entry;
        let shape = PartShape { frames, rows, columns, book };
        // Each of them is the tokens of one part.
        let Some(array) = arrays.remove(entry.tensor.as_str()) else {
            let is_there = file.members.iter().any(|array| array.name() == entry.tensor);
            let what = if is_there { "is said to be two parts" } else { "is missing" };
            return Err(bad(format!("its {} {what}", entry.tensor)));
        };
        let cells = shape.cells().filter(|cells| *cells > 0);
        let all = cells.and_then(|cells| cells.checked_mul(images));
        let (Some(cells), true) = (cells, images > 0 && all == Some(array.len())) else {
            return Err(bad(format!(
                "{} has {} numbers, {images} images of {shape} were said",
                entry.tensor,
                array.len()
            )));
        };
        by_image.resize_with(which.len(), Vec::new);
        for (number, parts) in which.clone().zip(&mut by_image) {
            let mut codes: Vec<u32> = Vec::with_capacity(cells);
            while codes.len() < cells {
                let first = number * cells + codes.len();
                let last = (first + PIECE).min((number + 1) * cells);
                // What is no u32 is no code either, and is told with its place.
                let code = |value: i128| u32::try_from(value).unwrap_or(entry.codebook_size);
                codes.extend(array.integers(first..last)?.into_iter().map(code));
            }
            let part = Part::new(shape, entry.codebook_size, codes);
            parts.push(part.map_err(|e| bad(format!("{}: {e}", entry.tensor)))?);
        }
    }
    if by_image.is_empty() {
        return Err(bad("its metadata is damaged: there are no parts".to_owned()));
    }
    Ok((by_image.into_iter().map(Tokens::new).collect::<Result<_>>()?, images))
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    use crate::tokens::{Cell, MASKED};

    fn parse(bytes: &[u8], fallback: Option<u32>) -> Result<TokenFile> {
        super::parse(Path::new("x"), bytes, &Wanted::default(), fallback)
    }

    #[test]
    fn a_codebook_that_was_assumed_stays_assumed() {
        let grid = Tokens::grid(1, 3, 8, vec![0, 7, 2]).unwrap();
        let maker = Maker { is_size_assumed: true, ..Maker::default() };
        let bytes = safetensors_bytes(std::slice::from_ref(&grid), &maker).unwrap();
        let read = |codes, fallback| {
            let wanted = Wanted { codes, ..Wanted::default() };
            let read = super::parse(Path::new("x"), &bytes, &wanted, fallback).unwrap();
            (read.images[0].first().codebook_size(), read.maker.is_size_assumed)
        };
        assert_eq!(read(None, None), (8, true));
        assert_eq!(
            read(None, Some(1000)),
            (1000, true),
            "the tokenizer at hand may have made them"
        );
        assert_eq!(read(None, Some(4)), (8, true), "this one cannot");
        assert_eq!(read(Some(512), Some(1000)), (512, false), "somebody says it");
    }

    #[test]
    fn one_of_several_images_is_the_same_as_among_all() {
        let image = |first: u32| {
            let part = |size: usize, book| {
                let shape = PartShape { frames: 1, rows: size, columns: size, book };
                let codes = (first..first + (size * size) as u32).collect::<Vec<_>>();
                Part::new(shape, 100, codes).unwrap()
            };
            Tokens::new(vec![part(1, 0), part(3, 1)]).unwrap()
        };
        let images = [image(0), image(20), image(40)];
        let bytes = safetensors_bytes(&images, &Maker::default()).unwrap();
        let read = |index| {
            let wanted = Wanted { index: Some(index), ..Wanted::default() };
            super::parse(Path::new("x"), &bytes, &wanted, None)
        };
        assert_eq!(read(Index::All).unwrap().images, images);
        for (number, image) in images.iter().enumerate() {
            let one = read(Index::One(number)).unwrap();
            assert_eq!((one.images, one.total), (vec![image.clone()], 3));
        }
        let error = read(Index::One(3)).unwrap_err().problem();
        assert!(error.hint.contains("--index 0 to 2"), "{error}");
    }

    #[test]
    fn what_is_written_comes_back() {
        let grid = Tokens::grid(2, 3, 1000, vec![0, 1, 2, 999, 500, 7]).unwrap();
        let (model, token_hash) = (Some("worlds-fsq".to_owned()), Some("ab".to_owned()));
        let maker = Maker { model, token_hash, is_size_assumed: false };
        let back = parse(&npy_bytes(&grid).unwrap(), Some(1000)).unwrap();
        assert_eq!(back.images, std::slice::from_ref(&grid));
        let images = [grid.clone(), grid.with([(Cell::at(0, 0), Some(9))]).unwrap()];
        for images in [&images[..1], &images[..]] {
            let back = parse(&safetensors_bytes(images, &maker).unwrap(), Some(7)).unwrap();
            assert_eq!(back.images, images, "the codebook's size comes from the file");
            assert_eq!(back.maker, maker);
        }
    }

    #[test]
    fn what_a_person_says_of_a_file_that_says_it_itself_has_to_agree() {
        let grid = Tokens::grid(2, 3, 1000, vec![0, 1, 2, 999, 500, 7]).unwrap();
        let bytes = safetensors_bytes(&[grid.clone(), grid], &Maker::default()).unwrap();
        let read = |wanted: Wanted| super::parse(Path::new("x"), &bytes, &wanted, None);
        let said = |codes, grid, key: &str| {
            let key = Some(key.to_owned());
            Wanted { codes: Some(codes), grid: Some(grid), key, ..Wanted::default() }
        };
        assert_eq!(read(said(1000, (2, 3), "tokens")).unwrap().total, 2);
        for (wanted, option) in [
            (said(512, (2, 3), "tokens"), "--codes"),
            (said(1000, (3, 2), "tokens"), "--grid"),
            (said(1000, (2, 3), "codes"), "--key"),
        ] {
            let problem = read(wanted).unwrap_err().problem();
            assert!(problem.summary.contains(option), "{problem}");
            assert_eq!(problem.hint, format!("leave {option} out"));
        }
        let ninth = Wanted { index: Some(Index::One(9)), ..Wanted::default() };
        let problem = read(ninth).unwrap_err().problem();
        assert_eq!(problem.hint, "say --index 0 to 1, or all", "{problem}");
    }

    /// A file of format 2 with one tensor of bytes, which so many parts are said to be.
    fn one_tensor_as_parts(parts: usize, cells: usize) -> Vec<u8> {
        let data = vec![1_u8; cells];
        let view = TensorView::new(Dtype::U8, vec![1, cells], &data).unwrap();
        let part = format!(
            r#"{{"tensor":"tokens","frames":1,"rows":1,"columns":{cells},"book":0,"codebook_size":4}}"#
        );
        let parts = vec![part; parts].join(",");
        let text = format!(r#"{{"format":2,"images":1,"parts":[{parts}]}}"#);
        let metadata = HashMap::from([(KEY.to_owned(), text)]);
        safetensors::serialize([("tokens", view)], Some(metadata)).unwrap()
    }

    #[test]
    fn a_tensor_that_is_named_twice_is_refused() {
        assert!(parse(&one_tensor_as_parts(1, 8), None).is_ok());
        let error = parse(&one_tensor_as_parts(10_000, 100_000), None).unwrap_err().to_string();
        assert!(error.contains("1 tensors for the 10000 parts"), "{error}");
        let two = |other: &str| {
            let data = [0_u8; 4];
            let view = || TensorView::new(Dtype::U8, vec![2, 2], &data).unwrap();
            let part = |name: &str| {
                format!(
                    r#"{{"tensor":"{name}","frames":1,"rows":2,"columns":2,"book":0,"codebook_size":4}}"#
                )
            };
            let parts = [part("a"), part(other)].join(",");
            let text = format!(r#"{{"format":2,"images":1,"parts":[{parts}]}}"#);
            let metadata = HashMap::from([(KEY.to_owned(), text)]);
            safetensors::serialize([("a", view()), ("b", view())], Some(metadata)).unwrap()
        };
        assert!(parse(&two("b"), None).is_ok());
        let error = |other| parse(&two(other), None).unwrap_err().to_string();
        assert!(error("a").contains("its a is said to be two parts"), "{}", error("a"));
        assert!(error("c").contains("its c is missing"), "{}", error("c"));
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
        assert_eq!(parse(&bytes, None).unwrap().images, std::slice::from_ref(&tokens));
        // As any other program sees them.
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("tokens.1").unwrap().shape(), [2, 1, 2]);
        assert!(npy_bytes(&tokens).unwrap_err().problem().hint.contains(".safetensors"));
    }

    #[test]
    fn a_file_of_the_first_format_is_still_read() {
        let data: Vec<u8> = [1_u32, 2, 3, 4].iter().flat_map(|x| x.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::U32, vec![2, 2], &data).unwrap();
        let text = r#"{"format":1,"codebook_size":512,"shape":[2,2],"model":null}"#;
        let metadata = HashMap::from([(KEY.to_owned(), text.to_owned())]);
        let bytes = safetensors::serialize([("tokens", view)], Some(metadata)).unwrap();
        let read = parse(&bytes, Some(1000)).unwrap();
        assert_eq!(read.images, [Tokens::grid(2, 2, 512, vec![1, 2, 3, 4]).unwrap()]);
    }

    #[test]
    fn who_says_the_codebook_size_is_the_file_then_the_tokenizer_then_the_largest_code() {
        let npy = npy_bytes(&Tokens::grid(2, 2, 1000, vec![0, 1, 2, 300]).unwrap()).unwrap();
        let size = |fallback| {
            let read = parse(&npy, fallback).unwrap();
            (read.images[0].first().codebook_size(), read.remarks.len())
        };
        assert_eq!(size(Some(512)), (512, 0));
        assert_eq!(size(None), (301, 1), "with a remark");
        assert_eq!(size(Some(300)), (301, 1), "not that tokenizer's");
        let own = Tokens::grid(2, 2, 1000, vec![0, 1, 2, 300]).unwrap();
        let own = safetensors_bytes(&[own], &Maker::default()).unwrap();
        assert_eq!(parse(&own, Some(512)).unwrap().images[0].first().codebook_size(), 1000);
    }

    #[test]
    fn an_unknown_version_is_named() {
        let grid = Tokens::grid(1, 1, 2, vec![1]).unwrap();
        let mut bytes = safetensors_bytes(&[grid], &Maker::default()).unwrap();
        let needle = br#"\"format\":2"#;
        let place = bytes.windows(needle.len()).position(|w| w == needle).unwrap();
        bytes[place + needle.len() - 1] = b'7';
        let error = parse(&bytes, None).unwrap_err().to_string();
        assert!(error.contains("format 7"), "{error}");
    }
}
