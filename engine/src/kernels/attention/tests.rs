//! Attention against its definition in f64.

use candle_core::{Tensor, Var};

use super::super::scratch::Pointer;
use super::super::tests::{assert_gradients_agree, deviation, flat, is_run, noise};
use super::super::{Mask, attention, map_attention, plain};
use super::{Heads, Place, Rule, Sizes, backward, forward};
use crate::device::of_tests;
use crate::kernels::simd::{Level, levels};

fn sizes(batch: usize, heads: usize, queries: usize, keys: usize, dim: usize) -> Sizes {
    Sizes { batch, heads, queries, keys, dim }
}

/// Odd sizes, one and many, several tiles of queries and keys, few queries.
fn cases() -> Vec<(Sizes, Option<Vec<usize>>)> {
    let causal = |queries: usize, keys: usize| Some((keys - queries + 1..=keys).collect());
    vec![
        (sizes(1, 1, 1, 2, 1), None),
        (sizes(2, 3, 5, 7, 5), None),
        (sizes(1, 2, 3, 301, 20), None),
        (sizes(2, 1, 70, 130, 64), None),
        (sizes(1, 1, 33, 257, 33), None),
        (sizes(1, 2, 6, 6, 8), causal(6, 6)),
        (sizes(2, 2, 131, 131, 16), causal(131, 131)),
        (sizes(1, 2, 37, 300, 24), causal(37, 300)),
        (sizes(2, 1, 2, 300, 70), causal(2, 300)),
        (
            sizes(1, 1, 85, 85, 12),
            Some(
                (0..85)
                    .map(|i| {
                        [1, 5, 14, 85]
                            [usize::from(i > 0) + usize::from(i > 4) + usize::from(i > 13)]
                    })
                    .collect(),
            ),
        ),
        (sizes(1, 1, 70, 100, 3), causal(70, 100)),
        (sizes(0, 2, 4, 5, 3), None),
        (sizes(2, 2, 0, 5, 3), None),
    ]
}

/// Result and gradients of sum(result * dy) in f64: result, dq, dk, dv.
fn reference(sizes: Sizes, inputs: [&[f64]; 3], rule: &Rule, dy: &[f64]) -> [Vec<f64>; 4] {
    let Sizes { batch, heads, queries, keys, dim } = sizes;
    let [q, k, v] = inputs;
    let mut results =
        [vec![0.0; q.len()], vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; k.len()]];
    for (head, i) in (0..batch * heads).flat_map(|head| (0..queries).map(move |i| (head, i))) {
        let (row, first) = ((head * queries + i) * dim, head * keys * dim);
        let seen = rule.seen.as_ref().map_or(keys, |seen| seen[i]);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let at = |j: usize| first + j * dim..first + (j + 1) * dim;
        let scale = f64::from(rule.scale);
        let mut p: Vec<f64> =
            (0..seen).map(|j| scale * dot(&q[row..row + dim], &k[at(j)])).collect();
        let peak = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for x in &mut p {
            *x = (*x - peak).exp();
        }
        let sum: f64 = p.iter().sum();
        for x in &mut p {
            *x /= sum;
        }
        let g = &dy[row..row + dim];
        let dp: Vec<f64> = (0..seen).map(|j| dot(g, &v[at(j)])).collect();
        let mean = dot(&p, &dp);
        for j in 0..seen {
            let ds = p[j] * (dp[j] - mean) * scale;
            for d in 0..dim {
                let place = first + j * dim + d;
                results[0][row + d] += p[j] * v[place];
                results[1][row + d] += ds * k[place];
                results[2][place] += ds * q[row + d];
                results[3][place] += p[j] * g[d];
            }
        }
    }
    results
}

fn heads<P>(start: P, [h, l, d]: [usize; 3]) -> Heads<P>
where
    P: Pointer,
{
    Heads { start: Place::new(start), strides: [h * l * d, l * d, d, 1] }
}

