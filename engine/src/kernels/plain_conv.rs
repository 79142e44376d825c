//! The convolution of `plain`: candle's, with a gradient made of convolutions.
//!
//! candle's own gradient by the input is a transposed convolution, for which graphics cards have no fast
//! kernel; its gradient by the weights hands turned views to a kernel that wants rows. Here both are
//! ordinary convolutions of tensors that lie in order: the gradient by the input is the one of the widened
//! gradient by the weights turned around, the gradient by the weights the one of the input by the
//! gradient, batch and channels exchanged (Dumoulin & Visin, arXiv 1603.07285, section 4).

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp3, Layout, MetalStorage, Result, Shape, Tensor,
};

/// Convolution without padding. Every row and column must be reached by a window.
///
/// # Shapes
/// - `x`: (B, Cin, H, W); `weight`: (Cout, Cin, kh, kw)
/// - gives (B, Cout, (H - kh) / stride + 1, (W - kw) / stride + 1)
pub(super) fn convolution(x: &Tensor, weight: &Tensor, stride: usize) -> Result<Tensor> {
    let y = x.detach().conv2d(&weight.detach().contiguous()?, 0, stride, 1, 1)?;
    if !x.track_op() && !weight.track_op() {
        return Ok(y);
    }
    y.apply_op3(x, weight, Gradient { stride })
}

/// Hands its first argument on; the gradient is the one of the convolution of the other two.
struct Gradient {
    stride: usize,
}

impl Gradient {
    /// (B, Cout, H', W') with weights (Cout, Cin, kh, kw) to (B, Cin, H, W).
    fn by_input(&self, gradient: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let (outputs, inputs, kh, kw) = weight.dims4()?;
        let (b, _, h, w) = gradient.dims4()?;
        let stride = self.stride;
        let apart = if stride == 1 {
            gradient.clone()
        } else {
            gradient
                .reshape((b, outputs, h, 1, w, 1))?
                .pad_with_zeros(3, 0, stride - 1)?
                .pad_with_zeros(5, 0, stride - 1)?
                .reshape((b, outputs, h * stride, w * stride))?
                .narrow(2, 0, (h - 1) * stride + 1)?
                .narrow(3, 0, (w - 1) * stride + 1)?
        };
        let wide = apart.pad_with_zeros(2, kh - 1, kh - 1)?.pad_with_zeros(3, kw - 1, kw - 1)?;
        let turned: Vec<u32> = (0..(kh * kw) as u32).rev().collect();
        let turned = Tensor::from_vec(turned, kh * kw, weight.device())?;
        let weight = weight
            .transpose(0, 1)?
            .contiguous()?
            .reshape((inputs, outputs, kh * kw))?
            .index_select(&turned, 2)?
            .reshape((inputs, outputs, kh, kw))?;
        wide.conv2d(&weight, 0, 1, 1, 1)
    }

    /// (B, Cin, H, W) with (B, Cout, H', W') to (Cout, Cin, kh, kw).
    fn by_weights(&self, x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let turned = gradient.transpose(0, 1)?.contiguous()?;
        x.transpose(0, 1)?
            .contiguous()?
            .conv2d(&turned, 0, 1, self.stride, 1)?
            .transpose(0, 1)?
            .contiguous()
    }
}

impl CustomOp3 for Gradient {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        y: &CpuStorage,
        layout: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((y.try_clone(layout)?, layout.shape().clone()))
    }

    fn cuda_fwd(
        &self,
        y: &CudaStorage,
        layout: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        Ok((y.try_clone(layout)?, layout.shape().clone()))
    }

    fn metal_fwd(
        &self,
        y: &MetalStorage,
        layout: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        Ok((y.try_clone(layout)?, layout.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        x: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (by_x, by_weight) = (x.track_op(), weight.track_op());
        let (x, weight, gradient) = (x.detach(), weight.detach(), gradient.detach());
        let by_x = by_x.then(|| self.by_input(&gradient, &weight)).transpose()?;
        let by_weight = by_weight.then(|| self.by_weights(&x, &gradient)).transpose()?;
        Ok((None, by_x, by_weight))
    }
}
