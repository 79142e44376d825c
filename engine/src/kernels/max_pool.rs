//! The largest number of each window on the CPU, with its gradient.
//!
//! Nothing is kept for the gradient: where the largest stand is looked up again, which costs less than
//! to write and read their places.

use candle_core::{CpuStorage, CustomOp1, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::raw::{values, with_values};

const NAME: &str = "max_pool2d";

/// Where windows lie in a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    width: usize,
    pixels: usize,
    pub(super) side: usize,
    pub(super) stride: usize,
    /// Rows and columns of the result.
    pub(super) out: (usize, usize),
}

impl Windows {
    /// Of maps of that height and width, in which at least one fits.
    pub(super) fn new((height, width): (usize, usize), side: usize, stride: usize) -> Self {
        let count = |size: usize| (size - side) / stride + 1;
        Self { width, pixels: height * width, side, stride, out: (count(height), count(width)) }
    }

    /// Calls `f` with the number of each window and the place of its largest number, the first of equals;
    /// NaN is larger than any.
    fn each(&self, map: &[f32], mut f: impl FnMut(usize, usize)) {
        let (rows, columns) = self.out;
        for window in 0..rows * columns {
            let (row, column) = (window / columns * self.stride, window % columns * self.stride);
            let mut best = row * self.width + column;
            for down in 0..self.side {
                let start = (row + down) * self.width + column;
                for place in start..start + self.side {
                    if map[place] > map[best] || (map[place].is_nan() && !map[best].is_nan()) {
                        best = place;
                    }
                }
            }
            f(window, best);
        }
    }

    fn out_pixels(&self) -> usize {
        self.out.0 * self.out.1
    }
}

impl CustomOp1 for Windows {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (b, c, _, _) = layout.shape().dims4()?;
        let x = values(x, layout, NAME)?;
        let mut y = vec![0.0; b * c * self.out_pixels()];
        let maps = y.par_chunks_exact_mut(self.out_pixels()).zip(x.par_chunks_exact(self.pixels));
        maps.for_each(|(y, x)| self.each(x, |window, place| y[window] = x[place]));
        Ok((CpuStorage::F32(y), Shape::from((b, c, self.out.0, self.out.1))))
    }

    fn bwd(&self, x: &Tensor, _result: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dy = dy.contiguous()?;
        if dy.elem_count() * self.pixels != x.elem_count() * self.out_pixels() {
            return Err(Error::Msg(format!("{NAME}: gradients {:?}", dy.dims())).bt());
        }
        let dx = with_values(x, NAME, |x| {
            with_values(&dy, NAME, |dy| {
                let mut dx = vec![0.0; x.len()];
                let maps = x.par_chunks_exact(self.pixels);
                let maps = maps.zip(dy.par_chunks_exact(self.out_pixels()));
                dx.par_chunks_exact_mut(self.pixels).zip(maps).for_each(|(dx, (x, dy))| {
                    self.each(x, |window, place| dx[place] += dy[window]);
                });
                dx
            })
        })??;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Tensor, Var};

    use super::super::tests::{assert_gradients_agree, flat, noise};
    use super::super::{max_pool2d, plain};
    use super::Windows;
    use crate::device::of_tests;

    #[test]
    fn each_number_is_the_largest_of_its_window() {
        for (shape, side, stride) in [
            ([2, 3, 7, 8], 2, 2),
            ([1, 2, 9, 11], 3, 2),
            ([1, 1, 3, 3], 3, 5),
            ([2, 1, 5, 4], 1, 1),
        ] {
            let x = noise(1, &shape);
            let found = max_pool2d(&x.transpose(2, 3).unwrap(), side, stride).unwrap();
            let found = found.transpose(2, 3).unwrap().contiguous().unwrap();
            let (b, c, rows, columns) = found.dims4().unwrap();
            let count = |size: usize| (size - side) / stride + 1;
            assert_eq!(
                [b, c, rows, columns],
                [shape[0], shape[1], count(shape[2]), count(shape[3])]
            );
            let values = flat(&x);
            for (at, found) in flat(&found).into_iter().enumerate() {
                let (map, row, column) = (at / (rows * columns), at / columns % rows, at % columns);
                let window = (0..side * side).map(|tap| {
                    let (y, x) = (row * stride + tap / side, column * stride + tap % side);
                    values[(map * shape[2] + y) * shape[3] + x]
                });
                assert_eq!(found, window.fold(f64::NEG_INFINITY, f64::max), "{shape:?} at {at}");
            }
        }
        assert!(max_pool2d(&noise(1, &[1, 1, 2, 4]), 3, 2).unwrap_err().is_bad_input());
        assert!(max_pool2d(&noise(1, &[1, 1, 4, 4]), 2, 0).is_err());
        assert_eq!(max_pool2d(&noise(1, &[0, 1, 4, 4]), 2, 2).unwrap().dims(), [0, 1, 2, 2]);
    }

    #[test]
    fn gradients_go_to_the_first_of_the_largest() {
        let windows = |x: &Tensor, side, stride| {
            let (_, _, height, width) = x.dims4().unwrap();
            plain::max_pool2d(x, Windows::new((height, width), side, stride)).unwrap()
        };
        for (side, stride) in [(2, 2), (3, 2)] {
            assert_gradients_agree(
                "largest numbers",
                &[vec![2, 2, 7, 9]],
                &|t| max_pool2d(&t[0], side, stride).unwrap(),
                &|t| windows(&t[0], side, stride),
            );
        }
        let equal = Tensor::new(&[1.0_f32, 2.0, 2.0, 0.0], &of_tests().unwrap()).unwrap();
        let x = Var::from_tensor(&equal.reshape((1, 1, 2, 2)).unwrap()).unwrap();
        for y in [max_pool2d(&x, 2, 2).unwrap(), windows(&x, 2, 2)] {
            let grads = (y * 3.0).unwrap().sum_all().unwrap().backward().unwrap();
            assert_eq!(flat(grads.get(&x).unwrap()), [0.0, 3.0, 0.0, 0.0]);
        }
    }

    #[test]
    fn what_is_no_number_is_not_lost() {
        let x = Tensor::new(&[1.0_f32, f32::NAN, 3.0, 0.0], &of_tests().unwrap()).unwrap();
        let x = x.reshape((1, 1, 2, 2)).unwrap();
        assert!(flat(&max_pool2d(&x, 2, 2).unwrap())[0].is_nan());
    }
}
