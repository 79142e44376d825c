//! Weights as the products read them: transformed, and packed in groups of output channels.
#![expect(unsafe_code, reason = "writes scratch by pointer")]

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

    /// The taps from an input to an output.
    fn get(&self, output: usize, input: usize) -> &[f32; 9] {
        let start = output * self.steps.0 + input * self.steps.1;
        self.values[start..].first_chunk().unwrap_or(&[0.0; 9])
    }

    /// The taps from input `c` to outputs `first` to `first + rows`, those of an output below each other.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
    fn gather<S: Simd>(&self, s: S, c: usize, first: usize, rows: usize, to: &mut [[f32; 16]; 9]) {
        // Whole squares where all of it is inside: reading a number at a time takes as long as the
        // transform. The second square begins a tap later and brings the ninth.
        let start = first * self.steps.0 + c * self.steps.1;
        let end = start + (S::LANES - 1) * self.steps.0 + 9;
        if S::LANES == 8 && rows <= 8 && end <= self.values.len() {
            let from = self.values[start..].as_ptr();
            // All nine rows: a pointer to one of them may not lead to the next.
            let to = to.as_flattened_mut().as_mut_ptr();
            for tap in 0..2 {
                // SAFETY: the nine taps of eight outputs are inside the weights, of which these are eight; their
                // rows are eight of the nine, of 16 numbers.
                unsafe { s.transpose((from.add(tap), self.steps.0), (to.add(16 * tap), 16)) };
            }
            // As many streams as outputs, and too far apart for the processor to foresee them.
            for row in 0..rows {
                s.prefetch(from.wrapping_add(row * self.steps.0 + AHEAD * self.steps.1));
            }
            return;
        }
        for row in 0..rows {
            for (tap, &weight) in self.get(first + row, c).iter().enumerate() {
                to[tap][row] = weight;
            }
        }
    }
}

/// Writes the transformed weights of output channels `first` to `first + rows`: element (row, c) of
/// a frequency is at `c * rows + row`.
///
/// # Safety
/// `inputs * rows` numbers at every frequency must be writable, by this thread alone; `rows` is at
/// most 16.
#[inline(always)]
#[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
#[expect(clippy::needless_range_loop, reason = "indices of several arrays at once")]
pub(super) unsafe fn pack<S: Simd, T: Scheme>(
    s: S,
    taps: &Taps<'_>,
    inputs: usize,
    (first, rows): (usize, usize),
    (to, frequency): (*mut f32, usize),
) {
    let n = T::SIDE;
    // Several at once: the transform of one would wait for its own taps to arrive.
    let mut batch = [[[0.0_f32; 16]; 9]; 4];
    for c in 0..inputs {
        if c % 4 == 0 {
            for (c, gathered) in (c..inputs).zip(&mut batch) {
                taps.gather(s, c, first, rows, gathered);
            }
        }
        let gathered = &batch[c % 4];
        for start in (0..rows).step_by(S::LANES) {
            let mask = (1_u32 << (rows - start).min(S::LANES)) - 1;
            // Masked stores are slow on some processors.
            let whole = c * rows + start + S::LANES <= inputs * rows;
            // SAFETY: LANES divides 16 and `start` is a multiple of it below `rows`, at most 16, so a vector from
            // there lies inside its row.
            let g = |i: usize| unsafe {
                s.load(gathered[if taps.turned { 8 - i } else { i }].as_ptr().add(start))
            };
            let mut lines = [[s.splat(0.0); 6]; 3];
            for (i, line) in lines.iter_mut().enumerate() {
                *line = T::weight(s, [g(3 * i), g(3 * i + 1), g(3 * i + 2)]);
            }
            for j in 0..n {
                let column = T::weight(s, [lines[0][j], lines[1][j], lines[2][j]]);
                for (i, &v) in column[..n].iter().enumerate() {
                    let place = (i * n + j) * frequency + c * rows + start;
                    // SAFETY: `inputs * rows` numbers are the caller's promise. A whole vector ends among them and
                    // may reach into the next channel's place, which is written later; others are masked to
                    // this channel's.
                    unsafe {
                        if whole {
                            s.store(to.add(place), v);
                        } else {
                            s.store_part(to.add(place), v, mask);
                        }
                    };
                }
            }
        }
    }
}
