//! The convolution of `plain`: candle's, with a gradient made of convolutions.
//!
//! candle's own gradient by the input is a transposed convolution, for which graphics cards have no fast
//! kernel; its gradient by the weights hands turned views to a kernel that wants rows. Here both are
//! ordinary convolutions of tensors that lie in order: the gradient by the input is the one of the widened
//! gradient by the weights turned around, the gradient by the weights the one of the input by the
//! gradient, batch and channels exchanged (Dumoulin & Visin, arXiv 1603.07285, section 4). A 1x1
//! convolution is a product for each image.
//!
//! candle unfolds all patches at once, B H' W' Cin kh kw numbers, more than a card can count with a batch
//! of large images: convolutions are cut over the images, or over the rows of one.

use candle_core::{Error, Result, Tensor};

use super::card;
use super::graft::graft;
use super::rules::Conv;
use super::tally;

/// See [`super::conv2d`]; the windows fit.
pub(super) fn convolution(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    conv: Conv,
) -> Result<Tensor> {
    let most = card::most(x.device());
    let task = Task { x: x.detach(), weight: weight.detach().contiguous()?, conv, most };
    let mut y = task.forward()?;
    if let Some(bias) = bias {
        y = y.broadcast_add(&bias.detach().reshape((1, (), 1, 1))?)?;
    }
    let tracked = [x.track_op(), weight.track_op(), bias.is_some_and(Tensor::track_op)];
    // Without a bias the weights stand for it; their gradient is given once.
    graft(y, [x, weight, bias.unwrap_or(weight)], move |gradient| {
        tally::add((tracked[1], tracked[2]));
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
    /// Numbers that the device can count.
    most: usize,
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
        let steps = Steps { padding, stride: self.conv.stride, dilation: 1 };
        steps.convolve(&x, &self.weight, self.most)
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
        card::check(gradient.device(), "a widened gradient", &[b, outputs, h * stride, w * stride])
            .map_err(Error::wrap)?;
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
        Steps { padding, stride: 1, dilation: 1 }.convolve(&wide, &weight, self.most)
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
        let steps = Steps { padding, stride: 1, dilation: self.conv.stride };
        let found = steps.convolve(&x.transpose(0, 1)?.contiguous()?, &turned, self.most)?;
        // Rows and columns that no window reaches would be further taps.
        found.narrow(2, 0, kh)?.narrow(3, 0, kw)?.transpose(0, 1)?.contiguous()
    }
}

/// How windows go over images: zeros on all sides, the way from one to the next, that between their taps.
#[derive(Clone, Copy)]
struct Steps {
    padding: usize,
    stride: usize,
    dilation: usize,
}

impl Steps {
    /// candle's convolution, in parts whose patches are at most `most` numbers.
    fn convolve(self, x: &Tensor, weight: &Tensor, most: usize) -> Result<Tensor> {
        let ((b, inputs, h, w), (outputs, _, kh, kw)) = (x.dims4()?, weight.dims4()?);
        let Self { padding, stride, dilation } = self;
        let reach = |kernel: usize| (kernel - 1) * dilation + 1;
        let count = |size: usize, kernel: usize| (size + 2 * padding - reach(kernel)) / stride + 1;
        let (rows, columns) = (count(h, kh), count(w, kw));
        let out = [b, outputs, rows, columns];
        card::check(x.device(), "results of a convolution", &out).map_err(Error::wrap)?;
        let Some(parts) = card::parts(b, (rows, columns), inputs * kh * kw, most) else {
            let text = format!(
                "conv2d: a row of {columns} results of {inputs} channels by {kh}x{kw} is more than the \
                 {most} numbers that a card counts"
            );
            return Err(Error::Msg(text).bt());
        };
        let whole = |x: &Tensor| x.conv2d(weight, padding, stride, dilation, 1);
        if parts.len() == 1 {
            return whole(x);
        }
        let band = |image: &Tensor, band: &std::ops::Range<usize>| {
            // Rows of the image with its zeros, and those of them that are its own.
            let (top, end) = (band.start * stride, (band.end - 1) * stride + reach(kh));
            let (first, last) = (top.max(padding), end.min(padding + h));
            if first >= last {
                let zeros = (1, outputs, band.len(), columns);
                return Tensor::zeros(zeros, x.dtype(), x.device());
            }
            let own = image.narrow(2, first - padding, last - first)?;
            let (above, below) = ((first - top) as isize, (end - last) as isize);
            let aside = padding as isize;
            framed(&framed(&own, 2, (above, below))?, 3, (aside, aside))?
                .conv2d(weight, 0, stride, dilation, 1)
        };
        let images = parts.chunk_by(|a, b| a.images == b.images).map(|bands| {
            let images = &bands[0].images;
            let image = x.narrow(0, images.start, images.len())?;
            match bands {
                [_] => whole(&image),
                bands => {
                    let bands = bands.iter().map(|part| band(&image, &part.rows));
                    Tensor::cat(&bands.collect::<Result<Vec<_>>>()?, 2)
                }
            }
        });
        Tensor::cat(&images.collect::<Result<Vec<_>>>()?, 0)
    }
}

/// With zeros before and after along a dimension; fewer than none take away.
fn framed(x: &Tensor, dim: usize, (before, after): (isize, isize)) -> Result<Tensor> {
    let cut = |n: isize| n.min(0).unsigned_abs();
    let size = x.dim(dim)?;
    let x = x.narrow(dim, cut(before), size - cut(before) - cut(after))?;
    x.pad_with_zeros(dim, before.max(0) as usize, after.max(0) as usize)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{deviation, flat, noise};
    use super::*;

    /// A card with 2^31 numbers in a test would need 8 GB: a small limit stands for it.
    #[test]
    fn parts_of_a_convolution_and_of_its_gradients_are_what_the_whole_is() {
        let cases = [
            ([5, 3, 9, 8], [4, 3, 3, 3], Conv::same(1)),
            ([3, 2, 8, 6], [3, 2, 3, 3], Conv::new(2, 0, 1)),
            ([2, 3, 11, 10], [5, 3, 4, 4], Conv::new(2, 1, 1)),
            ([1, 2, 13, 7], [3, 2, 5, 5], Conv::same(2)),
            ([2, 2, 5, 6], [3, 2, 1, 3], Conv::same(1)),
            ([2, 2, 12, 5], [3, 2, 3, 3], Conv::new(3, 1, 1)),
        ];
        for (x, weight, conv) in cases {
            let (x, weight) = (noise(1, &x), noise(2, &weight));
            let task = |most| Task { x: x.clone(), weight: weight.clone(), conv, most };
            let whole = task(usize::MAX);
            let y = whole.forward().unwrap();
            let gradient = noise(3, y.dims());
            let expected =
                [y, whole.by_input(&gradient).unwrap(), whole.by_weights(&gradient).unwrap()];
            let cut = |most| {
                let part = task(most);
                let found = [part.forward(), part.by_input(&gradient), part.by_weights(&gradient)];
                found.into_iter().collect::<Result<Vec<_>>>()
            };
            // From single rows on, which is the least that can be cut.
            let limits = std::iter::successors(Some(8), |most| Some(most + most / 8 + 1));
            let least = limits.into_iter().find(|&most| cut(most).is_ok()).unwrap();
            for most in [least, 3 * least, 8 * least] {
                for (found, expected) in cut(most).unwrap().iter().zip(&expected) {
                    assert_eq!(found.dims(), expected.dims(), "{conv:?} {most}");
                    let far = deviation(&flat(found), &flat(expected));
                    assert!(far < 1e-5, "{conv:?} in parts of {most}: {far}");
                }
            }
            let text = task(3).forward().unwrap_err().to_string();
            assert!(text.contains("a row of") && text.contains("3 numbers"), "{text}");
        }
    }
}
