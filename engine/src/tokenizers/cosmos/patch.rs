//! Pixels to channels and back, by Haar's wavelets or as they are.
//!
//! Source: NVIDIA, "Cosmos Tokenizer: A suite of image and video neural tokenizers" (2024), and its
//! published code.

use candle_core::Tensor;

use super::config::PatchMethod;
use crate::Result;

/// Images (B, C, H, W) to (B, C·p², H/p, W/p), with p a power of two that divides both sides.
///
/// Each level of wavelets turns all channels there are into four blocks of as many: LL, LH, HL and HH,
/// where the first letter tells of columns, the second of rows, L is the mean of two neighbors and H half
/// their difference.
pub fn patch(images: &Tensor, size: usize, method: PatchMethod) -> Result<Tensor> {
    if method == PatchMethod::Rearrange {
        let (b, c, h, w) = images.dims4()?;
        let (rows, columns) = (h / size, w / size);
        return Ok(images
            .reshape(&[b, c, rows, size, columns, size])?
            .permute([0, 1, 3, 5, 2, 4])?
            .reshape((b, c * size * size, rows, columns))?);
    }
    let mut x = images.clone();
    for _ in 0..size.ilog2() {
        let (low, high) = halves(&x, 3)?;
        let ((ll, lh), (hl, hh)) = (halves(&low, 2)?, halves(&high, 2)?);
        x = Tensor::cat(&[ll, lh, hl, hh], 1)?;
    }
    Ok(x)
}

/// The reverse of [`patch`]: (B, C·p², h, w) to (B, C, h·p, w·p).
pub fn unpatch(patches: &Tensor, size: usize, method: PatchMethod) -> Result<Tensor> {
    if method == PatchMethod::Rearrange {
        let (b, c, h, w) = patches.dims4()?;
        let channels = c / (size * size);
        return Ok(patches
            .reshape(&[b, channels, size, size, h, w])?
            .permute([0, 1, 4, 2, 5, 3])?
            .reshape((b, channels, h * size, w * size))?);
    }
    let mut x = patches.clone();
    for _ in 0..size.ilog2() {
        let blocks = x.chunk(4, 1)?;
        let block = |at: usize| blocks[at].contiguous();
        let low = joined(&block(0)?, &block(1)?, 2)?;
        let high = joined(&block(2)?, &block(3)?, 2)?;
        x = joined(&low, &high, 3)?;
    }
    Ok(x)
}

/// Half the sum and half the difference of each two neighbors along an axis.
fn halves(x: &Tensor, axis: usize) -> Result<(Tensor, Tensor)> {
    let mut dims = x.dims().to_vec();
    dims[axis] /= 2;
    dims.insert(axis + 1, 2);
    let pairs = x.contiguous()?.reshape(dims)?;
    let half = |at: usize| pairs.narrow(axis + 1, at, 1)?.squeeze(axis + 1)? * 0.5;
    let (first, second) = (half(0)?, half(1)?);
    Ok(((&first + &second)?, (first - second)?))
}

/// The reverse of [`halves`].
fn joined(low: &Tensor, high: &Tensor, axis: usize) -> Result<Tensor> {
    let mut dims = low.dims().to_vec();
    dims[axis] *= 2;
    Ok(Tensor::stack(&[(low + high)?, (low - high)?], axis + 1)?.reshape(dims)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::of_tests;

    fn ramp(shape: &[usize]) -> Tensor {
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0).collect();
        Tensor::from_vec(values, shape, &of_tests().unwrap()).unwrap()
    }

    fn list(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn one_patch_of_haar_is_its_mean_and_three_differences() {
        let image = Tensor::new(&[[[[1.0_f32, 2.0], [4.0, 8.0]]]], &of_tests().unwrap()).unwrap();
        let found = patch(&image, 2, PatchMethod::Haar).unwrap();
        // Mean of all; upper row less lower; left column less right; diagonal less diagonal.
        let expected =
            [15.0 / 4.0, (3.0 - 12.0) / 4.0, (5.0 - 10.0) / 4.0, (1.0 - 2.0 - 4.0 + 8.0) / 4.0];
        assert_eq!(list(&found), expected);
    }

    #[test]
    fn the_reverse_gives_the_image() {
        let image = ramp(&[2, 3, 8, 16]);
        for method in [PatchMethod::Haar, PatchMethod::Rearrange] {
            for size in [1, 2, 4, 8] {
                let patches = patch(&image, size, method).unwrap();
                assert_eq!(patches.dims(), [2, 3 * size * size, 8 / size, 16 / size]);
                let back = unpatch(&patches, size, method).unwrap();
                for (a, b) in list(&back).into_iter().zip(list(&image)) {
                    assert!((a - b).abs() < 1e-6, "{method:?} of {size}: {a} and {b}");
                }
            }
        }
    }
}
