//! The convolution of `plain`: candle's, with a gradient made of convolutions.
//!
//! candle's own gradient by the input is a transposed convolution, for which graphics cards have no fast
//! kernel; its gradient by the weights hands turned views to a kernel that wants rows. Here both are
//! ordinary convolutions of tensors that lie in order: the gradient by the input is the one of the widened
//! gradient by the weights turned around, the gradient by the weights the one of the input by the
//! gradient, batch and channels exchanged (Dumoulin & Visin, arXiv 1603.07285, section 4). A 1x1
//! convolution is a product for each image.

use candle_core::{Result, Tensor};

use super::graft::graft;
use super::rules::Conv;

/// See [`super::conv2d`]; the windows fit.
pub(super) fn convolution(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    conv: Conv,
) -> Result<Tensor> {
    let task = Task { x: x.detach(), weight: weight.detach().contiguous()?, conv };
    let mut y = task.forward()?;
    if let Some(bias) = bias {
        y = y.broadcast_add(&bias.detach().reshape((1, (), 1, 1))?)?;
    }
    let tracked = [x.track_op(), weight.track_op(), bias.is_some_and(Tensor::track_op)];
    // Without a bias the weights stand for it; their gradient is given once.
    graft(y, [x, weight, bias.unwrap_or(weight)], move |gradient| {
        let by_bias = || gradient.flatten_from(2)?.sum(2)?.sum(0);
        Ok([
            tracked[0].then(|| task.by_input(gradient)).transpose()?,
            tracked[1].then(|| task.by_weights(gradient)).transpose()?,
            tracked[2].then(by_bias).transpose()?,
        ])
    })
}

/// The images (B, Cin, H, W), the weights (Cout, Cin, kh, kw) and how they meet.
struct Task {
    x: Tensor,
    weight: Tensor,
    conv: Conv,
}

impl Task {
    /// Whether every pixel is multiplied by the same matrix.
    fn is_product(&self) -> bool {
        let (kernel, Conv { stride, before, after, .. }) = (&self.weight.dims()[2..], self.conv);
        kernel == [1, 1] && (stride, before, after) == (1, 0, 0)
    }

    /// The weights of a product for each image: (B, Cout, Cin), not repeated in memory.
    fn matrix(&self) -> Result<Tensor> {
        let (outputs, inputs, _, _) = self.weight.dims4()?;
        self.weight.reshape((1, outputs, inputs))?.broadcast_as((self.x.dim(0)?, outputs, inputs))
    }

    /// Numbers of the result; 0 where there is nothing to sum.
    fn out(&self) -> Result<[usize; 4]> {
        let ((b, _, h, w), (outputs, _, kh, kw)) = (self.x.dims4()?, self.weight.dims4()?);
        let Conv { stride, before, after, .. } = self.conv;
        let steps = |size: usize, kernel: usize| (size + before + after - kernel) / stride + 1;
        Ok([b, outputs, steps(h, kh), steps(w, kw)])
    }

    fn forward(&self) -> Result<Tensor> {
        let out = self.out()?;
        if self.x.elem_count() == 0 || self.weight.elem_count() == 0 {
            return Tensor::zeros(&out, self.x.dtype(), self.x.device());
        }
        if self.is_product() {
            let y = self.matrix()?.matmul(&self.x.flatten_from(2)?.contiguous()?)?;
            return y.reshape(&out);
        }
        let (x, padding) = self.padded()?;
        x.conv2d(&self.weight, padding, self.conv.stride, 1, 1)
    }

    /// The images, and how many zeros are still missing on all sides.
    fn padded(&self) -> Result<(Tensor, usize)> {
        let Conv { before, after, .. } = self.conv;
        if before == after {
            return Ok((self.x.clone(), before));
        }
        let pad = |x: &Tensor, dim| framed(x, dim, (before as isize, after as isize));
        Ok((pad(&pad(&self.x, 2)?, 3)?, 0))
    }

    /// (B, Cout, H', W') to (B, Cin, H, W).
    fn by_input(&self, gradient: &Tensor) -> Result<Tensor> {
        let (b, inputs, height, width) = self.x.dims4()?;
        let (outputs, _, kh, kw) = self.weight.dims4()?;
        if gradient.elem_count() == 0 || self.x.elem_count() == 0 {
            return self.x.zeros_like();
        }
        if self.is_product() {
            let dx = self.matrix()?.transpose(1, 2)?.matmul(&gradient.flatten_from(2)?)?;
            return dx.reshape(self.x.shape());
        }
        let ((_, _, h, w), stride) = (gradient.dims4()?, self.conv.stride);
        let apart = if stride == 1 {
            gradient.clone()
        } else {
            let apart =
                gradient.reshape((b * outputs * h, 1, w, 1))?.pad_with_zeros(3, 0, stride - 1)?;
            apart
                .reshape((b * outputs, h, 1, w * stride))?
                .pad_with_zeros(2, 0, stride - 1)?
                .reshape((b, outputs, h * stride, w * stride))?
        };
        // So many zeros before and after that the result has the size of the images.
        let frame = |size: usize, kernel: usize, found: usize| {
            let before = kernel as isize - 1 - self.conv.before as isize;
            (before, (size + kernel - 1) as isize - found as isize - before)
        };
        let (rows, columns) = (frame(height, kh, h * stride), frame(width, kw, w * stride));
        let (wide, padding) = if rows == columns && rows.0 == rows.1 && rows.0 >= 0 {
            (apart, rows.0 as usize)
        } else {
            (framed(&framed(&apart, 2, rows)?, 3, columns)?, 0)
        };
        let turned: Vec<u32> = (0..(kh * kw) as u32).rev().collect();
        let turned = Tensor::from_vec(turned, kh * kw, self.weight.device())?;
        let weight = self
            .weight
            .reshape((outputs, inputs, kh * kw))?
            .transpose(0, 1)?
            .contiguous()?
            .index_select(&turned, 2)?
            .reshape((inputs, outputs, kh, kw))?;
        wide.conv2d(&weight, padding, 1, 1, 1)
    }

    /// (B, Cout, H', W') to (Cout, Cin, kh, kw).
    fn by_weights(&self, gradient: &Tensor) -> Result<Tensor> {
        let (_, _, kh, kw) = self.weight.dims4()?;
        if gradient.elem_count() == 0 || self.x.elem_count() == 0 {
            return self.weight.zeros_like();
        }
        if self.is_product() {
            let x = self.x.flatten_from(2)?.contiguous()?;
            let product = gradient.flatten_from(2)?.matmul(&x.transpose(1, 2)?)?;
            return product.sum(0)?.reshape(self.weight.shape());
        }
        let turned = gradient.transpose(0, 1)?.contiguous()?;
        let (x, padding) = self.padded()?;
        let found =
            x.transpose(0, 1)?.contiguous()?.conv2d(&turned, padding, 1, self.conv.stride, 1)?;
        // Rows and columns that no window reaches would be further taps.
        found.narrow(2, 0, kh)?.narrow(3, 0, kw)?.transpose(0, 1)?.contiguous()
    }
}

/// With zeros before and after along a dimension; fewer than none take away.
fn framed(x: &Tensor, dim: usize, (before, after): (isize, isize)) -> Result<Tensor> {
    let cut = |n: isize| n.min(0).unsigned_abs();
    let size = x.dim(dim)?;
    let x = x.narrow(dim, cut(before), size - cut(before) - cut(after))?;
    x.pad_with_zeros(dim, before.max(0) as usize, after.max(0) as usize)
}
