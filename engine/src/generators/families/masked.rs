//! What networks of masked tokens share: their inputs, attention between heads that lie side by side, and their
//! row in the table.

use candle_core::Tensor;
use serde_json::Value;

use super::super::config::{GeneratorConfig, NetworkSize, Takes, Way};
use super::super::network::{Layers, Network};
use super::super::order::Order;
use super::super::ways::MaskedNetwork;
use super::kind::{classes_of_numbers, said};
use crate::kernels::{self, Mask};
use crate::layers::Weights;
use crate::tokenizers::Beside;
use crate::tokens::{MASKED, PartShape};
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

/// What a published configuration says of the number of heads; otherwise the first of those that published networks
/// have which divides the width.
///
/// # Errors
/// As [`said`].
pub(super) fn heads(beside: Option<&Beside>, dim: usize, published: &[usize]) -> Result<usize> {
    let keys = ["/heads", "/num_attention_heads", "/model/generator/num_attention_heads"];
    let divides = |heads: &usize| dim.is_multiple_of(*heads);
    let usual = published.iter().copied().find(divides).unwrap_or(1);
    Ok(said(beside, &keys)?.unwrap_or(usual))
}

/// What to tell of the number of heads where nobody says it; shapes do not.
pub(super) fn assumed_heads(settings: &Value, beside: Option<&Beside>) -> Option<String> {
    let keys = ["heads", "num_attention_heads"];
    let is_in = |value: &Value| keys.iter().any(|key| value.get(key).is_some());
    let beside = beside.map(|beside| &beside.value);
    let nested = beside.and_then(|value| value.pointer("/model/generator"));
    if beside.into_iter().chain(nested).any(is_in) {
        return None;
    }
    let heads = settings.pointer("/network/heads")?;
    Some(format!(
        "{heads} heads of attention are assumed, as in the published network (say heads in a config.json beside the file)"
    ))
}

/// A network of masked tokens as a generator of one part.
///
/// # Errors
/// [`EngineError::BadInput`] if it cannot be used.
pub(super) fn generator(
    network: NetworkSize,
    (codes, classes): (usize, usize),
    shape: PartShape,
    layers: Box<dyn MaskedNetwork>,
    weights: &Weights,
) -> Result<Network> {
    let config = GeneratorConfig {
        way: Way::MaskGit,
        network,
        codes: u32::try_from(codes).unwrap_or(u32::MAX),
        layout: vec![shape],
        code_dim: 0,
        classes: classes_of_numbers(classes),
        takes: Takes::Class,
        needs_condition: false,
        order: Order::Rows,
    };
    Network::of(config, Layers::Masked(layers), weights)
}
