//! The kernels made of candle's own operations: the reference, and the path of other devices.

use candle_core::{D, DType, Tensor};

use super::attention::Rule;
use super::feature_distance::EPS;
use super::max_pool::Windows;
use super::rules::{Conv, SequenceLink};
use super::{card, plain_rows};
use crate::{EngineError, Result};

/// See [`super::conv2d`].
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, conv: Conv) -> Result<Tensor> {
    let ((_, _, h, w), (_, _, kh, kw)) = (x.dims4()?, weight.dims4()?);
    let padding = conv.before.saturating_add(conv.after);
    if h.saturating_add(padding) < kh || w.saturating_add(padding) < kw || conv.stride == 0 {
        return Err(EngineError::Shape {
            what: "images of a convolution".to_owned(),
            expected: format!(
                "(B, C, H, W) of at least {kh}x{kw} pixels with their {padding} zeros, and a stride"
            ),
            found: x.dims().to_vec(),
        });
    }
    let what = "images of a convolution";
    card::check(x.device(), what, x.dims())?;
    Ok(super::plain_conv::convolution(x, weight, bias, conv)?)
}

/// See [`super::group_norm`].
pub fn group_norm(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    groups: usize,
    eps: f64,
    silu: bool,
) -> Result<Tensor> {
    card::check(x.device(), "images of a norm", x.dims())?;
    if x.elem_count() == 0 {
        return Ok(x.clone());
    }
    Ok(super::plain_norm::group_norm(x, (weight, bias), groups, eps, silu)?)
}

/// See [`super::layer_norm`].
pub(super) fn layer_norm(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    eps: f64,
) -> Result<Tensor> {
    if x.elem_count() == 0 {
        return Ok(x.clone());
    }
    let centered = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    scaled(&centered, (weight, Some(bias)), eps)
}

/// See [`super::rms_norm`].
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    if x.elem_count() == 0 {
        return Ok(x.clone());
    }
    scaled(x, (weight, None), eps)
}

/// Rows over their root mean square, then weight and bias.
fn scaled(x: &Tensor, (weight, bias): (&Tensor, Option<&Tensor>), eps: f64) -> Result<Tensor> {
    card::check(x.device(), "rows of a norm", x.dims())?;
    let root = (x.sqr()?.mean_keepdim(D::Minus1)? + eps)?.sqrt()?;
    Ok(plain_rows::affine(&x.broadcast_div(&root)?, weight, bias)?)
}

