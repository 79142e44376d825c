//! Residual levels that are left out for some pictures of a training batch.

use std::collections::BTreeMap;

use super::vq::rows;
use super::*;

const LEVELS: usize = 3;
const PICTURES: usize = 5;

fn make(change: impl Fn(VqConfig) -> VqConfig, quantize_dropout: bool) -> ResidualVq {
    let vq = VqConfig { codes: 6, decay: 0.8, start: CodebookStart::Data(2), ..Default::default() };
    let config = ResidualVqConfig { levels: LEVELS, vq: change(vq), quantize_dropout };
    let mut rule = ResidualVq::new(&config, DIM, &Weights::fresh(3, &of_tests().unwrap())).unwrap();
    rule.start_from(&random((2, DIM, 8, 8), 99), 1).unwrap();
    rule
}

fn at(step: u32, first_picture: u32) -> Place {
    Place { seed: 5, step, first_picture }
}

fn latents() -> Tensor {
    random((PICTURES, DIM, 3, 4), 8)
}

/// Levels of each picture at a step in which all numbers are there.
fn drawn(rule: &ResidualVq, step: u32) -> Vec<usize> {
    let drawn = rule.parts_kept(PICTURES, at(step, 0)).expect("levels are drawn");
    assert!(drawn.iter().all(|levels| (1..=LEVELS).contains(levels)));
    drawn
}

/// A step in which some level is left out for some pictures and kept for others.
fn mixed(rule: &ResidualVq) -> u32 {
    let is_mixed = |step: &u32| {
        let drawn = drawn(rule, *step);
        (1..=LEVELS).all(|levels| drawn.contains(&levels))
    };
    (0..100).find(is_mixed).expect("a mixed step")
}

#[test]
fn a_picture_is_what_its_levels_give_and_all_codes_are_there() {
    let rule = make(|vq| vq, true);
    let step = mixed(&rule);
    let found = rule.quantize(&latents(), Pass::Training(at(step, 0))).unwrap();
    let all = rule.quantize(&latents(), Pass::Inference).unwrap().codes;
    for (a, b) in found.codes.iter().zip(&all) {
        assert_eq!(a.flatten_all().unwrap().to_vec1::<u32>().unwrap(), {
            b.flatten_all().unwrap().to_vec1::<u32>().unwrap()
        });
    }
    for (picture, levels) in drawn(&rule, step).into_iter().enumerate() {
        let expected = list(&rule.decode(&all[..levels]).unwrap().get(picture).unwrap());
        for (a, b) in list(&found.latents.get(picture).unwrap()).iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "picture {picture}: {a} and {b}");
        }
    }
}

#[test]
fn what_is_left_out_adds_nothing_to_the_losses_and_micro_batches_change_none() {
    let changes: [fn(VqConfig) -> VqConfig; 2] = [
        |vq| VqConfig { update: CodebookUpdate::Gradient, ..vq },
        |vq| VqConfig { entropy_weight: 0.1, entropy_temperature: 0.3, ..vq },
    ];
    for (case, change) in changes.into_iter().enumerate() {
        let (rule, plain) = (make(change, true), make(change, false));
        let step = mixed(&rule);
        let losses = |rule: &ResidualVq, first: usize, count: usize| -> BTreeMap<&str, f64> {
            let part = latents().narrow(0, first, count).unwrap();
            let found = rule.quantize(&part, Pass::Training(at(step, first as u32))).unwrap();
            let number = |loss: Tensor| f64::from(loss.to_scalar::<f32>().unwrap());
            found.losses.into_iter().map(|(name, loss)| (name, number(loss))).collect()
        };
        let whole = losses(&rule, 0, PICTURES);
        let without = losses(&plain, 0, PICTURES);
        // Picture by picture a level is either there or not; what is a mean over pictures adds up.
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        for picture in 0..PICTURES {
            for (name, loss) in losses(&rule, picture, 1) {
                *sums.entry(name).or_default() += loss / PICTURES as f64;
            }
        }
        assert!(whole["commitment"] < without["commitment"], "{whole:?} {without:?}");
        for name in whole.keys().filter(|name| **name != "entropy") {
            assert!((whole[name] - sums[name]).abs() < 1e-6, "{case} {name}: {whole:?} {sums:?}");
        }
        // The commitment in f64: each level's squares, of the pictures that keep it.
        let mut rest = rows(&latents());
        let mut expected = 0.0;
        for level in 0..LEVELS {
            let entries = rule.entries(level as u16).unwrap().unwrap().to_vec2::<f32>().unwrap();
            for (row, rest) in rest.iter_mut().enumerate() {
                let square = |code: &Vec<f32>| -> f64 {
                    code.iter().zip(&*rest).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum()
                };
                let best = entries.iter().min_by(|a, b| square(a).total_cmp(&square(b))).unwrap();
                let kept = drawn(&rule, step)[row / 12] > level;
                expected += if kept { square(best) } else { 0.0 };
                rest.iter_mut().zip(best).for_each(|(rest, x)| *rest -= f64::from(*x));
            }
        }
        let expected = 0.25 * expected / latents().elem_count() as f64;
        assert!((whole["commitment"] - expected).abs() < 1e-6, "{whole:?} {expected}");
    }
}

