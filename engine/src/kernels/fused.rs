//! Layers one after another as a single candle operation: of x and of all parameters that are trained.
//!
//! candle's operations take at most three tensors, so the trained parameters travel as one flat tensor;
//! frozen ones are read where they are, by the backward pass too (as x is, so neither may be written to in
//! between), and candle hears nothing of them. What the backward pass needs beside x is kept, or computed
//! again if it was asked to ([`recomputing`]), and is given back as soon as the backward pass is through.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Error, Layout, Result, Shape, Tensor};

use super::raw::{holds, values, with_all_values, with_values};
use super::stages::{Kept, Layer, Parameters, Stages};

thread_local! {
    static RECOMPUTE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a forward pass whose operations keep only their inputs for the backward pass, which computes
/// the rest again (Chen et al. 2016, "Training deep nets with sublinear memory cost", with the layers
/// of a block as one segment): less memory, the same gradients bit by bit, and a longer backward
/// pass. Where candle's own operations run it changes nothing.
pub fn recomputing<R>(recompute: bool, work: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECOMPUTE.set(self.0);
        }
    }
    let _restore = Restore(RECOMPUTE.replace(recompute));
    work()
}

/// Applies layers to x, differentiably if anything is tracked. Their sizes are checked: those that
/// overflow must not be copied either.
pub(super) fn apply<L: Layer>(x: &Tensor, mut stages: Stages<L>) -> Result<Tensor> {
    let x = x.contiguous()?;
    stages.order_frozen()?;
    let trained = stages.take_trained();
    if trained.is_empty() && !stages.wants_dx() {
        let y = with_parameters(&stages, &[], |parameters| {
            with_values(&x, L::NAME, |x| stages.forward(x, parameters, false))
        })???
        .0;
        return Tensor::from_vec(y, stages.dims(), x.device());
    }
    let rows = trained.iter().map(Tensor::flatten_all).collect::<Result<Vec<_>>>()?;
    let flat = match rows.len() {
        0 => Tensor::zeros(1, x.dtype(), x.device())?,
        _ => Tensor::cat(&rows, 0)?,
    };
    // One layer alone keeps next to nothing: its input is there anyway.
    let recompute = RECOMPUTE.get() && stages.count() > 1;
    x.apply_op2(&flat, Fused { stages, recompute, kept: Mutex::new(None) })
}