/// What the kernel gives, in the order of [`reference`].
fn kernel(
    level: Level,
    sizes: Sizes,
    inputs: [&[f32]; 3],
    rule: &Rule,
    dy: &[f32],
) -> [Vec<f32>; 4] {
    let Sizes { batch, heads: h, queries, keys, dim } = sizes;
    let (q_shape, k_shape) = ([h, queries, dim], [h, keys, dim]);
    let [q, k, v] = inputs;
    let views =
        [(q, q_shape), (k, k_shape), (v, k_shape)].map(|(x, shape)| heads(x.as_ptr(), shape));
    let mut results = [q, q, k, k].map(|x| vec![f32::NAN; x.len()]);
    let mut lse = vec![f32::NAN; batch * h * queries];
    let shapes = [q_shape, q_shape, k_shape, k_shape];
    let [y, dq, dk, dv] = std::array::from_fn(|i| heads(results[i].as_mut_ptr(), shapes[i]));
    let out = heads(y.start.get().cast_const(), q_shape);
    // SAFETY: views of whole vectors, each written by one call.
    #[expect(unsafe_code, reason = "kernels take pointers")]
    unsafe {
        forward(level, sizes, views, rule, (y, Some(Place::new(lse.as_mut_ptr()))));
        let results = (out, heads(dy.as_ptr(), q_shape), &lse[..]);
        backward(level, sizes, views, rule, results, [dq, dk, dv]);
    }
    results
}

#[test]
fn every_instruction_set_gives_the_definition_and_its_gradients() {
    for (sizes, seen) in cases() {
        let Sizes { batch, heads, queries, keys, dim } = sizes;
        if !is_run(batch * heads * queries * keys * dim) {
            continue;
        }
        let rule = Rule { scale: 0.7 / (dim as f32).sqrt(), seen };
        let inputs = [
            noise(1, &[batch, heads, queries, dim]),
            noise(2, &[batch, heads, keys, dim]),
            noise(3, &[batch, heads, keys, dim]),
        ];
        let dy = noise(4, &[batch, heads, queries, dim]);
        let exact = inputs.each_ref().map(flat);
        let expected = reference(sizes, exact.each_ref().map(Vec::as_slice), &rule, &flat(&dy));
        let single = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let (values, dy) = (inputs.each_ref().map(single), single(&dy));
        for level in levels() {
            let found = kernel(level, sizes, values.each_ref().map(Vec::as_slice), &rule, &dy);
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let found: Vec<f64> = found.iter().map(|&x| f64::from(x)).collect();
                let error = if expected.is_empty() { 0.0 } else { deviation(&found, expected) };
                assert!(error < 2e-5, "{level:?} {sizes:?}: result {i} deviates by {error}");
            }
        }
    }
}

#[test]
fn large_scores_do_not_overflow_and_nan_stays_in_its_query() {
    let (q, k) =
        ((noise(1, &[1, 2, 40, 8]) * 60.0).unwrap(), (noise(2, &[1, 2, 50, 8]) * 60.0).unwrap());
    let v = noise(3, &[1, 2, 50, 8]);
    for queries in [2, 40] {
        let q = q.narrow(2, 0, queries).unwrap();
        let rule = Rule { scale: 1.0, seen: None };
        let found = attention(&q, &k, &v, 1.0, Mask::None).unwrap();
        let expected = plain::attention(&q, &k, &v, &rule).unwrap();
        assert!(deviation(&flat(&found), &flat(&expected)) < 1e-4);
        let mut values = flat(&q);
        values[8 + 3] = f64::NAN;
        let broken = Tensor::from_vec(values, q.dims(), &of_tests().unwrap()).unwrap();
        let broken = broken.to_dtype(candle_core::DType::F32).unwrap();
        let found = flat(&attention(&broken, &k, &v, 1.0, Mask::None).unwrap());
        for (at, x) in found.iter().enumerate() {
            assert_eq!(x.is_nan(), (8..16).contains(&at), "element {at}");
        }
        for place in [0, 17] {
            let mut values = flat(&v);
            values[place] = f64::NAN;
            let broken = Tensor::from_vec(values, v.dims(), &of_tests().unwrap()).unwrap();
            let broken = broken.to_dtype(candle_core::DType::F32).unwrap();
            let found = flat(&attention(&q, &k, &broken, 1.0, Mask::None).unwrap());
            assert!(found[place % 8].is_nan());
        }
    }
}

