//! What families share when they read a published configuration and the shapes of tensors.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{EngineError, Result};

/// Shapes of tensors by name.
pub type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// Numbered parts of a network are counted up to here; a network has a few.
const MOST_PARTS: usize = 64;

/// `found` with what a configuration beside the weights says of the same fields. Fields that it does
/// not have or leaves empty (null) stay, and what is no field of ours is passed over.
///
/// # Errors
/// [`EngineError::BadInput`] naming the key whose value is of another kind.
pub(super) fn overlay<T: Serialize + DeserializeOwned>(
    found: &T,
    beside: Option<&Value>,
) -> Result<T> {
    let unreadable = |key: &str, e: serde_json::Error| {
        let hint = "this is no configuration of that family; give another or none";
        EngineError::bad_input(format!("configuration, {key}"), e, hint)
    };
    let mut all = serde_json::to_value(found).map_err(|e| unreadable("all of it", e))?;
    let keys: Vec<String> = all.as_object().into_iter().flat_map(|o| o.keys().cloned()).collect();
    let mut read = serde_json::from_value(all.clone()).map_err(|e| unreadable("all of it", e))?;
    for key in keys {
        let Some(said) = beside.and_then(|b| b.get(&key)).filter(|said| !said.is_null()) else {
            continue;
        };
        all[&key] = said.clone();
        read = serde_json::from_value(all.clone()).map_err(|e| unreadable(&key, e))?;
    }
    Ok(read)
}

/// How many of a numbered name there are, from 0 without a gap.
pub(super) fn count(shapes: &Shapes<'_>, name: impl Fn(usize) -> String) -> usize {
    (0..MOST_PARTS).take_while(|i| shapes.contains_key(name(*i).as_str())).count()
}

/// Whether any name begins with `prefix`.
pub(super) fn any(shapes: &Shapes<'_>, prefix: &str) -> bool {
    shapes.range(prefix..).next().is_some_and(|(name, _)| name.starts_with(prefix))
}

/// A size of a tensor without which nothing can be said.
///
/// # Errors
/// [`EngineError::BadInput`] that names the tensor.
pub(super) fn needed(shapes: &Shapes<'_>, family: &str, name: &str, axis: usize) -> Result<usize> {
    let size = shapes.get(name).and_then(|shape| shape.get(axis)).copied();
    size.filter(|size| *size > 0).ok_or_else(|| {
        EngineError::bad_input(
            format!("nearly a {family}"),
            match shapes.get(name) {
                None => format!("but without {name}"),
                Some(shape) => format!("but {name} is {shape:?}"),
            },
            "the file is a part of a model, or damaged; use the complete one",
        )
    })
}

/// Multipliers of `ch`, the channels of the finest level, that give the channels of all levels.
///
/// # Errors
/// [`EngineError::BadInput`] if one does not divide.
pub(super) fn multipliers(family: &str, ch: usize, levels: &[usize]) -> Result<Vec<usize>> {
    let whole = |channels: &usize| channels.is_multiple_of(ch).then(|| channels / ch);
    levels.iter().map(whole).collect::<Option<Vec<_>>>().ok_or_else(|| {
        EngineError::bad_input(
            format!("nearly a {family}"),
            format!("but its levels have {levels:?} channels, which {ch} does not divide"),
            "",
        )
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
        assert_eq!(overlay(&found(), None).unwrap(), found());
        let beside = json!({ "_class_name": "Some", "ch": 16, "levels": null, "lr": 1e-4 });
        let read = overlay(&found(), Some(&beside)).unwrap();
        assert_eq!(read, Fields { ch: 16, levels: vec![8, 5] });
        for wrong in [json!({ "ch": "many" }), json!({ "ch": -1 }), json!({ "ch": 1.5 })] {
            let error = overlay(&found(), Some(&wrong)).unwrap_err().to_string();
            assert!(error.contains("configuration, ch"), "{error}");
        }
        assert_eq!(overlay(&found(), Some(&json!([1, 2]))).unwrap(), found(), "no object");
    }

    #[test]
    fn what_cannot_be_told_names_the_tensor() {
        let shapes: Shapes<'_> = [("a.0.w", &[4, 0][..]), ("a.1.w", &[1])].into();
        assert_eq!(count(&shapes, |i| format!("a.{i}.w")), 2);
        assert!(any(&shapes, "a.1.") && !any(&shapes, "a.2") && !any(&shapes, "b"));
        assert_eq!(needed(&shapes, "VQ", "a.0.w", 0).unwrap(), 4);
        for (name, axis) in [("a.0.w", 1), ("a.1.w", 3), ("b", 0)] {
            let error = needed(&shapes, "VQ", name, axis).unwrap_err().to_string();
            assert!(error.contains("nearly a VQ") && error.contains(name), "{error}");
        }
        assert_eq!(multipliers("VQ", 4, &[4, 8, 16]).unwrap(), [1, 2, 4]);
        assert!(multipliers("VQ", 4, &[4, 6]).is_err());
    }
}
