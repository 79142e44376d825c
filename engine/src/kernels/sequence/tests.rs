//! Sequences of layers against candle's own operations.

use candle_core::{Tensor, Var};

use crate::kernels::tests::{assert_gradients_agree, deviation, flat, noise};
use crate::kernels::{Mask, SequenceLink, plain, sequence};

/// Both halves of a transformer block of 2 heads over 8 numbers, and a last layer to 5.
fn block(t: &[Tensor], own: bool) -> Tensor {
    let run = |x: &Tensor, links: &[SequenceLink<'_>], shortcut| {
        if own { sequence(x, links, shortcut) } else { plain::sequence(x, links, shortcut) }
            .unwrap()
    };
    let norm = SequenceLink::LayerNorm { weight: &t[1], bias: &t[2], eps: 1e-2 };
    let linear = |weight, bias, gelu| SequenceLink::Linear { weight, bias, gelu };
    let attention = SequenceLink::Attention { heads: 2, mask: Mask::Causal };
    let links =
        [norm, linear(&t[3], Some(&t[4]), false), attention, linear(&t[5], Some(&t[6]), false)];
    let x = run(&t[0], &links, true);
    let links = [norm, linear(&t[7], Some(&t[8]), true), linear(&t[9], None, false)];
    let x = run(&x, &links, true);
    // A shortcut around something that neither starts with a norm nor ends with a sum.
    let x = run(&x, &[linear(&t[5], Some(&t[6]), true)], true);
    // GELU in front of a norm, and of attention.
    let first = linear(&t[3], Some(&t[4]), true);
    let x = run(&x, &[first, attention, linear(&t[5], None, true), norm], true);
    run(&x, &[norm, linear(&t[10], None, false)], false)
}

fn shapes() -> Vec<Vec<usize>> {
    let all: [&[usize]; 11] = [
        &[3, 7, 8],
        &[8],
        &[8],
        &[24, 8],
        &[24],
        &[8, 8],
        &[8],
        &[19, 8],
        &[19],
        &[8, 19],
        &[5, 8],
    ];
    all.iter().map(|shape| shape.to_vec()).collect()
}

#[test]
fn a_sequence_is_its_layers_with_their_gradients() {
    assert_gradients_agree("block", &shapes(), &|t| block(t, true), &|t| block(t, false));
    // Nothing to train: another way through the same kernels.
    let fixed: Vec<Tensor> =
        shapes().iter().enumerate().map(|(i, shape)| noise(i as u64, shape)).collect();
    assert!(deviation(&flat(&block(&fixed, true)), &flat(&block(&fixed, false))) < 1e-5);
    let empty = block(&[&[noise(1, &[0, 7, 8])], &fixed[1..]].concat(), true);
    assert_eq!(empty.dims(), [0, 7, 5]);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let (x, w, b) = (noise(1, &[2, 3, 12]), noise(2, &[6, 12]), noise(3, &[6]));
    let linear = |weight, bias| SequenceLink::Linear { weight, bias, gelu: false };
    let attention = |heads| SequenceLink::Attention { heads, mask: Mask::None };
    assert!(sequence(&x, &[linear(&w, Some(&b))], false).is_ok());
    assert!(sequence(&x, &[linear(&w, Some(&b))], true).is_err(), "a sum of different shapes");
    assert!(sequence(&x, &[linear(&w, Some(&w))], false).is_err());
    assert!(sequence(&x, &[linear(&w, None), linear(&w, None)], false).is_err());
    assert!(
        sequence(&x, &[SequenceLink::LayerNorm { weight: &b, bias: &b, eps: 1.0 }], false).is_err()
    );
    let last = noise(4, &[12, 4]);
    assert!(sequence(&x, &[attention(2), linear(&last, None)], true).is_ok());
    assert!(sequence(&x, &[attention(3), linear(&last, None)], true).is_err());
    assert!(sequence(&x, &[attention(0), linear(&last, None)], true).is_err());
    assert!(sequence(&x, &[attention(2)], false).is_err());
    assert!(sequence(&noise(1, &[3, 12]), &[linear(&w, None)], false).is_err());
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let all = || {
        let vars: Vec<Var> = shapes()
            .into_iter()
            .map(|shape| if shape.len() == 3 { vec![9, 31, 8] } else { shape })
            .map(|shape| Var::from_tensor(&noise(1, &shape)).unwrap())
            .collect();
        let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
        let grads = block(&tensors, true).sqr().unwrap().sum_all().unwrap().backward().unwrap();
        vars.iter().flat_map(|v| flat(grads.get(v).unwrap())).collect::<Vec<_>>()
    };
    let with = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all)
    };
    assert_eq!(with(1), with(3));
}
