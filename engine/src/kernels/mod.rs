//! The operations that networks spend their time in, one function each.
//!
//! Everything goes through these functions, so that a faster kernel reaches every network at once.
//! On a device without a kernel of ours they are made of candle's own operations (`plain`).

mod adam;
mod attention;
mod chain;
mod conv;
mod cross_entropy;
mod exp;
mod gelu;
mod grid;
mod layer_norm;
mod moments;
mod multiply;
mod nearest;
mod norm;
pub mod plain;
mod product;
mod raw;
mod scratch;
mod sequence;
mod simd;
#[cfg(test)]
mod tests;
mod upsample;
mod winograd;

use std::sync::OnceLock;

use candle_core::{DType, Tensor};

pub use adam::{AdamState, AdamStep, sum_of_squares};

use crate::{EngineError, Result};

static PLAIN: OnceLock<bool> = OnceLock::new();

/// Which kernels the process uses on the CPU: candle's own operations if `plain`, else the ones of
/// this module. To compare the two; only the first call counts, and it must come before any kernel.
/// Without a call, `SMALTI_KERNELS=candle` in the environment chooses the plain ones.
pub fn use_plain(plain: bool) {
    PLAIN.get_or_init(|| plain);
}

fn is_plain() -> bool {
    *PLAIN.get_or_init(|| std::env::var_os("SMALTI_KERNELS").is_some_and(|name| name == "candle"))
}

/// Whether the kernels of this module can take these tensors.
fn ours(tensors: &[&Tensor]) -> bool {
    !is_plain() && tensors.iter().all(|t| t.device().is_cpu() && t.dtype() == DType::F32)
}

/// How near a result must be to the sum that defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exactness {
    /// As near as a plain f32 sum or nearer: what decides codes, which must not flip.
    Tokens,
    /// Several times its error (1e-5 of the typical result) where that is faster: pictures, training.
    Fast,
}

/// Zero padding and stride of a 2-D convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Step of the window, both ways.
    pub stride: usize,
    /// Zeros before the first row and column.
    pub before: usize,
    /// Zeros after the last row and column.
    pub after: usize,
    /// How near to the exact result. Gradients, and results of trained weights, are always fast.
    pub exactness: Exactness,
}

impl Conv {
    /// As exact as codes need it.
    pub const fn new(stride: usize, before: usize, after: usize) -> Self {
        Self { stride, before, after, exactness: Exactness::Tokens }
    }

    /// Stride 1, the same number of zeros on all sides.
    pub const fn same(padding: usize) -> Self {
        Self::new(1, padding, padding)
    }

    /// The same with another exactness.
    #[must_use]
    pub const fn with(self, exactness: Exactness) -> Self {
        Self { exactness, ..self }
    }
}

/// 2-D convolution (cross-correlation) with an optional bias. Differentiable in every argument.
///
/// # Shapes
/// - `x`: (B, Cin, H, W); `weight`: (Cout, Cin, kh, kw); `bias`: (Cout,)
/// - gives (B, Cout, H', W') with H' = (H + before + after - kh) / stride + 1
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, conv: Conv) -> Result<Tensor> {
    if !ours(&[x, weight]) {
        return plain::conv2d(x, weight, bias, conv);
    }
    Ok(chain::chain(x, &[Link::Conv { weight, bias, conv }], Shortcut::None)?)
}

/// A layer of a [`chain`].
#[derive(Debug, Clone, Copy)]
pub enum Link<'a> {
    /// See [`conv2d`].
    Conv {
        /// (Cout, Cin, kh, kw)
        weight: &'a Tensor,
        /// (Cout,)
        bias: Option<&'a Tensor>,
        /// Stride and padding.
        conv: Conv,
    },
    /// See [`group_norm`].
    GroupNorm {
        /// (C,)
        weight: &'a Tensor,
        /// (C,)
        bias: &'a Tensor,
        /// Groups of consecutive channels.
        groups: usize,
        /// What is added to the variance.
        eps: f64,
        /// Whether SiLU follows.
        silu: bool,
    },
    /// See [`upsample2`].
    Double,
}

/// What is added to the result of a [`chain`].
#[derive(Debug, Clone, Copy)]
pub enum Shortcut<'a> {
    /// Nothing.
    None,
    /// Its input.
    Same,
    /// A 1x1 convolution of its input: weight (Cout, Cin, 1, 1) and bias (Cout,).
    Conv(&'a Tensor, &'a Tensor),
}

