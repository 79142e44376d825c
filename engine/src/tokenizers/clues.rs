//! What a configuration beside a checkpoint says of its network, and checks of what was found.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::family::Beside;
use crate::{EngineError, Result};

/// The quotient of channels, such as a level's by those of the first.
///
/// # Errors
/// [`EngineError::BadInput`] if there is none.
pub(super) fn multiple(name: &str, channels: usize, of: usize) -> Result<usize> {
    if of > 0 && channels.is_multiple_of(of) {
        return Ok(channels / of);
    }
    let reason = format!("the {channels} channels of {name} are no multiple of {of}");
    Err(EngineError::bad_input("network", reason, ""))
}

/// A configuration beside the checkpoint, asked by JSON pointers such as "/model/vq_model/heads"; of
/// several the first that is there counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a>(pub(super) Option<&'a Beside>);

impl<'a> Said<'a> {
    fn read<T>(
        self,
        pointers: &[&str],
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(beside) = self.0 else { return Ok(None) };
        let said = pointers.iter().find_map(|at| Some((*at, beside.value.pointer(at)?)));
        let Some((at, value)) = said.filter(|(_, value)| !value.is_null()) else { return Ok(None) };
        if let Some(read) = read(value) {
            return Ok(Some(read));
        }
        let mut text = value.to_string();
        if let Some((end, _)) = text.char_indices().nth(40) {
            text.truncate(end);
        }
        let key = at.trim_start_matches('/').replace('/', ".");
        let hint = "correct it, or move the file away to take what is usual";
        Err(EngineError::bad_file(&beside.path, format!("{key} is {text}, not {wanted}"), hint))
    }

    /// A number.
    pub(super) fn number(self, pointers: &[&str]) -> Result<Option<f64>> {
        self.read(pointers, "a number", Value::as_f64)
    }

    /// A whole number of at least 0.
    pub(super) fn whole(self, pointers: &[&str]) -> Result<Option<usize>> {
        self.read(pointers, "a whole number", whole)
    }

    /// True or false.
    pub(super) fn flag(self, pointers: &[&str]) -> Result<Option<bool>> {
        self.read(pointers, "true or false", Value::as_bool)
    }

    /// A word.
    pub(super) fn word(self, pointers: &[&str]) -> Result<Option<&'a str>> {
        self.read(pointers, "a word", Value::as_str)
    }

    /// A list of whole numbers, or one in a word such as "1_2_3" or "1-2-3", as VAR's command line
    /// takes it.
    pub(super) fn wholes(self, pointers: &[&str]) -> Result<Option<Vec<usize>>> {
        let list = |value: &Value| match value {
            Value::String(text) => text.split(['_', '-']).map(|part| part.parse().ok()).collect(),
            other => other.as_array()?.iter().map(whole).collect(),
        };
        self.read(pointers, "a list of whole numbers", list)
    }
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok())
}

/// The value of a key, wherever a published configuration keeps it ([`Beside::find`]); `None` if it does
/// not say.
///
/// # Errors
/// [`EngineError::BadFile`] naming the key if its value is of another kind.
pub(super) fn published<T: DeserializeOwned>(
    beside: Option<&Beside>,
    key: &str,
) -> Result<Option<T>> {
    let found = beside.and_then(|beside| Some((beside, beside.find(key)?)));
    let Some((beside, value)) = found else { return Ok(None) };
    serde_json::from_value(value.clone()).map(Some).map_err(|error| {
        let hint = "correct it, or move the file away to take what shapes tell";
        EngineError::bad_file(&beside.path, format!("{key}: {error}"), hint)
    })
}

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

/// That a size is within bounds, before anything is allocated.
///
/// # Errors
/// [`EngineError::BadInput`] with the field.
pub(super) fn within(field: &str, value: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(EngineError::bad_input(field, format!("{value} is not between {least} and {most}"), ""))
}

/// That groups of channels are whole, for each number of channels that is normalized, and the sum they
/// add to the variance makes sense.
///
/// # Errors
/// [`EngineError::BadInput`] with the field and what to do.
pub(super) fn grouped(groups: usize, eps: f64, channels: &[usize]) -> Result<()> {
    within("norm_groups", groups, 1, 4096)?;
    if let Some(uneven) = channels.iter().find(|&&n| !n.is_multiple_of(groups)) {
        return Err(EngineError::bad_input(
            "norm_groups",
            format!("{groups} groups do not divide {uneven} channels"),
            "say the groups of the norms in a config.json beside the checkpoint",
        ));
    }
    if eps > 0.0 && eps < 1.0 {
        return Ok(());
    }
    Err(EngineError::bad_input("norm_eps", format!("{eps} is not between 0 and 1"), "usual: 1e-6"))
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
