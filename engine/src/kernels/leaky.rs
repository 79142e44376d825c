//! LeakyReLU on the CPU, with its gradient.

use rayon::prelude::*;

use super::raw::wide;

/// Numbers that a task takes.
const PART: usize = 32 * 1024;

/// x where it is above 0, else slope x.
pub(super) fn forward(x: &[f32], slope: f32) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(PART).zip(x.par_chunks(PART)).for_each(|(y, x)| {
        wide(|| {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = if x > 0.0 { x } else { slope * x };
            }
        });
    });
    y
}

/// dy where x is above 0, else slope dy.
pub(super) fn backward(x: &[f32], dy: &[f32], slope: f32) -> Vec<f32> {
    assert_eq!(x.len(), dy.len(), "gradients of another size");
    let mut dx = vec![0.0; x.len()];
    let parts = dx.par_chunks_mut(PART).zip(x.par_chunks(PART).zip(dy.par_chunks(PART)));
    parts.for_each(|(dx, (x, dy))| {
        wide(|| {
            for (dx, (&x, &dy)) in dx.iter_mut().zip(x.iter().zip(dy)) {
                *dx = if x > 0.0 { dy } else { slope * dy };
            }
        });
    });
    dx
}

#[cfg(test)]
mod tests {
    use candle_core::{Tensor, Var};

    use super::super::tests::{assert_gradients_agree, flat, noise};
    use super::super::{Conv, Link, Shortcut, chain, leaky_relu, plain};
    use crate::device::of_tests;

    #[test]
    fn it_is_its_definition_with_the_slope_as_gradient_at_zero() {
        let values = [1.5_f32, 0.0, -0.0, -2.0, 3.0, -0.5, f32::INFINITY, 1e-30];
        let x = Tensor::from_slice(&values, (1, 2, 2, 2), &of_tests().unwrap()).unwrap();
        for slope in [0.2, 1.0] {
            let x = Var::from_tensor(&x).unwrap();
            for y in [leaky_relu(&x, slope).unwrap(), plain::leaky(&x, slope).unwrap()] {
                let want = |x: f32| if x > 0.0 { x } else { slope * x };
                assert_eq!(flat(&y), values.map(|x| f64::from(want(x))));
                let grads = y.sum_all().unwrap().backward().unwrap();
                let slopes = flat(grads.get(&x).unwrap());
                let want = |x: f32| if x > 0.0 { 1.0 } else { slope };
                for (found, x) in slopes.into_iter().zip(values) {
                    assert!((found - f64::from(want(x))).abs() < 1e-6, "{x}: {found}");
                }
            }
        }
        assert_eq!(flat(&leaky_relu(&(x * -1.0).unwrap(), 0.0).unwrap())[3], 2.0);
    }

    #[test]
    fn inside_a_chain_gradients_go_through_it() {
        let conv = Conv::new(2, 1, 1);
        let shapes = [vec![2, 3, 8, 6], vec![4, 3, 4, 4], vec![4], vec![2, 4, 3, 3]];
        assert_gradients_agree(
            "convolution, LeakyReLU, convolution",
            &shapes,
            &|t| {
                let first = Link::Conv { weight: &t[1], bias: Some(&t[2]), conv };
                let second = Link::Conv { weight: &t[3], bias: None, conv: Conv::same(1) };
                let links = [first, Link::Leaky { slope: 0.2 }, second, Link::Leaky { slope: 0.0 }];
                chain(&t[0], &links, Shortcut::None).unwrap()
            },
            &|t| {
                let y = plain::conv2d(&t[0], &t[1], Some(&t[2]), conv).unwrap();
                let y = plain::leaky(&y, 0.2).unwrap();
                let y = plain::conv2d(&y, &t[3], None, Conv::same(1)).unwrap();
                plain::leaky(&y, 0.0).unwrap()
            },
        );
    }

    #[test]
    fn layers_that_are_held_still_pass_on_the_same_gradient() {
        let x = Var::from_tensor(&noise(1, &[2, 4, 6, 5])).unwrap();
        let w = Var::from_tensor(&noise(2, &[6, 4, 3, 3])).unwrap();
        let side = Var::from_tensor(&noise(3, &[6, 4, 1, 1])).unwrap();
        let (norm, bias) = (noise(4, &[6]), Var::from_tensor(&noise(5, &[6])).unwrap());
        let gradients = |still: bool| {
            let hold = |t: &Tensor| if still { t.detach() } else { t.clone() };
            let (w, side, bias) = (hold(&w), hold(&side), hold(&bias));
            let group =
                Link::GroupNorm { weight: &norm, bias: &bias, groups: 2, eps: 1e-5, silu: true };
            let conv = Link::Conv { weight: &w, bias: None, conv: Conv::same(1) };
            let links = [conv, group, Link::Leaky { slope: 0.1 }];
            let y = chain(&x, &links, Shortcut::Conv(&side, &bias)).unwrap();
            y.sqr().unwrap().sum_all().unwrap().backward().unwrap()
        };
        let (still, moving) = (gradients(true), gradients(false));
        // How weights are held decides how exact the forward pass is.
        let (a, b) = (flat(still.get(&x).unwrap()), flat(moving.get(&x).unwrap()));
        assert!(super::super::tests::deviation(&a, &b) < 1e-4);
        assert!(still.get(&w).is_none() && moving.get(&w).is_some());
    }
}
