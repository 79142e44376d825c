//! What families share when they read a published configuration and the shapes of tensors.

use candle_core::Tensor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::family::Beside;
use crate::{EngineError, Result};

/// `found` with what a configuration beside the weights says of the same fields. Fields that it does
/// not have or leaves empty (null) stay, and what is no field of ours is passed over.
///
/// # Errors
/// [`EngineError::BadFile`] naming the key whose value is of another kind.
pub(super) fn overlay<T: Serialize + DeserializeOwned>(
    found: T,
    beside: Option<&Beside>,
) -> Result<T> {
    let Some(Beside { path, value: said }) = beside else { return Ok(found) };
    let unreadable = |key: &str, e: serde_json::Error| {
        let hint = "correct it, or move the file away to take what the weights tell";
        EngineError::bad_file(path, format!("{key}: {e}"), hint)
    };
    let mut all = serde_json::to_value(&found).map_err(|e| unreadable("settings", e))?;
    let keys: Vec<String> = all.as_object().into_iter().flat_map(|o| o.keys().cloned()).collect();
    let mut read = found;
    for key in keys {
        let Some(said) = said.get(&key).filter(|said| !said.is_null()) else { continue };
        all[&key] = said.clone();
        read = serde_json::from_value(all.clone()).map_err(|e| unreadable(&key, e))?;
    }
    Ok(read)
}

/// Multipliers of `ch`, the channels of the finest level, that give the channels of all levels.
///
/// # Errors
/// [`EngineError::BadInput`] if one does not divide.
pub(super) fn multipliers(ch: usize, levels: &[usize]) -> Result<Vec<usize>> {
    let whole = |channels: &usize| (ch > 0 && channels.is_multiple_of(ch)).then(|| channels / ch);
    levels.iter().map(whole).collect::<Option<Vec<_>>>().ok_or_else(|| {
        let reason = format!("levels of {levels:?} channels, which {ch} does not divide");
        EngineError::bad_input("network", reason, "")
    })
}

/// A field of a configuration within bounds.
///
/// # Errors
/// [`EngineError::BadInput`] with the field.
pub(super) fn within(field: &str, value: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(EngineError::bad_input(field, format!("{value} is not between {least} and {most}"), ""))
}

/// A tokenizer of pictures: in color or gray, and back to the same.
///
/// # Errors
/// [`EngineError::BadInput`] with the field.
pub(super) fn picture_channels(inputs: usize, outputs: usize) -> Result<()> {
    if matches!(inputs, 1 | 3) && inputs == outputs {
        return Ok(());
    }
    Err(EngineError::bad_input(
        "in_channels and out_channels",
        format!("{inputs} and {outputs}"),
        "pictures have 3 channels, or 1 where they are gray",
    ))
}

/// Groups of a norm must divide the channels of every level.
///
/// # Errors
/// [`EngineError::BadInput`] with the field.
pub(super) fn groups_divide(field: &str, groups: usize, channels: &[usize]) -> Result<()> {
    let Some(odd) = channels.iter().find(|channels| !channels.is_multiple_of(groups)) else {
        return Ok(());
    };
    Err(EngineError::bad_input(
        field,
        format!("{groups} groups do not divide {odd} channels"),
        "shapes do not tell the groups: put the model's configuration beside its weights",
    ))
}

/// Images (B, C, H, W) with sides that divide by the factor.
///
/// # Errors
/// [`EngineError::Shape`] if they are not.
pub(super) fn check_images(images: &Tensor, channels: usize, factor: usize) -> Result<()> {
    let fits = match *images.dims() {
        [b, c, h, w] => {
            let whole = h.is_multiple_of(factor) && w.is_multiple_of(factor);
            c == channels && b > 0 && h > 0 && w > 0 && whole
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(EngineError::Shape {
        what: "images".to_owned(),
        expected: format!("(B, {channels}, H, W) with sides that divide by {factor}"),
        found: images.dims().to_vec(),
    })
}

/// Quantized latents (B, D, h, w).
///
/// # Errors
/// [`EngineError::Shape`] if they are not.
pub(super) fn check_quantized(latents: &Tensor, dim: usize) -> Result<()> {
    if latents.rank() == 4 && latents.dim(1)? == dim && latents.elem_count() > 0 {
        return Ok(());
    }
    Err(EngineError::Shape {
        what: "quantized latents".to_owned(),
        expected: format!("(B, {dim}, h, w)"),
        found: latents.dims().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Fields {
        ch: usize,
        levels: Vec<u32>,
    }

    #[test]
    fn a_configuration_beats_shapes_where_it_speaks_and_says_where_it_is_wrong() {
        let found = || Fields { ch: 8, levels: vec![8, 5] };
        let beside = |value| Beside { path: "config.json".into(), value };
        assert_eq!(overlay(found(), None).unwrap(), found());
        let said = beside(json!({ "_class_name": "Some", "ch": 16, "levels": null, "lr": 1e-4 }));
        let read = overlay(found(), Some(&said)).unwrap();
        assert_eq!(read, Fields { ch: 16, levels: vec![8, 5] });
        for wrong in [json!({ "ch": "many" }), json!({ "ch": -1 }), json!({ "ch": 1.5 })] {
            let error = overlay(found(), Some(&beside(wrong))).unwrap_err().to_string();
            assert!(error.contains("config.json: ch"), "{error}");
        }
        let no_object = beside(json!([1, 2]));
        assert_eq!(overlay(found(), Some(&no_object)).unwrap(), found());
    }

    #[test]
    fn channels_that_do_not_divide_are_an_error() {
        assert_eq!(multipliers(4, &[4, 8, 16]).unwrap(), [1, 2, 4]);
        for (ch, levels) in [(4, [4, 6]), (0, [0, 0])] {
            assert!(multipliers(ch, &levels).is_err());
        }
    }
}
