//! Layers of a transformer one after another as a single operation with a gradient of its own.
//!
//! As `chain` does for feature maps: gradients between the layers are not copied into cleared tensors,
//! heads are attended to where they lie inside the rows, biases, GELU and its slope are applied to
//! blocks of a product that are still in the cache, and the shortcut's gradient is added where that of
//! the norm is written. What bounds it: the products.

mod layers;
#[cfg(test)]
mod tests;

use candle_core::{Error, Result, Tensor};

use super::attention::{self, Sizes};
use super::fused;
use super::multiply::multiply_turned;
use super::raw::count;
use super::rules::SequenceLink;
use super::stages::{Asked, Back, Layer, Parameters, Reads, Slots, Stages};
use super::{layer_norm, simd, tally};
use layers::{attend, attend_backward, column_sums, input_gradient, linear, slope};

const NAME: &str = "sequence";

/// A layer of rows (B L, D).
enum Rows {
    Norm(layer_norm::Rule),
    Linear { rows: usize, inputs: usize, outputs: usize, gelu: bool },
    Attention { sizes: Sizes, rule: attention::Rule },
}

/// What the forward pass leaves for the backward pass of a layer, beside its input.
#[derive(Default)]
enum Extra {
    #[default]
    Nothing,
    Stats(layer_norm::Stats),
    /// What went into GELU.
    Before(Vec<f32>),
    LogSums(Vec<f32>),
}

impl Extra {
    /// What went into GELU, if that ends the layer.
    fn before(&self) -> Option<&[f32]> {
        if let Self::Before(before) = self { Some(before) } else { None }
    }
}

/// See [`super::sequence`]; all tensors are f32 on the CPU.
pub(super) fn sequence(x: &Tensor, links: &[SequenceLink<'_>], shortcut: bool) -> Result<Tensor> {
    fused::apply(x, stages(x, links, shortcut)?)
}

/// A norm of the rows of x (.., D), whose sizes were checked; see [`super::layer_norm`] and
/// [`super::rms_norm`].
pub(super) fn norm(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    rule: layer_norm::Rule,
) -> Result<Tensor> {
    let mut stages = Stages::new(x.track_op());
    stages.push(Rows::Norm(rule), [Some(weight), Some(bias)]);
    fused::apply(x, stages.giving(x.dims()))
}

/// Checks that the layers fit x and each other, and gives the shape of the result.
pub(super) fn result_dims(
    x: &Tensor,
    links: &[SequenceLink<'_>],
    shortcut: bool,
) -> Result<Vec<usize>> {
    Ok(stages(x, links, shortcut)?.dims().to_vec())
}

/// The layers with their sizes, checked.
fn stages(x: &Tensor, links: &[SequenceLink<'_>], shortcut: bool) -> Result<Stages<Rows>> {
    let &[batch, len, first] = x.dims() else {
        return Err(Error::Msg(format!("{NAME}: {:?} is not (B, L, D)", x.dims())).bt());
    };
    count(x.dims())?;
    let refuse = |text: String| Err(Error::Msg(format!("{NAME}: {text}")).bt());
    let (mut dim, mut stages) = (first, Stages::new(x.track_op()));
    for (at, link) in links.iter().enumerate() {
        let layer = match *link {
            SequenceLink::LayerNorm { weight, bias, eps } => {
                if weight.dims() != [dim] || bias.dims() != [dim] || dim == 0 {
                    return refuse(format!("a norm of {:?} for {dim}", weight.dims()));
                }
                Rows::Norm(layer_norm::Rule { centered: true, eps })
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
                Rows::Linear { rows: batch * len, inputs, outputs, gelu }
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
                Rows::Attention { sizes, rule }
            }
        };
        // Kernels write by products of these; layers make rows longer than memory bounds those of x.
        count(&[batch, len, dim])?;
        let (weight, bias) = link.weight_and_bias();
        stages.push(layer, [weight, bias]);
    }
    if shortcut && dim != first {
        return refuse(format!("a shortcut from {first} to {dim}"));
    }
    if shortcut {
        stages.beside_x();
    }
    Ok(stages.giving(&[batch, len, dim]))
}

impl Layer for Rows {
    const NAME: &'static str = NAME;
    type Extra = Extra;

    fn forward(
        &self,
        x: &[f32],
        parameters: Parameters<'_>,
        plus: Option<&[f32]>,
    ) -> Result<(Vec<f32>, Extra)> {
        Ok(match self {
            Self::Norm(rule) => {
                let (y, stats) = layer_norm::forward(simd::best(), *rule, x, parameters);
                (y, Extra::Stats(stats))
            }
            &Self::Linear { rows, inputs, outputs, gelu } => {
                let (y, before) = linear((rows, inputs, outputs), x, parameters, plus, gelu);
                (y, if gelu { Extra::Before(before) } else { Extra::Nothing })
            }
            Self::Attention { sizes, rule } => {
                let (y, sums) = attend(*sizes, rule, x);
                (y, Extra::LogSums(sums))
            }
        })
    }

    /// A shortcut is added to rows of a product that are still in the cache.
    fn adds(&self) -> bool {
        matches!(self, Self::Linear { gelu: false, .. })
    }

    fn adds_back(&self) -> bool {
        matches!(self, Self::Norm(_))
    }

    fn reads(&self, asked: Asked) -> Reads {
        match *self {
            Self::Norm(_) => Reads { input: true, output: false, extra: true },
            Self::Linear { gelu, .. } => Reads { input: asked.weight, output: false, extra: gelu },
            Self::Attention { .. } => Reads { input: true, output: true, extra: true },
        }
    }

    fn enter(&self, extra: &Extra, dy: &[f32]) -> Option<Vec<f32>> {
        let before = extra.before()?;
        let mut dy = dy.to_vec();
        slope(&mut dy, before);
        Some(dy)
    }

    fn backward(
        &self,
        back: Back<'_, Extra>,
        (weight, _): Parameters<'_>,
        to: Slots<'_>,
    ) -> Result<Option<Vec<f32>>> {
        let Back { input, dy, wants_dx, .. } = back;
        let asked = (to.weight.is_some(), to.bias.is_some());
        let slopes = back.below.and_then(Extra::before);
        let mut dx = match (self, back.extra) {
            (Self::Norm(rule), Extra::Stats(stats)) => {
                let (ways, kept) = ((input, dy), (weight, &stats[..]));
                let (dx, dw, db) =
                    layer_norm::backward(simd::best(), *rule, ways, kept, back.plus, asked);
                for (to, found) in [(to.weight, dw), (to.bias, db)] {
                    if let (Some(to), Some(found)) = (to, found) {
                        to.copy_from_slice(&found);
                    }
                }
                dx
            }
            (&Self::Linear { rows, inputs, outputs, .. }, _) => {
                tally::add(asked);
                if let Some(to) = to.bias {
                    column_sums(dy, to);
                }
                if let Some(to) = to.weight {
                    multiply_turned((outputs, inputs, rows), (dy, input), 1.0, to);
                }
                let dx = || input_gradient((rows, inputs, outputs), weight, dy, slopes);
                return Ok(wants_dx.then(dx));
            }
            (Self::Attention { sizes, rule }, Extra::LogSums(sums)) => {
                attend_backward(*sizes, rule, (input, back.output, sums), dy)
            }
            _ => return Err(Error::Msg(format!("{NAME}: another pass was kept")).bt()),
        };
        if let Some(before) = slopes {
            slope(&mut dx, before);
        }
        Ok(wants_dx.then_some(dx))
    }
}
