//! What a published configuration beside a checkpoint says, by its published keys.
//!
//! taming-transformers, latent-diffusion and Open-MAGVIT2 nest the same keys differently: below
//! `model.params` or `model.init_args`, and those of the network once more below `ddconfig`.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Beside;
use crate::{EngineError, Result};

/// The value of a key, wherever such a configuration keeps it; `None` if it does not say.
///
/// # Errors
/// [`EngineError::BadFile`] naming the key if its value is of another kind.
pub(in crate::tokenizers) fn published<T: DeserializeOwned>(
    beside: Option<&Beside>,
    key: &str,
) -> Result<Option<T>> {
    let Some(beside) = beside else { return Ok(None) };
    let mut places: Vec<&Value> = vec![&beside.value];
    // Latent diffusion keeps its tokenizer one level deeper.
    for inner in [
        &["model"][..],
        &["params", "init_args"],
        &["first_stage_config"],
        &["params"],
        &["ddconfig"],
    ] {
        let deeper: Vec<&Value> = places
            .iter()
            .flat_map(|place| inner.iter().filter_map(|key| place.get(*key)))
            .collect();
        places.extend(deeper);
    }
    // The deepest is the most particular.
    let found = places.into_iter().rev().find_map(|place| place.get(key));
    let Some(value) = found.filter(|value| !value.is_null()) else { return Ok(None) };
    serde_json::from_value(value.clone()).map(Some).map_err(|error| {
        EngineError::bad_file(
            &beside.path,
            format!("{key}: {error}"),
            "correct it, or move it away to take what shapes tell",
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Beside {
        Beside { path: "model.yaml".into(), value }
    }

    #[test]
    fn keys_are_found_as_every_publisher_nests_them() {
        for beside in [
            json!({"ch": 96}),
            json!({"ddconfig": {"ch": 96}}),
            json!({"model": {"target": "x", "params": {"ddconfig": {"ch": 96}}}}),
            json!({"model": {"class_path": "x", "init_args": {"ddconfig": {"ch": 96}}}}),
            json!({"model": {"params": {"ch": 96, "lossconfig": {"params": {"ch": 1}}}}}),
            json!({"model": {"params": {"ch": 1, "first_stage_config": {"params": {"ch": 96}}}}}),
        ] {
            let beside = of(beside);
            assert_eq!(published::<usize>(Some(&beside), "ch").unwrap(), Some(96), "{beside:?}");
            assert_eq!(published::<usize>(Some(&beside), "resolution").unwrap(), None);
        }
        assert_eq!(published::<usize>(None, "ch").unwrap(), None);
    }

    #[test]
    fn a_value_of_another_kind_is_named() {
        let beside = of(json!({"ddconfig": {"ch_mult": "1,2"}}));
        let error = published::<Vec<usize>>(Some(&beside), "ch_mult").expect_err("a string");
        assert!(error.to_string().contains("ch_mult"), "{error}");
    }
}