/// Layers one after another, then the shortcut. Differentiable in x and every parameter; faster to
/// train than its parts, since gradients between them are not copied.
pub fn chain(x: &Tensor, links: &[Link<'_>], shortcut: Shortcut<'_>) -> Result<Tensor> {
    let weights = links.iter().filter_map(|link| match link {
        Link::Conv { weight, .. } | Link::GroupNorm { weight, .. } => Some(*weight),
        Link::Double => None,
    });
    if ours(&weights.chain([x]).collect::<Vec<_>>()) {
        return Ok(chain::chain(x, links, shortcut)?);
    }
    let mut y = x.clone();
    for link in links {
        y = match *link {
            Link::Conv { weight, bias, conv } => plain::conv2d(&y, weight, bias, conv)?,
            Link::GroupNorm { weight, bias, groups, eps, silu } => {
                plain::group_norm(&y, (weight, bias), groups, eps, silu)?
            }
            Link::Double => plain::upsample2(&y)?,
        };
    }
    Ok(match shortcut {
        Shortcut::None => y,
        Shortcut::Same => (x + y)?,
        Shortcut::Conv(weight, bias) => (plain::conv2d(x, weight, Some(bias), Conv::same(0))? + y)?,
    })
}

/// Group normalization with affine parameters, then SiLU if `silu`. Differentiable.
///
/// # Shapes
/// - `x`: (B, C, H, W); `weight`, `bias`: (C,); `groups` consecutive groups of C / groups channels
pub fn group_norm(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    groups: usize,
    eps: f64,
    silu: bool,
) -> Result<Tensor> {
    if !ours(&[x, weight, bias]) {
        return plain::group_norm(x, (weight, bias), groups, eps, silu);
    }
    let link = Link::GroupNorm { weight, bias, groups, eps, silu };
    Ok(chain::chain(x, &[link], Shortcut::None)?)
}

/// Which keys a query of [`attention`] sees. Queries are the last Lq of the Lk places, so that with a
/// cache of keys the new places may ask alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask<'a> {
    /// All of them.
    None,
    /// Those up to its own place.
    Causal,
    /// Those of its own block and of the blocks before, as the scales of VAR; the sizes of the blocks.
    BlockCausal(&'a [usize]),
}

impl Mask<'_> {
    /// How many keys, from the first, each query sees; `None`: all see all.
    fn seen(self, queries: usize, keys: usize) -> Result<Option<Vec<usize>>> {
        let shape = |expected: String| EngineError::Shape {
            what: "queries and keys of attention".to_owned(),
            expected,
            found: vec![queries, keys],
        };
        let before = match self {
            Self::None => return Ok(None),
            _ => keys.checked_sub(queries).ok_or_else(|| {
                shape(
                    "(Lq, Lk) with Lq <= Lk, since the mask takes queries as the last keys".into(),
                )
            })?,
        };
        let Self::BlockCausal(blocks) = self else {
            return Ok(Some((before + 1..=keys).collect()));
        };
        let (mut end, mut blocks) = (0, blocks.iter());
        let seen = (before..keys).map(|place| {
            while end <= place {
                end += *blocks.next()?;
            }
            Some(end)
        });
        match seen.collect::<Option<Vec<usize>>>() {
            Some(seen) if end <= keys => Ok(Some(seen)),
            _ => Err(shape("(Lq, Lk) with Lk at the end of a block".to_owned())),
        }
    }
}

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
    Ok(attention::attention([q, k, v], rule, attention::Order::Rows)?)
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
    Ok(attention::attention([&q, &k, &v], rule, attention::Order::Columns)?.squeeze(1)?)
}

/// Checks the arguments of attention, whose keys and values must have the shape `expected`.
fn attention_rule<const N: usize>(
    (queries, keys, dim): (usize, usize, usize),
    (k, v): (&Tensor, &Tensor),
    expected: [usize; N],
    scale: f64,
    mask: Mask<'_>,
) -> Result<attention::Rule> {
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
    Ok(attention::Rule { scale: scale as f32, seen: mask.seen(queries, keys)? })
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
    Ok(layer_norm::apply(x, (weight, Some(bias)), layer_norm::Rule { centered: true, eps })?)
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
    Ok(layer_norm::apply(x, (weight, None), layer_norm::Rule { centered: false, eps })?)
}