/// Runs `f` on the parameters of every layer.
fn with_parameters<L: Layer, R>(
    stages: &Stages<L>,
    flat: &[f32],
    f: impl FnOnce(&[Parameters<'_>]) -> R,
) -> Result<R> {
    let frozen: Vec<&Tensor> = stages.frozen().iter().collect();
    with_all_values(&frozen, L::NAME, |frozen| f(&stages.parameters(flat, frozen)))
}

/// The operation as candle sees it.
struct Fused<L: Layer> {
    stages: Stages<L>,
    recompute: bool,
    kept: Mutex<Option<Kept<L::Extra>>>,
}

impl<L: Layer> Fused<L> {
    fn kept(&self) -> std::sync::MutexGuard<'_, Option<Kept<L::Extra>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Layer> CustomOp2 for Fused<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        flat: &CpuStorage,
        flat_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, flat) = (values(x, x_layout, L::NAME)?, values(flat, flat_layout, L::NAME)?);
        let (y, kept) = with_parameters(&self.stages, flat, |parameters| {
            self.stages.forward(x, parameters, !self.recompute)
        })??;
        *self.kept() = kept;
        Ok((CpuStorage::F32(y), Shape::from(self.stages.dims())))
    }

    fn bwd(
        &self,
        x: &Tensor,
        flat: &Tensor,
        _result: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dy, dims) = (dy.contiguous()?, self.stages.dims());
        if !holds(dy.elem_count(), dims) {
            let text = format!("{}: gradients of shape {:?} for {dims:?}", L::NAME, dy.dims());
            return Err(Error::Msg(text).bt());
        }
        let kept = self.kept().take();
        let gradients = |x: &[f32], flat: &[f32], dy: &[f32]| {
            with_parameters(&self.stages, flat, |parameters| {
                let kept = match kept {
                    Some(kept) => kept,
                    None => self.stages.trace(x, parameters)?,
                };
                self.stages.backward(x, parameters, dy, &kept)
            })?
        };
        let (dx, gradients) = with_values(x, L::NAME, |x| {
            with_values(flat, L::NAME, |flat| {
                with_values(&dy, L::NAME, |dy| gradients(x, flat, dy))?
            })?
        })??;
        let dx = dx.map(|dx| Tensor::from_vec(dx, x.shape(), x.device())).transpose()?;
        let flat = flat
            .track_op()
            .then(|| Tensor::from_vec(gradients, flat.shape(), flat.device()))
            .transpose()?;
        Ok((dx, flat))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use candle_core::{Device, Var};

    use super::super::stages::{Asked, Back, Reads, Slots};
    use super::*;

    /// y = x^2 p of one number, as two layers; counts how often the square is computed.
    enum Toy {
        Square(Arc<AtomicUsize>),
        Times,
    }

    impl Layer for Toy {
        const NAME: &'static str = "toy";
        type Extra = ();

        fn forward(
            &self,
            x: &[f32],
            (p, _): Parameters<'_>,
            _: Option<&[f32]>,
        ) -> Result<(Vec<f32>, ())> {
            Ok(match self {
                Self::Square(count) => {
                    count.fetch_add(1, Ordering::Relaxed);
                    (vec![x[0] * x[0]], ())
                }
                Self::Times => (vec![x[0] * p[0]], ()),
            })
        }

        fn reads(&self, asked: Asked) -> Reads {
            let input = matches!(self, Self::Square(_)) || asked.weight;
            Reads { input, ..Reads::default() }
        }

        fn backward(
            &self,
            back: Back<'_, ()>,
            (p, _): Parameters<'_>,
            to: Slots<'_>,
        ) -> Result<Option<Vec<f32>>> {
            if let Some(to) = to.weight {
                to[0] = back.input[0] * back.dy[0];
            }
            let slope = if let Self::Times = self { p[0] } else { 2.0 * back.input[0] };
            Ok(Some(vec![slope * back.dy[0]]))
        }
    }

    /// Counts in `count`; p has the value 5.
    fn toy(count: &Arc<AtomicUsize>, p: &Tensor) -> Stages<Toy> {
        let mut stages = Stages::new(true);
        stages.push(Toy::Square(Arc::clone(count)), [None, None]);
        stages.push(Toy::Times, [Some(p), None]);
        stages.giving(&[1])
    }

    #[test]
    fn what_is_not_kept_is_computed_again() {
        let var = |value: f32| Var::from_tensor(&Tensor::new(&[value], &Device::Cpu)?);
        let (x, p) = (var(3.0).unwrap(), var(5.0).unwrap());
        for (recompute, after_one, after_two) in [(false, 1, 2), (true, 2, 3)] {
            let count = Arc::default();
            let y = recomputing(recompute, || apply(&x, toy(&count, &p))).unwrap();
            assert_eq!(count.load(Ordering::Relaxed), 1);
            // A graph may be gone through twice; what was kept is given back after the first time.
            for times in [after_one, after_two] {
                let gradients = y.backward().unwrap();
                let of = |var: &Var| gradients.get(var).unwrap().to_vec1::<f32>().unwrap();
                assert_eq!((of(&x), of(&p)), (vec![30.0], vec![9.0]));
                assert_eq!(count.load(Ordering::Relaxed), times, "recompute: {recompute}");
            }
        }
        assert!(!RECOMPUTE.get(), "only inside");
    }

    #[test]
    fn what_only_a_frozen_parameter_would_need_is_not_computed_again() {
        let x = Var::from_tensor(&Tensor::new(&[3.0_f32], &Device::Cpu).unwrap()).unwrap();
        let p = Tensor::new(&[5.0_f32], &Device::Cpu).unwrap();
        let count = Arc::default();
        let y = recomputing(true, || apply(&x, toy(&count, &p))).unwrap();
        let gradients = y.backward().unwrap();
        assert_eq!(gradients.get(&x).unwrap().to_vec1::<f32>().unwrap(), [30.0]);
        assert_eq!(count.load(Ordering::Relaxed), 1, "the square is the input of p alone");
    }

    #[test]
    fn a_gradient_of_another_size_is_an_error() {
        let tensor = |n: usize| Tensor::ones(n, candle_core::DType::F32, &Device::Cpu).unwrap();
        let stages = toy(&Arc::default(), &tensor(1));
        let op = Fused { stages, recompute: true, kept: Mutex::new(None) };
        let (x, flat, y) = (tensor(1), tensor(1), tensor(1));
        assert!(op.bwd(&x, &flat, &y, &tensor(1)).is_ok());
        for wrong in [0, 2] {
            assert!(op.bwd(&x, &flat, &y, &tensor(wrong)).is_err(), "{wrong}");
        }
    }
}
