//! Layers one after another: the walk through them, what it keeps, and the walk back.
//!
//! What layers are is the matter of `chain` and `sequence`. The walk back does only what is asked for: a
//! parameter that is not tracked (of a frozen network through which a gradient passes on) gets no
//! gradient, nothing is passed on below the last layer that needs it, and nothing is kept that the
//! walk back would not read.

use std::ops::Range;

use candle_core::{Error, Result, Tensor};
use rayon::prelude::*;

use super::raw::wide;

/// Numbers that a task of an element-wise pass takes.
pub(super) const PART: usize = 32 * 1024;

/// Weight and bias of a layer; empty where it has none.
pub(super) type Parameters<'a> = (&'a [f32], &'a [f32]);

/// A layer with all its sizes known.
pub(super) trait Layer: Send + Sync + 'static {
    /// Of the operation that is made of such layers.
    const NAME: &'static str;

    /// What the forward pass leaves for the backward pass, beside inputs.
    type Extra: Default + Send;

    /// The result, to which `plus` is added where there is one (only if [`Layer::adds`]).
    fn forward(
        &self,
        x: &[f32],
        parameters: Parameters<'_>,
        plus: Option<&[f32]>,
    ) -> Result<(Vec<f32>, Self::Extra)>;

    /// What the backward pass reads to give what is asked for.
    fn reads(&self, asked: Asked) -> Reads;

    /// The gradient of the input if it is asked for; those of the parameters are written to their places.
    fn backward(
        &self,
        back: Back<'_, Self::Extra>,
        parameters: Parameters<'_>,
        to: Slots<'_>,
    ) -> Result<Option<Vec<f32>>>;

    /// Whether the forward pass adds to its result where it writes it.
    fn adds(&self) -> bool {
        false
    }

    /// Whether the backward pass adds to the gradient of its input where it writes it.
    fn adds_back(&self) -> bool {
        false
    }

    /// Of the last layer: the gradient behind what ends it (an activation), if something does. Of any other
    /// the layer above takes care, see [`Back::below`].
    fn enter(&self, _extra: &Self::Extra, _dy: &[f32]) -> Option<Vec<f32>> {
        None
    }
}

/// The gradients of a layer that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) dx: bool,
    pub(super) weight: bool,
    pub(super) bias: bool,
}

impl Asked {
    fn any(self) -> bool {
        self.dx || self.weight || self.bias
    }
}

/// What a backward pass reads beside the gradient of the result. What is not read is empty there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Reads {
    pub(super) input: bool,
    /// Only where another layer follows.
    pub(super) output: bool,
    pub(super) extra: bool,
}

/// What the gradients of a layer are made of.
pub(super) struct Back<'a, E> {
    pub(super) input: &'a [f32],
    pub(super) output: &'a [f32],
    pub(super) extra: &'a E,
    /// What the layer below left: the gradient passed on to it is the one behind what ends it.
    pub(super) below: Option<&'a E>,
    pub(super) dy: &'a [f32],
    /// What is added to the gradient of the input (only if [`Layer::adds_back`]).
    pub(super) plus: Option<&'a [f32]>,
    /// Whether the gradient of the input is asked for.
    pub(super) wants_dx: bool,
}

/// Where gradients of parameters go; `None` where none is asked for.
pub(super) struct Slots<'a> {
    pub(super) weight: Option<&'a mut [f32]>,
    pub(super) bias: Option<&'a mut [f32]>,
}

/// Where the numbers of a parameter are.
enum Place {
    Nowhere,
    /// In the flat tensor of all that are trained.
    Trained(Range<usize>),
    /// The tensor of that number.
    Frozen(usize),
}

impl Place {
    fn is_trained(&self) -> bool {
        matches!(self, Self::Trained(_))
    }