#[test]
fn a_level_learns_from_the_pictures_that_keep_it_alone() {
    let mut rule = make(|vq| VqConfig { restart: 0.3, ..vq }, true);
    let mut plain = make(|vq| VqConfig { restart: 0.3, ..vq }, false);
    let step = mixed(&rule);
    let drawn = drawn(&rule, step);
    let before: BTreeMap<String, Tensor> =
        rule.state().into_iter().map(|(name, tensor)| (name, tensor.copy().unwrap())).collect();
    let codes = rule.quantize(&latents(), Pass::Training(at(step, 0))).unwrap().codes;
    rule.observe(&latents(), &codes, at(step, 0)).unwrap();
    plain.observe(&latents(), &codes, at(step, 0)).unwrap();
    let after: BTreeMap<String, Tensor> = rule.state().into_iter().collect();
    for (level, codes) in codes.iter().enumerate() {
        let name = format!("layers.{level}.embedding.cluster_size");
        let mut expected: Vec<f64> =
            list(&before[&name]).into_iter().map(|size| 0.8 * f64::from(size)).collect();
        let chosen = codes.flatten_all().unwrap().to_vec1::<u32>().unwrap();
        for (row, code) in chosen.into_iter().enumerate() {
            if drawn[row / 12] > level {
                expected[code as usize] += 0.2;
            }
        }
        for (found, expected) in list(&after[&name]).into_iter().zip(expected) {
            let expected = if expected < 0.3 { 0.3 } else { expected };
            assert!((f64::from(found) - expected).abs() < 1e-5, "{name}: {found} {expected}");
        }
    }
    // All pictures keep the first level, so that it learns as without.
    let sizes = |rule: &ResidualVq| list(&rule.entries(0).unwrap().unwrap());
    assert_eq!(sizes(&rule), sizes(&plain));
    // Where nobody keeps a level, it stays as it is.
    let one = latents().narrow(0, 0, 1).unwrap();
    let step = (0..100).find(|&step| rule.parts_kept(1, at(step, 0)).unwrap()[0] == 1).unwrap();
    let codes = rule.quantize(&one, Pass::Training(at(step, 0))).unwrap().codes;
    let state = |rule: &ResidualVq| -> Vec<Vec<f32>> {
        rule.state()
            .iter()
            .filter(|(name, _)| !name.starts_with("layers.0"))
            .map(|(_, t)| list(t))
            .collect()
    };
    let before = state(&rule);
    rule.observe(&one, &codes, at(step, 0)).unwrap();
    assert_eq!(state(&rule), before);
}

#[test]
fn numbers_of_levels_are_alike_often_and_belong_to_the_place_in_the_run() {
    let rule = make(|vq| vq, true);
    let mut counts = [0_u32; LEVELS];
    for step in 0..300 {
        let drawn = drawn(&rule, step);
        for (picture, levels) in drawn.iter().enumerate() {
            counts[levels - 1] += 1;
            let alone = rule.parts_kept(1, at(step, picture as u32)).unwrap();
            assert_eq!(alone, [*levels], "the same in a micro-batch");
        }
    }
    // Five standard deviations of 1500 draws.
    assert!(counts.iter().all(|&count| count.abs_diff(500) < 92), "{counts:?}");
    let other = rule.parts_kept(40, Place { seed: 6, ..at(0, 0) });
    assert_ne!(other, rule.parts_kept(40, at(0, 0)));
    assert_eq!(make(|vq| vq, false).parts_kept(40, at(0, 0)), None);
}

#[test]
fn configurations_of_before_there_was_dropout_are_read_and_have_none() {
    let old: QuantizerConfig = ron::from_str("Residual((levels: 2, vq: (codes: 16)))").unwrap();
    let vq = VqConfig { codes: 16, ..VqConfig::default() };
    let expected = ResidualVqConfig { levels: 2, vq, quantize_dropout: false };
    assert_eq!(old, QuantizerConfig::Residual(expected));
    let new: QuantizerConfig = ron::from_str("Residual((quantize_dropout: true))").unwrap();
    assert!(matches!(new, QuantizerConfig::Residual(config) if config.quantize_dropout));
}
