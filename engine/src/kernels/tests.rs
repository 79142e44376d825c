//! Kernels against plain f64 code, candle's own operations and finite differences.

use candle_core::{DType, Device, Tensor, Var};

use super::{
    Conv, Link, Shortcut, chain, conv2d, group_norm, nearest, plain, recomputing, upsample2,
};
use crate::device::of_tests;
use crate::random::{Noise, Purpose};

/// Whether a case of so many multiplications is run: under Miri, which is thousands of times slower, only
/// small ones.
pub(super) fn is_run(multiplications: usize) -> bool {
    !cfg!(miri) || multiplications <= 25_000
}

/// Whether the kernels of this module are what is tested, and not candle's operations.
pub(super) fn is_ours() -> bool {
    !super::choice::is_plain() && of_tests().unwrap().is_cpu()
}

pub(super) fn noise(cell: u64, shape: &[usize]) -> Tensor {
    noise_on(&of_tests().unwrap(), cell, shape)
}

/// For kernels that are called without the functions that choose between them.
pub(super) fn noise_on(device: &Device, cell: u64, shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let noise = Noise::new(11, Purpose::Test, 0, cell);
    let values: Vec<f32> = (0..n as u32).map(|lane| noise.normal(lane)).collect();
    Tensor::from_vec(values, shape, device).unwrap()
}

