//! The operations of transformers: attention, norms of rows, layers in sequence, cross-entropy.

use candle_core::{DType, Tensor};

use super::choice::ours;
use super::plain;
use super::rules::{Mask, SequenceLink};
use crate::{EngineError, Result};

/// Attention: weighted means of the values, the weights softmax(scale q k^T) over what the mask lets
/// a query see. The matrix of scores is never made. Differentiable in q, k and v.
///
/// # Shapes
/// - `q`: (B, H, Lq, D); `k`, `v`: (B, H, Lk, D); any strides; gives (B, H, Lq, D)
///
/// # Errors
/// [`EngineError::Shape`] if shapes or the mask do not fit or there are no keys;
/// [`EngineError::BadInput`] if the scale is not above 0.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64, mask: Mask<'_>) -> Result<Tensor> {
    let (b, h, queries, dim) = q.dims4()?;
    let keys = k.dims4()?.2;
    let rule = attention_rule((queries, keys, dim), (k, v), [b, h, keys, dim], scale, mask)?;
    if !ours(&[q, k, v]) {
        return plain::attention(q, k, v, &rule);
    }
    Ok(super::attention::attention([q, k, v], rule, super::attention::Order::Rows)?)
}

/// [`attention`] without a mask between the places of feature maps.
///
/// # Shapes
/// - `q`: (B, C, M); `k`, `v`: (B, C, N); gives (B, C, M)
///
/// # Errors
/// As for [`attention`].
pub fn map_attention(q: &Tensor, k: &Tensor, v: &Tensor, scale: f64) -> Result<Tensor> {
    let (b, c, queries) = q.dims3()?;
    let keys = k.dims3()?.2;
    let rule = attention_rule((queries, keys, c), (k, v), [b, c, keys], scale, Mask::None)?;
    if !ours(&[q, k, v]) {
        let rows = |t: &Tensor| t.transpose(1, 2)?.unsqueeze(1);
        let y = plain::attention(&rows(q)?, &rows(k)?, &rows(v)?, &rule)?;
        return Ok(y.squeeze(1)?.transpose(1, 2)?.contiguous()?);
    }
    let (q, k, v) = (q.unsqueeze(1)?, k.unsqueeze(1)?, v.unsqueeze(1)?);
    Ok(super::attention::attention([&q, &k, &v], rule, super::attention::Order::Columns)?
        .squeeze(1)?)
}

/// Checks the arguments of attention, whose keys and values must have the shape `expected`.
fn attention_rule<const N: usize>(
    (queries, keys, dim): (usize, usize, usize),
    (k, v): (&Tensor, &Tensor),
    expected: [usize; N],
    scale: f64,
    mask: Mask<'_>,
) -> Result<super::attention::Rule> {
    for (tensor, what) in [(k, "keys"), (v, "values")] {
        if tensor.dims() != expected || keys == 0 || dim == 0 {
            return Err(EngineError::Shape {
                what: format!("{what} of attention"),
                expected: format!("{expected:?} to fit the queries and keys, with no 0"),
                found: tensor.dims().to_vec(),
            });
        }
    }
    if !(scale > 0.0 && scale.is_finite()) {
        return Err(EngineError::bad_input("attention", format!("the scale is {scale}"), ""));
    }
    Ok(super::attention::Rule { scale: scale as f32, seen: mask.seen(queries, keys)? })
}

/// Layer norm over the last dimension, with affine parameters. Differentiable in all three.
///
/// # Shapes
/// - `x`: (.., D); `weight`, `bias`: (D,)
///
/// # Errors
/// [`EngineError::Shape`] if the parameters are not (D,), or D is 0.
pub fn layer_norm(x: &Tensor, (weight, bias): (&Tensor, &Tensor), eps: f64) -> Result<Tensor> {
    check_rows(x, &[weight, bias])?;
    if !ours(&[x, weight, bias]) {
        return plain::layer_norm(x, (weight, bias), eps);
    }
    let rule = super::layer_norm::Rule { centered: true, eps };
    Ok(super::sequence::norm(x, (weight, bias), rule)?)
}

