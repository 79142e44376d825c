//! Cross-entropy of logits on the CPU, fused: no array of probabilities, forward or backward.
//!
//! A chunk of a row is read twice, the second time from the first cache, so logits come from memory
//! once; the only thing kept for the gradient is one number a row. The gradient is one more pass that
//! writes what it must return. What bounds it: memory, then the exponential.
#![expect(unsafe_code, reason = "rows of one tensor are written by several threads")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::exp::exp;
use super::moments::{mask, total};
use super::raw::{values, with_values};
use super::scratch::{Place, written};
use super::simd::{self, Kernel, Level, PointerKernel, Simd, with_simd};

const NAME: &str = "cross_entropy";
/// Values that are read twice.
const CHUNK: usize = 2048;

/// Logarithms of the sums of the exponentials of rows of `classes` numbers; NaN where a row has one.
fn log_sums(level: Level, logits: &[f32], classes: usize) -> Vec<f32> {
    let row = |x: &[f32]| with_simd!(level, s => s.vectorize(LogSum(x)));
    logits.par_chunks_exact(classes).map(row).collect()
}

/// (exp(logit - log sum) - 1 at the target) scale.
fn gradient(
    level: Level,
    logits: &[f32],
    (sums, targets): (&[f32], &[u32]),
    scale: f32,
) -> Vec<f32> {
    let classes = logits.len() / sums.len().max(1);
    assert!(targets.len() == sums.len() && sums.len() * classes == logits.len(), "other rows");
    let all = |to: *mut f32| {
        let to = Place::new(to);
        logits.par_chunks_exact(classes.max(1)).enumerate().for_each(|(row, x)| {
            let to = to.get().wrapping_add(row * classes);
            let (sum, target) = (sums[row], targets[row] as usize);
            assert!(target < classes, "a target outside of the classes");
            // SAFETY: the places of this row in the result, which is as long as the logits; a row is one task.
            with_simd!(level, s => unsafe { s.follow(Gradient { x, sum, scale, to }) });
            // SAFETY: the target is below the classes, as was checked, so inside the row that was just written
            // and is this task's.
            unsafe { *to.add(target) -= scale };
        });
    };
    // SAFETY: the logits are exactly a row of classes for each sum, as was checked; each is written whole.
    unsafe { written(logits.len(), all) }
}

struct LogSum<'a>(&'a [f32]);

impl<S: Simd> Kernel<S> for LogSum<'_> {
    type Output = f32;

    #[inline(always)]
    fn run(self, s: S) -> f32 {
        let (mut peak, mut sum) = (f32::NEG_INFINITY, 0.0_f64);
        for chunk in self.0.chunks(CHUNK) {
            let n = chunk.len();
            // Lanes behind the end repeat the last whole vector, or are left out of a short chunk.
            let mut tops = s.splat(f32::NEG_INFINITY);
            let whole = n / S::LANES * S::LANES;
            for at in (0..whole).step_by(S::LANES) {
                // SAFETY: `whole` is a multiple of a vector and at most the length of the chunk.
                tops = s.at_least(unsafe { s.load(chunk.as_ptr().add(at)) }, tops);
            }
            let mut lanes = [f32::NEG_INFINITY; 16];
            // SAFETY: a vector has at most 16 numbers, and there are 16.
            unsafe { s.store(lanes.as_mut_ptr(), tops) };
            let top = lanes.iter().chain(&chunk[whole..]).copied().fold(peak, f32::max);
            if top > peak {
                sum *= f64::from(peak - top).exp();
                peak = top;
            }
            let down = s.splat(if peak == f32::NEG_INFINITY { 0.0 } else { -peak });
            let (mut a, mut b) = (s.splat(0.0), s.splat(0.0));
            for at in (0..whole).step_by(2 * S::LANES) {
                // SAFETY: as above; the second vector is only read if it begins below `whole`.
                unsafe {
                    let from = chunk.as_ptr().add(at);
                    a = s.add(a, exp(s, s.add(s.load(from), down)));
                    if at + S::LANES < whole {
                        b = s.add(b, exp(s, s.add(s.load(from.add(S::LANES)), down)));
                    }
                }
            }
            sum += total(s, s.add(a, b));
            let shift = if peak == f32::NEG_INFINITY { 0.0 } else { f64::from(peak) };
            sum += chunk[whole..].iter().map(|&x| (f64::from(x) - shift).exp()).sum::<f64>();
        }
        (f64::from(peak) + sum.ln()) as f32
    }
}

struct Gradient<'a> {
    x: &'a [f32],
    sum: f32,
    scale: f32,
    /// Room for as many numbers as x has, used by this thread alone.
    to: *mut f32,
}

impl<S: Simd> PointerKernel<S> for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run(self, s: S) {
        let (down, scale) = (s.splat(-self.sum), s.splat(self.scale));
        let n = self.x.len();
        for at in (0..n).step_by(S::LANES) {
            let lanes = mask::<S>(at, n);
            // SAFETY: lanes are masked to the length of x; `to` has as many places by the caller's
            // promise.
            unsafe {
                let x = s.load_part(self.x.as_ptr().add(at), lanes);
                s.store_part(self.to.add(at), s.mul(exp(s, s.add(x, down)), scale), lanes);
            }
        }
    }
}

