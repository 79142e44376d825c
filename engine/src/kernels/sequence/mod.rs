//! Layers of a transformer one after another as a single operation with a gradient of its own.
//!
//! As `chain` does for feature maps: gradients between the layers are not copied into cleared tensors,
//! heads are attended to where they lie inside the rows, biases, GELU and its slope are applied to
//! blocks of a product that are still in the cache, and the shortcut's gradient is added where that of
//! the norm is written. What bounds it: the products.

mod layers;
#[cfg(test)]
mod tests;

use std::ops::Range;

use candle_core::{Error, Result, Tensor};

use super::attention::{self, Sizes};
use super::fused::{self, Layers, Parameters, Wanted};
use super::multiply::multiply_turned;
use super::raw::count;
use super::rules::SequenceLink;
use super::{layer_norm, simd};
use layers::{add, attend, attend_backward, column_sums, input_gradient, linear, slope};

const NAME: &str = "sequence";

/// A layer with all its sizes known.
enum Kind {
    Norm(layer_norm::Rule),
    Linear { inputs: usize, outputs: usize, gelu: bool },
    Attention { sizes: Sizes, rule: attention::Rule },
}

/// A layer and where its parameters lie in the flat tensor.
struct Stage {
    kind: Kind,
    weight: Range<usize>,
    bias: Range<usize>,
}

/// What the forward pass leaves for the backward pass of a stage, beside its input.
enum Extra {
    Stats(layer_norm::Stats),
    /// What went into GELU; empty without one.
    Before(Vec<f32>),
    LogSums(Vec<f32>),
}

#[derive(Default)]
pub(super) struct Kept {
    /// The input of every stage but the first.
    inputs: Vec<Vec<f32>>,
    extras: Vec<Extra>,
}

struct Sequence {
    stages: Vec<Stage>,
    /// Whether x is added to the result.
    shortcut: bool,
    /// Rows of x.
    rows: usize,
    dims: [usize; 3],
}

