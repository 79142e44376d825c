//! Layers of feature maps one after another as a single operation with a gradient of its own.
//!
//! candle adds the gradient of every operation to a tensor of zeros that it clears first, on one
//! thread: with small networks that costs as much as the convolutions. A chain is one operation for
//! all its layers and passes gradients on inside.

use candle_core::{Error, Result, Tensor};

use super::fused;
use super::plan::Plan;
use super::raw::count;
use super::rules::{Conv, Exactness, Link, Shortcut};
use super::stages::{Asked, Back, Layer, Parameters, Reads, Slots, Stages};
use super::{conv, leaky, norm, upsample};

const NAME: &str = "chain";

/// A layer of maps (B, C, H, W).
enum Maps {
    Conv(Plan),
    Norm(norm::Rule, [usize; 4]),
    /// From height and width.
    Double((usize, usize)),
    /// By the slope.
    Leaky(f32),
}

/// See [`super::chain`]; all tensors are f32 on the CPU.
pub(super) fn chain(x: &Tensor, links: &[Link<'_>], shortcut: Shortcut<'_>) -> Result<Tensor> {
    fused::apply(x, stages(x, links, shortcut)?)
}

/// The layers with their sizes, checked.
fn stages(x: &Tensor, links: &[Link<'_>], shortcut: Shortcut<'_>) -> Result<Stages<Maps>> {
    let &[b, c, h, w] = x.dims() else {
        return Err(Error::Msg(format!("{NAME}: {:?} is not (B, C, H, W)", x.dims())));
    };
    count(x.dims())?;
    let (first, mut dims, mut stages) = ([b, c, h, w], [b, c, h, w], Stages::new(x.track_op()));
    for link in links {
        match *link {
            Link::Conv { weight, bias, conv } => {
                let (layer, out) = convolution(dims, (weight, bias), conv)?;
                stages.push(layer, [Some(weight), bias]);
                dims = out;
            }
            Link::GroupNorm { weight, bias, groups, eps, silu } => {
                let rule = norm::Rule { groups, eps, silu };
                rule.sizes(&dims, [weight.elem_count(), bias.elem_count()])?;
                stages.push(Maps::Norm(rule, dims), [Some(weight), Some(bias)]);
            }
            Link::Double => {
                let layer = Maps::Double((dims[2], dims[3]));
                let (height, width) = (dims[2].checked_mul(2), dims[3].checked_mul(2));
                let Some((height, width)) = height.zip(width) else {
                    return Err(Error::Msg(format!("{NAME}: {dims:?} cannot be doubled")).bt());
                };
                dims = [dims[0], dims[1], height, width];
                count(&dims)?;
                stages.push(layer, [None, None]);
            }
            Link::Leaky { slope } => stages.push(Maps::Leaky(slope), [None, None]),
        }
    }
    match shortcut {
        Shortcut::None => {}
        Shortcut::Same if first == dims => stages.beside_x(),
        Shortcut::Same => {
            return Err(Error::Msg(format!("{NAME}: {first:?} cannot be added to {dims:?}")));
        }
        Shortcut::Conv(weight, bias) => {
            let (layer, out) = convolution(first, (weight, Some(bias)), Conv::same(0))?;
            if out != dims {
                return Err(Error::Msg(format!("{NAME}: a shortcut to {out:?}, not {dims:?}")));
            }
            stages.beside(layer, [Some(weight), Some(bias)]);
        }
    }
    Ok(stages.giving(&dims))
}

/// A convolution, and the shape of its results.
fn convolution(
    dims: [usize; 4],
    (weight, bias): (&Tensor, Option<&Tensor>),
    rule: Conv,
) -> Result<(Maps, [usize; 4])> {
    // Training averages over far larger errors. Frozen weights are as exact as they were built to be.
    let rule = if weight.track_op() { rule.with(Exactness::Fast) } else { rule };
    let plan = Plan::new(&dims, weight.dims(), rule)?;
    let out = plan.out_dims();
    if let Some(bias) = bias.filter(|bias| bias.elem_count() != out[1]) {
        let found = bias.elem_count();
        return Err(Error::Msg(format!("conv2d: {found} biases for {} channels", out[1])));
    }
    Ok((Maps::Conv(plan), out))
}

impl Layer for Maps {
    const NAME: &'static str = NAME;
    /// Mean and scale of every group of a norm.
    type Extra = norm::Stats;

    fn forward(
        &self,
        x: &[f32],
        (weight, bias): Parameters<'_>,
        _plus: Option<&[f32]>,
    ) -> Result<(Vec<f32>, norm::Stats)> {
        Ok(match self {
            Self::Conv(plan) => {
                let bias = Some(bias).filter(|bias| !bias.is_empty());
                (conv::forward(plan, x, weight, bias), Vec::new())
            }
            Self::Norm(rule, dims) => rule.forward(x, (weight, bias), dims)?,
            Self::Double(size) => (upsample::forward(x, *size), Vec::new()),
            Self::Leaky(slope) => (leaky::forward(x, *slope), Vec::new()),
        })
    }

    fn reads(&self, asked: Asked) -> Reads {
        match self {
            Self::Conv(_) => Reads { input: asked.weight, ..Reads::default() },
            Self::Norm(..) => Reads { input: true, extra: true, output: false },
            Self::Double(_) => Reads::default(),
            Self::Leaky(_) => Reads { input: true, ..Reads::default() },
        }
    }

    fn backward(
        &self,
        back: Back<'_, norm::Stats>,
        (weight, bias): Parameters<'_>,
        to: Slots<'_>,
    ) -> Result<Option<Vec<f32>>> {
        let Back { input, dy, wants_dx, .. } = back;
        let asked = (to.weight.is_some(), to.bias.is_some());
        let ((dw, db), dx) = match self {
            Self::Conv(plan) => (
                conv::parameter_gradients(plan, input, dy, asked),
                wants_dx.then(|| conv::input_gradient(plan, weight, dy)),
            ),
            Self::Norm(rule, dims) => {
                let parameters = (weight, bias);
                let (dx, found) =
                    rule.backward((input, dy), parameters, dims, back.extra, asked)?;
                (found, Some(dx))
            }
            Self::Double(size) => ((None, None), wants_dx.then(|| upsample::backward(dy, *size))),
            Self::Leaky(slope) => {
                ((None, None), wants_dx.then(|| leaky::backward(input, dy, *slope)))
            }
        };
        for (to, found) in [(to.weight, dw), (to.bias, db)] {
            if let (Some(to), Some(found)) = (to, found) {
                to.copy_from_slice(&found);
            }
        }
        Ok(dx.filter(|_| wants_dx))
    }
}