pub(super) fn flat(t: &Tensor) -> Vec<f64> {
    // Not on a card, which starts nothing for tensors without numbers.
    let t = t.to_device(&Device::Cpu).unwrap();
    t.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

/// Largest deviation over the root mean square of what is expected.
pub(super) fn deviation(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let rms = (expected.iter().map(|x| x * x).sum::<f64>() / expected.len() as f64).sqrt();
    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / rms.max(1e-12)
}

/// The definition, in f64.
fn conv_f64(x: &Tensor, weight: &Tensor, bias: &[f64], conv: Conv) -> Vec<f64> {
    let (b, cin, h, w) = x.dims4().unwrap();
    let (cout, _, kh, kw) = weight.dims4().unwrap();
    let (x, weight) = (flat(x), flat(weight));
    let padding = conv.before + conv.after;
    let (oh, ow) = ((h + padding - kh) / conv.stride + 1, (w + padding - kw) / conv.stride + 1);
    let mut out = Vec::new();
    for at in 0..b * cout * oh * ow {
        let (image, o) = (at / (cout * oh * ow), at / (oh * ow) % cout);
        let (oy, ox) = (at / ow % oh, at % ow);
        let mut sum = bias.get(o).copied().unwrap_or(0.0);
        for tap in 0..cin * kh * kw {
            let (c, ky, kx) = (tap / (kh * kw), tap / kw % kh, tap % kw);
            let (iy, ix) = (oy * conv.stride + ky, ox * conv.stride + kx);
            if iy >= conv.before
                && iy < conv.before + h
                && ix >= conv.before
                && ix < conv.before + w
            {
                let place = ((image * cin + c) * h + iy - conv.before) * w + ix - conv.before;
                sum += x[place] * weight[o * cin * kh * kw + tap];
            }
        }
        out.push(sum);
    }
    out
}

/// (x, weight, convolution): odd sizes, both paddings, strides, kernels, several blocks.
fn cases() -> Vec<([usize; 4], [usize; 4], Conv)> {
    let down = Conv::new(2, 0, 1);
    vec![
        ([2, 3, 7, 5], [4, 3, 3, 3], Conv::same(1)),
        ([1, 1, 1, 1], [1, 1, 3, 3], Conv::same(1)),
        ([3, 5, 4, 9], [7, 5, 1, 1], Conv::same(0)),
        ([2, 2, 8, 6], [3, 2, 3, 3], down),
        ([1, 3, 9, 11], [2, 3, 3, 3], down),
        ([2, 3, 9, 10], [5, 3, 4, 4], Conv::new(2, 1, 1)),
        ([1, 2, 6, 7], [3, 2, 5, 5], Conv::same(2)),
        ([1, 2, 9, 8], [3, 2, 3, 3], Conv::same(0)),
        ([1, 2, 5, 6], [3, 2, 2, 2], Conv::new(1, 0, 1)),
        ([1, 2, 5, 6], [3, 2, 1, 3], Conv::same(1)),
        ([2, 2, 5, 6], [3, 2, 1, 1], Conv::new(2, 0, 0)),
        ([1, 40, 23, 21], [9, 40, 3, 3], Conv::same(1)),
    ]
}

#[test]
fn convolution_is_its_definition() {
    for (x, w, conv) in cases() {
        let (x, w, b) = (noise(1, &x), noise(2, &w), noise(3, &[w[0]]));
        let expected = conv_f64(&x, &w, &flat(&b), conv);
        let found = conv2d(&x, &w, Some(&b), conv).unwrap();
        assert!(deviation(&flat(&found), &expected) < 1e-5, "{:?} {conv:?}", x.dims());
        let without = conv2d(&x, &w, None, conv).unwrap();
        let expected = conv_f64(&x, &w, &[], conv);
        assert!(deviation(&flat(&without), &expected) < 1e-5, "{:?} {conv:?}", x.dims());
    }
}

#[test]
fn convolution_reads_turned_and_cut_tensors() {
    let x = noise(1, &[2, 9, 3, 8]).transpose(1, 2).unwrap().narrow(3, 1, 6).unwrap();
    let w = noise(2, &[3, 4, 3, 3]).transpose(0, 1).unwrap();
    let expected = conv_f64(&x.contiguous().unwrap(), &w.contiguous().unwrap(), &[], Conv::same(1));
    let found = conv2d(&x, &w, None, Conv::same(1)).unwrap();
    assert!(deviation(&flat(&found), &expected) < 1e-5);
    // Contiguous, but not from the start of its memory.
    let part = noise(4, &[5, 3, 4, 4]).narrow(0, 2, 2).unwrap();
    let w = noise(2, &[2, 3, 3, 3]);
    let expected = conv_f64(&part.copy().unwrap(), &w, &[], Conv::same(1));
    let found = conv2d(&part, &w, None, Conv::same(1)).unwrap();
    assert!(deviation(&flat(&found), &expected) < 1e-5);
}

#[test]
fn convolution_refuses_what_does_not_fit() {
    let w = noise(2, &[2, 3, 3, 3]);
    assert!(conv2d(&noise(1, &[1, 2, 8, 8]), &w, None, Conv::same(1)).is_err());
    assert!(conv2d(&noise(1, &[1, 3, 1, 1]), &w, None, Conv::same(0)).is_err());
    let bias = noise(3, &[5]);
    assert!(conv2d(&noise(1, &[1, 3, 8, 8]), &w, Some(&bias), Conv::same(1)).is_err());
}

/// Gradients of sum(f(vars) * c) with respect to each variable, by candle's backward.
pub(super) fn gradients(vars: &[Var], f: &dyn Fn(&[Tensor]) -> Tensor) -> Vec<Vec<f64>> {
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&tensors);
    let loss = (&y * noise(99, y.dims())).unwrap().sum_all().unwrap();
    let grads = loss.backward().unwrap();
    vars.iter().map(|v| flat(grads.get(v).unwrap())).collect()
}

pub(super) fn assert_gradients_agree(
    what: &str,
    shapes: &[Vec<usize>],
    ours: &dyn Fn(&[Tensor]) -> Tensor,
    plain: &dyn Fn(&[Tensor]) -> Tensor,
) {
    let vars: Vec<Var> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| Var::from_tensor(&noise(i as u64 + 20, shape)).unwrap())
        .collect();
    let found = gradients(&vars, ours);
    for (i, (a, b)) in found.iter().zip(gradients(&vars, plain)).enumerate() {
        assert!(deviation(a, &b) < 2e-4, "{what}: gradient {i} deviates by {}", deviation(a, &b));
    }
    let again = gradients(&vars, &|t| recomputing(true, || ours(t)));
    assert!(again == found, "{what}: other gradients where the backward pass computes again");
    // Finite differences of a few elements of each variable.
    let loss = |tensors: &[Tensor]| {
        let y = ours(tensors);
        let (y, c) = (flat(&y), flat(&noise(99, y.dims())));
        y.iter().zip(c).map(|(y, c)| y * c).sum::<f64>()
    };
    for (i, var) in vars.iter().enumerate() {
        let n = var.elem_count();
        for at in [0, n / 3, n / 2, n - 1] {
            let moved = |by: f32| {
                let mut values: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
                values[at] += by;
                let mut all: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().detach()).collect();
                all[i] = Tensor::from_vec(values, var.dims(), &of_tests().unwrap()).unwrap();
                loss(&all)
            };
            let slope = (moved(5e-3) - moved(-5e-3)) / 1e-2;
            let scale = found[i].iter().map(|x| x.abs()).fold(1.0, f64::max);
            let error = (slope - found[i][at]).abs() / scale;
            assert!(error < 5e-3, "{what}: argument {i}, element {at}: {slope} {}", found[i][at]);
        }
    }
}

