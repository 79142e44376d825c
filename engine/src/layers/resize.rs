//! Resizing of feature maps as networks do it: means of areas, or bicubic.
//!
//! Both are separable, so that a map is resized by two small products, one along each side. That is
//! differentiable and the same on every device.

use candle_core::Tensor;

use crate::{EngineError, Result};

/// How a feature map gets another size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Each place is the mean of those it covers, whole places only: PyTorch's `area`, which is its
    /// adaptive average pooling.
    Area,
    /// Keys' kernel with a = -0.75 around the middle of each place, edges repeated; no wider when it
    /// shrinks. PyTorch's `bicubic` without aligned corners and without antialiasing.
    ///
    /// Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981.
    Bicubic,
}

impl Resize {
    /// Maps (B, C, H, W) at the size (h, w): (B, C, h, w). Differentiable; the same size gives `x`.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if there is nothing to resize, or the size has no places.
    pub fn forward(self, x: &Tensor, (h, w): (usize, usize)) -> Result<Tensor> {
        if x.rank() != 4 || x.elem_count() == 0 || h == 0 || w == 0 {
            return Err(EngineError::Shape {
                what: format!("feature maps to be resized to {h}x{w}"),
                expected: "(B, C, H, W) with no side of 0".to_owned(),
                found: x.dims().to_vec(),
            });
        }
        let (b, c, from_h, from_w) = x.dims4()?;
        let mut y = x.clone();
        if from_w != w {
            let across = Tensor::from_vec(self.matrix(from_w, w), (w, from_w), x.device())?;
            y = y.reshape((b * c * from_h, from_w))?.matmul(&across.t()?)?;
        }
        if from_h != h {
            let down = Tensor::from_vec(self.matrix(from_h, h), (1, h, from_h), x.device())?;
            let maps = y.reshape((b * c, from_h, w))?;
            y = down.broadcast_as((b * c, h, from_h))?.matmul(&maps)?;
        }
        Ok(y.reshape((b, c, h, w))?)
    }

    /// The weights (to, from) of the old places in each new one, row by row.
    fn matrix(self, from: usize, to: usize) -> Vec<f32> {
        let mut matrix = vec![0.0_f32; from * to];
        for (place, row) in matrix.chunks_exact_mut(from).enumerate() {
            match self {
                Self::Area => {
                    let (first, end) = (place * from / to, ((place + 1) * from).div_ceil(to));
                    row[first..end].fill(1.0 / (end - first) as f32);
                }
                Self::Bicubic => {
                    let middle = (place as f64 + 0.5) * from as f64 / to as f64 - 0.5;
                    let before = middle.floor();
                    for tap in -1..=2 {
                        let at = before as i64 + tap;
                        let weight = keys(middle - before - tap as f64);
                        row[at.clamp(0, from as i64 - 1) as usize] += weight as f32;
                    }
                }
            }
        }
        matrix
    }
}

