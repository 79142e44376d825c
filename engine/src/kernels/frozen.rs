//! Frozen parameters: the gradients of everything else stay what they are, and they cost none.

use candle_core::{Tensor, Var};

use super::tally::counted;
use super::tests::{flat, is_ours, noise};
use super::{
    Conv, Exactness, Link, Mask, SequenceLink, Shortcut, chain, conv2d, group_norm, layer_norm,
    plain, recomputing, rms_norm, sequence,
};

/// A function of tensors of these shapes, the first of which is x and no parameter.
struct Case<'a> {
    what: &'a str,
    shapes: &'a [&'a [usize]],
    f: &'a dyn Fn(&[Tensor]) -> Tensor,
    /// Whether these are kernels of ours: candle's sums give x a gradient also where it is not tracked.
    own: bool,
}

impl Case<'_> {
    /// The gradients of what is in `tracked`, bit by bit, and how many of parameters were worked out.
    /// Nothing else may have one.
    fn gradients(&self, tracked: &[usize], recompute: bool) -> (Vec<Option<Vec<f64>>>, usize) {
        let vars: Vec<Option<Var>> = (0..self.shapes.len())
            .map(|at| tracked.contains(&at).then(|| Var::from_tensor(&self.value(at)).unwrap()))
            .collect();
        let tensors: Vec<Tensor> = vars
            .iter()
            .enumerate()
            .map(|(at, var)| var.as_ref().map_or(self.value(at), |var| var.as_tensor().clone()))
            .collect();
        let y = recomputing(recompute, || (self.f)(&tensors));
        let loss = (&y * noise(99, y.dims())).unwrap().sum_all().unwrap();
        assert_eq!(loss.track_op(), !tracked.is_empty(), "{}: a graph of nothing", self.what);
        let (found, count) = counted(|| loss.backward().unwrap());
        (tensors.iter().map(|tensor| found.get(tensor).map(flat)).collect(), count)
    }

    fn value(&self, at: usize) -> Tensor {
        noise(at as u64 + 20, self.shapes[at])
    }

    /// Whatever is frozen: gradients of the rest are those of the run in which all is trained, and no more
    /// gradients of parameters are worked out than there are trained ones. `uses`: how often each is used.
    fn check(&self, uses: &[usize]) {
        let n = self.shapes.len();
        let (expected, _) = self.gradients(&(0..n).collect::<Vec<_>>(), false);
        let one = (0..n).map(|at| vec![at]);
        let all_but_one = (0..n).map(|at| (0..n).filter(|&i| i != at).collect());
        let pairs = (1..n).map(|at| vec![0, at]);
        let halves = [(0..n / 2).collect(), (n / 2..n).collect(), (1..n).step_by(2).collect()];
        for tracked in one.chain(all_but_one).chain(pairs).chain(halves).chain([vec![]]) {
            for recompute in [false, true] {
                let (found, count) = self.gradients(&tracked, recompute);
                let asked = tracked.iter().filter(|&&at| at > 0).map(|&at| uses[at]).sum::<usize>();
                let what = format!("{}: {tracked:?} trained, again: {recompute}", self.what);
                assert_eq!(count, asked, "{what}");
                let skipped = usize::from(!self.own && !tracked.contains(&0));
                let all = found.iter().zip(&expected).enumerate().skip(skipped);
                for (at, (found, expected)) in all {
                    let expected = expected.as_ref().filter(|_| tracked.contains(&at));
                    assert!(found.as_ref() == expected, "{what}: the gradient of {at}");
                }
            }
        }
    }
}

/// As exact as training is, whether or not the weights are trained.
fn fast(conv: Conv) -> Conv {
    conv.with(Exactness::Fast)
}

