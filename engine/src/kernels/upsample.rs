//! Doubling by repeating pixels on the CPU, with its gradient.
#![expect(unsafe_code, reason = "maps of one tensor are written by several threads")]

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::raw::wide;
use super::scratch::{Place, written};

/// Maps (.., H, W) to (.., 2H, 2W).
pub(super) fn forward(x: &[f32], (height, width): (usize, usize)) -> Vec<f32> {
    let map = (height * width).max(1);
    assert!(x.len().is_multiple_of(map), "maps of another size");
    let all = |y: *mut f32| {
        let y = Place::new(y);
        x.par_chunks(map).enumerate().for_each(|(task, x)| {
            // SAFETY: four places for each number of x before and in this map, so inside the result, and this
            // task's alone. They need no value yet.
            let y = unsafe {
                let start = y.get().add(4 * task * map).cast::<MaybeUninit<f32>>();
                std::slice::from_raw_parts_mut(start, 4 * x.len())
            };
            for (rows, line) in y.chunks_exact_mut(4 * width).zip(x.chunks_exact(width)) {
                let (upper, lower) = rows.split_at_mut(2 * width);
                for (pair, &value) in upper.chunks_exact_mut(2).zip(line) {
                    pair.fill(MaybeUninit::new(value));
                }
                lower.copy_from_slice(upper);
            }
        });
    };
    // SAFETY: maps of x are whole, so each line of each gives two whole lines, and those are all.
    unsafe { written(4 * x.len(), all) }
}

/// Sums of four: dy (.., 2H, 2W) to (.., H, W).
pub(super) fn backward(dy: &[f32], (height, width): (usize, usize)) -> Vec<f32> {
    let map = (height * width).max(1);
    assert!(dy.len().is_multiple_of(4 * map), "maps of another size");
    let all = |dx: *mut f32| {
        let dx = Place::new(dx);
        dy.par_chunks(4 * map).enumerate().for_each(|(task, dy)| {
            // SAFETY: a place for each four numbers of dy before and in this map, so inside the result, and this
            // task's alone. They need no value yet.
            let dx = unsafe {
                let start = dx.get().add(task * map).cast::<MaybeUninit<f32>>();
                std::slice::from_raw_parts_mut(start, dy.len() / 4)
            };
            for (line, rows) in dx.chunks_exact_mut(width).zip(dy.chunks_exact(4 * width)) {
                let (upper, lower) = rows.split_at(2 * width);
                wide(|| {
                    let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
                    for (value, (a, b)) in line.iter_mut().zip(pairs) {
                        value.write((a[0] + a[1]) + (b[0] + b[1]));
                    }
                });
            }
        });
    };
    // SAFETY: maps of dy are whole, so each two lines of each give a whole line, and those are all.
    unsafe { written(dy.len() / 4, all) }
}

#[cfg(test)]
mod tests {
    use super::{backward, forward};

    #[test]
    #[should_panic(expected = "maps of another size")]
    fn a_part_of_a_map_is_not_doubled() {
        forward(&[1.0; 7], (2, 3));
    }

    #[test]
    #[should_panic(expected = "maps of another size")]
    fn a_part_of_a_gradient_is_not_summed() {
        backward(&[1.0; 20], (2, 3));
    }
}