/// The masks, strides of all kinds, gradients through candle's graph.
#[test]
fn tensors_of_any_strides_give_what_candle_gives() {
    let blocks = [1, 4, 9];
    for (queries, keys, mask) in [
        (7, 9, Mask::None),
        (6, 9, Mask::Causal),
        (9, 14, Mask::BlockCausal(&blocks)),
        (14, 14, Mask::BlockCausal(&blocks)),
    ] {
        let rule = Rule { scale: 0.4, seen: mask.seen(queries, keys).unwrap() };
        // (B, L, H, D) seen as (B, H, L, D), keys and values inside wider rows.
        let views = |t: &[Tensor]| {
            let part = |at: usize| t[1].narrow(3, at, 5).unwrap().transpose(1, 2).unwrap();
            [t[0].transpose(1, 2).unwrap(), part(0), part(5)]
        };
        assert_gradients_agree(
            &format!("{mask:?}"),
            &[vec![2, queries, 3, 5], vec![2, keys, 3, 10]],
            &|t| {
                let [q, k, v] = views(t);
                attention(&q, &k, &v, 0.4, mask).unwrap()
            },
            &|t| {
                let [q, k, v] = views(t);
                plain::attention(&q, &k, &v, &rule).unwrap()
            },
        );
    }
    let rows = |t: &Tensor| t.transpose(1, 2).unwrap().unsqueeze(1).unwrap();
    let rule = Rule { scale: 0.4, seen: None };
    assert_gradients_agree(
        "feature maps",
        &[vec![2, 6, 35], vec![2, 6, 40], vec![2, 6, 40]],
        &|t| map_attention(&t[0], &t[1], &t[2], 0.4).unwrap(),
        &|t| {
            let y = plain::attention(&rows(&t[0]), &rows(&t[1]), &rows(&t[2]), &rule).unwrap();
            y.squeeze(1).unwrap().transpose(1, 2).unwrap()
        },
    );
}

#[test]
fn what_does_not_fit_is_an_error() {
    let t = |shape: &[usize]| noise(1, shape);
    let run =
        |q: &[usize], k: &[usize], v: &[usize], mask| attention(&t(q), &t(k), &t(v), 1.0, mask);
    let (four, six) = ([1, 2, 4, 3], [1, 2, 6, 3]);
    assert!(run(&four, &six, &six, Mask::Causal).is_ok());
    assert!(run(&six, &four, &four, Mask::Causal).is_err(), "more queries than keys");
    assert!(run(&four, &six, &four, Mask::None).is_err(), "fewer values than keys");
    assert!(run(&four, &[1, 2, 6, 5], &[1, 2, 6, 5], Mask::None).is_err(), "another dimension");
    assert!(run(&four, &[1, 3, 6, 3], &[1, 3, 6, 3], Mask::None).is_err(), "other heads");
    assert!(run(&four, &[1, 2, 0, 3], &[1, 2, 0, 3], Mask::None).is_err(), "no keys");
    assert!(run(&[2, 4, 3], &six, &six, Mask::None).is_err());
    assert!(run(&four, &six, &six, Mask::BlockCausal(&[1, 4])).is_err(), "blocks end too soon");
    assert!(run(&four, &six, &six, Mask::BlockCausal(&[1, 4, 9])).is_err(), "half a block");
    assert!(run(&four, &six, &six, Mask::BlockCausal(&[2, 4, 9])).is_ok());
    for scale in [0.0, -1.0, f64::NAN] {
        assert!(attention(&t(&four), &t(&six), &t(&six), scale, Mask::None).is_err());
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let all = || {
        let vars = [1, 2, 3].map(|cell| Var::from_tensor(&noise(cell, &[2, 3, 150, 20])).unwrap());
        let y = attention(&vars[0], &vars[1], &vars[2], 0.2, Mask::Causal).unwrap();
        let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        vars.map(|v| flat(grads.get(&v).unwrap())).concat()
    };
    let with = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all)
    };
    assert_eq!(with(1), with(3));
}
