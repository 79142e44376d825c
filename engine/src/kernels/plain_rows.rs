//! Layers on rows by candle's operations, with gradients of what is tracked alone.
//!
//! candle works out the gradient of both arguments of an operation, also of one that is not tracked: of a
//! frozen linear layer it would take the product for the weights, as long as the one that is asked for.

use candle_core::{Result, Tensor};

use super::graft::graft;
use super::tally;

/// x times the weight (D,), plus the bias (D,) if there is one, of x (.., D).
pub(super) fn affine(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (values, scale) = (x.detach(), weight.detach());
    let mut y = values.broadcast_mul(&scale)?;
    if let Some(bias) = bias {
        y = y.broadcast_add(&bias.detach())?;
    }
    let tracked = tracked(x, weight, bias);
    // Without a bias the weights stand for it; their gradient is given once.
    graft(y, [x, weight, bias.unwrap_or(weight)], move |gradient| {
        tally::add((tracked[1], tracked[2]));
        let sums = |gradient: &Tensor| gradient.reshape(((), scale.elem_count()))?.sum(0);
        Ok([
            tracked[0].then(|| gradient.broadcast_mul(&scale)).transpose()?,
            tracked[1].then(|| sums(&(gradient * &values)?)).transpose()?,
            tracked[2].then(|| sums(gradient)).transpose()?,
        ])
    })
}

/// x W^T (N, Dy), plus the bias (Dy,) if there is one, of x (N, Dx) and W (Dy, Dx).
pub(super) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (values, matrix) = (x.detach(), weight.detach());
    let mut y = values.matmul(&matrix.t()?)?;
    if let Some(bias) = bias {
        y = y.broadcast_add(&bias.detach())?;
    }
    let tracked = tracked(x, weight, bias);
    graft(y, [x, weight, bias.unwrap_or(weight)], move |gradient| {
        tally::add((tracked[1], tracked[2]));
        Ok([
            tracked[0].then(|| gradient.matmul(&matrix)).transpose()?,
            tracked[1].then(|| values.t()?.matmul(gradient)?.t()).transpose()?,
            tracked[2].then(|| gradient.sum(0)).transpose()?,
        ])
    })
}

/// Which gradients are asked for: of x, weight and bias.
fn tracked(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> [bool; 3] {
    [x.track_op(), weight.track_op(), bias.is_some_and(Tensor::track_op)]
}
