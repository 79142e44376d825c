//! The two TorchScript archives that belong together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::{EngineError, Result};

/// The archives of a folder as they are published: what encodes, what decodes. Their tensors have
/// different names.
pub const HALVES: [&str; 2] = ["encoder.jit", "decoder.jit"];

/// The archive beside `path` that completes it, if `path` is one of the two and the other is there.
pub fn other_half(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?;
    let at = HALVES.iter().position(|half| *half == name)?;
    Some(path.with_file_name(HALVES[1 - at])).filter(|other| other.is_file())
}

/// The named tensors of both.
///
/// # Errors
/// [`EngineError::BadInput`] if both have one of the same name: then they are no halves of one model.
pub fn joined<T>(
    encoder: BTreeMap<String, T>,
    decoder: BTreeMap<String, T>,
) -> Result<BTreeMap<String, T>> {
    let mut all = encoder;
    for (name, tensor) in decoder {
        if all.contains_key(&name) {
            return Err(EngineError::bad_input(
                HALVES.join(" and "),
                format!("both hold {name}, so they are no halves of one model"),
                "put the two archives of one model beside each other",
            ));
        }
        all.insert(name, tensor);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_finds_the_other_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let [encoder, decoder] = HALVES.map(|name| folder.path().join(name));
        std::fs::write(&encoder, b"x").unwrap();
        assert_eq!(other_half(&encoder), None, "it is not there");
        std::fs::write(&decoder, b"x").unwrap();
        assert_eq!(other_half(&encoder), Some(decoder.clone()));
        assert_eq!(other_half(&decoder), Some(encoder));
        assert_eq!(other_half(&folder.path().join("autoencoder.jit")), None);
    }

    #[test]
    fn two_encoders_are_no_model() {
        let half = |name: &str| BTreeMap::from([(name.to_owned(), 1)]);
        let both = joined(half("encoder.a"), half("decoder.a")).unwrap();
        assert_eq!(both.len(), 2);
        let error = joined(half("encoder.a"), half("encoder.a")).unwrap_err().to_string();
        assert!(error.contains("encoder.a"), "{error}");
    }
}