#[test]
fn gradients_of_the_convolution_are_right() {
    for (x, w, conv) in cases() {
        let shapes = [x.to_vec(), w.to_vec(), vec![w[0]]];
        assert_gradients_agree(
            &format!("{x:?} {w:?} {conv:?}"),
            &shapes,
            &|t| conv2d(&t[0], &t[1], Some(&t[2]), conv).unwrap(),
            &|t| plain::conv2d(&t[0], &t[1], Some(&t[2]), conv).unwrap(),
        );
    }
    assert_gradients_agree(
        "turned, without bias",
        &[vec![2, 6, 3, 5], vec![3, 4, 3, 3]],
        &|t| {
            let (x, w) = (t[0].transpose(1, 2).unwrap(), t[1].transpose(0, 1).unwrap());
            conv2d(&x, &w, None, Conv::same(1)).unwrap().transpose(2, 3).unwrap()
        },
        &|t| {
            let (x, w) = (t[0].transpose(1, 2).unwrap(), t[1].transpose(0, 1).unwrap());
            let (x, w) = (x.contiguous().unwrap(), w.contiguous().unwrap());
            plain::conv2d(&x, &w, None, Conv::same(1)).unwrap().transpose(2, 3).unwrap()
        },
    );
}

#[test]
fn group_norm_is_its_definition_with_its_gradients() {
    for (shape, groups, silu) in [
        (vec![2, 6, 5, 3], 3, false),
        (vec![1, 4, 1, 1], 2, true),
        (vec![2, 4, 40, 33], 4, true),
        (vec![3, 8, 7, 5], 1, true),
    ] {
        let (x, w, b) = (noise(1, &shape), noise(2, &[shape[1]]), noise(3, &[shape[1]]));
        let found = flat(&group_norm(&x, (&w, &b), groups, 1e-6, silu).unwrap());
        let (values, w64, b64) = (flat(&x), flat(&w), flat(&b));
        let pixels = shape[2] * shape[3];
        let slab = shape[1] / groups * pixels;
        for (at, found) in found.iter().enumerate() {
            let group = &values[at / slab * slab..(at / slab + 1) * slab];
            let mean = group.iter().sum::<f64>() / slab as f64;
            let variance = group.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / slab as f64;
            let c = at / pixels % shape[1];
            let z = (values[at] - mean) / (variance + 1e-6).sqrt() * w64[c] + b64[c];
            let expected = if silu { z / (1.0 + (-z).exp()) } else { z };
            assert!((found - expected).abs() < 2e-5, "{shape:?} at {at}: {found} {expected}");
        }
        assert_gradients_agree(
            &format!("group_norm {shape:?} {groups} {silu}"),
            &[shape.clone(), vec![shape[1]], vec![shape[1]]],
            &|t| group_norm(&t[0], (&t[1], &t[2]), groups, 1e-2, silu).unwrap(),
            &|t| plain::group_norm(&t[0], (&t[1], &t[2]), groups, 1e-2, silu).unwrap(),
        );
    }
    let (x, w) = (noise(1, &[1, 6, 2, 2]), noise(2, &[6]));
    assert!(group_norm(&x, (&w, &w), 4, 1e-6, true).is_err());
}

