//! Layer norm and RMS norm over the last dimension on the CPU, fused with weight and bias.
//!
//! A row is read from memory once: its moments, its result and later its gradient come from the first
//! cache. Rows are dealt with in blocks of a fixed size, whose sums for the parameters are added in
//! order. What bounds it: memory.
#![expect(unsafe_code, reason = "rows of one tensor are written by several threads")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use rayon::prelude::*;

use super::moments::{Moments, mask};
use super::scratch::{Place, written};
use super::simd::{Kernel, Level, PointerKernel, Simd, with_simd};
use super::tally;

/// Rows of a block.
const ROWS: usize = 64;

/// How to normalize.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rule {
    /// Whether the mean is taken off (layer norm) or not (RMS norm).
    pub(super) centered: bool,
    /// What is added to the mean square.
    pub(super) eps: f64,
}

/// Mean and 1 / root of the mean square of each row.
pub(super) type Stats = Vec<(f32, f32)>;

/// `x` (N, D), `weight` and `bias` (D,) give (N, D).
pub(super) fn forward(
    level: Level,
    rule: Rule,
    x: &[f32],
    (weight, bias): (&[f32], &[f32]),
) -> (Vec<f32>, Stats) {
    let dim = weight.len();
    assert!(bias.len() == dim && x.len().is_multiple_of(dim), "rows of another size");
    let mut stats = vec![(0.0, 0.0); x.len() / dim.max(1)];
    let all = |y: *mut f32| {
        let y = Place::new(y);
        let blocks = x.par_chunks((ROWS * dim).max(1)).zip(stats.par_chunks_mut(ROWS));
        blocks.enumerate().for_each(|(at, (x, stats))| {
            let y = y.get().wrapping_add(at * ROWS * dim);
            let job = Forward { rule, x, weight, bias, y, stats };
            // SAFETY: whole rows, as was checked with the bias; y are the places of this block in the result,
            // which is as long as all of x, and a block is one task.
            with_simd!(level, s => unsafe { s.follow(job) });
        });
    };
    // SAFETY: x is whole rows, and there is a pair of `stats` for each, so that blocks of both belong
    // together; each block writes as many numbers as it has of x, at the same place, and those are all.
    let y = unsafe { written(x.len(), all) };
    (y, stats)
}

/// The gradient of x, and those of weight and bias, each if it is asked for. That of x is added to `plus`
/// if there is one: what reaches x on another way.
pub(super) fn backward(
    level: Level,
    rule: Rule,
    (x, dy): (&[f32], &[f32]),
    (weight, stats): (&[f32], &[(f32, f32)]),
    plus: Option<&[f32]>,
    asked: (bool, bool),
) -> (Vec<f32>, Option<Vec<f32>>, Option<Vec<f32>>) {
    tally::add(asked);
    let dim = weight.len();
    let split = if asked.0 { dim } else { 0 };
    let all_sums = split + if asked.1 { dim } else { 0 };
    assert!(x.len() == dy.len() && stats.len() * dim == x.len(), "rows of another size");
    assert!(plus.is_none_or(|plus| plus.len() == x.len()), "rows of another size");
    let mut sums: Vec<Vec<f32>> = Vec::new();
    let all = |dx: *mut f32| {
        let dx = Place::new(dx);
        let size = (ROWS * dim).max(1);
        x.par_chunks(size)
            .zip(dy.par_chunks(size))
            .zip(stats.par_chunks(ROWS))
            .enumerate()
            .map(|(at, ((x, dy), stats))| {
                let first = at * ROWS * dim;
                let plus = plus.map(|plus| &plus[first..first + x.len()]);
                let dx = dx.get().wrapping_add(first);
                let mut sums = vec![0.0; all_sums];
                let (by_weight, by_bias) = sums.split_at_mut(split);
                let job = Backward { rule, x, dy, weight, stats, plus, dx, by_weight, by_bias };
                // SAFETY: whole rows, as was checked, and both sums are as long or empty; dx are the places of
                // this block in the result, which is as long as all of x, and a block is one task.
                with_simd!(level, s => unsafe { s.follow(job) });
                sums
            })
            .collect_into_vec(&mut sums);
    };
    // SAFETY: x, dy and `stats` have the same whole rows, as was checked, so that blocks of them belong
    // together; each block writes as many numbers as it has of x, at the same place, and those are all.
    let dx = unsafe { written(x.len(), all) };
    let mut totals = vec![0.0_f64; all_sums];
    for block in sums {
        for (total, sum) in totals.iter_mut().zip(block) {
            *total += f64::from(sum);
        }
    }
    let (by_weight, by_bias) = totals.split_at(split);
    let single = |sums: &[f64]| sums.iter().map(|&x| x as f32).collect();
    (dx, asked.0.then(|| single(by_weight)), asked.1.then(|| single(by_bias)))
}

