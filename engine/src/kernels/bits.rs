//! Entropies of lookup-free quantization over all 2^D codes of D bits, without a row of 2^D numbers.
//!
//! The bits of a vector are independent, so its own entropy is a sum over bits, and the probability of a
//! code is that of its low bits times that of its high bits: the mean over N vectors is one product of
//! an N x 2^(D/2) half with the other, and the gradient is two more. Exact. What bounds it: the three
//! products; the gradient of a half is folded while its rows are in the cache.
//!
//! Source: Yu et al., arXiv 2310.05737, section 3.1; factored as Open-MAGVIT2's entropy can be.
#![expect(unsafe_code, reason = "results of products")]

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::multiply::{Factor, multiply, multiply_turned};
use super::raw::{sum_of, values, wide, with_values};
use super::scratch::{Place, written};
use super::simd::{self, Level};

const NAME: &str = "bit_entropies";

/// How logits of bits are made, and what keeps the logarithm finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rule {
    /// The logit of a bit is this times z.
    pub(super) sharpness: f32,
    pub(super) eps: f32,
}

/// What the gradient needs.
#[derive(Default)]
struct Kept {
    /// Probabilities of each bit (N, D): that it is set, that it is not.
    set: Vec<f32>,
    clear: Vec<f32>,
    /// Probabilities of the low bits (N, 2^low) and the high bits (N, 2^high).
    halves: [Vec<f32>; 2],
    /// Mean probabilities (2^low, 2^high).
    mean: Vec<f32>,
}

/// Number of low and high bits.
fn split(dim: usize) -> [usize; 2] {
    [dim / 2, dim - dim / 2]
}

/// Mean entropy of the vectors' codes and entropy of the mean distribution, in nats.
fn forward(rule: Rule, z: &[f32], dim: usize) -> ([f64; 2], Kept) {
    let n = z.len() / dim;
    let logit = |z: f32| rule.sharpness * z;
    let set: Vec<f32> = z.iter().map(|&z| 1.0 / (1.0 + (-logit(z)).exp())).collect();
    let clear: Vec<f32> = z.iter().map(|&z| 1.0 / (1.0 + logit(z).exp())).collect();
    let own = |(&z, &p): (&f32, &f32)| {
        let l = f64::from(logit(z));
        l.max(0.0) + (-l.abs()).exp().ln_1p() - f64::from(p) * l
    };
    // `max` drops NaN; the product with the probability does not.
    let per_vector = z.iter().zip(&set).map(own).sum::<f64>() / n as f64;
    let [low, high] = split(dim);
    let halves = [(0, low), (low, high)].map(|(first, bits)| {
        let mut half = vec![0.0; n << bits];
        half.par_chunks_mut(1 << bits).enumerate().for_each(|(row, to)| {
            let at = row * dim + first..row * dim + first + bits;
            wide(|| spread(to, &set[at.clone()], &clear[at.clone()]));
        });
        half
    });
    let (rows, columns) = (1 << low, 1 << high);
    let mut mean = vec![0.0; rows * columns];
    multiply_turned((rows, columns, n), (&halves[0], &halves[1]), 1.0 / n as f32, &mut mean);
    let part = |part: &[f32]| -> f64 {
        part.iter().map(|&p| f64::from(p) * f64::from((p + rule.eps).ln())).sum()
    };
    let parts: Vec<f64> = mean.par_chunks(1 << 12).map(part).collect();
    ([per_vector, -parts.iter().sum::<f64>()], Kept { set, clear, halves, mean })
}

/// The products of a row's probabilities for every pattern of its bits, the first bit the lowest.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled for the caller's instruction set")]
fn spread(to: &mut [f32], set: &[f32], clear: &[f32]) {
    to[0] = 1.0;
    for (bit, (&set, &clear)) in set.iter().zip(clear).enumerate() {
        let (lower, upper) = to[..2 << bit].split_at_mut(1 << bit);
        for (lower, upper) in lower.iter_mut().zip(upper) {
            *upper = *lower * set;
            *lower *= clear;
        }
    }
}

