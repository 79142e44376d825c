//! Both algorithms and the gradients against their definition in f64, for every instruction set.

use super::super::simd::levels;
use super::super::tests::is_run;
use super::{Shape, Taps, bias_gradient, forward, weight_gradient};
use crate::random::{Noise, Purpose};

fn noise(cell: u64, n: usize) -> Vec<f32> {
    let noise = Noise::new(12, Purpose::Test, 0, cell);
    (0..n as u32).map(|lane| noise.normal(lane)).collect()
}

/// Batch, channels, size, zeros before and after: odd sizes, less than a window, less and more than a
/// block, channels that fill no vector and no group.
const CASES: [([usize; 3], [usize; 2], [usize; 2]); 11] = [
    ([1, 1, 1], [1, 1], [1, 1]),
    ([2, 3, 5], [7, 9], [1, 1]),
    ([1, 20, 17], [13, 6], [1, 1]),
    ([5, 3, 15], [2, 3], [1, 1]),
    ([3, 16, 48], [16, 16], [1, 1]),
    ([1, 33, 29], [47, 50], [1, 1]),
    ([1, 4, 3], [9, 8], [0, 0]),
    ([1, 4, 30], [9, 38], [0, 1]),
    ([2, 7, 3], [32, 33], [2, 2]),
    // Few windows, and so many channels that they are taken in parts.
    ([2, 150, 75], [7, 20], [1, 1]),
    ([70, 1, 2], [5, 6], [1, 1]),
];

fn shape([batch, inputs, outputs]: [usize; 3], [h, w]: [usize; 2], zeros: [usize; 2]) -> Shape {
    let more = zeros[0] + zeros[1] - 2;
    Shape {
        batch,
        inputs,
        outputs,
        height: h,
        width: w,
        out_height: h.wrapping_add(more),
        out_width: w.wrapping_add(more),
        before: zeros[0],
    }
}

struct Exact {
    y: Vec<f64>,
    dx: Vec<f64>,
    dw: Vec<f64>,
    db: Vec<f64>,
}

/// The definition of the convolution and of its gradients.
fn exact(shape: &Shape, (x, w, b, dy): (&[f32], &[f32], &[f32], &[f32])) -> Exact {
    let mut all = Exact {
        y: vec![0.0; dy.len()],
        dx: vec![0.0; x.len()],
        dw: vec![0.0; w.len()],
        db: vec![0.0; b.len()],
    };
    let (inputs, outputs) = (shape.inputs, shape.outputs);
    for (at, &g) in dy.iter().enumerate() {
        let (rest, column) = (at / shape.out_width, at % shape.out_width);
        let (map, row) = (rest / shape.out_height, rest % shape.out_height);
        let (image, o) = (map / outputs, map % outputs);
        let g = f64::from(g);
        all.y[at] = f64::from(b[o]);
        all.db[o] += g;
        for tap in 0..inputs * 9 {
            let (c, ky, kx) = (tap / 9, tap / 3 % 3, tap % 3);
            let (Some(iy), Some(ix)) =
                ((row + ky).checked_sub(shape.before), (column + kx).checked_sub(shape.before))
            else {
                continue;
            };
            if iy < shape.height && ix < shape.width {
                let from = ((image * inputs + c) * shape.height + iy) * shape.width + ix;
                let weight = o * inputs * 9 + tap;
                all.y[at] += f64::from(x[from]) * f64::from(w[weight]);
                all.dx[from] += g * f64::from(w[weight]);
                all.dw[weight] += g * f64::from(x[from]);
            }
        }
    }
    all
}

fn deviation(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let rms = (expected.iter().map(|x| x * x).sum::<f64>() / expected.len() as f64).sqrt();
    let far = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs());
    far.fold(0.0, f64::max) / rms.max(1e-6)
}

#[test]
fn every_instruction_set_gives_the_convolution_and_its_gradients() {
    for (sizes, side, zeros) in CASES {
        let shape = shape(sizes, side, zeros);
        if !is_run(shape.out_len() * shape.inputs * 9) {
            continue;
        }
        let (x, w) = (noise(1, shape.in_len()), noise(2, 9 * sizes[1] * sizes[2]));
        let (b, dy) = (noise(3, sizes[2]), noise(4, shape.out_len()));
        let expected = exact(&shape, (&x, &w, &b, &dy));
        let turned = Shape {
            inputs: shape.outputs,
            outputs: shape.inputs,
            height: shape.out_height,
            width: shape.out_width,
            out_height: shape.height,
            out_width: shape.width,
            before: 2 - shape.before,
            ..shape
        };
        for level in levels() {
            let taps = (Taps::new(&w, shape.inputs), Some(&b[..]));
            let what = format!("{shape:?} {level:?}");
            let four = deviation(&forward(level, &shape, &x, taps, false), &expected.y);
            assert!(four < 6e-5, "{what}: F(4x4) deviates by {four}");
            let two = deviation(&forward(level, &shape, &x, taps, true), &expected.y);
            assert!(two < 4e-6, "{what}: F(2x2) deviates by {two}");
            let taps = (Taps::turned(&w, shape.inputs), None);
            let dx = deviation(&forward(level, &turned, &dy, taps, false), &expected.dx);
            assert!(dx < 6e-5, "{what}: dx deviates by {dx}");
            let (dw, db) = weight_gradient(level, &shape, &x, &dy);
            assert_eq!(bias_gradient(level, &shape, &dy), db, "{what}: db alone");
            let (dw, db) = (deviation(&dw, &expected.dw), deviation(&db, &expected.db));
            assert!(dw < 6e-5 && db < 6e-6, "{what}: dw deviates by {dw}, db by {db}");
        }
    }
}

#[test]
fn nothing_beyond_the_results_is_written_and_nan_stays_where_it_is() {
    let shape = shape([1, 2, 3], [12, 12], [1, 1]);
    let mut x = noise(1, shape.in_len());
    x[0] = f32::NAN;
    let w = noise(2, 54);
    for level in levels() {
        for is_exact in [false, true] {
            let y = forward(level, &shape, &x, (Taps::new(&w, 2), None), is_exact);
            assert!(y[0].is_nan() && y[13].is_nan(), "a NaN reaches its neighbors");
            assert!(y[8..12].iter().chain(&y[8 * 12..144]).all(|v| v.is_finite()));
        }
    }
}
