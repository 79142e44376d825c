//! Weights as the products read them: transformed, and packed in groups of output channels.
#![expect(unsafe_code, reason = "writes scratch by pointer")]

use std::ops::Range;

use super::super::simd::Simd;
use super::scheme::Scheme;

/// Input channels whose weights are asked for before they are needed.
const AHEAD: usize = 8;

/// 3x3 weights inside a slice: tap t from input channel c to output channel o.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Taps<'a> {
    values: &'a [f32],
    /// Distance between output channels, between input channels.
    steps: (usize, usize),
    turned: bool,
}

impl<'a> Taps<'a> {
    /// Weights (Cout, Cin, 3, 3).
    pub(in crate::kernels) fn new(values: &'a [f32], inputs: usize) -> Self {
        Self { values, steps: (9 * inputs, 9), turned: false }
    }

    /// Of weights (Cout, Cin, 3, 3), those of the convolution that gives the gradient of the input:
    /// from Cout channels to Cin, turned by half a circle.
    pub(in crate::kernels) fn turned(values: &'a [f32], inputs: usize) -> Self {
        Self { values, steps: (9, 9 * inputs), turned: true }
    }

    /// The taps of `count` pairs of channels, `step` apart from (output, input) on, those of a pair below each
    /// other. Asks for what lies `ahead` of them, which will be gathered soon: as many streams as pairs,
    /// and too far apart for the processor to foresee them.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
    fn gather<S: Simd>(
        &self,
        s: S,
        (output, input): (usize, usize),
        (step, count): (usize, usize),
        ahead: usize,
        to: &mut [[f32; 16]; 9],
    ) {
        let start = output * self.steps.0 + input * self.steps.1;
        // Whole squares where all of it is inside: reading a number at a time takes as long as the
        // transform. The second square begins a tap later and brings the ninth.
        let end = start + (S::LANES - 1) * step + 9;
        if S::LANES >= 8 && count <= S::LANES && end <= self.values.len() {
            let from = self.values[start..].as_ptr();
            // All nine rows: a pointer to one of them may not lead to the next.
            let to = to.as_flattened_mut().as_mut_ptr();
            for tap in 0..2 {
                // SAFETY: the nine taps of a vector of pairs are inside the weights, of which these are eight; their
                // rows are eight of the nine, of 16 numbers, which is the most that a vector has.
                unsafe { s.transpose8((from.add(tap), step), (to.add(16 * tap), 16)) };
            }
            for i in 0..count {
                s.prefetch(from.wrapping_add(ahead.wrapping_add(i * step)));
            }
            return;
        }
        for i in 0..count {
            let taps = self.values[start + i * step..].first_chunk().unwrap_or(&[0.0; 9]);
            for (to, &weight) in to.iter_mut().zip(taps) {
                to[i] = weight;
            }
        }
    }
}

/// Numbers between the rows that [`rows`] writes: as many input channels as fit.
pub(super) const ROW: usize = 64;

/// Writes the transformed weights from some input channels, at most [`ROW`], to output channels `first`
/// to `first + rows`: element (row, c) of a frequency is at `row * ROW + c`. Input channels are the lanes, so
/// that all lanes are used and whole lines written. [`pack`] has output channels, of which a group fills
/// three quarters of a vector. With what [`Taps::gather`] asks for ahead, a convolution of 512 channels over
/// 16x16 takes a tenth less time.
///
/// # Safety
/// `rows * ROW` numbers at every frequency must be writable, by this thread alone.
#[inline(always)]
#[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
pub(super) unsafe fn rows<S: Simd, T: Scheme>(
    s: S,
    taps: &Taps<'_>,
    inputs: Range<usize>,
    (first, rows): (usize, usize),
    (to, frequency): (*mut f32, usize),
) {
    let mut batch = [[[0.0_f32; 16]; 9]; 2];
    for c in inputs.clone().step_by(S::LANES) {
        let count = S::LANES.min(inputs.end - c);
        // The next of these rows, at last the first of the rows behind them.
        let ahead = if c + S::LANES < inputs.end {
            S::LANES * taps.steps.1
        } else {
            (rows * taps.steps.0).wrapping_sub((c - inputs.start) * taps.steps.1)
        };
        for row in 0..rows {
            if row % 2 == 0 {
                for (row, gathered) in (row..rows).zip(&mut batch) {
                    let pairs = (taps.steps.1, count);
                    taps.gather(s, (first + row, c), pairs, ahead, gathered);
                }
            }
            let to = to.wrapping_add(row * ROW + c - inputs.start);
            // SAFETY: by the caller's promise; a vector of channels ends inside the row.
            unsafe { transform::<S, T>(s, taps, &batch[row % 2], 0, (to, frequency), None) };
        }
    }
}