#[test]
fn a_chain_gives_gradients_of_what_is_trained_alone() {
    // Both kinds of convolutions, of both kinds of sums over windows; a norm and a shortcut.
    let shapes: &[&[usize]] = &[
        &[3, 4, 9, 10],
        &[4],
        &[4],
        &[6, 4, 3, 3],
        &[6],
        &[6],
        &[6],
        &[6, 6, 3, 3],
        &[6],
        &[6, 4, 1, 1],
        &[6],
        &[3, 6, 3, 3],
        &[3],
    ];
    let uses = vec![1; shapes.len()];
    let (same, down) = (fast(Conv::same(1)), Conv::new(2, 0, 1));
    let all = |t: &[Tensor], own: bool| {
        let norm = |at: usize, silu| Link::GroupNorm {
            weight: &t[at],
            bias: &t[at + 1],
            groups: 2,
            eps: 1e-2,
            silu,
        };
        let conv = |at: usize, conv| Link::Conv { weight: &t[at], bias: Some(&t[at + 1]), conv };
        let block = [norm(1, true), conv(3, same), norm(5, false), conv(7, same)];
        let (leaky, beside) = (Link::Leaky { slope: 0.2 }, Shortcut::Conv(&t[9], &t[10]));
        let end = [Link::Double, leaky, conv(11, down)];
        if own {
            let y = chain(&t[0], &block, beside).unwrap();
            return chain(&y, &end, Shortcut::None).unwrap();
        }
        [&block[..], &end].concat().iter().enumerate().fold(t[0].clone(), |y, (at, l)| {
            let y = match *l {
                Link::Conv { weight, bias, conv } => plain::conv2d(&y, weight, bias, conv),
                Link::GroupNorm { weight, bias, groups, eps, silu } => {
                    plain::group_norm(&y, (weight, bias), groups, eps, silu)
                }
                Link::Double => plain::upsample2(&y),
                Link::Leaky { slope } => plain::leaky(&y, slope),
            };
            if at != 3 {
                return y.unwrap();
            }
            let beside = plain::conv2d(&t[0], &t[9], Some(&t[10]), Conv::same(0)).unwrap();
            (beside + y.unwrap()).unwrap()
        })
    };
    Case { what: "chain", shapes, f: &|t| all(t, true), own: is_ours() }.check(&uses);
    Case { what: "plain chain", shapes, f: &|t| all(t, false), own: false }.check(&uses);
}

#[test]
fn convolutions_and_norms_alone_give_gradients_of_what_is_trained() {
    let three = [1, 1, 1];
    let cases: [(&[&[usize]], Conv); 3] = [
        (&[&[2, 3, 9, 8], &[5, 3, 3, 3], &[5]], fast(Conv::same(1))),
        (&[&[2, 3, 9, 8], &[5, 3, 1, 1], &[5]], Conv::same(0)),
        (&[&[2, 3, 9, 10], &[5, 3, 4, 4], &[5]], Conv::new(2, 1, 1)),
    ];
    for (shapes, conv) in cases {
        let what = format!("{:?}", shapes[1]);
        let ours = |t: &[Tensor]| conv2d(&t[0], &t[1], Some(&t[2]), conv).unwrap();
        Case { what: &what, shapes, f: &ours, own: is_ours() }.check(&three);
        let plain = |t: &[Tensor]| plain::conv2d(&t[0], &t[1], Some(&t[2]), conv).unwrap();
        Case { what: &what, shapes, f: &plain, own: false }.check(&three);
    }
    let shapes: &[&[usize]] = &[&[2, 4, 5, 6], &[4], &[4]];
    let ours = |t: &[Tensor]| group_norm(&t[0], (&t[1], &t[2]), 2, 1e-2, true).unwrap();
    Case { what: "group norm", shapes, f: &ours, own: is_ours() }.check(&three);
    let plain = |t: &[Tensor]| plain::group_norm(&t[0], (&t[1], &t[2]), 2, 1e-2, true).unwrap();
    Case { what: "plain group norm", shapes, f: &plain, own: false }.check(&three);
    let shapes: &[&[usize]] = &[&[2, 3, 7], &[7], &[7]];
    let ours = |t: &[Tensor]| layer_norm(&t[0], (&t[1], &t[2]), 1e-2).unwrap();
    Case { what: "layer norm", shapes, f: &ours, own: is_ours() }.check(&three);
    let plain = |t: &[Tensor]| plain::layer_norm(&t[0], (&t[1], &t[2]), 1e-2).unwrap();
    Case { what: "plain layer norm", shapes, f: &plain, own: false }.check(&three);
    let ours = |t: &[Tensor]| rms_norm(&t[0], &t[1], 1e-2).unwrap();
    Case { what: "RMS norm", shapes: &shapes[..2], f: &ours, own: is_ours() }.check(&three);
    let plain = |t: &[Tensor]| plain::rms_norm(&t[0], &t[1], 1e-2).unwrap();
    Case { what: "plain RMS norm", shapes: &shapes[..2], f: &plain, own: false }.check(&three);
}

