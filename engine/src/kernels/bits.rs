//! Entropies of lookup-free quantization over all 2^D codes of D bits, without a row of 2^D numbers.
//!
//! The bits of a vector are independent, so its own entropy is a sum over bits, and the probability of a
//! code is that of its low bits times that of its high bits: the mean over N vectors is one product of
//! an N x 2^(D/2) half with the other, and the gradient is two more. What bounds it: the three products; the
//! gradient of a half is folded while its rows are in the cache.
//!
//! Where training has made most bits clear, a vector has only a few codes that are possible at all, those of
//! its open bits. Then they are gone through one by one, in far less time than the products take.
//!
//! Both are exact but for probabilities that vanish beside what f32 rounds away. They are taken for 0, also
//! because products of tiny numbers are slow.
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
/// A bit whose one value is less probable is decided.
const DECIDED: f32 = 1.0 / (1_u32 << 30) as f32;
/// Probabilities of half a code below it count as 0: those of a code, 1e-32, are still normal numbers.
const TINIEST: f32 = 1e-16;
/// Going through a possible code takes as long as so many codes of the products.
const ONE_BY_ONE: f64 = 512.0;
/// Numbers, or codes, that a task takes.
const PART: usize = 1 << 12;

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
    /// Probabilities of the low bits (N, 2^low) and the high bits (N, 2^high); `None` where possible codes
    /// are gone through.
    halves: Option<[Vec<f32>; 2]>,
    /// Mean probabilities: (2^low, 2^high), or in the order of codes, the first bit the lowest.
    mean: Vec<f32>,
}

/// The codes that a vector can have, by its open bits.
#[derive(Default)]
struct Possible {
    /// Which bits are open.
    open: Vec<usize>,
    /// The probability of each pattern of open bits, and the whole code.
    shares: Vec<f32>,
    codes: Vec<u32>,
}

impl Possible {
    /// Of the probabilities of a vector's bits.
    fn find(&mut self, set: &[f32], clear: &[f32]) {
        let Self { open, shares, codes } = self;
        open.clear();
        let mut base = 0;
        for (bit, (&set, &clear)) in set.iter().zip(clear).enumerate() {
            if is_open(set, clear) {
                open.push(bit);
            } else {
                base |= u32::from(set > clear) << bit;
            }
        }
        shares.clear();
        shares.resize(1 << open.len(), 0.0);
        codes.clear();
        codes.resize(1 << open.len(), base);
        shares[0] = 1.0;
        for (at, &bit) in open.iter().enumerate() {
            halve(&mut shares[..2 << at], set[bit], clear[bit]);
            let (lower, upper) = codes[..2 << at].split_at_mut(1 << at);
            for (lower, upper) in lower.iter().zip(upper) {
                *upper = lower | 1 << bit;
            }
        }
    }
}

/// Whether both values of a bit are possible.
fn is_open(set: f32, clear: f32) -> bool {
    let least = set.min(clear);
    // A bit that is no number is open, so that what it leads to is none either.
    least >= DECIDED || least.is_nan()
}

/// How many codes all vectors can have together.
fn possible(set: &[f32], clear: &[f32], dim: usize) -> f64 {
    let rows = set.chunks_exact(dim).zip(clear.chunks_exact(dim));
    let open = |(set, clear): (&[f32], &[f32])| {
        set.iter().zip(clear).filter(|&(&set, &clear)| is_open(set, clear)).count()
    };
    rows.map(|row| (open(row) as f64).exp2()).sum()
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
    let parts = z.par_chunks(PART).zip(set.par_chunks(PART));
    let parts: Vec<f64> = parts.map(|(z, set)| z.iter().zip(set).map(own).sum()).collect();
    let per_vector = parts.iter().sum::<f64>() / n as f64;
    let is_few = possible(&set, &clear, dim) * ONE_BY_ONE < n as f64 * (dim as f64).exp2();
    let (halves, mean) = if is_few {
        (None, mean_of_possible(&set, &clear, dim))
    } else {
        let (halves, mean) = mean_of_products(&set, &clear, dim);
        (Some(halves), mean)
    };
    let part = |part: &[f32]| -> f64 {
        // Most codes are nobody's. Not `>`, which would drop NaN.
        let codes = part.iter().filter(|&&p| p != 0.0);
        codes.map(|&p| f64::from(p) * f64::from((p + rule.eps).ln())).sum()
    };
    let parts: Vec<f64> = mean.par_chunks(PART).map(part).collect();
    ([per_vector, -parts.iter().sum::<f64>()], Kept { set, clear, halves, mean })
}

