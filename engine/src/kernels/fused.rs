//! Layers one after another as a single candle operation: of x and of all their parameters.
//!
//! candle's operations take at most three tensors, so the parameters travel as one flat tensor.
//! What the backward pass needs beside x is kept, or computed again if it was asked to
//! ([`recomputing`]), and is given back as soon as the backward pass is through.

use std::cell::Cell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Error, Layout, Result, Shape, Tensor};

use super::raw::{flat_if_tracked, holds, values, with_all_values, with_values};

/// Weight and bias of a layer; empty where it has none.
pub(super) type Parameters<'a> = (&'a [f32], &'a [f32]);

/// Where weight and bias of a layer lie in the flat tensor.
pub(super) type Places = (Range<usize>, Range<usize>);

/// Which gradients somebody wants: weights may be held still, and images be data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// That of x.
    pub(super) input: bool,
    /// Those of the parameters; an empty vector will do where they are not.
    pub(super) parameters: bool,
}

/// Layers one after another, with all their sizes known.
pub(super) trait Layers: Send + Sync + 'static {
    const NAME: &'static str;

    /// What the backward pass needs of the forward pass, beside x.
    type Kept: Default + Send;

    /// The result's shape.
    fn dims(&self) -> &[usize];

    /// One pair for each layer, also of those without parameters, in the order of the flat tensor.
    fn places(&self) -> Vec<Places>;

    /// The result; what the backward pass needs goes to `kept`.
    fn forward(
        &self,
        x: &[f32],
        parameters: &[Parameters<'_>],
        kept: Option<&mut Self::Kept>,
    ) -> Result<Vec<f32>>;

    /// What `forward` keeps, without the result.
    fn trace(&self, x: &[f32], parameters: &[Parameters<'_>]) -> Result<Self::Kept>;

    /// The gradients of x and of the flat parameters, as far as they are wanted.
    fn backward(
        &self,
        x: (&[f32], Wanted),
        flat: &[f32],
        dy: &[f32],
        kept: &Self::Kept,
    ) -> Result<(Option<Vec<f32>>, Vec<f32>)>;
}

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

/// Applies layers to x, differentiably if anything is tracked. `tensors`: their parameters in order.
pub(super) fn apply<L: Layers>(x: &Tensor, tensors: &[&Tensor], layers: L) -> Result<Tensor> {
    if let Some(flat) = flat_if_tracked(x, tensors)? {
        // One layer alone keeps next to nothing: its input is there anyway.
        let recompute = RECOMPUTE.get() && layers.places().len() > 1;
        return x.apply_op2(&flat, Fused { layers, recompute, kept: Mutex::new(None) });
    }
    let y = with_all_values(tensors, L::NAME, |slices| {
        // Those without numbers have no range either.
        let mut slices = slices.iter().copied().filter(|slice| !slice.is_empty());
        let mut next = |range: &Range<usize>| {
            if range.is_empty() { &[] } else { slices.next().unwrap_or_default() }
        };
        let places = layers.places();
        let parameters: Vec<_> =
            places.iter().map(|(weight, bias)| (next(weight), next(bias))).collect();
        with_values(x, L::NAME, |x| layers.forward(x, &parameters, None))
    })???;
    Tensor::from_vec(y, layers.dims(), x.device())
}

/// The operation as candle sees it.
struct Fused<L: Layers> {
    layers: L,
    recompute: bool,
    kept: Mutex<Option<L::Kept>>,
}

impl<L: Layers> Fused<L> {
    fn parameters<'a>(&self, flat: &'a [f32]) -> Vec<Parameters<'a>> {
        let places = self.layers.places();
        places.into_iter().map(|(weight, bias)| (&flat[weight], &flat[bias])).collect()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<L::Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Layers> CustomOp2 for Fused<L> {
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
        let mut kept = (!self.recompute).then(L::Kept::default);
        let y = self.layers.forward(x, &self.parameters(flat), kept.as_mut())?;
        *self.kept() = kept;
        Ok((CpuStorage::F32(y), Shape::from(self.layers.dims())))
    }

    fn bwd(
        &self,
        x: &Tensor,
        flat: &Tensor,
        _result: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dy, dims) = (dy.contiguous()?, self.layers.dims());
        if !holds(dy.elem_count(), dims) {
            let text = format!("{}: gradients of shape {:?} for {dims:?}", L::NAME, dy.dims());
            return Err(Error::Msg(text).bt());
        }
        let wanted = Wanted { input: x.track_op(), parameters: flat.track_op() };
        let kept = self.kept().take();
        let (dx, gradients) = with_values(x, L::NAME, |x| {
            with_values(flat, L::NAME, |flat| {
                let kept = match kept {
                    Some(kept) => kept,
                    None => self.layers.trace(x, &self.parameters(flat))?,
                };
                with_values(&dy, L::NAME, |dy| self.layers.backward((x, wanted), flat, dy, &kept))?
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

    use super::*;

    /// y = x^2 p; keeps x^2 and counts how often that is computed.
    struct Square(Arc<AtomicUsize>);

    impl Layers for Square {
        const NAME: &'static str = "square";
        type Kept = Vec<f32>;

        fn dims(&self) -> &[usize] {
            &[1]
        }

        fn places(&self) -> Vec<Places> {
            vec![(0..0, 0..0), (0..1, 1..1)]
        }

        fn forward(
            &self,
            x: &[f32],
            parameters: &[Parameters<'_>],
            kept: Option<&mut Vec<f32>>,
        ) -> Result<Vec<f32>> {
            let squares = self.trace(x, parameters)?;
            let y = squares.iter().map(|square| square * parameters[1].0[0]).collect();
            if let Some(kept) = kept {
                *kept = squares;
            }
            Ok(y)
        }

        fn trace(&self, x: &[f32], _: &[Parameters<'_>]) -> Result<Vec<f32>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(x.iter().map(|x| x * x).collect())
        }

        fn backward(
            &self,
            (x, _): (&[f32], Wanted),
            flat: &[f32],
            dy: &[f32],
            kept: &Vec<f32>,
        ) -> Result<(Option<Vec<f32>>, Vec<f32>)> {
            Ok((Some(vec![2.0 * x[0] * flat[0] * dy[0]]), vec![kept[0] * dy[0]]))
        }
    }

    #[test]
    fn what_is_not_kept_is_computed_again() {
        let var = |value: f32| Var::from_tensor(&Tensor::new(&[value], &Device::Cpu)?);
        let (x, p) = (var(3.0).unwrap(), var(5.0).unwrap());
        for (recompute, after_one, after_two) in [(false, 1, 2), (true, 2, 3)] {
            let count = Arc::new(AtomicUsize::new(0));
            let layers = Square(Arc::clone(&count));
            let y = recomputing(recompute, || apply(&x, &[&p], layers)).unwrap();
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
    fn a_gradient_of_another_size_is_an_error() {
        let tensor = |n: usize| Tensor::ones(n, candle_core::DType::F32, &Device::Cpu).unwrap();
        let layers = Square(Arc::default());
        let op = Fused { layers, recompute: true, kept: Mutex::new(None) };
        let (x, flat, y) = (tensor(1), tensor(1), tensor(1));
        assert!(op.bwd(&x, &flat, &y, &tensor(1)).is_ok());
        for wrong in [0, 2] {
            assert!(op.bwd(&x, &flat, &y, &tensor(wrong)).is_err(), "{wrong}");
        }
    }
}
