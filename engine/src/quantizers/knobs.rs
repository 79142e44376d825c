//! Settings of a rule that may be turned while it trains: one function of a configuration says which, and
//! what is listed, read and changed follows from it.

use crate::{Knob, Result};

/// Where a configuration has a knob: `None` where it would change nothing.
pub(super) type Field<C> = for<'a> fn(&'a mut C, Knob) -> Option<&'a mut f64>;

/// The knobs that there are and where they stand.
pub(super) fn listed<C: Clone>(config: &C, field: Field<C>) -> Vec<(Knob, f64)> {
    let mut config = config.clone();
    let all = Knob::ALL.into_iter();
    all.filter_map(|knob| Some((knob, *field(&mut config, knob)?))).collect()
}

/// The configuration with a knob turned; it still has to be checked.
///
/// # Errors
/// [`crate::EngineError::BadInput`] if there is no such knob.
pub(super) fn turned<C: Clone>(config: &C, field: Field<C>, knob: Knob, value: f64) -> Result<C> {
    let mut config = config.clone();
    *field(&mut config, knob).ok_or_else(|| knob.missing())? = value;
    Ok(config)
}
