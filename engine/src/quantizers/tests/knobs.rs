//! What may be turned while a rule trains: it has an effect, what makes no sense is refused, and what is not
//! there is refused by name.

use super::*;
use crate::Knob;

/// Every rule, and the knobs that it has.
fn rules_and_knobs() -> Vec<(QuantizerConfig, Vec<Knob>)> {
    use Knob::{Commitment, Decay, EntropyWeight, Restart, Temperature};
    let vq = || VqConfig { codes: 9, start: CodebookStart::Data(0), ..VqConfig::default() };
    let gradient = || VqConfig { update: CodebookUpdate::Gradient, ..vq() };
    let placement = BetaPlacement::Codebook;
    let scales = || MultiScaleConfig {
        vocab_size: 9,
        v_patch_nums: vec![1, 2, 4],
        start: CodebookStart::Data(0),
        ..MultiScaleConfig::default()
    };
    let lfq = LfqConfig::default;
    let residual = |vq| ResidualVqConfig { levels: 2, vq, ..ResidualVqConfig::default() };
    vec![
        (QuantizerConfig::Vq(vq()), vec![Commitment, Decay, Restart, EntropyWeight]),
        (
            QuantizerConfig::Vq(VqConfig { entropy_weight: 0.1, placement, ..vq() }),
            vec![Commitment, Decay, Restart, EntropyWeight, Temperature],
        ),
        (QuantizerConfig::Vq(gradient()), vec![Commitment, EntropyWeight]),
        (QuantizerConfig::Vq(VqConfig { placement, ..gradient() }), vec![EntropyWeight]),
        (
            QuantizerConfig::Vq(VqConfig { restart: 0.1, ..gradient() }),
            vec![Commitment, Restart, EntropyWeight],
        ),
        (QuantizerConfig::Fsq(FsqConfig { levels: vec![5, 4, 3], ..FsqConfig::default() }), {
            vec![EntropyWeight]
        }),
        (QuantizerConfig::Lfq(lfq()), vec![Commitment, EntropyWeight, Temperature]),
        (QuantizerConfig::Bsq(lfq()), vec![Commitment, EntropyWeight, Temperature]),
        (
            QuantizerConfig::Lfq(LfqConfig { entropy_weight: 0.0, ..lfq() }),
            vec![Commitment, EntropyWeight],
        ),
        (
            QuantizerConfig::Residual(residual(vq())),
            vec![Commitment, Decay, Restart, EntropyWeight],
        ),
        (
            QuantizerConfig::SimVq(SimVqConfig { codes: 9, ..SimVqConfig::default() }),
            vec![Commitment],
        ),
        (QuantizerConfig::MultiScale(scales()), vec![Commitment]),
        (
            QuantizerConfig::MultiScale(MultiScaleConfig { restart: 0.1, ..scales() }),
            vec![Commitment, Restart],
        ),
        (QuantizerConfig::Ibq(IbqConfig { n_embed: 9, ..IbqConfig::default() }), vec![]),
        (QuantizerConfig::Gumbel(GumbelConfig { n_embed: 9, ..GumbelConfig::default() }), vec![]),
    ]
}

/// A rule, and the weights that it was made of.
fn make(config: &QuantizerConfig) -> Box<dyn Quantizer> {
    let mut rule = build(config, DIM, &Weights::fresh(2, &of_tests().unwrap())).unwrap();
    rule.start_from(&random((2, DIM, 4, 4), 99), 1).unwrap();
    rule
}

/// Everything that a step leaves: losses, the codebook, averages and counts.
fn step(rule: &mut dyn Quantizer) -> Vec<f32> {
    let latents = random((2, DIM, 4, 4), 5);
    let found = rule.quantize(&latents, Pass::FIRST).unwrap();
    let losses: Vec<f32> =
        found.losses.iter().map(|(_, loss)| loss.to_scalar::<f32>().unwrap()).collect();
    rule.observe(&latents, &found.codes, Place::default()).unwrap();
    let books = (0..rule.books().len()).map(|book| rule.entries(book as u16).unwrap().unwrap());
    let state = rule.state().into_iter().map(|(_, tensor)| tensor);
    losses.into_iter().chain(books.chain(state).flat_map(|tensor| list(&tensor))).collect()
}

#[test]
fn every_knob_that_a_rule_lists_changes_its_next_step() {
    for (config, expected) in rules_and_knobs() {
        let listed: Vec<Knob> = make(&config).knobs().into_iter().map(|(knob, _)| knob).collect();
        assert_eq!(listed, expected, "{config:?}");
        let plain = step(&mut *make(&config));
        for knob in listed {
            let value = match knob {
                Knob::Restart => 6.0,
                Knob::Decay => 0.3,
                _ => 0.77,
            };
            let mut rule = make(&config);
            rule.turn(knob, value).unwrap();
            assert!(rule.knobs().contains(&(knob, value)), "{config:?}: {knob}");
            assert_ne!(step(&mut *rule), plain, "{config:?}: {knob} changes nothing");
        }
    }
}

#[test]
fn what_cannot_be_is_refused_and_leaves_everything_as_it_is() {
    for (config, expected) in rules_and_knobs() {
        let plain = step(&mut *make(&config));
        let mut rule = make(&config);
        let before = rule.knobs();
        for knob in Knob::ALL {
            let error = if expected.contains(&knob) {
                let off = [f64::NAN, f64::INFINITY, -1.0];
                off.map(|value| rule.turn(knob, value).expect_err("no such value"))[0].to_string()
            } else {
                let error = rule.turn(knob, 0.5).expect_err("no such knob").to_string();
                assert!(error.contains(knob.name()), "{config:?}: {error}");
                error
            };
            assert!(!error.is_empty());
            assert_eq!(rule.knobs(), before, "{config:?}: {knob}");
        }
        assert_eq!(step(&mut *rule), plain, "{config:?}");
    }
    let mut rule = make(&QuantizerConfig::Vq(VqConfig::default()));
    assert!(rule.turn(Knob::Decay, 1.0).is_err(), "an average that never moves");
}

#[test]
fn restart_can_be_turned_off_and_on_again_and_entropies_only_where_there_are_any() {
    let update = CodebookUpdate::Gradient;
    let mut rule = make(&QuantizerConfig::Vq(VqConfig {
        codes: 9,
        restart: 0.1,
        update,
        ..Default::default()
    }));
    rule.turn(Knob::Restart, 0.0).unwrap();
    assert!(rule.knobs().contains(&(Knob::Restart, 0.0)), "counts are still kept");
    let mut wide = Lfq::new(
        &LfqConfig { entropy_weight: 0.0, ..Default::default() },
        40,
        &of_tests().unwrap(),
    )
    .unwrap();
    let knobs: Vec<Knob> = wide.knobs().into_iter().map(|(knob, _)| knob).collect();
    assert_eq!(knobs, [Knob::Commitment], "2^40 codes cannot be gone through");
    assert!(wide.turn(Knob::EntropyWeight, 0.1).is_err());
    wide.quantize(&random((1, 40, 2, 2), 1), Pass::FIRST).unwrap();
    // Turned up, the entropy loss has a temperature.
    let mut rule = make(&QuantizerConfig::Vq(VqConfig::default()));
    assert!(rule.turn(Knob::Temperature, 0.1).is_err());
    rule.turn(Knob::EntropyWeight, 0.1).unwrap();
    rule.turn(Knob::Temperature, 0.1).unwrap();
    let losses = rule.quantize(&random((1, DIM, 2, 2), 1), Pass::FIRST).unwrap().losses;
    assert!(losses.iter().any(|(name, _)| *name == "entropy"));
}
