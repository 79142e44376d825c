//! Layers one after another as a single operation with a gradient of its own.
//!
//! candle adds the gradient of every operation to a tensor of zeros that it clears first, on one
//! thread: with small networks that costs as much as the convolutions. A chain is one operation for
//! all its layers and passes gradients on inside.

use std::ops::Range;

use candle_core::{Error, Result, Tensor};
use rayon::prelude::*;

use super::fused::{self, Layers, Parameters, Wanted};
use super::plan::Plan;
use super::raw::{count, wide};
use super::rules::{Conv, Exactness, Link, Shortcut};
use super::{conv, leaky, norm, upsample};

const NAME: &str = "chain";
/// Numbers that a task of an element-wise pass takes.
const PART: usize = 32 * 1024;

/// A layer with all its sizes known.
enum Kind {
    Conv(Plan),
    Norm(norm::Rule, [usize; 4]),
    /// From height and width.
    Double((usize, usize)),
    /// By the slope.
    Leaky(f32),
}

/// A layer and where its parameters lie in the flat tensor.
struct Stage {
    kind: Kind,
    weight: Range<usize>,
    bias: Range<usize>,
}

/// What is added to the result of the last layer.
enum Side {
    Nothing,
    Same,
    Conv(Stage),
}

/// What the forward pass leaves for the backward pass.
#[derive(Default)]
pub(super) struct Kept {
    /// The input of every stage but the first.
    inputs: Vec<Vec<f32>>,
    /// Mean and scale of every stage that normalizes, else empty.
    stats: Vec<norm::Stats>,
}

struct Chain {
    stages: Vec<Stage>,
    side: Side,
    dims: [usize; 4],
}

/// See [`super::chain`]; all tensors are f32 on the CPU.
pub(super) fn chain(x: &Tensor, links: &[Link<'_>], shortcut: Shortcut<'_>) -> Result<Tensor> {
    // Sizes that overflow must not be copied either.
    let chain = Chain::new(x.dims(), links, shortcut)?;
    fused::apply(&x.contiguous()?, &tensors(links, shortcut), chain)
}

/// All parameters in order: layer by layer, weight before bias, the shortcut's last.
fn tensors<'a>(links: &[Link<'a>], shortcut: Shortcut<'a>) -> Vec<&'a Tensor> {
    let mut tensors = Vec::new();
    for link in links {
        match *link {
            Link::Conv { weight, bias, .. } => tensors.extend([Some(weight), bias]),
            Link::GroupNorm { weight, bias, .. } => tensors.extend([Some(weight), Some(bias)]),
            Link::Double | Link::Leaky { .. } => {}
        }
    }
    if let Shortcut::Conv(weight, bias) = shortcut {
        tensors.extend([Some(weight), Some(bias)]);
    }
    tensors.into_iter().flatten().collect()
}

/// Hands out places in the flat tensor.
struct Places(usize);

impl Places {
    fn take(&mut self, tensor: Option<&Tensor>) -> Range<usize> {
        let start = self.0;
        self.0 += tensor.map_or(0, Tensor::elem_count);
        start..self.0
    }

    fn convolution(
        &mut self,
        dims: [usize; 4],
        (weight, bias): (&Tensor, Option<&Tensor>),
        rule: Conv,
    ) -> Result<(Stage, [usize; 4])> {
        // Training averages over far larger errors.
        let rule = if weight.track_op() { rule.with(Exactness::Fast) } else { rule };
        let plan = Plan::new(&dims, weight.dims(), rule)?;
        let out = plan.out_dims();
        if let Some(bias) = bias.filter(|bias| bias.elem_count() != out[1]) {
            let found = bias.elem_count();
            return Err(Error::Msg(format!("conv2d: {found} biases for {} channels", out[1])));
        }
        let (weight, bias) = (self.take(Some(weight)), self.take(bias));
        Ok((Stage { kind: Kind::Conv(plan), weight, bias }, out))
    }
}

