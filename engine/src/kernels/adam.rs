//! One step of AdamW and of the moving average of a parameter, in one pass over memory.
//!
//! Sources: Kingma & Ba, arXiv 1412.6980; Loshchilov & Hutter, arXiv 1711.05101, algorithm 2.
//!
//! Made of separate operations a step reads and writes the memory of a parameter some twenty times;
//! here each of its four arrays is read and written once, in place, and the gradient read once.
//! Multiplications and additions stay separate and in the order of the plain operations, so results
//! are the same to the last bit. What bounds it: memory.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, Device, Error, InplaceOp2, Layout, Tensor, Var};
use rayon::prelude::*;

use super::card;
use super::choice::ours;
use super::raw::{sum_of, values, wide, with_values};
use crate::Result;

const NAME: &str = "adam";
/// Numbers that a task takes.
const PART: usize = 16 * 1024;
/// Numbers that are summed by one part of a card.
const ROW: usize = 1024;

/// What a step does, the same for every parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub rate: f64,
    /// Decay of the weights, decoupled; parameters of one dimension (norms and biases) are spared.
    pub weight_decay: f64,
    /// Decay of the two moments.
    pub betas: (f64, f64),
    /// Number of the step, from 1.
    pub count: i32,
    /// What gradients are multiplied by.
    pub scale: f64,
    /// Decay of the moving average of the weights.
    pub average_decay: f64,
}

/// What AdamW keeps of the parameters: both moments and the moving average of their values, always in the
/// same order of the parameters.
#[derive(Debug)]
pub struct AdamState(Kept);

#[derive(Debug)]
enum Kept {
    /// Of each parameter, changed in place, on the CPU.
    Values(Vec<[Vec<f32>; 3]>),
    /// Of all parameters one after another, replaced at every step, on any device.
    Flat([Tensor; 3]),
}

impl AdamState {
    /// First moment, second moment and average of each parameter.
    pub fn new(parameters: &[[Tensor; 3]]) -> Result<Self> {
        if !ours(&parameters.iter().flatten().collect::<Vec<_>>()) {
            if let Some([first, ..]) = parameters.first() {
                let count = parameters.iter().map(|[first, ..]| first.elem_count()).sum();
                card::check(first.device(), "parameters", &[count])?;
            }
            let flat = |at: usize| flat(parameters.iter().map(|kept| &kept[at]));
            return Ok(Self(Kept::Flat([flat(0)?, flat(1)?, flat(2)?])));
        }
        let list = |tensor: &Tensor| tensor.flatten_all()?.to_vec1();
        let values =
            parameters.iter().map(|[m, v, average]| Ok([list(m)?, list(v)?, list(average)?]));
        Ok(Self(Kept::Values(values.collect::<Result<_>>()?)))
    }

    /// First moment, second moment and average of each parameter, in its shape.
    pub fn tensors(&self, vars: &[&Var]) -> Result<Vec<[Tensor; 3]>> {
        let (first, second) = (self.kept(0, vars)?, self.kept(1, vars)?);
        let kept = first.into_iter().zip(second).zip(self.averages(vars)?);
        Ok(kept.map(|((first, second), average)| [first, second, average]).collect())
    }

    /// The moving average of each parameter, in its shape.
    pub fn averages(&self, vars: &[&Var]) -> Result<Vec<Tensor>> {
        self.kept(2, vars)
    }

    fn kept(&self, which: usize, vars: &[&Var]) -> Result<Vec<Tensor>> {
        let mut start = 0;
        let tensors = vars.iter().enumerate().map(|(at, var)| {
            let tensor = match &self.0 {
                Kept::Values(values) => {
                    Tensor::from_slice(&values[at][which], var.shape(), var.device())
                }
                Kept::Flat(flat) => part(&flat[which], start, var)?.copy(),
            };
            start += var.elem_count();
            tensor
        });
        Ok(tensors.collect::<candle_core::Result<_>>()?)
    }

    /// Moves the parameters and everything that is kept of them by one step.
    ///
    /// # Errors
    /// If there are other gradients than parameters, or one is of another size.
    pub fn step(&mut self, vars: &[&Var], gradients: &[&Tensor], step: AdamStep) -> Result<()> {
        let sizes = |tensors: &mut dyn Iterator<Item = &Tensor>| -> Vec<usize> {
            tensors.map(Tensor::elem_count).collect()
        };
        let count = sizes(&mut vars.iter().map(|var| var.as_tensor()));
        let fits = match &self.0 {
            Kept::Values(values) => values.len() == count.len(),
            Kept::Flat([m, ..]) => m.elem_count() == count.iter().sum::<usize>(),
        };
        if !fits || sizes(&mut gradients.iter().copied()) != count {
            return Err(Error::Msg(format!("{NAME}: a parameter of another size")).bt().into());
        }
        let kept = match &mut self.0 {
            Kept::Values(values) => values,
            Kept::Flat(flat) => return plain(flat, vars, gradients, step),
        };
        for ((kept, var), gradient) in kept.iter_mut().zip(vars).zip(gradients) {
            let gradient = gradient.contiguous()?;
            let step = AdamStep { weight_decay: decay(var, step), ..step };
            var.inplace_op2(&gradient, &Step { kept: Mutex::new(kept), step })?;
        }
        Ok(())
    }
}

