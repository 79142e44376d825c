//! Layers of a transformer one after another as a single operation with a gradient of its own.
//!
//! As `chain` does for feature maps: gradients between the layers are not copied into cleared tensors,
//! heads are attended to where they lie inside the rows, biases, GELU and its slope are applied to
//! blocks of a product that are still in the cache, and the shortcut's gradient is added where that of
//! the norm is written. What bounds it: the products.
#![expect(unsafe_code, reason = "results of products and views of heads")]

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Error, Layout, Result, Shape, Storage, Tensor};
use rayon::prelude::*;

use super::attention::{self, Heads, Sizes};
use super::gelu::{Gelu, GeluSlope};
use super::multiply::{Factor, multiply};
use super::raw::{values, wide, with_values};
use super::scratch::{Place, written};
use super::simd::{self, Simd, with_simd};
use super::{SequenceLink, layer_norm};

const NAME: &str = "sequence";
/// Rows whose sums are one number of a bias' gradient before they are added in order.
const ROWS: usize = 128;

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
struct Kept {
    /// The input of every stage but the first.
    inputs: Vec<Vec<f32>>,
    extras: Vec<Extra>,
}

/// The operation as candle sees it: of x and the flat parameters.
struct Sequence {
    stages: Vec<Stage>,
    /// Whether x is added to the result.
    shortcut: bool,
    /// Rows of x.
    rows: usize,
    dims: [usize; 3],
    kept: Mutex<Kept>,
}