/// The gradient of z from those of both entropies.
fn backward(
    level: Level,
    rule: Rule,
    z: &[f32],
    dim: usize,
    kept: &Kept,
    dy: [f32; 2],
) -> Vec<f32> {
    let n = z.len() / dim;
    let [low, high] = split(dim);
    let columns = 1 << high;
    // The gradient of the mean distribution, a share for each vector.
    let scale = -dy[1] / n as f32;
    let slope: Vec<f32> =
        kept.mean.par_iter().map(|&p| scale * ((p + rule.eps).ln() + p / (p + rule.eps))).collect();
    let own = -dy[0] / n as f32;
    let mut dz: Vec<f32> = z
        .iter()
        .zip(kept.set.iter().zip(&kept.clear))
        .map(|(&z, (&p, &q))| own * rule.sharpness * z * p * q)
        .collect();
    let to = Place::new(dz.as_mut_ptr());
    let slope = Factor::by_rows(&slope, columns);
    for (side, first, bits) in [(0, 0, low), (1, low, high)] {
        let (width, other) = (1 << bits, 1 << (dim - bits));
        let (own, others) = (&kept.halves[side], &kept.halves[1 - side]);
        let factors =
            (Factor::by_rows(others, other), if side == 0 { slope.turned() } else { slope });
        let fold_rows = |row: usize, block: &mut [f32]| {
            for (at, g) in block.chunks_exact_mut(width).enumerate() {
                let row = row + at;
                let place = row * dim + first;
                // SAFETY: rows are below n and bits of a side inside the D of a row, so this is inside `dz`, whose
                // numbers are all there. Each row is handed to one call, and sides are done one after the
                // other, so that nobody else has these.
                let dz = unsafe { std::slice::from_raw_parts_mut(to.get().add(place), bits) };
                let p = &own[row * width..(row + 1) * width];
                let bits = place..place + bits;
                wide(|| fold(g, p, (&kept.set[bits.clone()], &kept.clear[bits.clone()]), dz));
            }
        };
        // The gradient of the half is used up row by row; its memory is needed for a moment only.
        // SAFETY: `multiply` writes the whole product. The length cannot overflow: z has n rows in memory, and
        // rows of a half are 2^12 numbers at most.
        drop(unsafe {
            written(n * width, |g| multiply(level, (n, width, other), factors, g, fold_rows))
        });
    }
    for dz in &mut dz {
        *dz *= rule.sharpness;
    }
    dz
}

/// Adds the gradients of the logits of a row's bits to `dz`, from those `g` of its probabilities `p`:
/// for each bit the sum over patterns that have it times the probability that it is clear, less the
/// other sum times the other probability. Bits are folded away from the highest down.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled for the caller's instruction set")]
fn fold(g: &mut [f32], p: &[f32], (set, clear): (&[f32], &[f32]), dz: &mut [f32]) {
    for (g, p) in g.iter_mut().zip(p) {
        *g *= p;
    }
    for bit in (0..dz.len()).rev() {
        let (lower, upper) = g[..2 << bit].split_at_mut(1 << bit);
        let with = sum_of(upper.len(), |i| upper[i]) as f32;
        let without = sum_of(lower.len(), |i| lower[i]) as f32;
        dz[bit] += with * clear[bit] - without * set[bit];
        for (lower, upper) in lower.iter_mut().zip(upper) {
            *lower += *upper;
        }
    }
}

struct Entropies {
    rule: Rule,
    kept: Mutex<Kept>,
}

/// See [`super::bit_entropies`]; z (N, D) is f32 on the CPU, N and D are not 0, D is at most 24.
pub(super) fn apply(z: &Tensor, rule: Rule) -> Result<Tensor> {
    z.contiguous()?.apply_op1(Entropies { rule, kept: Mutex::default() })
}