/// A residual block from 4 to 6 channels (or 4) and a doubling, the way the layers chain them.
fn block(t: &[Tensor], own: bool) -> Tensor {
    let silu = |w, b| (w, b, 2_usize, 1e-2);
    let (n1, c1, n2, c2) = (silu(&t[1], &t[2]), (&t[3], &t[4]), silu(&t[5], &t[6]), (&t[7], &t[8]));
    let side = (t.len() > 9).then(|| (&t[9], &t[10]));
    let (same, pointwise) = (Conv::same(1), Conv::same(0));
    if own {
        let norm =
            |(weight, bias, groups, eps)| Link::GroupNorm { weight, bias, groups, eps, silu: true };
        let conv = |(weight, bias)| Link::Conv { weight, bias: Some(bias), conv: same };
        let shortcut = side.map_or(Shortcut::Same, |(w, b)| Shortcut::Conv(w, b));
        let y = chain(&t[0], &[norm(n1), conv(c1), norm(n2), conv(c2)], shortcut).unwrap();
        let last = Link::Conv { weight: c2.0, bias: None, conv: same };
        return chain(&y, &[Link::Double, last], Shortcut::None).unwrap();
    }
    let norm =
        |x: &Tensor, (w, b, groups, eps)| plain::group_norm(x, (w, b), groups, eps, true).unwrap();
    let conv = |x: &Tensor, (w, b)| plain::conv2d(x, w, Some(b), same).unwrap();
    let h = conv(&norm(&conv(&norm(&t[0], n1), c1), n2), c2);
    let x =
        side.map_or(t[0].clone(), |(w, b)| plain::conv2d(&t[0], w, Some(b), pointwise).unwrap());
    let y = plain::upsample2(&(x + h).unwrap()).unwrap();
    plain::conv2d(&y, c2.0, None, same).unwrap()
}

#[test]
fn a_chain_is_its_layers_with_their_gradients() {
    for out in [4, 6] {
        let mut shapes = vec![
            vec![3, 4, 6, 5],
            vec![4],
            vec![4],
            vec![out, 4, 3, 3],
            vec![out],
            vec![out],
            vec![out],
            vec![out, out, 3, 3],
            vec![out],
        ];
        if out != 4 {
            shapes.extend([vec![out, 4, 1, 1], vec![out]]);
        }
        let (ours, plain) = (|t: &[Tensor]| block(t, true), |t: &[Tensor]| block(t, false));
        assert_gradients_agree(&format!("chain to {out}"), &shapes, &ours, &plain);
        // Nothing to train: another way through the same kernels.
        let fixed: Vec<Tensor> =
            shapes.iter().enumerate().map(|(i, shape)| noise(i as u64, shape)).collect();
        assert!(deviation(&flat(&ours(&fixed)), &flat(&plain(&fixed))) < 1e-4);
    }
    let (x, w) = (noise(1, &[1, 4, 5, 5]), noise(2, &[6, 4, 3, 3]));
    let links = [Link::Conv { weight: &w, bias: None, conv: Conv::same(1) }];
    assert!(chain(&x, &links, Shortcut::Same).is_err(), "a sum of different shapes");
}

#[test]
fn doubling_repeats_pixels_and_sums_gradients() {
    let x = noise(1, &[2, 3, 5, 4]);
    let ours = upsample2(&x.transpose(2, 3).unwrap()).unwrap();
    let plain = plain::upsample2(&x.transpose(2, 3).unwrap().contiguous().unwrap()).unwrap();
    assert_eq!(flat(&ours), flat(&plain));
    // The input is used twice: candle's own doubling would lose one of the two gradients.
    assert_gradients_agree(
        "upsample2",
        &[vec![2, 3, 5, 4]],
        &|t| (upsample2(&t[0]).unwrap() + upsample2(&t[0].sqr().unwrap()).unwrap()).unwrap(),
        &|t| {
            let squares = plain::upsample2(&t[0].sqr().unwrap()).unwrap();
            (plain::upsample2(&t[0]).unwrap() + squares).unwrap()
        },
    );
}