/// See [`super::sequence`]; all tensors are f32 on the CPU.
pub(super) fn sequence(x: &Tensor, links: &[SequenceLink<'_>], shortcut: bool) -> Result<Tensor> {
    let x = x.contiguous()?;
    let op = Sequence::new(x.dims(), links, shortcut)?;
    let tensors: Vec<&Tensor> = links.iter().flat_map(SequenceLink::parameters).collect();
    if x.track_op() || tensors.iter().any(|t| t.track_op()) {
        let flat = match tensors.len() {
            0 => Tensor::zeros(1, x.dtype(), x.device())?,
            _ => Tensor::cat(
                &tensors.iter().map(|t| t.flatten_all()).collect::<Result<Vec<_>>>()?,
                0,
            )?,
        };
        return x.apply_op2(&flat, op);
    }
    let tensors = tensors.iter().map(|t| t.contiguous()).collect::<Result<Vec<_>>>()?;
    let guards: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let slices = guards
        .iter()
        .map(|(storage, layout)| match &**storage {
            Storage::Cpu(storage) => values(storage, layout, NAME),
            _ => Err(Error::Msg(format!("{NAME}: this kernel computes on the CPU")).bt()),
        })
        .collect::<Result<Vec<_>>>()?;
    let mut slices = slices.into_iter();
    let mut next = |range: &Range<usize>| {
        if range.is_empty() { &[] } else { slices.next().unwrap_or_default() }
    };
    let parameters: Vec<_> =
        op.stages.iter().map(|stage| (next(&stage.weight), next(&stage.bias))).collect();
    let y = with_values(&x, NAME, |x| op.forward(x, &parameters, None))?;
    Tensor::from_vec(y, &op.dims, x.device())
}

impl Sequence {
    fn new(x: &[usize], links: &[SequenceLink<'_>], shortcut: bool) -> Result<Self> {
        let &[batch, len, first] = x else {
            return Err(Error::Msg(format!("{NAME}: {x:?} is not (B, L, D)")).bt());
        };
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
                    if heads == 0 || dim == 0 || dim % (3 * heads) != 0 || at + 1 == links.len() {
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
        Ok(Self { stages, shortcut, rows: batch * len, dims, kept: Mutex::default() })
    }

    fn forward(
        &self,
        x: &[f32],
        parameters: &[(&[f32], &[f32])],
        mut kept: Option<&mut Kept>,
    ) -> Vec<f32> {
        let level = simd::best();
        let mut now: Option<Vec<f32>> = None;
        for (at, (stage, &(weight, bias))) in self.stages.iter().zip(parameters).enumerate() {
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
        let mut y = now.unwrap_or_else(|| x.to_vec());
        let added = matches!(
            self.stages.last(),
            Some(Stage { kind: Kind::Linear { gelu: false, .. }, .. })
        );
        if self.shortcut && !added {
            add(&mut y, x);
        }
        y
    }

    /// The gradients of x and of the flat parameters.
    fn backward(&self, x: &[f32], flat: &[f32], dy: &[f32]) -> Result<(Vec<f32>, Vec<f32>)> {
        let level = simd::best();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.extras.len() != self.stages.len() {
            return Err(Error::Msg(format!("{NAME}: the forward pass has not run")).bt());
        }
        let mut gradients = vec![0.0; flat.len()];
        let mut now: Option<Vec<f32>> = None;
        let before = |at: usize| match kept.extras.get(at) {
            Some(Extra::Before(before)) if !before.is_empty() => Some(&before[..]),
            _ => None,
        };
        if let Some(before) = before(self.stages.len().wrapping_sub(1)) {
            let mut dy = dy.to_vec();
            dy.par_chunks_mut(PART).zip(before.par_chunks(PART)).for_each(|(dy, x)| {
                with_simd!(level, s => s.vectorize(GeluSlope { x, dy }));
            });
            now = Some(dy);
        }
        for (at, stage) in self.stages.iter().enumerate().rev() {
            let input = if at == 0 { x } else { &kept.inputs[at - 1] };
            let g = now.as_deref().unwrap_or(dy);
            let weight = &flat[stage.weight.clone()];
            let dx = match (&stage.kind, &kept.extras[at]) {
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
                    let factors =
                        (Factor::by_rows(g, outputs).turned(), Factor::by_rows(input, inputs));
                    // SAFETY: the slice of this weight, borrowed here.
                    unsafe {
                        let shape = (outputs, inputs, self.rows);
                        multiply(level, shape, factors, dw.as_mut_ptr(), |_, _| {});
                    }
                    let slopes = at.checked_sub(1).and_then(before);
                    let factors = (Factor::by_rows(g, outputs), Factor::by_rows(weight, inputs));
                    let shape = (self.rows, inputs, outputs);
                    let finish = |row: usize, dx: &mut [f32]| {
                        if let Some(slopes) = slopes {
                            let x = &slopes[row * inputs..row * inputs + dx.len()];
                            with_simd!(level, s => s.vectorize(GeluSlope { x, dy: dx }));
                        }
                    };
                    // SAFETY: all of the gradient is written.
                    unsafe {
                        written(self.rows * inputs, |dx| {
                            multiply(level, shape, factors, dx, finish);
                        })
                    }
                }
                (Kind::Attention { sizes, rule }, Extra::LogSums(sums)) => {
                    attend_backward(*sizes, rule, (input, &kept.inputs[at], sums), g)
                }
                _ => return Err(Error::Msg(format!("{NAME}: another pass was kept")).bt()),
            };
            now = Some(dx);
        }
        let mut dx = now.unwrap_or_else(|| dy.to_vec());
        let added = matches!(self.stages.first(), Some(Stage { kind: Kind::Norm(_), .. }));
        if self.shortcut && !added {
            add(&mut dx, dy);
        }
        Ok((dx, gradients))
    }
}

/// Numbers that a task of an element-wise pass takes.
const PART: usize = 32 * 1024;

/// `to += from`
fn add(to: &mut [f32], from: &[f32]) {
    to.par_chunks_mut(PART).zip(from.par_chunks(PART)).for_each(|(to, from)| {
        wide(|| to.iter_mut().zip(from).for_each(|(to, from)| *to += from));
    });
}

/// x W^T + b (rows, outputs), plus `plus` if there is one, then GELU if `gelu`; and what went into GELU.
fn linear(
    (rows, inputs, outputs): (usize, usize, usize),
    x: &[f32],
    (weight, bias): (&[f32], &[f32]),
    plus: Option<&[f32]>,
    gelu: bool,
) -> (Vec<f32>, Vec<f32>) {
    let level = simd::best();
    let factors = (Factor::by_rows(x, inputs), Factor::by_rows(weight, inputs).turned());
    let shape = (rows, outputs, inputs);
    let affine = |first: usize, y: &mut [f32]| {
        for (row, y) in y.chunks_exact_mut(outputs).enumerate() {
            wide(|| {
                if !bias.is_empty() {
                    y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
                }
                if let Some(plus) = plus {
                    let plus = &plus[(first + row) * outputs..(first + row + 1) * outputs];
                    y.iter_mut().zip(plus).for_each(|(y, x)| *y += x);
                }
            });
        }
    };
    let mut y = Vec::new();
    // SAFETY: products are written whole; GELU is written behind each block of the product.
    let product = unsafe {
        written(rows * outputs, |product| {
            if gelu {
                y = written(rows * outputs, |y| {
                    let y = Place::new(y);
                    multiply(level, shape, factors, product, |first, block| {
                        affine(first, block);
                        let y = y.get().wrapping_add(first * outputs);
                        with_simd!(level, s => s.vectorize(Gelu { x: block, y }));
                    });
                });
            } else {
                multiply(level, shape, factors, product, affine);
            }
        })
    };
    if gelu { (y, product) } else { (product, y) }
}

/// Sums of the rows of `x` (rows, columns), in blocks of a fixed size.
fn column_sums(x: &[f32], to: &mut [f32]) {
    let columns = to.len();
    let blocks: Vec<Vec<f32>> = x
        .par_chunks(ROWS * columns)
        .map(|block| {
            let mut sums = vec![0.0_f32; columns];
            for row in block.chunks_exact(columns) {
                wide(|| sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x));
            }
            sums
        })
        .collect();
    for (column, to) in to.iter_mut().enumerate() {
        *to = blocks.iter().map(|sums| f64::from(sums[column])).sum::<f64>() as f32;
    }
}

/// Where queries, keys and values (or their gradients) lie in rows (B L, 3 H D).
fn parts<P: Copy>(sizes: Sizes, start: P, at: impl Fn(P, usize) -> P) -> [Heads<P>; 3] {
    let width = sizes.heads * sizes.dim;
    let strides = [sizes.queries * 3 * width, sizes.dim, 3 * width, 1];
    [0, width, 2 * width].map(|first| Heads { start: Place::new(at(start, first)), strides })
}

/// Where the results lie in rows (B L, H D).
fn whole<P: Copy>(sizes: Sizes, start: P) -> Heads<P> {
    let width = sizes.heads * sizes.dim;
    Heads { start: Place::new(start), strides: [sizes.queries * width, sizes.dim, width, 1] }
}

/// Attention of rows (B L, 3 H D) to (B L, H D), with the logarithms for the gradient.
fn attend(sizes: Sizes, rule: &attention::Rule, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let rows = sizes.batch * sizes.queries;
    let width = sizes.heads * sizes.dim;
    assert_eq!(x.len(), 3 * rows * width, "rows of queries, keys and values");
    let inputs = parts(sizes, x.as_ptr(), <*const f32>::wrapping_add);
    let mut y = Vec::new();
    // SAFETY: the views cover the rows exactly; results and logarithms are written whole.
    let sums = unsafe {
        written(rows * sizes.heads, |sums| {
            y = written(rows * width, |y| {
                let to = (whole(sizes, y), Some(Place::new(sums)));
                attention::forward(simd::best(), sizes, inputs, rule, to);
            });
        })
    };
    (y, sums)
}

/// The gradient of the rows of queries, keys and values.
fn attend_backward(
    sizes: Sizes,
    rule: &attention::Rule,
    (x, y, sums): (&[f32], &[f32], &[f32]),
    dy: &[f32],
) -> Vec<f32> {
    assert!(x.len() == 3 * dy.len() && y.len() == dy.len(), "rows of another pass");
    let inputs = parts(sizes, x.as_ptr(), <*const f32>::wrapping_add);
    let results = (whole(sizes, y.as_ptr()), whole(sizes, dy.as_ptr()), sums);
    // SAFETY: the views cover the rows exactly; all three gradients are written.
    unsafe {
        written(x.len(), |dx| {
            let to = parts(sizes, dx, <*mut f32>::wrapping_add);
            attention::backward(simd::best(), sizes, inputs, rule, results, to);
        })
    }
}

impl CustomOp2 for Sequence {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        flat: &CpuStorage,
        flat_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, flat) = (values(x, x_layout, NAME)?, values(flat, flat_layout, NAME)?);
        let parameters: Vec<_> = self
            .stages
            .iter()
            .map(|stage| (&flat[stage.weight.clone()], &flat[stage.bias.clone()]))
            .collect();
        let mut kept = Kept::default();
        let y = self.forward(x, &parameters, Some(&mut kept));
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok((CpuStorage::F32(y), Shape::from(&self.dims)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        flat: &Tensor,
        _result: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (dx, gradients) = with_values(x, NAME, |x| {
            with_values(flat, NAME, |flat| {
                with_values(&dy, NAME, |dy| self.backward(x, flat, dy))?
            })?
        })??;
        let tensor = |values: Vec<f32>, like: &Tensor| {
            like.track_op()
                .then(|| Tensor::from_vec(values, like.shape(), like.device()))
                .transpose()
        };
        Ok((tensor(dx, x)?, tensor(gradients, flat)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Tensor, Var};

    use super::super::tests::{assert_gradients_agree, deviation, flat, noise};
    use super::super::{Mask, SequenceLink, plain, sequence};

    /// Both halves of a transformer block of 2 heads over 8 numbers, and a last layer to 5.
    fn block(t: &[Tensor], own: bool) -> Tensor {
        let run = |x: &Tensor, links: &[SequenceLink<'_>], shortcut| {
            if own { sequence(x, links, shortcut) } else { plain::sequence(x, links, shortcut) }
                .unwrap()
        };
        let norm = SequenceLink::LayerNorm { weight: &t[1], bias: &t[2], eps: 1e-2 };
        let linear = |weight, bias, gelu| SequenceLink::Linear { weight, bias, gelu };
        let attention = SequenceLink::Attention { heads: 2, mask: Mask::Causal };
        let links =
            [norm, linear(&t[3], Some(&t[4]), false), attention, linear(&t[5], Some(&t[6]), false)];
        let x = run(&t[0], &links, true);
        let links = [norm, linear(&t[7], Some(&t[8]), true), linear(&t[9], None, false)];
        let x = run(&x, &links, true);
        // A shortcut around something that neither starts with a norm nor ends with a sum.
        let x = run(&x, &[linear(&t[5], Some(&t[6]), true)], true);
        run(&x, &[norm, linear(&t[10], None, false)], false)
    }

    fn shapes() -> Vec<Vec<usize>> {
        let all: [&[usize]; 11] = [
            &[3, 7, 8],
            &[8],
            &[8],
            &[24, 8],
            &[24],
            &[8, 8],
            &[8],
            &[19, 8],
            &[19],
            &[8, 19],
            &[5, 8],
        ];
        all.iter().map(|shape| shape.to_vec()).collect()
    }

    #[test]
    fn a_sequence_is_its_layers_with_their_gradients() {
        assert_gradients_agree("block", &shapes(), &|t| block(t, true), &|t| block(t, false));
        // Nothing to train: another way through the same kernels.
        let fixed: Vec<Tensor> =
            shapes().iter().enumerate().map(|(i, shape)| noise(i as u64, shape)).collect();
        assert!(deviation(&flat(&block(&fixed, true)), &flat(&block(&fixed, false))) < 1e-5);
        let empty = block(&[&[noise(1, &[0, 7, 8])], &fixed[1..]].concat(), true);
        assert_eq!(empty.dims(), [0, 7, 5]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let (x, w, b) = (noise(1, &[2, 3, 12]), noise(2, &[6, 12]), noise(3, &[6]));
        let linear = |weight, bias| SequenceLink::Linear { weight, bias, gelu: false };
        let attention = |heads| SequenceLink::Attention { heads, mask: Mask::None };
        assert!(sequence(&x, &[linear(&w, Some(&b))], false).is_ok());
        assert!(sequence(&x, &[linear(&w, Some(&b))], true).is_err(), "a sum of different shapes");
        assert!(sequence(&x, &[linear(&w, Some(&w))], false).is_err());
        assert!(sequence(&x, &[linear(&w, None), linear(&w, None)], false).is_err());
        assert!(
            sequence(&x, &[SequenceLink::LayerNorm { weight: &b, bias: &b, eps: 1.0 }], false)
                .is_err()
        );
        let last = noise(4, &[12, 4]);
        assert!(sequence(&x, &[attention(2), linear(&last, None)], true).is_ok());
        assert!(sequence(&x, &[attention(3), linear(&last, None)], true).is_err());
        assert!(sequence(&x, &[attention(0), linear(&last, None)], true).is_err());
        assert!(sequence(&x, &[attention(2)], false).is_err());
        assert!(sequence(&noise(1, &[3, 12]), &[linear(&w, None)], false).is_err());
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let all = || {
            let vars: Vec<Var> = shapes()
                .into_iter()
                .map(|shape| if shape.len() == 3 { vec![9, 31, 8] } else { shape })
                .map(|shape| Var::from_tensor(&noise(1, &shape)).unwrap())
                .collect();
            let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
            let grads = block(&tensors, true).sqr().unwrap().sum_all().unwrap().backward().unwrap();
            vars.iter().flat_map(|v| flat(grads.get(v).unwrap())).collect::<Vec<_>>()
        };
        let with = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all)
        };
        assert_eq!(with(1), with(3));
    }
}