struct Forward<'a> {
    rule: Rule,
    /// Whole rows, as long as the weight.
    x: &'a [f32],
    weight: &'a [f32],
    /// As long as the weight.
    bias: &'a [f32],
    /// Room for as many numbers as x has, used by this thread alone.
    y: *mut f32,
    stats: &'a mut [(f32, f32)],
}

impl<S: Simd> PointerKernel<S> for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let dim = self.weight.len();
        for (row, (x, stats)) in self.x.chunks_exact(dim).zip(self.stats).enumerate() {
            let (mean, variance) = Moments(x).run(s);
            let (center, square) = if self.rule.centered {
                (mean as f32, variance)
            } else {
                (0.0, mean * mean + variance)
            };
            *stats = (center, (1.0 / (square + self.rule.eps).sqrt()) as f32);
            let (center, inverse) = (s.splat(stats.0), s.splat(stats.1));
            for at in (0..dim).step_by(S::LANES) {
                let lanes = mask::<S>(at, dim);
                // SAFETY: lanes are masked to `dim`, the length of the row of x and of both parameters; y has as many rows as x, by the caller's promise.
                unsafe {
                    let normal =
                        s.mul(s.sub(s.load_part(x.as_ptr().add(at), lanes), center), inverse);
                    let weight = s.load_part(self.weight.as_ptr().add(at), lanes);
                    let bias = s.load_part(self.bias.as_ptr().add(at), lanes);
                    let y = s.mul_add(normal, weight, bias);
                    s.store_part(self.y.add(row * dim + at), y, lanes);
                }
            }
        }
    }
}

struct Backward<'a> {
    rule: Rule,
    /// Whole rows, as long as the weight.
    x: &'a [f32],
    dy: &'a [f32],
    weight: &'a [f32],
    stats: &'a [(f32, f32)],
    /// As long as x.
    plus: Option<&'a [f32]>,
    /// Room for as many numbers as x has, used by this thread alone.
    dx: *mut f32,
    /// The gradient of the weight, a sum over the rows; as long as it, or empty if it is not asked for.
    by_weight: &'a mut [f32],
    /// The same of the bias.
    by_bias: &'a mut [f32],
}

