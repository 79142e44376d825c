//! Scale and shift of each place from smaller maps, then SiLU, on the CPU.
//!
//! The small maps are never repeated in memory: a row of each is spread once for all rows of the
//! result that read it.
#![expect(unsafe_code, reason = "reads and writes slices by vectors")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use rayon::prelude::*;

use super::exp::exp_minus;
use super::moments::mask;
use super::simd::{self, Kernel, Simd, with_simd};

/// Sizes of the small maps, and how often each of their rows and columns is repeated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repeat {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) down: usize,
    pub(super) across: usize,
}

/// `y = x scale + shift`, then SiLU if `silu`.
struct Row<'a> {
    x: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    y: &'a mut [f32],
    silu: bool,
}

impl<S: Simd> Kernel<S> for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, s: S) {
        let n = self.x.len().min(self.scale.len()).min(self.shift.len()).min(self.y.len());
        for at in (0..n).step_by(S::LANES) {
            let lanes = mask::<S>(at, n);
            // SAFETY: lanes are masked to `n`, which no slice is shorter than.
            unsafe {
                let x = s.load_part(self.x.as_ptr().add(at), lanes);
                let scale = s.load_part(self.scale.as_ptr().add(at), lanes);
                let z = s.mul_add(x, scale, s.load_part(self.shift.as_ptr().add(at), lanes));
                let y = if self.silu { s.div(z, s.add(exp_minus(s, z), s.splat(1.0))) } else { z };
                s.store_part(self.y.as_mut_ptr().add(at), y, lanes);
            }
        }
    }
}

/// Maps x (.., rows · down, columns · across) by maps `scale` and `shift` (.., rows, columns).
pub(super) fn forward(
    x: &[f32],
    (scale, shift): (&[f32], &[f32]),
    repeat: Repeat,
    silu: bool,
) -> Vec<f32> {
    let Repeat { rows, columns, down, across } = repeat;
    let (small, width) = ((rows * columns).max(1), columns * across);
    let (large, block) = ((small * down * across).max(1), (down * width).max(1));
    let mut y = vec![0.0; x.len()];
    let maps = y.par_chunks_mut(large).zip(x.par_chunks(large));
    maps.zip(scale.par_chunks(small).zip(shift.par_chunks(small))).for_each(
        |((y, x), (scale, shift))| {
            let (mut wide_scale, mut wide_shift) = (vec![0.0; width], vec![0.0; width]);
            let parts = scale.chunks(columns.max(1)).zip(shift.chunks(columns.max(1)));
            for ((y, x), (scale, shift)) in y.chunks_mut(block).zip(x.chunks(block)).zip(parts) {
                spread(scale, &mut wide_scale, across);
                spread(shift, &mut wide_shift, across);
                for (y, x) in y.chunks_mut(width.max(1)).zip(x.chunks(width.max(1))) {
                    let row = Row { x, scale: &wide_scale, shift: &wide_shift, y, silu };
                    with_simd!(simd::best(), s => s.vectorize(row));
                }
            }
        },
    );
    y
}

/// Each number `times` times.
fn spread(row: &[f32], wide: &mut [f32], times: usize) {
    for (wide, &value) in wide.chunks_mut(times.max(1)).zip(row) {
        wide.fill(value);
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Tensor, Var};

    use super::super::modulate;
    use super::super::plain_norm::modulate as plain;
    use super::super::simd::{levels, with_simd};
    use super::super::tests::{deviation, flat, noise};
    use super::*;

    /// The definition, in f64.
    fn expected(x: &Tensor, scale: &Tensor, shift: &Tensor, silu: bool) -> Vec<f64> {
        let (b, c, height, width) = x.dims4().unwrap();
        let (_, _, h, w) = scale.dims4().unwrap();
        let (values, scale, shift) = (flat(x), flat(scale), flat(shift));
        (0..b * c * height * width)
            .map(|at| {
                let (map, row, column) = (at / (height * width), at / width % height, at % width);
                let small = (map * h + row * h / height) * w + column * w / width;
                let z = values[at] * scale[small] + shift[small];
                if silu { z / (1.0 + (-z).exp()) } else { z }
            })
            .collect()
    }

    #[test]
    fn each_place_reads_the_place_of_the_small_maps_that_covers_it() {
        for (large, small) in [
            ([2, 3, 8, 12], [2, 3, 4, 3]),
            ([1, 2, 5, 7], [1, 2, 5, 7]),
            ([1, 1, 6, 40], [1, 1, 1, 1]),
            ([2, 1, 3, 34], [2, 1, 3, 17]),
        ] {
            let (x, scale, shift) = (noise(1, &large), noise(2, &small), noise(3, &small));
            for silu in [false, true] {
                let expected = expected(&x, &scale, &shift, silu);
                let found = modulate(&x, (&scale, &shift), silu).unwrap();
                assert!(deviation(&flat(&found), &expected) < 1e-5, "{large:?} by {small:?}");
                let plain = plain(&x, (&scale, &shift), silu).unwrap();
                assert!(deviation(&flat(&plain), &expected) < 1e-5, "plain: {large:?}");
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same() {
        let of = |cell| flat(&noise(cell, &[37])).iter().map(|v| *v as f32).collect::<Vec<_>>();
        let (x, scale, shift) = (of(1), of(2), of(3));
        for level in levels() {
            let mut y = vec![7.0; 37];
            let row = Row { x: &x, scale: &scale, shift: &shift, y: &mut y, silu: true };
            with_simd!(level, s => s.vectorize(row));
            for at in 0..37 {
                let z = f64::from(x[at]) * f64::from(scale[at]) + f64::from(shift[at]);
                let want = z / (1.0 + (-z).exp());
                assert!((f64::from(y[at]) - want).abs() < 1e-5, "{level:?} at {at}");
            }
        }
    }

    #[test]
    fn all_three_arguments_have_gradients() {
        let [x, scale, shift] = [[1, 2, 4, 6], [1, 2, 2, 3], [1, 2, 2, 3]]
            .map(|shape| Var::from_tensor(&noise(5, &shape)).unwrap());
        let loss = || {
            let y = modulate(&x, (&scale, &shift), true).unwrap();
            y.sqr().unwrap().sum_all().unwrap()
        };
        let grads = loss().backward().unwrap();
        for var in [&x, &scale, &shift] {
            let gradient = grads.get(var).expect("a gradient").clone();
            let start = var.as_tensor().copy().unwrap();
            let along = |by: f64| -> f64 {
                var.set(&(&start + (&gradient * by).unwrap()).unwrap()).unwrap();
                flat(&loss())[0]
            };
            let rise = (along(1e-4) - along(-1e-4)) / 2e-4;
            var.set(&start).unwrap();
            let square: f64 = flat(&gradient).iter().map(|g| g * g).sum();
            assert!((rise / square - 1.0).abs() < 2e-2, "{rise} and {square}");
        }
    }

    #[test]
    fn maps_that_do_not_fit_are_an_error() {
        let x = noise(1, &[1, 2, 6, 6]);
        for small in [[1, 2, 4, 3], [1, 2, 0, 3], [1, 1, 3, 3], [2, 2, 3, 3]] {
            let (scale, fitting) = (noise(2, &small), noise(3, &[1, 2, 3, 3]));
            assert!(modulate(&x, (&scale, &fitting), false).is_err(), "{small:?}");
            assert!(modulate(&x, (&fitting, &scale), false).is_err(), "{small:?}");
        }
    }
}