/// The decay of a parameter: none for the one number a channel of norms and biases.
fn decay(var: &Var, step: AdamStep) -> f64 {
    if var.rank() < 2 { 0.0 } else { step.weight_decay }
}

/// All numbers one after another.
fn flat<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> candle_core::Result<Tensor> {
    let parts = tensors.map(|t| t.detach().flatten_all()).collect::<Result<Vec<_>, _>>()?;
    if parts.is_empty() { Tensor::new(&[0.0_f32; 0], &Device::Cpu) } else { Tensor::cat(&parts, 0) }
}

/// The numbers of a parameter among those of all.
fn part(flat: &Tensor, start: usize, var: &Var) -> candle_core::Result<Tensor> {
    flat.narrow(0, start, var.elem_count())?.reshape(var.shape())
}

/// The step made of candle's own operations: once for all parameters, since on a card starting an
/// operation costs more than working it out for most of them.
fn plain(
    kept: &mut [Tensor; 3],
    vars: &[&Var],
    gradients: &[&Tensor],
    step: AdamStep,
) -> Result<()> {
    let [m, v, average] = kept;
    let ((b1, b2), rate) = (step.betas, step.rate);
    let (fix1, fix2) = (1.0 - b1.powi(step.count), 1.0 - b2.powi(step.count));
    let gradient = (flat(gradients.iter().copied())? * step.scale)?;
    *m = ((&*m * b1)? + (&gradient * (1.0 - b1))?)?;
    *v = ((&*v * b2)? + (gradient.sqr()? * (1.0 - b2))?)?;
    let denominator = ((&*v / fix2)?.sqrt()? + 1e-8)?;
    let update = ((&*m / fix1)? / denominator)?;
    let weights = flat(vars.iter().map(|var| var.as_tensor()))?;
    let weights = if step.weight_decay == 0.0 {
        weights
    } else {
        let keep = vars.iter().map(|var| {
            let keep = (1.0 - rate * decay(var, step)) as f32;
            Tensor::full(keep, var.elem_count(), var.device())
        });
        (weights * Tensor::cat(&keep.collect::<candle_core::Result<Vec<_>>>()?, 0)?)?
    };
    let weights = (weights - (update * rate)?)?;
    let decay = step.average_decay;
    *average = ((&*average * decay)? + (&weights * (1.0 - decay))?)?;
    let mut start = 0;
    for var in vars {
        var.set(&part(&weights, start, var)?)?;
        start += var.elem_count();
    }
    Ok(())
}

/// The step as candle sees it: it changes the parameter in place.
struct Step<'a> {
    kept: Mutex<&'a mut [Vec<f32>; 3]>,
    step: AdamStep,
}

impl InplaceOp2 for Step<'_> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        weights: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let gradient = values(gradient, gradient_layout, NAME)?;
        let (CpuStorage::F32(weights), Some((start, end))) = (weights, layout.contiguous_offsets())
        else {
            return Err(Error::RequiresContiguous { op: NAME }.bt());
        };
        let weights = &mut weights[start..end];
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let [m, v, average] = &mut **kept;
        if [gradient.len(), m.len(), v.len(), average.len()] != [weights.len(); 4] {
            return Err(Error::Msg(format!("{NAME}: a parameter of another size")).bt());
        }
        let numbers = Numbers::new(self.step);
        weights
            .par_chunks_mut(PART)
            .zip(m.par_chunks_mut(PART))
            .zip(v.par_chunks_mut(PART))
            .zip(average.par_chunks_mut(PART))
            .zip(gradient.par_chunks(PART))
            .for_each(|((((weights, m), v), average), gradient)| {
                wide(|| numbers.apply(weights, gradient, [m, v, average]));
            });
        Ok(())
    }
}

/// The numbers of a step as the plain operations round them.
struct Numbers {
    scale: f32,
    first: [f32; 2],
    second: [f32; 2],
    fixes: [f32; 2],
    keep: f32,
    rate: f32,
    average: [f32; 2],
}

impl Numbers {
    fn new(step: AdamStep) -> Self {
        let (b1, b2) = step.betas;
        let fix = |beta: f64| (1.0 / (1.0 - beta.powi(step.count))) as f32;
        let pair = |decay: f64| [decay as f32, (1.0 - decay) as f32];
        Self {
            scale: step.scale as f32,
            first: pair(b1),
            second: pair(b2),
            fixes: [fix(b1), fix(b2)],
            keep: (1.0 - step.rate * step.weight_decay) as f32,
            rate: step.rate as f32,
            average: pair(step.average_decay),
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "must be compiled for the caller's instruction set")]
    fn apply(&self, weights: &mut [f32], gradient: &[f32], [m, v, average]: [&mut [f32]; 3]) {
        let kept = m.iter_mut().zip(v).zip(average);
        for ((w, g), ((m, v), average)) in weights.iter_mut().zip(gradient).zip(kept) {
            let g = g * self.scale;
            *m = *m * self.first[0] + g * self.first[1];
            *v = *v * self.second[0] + (g * g) * self.second[1];
            let update = *m * self.fixes[0] / ((*v * self.fixes[1]).sqrt() + 1e-8);
            *w = *w * self.keep - update * self.rate;
            *average = *average * self.average[0] + *w * self.average[1];
        }
    }
}