/// RMS norm over the last dimension: x / sqrt(mean(x^2) + eps), times the weight. Differentiable in both.
///
/// Source: Zhang & Sennrich, arXiv 1910.07467.
///
/// # Shapes
/// - `x`: (.., D); `weight`: (D,)
///
/// # Errors
/// [`EngineError::Shape`] if the weight is not (D,), or D is 0.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    check_rows(x, &[weight])?;
    if !ours(&[x, weight]) {
        return plain::rms_norm(x, weight, eps);
    }
    let bias = Tensor::zeros(weight.shape(), weight.dtype(), weight.device())?;
    let rule = super::layer_norm::Rule { centered: false, eps };
    Ok(super::sequence::norm(x, (weight, &bias), rule)?)
}

/// Checks that x is (.., D) and each parameter (D,).
fn check_rows(x: &Tensor, parameters: &[&Tensor]) -> Result<()> {
    super::raw::count(x.dims())?;
    let dim = x.dims().last().copied().unwrap_or_default();
    match parameters.iter().find(|parameter| parameter.dims() != [dim] || dim == 0) {
        None => Ok(()),
        Some(parameter) => Err(EngineError::Shape {
            what: "a parameter of a norm".to_owned(),
            expected: format!("(D,) for x {:?}", x.dims()),
            found: parameter.dims().to_vec(),
        }),
    }
}

/// Layers of a transformer one after another, plus the input if `shortcut`. Differentiable in x and every
/// parameter; faster than its parts, since gradients between them are not copied.
///
/// # Shapes
/// - `x`: (B, L, D); gives (B, L, D')
pub fn sequence(x: &Tensor, links: &[SequenceLink<'_>], shortcut: bool) -> Result<Tensor> {
    let parameters = links.iter().flat_map(SequenceLink::parameters);
    if ours(&parameters.chain([x]).collect::<Vec<_>>()) {
        return Ok(super::sequence::sequence(x, links, shortcut)?);
    }
    let dims = super::sequence::result_dims(x, links, shortcut)?;
    if x.elem_count() == 0 {
        return Ok(Tensor::zeros(dims, x.dtype(), x.device())?);
    }
    plain::sequence(x, links, shortcut)
}

/// Mean cross-entropy `-log softmax(logits)[target]` over the rows, in nats. Differentiable in the logits.
///
/// # Shapes
/// - `logits`: (N, V); `targets`: (N,) u32; gives a scalar
///
/// # Errors
/// [`EngineError::Shape`] if shapes do not fit or N is 0; [`EngineError::BadInput`] with the place if a
/// target is not below V, or the loss is not finite.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    if targets.dims() != [n] || n == 0 {
        return Err(EngineError::Shape {
            what: "targets of the cross-entropy".to_owned(),
            expected: format!("(N,), N above 0, for logits {:?}", logits.dims()),
            found: targets.dims().to_vec(),
        });
    }
    let targets: Vec<u32> = targets.to_vec1()?;
    if let Some(at) = targets.iter().position(|&target| target as usize >= classes) {
        let reason = format!("target {at} is {}, but there are {classes} classes", targets[at]);
        return Err(EngineError::bad_input("cross-entropy", reason, ""));
    }
    let loss = if ours(&[logits]) {
        super::cross_entropy::apply(logits, targets)?
    } else {
        plain::cross_entropy(logits, &targets)?
    };
    if loss.to_dtype(DType::F32)?.to_scalar::<f32>()?.is_finite() {
        return Ok(loss);
    }
    let values: Vec<f32> = logits.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
    let reason = match values.iter().position(|&x| x.is_nan() || x == f32::INFINITY) {
        Some(at) => format!("row {}, class {} is {}", at / classes, at % classes, values[at]),
        None => "a target has probability 0".to_owned(),
    };
    let hint = "the weights or the training run may have diverged";
    Err(EngineError::bad_input("logits", reason, hint))
}
