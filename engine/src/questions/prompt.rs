//! What leads a generator, from files: features of a caption, tokens that come before the picture's.

use std::path::Path;

use crate::arrays::{self, Array, Kind, names_in_words, shape_in_words};
use crate::generators::{Caption, Condition, GeneratorConfig, Takes};
use crate::token_files::{self, from_arrays::Wanted};
use crate::{EngineError, Result};

/// A caption's features from a file of arrays: rows by features, as the generator's text encoder gives them. Rows of
/// zeros before and behind are padding and left out.
///
/// # Errors
/// [`EngineError::BadInput`] if the generator takes none; [`EngineError::BadFile`] if no array fits, with those that
/// are there, or one holds what is no number.
pub fn caption_of(path: &Path, config: &GeneratorConfig) -> Result<Condition> {
    let Takes::Caption { rows, dim } = config.takes else {
        return Err(other("caption", "captions", config));
    };
    let members = arrays::read(path)?;
    let own = |array: &&Array| {
        array.kind() == Kind::Floats
            && match array.shape() {
                [count, width] | [1, count, width] => {
                    *width == dim && (1..=1 << 16).contains(count)
                }
                _ => false,
            }
    };
    let fitting: Vec<&Array> = members.iter().filter(own).collect();
    let hint = format!("the features of one caption by its text encoder are (up to {rows}, {dim})");
    let [array] = fitting[..] else {
        let reason = if fitting.is_empty() {
            let named = names_in_words(&members);
            format!("no array in it is (rows, {dim}) floating point numbers; it has {named}")
        } else {
            format!("{} arrays in it could be captions", fitting.len())
        };
        return Err(EngineError::bad_file(path, reason, hint));
    };
    let values = array.floats(0..array.len())?;
    if let Some(at) = values.iter().position(|x| !x.is_finite()) {
        let reason = format!("row {}, feature {} is {}", at / dim, at % dim, values[at]);
        return Err(EngineError::bad_file(path, reason, "make the file again"));
    }
    let values: Vec<f32> = values.into_iter().map(|x| x as f32).collect();
    let is_row = |row: &&[f32]| row.iter().any(|x| *x != 0.0);
    let all: Vec<&[f32]> = values.chunks(dim).collect();
    let first = all.iter().position(&is_row).unwrap_or(all.len());
    let last = all.iter().rposition(is_row).map_or(first, |at| at + 1);
    let kept = &all[first..last];
    if kept.is_empty() {
        return Err(EngineError::bad_file(path, "every row of it is padding (zeros)", hint));
    }
    if kept.len() > rows {
        let shape = shape_in_words(array.shape());
        let reason = format!("{shape} are more rows than the {rows} that it takes");
        return Err(EngineError::bad_file(path, reason, hint));
    }
    let features: Vec<f32> = kept.concat();
    Ok(Condition::Caption(Caption { rows: kept.len(), features: Some(features.into()) }))
}

/// Tokens that come before those of a picture, from a file of tokens.
///
/// # Errors
/// [`EngineError::BadInput`] if the generator takes none, or not so many; else as [`token_files::read`].
pub fn prefix_of(path: &Path, config: &GeneratorConfig) -> Result<Condition> {
    let Takes::Tokens { count, codes } = config.takes else {
        return Err(other("prefix", "tokens before the picture's", config));
    };
    let side = count.isqrt();
    let fixed = if side * side == count { (side, side) } else { (1, count) };
    let wanted = Wanted { codes: Some(codes), fixed: Some(fixed), ..Wanted::default() };
    let file = token_files::read(path, &wanted, Some(codes))?;
    let [tokens] = &file.images[..] else {
        let reason = format!("it holds the tokens of {} images", file.images.len());
        return Err(EngineError::bad_file(path, reason, "save those of one"));
    };
    let all: Vec<u32> =
        tokens.parts().iter().flat_map(|part| part.codes().iter().copied()).collect();
    let condition = Condition::Tokens(all.into());
    config.takes.check(&condition, true).map_err(|error| {
        let hint = error.problem().hint;
        EngineError::bad_file(path, error, hint)
    })?;
    Ok(condition)
}

fn other(what: &str, of: &str, config: &GeneratorConfig) -> EngineError {
    let hint = match config.takes {
        Takes::Class if config.classes.is_empty() => "leave it out",
        Takes::Class => "name a class (--class)",
        Takes::Caption { .. } => "give the features of a caption (--caption)",
        Takes::Tokens { .. } => "give the tokens that come before (--prefix)",
    };
    EngineError::bad_input(what, format!("this generator takes no {of}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generators::{NetworkSize, Order, Way};
    use crate::tokens::PartShape;

    fn config(takes: Takes) -> GeneratorConfig {
        GeneratorConfig {
            way: Way::Raster,
            network: NetworkSize { layers: 1, dim: 4, heads: 1 },
            codes: 9,
            layout: vec![PartShape::grid(2, 2)],
            code_dim: 0,
            classes: Vec::new(),
            takes,
            needs_condition: false,
            order: Order::Rows,
        }
    }

    /// A file of f32, (rows, 3).
    fn npy(folder: &Path, values: &[f32]) -> std::path::PathBuf {
        let path = folder.join("caption.npy");
        let mut header = format!(
            "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 3), }}",
            values.len() / 3
        );
        while !(10 + header.len() + 1).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn padding_of_a_caption_is_left_out_and_too_much_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let takes = config(Takes::Caption { rows: 3, dim: 3 });
        let read = |values: &[f32]| caption_of(&npy(folder.path(), values), &takes);
        let padded = [0.0, 0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let Condition::Caption(found) = read(&padded).unwrap() else { unreachable!() };
        assert_eq!(found.rows, 3, "a row of zeros in the middle is none of padding");
        assert_eq!(found.features.unwrap()[..], padded[3..12]);
        for (values, word) in [
            (&[1.0; 12][..], "more rows"),
            (&[0.0; 6], "padding"),
            (&[1.0, f32::NAN, 0.0], "feature 1 is NaN"),
        ] {
            let error = read(values).unwrap_err().problem().to_string();
            assert!(error.contains(word), "{error}");
        }
        let file = npy(folder.path(), &[1.0; 6]);
        let wide = config(Takes::Caption { rows: 3, dim: 5 });
        let error = caption_of(&file, &wide).unwrap_err().problem().to_string();
        assert!(error.contains("(rows, 5)") && error.contains("(2, 3)"), "{error}");
        let error = caption_of(&file, &config(Takes::Class)).unwrap_err().problem().to_string();
        assert!(error.contains("no captions"), "{error}");
    }
}
