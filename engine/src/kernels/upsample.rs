//! Doubling by repeating pixels on the CPU, with its gradient.
#![expect(unsafe_code, reason = "maps of one tensor are written by several threads")]

use rayon::prelude::*;

use super::raw::wide;
use super::scratch::{Place, written};

/// Maps (.., H, W) to (.., 2H, 2W).
pub(super) fn forward(x: &[f32], (height, width): (usize, usize)) -> Vec<f32> {
    let map = (height * width).max(1);
    let all = |y: *mut f32| {
        let y = Place::new(y);
        x.par_chunks(map).enumerate().for_each(|(task, x)| {
            // SAFETY: the map of this task.
            let y =
                unsafe { std::slice::from_raw_parts_mut(y.get().add(4 * task * map), 4 * x.len()) };
            for (rows, line) in y.chunks_exact_mut(4 * width).zip(x.chunks_exact(width)) {
                let (upper, lower) = rows.split_at_mut(2 * width);
                for (pair, &value) in upper.chunks_exact_mut(2).zip(line) {
                    pair.fill(value);
                }
                lower.copy_from_slice(upper);
            }
        });
    };
    // SAFETY: each map is written, and those are all.
    unsafe { written(4 * x.len(), all) }
}

/// Sums of four: dy (.., 2H, 2W) to (.., H, W).
pub(super) fn backward(dy: &[f32], (height, width): (usize, usize)) -> Vec<f32> {
    let map = (height * width).max(1);
    let all = |dx: *mut f32| {
        let dx = Place::new(dx);
        dy.par_chunks(4 * map).enumerate().for_each(|(task, dy)| {
            // SAFETY: the map of this task.
            let dx =
                unsafe { std::slice::from_raw_parts_mut(dx.get().add(task * map), dy.len() / 4) };
            for (line, rows) in dx.chunks_exact_mut(width).zip(dy.chunks_exact(4 * width)) {
                let (upper, lower) = rows.split_at(2 * width);
                wide(|| {
                    let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
                    for (value, (a, b)) in line.iter_mut().zip(pairs) {
                        *value = (a[0] + a[1]) + (b[0] + b[1]);
                    }
                });
            }
        });
    };
    // SAFETY: each map is written, and those are all.
    unsafe { written(dy.len() / 4, all) }
}