/// The mean distribution over codes, the first bit the lowest, by each vector's possible codes.
fn mean_of_possible(set: &[f32], clear: &[f32], dim: usize) -> Vec<f32> {
    let share = dim as f32 / set.len() as f32;
    let mut mean = vec![0.0; 1 << dim];
    let mut found = Possible::default();
    // One after another: the order of a sum decides its last digits.
    for (set, clear) in set.chunks_exact(dim).zip(clear.chunks_exact(dim)) {
        wide(|| found.find(set, clear));
        for (&code, &p) in found.codes.iter().zip(&found.shares) {
            mean[code as usize] += p;
        }
    }
    for p in &mut mean {
        *p *= share;
    }
    mean
}

/// The halves of all vectors, and the mean distribution as their product (2^low, 2^high).
fn mean_of_products(set: &[f32], clear: &[f32], dim: usize) -> ([Vec<f32>; 2], Vec<f32>) {
    let n = set.len() / dim;
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
    (halves, mean)
}

/// The products of a row's probabilities for every pattern of its bits, the first bit the lowest.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled for the caller's instruction set")]
fn spread(to: &mut [f32], set: &[f32], clear: &[f32]) {
    to[0] = 1.0;
    for (bit, (&set, &clear)) in set.iter().zip(clear).enumerate() {
        halve(&mut to[..2 << bit], set, clear);
    }
}

