//! What networks of masked tokens share: their inputs, and attention between heads that lie side by side.

use candle_core::Tensor;

use crate::kernels::{self, Mask};
use crate::tokens::MASKED;
use crate::{EngineError, Result};

/// The inputs of a picture's tokens: the mask, where none stands, is the number after the last code.
///
/// # Errors
/// [`EngineError::BadInput`] if there are not so many tokens, or one is no code: a card would not refuse it but
/// stop for good.
pub(super) fn inputs(tokens: &[u32], cells: usize, codes: usize) -> Result<Vec<u32>> {
    if tokens.len() != cells {
        let reason = format!("{} of them, the network reads {cells}", tokens.len());
        return Err(EngineError::bad_input("tokens", reason, ""));
    }
    let mask = codes as u32;
    if let Some(strange) = tokens.iter().find(|token| **token != MASKED && **token >= mask) {
        let reason = format!("{strange} is no code: there are {codes}");
        return Err(EngineError::bad_input("tokens", reason, ""));
    }
    Ok(tokens.iter().map(|token| (*token).min(mask)).collect())
}

/// The row of a class among those of all classes; no class has the one after the last.
///
/// # Errors
/// [`EngineError::BadInput`] if there is no such class.
pub(super) fn class_row(class: Option<u32>, classes: usize) -> Result<u32> {
    let none = classes as u32;
    match class {
        Some(class) if class >= none => {
            let reason = format!("{class} is not below {none}");
            Err(EngineError::bad_input("class", reason, ""))
        }
        class => Ok(class.unwrap_or(none)),
    }
}

/// Rows (B, L, C) of a table, by their numbers.
pub(super) fn rows(table: &Tensor, numbers: Vec<u32>, batch: usize) -> Result<Tensor> {
    let (places, width) = (numbers.len() / batch.max(1), table.dim(1)?);
    let numbers = Tensor::from_vec(numbers, batch * places, table.device())?;
    Ok(table.index_select(&numbers, 0)?.reshape((batch, places, width))?)
}

/// Attention between all places of (B, L, H D) each, a head after the other in a row, to the same.
pub(super) fn attend(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Result<Tensor> {
    let (b, l, width) = q.dims3()?;
    let size = width / heads;
    let split = |rows: &Tensor| rows.reshape((b, l, heads, size))?.transpose(1, 2);
    let scale = (size as f64).powf(-0.5);
    let attended = kernels::attention(&split(q)?, &split(k)?, &split(v)?, scale, Mask::None)?;
    Ok(attended.transpose(1, 2)?.reshape((b, l, width))?)
}
