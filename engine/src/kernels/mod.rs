//! The operations that networks spend their time in, one function each.
//!
//! Everything goes through these functions, so that a faster kernel reaches every network at once.
//! On a device without a kernel of ours they are made of candle's own operations (`plain`).

mod adam;
mod attention;
mod bits;
mod chain;
mod conv;
mod cross_entropy;
mod direct;
mod exp;
mod fused;
mod gelu;
mod graft;
mod grid;
mod layer_norm;
mod modulate;
mod moments;
mod multiply;
mod nearest;
mod norm;
#[cfg(test)]
mod odd_shapes;
pub mod plain;
mod plain_conv;
mod plain_norm;
mod product;
mod raw;
mod scratch;
mod sequence;
mod simd;
#[cfg(test)]
mod tests;
mod transformer;
mod turn;
mod upsample;
mod winograd;

use std::sync::OnceLock;

use candle_core::{DType, Tensor};

pub use adam::{AdamState, AdamStep, sum_of_squares};
pub use fused::recomputing;
pub use transformer::{
    Mask, SequenceLink, attention, cross_entropy, layer_norm, map_attention, rms_norm, sequence,
};

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

/// Entropies of lookup-free quantization, where z says how likely each bit is set: sigmoid(sharpness z).
/// Gives two numbers in nats: the mean over the vectors of the entropy of their codes, and the entropy of
/// the mean distribution over all 2^D codes, -sum p ln(p + eps). Exact; differentiable in z.
///
/// # Shapes
/// - `z`: (N, D) with D at most 24; gives (2,)
///
/// # Errors
/// [`EngineError::Shape`] if there are no vectors or no bits, or more than 24.
pub fn bit_entropies(z: &Tensor, sharpness: f64, eps: f64) -> Result<Tensor> {
    let (n, dim) = z.dims2()?;
    if n == 0 || dim == 0 || dim > 24 {
        return Err(EngineError::Shape {
            what: "vectors of bits".to_owned(),
            expected: "(N, D) with N above 0 and D in 1..=24".to_owned(),
            found: z.dims().to_vec(),
        });
    }
    let rule = bits::Rule { sharpness: sharpness as f32, eps: eps as f32 };
    if !ours(&[z]) {
        return plain::bit_entropies(z, rule);
    }
    Ok(bits::apply(z, rule)?)
}

/// Index of the nearest row by squared distance, the first of equals. No gradient.
///
/// # Shapes
/// - `vectors`: (N, D); `codebook`: (K, D); gives (N,) u32
///
/// # Errors
/// [`EngineError::BadInput`] if a value is not finite; its place is named.
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

/// x · scale + shift with a scale and a shift of its own for each place, then SiLU if `silu`; where the
/// maps of `scale` and `shift` are smaller, each of their places stands for a rectangle of x (the nearest
/// neighbor). Differentiable.
///
/// # Shapes
/// - `x`: (B, C, H, W); `scale`, `shift`: (B, C, h, w), where h divides H and w divides W
pub fn modulate(x: &Tensor, (scale, shift): (&Tensor, &Tensor), silu: bool) -> Result<Tensor> {
    let (b, c, height, width) = x.dims4()?;
    for small in [scale, shift] {
        let fits = match *small.dims() {
            [sb, sc, h, w] => {
                (sb, sc) == (b, c)
                    && h > 0
                    && w > 0
                    && height.is_multiple_of(h)
                    && width.is_multiple_of(w)
            }
            _ => false,
        };
        if !fits || small.dims() != scale.dims() {
            return Err(EngineError::Shape {
                what: "scale and shift of places".to_owned(),
                expected: format!("({b}, {c}, h, w) with divisors of {height} and {width}"),
                found: small.dims().to_vec(),
            });
        }
    }
    let all = [x, scale, shift];
    if !ours(&all) || all.iter().any(|t| t.track_op()) {
        return Ok(plain_norm::modulate(x, (scale, shift), silu)?);
    }
    let (rows, columns) = (scale.dim(2)?, scale.dim(3)?);
    let repeat = modulate::Repeat { rows, columns, down: height / rows, across: width / columns };
    let y = raw::with_all_values(&all, "modulate", |values| match values {
        [x, scale, shift] => modulate::forward(x, (scale, shift), repeat, silu),
        _ => Vec::new(),
    })?;
    Ok(Tensor::from_vec(y, x.dims(), x.device())?)
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
