//! Shapes that nobody means: without numbers, of sizes that overflow, repeated. None may lead a kernel
//! outside of its memory; these are also what `make sanitize` and Miri look at.

use candle_core::{DType, Result as TensorResult, Tensor, Var};

use super::tests::{deviation, flat, gradients, is_ours, noise};
use super::{
    Conv, Link, Mask, SequenceLink, Shortcut, attention, bit_entropies, chain, conv2d, group_norm,
    layer_norm, map_attention, nearest, plain, rms_norm, sequence, upsample2,
};
use crate::device::of_tests;

/// Zeros that need no memory, or one number, whatever their sizes.
fn vast(shape: &[usize]) -> Tensor {
    let one = vec![1; shape.len()];
    let start: Vec<usize> = shape.iter().map(|&n| n.min(1)).collect();
    if start == one {
        Tensor::zeros(one, DType::F32, &of_tests().unwrap()).unwrap().broadcast_as(shape).unwrap()
    } else {
        Tensor::zeros(shape, DType::F32, &of_tests().unwrap()).unwrap()
    }
}

#[test]
fn sizes_that_overflow_are_an_error() {
    if !is_ours() {
        // candle itself takes some of them.
        return;
    }
    // The products of these are 0 or small in 64 bits.
    let q = vast(&[1 << 32, 1 << 31, 1, 4]);
    assert!(attention(&q, &q, &q, 1.0, Mask::None).is_err());
    let q = vast(&[(1 << 62) + 1, 4, 3]);
    assert!(map_attention(&q, &q, &q, 1.0).is_err());
    let one = noise(1, &[1, 1, 1, 1]);
    let more = Conv::new(1, usize::MAX, 2);
    assert!(conv2d(&one, &one, None, more).is_err());
    let wide = (1 << 31) - 1;
    assert!(conv2d(&one, &one, None, Conv::new(1, wide, wide + 1)).is_err());
    let empty = vast(&[1, 0, 1, 1]);
    assert!(conv2d(&vast(&[1 << 32, 0, 1 << 16, 1 << 16]), &empty, None, Conv::same(0)).is_err());
    assert!(conv2d(&vast(&[1, 0, 1 << 63, 2]), &empty, None, Conv::same(0)).is_err());
    let weight = vast(&[1 << 62, 0, 1, 4]);
    assert!(conv2d(&vast(&[1, 0, 1, 4]), &weight, None, Conv::same(0)).is_err());
    assert!(upsample2(&vast(&[1, 0, 1 << 63, 2])).is_err());
    assert!(upsample2(&vast(&[1 << 32, 1 << 32, 1, 1])).is_err());
    let (row, rows) = (noise(2, &[2]), vast(&[1 << 32, 1 << 31, 2]));
    assert!(layer_norm(&rows, (&row, &row), 1e-5).is_err());
    assert!(rms_norm(&rows, &row, 1e-5).is_err());
    let norm = SequenceLink::LayerNorm { weight: &row, bias: &row, eps: 1e-5 };
    assert!(sequence(&rows, &[norm], false).is_err());
}

#[test]
fn heads_and_blocks_that_overflow_are_an_error() {
    // Three times so many heads is 1 in 64 bits.
    let (x, w) = (noise(1, &[1, 2, 3]), noise(2, &[1, 1]));
    let last = SequenceLink::Linear { weight: &w, bias: None, gelu: false };
    let links = |heads| [SequenceLink::Attention { heads, mask: Mask::None }, last];
    assert!(sequence(&x, &links(1), false).is_ok());
    assert!(sequence(&x, &links(0xAAAA_AAAA_AAAA_AAAB), false).is_err());
    // The first two blocks together are 0 places in 64 bits.
    let q = noise(3, &[1, 1, 5, 4]);
    let blocks = [1, usize::MAX, 5];
    assert!(attention(&q, &q, &q, 1.0, Mask::BlockCausal(&blocks)).is_err());
}