impl CustomOp1 for Entropies {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, z: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, dim) = layout.shape().dims2()?;
        let (found, kept) = forward(self.rule, values(z, layout, NAME)?, dim);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok((CpuStorage::F32(found.map(|x| x as f32).to_vec()), Shape::from(2)))
    }

    fn bwd(&self, z: &Tensor, _result: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (n, dim) = z.dims2()?;
        if kept.set.len() != n * dim {
            return Err(Error::Msg(format!("{NAME}: the forward pass has not run")).bt());
        }
        let dy: Vec<f32> = dy.to_vec1()?;
        let &[own, mean] = &dy[..] else {
            return Err(Error::Msg(format!("{NAME}: a gradient of {} numbers", dy.len())).bt());
        };
        let dz = with_values(z, NAME, |z| {
            backward(simd::best(), self.rule, z, dim, &kept, [own, mean])
        })?;
        Ok(Some(Tensor::from_vec(dz, z.shape(), z.device())?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::super::tests::{assert_gradients_agree, flat, noise};
    use super::super::{bit_entropies, plain};
    use super::*;
    use crate::device::of_tests;
    use crate::kernels::simd::levels;

    /// Both entropies by going through all codes, in f64.
    fn reference(rule: Rule, z: &[f64], dim: usize) -> [f64; 2] {
        let n = z.len() / dim;
        let mut mean = vec![0.0; 1 << dim];
        let mut own = 0.0;
        for z in z.chunks_exact(dim) {
            for (code, mean) in mean.iter_mut().enumerate() {
                let bit = |(j, z): (usize, &f64)| {
                    let l = f64::from(rule.sharpness) * z;
                    1.0 / (1.0 + (if code >> j & 1 == 1 { -l } else { l }).exp())
                };
                let p: f64 = z.iter().enumerate().map(bit).product();
                *mean += p / n as f64;
                own -= if p > 0.0 { p * p.ln() / n as f64 } else { 0.0 };
            }
        }
        [own, -mean.iter().map(|p| p * (p + f64::from(rule.eps)).ln()).sum::<f64>()]
    }

    #[test]
    fn every_instruction_set_gives_the_definition_and_its_slopes() {
        for (n, dim) in [(1, 1), (1, 2), (7, 5), (130, 8), (33, 11)] {
            let rule = Rule { sharpness: 1.7, eps: 1e-6 };
            let z = noise(1, &[n, dim]);
            let (exact, values) = (flat(&z), z.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            let expected = reference(rule, &exact, dim);
            let (found, kept) = forward(rule, &values, dim);
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() < 1e-5 * b.max(1.0), "{n}x{dim}: {a} {b}");
            }
            let slope = |at: usize, side: usize| {
                let moved = |by: f64| {
                    let mut z = exact.clone();
                    z[at] += by;
                    reference(rule, &z, dim)[side]
                };
                (moved(1e-4) - moved(-1e-4)) / 2e-4
            };
            for (level, side) in levels().into_iter().flat_map(|l| [(l, 0), (l, 1)]) {
                let dy = [[1.0, 0.0], [0.0, 1.0]][side];
                let dz = backward(level, rule, &values, dim, &kept, dy);
                for at in [0, n * dim / 2, n * dim - 1] {
                    let (found, exact) = (f64::from(dz[at]), slope(at, side));
                    assert!((found - exact).abs() < 2e-6, "{level:?} {n}x{dim}: {found} {exact}");
                }
            }
        }
    }

    #[test]
    fn tensors_give_what_candle_gives() {
        let weights = Tensor::new(&[0.7_f32, -1.3], &of_tests().unwrap()).unwrap();
        let turned = |t: &Tensor| t.transpose(0, 1).unwrap();
        assert_gradients_agree(
            "entropies",
            &[vec![7, 30]],
            &|t| (bit_entropies(&turned(&t[0]), 2.0, 1e-8).unwrap() * &weights).unwrap(),
            &|t| {
                let rule = Rule { sharpness: 2.0, eps: 1e-8 };
                (plain::bit_entropies(&turned(&t[0]), rule).unwrap() * &weights).unwrap()
            },
        );
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_the_ends_are_finite() {
        assert!(bit_entropies(&noise(1, &[3, 25]), 1.0, 1e-8).is_err(), "too many bits");
        assert!(bit_entropies(&noise(1, &[0, 4]), 1.0, 1e-8).is_err());
        assert!(bit_entropies(&noise(1, &[4, 0]), 1.0, 1e-8).is_err());
        let far =
            Tensor::new(&[[200.0_f32, -200.0], [200.0, 200.0]], &of_tests().unwrap()).unwrap();
        let far = Var::from_tensor(&far).unwrap();
        let found = bit_entropies(&far, 4.0, 1e-10).unwrap();
        let values = flat(&found);
        assert!(values[0].abs() < 1e-6 && (values[1] - 2.0_f64.ln()).abs() < 1e-6, "{values:?}");
        let grads = found.sum_all().unwrap().backward().unwrap();
        assert!(flat(grads.get(&far).unwrap()).iter().all(|x| x.abs() < 1e-6));
        let broken = Tensor::new(&[[f32::NAN, 1.0]], &of_tests().unwrap()).unwrap();
        assert!(flat(&bit_entropies(&broken, 4.0, 1e-10).unwrap()).iter().all(|x| x.is_nan()));
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let all = || {
            let z = Var::from_tensor(&noise(1, &[300, 9])).unwrap();
            let y = bit_entropies(&z, 2.0, 1e-8).unwrap();
            let grads = y.sum_all().unwrap().backward().unwrap();
            [flat(&y), flat(grads.get(&z).unwrap())].concat()
        };
        let with = |threads| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all)
        };
        assert_eq!(with(1), with(3));
    }
}