#[test]
fn a_sequence_gives_gradients_of_what_is_trained_alone() {
    let shapes: &[&[usize]] = &[
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
    let mut uses = vec![1; shapes.len()];
    // The norm begins both halves of the block and stands inside a third sequence.
    (uses[1], uses[2]) = (3, 3);
    let all = |t: &[Tensor], own: bool| {
        let run = |x: &Tensor, links: &[SequenceLink<'_>], shortcut| {
            if own { sequence(x, links, shortcut) } else { plain::sequence(x, links, shortcut) }
                .unwrap()
        };
        let norm = SequenceLink::LayerNorm { weight: &t[1], bias: &t[2], eps: 1e-2 };
        let linear = |weight, bias, gelu| SequenceLink::Linear { weight, bias, gelu };
        let attention = SequenceLink::Attention { heads: 2, mask: Mask::Causal };
        let half = [linear(&t[3], Some(&t[4]), false), attention];
        let x = run(&t[0], &[norm, half[0], half[1], linear(&t[5], Some(&t[6]), false)], true);
        let x =
            run(&x, &[norm, linear(&t[7], Some(&t[8]), true), linear(&t[9], None, false)], true);
        run(&x, &[norm, linear(&t[10], None, true)], false)
    };
    Case { what: "sequence", shapes, f: &|t| all(t, true), own: is_ours() }.check(&uses);
    Case { what: "plain sequence", shapes, f: &|t| all(t, false), own: false }.check(&uses);
}

#[test]
fn results_do_not_depend_on_what_is_frozen_where_they_are_as_exact() {
    let (x, w, b) = (noise(1, &[2, 3, 9, 8]), noise(2, &[5, 3, 3, 3]), noise(3, &[5]));
    let run = |w: &Tensor, x: &Tensor, exactness| {
        flat(&conv2d(x, w, Some(&b), Conv::same(1).with(exactness)).unwrap())
    };
    let (var, x_var) = (Var::from_tensor(&w).unwrap(), Var::from_tensor(&x).unwrap());
    for exactness in [Exactness::Fast, Exactness::Tokens] {
        // A frozen network is as exact as its builder wanted it, also where a gradient passes through.
        assert_eq!(run(&w, &x_var, exactness), run(&w, &x, exactness));
        assert_eq!(run(&var, &x_var, exactness), run(&var, &x, Exactness::Fast));
    }
    if is_ours() {
        assert!(run(&w, &x_var, Exactness::Fast) != run(&w, &x_var, Exactness::Tokens));
    }
}

/// A chain without layers gives its input: twice, where that stands beside it.
#[test]
fn a_chain_without_layers_passes_gradients_on() {
    let x = Var::from_tensor(&noise(1, &[1, 2, 3, 2])).unwrap();
    for (shortcut, times) in [(Shortcut::None, 1.0), (Shortcut::Same, 2.0)] {
        let y = chain(&x, &[], shortcut).unwrap();
        let found = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(flat(found.get(&x).unwrap()), [times; 12]);
    }
}
