//! What is known of a checkpoint before it is opened: names and shapes of its tensors, and perhaps a
//! configuration that lies beside it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{EngineError, Result};

/// Shapes by name.
pub type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// More of a numbered name are not looked for.
const MOST: usize = 256;

/// Whether a name begins so.
pub(super) fn any(shapes: &Shapes<'_>, prefix: &str) -> bool {
    shapes.range(prefix..).next().is_some_and(|(name, _)| name.starts_with(prefix))
}

/// A side of a tensor that decides how the network is built.
///
/// # Errors
/// [`EngineError::BadInput`] if there is no such tensor, or it has no such side.
pub(super) fn side(shapes: &Shapes<'_>, name: &str, axis: usize) -> Result<usize> {
    let Some(shape) = shapes.get(name) else {
        let reason = format!("{name} is missing, without which the network's sizes are not known");
        return Err(EngineError::bad_input("checkpoint", reason, "download or save it again"));
    };
    shape.get(axis).copied().filter(|&n| n > 0).ok_or_else(|| {
        let reason = format!("{name} is {shape:?}, which has not enough sides");
        EngineError::bad_input("checkpoint", reason, "")
    })
}

/// How many of a numbered name there are, from 0 without a gap.
pub(super) fn count(shapes: &Shapes<'_>, name: impl Fn(usize) -> String) -> usize {
    (0..MOST).take_while(|&i| shapes.contains_key(name(i).as_str())).count()
}

/// The quotient of channels, such as a level's by those of the first.
///
/// # Errors
/// [`EngineError::BadInput`] if there is none.
pub(super) fn multiple(name: &str, channels: usize, of: usize) -> Result<usize> {
    if of > 0 && channels.is_multiple_of(of) {
        return Ok(channels / of);
    }
    let reason = format!("the {channels} channels of {name} are no multiple of {of}");
    Err(EngineError::bad_input("checkpoint", reason, ""))
}

/// A configuration beside the checkpoint, asked by JSON pointers such as "/model/vq_model/heads"; of
/// several the first that is there counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside<'a>(pub(super) Option<&'a Value>);

impl<'a> Beside<'a> {
    fn get(self, pointers: &[&str]) -> Option<(&'a Value, String)> {
        let found = pointers.iter().find_map(|at| Some((self.0?.pointer(at)?, (*at).to_owned())));
        found.filter(|(value, _)| !value.is_null())
    }

    fn read<T>(
        self,
        pointers: &[&str],
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some((value, at)) = self.get(pointers) else { return Ok(None) };
        if let Some(read) = read(value) {
            return Ok(Some(read));
        }
        let mut text = value.to_string();
        if let Some((end, _)) = text.char_indices().nth(40) {
            text.truncate(end);
        }
        let key = at.trim_start_matches('/').replace('/', ".");
        Err(EngineError::bad_input(
            "configuration beside the checkpoint",
            format!("{key} is {text}, not {wanted}"),
            "correct it, or move it away to take what is usual",
        ))
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