/// The operation as candle sees it.
struct CrossEntropy {
    targets: Vec<u32>,
    sums: Mutex<Vec<f32>>,
}

/// See [`super::cross_entropy`]; logits (N, V) are f32 on the CPU, targets are below V, N is not 0.
pub(super) fn apply(logits: &Tensor, targets: Vec<u32>) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(CrossEntropy { targets, sums: Mutex::default() })
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = values(logits, layout, NAME)?;
        let classes = logits.len() / self.targets.len().max(1);
        let sums = log_sums(simd::best(), logits, classes);
        let own = |(row, &target): (usize, &u32)| {
            f64::from(sums[row]) - f64::from(logits[row * classes + target as usize])
        };
        let sum: f64 = self.targets.iter().enumerate().map(own).sum();
        let mean = (sum / self.targets.len() as f64) as f32;
        *self.sums.lock().unwrap_or_else(PoisonError::into_inner) = sums;
        Ok((CpuStorage::F32(vec![mean]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _result: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        if sums.len() != self.targets.len() {
            return Err(Error::Msg(format!("{NAME}: the forward pass has not run")).bt());
        }
        let scale = dy.to_scalar::<f32>()? / self.targets.len() as f32;
        let values = with_values(logits, NAME, |logits| {
            gradient(simd::best(), logits, (&sums, &self.targets), scale)
        })?;
        Ok(Some(Tensor::from_vec(values, logits.shape(), logits.device())?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::super::tests::{assert_gradients_agree, flat, noise};
    use super::super::{cross_entropy, plain};
    use super::*;
    use crate::device::of_tests;
    use crate::kernels::simd::levels;

    #[test]
    fn every_instruction_set_gives_the_definition_and_its_gradient() {
        for (rows, classes) in [(1, 1), (3, 2), (7, 19), (5, 1024), (2, 5003), (4, 8)] {
            let logits = (noise(1, &[rows, classes]) * 9.0).unwrap();
            let exact = flat(&logits);
            let values: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
            let targets: Vec<u32> = (0..rows).map(|i| (i * 7 % classes) as u32).collect();
            for level in levels() {
                let sums = log_sums(level, &values, classes);
                let found = gradient(level, &values, (&sums, &targets), 0.5);
                for (row, x) in exact.chunks(classes).enumerate() {
                    let peak = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum = peak + x.iter().map(|x| (x - peak).exp()).sum::<f64>().ln();
                    let error = (f64::from(sums[row]) - sum).abs();
                    assert!(error < 1e-5, "{level:?} {rows}x{classes}: {error}");
                    for (i, x) in x.iter().enumerate() {
                        let own = f64::from(u8::from(i == targets[row] as usize));
                        let expected = ((x - sum).exp() - own) * 0.5;
                        let error = (f64::from(found[row * classes + i]) - expected).abs();
                        assert!(error < 2e-6, "{level:?} {rows}x{classes}: {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn tensors_give_what_candle_gives() {
        let targets = Tensor::new(&[3_u32, 0, 8, 8], &of_tests().unwrap()).unwrap();
        let turned = |t: &Tensor| t.transpose(0, 1).unwrap();
        assert_gradients_agree(
            "cross-entropy",
            &[vec![9, 4]],
            &|t| (cross_entropy(&turned(&t[0]), &targets).unwrap() * 3.0).unwrap(),
            &|t| {
                let classes = targets.to_vec1().unwrap();
                (plain::cross_entropy(&turned(&t[0]), &classes).unwrap() * 3.0).unwrap()
            },
        );
        // Classes that are ruled out, also a whole chunk of them.
        let mut values = vec![f32::NEG_INFINITY; 5000];
        (values[2], values[4999]) = (1.0, 1.0);
        let logits =
            Var::from_tensor(&Tensor::from_vec(values, (1, 5000), &of_tests().unwrap()).unwrap())
                .unwrap();
        let loss =
            cross_entropy(&logits, &Tensor::new(&[2_u32], &of_tests().unwrap()).unwrap()).unwrap();
        assert!((loss.to_scalar::<f32>().unwrap() - 2.0_f32.ln()).abs() < 1e-6);
        let grads = loss.backward().unwrap();
        let slopes = flat(grads.get(&logits).unwrap());
        assert!((slopes[2] + 0.5).abs() < 1e-6 && (slopes[4999] - 0.5).abs() < 1e-6);
        assert!(slopes.iter().enumerate().all(|(i, &x)| i == 2 || i == 4999 || x == 0.0));
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_its_place() {
        let logits = noise(1, &[3, 5]);
        let targets = |t: &[u32]| Tensor::new(t, &of_tests().unwrap()).unwrap();
        let error = cross_entropy(&logits, &targets(&[0, 5, 1])).unwrap_err().to_string();
        assert!(error.contains("target 1") && error.contains('5'), "{error}");
        assert!(cross_entropy(&logits, &targets(&[0, 1])).is_err());
        assert!(cross_entropy(&noise(1, &[0, 5]), &targets(&[])).is_err());
        for bad in [f32::NAN, f32::INFINITY] {
            let mut values: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
            values[7] = bad;
            let broken = Tensor::from_vec(values, (3, 5), &of_tests().unwrap()).unwrap();
            let error = cross_entropy(&broken, &targets(&[0, 1, 2])).unwrap_err().to_string();
            assert!(error.contains("row 1, class 2"), "{error}");
        }
    }
}
