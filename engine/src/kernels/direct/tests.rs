//! Convolutions and gradients against their definition in f64, for every instruction set.

use super::super::plan::Plan;
use super::super::rules::Conv;
use super::super::simd::{Level, levels};
use super::super::tests::is_run;
use super::{forward, input_gradient, weight_gradient};
use crate::random::{Noise, Purpose};

fn noise(cell: u64, n: usize) -> Vec<f32> {
    let noise = Noise::new(13, Purpose::Test, 0, cell);
    (0..n as u32).map(|lane| noise.normal(lane)).collect()
}

/// x, weights, stride and zeros: odd sizes, less and more than a block, lines that fill no vector,
/// channels that fill no vector and no group, kernels with and without a middle, no taps for some
/// phases, more channels than are unfolded at once.
fn cases() -> Vec<([usize; 4], [usize; 4], Conv)> {
    let down = Conv::new(2, 0, 1);
    vec![
        ([1, 1, 1, 1], [1, 1, 1, 1], Conv::same(0)),
        ([1, 1, 1, 1], [2, 1, 3, 3], Conv::new(2, 1, 1)),
        ([2, 3, 16, 16], [5, 3, 3, 3], Conv::new(2, 1, 1)),
        ([1, 3, 34, 31], [17, 3, 3, 3], Conv::new(2, 1, 1)),
        ([2, 5, 33, 66], [7, 5, 3, 3], down),
        ([1, 38, 12, 9], [4, 38, 3, 3], down),
        ([3, 5, 4, 9], [33, 5, 1, 1], Conv::same(0)),
        ([1, 330, 13, 11], [19, 330, 1, 1], Conv::same(0)),
        ([1, 2, 1, 300], [3, 2, 1, 1], Conv::same(0)),
        ([2, 3, 9, 10], [5, 3, 4, 4], Conv::new(2, 1, 1)),
        ([1, 2, 26, 27], [3, 2, 5, 5], Conv::same(2)),
        ([1, 2, 20, 19], [3, 2, 5, 3], Conv::new(3, 1, 2)),
        ([2, 2, 9, 7], [3, 2, 2, 2], Conv::new(4, 0, 1)),
        ([2, 2, 15, 40], [3, 2, 1, 1], Conv::new(2, 0, 0)),
        ([1, 2, 5, 6], [3, 2, 1, 3], Conv::same(2)),
        ([2, 9, 3, 3], [8, 9, 3, 3], Conv::same(0)),
        // Strides beyond the image, down, across and both, of which a phase each would be too many.
        ([2, 2, 3, 40], [3, 2, 2, 2], Conv::new(5, 1, 1)),
        ([2, 2, 40, 3], [3, 2, 2, 2], Conv::new(5, 1, 1)),
        ([2, 2, 4, 5], [3, 2, 3, 3], Conv::new(1 << 20, 1, 1)),
    ]
}

struct Exact {
    y: Vec<f64>,
    dx: Vec<f64>,
    dw: Vec<f64>,
}

/// The definition of the convolution and of its gradients.
fn exact(plan: &Plan, x: &[f32], w: &[f32], b: &[f32], dy: &[f32]) -> Exact {
    let mut all = Exact { y: vec![0.0; dy.len()], dx: vec![0.0; x.len()], dw: vec![0.0; w.len()] };
    let ((kh, kw), conv) = (plan.kernel, plan.conv);
    let depth = plan.inputs * kh * kw;
    for (at, &g) in dy.iter().enumerate() {
        let (rest, column) = (at / plan.out_width, at % plan.out_width);
        let (map, row) = (rest / plan.out_height, rest % plan.out_height);
        let (image, o) = (map / plan.outputs, map % plan.outputs);
        all.y[at] = f64::from(b[o]);
        for k in 0..depth {
            let (c, ky, kx) = (k / (kh * kw), k / kw % kh, k % kw);
            let y = (row * conv.stride + ky).wrapping_sub(conv.before);
            let x_ = (column * conv.stride + kx).wrapping_sub(conv.before);
            if y < plan.height && x_ < plan.width {
                let from = ((image * plan.inputs + c) * plan.height + y) * plan.width + x_;
                all.y[at] += f64::from(x[from]) * f64::from(w[o * depth + k]);
                all.dx[from] += f64::from(g) * f64::from(w[o * depth + k]);
                all.dw[o * depth + k] += f64::from(g) * f64::from(x[from]);
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
    for (x, w, conv) in cases() {
        let plan = Plan::new(&x, &w, conv).unwrap();
        if !is_run(plan.out_len() * w[1..].iter().product::<usize>()) {
            continue;
        }
        let (x, w) = (noise(1, x.iter().product()), noise(2, w.iter().product()));
        let (b, dy) = (noise(3, plan.outputs), noise(4, plan.out_len()));
        let expected = exact(&plan, &x, &w, &b, &dy);
        for level in levels() {
            let near = |what: &str, found: &[f32], expected: &[f64]| {
                let far = deviation(found, expected);
                assert!(far < 4e-6, "{plan:?} {level:?}: {what} deviates by {far}");
            };
            near("y", &forward(level, &plan, &x, &w, Some(&b)), &expected.y);
            near("dx", &input_gradient(level, &plan, &w, &dy), &expected.dx);
            near("dw", &weight_gradient(level, &plan, &x, &dy), &expected.dw);
        }
    }
}

#[test]
fn without_channels_or_images_there_is_the_bias_or_nothing() {
    for level in levels() {
        let run = |x: [usize; 4], w: [usize; 4]| {
            let plan = Plan::new(&x, &w, Conv::new(2, 1, 1)).unwrap();
            let (x, w) = (noise(1, x.iter().product()), noise(2, w.iter().product()));
            let dy = noise(3, plan.out_len());
            let dx = input_gradient(level, &plan, &w, &dy);
            let dw = weight_gradient(level, &plan, &x, &dy);
            assert_eq!((dx.len(), dw.len()), (x.len(), w.len()));
            (forward(level, &plan, &x, &w, Some(&vec![2.0; plan.outputs])), dw)
        };
        assert_eq!(run([1, 0, 6, 5], [2, 0, 3, 3]).0, [2.0; 18]);
        assert_eq!(run([0, 2, 6, 5], [2, 2, 3, 3]), (vec![], vec![0.0; 36]));
        assert!(run([1, 2, 6, 5], [0, 2, 3, 3]).0.is_empty());
    }
}

#[test]
fn a_nan_reaches_its_patches_and_no_others() {
    let conv = Conv::new(2, 1, 1);
    let plan = Plan::new(&[1, 2, 12, 40], &[3, 2, 3, 3], conv).unwrap();
    let (mut x, w) = (noise(1, plan.in_len()), noise(2, 54));
    x[0] = f32::NAN;
    let is_nan = |level: Level| {
        let y = forward(level, &plan, &x, &w, None);
        y.iter().map(|v| v.is_nan()).collect::<Vec<_>>()
    };
    for level in levels() {
        let hit = is_nan(level);
        assert!((0..hit.len()).all(|at| hit[at] == (at % 120 == 0)), "{level:?}");
    }
}