/// Checks that x is (.., D) and each parameter (D,).
fn check_rows(x: &Tensor, parameters: &[&Tensor]) -> Result<()> {
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

/// A layer of a [`sequence`].
#[derive(Debug, Clone, Copy)]
pub enum SequenceLink<'a> {
    /// See [`layer_norm`].
    LayerNorm {
        /// (D,)
        weight: &'a Tensor,
        /// (D,)
        bias: &'a Tensor,
        /// What is added to the variance.
        eps: f64,
    },
    /// A linear layer, then GELU (its tanh form) if `gelu`.
    Linear {
        /// (Dout, Din)
        weight: &'a Tensor,
        /// (Dout,)
        bias: Option<&'a Tensor>,
        /// Whether GELU follows.
        gelu: bool,
    },
    /// See [`attention`]: rows of queries, keys and values (3 H D), head by head each, to rows (H D);
    /// the scale is 1 / sqrt(D). Not the last layer.
    Attention {
        /// H
        heads: usize,
        /// What a place sees.
        mask: Mask<'a>,
    },
}

impl<'a> SequenceLink<'a> {
    fn weight_and_bias(&self) -> (Option<&'a Tensor>, Option<&'a Tensor>) {
        match *self {
            Self::LayerNorm { weight, bias, .. } => (Some(weight), Some(bias)),
            Self::Linear { weight, bias, .. } => (Some(weight), bias),
            Self::Attention { .. } => (None, None),
        }
    }

    /// All parameters, weight before bias.
    fn parameters(&self) -> impl Iterator<Item = &'a Tensor> {
        let (weight, bias) = self.weight_and_bias();
        weight.into_iter().chain(bias)
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
        return Ok(sequence::sequence(x, links, shortcut)?);
    }
    plain::sequence(x, links, shortcut)
}

/// Mean cross-entropy -log softmax(logits)[target] over the rows, in nats. Differentiable in the logits.
///
/// # Shapes
/// - `logits`: (N, V); `targets`: (N,) u32; gives a scalar
///
/// # Errors
/// [`EngineError::Shape`] if shapes do not fit or N is 0; [`EngineError::BadInput`] with the place if a
/// target is not below V, or (on the CPU) the loss is not finite.
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
    if !ours(&[logits]) {
        return plain::cross_entropy(logits, &targets);
    }
    let loss = cross_entropy::apply(logits, targets)?;
    if loss.to_scalar::<f32>()?.is_finite() {
        return Ok(loss);
    }
    let values: Vec<f32> = logits.flatten_all()?.to_vec1()?;
    let reason = match values.iter().position(|&x| x.is_nan() || x == f32::INFINITY) {
        Some(at) => format!("row {}, class {} is {}", at / classes, at % classes, values[at]),
        None => "a target has probability 0".to_owned(),
    };
    let hint = "the weights or the training run may have diverged";
    Err(EngineError::bad_input("logits", reason, hint))
}

/// Index of the nearest row by squared distance, the first of equals. No gradient.
///
/// # Shapes
/// - `vectors`: (N, D); `codebook`: (K, D); gives (N,) u32
///
/// # Errors
/// [`EngineError::BadInput`] if a value is not finite (on the CPU); its place is named.
pub fn nearest(vectors: &Tensor, codebook: &Tensor) -> Result<Tensor> {
    if !ours(&[vectors, codebook]) {
        return plain::nearest(vectors, codebook);
    }
    let ((n, dim), (_, code_dim)) = (vectors.dims2()?, codebook.dims2()?);
    if dim != code_dim {
        return Err(EngineError::Shape {
            what: "latents".to_owned(),
            expected: format!("(N, {code_dim})"),
            found: vectors.dims().to_vec(),
        });
    }
    let (vectors, codebook) = (vectors.contiguous()?, codebook.contiguous()?);
    let found = raw::with_values(&vectors, "nearest", |vectors| {
        raw::with_values(&codebook, "nearest", |codes| nearest::nearest(vectors, codes, dim))
    })???;
    Ok(Tensor::from_vec(found, n, vectors.device())?)
}

/// Doubles height and width by repeating pixels. Differentiable.
///
/// # Shapes
/// - `x`: (B, C, H, W); gives (B, C, 2H, 2W)
pub fn upsample2(x: &Tensor) -> Result<Tensor> {
    if !ours(&[x]) {
        return plain::upsample2(x);
    }
    Ok(chain::chain(x, &[Link::Double], Shortcut::None)?)
}