/// Keys' kernel at a distance.
fn keys(distance: f64) -> f64 {
    const A: f64 = -0.75;
    let x = distance.abs();
    if x <= 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((x - 5.0) * x + 8.0) * x * A - 4.0 * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::device::of_tests;
    use crate::random::{Noise, Purpose};

    fn noise(cell: u64, shape: &[usize]) -> Tensor {
        let noise = Noise::new(11, Purpose::Test, 0, cell);
        let values: Vec<f32> =
            (0..shape.iter().product::<usize>() as u32).map(|lane| noise.normal(lane)).collect();
        Tensor::from_vec(values, shape, &of_tests().unwrap()).unwrap()
    }

    fn values(x: &Tensor) -> Vec<f64> {
        let values: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
        values.into_iter().map(f64::from).collect()
    }

    /// The interpolation through four neighbors by the polynomial that has the slopes of Keys: at each
    /// inner neighbor a times minus the difference of those beside it.
    fn hermite(points: [f64; 4], t: f64) -> f64 {
        let (left, right) = (0.75 * (points[2] - points[0]), 0.75 * (points[3] - points[1]));
        let (square, cube) = (t * t, t * t * t);
        points[1] * (2.0 * cube - 3.0 * square + 1.0)
            + left * (cube - 2.0 * square + t)
            + points[2] * (3.0 * square - 2.0 * cube)
            + right * (cube - square)
    }

    /// One new pixel of a map (from_h, from_w), by its definition in f64.
    fn expected(
        how: Resize,
        map: &[f64],
        (from_h, from_w): (usize, usize),
        to: (usize, usize),
        (row, column): (usize, usize),
    ) -> f64 {
        match how {
            Resize::Area => {
                let covered = |place: usize, from: usize, to: usize| {
                    // Old places that share any of the new one's length.
                    (0..from).filter(move |old| {
                        old * to < (place + 1) * from && (old + 1) * to > place * from
                    })
                };
                let all: Vec<f64> = covered(row, from_h, to.0)
                    .flat_map(|y| covered(column, from_w, to.1).map(move |x| map[y * from_w + x]))
                    .collect();
                all.iter().sum::<f64>() / all.len() as f64
            }
            Resize::Bicubic => {
                let around = |place: usize, from: usize, to: usize| {
                    let middle = (2 * place + 1) as f64 * from as f64 / (2 * to) as f64 - 0.5;
                    let taps = [-1.0, 0.0, 1.0, 2.0]
                        .map(|tap| (middle.floor() + tap).clamp(0.0, from as f64 - 1.0) as usize);
                    (taps, middle - middle.floor())
                };
                let ((rows, down), (columns, across)) =
                    (around(row, from_h, to.0), around(column, from_w, to.1));
                let lines = rows.map(|y| hermite(columns.map(|x| map[y * from_w + x]), across));
                hermite(lines, down)
            }
        }
    }

    #[test]
    fn every_pixel_is_what_its_definition_gives_in_f64() {
        let from = (7, 9);
        let x = noise(1, &[2, 3, from.0, from.1]);
        let all = values(&x);
        for how in [Resize::Area, Resize::Bicubic] {
            for to in [(1, 1), (3, 4), (5, 5), (7, 4), (3, 9), (7, 9), (13, 16), (14, 18)] {
                let y = how.forward(&x, to).unwrap();
                assert_eq!(y.dims(), [2, 3, to.0, to.1]);
                for (at, got) in values(&y).into_iter().enumerate() {
                    let (map, place) = (at / (to.0 * to.1), at % (to.0 * to.1));
                    let map = &all[map * from.0 * from.1..(map + 1) * from.0 * from.1];
                    let want = expected(how, map, from, to, (place / to.1, place % to.1));
                    assert!((got - want).abs() < 2e-6, "{how:?} {to:?} at {at}: {got}, {want}");
                }
            }
        }
    }

    #[test]
    fn the_gradient_is_the_transposed_map() {
        for how in [Resize::Area, Resize::Bicubic] {
            let x = Var::from_tensor(&noise(2, &[1, 2, 6, 5])).unwrap();
            let y = how.forward(&x, (4, 8)).unwrap();
            let weight = noise(3, y.dims());
            let loss = (y * weight).unwrap().sum_all().unwrap();
            let gradient = loss.backward().unwrap().get(&x).unwrap().clone();
            // A linear map gives back itself along any direction, here along x.
            let along: f64 =
                values(&gradient).iter().zip(values(&x)).map(|(gradient, x)| gradient * x).sum();
            let loss = f64::from(loss.to_scalar::<f32>().unwrap());
            assert!((along - loss).abs() < 1e-5, "{how:?}: {along} and {loss}");
        }
    }

    #[test]
    fn a_size_without_places_is_refused() {
        let x = noise(4, &[1, 1, 2, 2]);
        assert!(Resize::Area.forward(&x, (0, 2)).unwrap_err().is_bad_input());
        let empty = x.narrow(0, 0, 0).unwrap();
        assert!(Resize::Bicubic.forward(&empty, (2, 2)).unwrap_err().is_bad_input());
    }
}
