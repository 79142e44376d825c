//! Rows of a table of embeddings, checked: a card would not refuse a strange number but stop for good.

use candle_core::Tensor;

use crate::{EngineError, Result};

/// The rows (B, L, D) of a table (K, D) for B lists of L numbers each.
///
/// # Errors
/// [`EngineError::BadInput`] with the place of a number that is not below K, or if the lists differ in length.
pub(super) fn rows_of(table: &Tensor, what: &str, lists: &[&[u32]]) -> Result<Tensor> {
    let (count, dim) = table.dims2()?;
    let length = lists.first().map_or(0, |list| list.len());
    for (sequence, list) in lists.iter().enumerate() {
        if list.len() != length {
            let reason = format!("sequences of {length} and of {} tokens together", list.len());
            return Err(EngineError::bad_input(what, reason, ""));
        }
        if let Some(place) = list.iter().position(|number| *number as usize >= count) {
            let reason = format!(
                "sequence {sequence}, place {place} is {}, which is not below {count}",
                list[place]
            );
            return Err(EngineError::bad_input(what, reason, ""));
        }
    }
    let all: Vec<u32> = lists.concat();
    let all = Tensor::from_vec(all, lists.len() * length, table.device())?;
    Ok(table.index_select(&all, 0)?.reshape((lists.len(), length, dim))?)
}
