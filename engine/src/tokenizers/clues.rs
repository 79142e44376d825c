//! What a configuration beside a checkpoint says of its network, and checks of what was found.

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

    /// A list of whole numbers.
    pub(super) fn wholes(self, pointers: &[&str]) -> Result<Option<Vec<usize>>> {
        let list = |value: &Value| value.as_array()?.iter().map(whole).collect();
        self.read(pointers, "a list of whole numbers", list)
    }
}

fn whole(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|n| usize::try_from(n).ok())
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