    fn of<'a>(&self, flat: &'a [f32], frozen: &[&'a [f32]]) -> &'a [f32] {
        match self {
            Self::Nowhere => &[],
            Self::Trained(range) => &flat[range.clone()],
            Self::Frozen(at) => frozen[*at],
        }
    }
}

struct Stage<L> {
    layer: L,
    weight: Place,
    bias: Place,
}

impl<L> Stage<L> {
    fn asked(&self, dx: bool) -> Asked {
        Asked { dx, weight: self.weight.is_trained(), bias: self.bias.is_trained() }
    }

    /// The places of the gradients; that of the bias lies behind that of the weight.
    fn slots<'a>(&self, gradients: &'a mut [f32]) -> Slots<'a> {
        let end = gradients.len();
        let start = if let Place::Trained(range) = &self.bias { range.start } else { end };
        let (upper, lower) = gradients.split_at_mut(start);
        let weight = match &self.weight {
            Place::Trained(range) => upper.get_mut(range.clone()),
            _ => None,
        };
        let bias = match &self.bias {
            Place::Trained(range) => lower.get_mut(..range.len()),
            _ => None,
        };
        Slots { weight, bias }
    }
}

/// What is added to the result of the last layer.
enum Side<L> {
    Nothing,
    Same,
    Layer(Stage<L>),
}

/// What the forward pass leaves for the backward pass, beside x: one of each for every layer, empty
/// where nothing reads it.
#[derive(Default)]
pub(super) struct Kept<E> {
    /// Of the first layer always empty.
    inputs: Vec<Vec<f32>>,
    extras: Vec<E>,
}

impl<E: Default> Kept<E> {
    fn new(layers: usize) -> Self {
        let mut kept = Self { inputs: Vec::new(), extras: Vec::new() };
        kept.inputs.resize_with(layers, Vec::new);
        kept.extras.resize_with(layers, E::default);
        kept
    }
}

/// A result, and what was kept for the backward pass.
pub(super) type Run<L> = (Vec<f32>, Option<Kept<<L as Layer>::Extra>>);

/// Layers one after another, and what is added to their result.
pub(super) struct Stages<L> {
    layers: Vec<Stage<L>>,
    side: Side<L>,
    /// The shape of the result.
    dims: Vec<usize>,
    /// Whether the gradient of x is asked for.
    wants_dx: bool,
    trained: Vec<Tensor>,
    /// Numbers of all that are trained.
    flat: usize,
    frozen: Vec<Tensor>,
}

impl<L: Layer> Stages<L> {
    /// No layers yet; `wants_dx`: whether the gradient of x is asked for.
    pub(super) fn new(wants_dx: bool) -> Self {
        let (layers, side, dims) = (Vec::new(), Side::Nothing, Vec::new());
        Self { layers, side, dims, wants_dx, trained: Vec::new(), flat: 0, frozen: Vec::new() }
    }

    /// One more layer, with its weight and bias. What is not tracked is frozen.
    pub(super) fn push(&mut self, layer: L, parameters: [Option<&Tensor>; 2]) {
        let stage = self.stage(layer, parameters);
        self.layers.push(stage);
    }

    /// The result of a layer of x is added to that of all others.
    pub(super) fn beside(&mut self, layer: L, parameters: [Option<&Tensor>; 2]) {
        self.side = Side::Layer(self.stage(layer, parameters));
    }

    /// x is added to the result.
    pub(super) fn beside_x(&mut self) {
        self.side = Side::Same;
    }

    /// The result has this shape.
    #[must_use]
    pub(super) fn giving(self, dims: &[usize]) -> Self {
        Self { dims: dims.to_vec(), ..self }
    }

    fn stage(&mut self, layer: L, [weight, bias]: [Option<&Tensor>; 2]) -> Stage<L> {
        let mut place = |tensor: Option<&Tensor>| match tensor {
            None => Place::Nowhere,
            Some(tensor) if tensor.track_op() => {
                let start = self.flat;
                self.flat += tensor.elem_count();
                self.trained.push(tensor.clone());
                Place::Trained(start..self.flat)
            }
            Some(tensor) => {
                self.frozen.push(tensor.clone());
                Place::Frozen(self.frozen.len() - 1)
            }
        };
        let (weight, bias) = (place(weight), place(bias));
        Stage { layer, weight, bias }
    }