/// The gradients of sum(f(vars) * c) of functions of f64, by moving every number.
fn assert_differences_agree(shapes: &[&[usize]], f: &dyn Fn(&[Tensor]) -> Tensor, what: &str) {
    let vars: Vec<Var> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| noise(i as u64 + 1, shape).to_dtype(DType::F64).unwrap())
        .map(|tensor| Var::from_tensor(&tensor).unwrap())
        .collect();
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let sum = |tensors: &[Tensor]| {
        let y = f(tensors);
        (&y * noise(99, y.dims()).to_dtype(DType::F64).unwrap()).unwrap().sum_all().unwrap()
    };
    let found = sum(&tensors).backward().unwrap();
    for (which, var) in vars.iter().enumerate() {
        let found = flat(found.get(var).unwrap());
        let values = flat(var);
        let mut expected = Vec::new();
        for at in 0..values.len() {
            let moved = |by: f64| {
                let mut values = values.clone();
                values[at] += by;
                let mut tensors: Vec<Tensor> = tensors.iter().map(Tensor::detach).collect();
                tensors[which] = Tensor::from_vec(values, var.shape(), var.device()).unwrap();
                sum(&tensors).to_scalar::<f64>().unwrap()
            };
            expected.push((moved(1e-4) - moved(-1e-4)) / 2e-4);
        }
        let far = deviation(&found, &expected);
        assert!(far < 1e-6, "{what}, argument {which}: {far}");
    }
}

#[test]
fn gradients_of_the_plain_operations_are_those_of_finite_differences() {
    for (x, w, conv) in cases().into_iter().filter(|(x, ..)| x.iter().product::<usize>() < 1000) {
        let apply = |t: &[Tensor]| plain::conv2d(&t[0], &t[1], Some(&t[2]), conv).unwrap();
        assert_differences_agree(&[&x, &w, &[w[0]]], &apply, &format!("{x:?} {w:?} {conv:?}"));
    }
    for silu in [false, true] {
        let apply = |t: &[Tensor]| plain::group_norm(&t[0], (&t[1], &t[2]), 2, 1e-3, silu).unwrap();
        assert_differences_agree(&[&[2, 6, 3, 4], &[6], &[6]], &apply, &format!("silu {silu}"));
    }
}

#[test]
fn nearest_finds_the_first_of_the_nearest() {
    for (n, k, dim) in [(1, 1, 1), (67, 700, 3), (130, 513, 8), (5, 16, 64)] {
        let (v, e) = (noise(1, &[n, dim]), noise(2, &[k, dim]));
        let found: Vec<u32> = nearest(&v, &e).unwrap().to_vec1().unwrap();
        let (v, e) = (flat(&v), flat(&e));
        for (i, &found) in found.iter().enumerate() {
            let distance = |code: usize| -> f64 {
                (0..dim).map(|d| (v[i * dim + d] - e[code * dim + d]).powi(2)).sum()
            };
            let best = (0..k).map(distance).fold(f64::INFINITY, f64::min);
            assert!(distance(found as usize) <= best + 1e-5, "vector {i} of {n}");
        }
    }
    let twice = Tensor::cat(&[noise(3, &[600, 4]), noise(3, &[600, 4])], 0).unwrap();
    let found: Vec<u32> = nearest(&noise(3, &[600, 4]), &twice).unwrap().to_vec1().unwrap();
    assert!(found.iter().all(|&code| code < 600), "the first of equals");
}

#[test]
fn nearest_names_the_place_of_a_nan() {
    let mut values = vec![0.0_f32; 12];
    values[7] = f32::NAN;
    let v = Tensor::from_vec(values, (3, 4), &of_tests().unwrap()).unwrap();
    let error = nearest(&v, &noise(1, &[5, 4])).unwrap_err().to_string();
    assert!(error.contains("vector 1, dimension 3"), "{error}");
    assert!(nearest(&noise(1, &[5, 4]), &v).is_err());
    assert!(nearest(&noise(1, &[5, 3]), &noise(1, &[5, 4])).is_err());
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let all = || {
        let (x, w) =
            (Var::from_tensor(&noise(1, &[5, 8, 24, 24])).unwrap(), noise(2, &[8, 8, 3, 3]));
        let (w, b) = (Var::from_tensor(&w).unwrap(), Var::from_tensor(&noise(3, &[8])).unwrap());
        let y = conv2d(&x, &w, Some(&b), Conv::same(1)).unwrap();
        let y = group_norm(&y, (&b, &b), 4, 1e-6, true).unwrap();
        let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        [&x, &w, &b].map(|v| flat(grads.get(v).unwrap())).concat()
    };
    let with = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all)
    };
    assert_eq!(with(1), with(3));
}