/// See [`super::sequence`].
pub(super) fn sequence(x: &Tensor, links: &[SequenceLink<'_>], shortcut: bool) -> Result<Tensor> {
    let (b, l, _) = x.dims3()?;
    card::check(x.device(), "places of a sequence", x.dims())?;
    let mut y = x.clone();
    for link in links {
        y = match *link {
            SequenceLink::LayerNorm { weight, bias, eps } => layer_norm(&y, (weight, bias), eps)?,
            SequenceLink::Linear { weight, bias, gelu } => {
                card::check(x.device(), "places of a sequence", &[b, l, weight.dim(0)?])?;
                let rows = plain_rows::linear(&y.reshape((b * l, y.dim(2)?))?, weight, bias)?;
                (if gelu { rows.gelu()? } else { rows }).reshape((b, l, weight.dim(0)?))?
            }
            SequenceLink::Attention { heads, mask } => {
                let dim = y.dim(2)? / (3 * heads.max(1));
                let parts = y.reshape((b, l, 3, heads, dim))?;
                let part = |at: usize| parts.narrow(2, at, 1)?.squeeze(2)?.transpose(1, 2);
                let rule = Rule { scale: (dim as f32).powf(-0.5), seen: mask.seen(l, l)? };
                let y = attention(&part(0)?, &part(1)?, &part(2)?, &rule)?;
                y.transpose(1, 2)?.reshape((b, l, heads * dim))?
            }
        };
    }
    if shortcut { Ok((x + y)?) } else { Ok(y) }
}

/// See [`super::cross_entropy`].
pub(super) fn cross_entropy(logits: &Tensor, targets: &[u32]) -> Result<Tensor> {
    card::check(logits.device(), "logits", logits.dims())?;
    let down = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let sums = down.exp()?.sum(D::Minus1)?.log()?;
    let targets = Tensor::from_slice(targets, (targets.len(), 1), logits.device())?;
    let own = down.contiguous()?.gather(&targets, D::Minus1)?.squeeze(D::Minus1)?;
    Ok((sums - own)?.mean_all()?)
}

/// Scores held at once by [`attention`] and [`nearest`], so that long sequences do not need Lq x Lk
/// numbers, and probabilities by [`bit_entropies`].
const SCORES: usize = 1 << 24;

/// See [`super::attention`].
pub(super) fn attention(q: &Tensor, k: &Tensor, v: &Tensor, rule: &Rule) -> Result<Tensor> {
    let ((b, h, queries, _), keys) = (q.dims4()?, k.dim(2)?);
    for (tensor, what) in [(q, "queries"), (k, "keys"), (v, "values")] {
        card::check(tensor.device(), what, tensor.dims())?;
    }
    // The scores of a single query of every head.
    card::check(q.device(), "scores of attention", &[b, h, keys])?;
    if q.elem_count() == 0 {
        return Ok(q.clone());
    }
    let (q, k, v) = (q.contiguous()?, k.t()?.contiguous()?, v.contiguous()?);
    let at_once = (SCORES / (b * h * keys).max(1)).max(1);
    let parts = (0..queries).step_by(at_once).map(|first| {
        let count = at_once.min(queries - first);
        let mut scores =
            (q.narrow(2, first, count)?.contiguous()?.matmul(&k)? * f64::from(rule.scale))?;
        if let Some(seen) = &rule.seen {
            let hidden: Vec<f32> = seen[first..first + count]
                .iter()
                .flat_map(|&seen| {
                    (0..keys).map(move |key| if key < seen { 0.0 } else { f32::NEG_INFINITY })
                })
                .collect();
            let hidden = Tensor::from_vec(hidden, (count, keys), q.device())?;
            scores = scores.broadcast_add(&hidden.to_dtype(q.dtype())?)?;
        }
        // Not a fused softmax: candle's drops the gradient.
        let peak = scores.max_keepdim(D::Minus1)?.detach();
        let weights = scores.broadcast_sub(&peak)?.exp()?;
        let weights = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
        Ok(weights.matmul(&v)?)
    });
    let mut parts = parts.collect::<Result<Vec<_>>>()?;
    Ok(if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(&parts, 2)? })
}