    pub(super) fn dims(&self) -> &[usize] {
        &self.dims
    }

    pub(super) fn wants_dx(&self) -> bool {
        self.wants_dx
    }

    /// Takes the tensors that are trained, in the order in which they lie in the flat tensor.
    pub(super) fn take_trained(&mut self) -> Vec<Tensor> {
        std::mem::take(&mut self.trained)
    }

    pub(super) fn frozen(&self) -> &[Tensor] {
        &self.frozen
    }

    /// Copies those that are frozen if their numbers do not lie in order.
    pub(super) fn order_frozen(&mut self) -> Result<()> {
        for tensor in &mut self.frozen {
            *tensor = tensor.contiguous()?;
        }
        Ok(())
    }

    /// The layers, and the one beside them if there is one.
    fn all(&self) -> impl Iterator<Item = &Stage<L>> {
        let side = if let Side::Layer(stage) = &self.side { Some(stage) } else { None };
        self.layers.iter().chain(side)
    }

    pub(super) fn count(&self) -> usize {
        self.all().count()
    }

    /// Those of every layer, from the numbers of what is trained and of each that is frozen.
    pub(super) fn parameters<'a>(
        &self,
        flat: &'a [f32],
        frozen: &[&'a [f32]],
    ) -> Vec<Parameters<'a>> {
        self.all()
            .map(|stage| (stage.weight.of(flat, frozen), stage.bias.of(flat, frozen)))
            .collect()
    }

    /// The lowest layer that the walk back reaches; the number of layers if it reaches none.
    fn first(&self) -> usize {
        let needs = |stage: &Stage<L>| stage.asked(self.wants_dx).any();
        self.layers.iter().position(needs).unwrap_or(self.layers.len())
    }

    fn reads(&self, at: usize) -> Reads {
        let first = self.first();
        match self.layers.get(at) {
            Some(stage) if at >= first => {
                stage.layer.reads(stage.asked(self.wants_dx || at > first))
            }
            _ => Reads::default(),
        }
    }

    /// Whether the input of a layer is read, which is the output of the one below it.
    fn reads_input(&self, at: usize) -> bool {
        self.reads(at).input || at.checked_sub(1).is_some_and(|below| self.reads(below).output)
    }

    /// Whether x is added where the last layer writes its result.
    fn adds_at_the_end(&self) -> bool {
        let last = self.layers.last();
        matches!(self.side, Side::Same) && last.is_some_and(|stage| stage.layer.adds())
    }

    /// Runs the first layers; `None` if there are none.
    fn run(
        &self,
        count: usize,
        x: &[f32],
        parameters: &[Parameters<'_>],
        mut kept: Option<&mut Kept<L::Extra>>,
    ) -> Result<Option<Vec<f32>>> {
        let mut now: Option<Vec<f32>> = None;
        let stages = self.layers.iter().zip(parameters).take(count);
        for (at, (stage, &parameters)) in stages.enumerate() {
            let input = now.as_deref().unwrap_or(x);
            let is_last = at + 1 == self.layers.len();
            let plus = (is_last && self.adds_at_the_end()).then_some(x);
            let (output, extra) = stage.layer.forward(input, parameters, plus)?;
            let input = now.replace(output);
            if let Some(kept) = &mut kept {
                if let Some(input) = input.filter(|_| self.reads_input(at)) {
                    kept.inputs[at] = input;
                }
                if self.reads(at).extra {
                    kept.extras[at] = extra;
                }
            }
        }
        Ok(now)
    }

    /// The result, and what the backward pass needs if it is to be kept.
    pub(super) fn forward(
        &self,
        x: &[f32],
        parameters: &[Parameters<'_>],
        keep: bool,
    ) -> Result<Run<L>> {
        let mut kept = keep.then(|| Kept::new(self.layers.len()));
        let y = self.run(self.layers.len(), x, parameters, kept.as_mut())?;
        let mut y = y.unwrap_or_else(|| x.to_vec());
        match (&self.side, parameters.last()) {
            (Side::Same, _) if !self.adds_at_the_end() => add(&mut y, x),
            (Side::Layer(stage), Some(&parameters)) => {
                add(&mut y, &stage.layer.forward(x, parameters, None)?.0);
            }
            _ => {}
        }
        Ok((y, kept))
    }

    /// What `forward` keeps, without the result: no layer is run whose results nothing reads.
    pub(super) fn trace(&self, x: &[f32], parameters: &[Parameters<'_>]) -> Result<Kept<L::Extra>> {
        let mut kept = Kept::new(self.layers.len());
        let run = |at: usize| match self.reads(at) {
            Reads { extra: true, .. } | Reads { output: true, .. } => at + 1,
            Reads { input: true, .. } => at,
            _ => 0,
        };
        let count = (0..self.layers.len()).map(run).max().unwrap_or_default();
        let input = self.run(count, x, parameters, Some(&mut kept))?;
        if let (Some(place), Some(input)) = (kept.inputs.get_mut(count), input) {
            *place = input;
        }
        Ok(kept)
    }

    /// The gradients of x, if it is asked for, and of what is trained.
    pub(super) fn backward(
        &self,
        x: &[f32],
        parameters: &[Parameters<'_>],
        dy: &[f32],
        kept: &Kept<L::Extra>,
    ) -> Result<(Option<Vec<f32>>, Vec<f32>)> {
        let missing = || Error::Msg(format!("{}: another pass was kept", L::NAME)).bt();
        if kept.inputs.len() != self.layers.len() || kept.extras.len() != self.layers.len() {
            return Err(missing());
        }
        let mut gradients = vec![0.0; self.flat];
        let (first, mut now) = (self.first(), None);
        if let (Some(stage), Some(extra)) = (self.layers.last(), kept.extras.last())
            && first < self.layers.len()
        {
            now = stage.layer.enter(extra, dy);
        }
        let starts_with = self.layers.first().filter(|stage| stage.layer.adds_back());
        let adds_back = matches!(self.side, Side::Same) && starts_with.is_some();
        let stages = self.layers.iter().zip(parameters).enumerate().skip(first);
        for (at, (stage, &parameters)) in stages.rev() {
            let wants_dx = self.wants_dx || at > first;
            let back = Back {
                input: if at == 0 { x } else { &kept.inputs[at] },
                output: kept.inputs.get(at + 1).map_or(&[], Vec::as_slice),
                extra: &kept.extras[at],
                below: (at > first).then(|| &kept.extras[at - 1]),
                dy: now.as_deref().unwrap_or(dy),
                plus: (at == 0 && adds_back && wants_dx).then_some(dy),
                wants_dx,
            };
            let dx = stage.layer.backward(back, parameters, stage.slots(&mut gradients))?;
            if wants_dx && dx.is_none() {
                return Err(missing());
            }
            now = dx;
        }
        // Without layers x is its own result.
        let mut dx = self.wants_dx.then(|| now.unwrap_or_else(|| dy.to_vec()));
        match (&self.side, parameters.last()) {
            (Side::Same, _) if !adds_back => {
                if let Some(dx) = &mut dx {
                    add(dx, dy);
                }
            }
            (Side::Layer(stage), Some(&parameters)) if stage.asked(self.wants_dx).any() => {
                let extra = L::Extra::default();
                let (output, below, plus): (&[f32], _, _) = (&[], None, None);
                let wants_dx = self.wants_dx;
                let back = Back { input: x, output, extra: &extra, below, dy, plus, wants_dx };
                let more = stage.layer.backward(back, parameters, stage.slots(&mut gradients))?;
                if let (Some(dx), Some(more)) = (&mut dx, more) {
                    add(dx, &more);
                }
            }
            _ => {}
        }
        Ok((dx, gradients))
    }
}

/// `to += from`
fn add(to: &mut [f32], from: &[f32]) {
    to.par_chunks_mut(PART).zip(from.par_chunks(PART)).for_each(|(to, from)| {
        wide(|| to.iter_mut().zip(from).for_each(|(to, from)| *to += from));
    });
}