#[test]
fn tensors_without_numbers_are_computed() -> crate::Result<()> {
    if !is_ours() {
        // candle itself has no gradients of some.
        return Ok(());
    }
    for (x, w, padding) in [
        ([0, 2, 4, 4], [3, 2, 3, 3], 1),
        ([2, 0, 4, 5], [3, 0, 3, 3], 1),
        ([2, 2, 4, 4], [0, 2, 3, 3], 1),
        ([1, 2, 0, 8], [3, 2, 3, 3], 2),
        ([2, 2, 0, 0], [3, 2, 1, 1], 1),
        ([2, 0, 4, 4], [0, 0, 1, 1], 0),
    ] {
        for stride in [1, 2] {
            let conv = Conv::new(stride, padding, padding);
            let bias = noise(3, &[w[0]]);
            let y = conv2d(&noise(1, &x), &noise(2, &w), Some(&bias), conv)?;
            // Nothing but the bias is ever seen.
            let pixels = y.dims()[2] * y.dims()[3];
            let bias = flat(&bias);
            for (at, y) in flat(&y).into_iter().enumerate() {
                assert_eq!(y, bias[at / pixels % bias.len()], "{x:?} {w:?}");
            }
            let vars = [Var::from_tensor(&noise(1, &x))?, Var::from_tensor(&noise(2, &w))?];
            let found = gradients(&vars, &|t| conv2d(&t[0], &t[1], None, conv).unwrap());
            assert!(found.iter().flatten().all(|&g| g == 0.0), "{x:?} {w:?}");
        }
    }
    for shape in [[0, 4, 3, 3], [2, 0, 3, 3], [2, 4, 0, 3], [2, 4, 3, 0]] {
        let (x, w) = (noise(1, &shape), noise(2, &[shape[1]]));
        assert_eq!(group_norm(&x, (&w, &w), 2, 1e-5, true)?.dims(), shape);
        let doubled = [shape[0], shape[1], 2 * shape[2], 2 * shape[3]];
        assert_eq!(upsample2(&x)?.dims(), doubled);
        let vars = [Var::from_tensor(&x)?];
        let found = gradients(&vars, &|t| {
            let y = group_norm(&t[0], (&w, &w), 2, 1e-5, true).unwrap();
            upsample2(&y).unwrap()
        });
        assert!(found[0].is_empty());
    }
    for shape in [[0, 2, 3, 4], [2, 0, 3, 4], [2, 2, 0, 4]] {
        let [b, h, _, d] = shape;
        let (q, k) = (noise(1, &shape), noise(2, &[b, h, 5, d]));
        let vars = [&q, &k, &k].map(|t| Var::from_tensor(t).unwrap());
        let found =
            gradients(&vars, &|t| attention(&t[0], &t[1], &t[2], 1.0, Mask::Causal).unwrap());
        assert!(found.iter().flatten().all(|&g| g == 0.0), "{shape:?}");
    }
    let (q, none) = (noise(1, &[1, 1, 2, 4]), noise(2, &[1, 1, 0, 4]));
    assert!(attention(&q, &none, &none, 1.0, Mask::None).is_err(), "nothing to attend to");
    let (q, none) = (noise(1, &[1, 1, 2, 0]), noise(2, &[1, 1, 2, 0]));
    assert!(attention(&q, &none, &none, 1.0, Mask::None).is_err(), "no sums");
    assert!(nearest(&noise(1, &[0, 3]), &noise(2, &[4, 3]))?.dims() == [0]);
    assert!(nearest(&noise(1, &[2, 3]), &noise(2, &[0, 3])).is_err());
    assert!(nearest(&noise(1, &[2, 0]), &noise(2, &[2, 0])).is_err());
    assert!(bit_entropies(&noise(1, &[0, 3]), 1.0, 1e-8).is_err());
    Ok(())
}

#[test]
fn a_parameter_without_numbers_does_not_shift_the_others() {
    let (x, weight, bias) = (noise(1, &[1, 0, 2, 2]), noise(2, &[2, 0, 1, 1]), noise(3, &[2]));
    let (first, conv) = (noise(2, &[0, 0, 1, 1]), Conv::same(0));
    let links = [
        Link::Conv { weight: &first, bias: Some(&noise(3, &[0])), conv },
        Link::Conv { weight: &weight, bias: Some(&bias), conv },
    ];
    let y = flat(&chain(&x, &links, Shortcut::None).unwrap());
    let bias = flat(&bias);
    assert_eq!(y, [bias[0], bias[0], bias[0], bias[0], bias[1], bias[1], bias[1], bias[1]]);
}

#[test]
fn numbers_that_are_repeated_by_strides_are_read_where_they_are() -> TensorResult<()> {
    let (row, key) = (noise(1, &[1, 1, 1, 20]), noise(2, &[1, 2, 1, 20]));
    for queries in [2, 40] {
        let q = row.broadcast_as((2, 2, queries, 20))?;
        let k = key.broadcast_as((2, 2, 90, 20))?;
        let v = noise(3, &[20, 1, 90, 2]).transpose(0, 3)?.broadcast_as((2, 2, 90, 20))?;
        let found = attention(&q, &k, &v, 0.3, Mask::Causal).unwrap();
        let copies = [q, k, v].map(|t| t.contiguous().unwrap());
        let expected = attention(&copies[0], &copies[1], &copies[2], 0.3, Mask::Causal).unwrap();
        assert!(deviation(&flat(&found), &flat(&expected)) < 1e-6);
    }
    let x = noise(1, &[1, 3, 1, 1]).broadcast_as((2, 3, 9, 10))?;
    let w = noise(2, &[1, 3, 1, 1]).broadcast_as((4, 3, 3, 3))?;
    for conv in [Conv::same(1), Conv::new(2, 0, 1)] {
        let found = conv2d(&x, &w, None, conv).unwrap();
        let expected = plain::conv2d(&x.contiguous()?, &w.contiguous()?, None, conv).unwrap();
        assert!(deviation(&flat(&found), &flat(&expected)) < 1e-5);
    }
    Ok(())
}
