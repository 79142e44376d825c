//! A gradient of our own for a result that candle's operations gave, on any device.
//!
//! Each operation of a graph costs a card a start, and its gradient several: of what is known as a whole
//! (a convolution, a norm) the gradient takes a third of the operations that candle's graph would.

use std::sync::{Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp3, Error, Layout, MetalStorage, Result, Shape, Storage, Tensor,
};

/// Gradients by the three arguments, of the gradient by the result.
pub(super) type Gradients = [Option<Tensor>; 3];

/// Gives `y`, which was worked out without a graph, as the result of three arguments (one may stand for
/// several if its gradient is only given once). `gradient` gets the gradient by `y`.
pub(super) fn graft(
    y: Tensor,
    [a, b, c]: [&Tensor; 3],
    gradient: impl Fn(&Tensor) -> Result<Gradients> + Send + Sync + 'static,
) -> Result<Tensor> {
    if ![a, b, c].iter().any(|t| t.track_op()) {
        return Ok(y);
    }
    a.apply_op3(b, c, Grafted { y: Mutex::new(Some(y)), gradient })
}

struct Grafted<F> {
    /// Until it was handed on.
    y: Mutex<Option<Tensor>>,
    gradient: F,
}

impl<F> Grafted<F> {
    fn hand_on<S: BackendStorage>(&self, of: fn(&Storage) -> Option<&S>) -> Result<(S, Shape)> {
        let y = self.y.lock().unwrap_or_else(PoisonError::into_inner).take();
        let again = || Error::Msg("a result was handed on before".to_owned()).bt();
        let y = y.ok_or_else(again)?.contiguous()?;
        let (storage, layout) = y.storage_and_layout();
        let other = || Error::Msg("arguments and result are on different devices".to_owned()).bt();
        Ok((of(&storage).ok_or_else(other)?.try_clone(layout)?, layout.shape().clone()))
    }
}

impl<F: Fn(&Tensor) -> Result<Gradients>> CustomOp3 for Grafted<F> {
    fn name(&self) -> &'static str {
        "graft"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.hand_on(
            |storage| if let Storage::Cpu(storage) = storage { Some(storage) } else { None },
        )
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.hand_on(
            |storage| if let Storage::Cuda(storage) = storage { Some(storage) } else { None },
        )
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        self.hand_on(
            |storage| if let Storage::Metal(storage) = storage { Some(storage) } else { None },
        )
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b, c] = (self.gradient)(&gradient.detach().contiguous()?)?;
        Ok((a, b, c))
    }
}