/// The sum of all squares of all tensors, in an order that does not depend on the number of threads.
pub fn sum_of_squares(tensors: &[&Tensor]) -> Result<f64> {
    if !ours(tensors) {
        let flat = flat(tensors.iter().copied())?;
        if flat.elem_count() == 0 {
            return Ok(0.0);
        }
        let squares = flat.sqr()?;
        let (n, rows) = (squares.elem_count(), squares.elem_count() / ROW);
        // A card sums every row at the same time, and one long row slowly.
        let rest = squares.narrow(0, rows * ROW, n - rows * ROW)?;
        let squares = squares.narrow(0, 0, rows * ROW)?.reshape((rows, ROW))?;
        let mut sum = 0.0;
        if rest.elem_count() > 0 {
            sum += f64::from(rest.sum_all()?.to_scalar::<f32>()?);
        }
        if rows > 0 {
            sum += f64::from(squares.sum(1)?.sum_all()?.to_scalar::<f32>()?);
        }
        return Ok(sum);
    }
    let mut sum = 0.0;
    for tensor in tensors {
        let sums: Vec<f64> = with_values(&tensor.contiguous()?, "sum_of_squares", |values| {
            let part = |part: &[f32]| wide(|| sum_of(part.len(), |i| part[i] * part[i]));
            values.par_chunks(PART).map(part).collect()
        })?;
        sum += sums.iter().sum::<f64>();
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{flat, noise};
    use super::{AdamState, AdamStep, flat as flat_of, part, plain, sum_of_squares};
    use candle_core::{Tensor, Var};

    #[test]
    fn steps_are_those_of_plain_operations_to_the_last_bit() {
        let start: Vec<Tensor> =
            [&[1][..], &[3, 7], &[40_003]].iter().map(|shape| noise(1, shape)).collect();
        let make = || -> Vec<Var> {
            start.iter().map(|tensor| Var::from_tensor(&tensor.copy().unwrap()).unwrap()).collect()
        };
        let (moved, expected) = (make(), make());
        let (moved, expected): (Vec<&Var>, Vec<&Var>) =
            (moved.iter().collect(), expected.iter().collect());
        let all: Vec<[Tensor; 3]> = start
            .iter()
            .map(|t| [t.zeros_like().unwrap(), t.zeros_like().unwrap(), t.copy().unwrap()])
            .collect();
        let mut ours = AdamState::new(&all).unwrap();
        let mut kept = [0, 1, 2].map(|at| flat_of(all.iter().map(|kept| &kept[at])).unwrap());
        let step = |count| AdamStep {
            rate: 0.1 / f64::from(count),
            weight_decay: 0.03,
            betas: (0.9, 0.99),
            count,
            scale: 0.7,
            average_decay: 0.9,
        };
        for count in 1..6 {
            let gradients: Vec<Tensor> =
                start.iter().map(|t| noise(10 + count as u64, t.dims())).collect();
            let gradients: Vec<&Tensor> = gradients.iter().collect();
            ours.step(&moved, &gradients, step(count)).unwrap();
            plain(&mut kept, &expected, &gradients, step(count)).unwrap();
        }
        let mut first = 0;
        for ((var, expected), found) in
            moved.iter().zip(&expected).zip(ours.tensors(&moved).unwrap())
        {
            assert_eq!(flat(var), flat(expected));
            for (found, kept) in found.iter().zip(&kept) {
                assert_eq!(found.dims(), var.dims());
                assert_eq!(flat(found), flat(&part(kept, first, var).unwrap()));
            }
            first += var.elem_count();
        }
        let other: Vec<Tensor> = [1, 22, 40_003].iter().map(|n| noise(2, &[*n])).collect();
        let other: Vec<&Tensor> = other.iter().collect();
        assert!(ours.step(&moved, &other, step(1)).is_err(), "a gradient of another size");
        assert!(ours.step(&moved, &other[..2], step(1)).is_err(), "a gradient too few");
    }

    #[test]
    fn squares_are_summed_exactly() {
        let x = (noise(1, &[70_001]) + 100.0).unwrap();
        let exact: f64 = flat(&x).iter().map(|x| x * x).sum();
        assert!((sum_of_squares(&[&x, &noise(1, &[0])]).unwrap() / exact - 1.0).abs() < 1e-6);
        assert!((sum_of_squares(&[&x, &x]).unwrap() / (2.0 * exact) - 1.0).abs() < 1e-6);
        assert_eq!(sum_of_squares(&[&noise(1, &[0])]).unwrap(), 0.0);
    }
}
