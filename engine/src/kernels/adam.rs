//! One step of AdamW and of the moving average of a parameter, in one pass over memory.
//!
//! Sources: Kingma & Ba, arXiv 1412.6980; Loshchilov & Hutter, arXiv 1711.05101, algorithm 2.
//!
//! Made of separate operations a step reads and writes the memory of a parameter some twenty times;
//! here each of its four arrays is read and written once, in place, and the gradient read once.
//! Multiplications and additions stay separate and in the order of the plain operations, so results
//! are the same to the last bit. What bounds it: memory.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, Error, InplaceOp2, Layout, Tensor, Var};
use rayon::prelude::*;

use super::ours;
use super::raw::{sum_of, values, wide, with_values};
use crate::Result;

const NAME: &str = "adam";
/// Numbers that a task takes.
const PART: usize = 16 * 1024;

/// What a step does, the same for every parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub rate: f64,
    /// Decay of the weights, decoupled.
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

/// What AdamW keeps of a parameter: both moments and the moving average of its values.
#[derive(Debug)]
pub struct AdamState(Kept);

#[derive(Debug)]
enum Kept {
    /// Changed in place, on the CPU.
    Values([Vec<f32>; 3]),
    /// Replaced at every step, on any device.
    Tensors([Tensor; 3]),
}

impl AdamState {
    /// First moment, second moment and average.
    pub fn new(tensors: [Tensor; 3]) -> Result<Self> {
        if !ours(&tensors.each_ref()) {
            return Ok(Self(Kept::Tensors(tensors.map(|t| t.detach()))));
        }
        let mut values = [const { Vec::new() }; 3];
        for (values, tensor) in values.iter_mut().zip(&tensors) {
            *values = tensor.flatten_all()?.to_vec1()?;
        }
        Ok(Self(Kept::Values(values)))
    }

    /// First moment, second moment and average, in the shape of the parameter.
    pub fn tensors(&self, var: &Var) -> Result<[Tensor; 3]> {
        match &self.0 {
            Kept::Tensors(tensors) => Ok(tensors.clone()),
            Kept::Values([m, v, average]) => {
                let tensor = |x: &Vec<f32>| Tensor::from_slice(x, var.shape(), var.device());
                Ok([tensor(m)?, tensor(v)?, tensor(average)?])
            }
        }
    }

    /// Moves the parameter and everything that is kept of it by one step.
    pub fn step(&mut self, var: &Var, gradient: &Tensor, step: AdamStep) -> Result<()> {
        let kept = match &mut self.0 {
            Kept::Values(values) => values,
            Kept::Tensors(tensors) => return plain(tensors, var, gradient, step),
        };
        let gradient = gradient.contiguous()?;
        Ok(var.inplace_op2(&gradient, &Step { kept: Mutex::new(kept), step })?)
    }
}

/// The step made of candle's own operations.
fn plain(kept: &mut [Tensor; 3], var: &Var, gradient: &Tensor, step: AdamStep) -> Result<()> {
    let [m, v, average] = kept;
    let ((b1, b2), rate) = (step.betas, step.rate);
    let (fix1, fix2) = (1.0 - b1.powi(step.count), 1.0 - b2.powi(step.count));
    let gradient = (gradient * step.scale)?;
    *m = ((&*m * b1)? + (&gradient * (1.0 - b1))?)?;
    *v = ((&*v * b2)? + (gradient.sqr()? * (1.0 - b2))?)?;
    let denominator = ((&*v / fix2)?.sqrt()? + 1e-8)?;
    let update = ((&*m / fix1)? / denominator)?;
    let weights = (var.as_tensor() * (1.0 - rate * step.weight_decay))?;
    var.set(&(weights - (update * rate)?)?.detach())?;
    let decay = step.average_decay;
    *average = ((&*average * decay)? + (var.as_tensor().detach() * (1.0 - decay))?)?;
    for tensor in kept {
        *tensor = tensor.detach();
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

/// The sum of all squares, in an order that does not depend on the number of threads.
pub fn sum_of_squares(tensor: &Tensor) -> Result<f64> {
    if !ours(&[tensor]) {
        return Ok(f64::from(tensor.sqr()?.sum_all()?.to_scalar::<f32>()?));
    }
    let sums: Vec<f64> = with_values(&tensor.contiguous()?, "sum_of_squares", |values| {
        let part = |part: &[f32]| wide(|| sum_of(part.len(), |i| part[i] * part[i]));
        values.par_chunks(PART).map(part).collect()
    })?;
    Ok(sums.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{flat, noise};
    use super::*;

    #[test]
    fn steps_are_those_of_plain_operations_to_the_last_bit() {
        for shape in [vec![1], vec![3, 7], vec![40_003]] {
            let start = noise(1, &shape);
            let vars = [0, 1].map(|_| Var::from_tensor(&start).unwrap());
            let zero = start.zeros_like().unwrap();
            let all = [zero.clone(), zero, start.copy().unwrap()];
            let mut ours = AdamState::new(all.clone()).unwrap();
            let mut tensors = all;
            for count in 1..6 {
                let gradient = noise(10 + count as u64, &shape);
                let (rate, average_decay) = (0.1 / f64::from(count), 0.9);
                let (weight_decay, betas, scale) = (0.03, (0.9, 0.99), 0.7);
                let step = AdamStep { rate, weight_decay, betas, count, scale, average_decay };
                ours.step(&vars[0], &gradient, step).unwrap();
                plain(&mut tensors, &vars[1], &gradient, step).unwrap();
            }
            assert_eq!(flat(&vars[0]), flat(&vars[1]));
            for (found, expected) in ours.tensors(&vars[0]).unwrap().iter().zip(&tensors) {
                assert_eq!(found.dims(), expected.dims());
                assert_eq!(flat(found), flat(expected));
            }
            let mut turned = AdamState::new(tensors).unwrap();
            let other = noise(2, &[shape.iter().product::<usize>() + 1]);
            let step = AdamStep {
                rate: 0.1,
                weight_decay: 0.0,
                betas: (0.9, 0.99),
                count: 1,
                scale: 1.0,
                average_decay: 0.9,
            };
            assert!(turned.step(&vars[0], &other, step).is_err(), "a gradient of another size");
        }
    }

    #[test]
    fn squares_are_summed_exactly() {
        let x = (noise(1, &[70_001]) + 100.0).unwrap();
        let exact: f64 = flat(&x).iter().map(|x| x * x).sum();
        assert!((sum_of_squares(&x).unwrap() / exact - 1.0).abs() < 1e-6);
        assert_eq!(sum_of_squares(&noise(1, &[0])).unwrap(), 0.0);
    }
}