impl<S: Simd> PointerKernel<S> for Backward<'_> {
    type Output = ();

    /// dx = (g - mean(g) - n mean(g n)) / root, with n the normal values and g = dy weight; the mean of
    /// g only where the mean of x was taken off.
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let dim = self.weight.len();
        let (sums_weight, sums_bias) = (!self.by_weight.is_empty(), !self.by_bias.is_empty());
        let rows = self.x.chunks_exact(dim).zip(self.dy.chunks_exact(dim)).zip(self.stats);
        for (row, ((x, dy), &(center, inverse))) in rows.enumerate() {
            let (center, inverse) = (s.splat(center), s.splat(inverse));
            let (mut first, mut second) = (s.splat(0.0), s.splat(0.0));
            for at in (0..dim).step_by(S::LANES) {
                let lanes = mask::<S>(at, dim);
                // SAFETY: lanes are masked to `dim`, the length of the rows, of the weight and of the sums that
                // are not empty. dy and with it the products are 0 where lanes are masked.
                unsafe {
                    let normal =
                        s.mul(s.sub(s.load_part(x.as_ptr().add(at), lanes), center), inverse);
                    let dy = s.load_part(dy.as_ptr().add(at), lanes);
                    let g = s.mul(dy, s.load_part(self.weight.as_ptr().add(at), lanes));
                    first = s.add(first, g);
                    second = s.mul_add(g, normal, second);
                    if sums_weight {
                        let to = self.by_weight.as_mut_ptr().add(at);
                        s.store_part(to, s.mul_add(dy, normal, s.load_part(to, lanes)), lanes);
                    }
                    if sums_bias {
                        let to = self.by_bias.as_mut_ptr().add(at);
                        s.store_part(to, s.add(s.load_part(to, lanes), dy), lanes);
                    }
                }
            }
            let mean = |sum: [f32; 16]| sum.iter().sum::<f32>() / dim as f32;
            let (mut sum_first, mut sum_second) = ([0.0_f32; 16], [0.0_f32; 16]);
            // SAFETY: a vector has at most 16 numbers, and there are 16.
            unsafe {
                s.store(sum_first.as_mut_ptr(), first);
                s.store(sum_second.as_mut_ptr(), second);
            }
            let shift = s.splat(if self.rule.centered { mean(sum_first) } else { 0.0 });
            let slope = s.splat(mean(sum_second));
            for at in (0..dim).step_by(S::LANES) {
                let lanes = mask::<S>(at, dim);
                // SAFETY: as above; `plus` and dx have as many rows as x, by the caller's promise.
                unsafe {
                    let normal =
                        s.mul(s.sub(s.load_part(x.as_ptr().add(at), lanes), center), inverse);
                    let dy = s.load_part(dy.as_ptr().add(at), lanes);
                    let g = s.mul(dy, s.load_part(self.weight.as_ptr().add(at), lanes));
                    let rest = s.sub(s.sub(g, shift), s.mul(normal, slope));
                    let before = match self.plus {
                        Some(plus) => s.load_part(plus.as_ptr().add(row * dim + at), lanes),
                        None => s.splat(0.0),
                    };
                    let dx = s.mul_add(rest, inverse, before);
                    s.store_part(self.dx.add(row * dim + at), dx, lanes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Tensor, Var};

    use super::super::tests::{assert_gradients_agree, deviation, flat, noise};
    use super::super::{layer_norm, plain, rms_norm};
    use super::*;
    use crate::device::of_tests;
    use crate::kernels::simd::levels;

    /// Result and gradients of sum(result * dy) in f64: y, dx, dw, db.
    fn reference(rule: Rule, x: &[f64], w: &[f64], b: &[f64], dy: &[f64]) -> [Vec<f64>; 4] {
        let dim = w.len();
        let n = dim as f64;
        let mut all = [vec![], vec![], vec![0.0; dim], vec![0.0; dim]];
        for (x, dy) in x.chunks_exact(dim).zip(dy.chunks_exact(dim)) {
            let mean = if rule.centered { x.iter().sum::<f64>() / n } else { 0.0 };
            let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let root = (square + rule.eps).sqrt();
            let normal: Vec<f64> = x.iter().map(|x| (x - mean) / root).collect();
            let g: Vec<f64> = dy.iter().zip(w).map(|(dy, w)| dy * w).collect();
            let first = if rule.centered { g.iter().sum::<f64>() / n } else { 0.0 };
            let second = g.iter().zip(&normal).map(|(g, x)| g * x).sum::<f64>() / n;
            for i in 0..dim {
                all[0].push(normal[i] * w[i] + b[i]);
                all[1].push((g[i] - first - normal[i] * second) / root);
                all[2][i] += dy[i] * normal[i];
                all[3][i] += dy[i];
            }
        }
        all
    }

    #[test]
    fn every_instruction_set_gives_the_definition_and_its_gradients() {
        for (rows, dim) in [(1, 1), (1, 7), (3, 16), (130, 33), (65, 256), (0, 5)] {
            for centered in [true, false] {
                let rule = Rule { centered, eps: 1e-3 };
                // Rows far from 0, where squares of f32 would lose the variance.
                let x = (noise(1, &[rows, dim]) + 20.0).unwrap();
                let (w, b, dy) = (noise(2, &[dim]), noise(3, &[dim]), noise(4, &[rows, dim]));
                let expected = reference(rule, &flat(&x), &flat(&w), &flat(&b), &flat(&dy));
                let single = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let (x, w, b, dy) = (single(&x), single(&w), single(&b), single(&dy));
                for level in levels() {
                    let (y, stats) = forward(level, rule, &x, (&w, &b));
                    let back =
                        |plus, asked| backward(level, rule, (&x, &dy), (&w, &stats), plus, asked);
                    let (dx, dw, db) = back(None, (true, true));
                    // What is not asked for changes nothing else.
                    assert_eq!(back(None, (false, false)), (dx.clone(), None, None));
                    assert_eq!(back(None, (true, false)), (dx.clone(), dw.clone(), None));
                    assert_eq!(back(None, (false, true)), (dx.clone(), None, db.clone()));
                    let (dw, db) = (dw.unwrap(), db.unwrap());
                    let (more, _, _) = back(Some(&x), (true, true));
                    for ((more, dx), x) in more.iter().zip(&dx).zip(&x) {
                        assert!((more - dx - x).abs() < 1e-4, "{level:?}: a sum with x");
                    }
                    for (i, found) in [y, dx, dw, db].iter().enumerate().filter(|_| rows > 0) {
                        let found: Vec<f64> = found.iter().map(|&x| f64::from(x)).collect();
                        let size = expected[i].iter().fold(0.1_f64, |a, x| a.max(x.abs()));
                        let apart = found.iter().zip(&expected[i]).map(|(a, b)| (a - b).abs());
                        let apart = apart.fold(0.0, f64::max);
                        assert!(apart < 5e-5 * size, "{level:?} {rows}x{dim}: {i}: {apart}");
                    }
                }
            }
        }
    }

    #[test]
    fn tensors_give_what_candle_gives() {
        let turned = |t: &Tensor| t.transpose(0, 1).unwrap();
        let shapes = [vec![9, 2, 5], vec![5], vec![5]];
        assert_gradients_agree(
            "layer norm",
            &shapes,
            &|t| layer_norm(&turned(&t[0]), (&t[1], &t[2]), 1e-2).unwrap(),
            &|t| plain::layer_norm(&turned(&t[0]), (&t[1], &t[2]), 1e-2).unwrap(),
        );
        assert_gradients_agree(
            "RMS norm",
            &shapes[..2],
            &|t| rms_norm(&turned(&t[0]), &t[1], 1e-2).unwrap(),
            &|t| plain::rms_norm(&turned(&t[0]), &t[1], 1e-2).unwrap(),
        );
    }

    #[test]
    fn nan_stays_in_its_row_and_what_does_not_fit_is_an_error() {
        let mut values = vec![1.0_f32; 15];
        values[7] = f32::NAN;
        let x = Tensor::from_vec(values, (3, 5), &of_tests().unwrap()).unwrap();
        let (w, b) = (noise(1, &[5]), noise(2, &[5]));
        for y in [layer_norm(&x, (&w, &b), 1e-5), rms_norm(&x, &w, 1e-5)] {
            for (at, y) in flat(&y.unwrap()).into_iter().enumerate() {
                assert_eq!(y.is_nan(), (5..10).contains(&at));
            }
        }
        let long = noise(3, &[6]);
        assert!(layer_norm(&x, (&long, &b), 1e-5).is_err());
        assert!(layer_norm(&x, (&w, &long), 1e-5).is_err());
        assert!(rms_norm(&x, &long, 1e-5).is_err());
        assert!(
            rms_norm(&x, &Tensor::zeros(0, DType::F32, &of_tests().unwrap()).unwrap(), 1e-5)
                .is_err()
        );
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let all = || {
            let vars = [vec![300, 20], vec![20], vec![20]]
                .map(|shape| Var::from_tensor(&noise(1, &shape)).unwrap());
            let y = layer_norm(&vars[0], (&vars[1], &vars[2]), 1e-5).unwrap();
            let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            vars.map(|v| flat(grads.get(&v).unwrap())).concat()
        };
        let with = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all)
        };
        assert_eq!(with(1), with(3));
        assert!(deviation(&with(1), &with(2)) == 0.0);
    }
}
