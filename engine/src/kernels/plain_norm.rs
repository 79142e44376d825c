//! The group norm of `plain`, of few operations forward and backward.

use candle_core::{D, Error, Result, Tensor};

use super::card;
use super::graft::graft;
use super::tally;

/// See [`super::group_norm`]; there are numbers.
///
/// With c = x - mean, r = 1 / sqrt(variance + eps) and p = c r w + b, and g the gradient by p, the gradient
/// by x is r (g w - mean(g w) - c r^2 mean(g w c)), means over a group (Wu & He, arXiv 1803.08494; by hand).
pub(super) fn group_norm(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    groups: usize,
    eps: f64,
    silu: bool,
) -> Result<Tensor> {
    let (b, channels, h, w) = x.dims4()?;
    let pixels = h * w;
    let (in_group, count) = (channels / groups, (channels / groups * pixels) as f64);
    let grouped = x.detach().reshape((b, groups, in_group * pixels))?;
    let centered = grouped.broadcast_sub(&grouped.mean_keepdim(D::Minus1)?)?;
    let variance = centered.sqr()?.mean_keepdim(D::Minus1)?;
    // A number for each group, (B, G, 1), and for each channel, (B, C, 1).
    let inverse = (variance + eps)?.sqrt()?.recip()?;
    let scale = inverse.broadcast_mul(&weight.detach().reshape((1, groups, in_group))?)?;
    let scale = scale.reshape((b, channels, 1))?;
    let centered = centered.reshape((b, channels, pixels))?;
    let linear =
        centered.broadcast_mul(&scale)?.broadcast_add(&bias.detach().reshape((1, channels, 1))?)?;
    let y = if silu { linear.silu()? } else { linear.clone() }.reshape(x.shape())?;
    let weight_values = weight.detach();
    let shape = x.shape().clone();
    let tracked = [x, weight, bias].map(Tensor::track_op);
    graft(y, [x, weight, bias], move |gradient| {
        tally::add((tracked[1], tracked[2]));
        let mut g = gradient.reshape((b, channels, pixels))?;
        if silu {
            // The derivative is s + p s (1 - s), with s the sigmoid of p.
            let s = (linear.neg()?.exp()? + 1.0)?.recip()?;
            let slope = ((&linear * (1.0 - &s)?)? + 1.0)?;
            g = ((g * s)? * slope)?;
        }
        // A bias alone needs no more than the sums.
        let sums = g.sum(2)?;
        let with = || (&g * &centered)?.sum(2);
        let with = (tracked[0] || tracked[1]).then(with).transpose()?;
        let by_x = |with: &Tensor| {
            // (B, G, C / G) times weights, summed over a group: (B, G, 1).
            let weights = weight_values.reshape((1, groups, in_group))?;
            let of_group = |sums: &Tensor| {
                sums.reshape((b, groups, in_group))?.broadcast_mul(&weights)?.sum_keepdim(2)
            };
            let shift = ((of_group(&sums)? * &inverse)? / count)?;
            let cube = ((&inverse * &inverse)? * &inverse)?;
            let along = ((of_group(with)? * cube)? / count)?;
            let by_channel = |of_group: Tensor| {
                of_group.broadcast_as((b, groups, in_group))?.reshape((b, channels, 1))
            };
            (g.broadcast_mul(&scale)? - centered.broadcast_mul(&by_channel(along)?)?)?
                .broadcast_sub(&by_channel(shift)?)?
                .reshape(&shape)
        };
        let by_weight = |with: &Tensor| {
            let normal = with.reshape((b, groups, in_group))?.broadcast_mul(&inverse)?;
            normal.reshape((b, channels))?.sum(0)
        };
        Ok([
            with.as_ref().filter(|_| tracked[0]).map(by_x).transpose()?,
            with.as_ref().filter(|_| tracked[1]).map(by_weight).transpose()?,
            tracked[2].then(|| sums.sum(0)).transpose()?,
        ])
    })
}

/// See [`super::modulate`], whose sizes were checked.
pub(super) fn modulate(
    x: &Tensor,
    (scale, shift): (&Tensor, &Tensor),
    silu: bool,
) -> Result<Tensor> {
    // The repeated maps have as many numbers as x.
    card::check(x.device(), "images whose places are scaled", x.dims()).map_err(Error::wrap)?;
    let ((b, c, height, width), (_, _, h, w)) = (x.dims4()?, scale.dims4()?);
    let repeated = |t: &Tensor| {
        t.reshape((b, c, h, 1, w, 1))?
            .broadcast_as((b, c, h, height / h, w, width / w))?
            .reshape((b, c, height, width))
    };
    let y = ((x * repeated(scale)?)? + repeated(shift)?)?;
    if silu { y.silu() } else { Ok(y) }
}