/// See [`super::sequence`]; all tensors are f32 on the CPU.
pub(super) fn sequence(x: &Tensor, links: &[SequenceLink<'_>], shortcut: bool) -> Result<Tensor> {
    // Sizes that overflow must not be copied either.
    let op = Sequence::new(x.dims(), links, shortcut)?;
    let tensors: Vec<&Tensor> = links.iter().flat_map(SequenceLink::parameters).collect();
    fused::apply(&x.contiguous()?, &tensors, op)
}

/// Checks that the layers fit x and each other, and gives the shape of the result.
pub(super) fn result_dims(
    x: &[usize],
    links: &[SequenceLink<'_>],
    shortcut: bool,
) -> Result<[usize; 3]> {
    Ok(Sequence::new(x, links, shortcut)?.dims)
}

impl Sequence {
    fn new(x: &[usize], links: &[SequenceLink<'_>], shortcut: bool) -> Result<Self> {
        let &[batch, len, first] = x else {
            return Err(Error::Msg(format!("{NAME}: {x:?} is not (B, L, D)")).bt());
        };
        count(x)?;
        let refuse = |text: String| Err(Error::Msg(format!("{NAME}: {text}")).bt());
        let (mut dim, mut place, mut stages) = (first, 0, Vec::with_capacity(links.len()));
        for (at, link) in links.iter().enumerate() {
            let kind = match *link {
                SequenceLink::LayerNorm { weight, bias, eps } => {
                    if weight.dims() != [dim] || bias.dims() != [dim] || dim == 0 {
                        return refuse(format!("a norm of {:?} for {dim}", weight.dims()));
                    }
                    Kind::Norm(layer_norm::Rule { centered: true, eps })
                }
                SequenceLink::Linear { weight, bias, gelu } => {
                    let &[outputs, inputs] = weight.dims() else {
                        return refuse(format!("a weight {:?}", weight.dims()));
                    };
                    if inputs != dim || outputs == 0 || inputs == 0 {
                        return refuse(format!("a weight {:?} for {dim}", weight.dims()));
                    }
                    if let Some(bias) = bias.filter(|bias| bias.dims() != [outputs]) {
                        return refuse(format!("a bias {:?} for {outputs}", bias.dims()));
                    }
                    dim = outputs;
                    Kind::Linear { inputs, outputs, gelu }
                }
                SequenceLink::Attention { heads, mask } => {
                    // So many heads that three times their number overflows are more than `dim`, too.
                    let divides = heads > 0 && heads <= dim && dim % (3 * heads) == 0;
                    if !divides || at + 1 == links.len() {
                        return refuse(format!(
                            "attention of {heads} heads over {dim} = 3 H D, which a layer must follow"
                        ));
                    }
                    if len == 0 {
                        return refuse("attention without places".to_owned());
                    }
                    let seen =
                        mask.seen(len, len).map_err(|error| Error::Msg(error.to_string()).bt())?;
                    let size = dim / (3 * heads);
                    dim /= 3;
                    let sizes = Sizes { batch, heads, queries: len, keys: len, dim: size };
                    let rule = attention::Rule { scale: (size as f32).powf(-0.5), seen };
                    Kind::Attention { sizes, rule }
                }
            };
            // Kernels write by products of these; layers make rows longer than memory bounds those of x.
            count(&[batch, len, dim])?;
            let mut take = |tensor: Option<&Tensor>| {
                let start = place;
                place += tensor.map_or(0, Tensor::elem_count);
                start..place
            };
            let (weight, bias) = link.weight_and_bias();
            let (weight, bias) = (take(weight), take(bias));
            stages.push(Stage { kind, weight, bias });
        }
        if shortcut && dim != first {
            return refuse(format!("a shortcut from {first} to {dim}"));
        }
        let dims = [batch, len, dim];
        Ok(Self { stages, shortcut, rows: batch * len, dims })
    }

    /// Runs the first layers; `None` if there are none. A shortcut is added where the last one's
    /// result is written, if that can.
    fn run(
        &self,
        count: usize,
        x: &[f32],
        parameters: &[Parameters<'_>],
        mut kept: Option<&mut Kept>,
    ) -> Option<Vec<f32>> {
        let level = simd::best();
        let mut now: Option<Vec<f32>> = None;
        let stages = self.stages.iter().zip(parameters).take(count);
        for (at, (stage, &(weight, bias))) in stages.enumerate() {
            let input = now.as_deref().unwrap_or(x);
            let last = at + 1 == self.stages.len();
            let (output, extra) = match &stage.kind {
                Kind::Norm(rule) => {
                    let (y, stats) = layer_norm::forward(level, *rule, input, (weight, bias));
                    (y, Extra::Stats(stats))
                }
                &Kind::Linear { inputs, outputs, gelu } => {
                    let shape = (self.rows, inputs, outputs);
                    let plus = (last && self.shortcut && !gelu).then_some(x);
                    let (y, before) = linear(shape, input, (weight, bias), plus, gelu);
                    (y, Extra::Before(before))
                }
                Kind::Attention { sizes, rule } => {
                    let (y, sums) = attend(*sizes, rule, input);
                    (y, Extra::LogSums(sums))
                }
            };
            let input = now.replace(output);
            if let Some(kept) = &mut kept {
                kept.inputs.extend(input);
                kept.extras.push(extra);
            }
        }
        now
    }
}

impl Layers for Sequence {
    const NAME: &'static str = NAME;
    type Kept = Kept;

    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn places(&self) -> Vec<fused::Places> {
        self.stages.iter().map(|stage| (stage.weight.clone(), stage.bias.clone())).collect()
    }

    fn forward(
        &self,
        x: &[f32],
        parameters: &[Parameters<'_>],
        kept: Option<&mut Kept>,
    ) -> Result<Vec<f32>> {
        let now = self.run(self.stages.len(), x, parameters, kept);
        let mut y = now.unwrap_or_else(|| x.to_vec());
        let added = matches!(
            self.stages.last(),
            Some(Stage { kind: Kind::Linear { gelu: false, .. }, .. })
        );
        if self.shortcut && !added {
            add(&mut y, x);
        }
        Ok(y)
    }

    fn trace(&self, x: &[f32], parameters: &[Parameters<'_>]) -> Result<Kept> {
        let mut kept = Kept::default();
        // The last layer is run only for what it leaves: of a product without GELU its input is all.
        let last = self.stages.len().saturating_sub(1);
        match self.stages.last() {
            Some(Stage { kind: Kind::Linear { gelu: false, .. }, .. }) => {
                let input = self.run(last, x, parameters, Some(&mut kept));
                kept.inputs.extend(input);
                kept.extras.push(Extra::Before(Vec::new()));
            }
            _ => {
                self.run(last + 1, x, parameters, Some(&mut kept));
            }
        }
        Ok(kept)
    }

    fn backward(
        &self,
        (x, Wanted { input: wants_dx, .. }): (&[f32], Wanted),
        flat: &[f32],
        dy: &[f32],
        kept: &Kept,
    ) -> Result<(Option<Vec<f32>>, Vec<f32>)> {
        let level = simd::best();
        let mut gradients = vec![0.0; flat.len()];
        let mut now: Option<Vec<f32>> = None;
        let before = |at: usize| match kept.extras.get(at) {
            Some(Extra::Before(before)) if !before.is_empty() => Some(&before[..]),
            _ => None,
        };
        if let Some(before) = before(self.stages.len().wrapping_sub(1)) {
            let mut dy = dy.to_vec();
            slope(&mut dy, before);
            now = Some(dy);
        }
        for (at, stage) in self.stages.iter().enumerate().rev() {
            let input = if at == 0 { x } else { &kept.inputs[at - 1] };
            let g = now.as_deref().unwrap_or(dy);
            let weight = &flat[stage.weight.clone()];
            let slopes = at.checked_sub(1).and_then(before);
            let mut sloped = false;
            let mut dx = match (&stage.kind, &kept.extras[at]) {
                (Kind::Norm(rule), Extra::Stats(stats)) => {
                    let plus = (at == 0 && self.shortcut).then_some(dy);
                    let (dx, dw, db) =
                        layer_norm::backward(level, *rule, (input, g), weight, stats, plus);
                    gradients[stage.weight.clone()].copy_from_slice(&dw);
                    gradients[stage.bias.clone()].copy_from_slice(&db);
                    dx
                }
                (&Kind::Linear { inputs, outputs, .. }, _) => {
                    if !stage.bias.is_empty() {
                        column_sums(g, &mut gradients[stage.bias.clone()]);
                    }
                    let dw = &mut gradients[stage.weight.clone()];
                    multiply_turned((outputs, inputs, self.rows), (g, input), 1.0, dw);
                    sloped = true;
                    input_gradient((self.rows, inputs, outputs), weight, g, slopes)
                }
                (Kind::Attention { sizes, rule }, Extra::LogSums(sums)) => {
                    attend_backward(*sizes, rule, (input, &kept.inputs[at], sums), g)
                }
                _ => return Err(Error::Msg(format!("{NAME}: another pass was kept")).bt()),
            };
            if let Some(before) = slopes.filter(|_| !sloped) {
                slope(&mut dx, before);
            }
            now = Some(dx);
        }
        let mut dx = now.unwrap_or_else(|| dy.to_vec());
        let added = matches!(self.stages.first(), Some(Stage { kind: Kind::Norm(_), .. }));
        if self.shortcut && !added {
            add(&mut dx, dy);
        }
        Ok((wants_dx.then_some(dx), gradients))
    }
}
