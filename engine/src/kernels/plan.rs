//! The sizes of a convolution, checked.

use candle_core::{Error, Result};

use super::raw::count;
use super::rules::Conv;

/// Sizes of one convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) batch: usize,
    pub(super) inputs: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) outputs: usize,
    pub(super) kernel: (usize, usize),
    pub(super) out_height: usize,
    pub(super) out_width: usize,
    pub(super) conv: Conv,
}

impl Plan {
    /// The plan for x (B, Cin, H, W) and weights (Cout, Cin, kh, kw).
    pub(super) fn new(x: &[usize], weight: &[usize], conv: Conv) -> Result<Self> {
        let (&[batch, inputs, height, width], &[outputs, w_inputs, kh, kw]) = (x, weight) else {
            return Err(Error::Msg(format!("conv2d: {x:?} by {weight:?} needs two 4-D tensors")));
        };
        let too_much = || {
            let text = format!("conv2d: {x:?} with {conv:?} is more than memory can hold");
            Error::Msg(text).bt()
        };
        let padding = conv.before.checked_add(conv.after).ok_or_else(too_much)?;
        let padded = |size: usize| size.checked_add(padding).ok_or_else(too_much);
        let (padded_height, padded_width) = (padded(height)?, padded(width)?);
        if inputs != w_inputs || conv.stride == 0 || kh == 0 || kw == 0 {
            return Err(Error::Msg(format!(
                "conv2d: images {x:?} do not fit weights {weight:?}, stride {}",
                conv.stride
            )));
        }
        if padded_height < kh || padded_width < kw {
            return Err(Error::Msg(format!(
                "conv2d: images {x:?} with {padding} rows of padding are smaller than {kh}x{kw}"
            )));
        }
        // Kernels read and write by products of these sizes and of places in the padded images. Where a size
        // is 0 there may be no memory behind the others, so that nothing else bounds them.
        let most = inputs.max(outputs).max(1);
        count(&[batch.max(1), most, padded_height.max(1), padded_width.max(1)])?;
        count(&[inputs.max(1), outputs.max(1), kh, kw])?;
        Ok(Self {
            batch,
            inputs,
            height,
            width,
            outputs,
            kernel: (kh, kw),
            out_height: (padded_height - kh) / conv.stride + 1,
            out_width: (padded_width - kw) / conv.stride + 1,
            conv,
        })
    }

    /// Numbers of all images.
    pub(super) fn in_len(&self) -> usize {
        self.batch * self.inputs * self.height * self.width
    }
    /// Pixels of one channel of the results.
    pub(super) fn out_pixels(&self) -> usize {
        self.out_height * self.out_width
    }
    /// Numbers of all results.
    pub(super) fn out_len(&self) -> usize {
        self.batch * self.outputs * self.out_pixels()
    }
    /// (B, Cout, H', W')
    pub(super) fn out_dims(&self) -> [usize; 4] {
        [self.batch, self.outputs, self.out_height, self.out_width]
    }
}