/// Writes the transformed weights from some input channels to output channels `first` to
/// `first + rows`: element (row, c) of a frequency is at `c * rows + row`, c from the first of them on.
///
/// # Safety
/// Rows times input channels numbers at every frequency must be writable, by this thread alone; `rows`
/// is at most 16.
#[inline(always)]
#[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
pub(super) unsafe fn pack<S: Simd, T: Scheme>(
    s: S,
    taps: &Taps<'_>,
    inputs: Range<usize>,
    (first, rows): (usize, usize),
    (to, frequency): (*mut f32, usize),
) {
    let count = inputs.len();
    // Several at once: the transform of one would wait for its own taps to arrive.
    let mut batch = [[[0.0_f32; 16]; 9]; 4];
    for c in 0..count {
        if c % 4 == 0 {
            for (c, gathered) in (inputs.start + c..inputs.end).zip(&mut batch) {
                let pairs = (taps.steps.0, rows);
                taps.gather(s, (first, c), pairs, AHEAD * taps.steps.1, gathered);
            }
        }
        let gathered = &batch[c % 4];
        for start in (0..rows).step_by(S::LANES) {
            let mask = (1_u32 << (rows - start).min(S::LANES)) - 1;
            let whole = c * rows + start + S::LANES <= count * rows;
            let to = to.wrapping_add(c * rows + start);
            let part = (!whole).then_some(mask);
            // SAFETY: by the caller's promise. A whole vector ends among the numbers of a frequency and may
            // reach into the next channel's place, which is written later; others are masked to this
            // channel's. LANES divides 16 and `start` is a multiple of it, so a vector from there lies
            // inside its row.
            unsafe { transform::<S, T>(s, taps, gathered, start, (to, frequency), part) };
        }
    }
}

/// Transforms vectors of weights, `at` in each row of `gathered`, and writes every frequency, or the
/// lanes `part` of it.
///
/// # Safety
/// These lanes at every frequency must be writable, by this thread alone; `at` and a vector end at 16.
#[inline(always)]
#[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
#[expect(clippy::needless_range_loop, reason = "indices of several arrays at once")]
unsafe fn transform<S: Simd, T: Scheme>(
    s: S,
    taps: &Taps<'_>,
    gathered: &[[f32; 16]; 9],
    at: usize,
    (to, frequency): (*mut f32, usize),
    part: Option<u32>,
) {
    let n = T::SIDE;
    let mut lines = [[s.splat(0.0); 6]; 3];
    for (i, line) in lines.iter_mut().enumerate() {
        let tap = |tap: usize| if taps.turned { 8 - tap } else { tap };
        let [a, b, c] = [0, 1, 2].map(|j| gathered[tap(3 * i + j)].as_ptr().wrapping_add(at));
        // SAFETY: inside the rows, by the caller's promise.
        *line = unsafe { T::weight(s, [s.load(a), s.load(b), s.load(c)]) };
    }
    for j in 0..n {
        let column = T::weight(s, [lines[0][j], lines[1][j], lines[2][j]]);
        for (i, &v) in column[..n].iter().enumerate() {
            let to = to.wrapping_add((i * n + j) * frequency);
            // SAFETY: by the caller's promise. Masked stores are slow on some processors.
            unsafe {
                match part {
                    None => s.store(to, v),
                    Some(mask) => s.store_part(to, v, mask),
                }
            }
        }
    }
}