/// See [`super::bit_entropies`].
pub(super) fn bit_entropies(z: &Tensor, rule: super::bits::Rule) -> Result<Tensor> {
    let (n, dim) = z.dims2()?;
    card::check(z.device(), "vectors of bits", z.dims())?;
    let logits = (z * f64::from(rule.sharpness))?;
    // By tanh, whose gradient stays finite where an exponential would not.
    let tilt = ((&logits * 0.5)?.tanh()? * 0.5)?;
    let (set, clear) = ((&tilt + 0.5)?, (tilt.neg()? + 0.5)?);
    // softplus(l) - p l
    let softplus = (logits.relu()? + (logits.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
    let own = (softplus - (&set * &logits)?)?.sum(1)?.mean_all()?;
    // Some vectors at a time: a half of them is up to 2^12 numbers each.
    let half = |(start, count): (usize, usize), first: usize, bits: usize| -> Result<Tensor> {
        let mut all = Tensor::ones((count, 1), z.dtype(), z.device())?;
        for bit in first..first + bits {
            let own = |t: &Tensor| t.narrow(0, start, count)?.narrow(1, bit, 1);
            let (set, clear) = (own(&set)?, own(&clear)?);
            all = Tensor::cat(&[all.broadcast_mul(&clear)?, all.broadcast_mul(&set)?], 1)?;
        }
        Ok(all)
    };
    let (low, high) = (dim / 2, dim - dim / 2);
    let at_once = (SCORES >> high).max(1);
    let mut sum: Option<Tensor> = None;
    for start in (0..n).step_by(at_once) {
        let part = (start, at_once.min(n - start));
        let product = half(part, 0, low)?.t()?.matmul(&half(part, low, high)?)?;
        sum = Some(match sum {
            Some(sum) => (sum + product)?,
            None => product,
        });
    }
    let mean = match sum {
        Some(sum) => (sum / n as f64)?,
        None => return Ok(Tensor::zeros(2, z.dtype(), z.device())?),
    };
    let entropy = (&mean * (&mean + f64::from(rule.eps))?.log()?)?.sum_all()?.neg()?;
    Ok(Tensor::stack(&[own, entropy], 0)?)
}

/// See [`super::nearest`].
pub fn nearest(vectors: &Tensor, codebook: &Tensor) -> Result<Tensor> {
    card::check(codebook.device(), "codebook", codebook.dims())?;
    least(vectors, codebook, &(codebook.sqr()?.sum(1)? * 0.5)?)
}

/// See [`super::highest`].
pub(super) fn highest(
    vectors: &Tensor,
    codebook: &Tensor,
    biases: Option<&Tensor>,
) -> Result<Tensor> {
    let Some(biases) = biases else {
        let zeros = Tensor::zeros(codebook.dim(0)?, codebook.dtype(), codebook.device())?;
        return least(vectors, codebook, &zeros);
    };
    let sum = biases.sum_all()?.to_dtype(DType::F32)?.to_vec0::<f32>()?;
    if !sum.is_finite() {
        let values: Vec<f32> = biases.to_dtype(DType::F32)?.to_vec1()?;
        super::nearest::check(&values, 1, "biases of codes")?;
    }
    least(vectors, codebook, &biases.neg()?)
}

/// The row with the smallest start (K,) less its product with each vector.
fn least(vectors: &Tensor, codebook: &Tensor, starts: &Tensor) -> Result<Tensor> {
    let ((n, dim), codes) = (vectors.dims2()?, codebook.dim(0)?);
    if codes == 0 || dim == 0 {
        return Err(EngineError::bad_input("codebook", "there are no codes", ""));
    }
    let device = vectors.device();
    card::check(device, "latents", vectors.dims())?;
    card::check(device, "codebook", codebook.dims())?;
    if n == 0 {
        return Ok(Tensor::zeros(0, DType::U32, device)?);
    }
    // One number tells, so that no more has to come from a graphics card; it may overflow.
    let sum = (vectors.sum(0)?.sum_all()? + codebook.sum(0)?.sum_all()?)?;
    if !sum.to_dtype(DType::F32)?.to_vec0::<f32>()?.is_finite() {
        for (tensor, what) in [(vectors, "latents"), (codebook, "codebook")] {
            let values: Vec<f32> = tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
            super::nearest::check(&values, dim, what)?;
        }
    }
    let turned = codebook.t()?;
    let at_once = (SCORES / codes).max(1);
    let parts = (0..n).step_by(at_once).map(|first| {
        let vectors = vectors.narrow(0, first, at_once.min(n - first))?;
        let scores = vectors.matmul(&turned)?.neg()?.broadcast_add(starts)?;
        if device.is_cpu() {
            return Ok(scores.argmin(D::Minus1)?);
        }
        // A card's argmin gives any of several equals.
        let least = scores.broadcast_eq(&scores.min_keepdim(D::Minus1)?)?;
        let all = Tensor::arange(0_u32, codes as u32, device)?.broadcast_as(scores.shape())?;
        let none = Tensor::full(u32::MAX, (), device)?.broadcast_as(scores.shape())?;
        Ok(least.where_cond(&all, &none)?.min(D::Minus1)?)
    });
    let mut parts = parts.collect::<Result<Vec<_>>>()?;
    Ok(if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(&parts, 0)? })
}

/// See [`super::upsample2`].
pub fn upsample2(x: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    card::check(x.device(), "images of twice the size", &[b, c, 2 * h, 2 * w])?;
    if x.elem_count() == 0 {
        return Ok(x.reshape((b, c, 2 * h, 2 * w))?);
    }
    // Not candle's `upsample_nearest2d`: its gradient overwrites what other uses of x contributed.
    Ok(x.reshape((b, c, h, 1, w, 1))?.broadcast_as((b, c, h, 2, w, 2))?.reshape((
        b,
        c,
        2 * h,
        2 * w,
    ))?)
}

/// See [`super::leaky_relu`].
pub(super) fn leaky(x: &Tensor, slope: f32) -> Result<Tensor> {
    card::check(x.device(), "images", x.dims())?;
    if x.elem_count() == 0 {
        return Ok(x.clone());
    }
    let above = x.detach().gt(&x.zeros_like()?)?.to_dtype(x.dtype())?;
    let factor = ((above * f64::from(1.0 - slope))? + f64::from(slope))?;
    Ok((x * factor)?)
}

/// See [`super::max_pool2d`], whose sizes were checked.
pub(super) fn max_pool2d(x: &Tensor, windows: Windows) -> Result<Tensor> {
    card::check(x.device(), "images", x.dims())?;
    let (b, c, _, _) = x.dims4()?;
    let (rows, columns) = windows.out;
    if b * c == 0 {
        return Ok(Tensor::zeros((b, c, rows, columns), x.dtype(), x.device())?);
    }
    let places = |first: usize, count: usize| {
        let all = (0..count).map(|i| (first + i * windows.stride) as u32);
        Tensor::from_iter(all, x.device())
    };
    // Each number of the windows in turn, as an image of the result's size.
    let mut taps = Vec::with_capacity(windows.side * windows.side);
    for down in 0..windows.side {
        let lines = x.contiguous()?.index_select(&places(down, rows)?, 2)?;
        for across in 0..windows.side {
            taps.push(lines.index_select(&places(across, columns)?, 3)?);
        }
    }
    let mut most = taps[0].detach();
    for tap in &taps[1..] {
        most = most.maximum(&tap.detach())?;
    }
    // 1 where a number is the first that is the largest: the sum is the largest number, with its gradient.
    let (mut left, mut y) = (most.ones_like()?, most.zeros_like()?);
    for tap in &taps {
        let is_most = (tap.detach().eq(&most)?.to_dtype(x.dtype())? * &left)?;
        left = (left - &is_most)?;
        y = (y + (tap * is_most)?)?;
    }
    Ok(y)
}

/// See [`super::feature_distance`], whose sizes were checked.
pub(super) fn feature_distance(a: &Tensor, b: &Tensor, weights: &Tensor) -> Result<Tensor> {
    card::check(a.device(), "features", a.dims())?;
    let unit = |x: &Tensor| -> Result<Tensor> {
        let squares = x.sqr()?.sum_keepdim(1)?;
        // The root of 0 has no gradient: such places divide by 1, which leaves 0.
        let none = squares.detach().eq(&squares.zeros_like()?)?.to_dtype(x.dtype())?;
        let length = ((squares + &none)?.sqrt()? + EPS)?;
        Ok(x.broadcast_div(&length)?.broadcast_mul(&(1.0 - none)?)?)
    };
    let squares = (unit(a)? - unit(b)?)?.sqr()?;
    let weighted = squares.broadcast_mul(&weights.detach().reshape((1, (), 1, 1))?)?;
    Ok(weighted.sum(1)?.flatten_from(1)?.mean(1)?)
}
