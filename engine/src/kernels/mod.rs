//! The operations that networks spend their time in, one function each.
//!
//! Everything goes through these functions, so that a faster kernel reaches every network at once.
//! On a device without a kernel of ours they are made of candle's own operations (`plain`).
//!
//! A parameter that is not tracked is frozen: its gradient is neither given nor worked out, wherever the
//! operation is run, and a gradient passes on through it all the same.

mod adam;
mod attention;
mod bits;
mod card;
mod centroids;
mod chain;
mod choice;
mod conv;
mod cross_entropy;
mod direct;
mod exp;
mod feature_distance;
mod few_rows;
#[cfg(test)]
mod frozen;
mod fused;
mod gelu;
mod graft;
mod grid;
mod layer_norm;
mod leaky;
mod max_pool;
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
mod plain_rows;
mod plan;
mod product;
mod raw;
mod rules;
mod scratch;
mod sequence;
mod simd;
mod stages;
mod tally;
#[cfg(test)]
mod tests;
mod transformer;
mod turn;
mod upsample;
mod winograd;

use candle_core::Tensor;

pub use adam::{AdamState, AdamStep, sum_of_squares};
pub use centroids::{Averaging, Members, average_codes, replace_rows};
pub use choice::use_plain;
pub use fused::recomputing;
pub use rules::{Conv, Exactness, Link, Mask, SequenceLink, Shortcut};
pub use transformer::{attention, cross_entropy, layer_norm, map_attention, rms_norm, sequence};

use crate::{EngineError, Result};
use choice::ours;

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

/// Layers one after another, then the shortcut. Differentiable in x and every parameter; faster to
/// train than its parts, since gradients between them are not copied.
pub fn chain(x: &Tensor, links: &[Link<'_>], shortcut: Shortcut<'_>) -> Result<Tensor> {
    let weights = links.iter().filter_map(|link| match link {
        Link::Conv { weight, .. } | Link::GroupNorm { weight, .. } => Some(*weight),
        Link::Double | Link::Leaky { .. } => None,
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
            Link::Leaky { slope } => plain::leaky(&y, slope)?,
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

/// Index of the row that has the largest product with each vector, plus the row's bias where biases are
/// given; the first of equals. No gradient, and no (N, K) scores in memory.
///
/// # Shapes
/// - `vectors`: (N, D); `codebook`: (K, D); `biases`: (K,); gives (N,) u32
///
/// # Errors
/// As [`nearest`]; [`EngineError::Shape`] for another number of biases.
pub fn highest(vectors: &Tensor, codebook: &Tensor, biases: Option<&Tensor>) -> Result<Tensor> {
    let ((n, dim), (codes, code_dim)) = (vectors.dims2()?, codebook.dims2()?);
    let expected = |what: &str, expected: String, found: &Tensor| EngineError::Shape {
        what: what.to_owned(),
        expected,
        found: found.dims().to_vec(),
    };
    if dim != code_dim {
        return Err(expected("latents", format!("(N, {code_dim})"), vectors));
    }
    if let Some(biases) = biases.filter(|biases| biases.dims() != [codes]) {
        return Err(expected("biases of codes", format!("({codes},)"), biases));
    }
    if !ours(&[vectors, codebook]) {
        return plain::highest(vectors, codebook, biases);
    }
    let (vectors, codebook) = (vectors.contiguous()?, codebook.contiguous()?);
    let biases = biases.map_or(Ok(Vec::new()), Tensor::to_vec1::<f32>)?;
    let found = raw::with_values(&vectors, "highest", |vectors| {
        raw::with_values(&codebook, "highest", |codes| {
            nearest::highest(vectors, codes, &biases, dim)
        })
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

/// Numbers above 0 as they are, others times `slope`: LeakyReLU, and ReLU with a slope of 0. Differentiable.
///
/// # Shapes
/// - `x`: (B, C, H, W); gives the same
pub fn leaky_relu(x: &Tensor, slope: f32) -> Result<Tensor> {
    chain(x, &[Link::Leaky { slope }], Shortcut::None)
}

/// The largest number of each window of `side` x `side`, the windows `stride` apart; what is left at the end
/// of rows and columns is not looked at. Differentiable: of equals the first gets the gradient.
///
/// # Shapes
/// - `x`: (B, C, H, W); gives (B, C, H', W') with H' = (H - side) / stride + 1
///
/// # Errors
/// [`EngineError::Shape`] if no window fits, or there is no stride.
pub fn max_pool2d(x: &Tensor, side: usize, stride: usize) -> Result<Tensor> {
    let (_, _, height, width) = x.dims4()?;
    if side == 0 || stride == 0 || height < side || width < side {
        return Err(EngineError::Shape {
            what: "images of which the largest numbers are taken".to_owned(),
            expected: format!("(B, C, H, W) of at least {side}x{side}, and a stride"),
            found: x.dims().to_vec(),
        });
    }
    let windows = max_pool::Windows::new((height, width), side, stride);
    if !ours(&[x]) {
        return plain::max_pool2d(x, windows);
    }
    Ok(x.contiguous()?.apply_op1(windows)?)
}

/// How far apart two maps of features are: at each place the features of both are brought to length 1, the
/// squares of their differences summed with a weight for each channel, and the mean over the places taken.
/// Differentiable in `a` and `b`; a place without features (all 0) gets no gradient.
///
/// Source: Zhang et al., arXiv 1801.03924, eq. 1; 1e-10 is added to lengths, as in the published code.
///
/// # Shapes
/// - `a`, `b`: (B, C, H, W); `weights`: (C,), without gradient; gives (B,)
///
/// # Errors
/// [`EngineError::Shape`] if shapes differ or there are no places.
pub fn feature_distance(a: &Tensor, b: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let (_, c, height, width) = a.dims4()?;
    if a.dims() != b.dims() || height * width == 0 {
        return Err(EngineError::Shape {
            what: "features that are compared".to_owned(),
            expected: format!("{:?} with at least one place, as the others", a.dims()),
            found: b.dims().to_vec(),
        });
    }
    if weights.dims() != [c] {
        return Err(EngineError::Shape {
            what: "weights of channels".to_owned(),
            expected: format!("({c},)"),
            found: weights.dims().to_vec(),
        });
    }
    if !ours(&[a, b, weights]) {
        return plain::feature_distance(a, b, weights);
    }
    let distance = feature_distance::Distance::new(weights.to_vec1()?, height * width);
    Ok(a.contiguous()?.apply_op2(&b.contiguous()?, distance)?)
}