impl Chain {
    fn new(x: &[usize], links: &[Link<'_>], shortcut: Shortcut<'_>) -> Result<Self> {
        let &[b, c, h, w] = x else {
            return Err(Error::Msg(format!("{NAME}: {x:?} is not (B, C, H, W)")));
        };
        count(x)?;
        let (first, mut dims, mut places) = ([b, c, h, w], [b, c, h, w], Places(0));
        let mut stages = Vec::with_capacity(links.len());
        for link in links {
            stages.push(match *link {
                Link::Conv { weight, bias, conv } => {
                    let (stage, out) = places.convolution(dims, (weight, bias), conv)?;
                    dims = out;
                    stage
                }
                Link::GroupNorm { weight, bias, groups, eps, silu } => {
                    let rule = norm::Rule { groups, eps, silu };
                    rule.sizes(&dims, [weight.elem_count(), bias.elem_count()])?;
                    let (weight, bias) = (places.take(Some(weight)), places.take(Some(bias)));
                    Stage { kind: Kind::Norm(rule, dims), weight, bias }
                }
                Link::Double => {
                    let kind = Kind::Double((dims[2], dims[3]));
                    let (height, width) = (dims[2].checked_mul(2), dims[3].checked_mul(2));
                    let Some((height, width)) = height.zip(width) else {
                        return Err(Error::Msg(format!("{NAME}: {dims:?} cannot be doubled")).bt());
                    };
                    dims = [dims[0], dims[1], height, width];
                    count(&dims)?;
                    Stage { kind, weight: 0..0, bias: 0..0 }
                }
                Link::Leaky { slope } => {
                    Stage { kind: Kind::Leaky(slope), weight: 0..0, bias: 0..0 }
                }
            });
        }
        let side = match shortcut {
            Shortcut::None => Side::Nothing,
            Shortcut::Same if first == dims => Side::Same,
            Shortcut::Conv(weight, bias) => {
                let rule = Conv::same(0);
                let (stage, out) = places.convolution(first, (weight, Some(bias)), rule)?;
                if out != dims {
                    return Err(Error::Msg(format!("{NAME}: a shortcut to {out:?}, not {dims:?}")));
                }
                Side::Conv(stage)
            }
            Shortcut::Same => {
                return Err(Error::Msg(format!("{NAME}: {first:?} cannot be added to {dims:?}")));
            }
        };
        Ok(Self { stages, side, dims })
    }

    /// The stages, then the convolution beside them if there is one.
    fn all_stages(&self) -> impl Iterator<Item = &Stage> {
        let side = match &self.side {
            Side::Conv(stage) => Some(stage),
            _ => None,
        };
        self.stages.iter().chain(side)
    }

    /// Runs the first layers; `None` if there are none.
    fn run(
        &self,
        count: usize,
        x: &[f32],
        parameters: &[Parameters<'_>],
        mut kept: Option<&mut Kept>,
    ) -> Result<Option<Vec<f32>>> {
        let mut now: Option<Vec<f32>> = None;
        for (stage, &parameters) in self.stages.iter().zip(parameters).take(count) {
            let input = now.as_deref().unwrap_or(x);
            let mut stats = Vec::new();
            let output = match &stage.kind {
                Kind::Conv(plan) => convolve(plan, input, parameters),
                Kind::Norm(rule, dims) => {
                    let (y, found) = rule.forward(input, parameters, dims)?;
                    stats = found;
                    y
                }
                Kind::Double(size) => upsample::forward(input, *size),
                Kind::Leaky(slope) => leaky::forward(input, *slope),
            };
            let input = now.replace(output);
            if let Some(kept) = &mut kept {
                kept.inputs.extend(input);
                kept.stats.push(stats);
            }
        }
        Ok(now)
    }
}

impl Layers for Chain {
    const NAME: &'static str = NAME;
    type Kept = Kept;

    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn places(&self) -> Vec<fused::Places> {
        self.all_stages().map(|stage| (stage.weight.clone(), stage.bias.clone())).collect()
    }

    fn forward(
        &self,
        x: &[f32],
        parameters: &[Parameters<'_>],
        kept: Option<&mut Kept>,
    ) -> Result<Vec<f32>> {
        let mut y = self.run(self.stages.len(), x, parameters, kept)?.unwrap_or_else(|| x.to_vec());
        match (&self.side, parameters.last()) {
            (Side::Same, _) => add(&mut y, x),
            (Side::Conv(Stage { kind: Kind::Conv(plan), .. }), Some(&parameters)) => {
                add(&mut y, &convolve(plan, x, parameters));
            }
            _ => {}
        }
        Ok(y)
    }

    fn trace(&self, x: &[f32], parameters: &[Parameters<'_>]) -> Result<Kept> {
        let mut kept = Kept::default();
        // The last layer is run only for the statistics that a norm leaves.
        let last = self.stages.len().saturating_sub(1);
        match self.stages.last() {
            Some(Stage { kind: Kind::Norm(..), .. }) | None => {
                self.run(last + 1, x, parameters, Some(&mut kept))?;
            }
            Some(_) => {
                let input = self.run(last, x, parameters, Some(&mut kept))?;
                kept.inputs.extend(input);
                kept.stats.push(Vec::new());
            }
        }
        Ok(kept)
    }

    fn backward(
        &self,
        (x, Wanted { input: wants_dx, parameters }): (&[f32], Wanted),
        flat: &[f32],
        dy: &[f32],
        kept: &Kept,
    ) -> Result<(Option<Vec<f32>>, Vec<f32>)> {
        let mut gradients = vec![0.0; if parameters { flat.len() } else { 0 }];
        let mut now: Option<Vec<f32>> = None;
        for (at, stage) in self.stages.iter().enumerate().rev() {
            let input = if at == 0 { x } else { &kept.inputs[at - 1] };
            let dy = now.as_deref().unwrap_or(dy);
            let own = (&flat[stage.weight.clone()], &flat[stage.bias.clone()]);
            let wanted = at > 0 || wants_dx;
            let (dx, dw, db) = match &stage.kind {
                Kind::Conv(plan) => {
                    let (dw, db) = if parameters {
                        conv::parameter_gradients(plan, input, dy)
                    } else {
                        Default::default()
                    };
                    (wanted.then(|| conv::input_gradient(plan, own.0, dy)), dw, db)
                }
                Kind::Norm(rule, dims) => {
                    let stats = &kept.stats[at];
                    let (dx, dw, db) = rule.backward((input, dy), own, dims, stats)?;
                    (Some(dx), dw, db)
                }
                Kind::Double(size) => {
                    (wanted.then(|| upsample::backward(dy, *size)), Vec::new(), Vec::new())
                }
                Kind::Leaky(slope) => {
                    (wanted.then(|| leaky::backward(input, dy, *slope)), Vec::new(), Vec::new())
                }
            };
            if parameters {
                copy(&mut gradients[stage.weight.clone()], &dw);
                copy(&mut gradients[stage.bias.clone()], &db);
            }
            now = dx;
        }
        match &self.side {
            Side::Same => {
                if let Some(dx) = &mut now {
                    add(dx, dy);
                }
            }
            Side::Conv(Stage { kind: Kind::Conv(plan), weight, bias }) => {
                if parameters {
                    let (dw, db) = conv::parameter_gradients(plan, x, dy);
                    copy(&mut gradients[weight.clone()], &dw);
                    copy(&mut gradients[bias.clone()], &db);
                }
                if let Some(dx) = now.as_mut().filter(|_| wants_dx) {
                    add(dx, &conv::input_gradient(plan, &flat[weight.clone()], dy));
                }
            }
            _ => {}
        }
        Ok((now.filter(|_| wants_dx), gradients))
    }
}

fn convolve(plan: &Plan, x: &[f32], (weight, bias): Parameters<'_>) -> Vec<f32> {
    conv::forward(plan, x, weight, Some(bias).filter(|bias| !bias.is_empty()))
}

/// A gradient without a place, that of a bias that does not exist, is left out.
fn copy(to: &mut [f32], from: &[f32]) {
    if to.len() == from.len() {
        to.copy_from_slice(from);
    }
}

/// `to += from`
fn add(to: &mut [f32], from: &[f32]) {
    to.par_chunks_mut(PART).zip(from.par_chunks(PART)).for_each(|(to, from)| {
        wide(|| {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        });
    });
}