/// Each of the probabilities in the lower half is that of two patterns more: with a bit clear, which stays
/// where it is, and with it set, in the upper half.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled for the caller's instruction set")]
fn halve(shares: &mut [f32], set: f32, clear: f32) {
    let middle = shares.len() / 2;
    let (lower, upper) = shares.split_at_mut(middle);
    let normal = |p: f32| if p < TINIEST { 0.0 } else { p };
    for (lower, upper) in lower.iter_mut().zip(upper) {
        *upper = normal(*lower * set);
        *lower = normal(*lower * clear);
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
    // The gradient of the mean distribution, a share for each vector.
    let scale = -dy[1] / n as f32;
    let of_nobody = scale * rule.eps.ln();
    let slope = |&p: &f32| {
        if p == 0.0 { of_nobody } else { scale * ((p + rule.eps).ln() + p / (p + rule.eps)) }
    };
    let slope: Vec<f32> = kept.mean.par_iter().with_min_len(PART).map(slope).collect();
    let own = -dy[0] / n as f32;
    let mut dz: Vec<f32> = z
        .iter()
        .zip(kept.set.iter().zip(&kept.clear))
        .map(|(&z, (&p, &q))| own * rule.sharpness * z * p * q)
        .collect();
    match &kept.halves {
        Some(halves) => fold_products(level, (halves, &slope), kept, dim, &mut dz),
        None => fold_possible(&slope, kept, dim, &mut dz),
    }
    for dz in &mut dz {
        *dz *= rule.sharpness;
    }
    dz
}

/// Adds the gradients of the logits of bits to `dz` (N, D), by each vector's possible codes. Those of decided
/// bits are less than 2^-28 of what they could be, and count as 0.
fn fold_possible(slope: &[f32], kept: &Kept, dim: usize, dz: &mut [f32]) {
    let rows = (PART / dim).max(1) * dim;
    let parts =
        dz.par_chunks_mut(rows).zip(kept.set.par_chunks(rows)).zip(kept.clear.par_chunks(rows));
    parts.for_each(|((dz, set), clear)| {
        let (mut found, mut g) = (Possible::default(), Vec::new());
        let (mut open_set, mut open_clear, mut to) = (Vec::new(), Vec::new(), Vec::new());
        let rows = set.chunks_exact(dim).zip(clear.chunks_exact(dim));
        for (dz, (set, clear)) in dz.chunks_exact_mut(dim).zip(rows) {
            wide(|| {
                found.find(set, clear);
                let Possible { open, shares, codes } = &found;
                refill(&mut g, codes.iter().map(|&code| slope[code as usize]));
                refill(&mut open_set, open.iter().map(|&bit| set[bit]));
                refill(&mut open_clear, open.iter().map(|&bit| clear[bit]));
                refill(&mut to, open.iter().map(|_| 0.0));
                fold(&mut g, shares, (&open_set, &open_clear), &mut to);
            });
            for (&bit, to) in found.open.iter().zip(&to) {
                dz[bit] += to;
            }
        }
    });
}

fn refill(list: &mut Vec<f32>, numbers: impl Iterator<Item = f32>) {
    list.clear();
    list.extend(numbers);
}

/// Adds the gradients of the logits of bits to `dz` (N, D), from those `slope` (2^low, 2^high) of the mean.
fn fold_products(
    level: Level,
    (halves, slope): (&[Vec<f32>; 2], &[f32]),
    kept: &Kept,
    dim: usize,
    dz: &mut [f32],
) {
    let n = dz.len() / dim;
    let [low, high] = split(dim);
    let columns = 1 << high;
    let to = Place::new(dz.as_mut_ptr());
    let slope = Factor::by_rows(slope, columns);
    for (side, first, bits) in [(0, 0, low), (1, low, high)] {
        let (width, other) = (1 << bits, 1 << (dim - bits));
        let (own, others) = (&halves[side], &halves[1 - side]);
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
            assert!(kept.halves.is_some(), "{n}x{dim}: all codes are possible");
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

    /// Vectors with few open bits, none and many, some of them equal, so that codes have several.
    #[test]
    fn possible_codes_one_by_one_give_the_definition_and_its_slopes() {
        let (n, dim) = (40, 11);
        let rule = Rule { sharpness: 80.0, eps: 1e-6 };
        let mut exact = flat(&noise(1, &[n, dim]));
        for z in &mut exact {
            *z = f64::from((*z * 3.0) as f32);
        }
        for row in 20..n {
            exact.copy_within((row % 9) * dim..(row % 9 + 1) * dim, row * dim);
        }
        let values: Vec<f32> = exact.iter().map(|&z| z as f32).collect();
        let (found, kept) = forward(rule, &values, dim);
        assert!(kept.halves.is_none(), "few codes are possible");
        for (a, b) in found.iter().zip(reference(rule, &exact, dim)) {
            assert!((a - b).abs() < 1e-6 * b.max(1.0), "{a} {b}");
        }
        // The products give the same of the same numbers.
        let (halves, mean) = mean_of_products(&kept.set, &kept.clear, dim);
        let products =
            Kept { set: kept.set.clone(), clear: kept.clear.clone(), halves: Some(halves), mean };
        let dy = [0.3, 1.0];
        let dz = backward(simd::best(), rule, &values, dim, &kept, dy);
        let same = backward(simd::best(), rule, &values, dim, &products, dy);
        let largest = same.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let mut open = 0;
        for (at, (a, b)) in dz.iter().zip(&same).enumerate() {
            assert!((a - b).abs() < 2e-6 * largest, "{at}: {a} {b}");
            if !is_open(kept.set[at], kept.clear[at]) {
                continue;
            }
            open += 1;
            let moved = |by: f64| {
                let mut z = exact.clone();
                z[at] += by;
                let [own, all] = reference(rule, &z, dim);
                0.3 * own + all
            };
            if open % 3 == 0 {
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let off = (f64::from(*a) - slope).abs();
                assert!(off < 2e-5 * f64::from(largest), "{at}: {a} {slope}");
            }
        }
        assert!(open > 15, "{open}");
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
        // Products, and few possible codes.
        for sharpness in [2.0, 4000.0] {
            let all = || {
                let z = Var::from_tensor(&noise(1, &[900, 12])).unwrap();
                let y = bit_entropies(&z, sharpness, 1e-8).unwrap();
                let grads = y.sum_all().unwrap().backward().unwrap();
                [flat(&y), flat(grads.get(&z).unwrap())].concat()
            };
            let with = |threads| {
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all)
            };
            assert_eq!(with(1), with(3));
        }
    }
}
