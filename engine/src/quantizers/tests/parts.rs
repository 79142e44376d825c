//! Rules whose codes are parts, and those that draw or transform their codebook.

use std::collections::BTreeMap;

use candle_core::DType;

use super::*;

fn place(step: u32, first_picture: u32) -> Pass {
    Pass::Training(Place { seed: 5, step, first_picture })
}

fn fresh() -> Weights {
    Weights::fresh(3, &of_tests().unwrap())
}

fn codes(part: &Tensor) -> Vec<u32> {
    part.flatten_all().unwrap().to_vec1().unwrap()
}

/// Rules beside those of one plane and a codebook from data, each once.
fn in_parts() -> Vec<(QuantizerConfig, Box<dyn Quantizer>)> {
    let lfq = |bits: &[u32]| LfqConfig { factorized_bits: bits.to_vec(), ..LfqConfig::default() };
    let vq = VqConfig { codes: 9, start: CodebookStart::Data(2), ..VqConfig::default() };
    let turned = VqConfig { through: Through::Rotation, entropy_weight: 0.1, ..vq.clone() };
    let rules = [
        QuantizerConfig::Lfq(lfq(&[])),
        QuantizerConfig::Lfq(lfq(&[1, 2])),
        QuantizerConfig::Bsq(lfq(&[])),
        QuantizerConfig::Residual(ResidualVqConfig {
            levels: 3,
            vq: vq.clone(),
            ..ResidualVqConfig::default()
        }),
        QuantizerConfig::Residual(ResidualVqConfig { levels: 3, vq, quantize_dropout: true }),
        QuantizerConfig::Residual(ResidualVqConfig {
            levels: 2,
            vq: turned,
            ..ResidualVqConfig::default()
        }),
        QuantizerConfig::Ibq(IbqConfig { n_embed: 7, ..IbqConfig::default() }),
        QuantizerConfig::SimVq(SimVqConfig { codes: 7, ..SimVqConfig::default() }),
        QuantizerConfig::Gumbel(GumbelConfig { n_embed: 7, ..GumbelConfig::default() }),
    ];
    rules
        .into_iter()
        .map(|config| {
            let mut rule = build(&config, DIM, &fresh()).unwrap();
            rule.start_from(&random((2, DIM, 8, 8), 99), 1).unwrap();
            (config, rule)
        })
        .collect()
}

#[test]
fn what_was_quantized_in_parts_comes_back_from_them() {
    for (name, rule) in in_parts() {
        for (b, h, w) in [(1, 1, 1), (2, 7, 9)] {
            let found = rule.quantize(&random((b, DIM, h, w), 1), Pass::Inference).unwrap();
            let layout = rule.layout(h, w);
            assert_eq!(found.codes.len(), layout.len(), "{name:?}");
            for (part, shape) in found.codes.iter().zip(layout) {
                assert_eq!(part.dims(), [b, shape.rows, shape.columns], "{name:?}");
                let size = rule.books()[usize::from(shape.book)].size;
                assert!(codes(part).iter().all(|&code| code < size), "{name:?}");
            }
            let back = rule.decode(&found.codes).unwrap();
            assert_eq!(list(&back), list(&found.latents), "{name:?}");
            assert!(found.losses.is_empty(), "{name:?}: losses outside of training");
        }
    }
}

#[test]
fn the_listed_entries_of_every_book_are_what_its_codes_decode_to() {
    for (name, rule) in in_parts() {
        let all: Vec<Vec<Vec<f32>>> = (0..rule.books().len())
            .map(|book| rule.entries(book as u16).unwrap().unwrap().to_vec2().unwrap())
            .collect();
        for (book, entries) in rule.books().iter().zip(&all) {
            assert_eq!((entries.len(), entries[0].len()), (book.size as usize, book.dim));
        }
        for code in 0..rule.books().iter().map(|book| book.size).max().unwrap() {
            let code = |book: &Book| code.min(book.size - 1);
            let parts: Vec<Tensor> = rule
                .books()
                .iter()
                .map(|book| Tensor::full(code(book), (1, 1, 1), &of_tests().unwrap()).unwrap())
                .collect();
            let rows = rule.books().iter().zip(&all).map(|(book, all)| &all[code(book) as usize]);
            let expected: Vec<f32> = if name.has_prefixes() {
                (0..DIM).map(|channel| rows.clone().map(|row| row[channel]).sum()).collect()
            } else {
                rows.flatten().copied().collect()
            };
            for (a, b) in list(&rule.decode(&parts).unwrap()).iter().zip(&expected) {
                assert!((a - b).abs() < 1e-6, "{name:?}: {a} and {b}");
            }
        }
    }
}

#[test]
fn every_part_is_checked_before_it_is_decoded() {
    for (name, rule) in in_parts() {
        let found = rule.quantize(&random((1, DIM, 2, 2), 1), Pass::Inference).unwrap().codes;
        assert!(rule.decode(&[]).is_err(), "{name:?}: no part");
        let more = [&found[..], &found[..1]].concat();
        assert!(rule.decode(&more).is_err(), "{name:?}: one part too many");
        for (at, book) in rule.books().iter().enumerate() {
            let mut broken = found.clone();
            broken[at] = Tensor::full(book.size, (1, 2, 2), &of_tests().unwrap()).unwrap();
            let error = rule.decode(&broken).expect_err("a code outside of the book");
            let code = format!("code {}", book.size);
            assert!(error.to_string().contains(&code), "{name:?}: {error}");
            if found.len() > 1 {
                broken[at] = Tensor::zeros((1, 2, 3), DType::U32, &of_tests().unwrap()).unwrap();
                assert!(rule.decode(&broken).is_err(), "{name:?}: parts of different sizes");
            }
        }
        let wide = random((1, DIM + 1, 2, 2), 1);
        assert!(rule.quantize(&wide, Pass::Inference).is_err(), "{name:?}: other channels");
        let broken = (random((1, DIM, 2, 2), 1) * f64::NAN).unwrap();
        let error = rule.quantize(&broken, Pass::Inference).expect_err("NaN").to_string();
        assert!(error.contains("picture 0, channel 0"), "{name:?}: {error}");
    }
}

#[test]
fn every_latent_of_a_rule_in_parts_gets_a_gradient_in_training() {
    for (name, rule) in in_parts() {
        let latents = Var::from_tensor(&random((2, DIM, 3, 5), 2)).unwrap();
        let found = rule.quantize(&latents, Pass::FIRST).unwrap();
        assert!(!found.losses.is_empty(), "{name:?}: nothing to learn from");
        let pulled = (&found.latents * random((2, DIM, 3, 5), 3)).unwrap().sum_all().unwrap();
        let gradient = pulled.backward().unwrap().get(&latents).expect("a gradient").clone();
        let values = list(&gradient);
        assert!(values.iter().all(|x| x.is_finite()), "{name:?}");
        assert!(values.iter().filter(|&&x| x != 0.0).count() > values.len() / 2, "{name:?}");
    }
}

#[test]
fn more_residual_levels_come_nearer_and_learning_nearer_still() {
    let vq = VqConfig { codes: 16, start: CodebookStart::Data(5), ..VqConfig::default() };
    let vq = VqConfig { decay: 0.5, ..vq };
    let config = ResidualVqConfig { levels: 4, vq, ..ResidualVqConfig::default() };
    let mut rule = ResidualVq::new(&config, DIM, &fresh()).unwrap();
    let latents = random((2, DIM, 16, 16), 7);
    rule.start_from(&latents, 1).unwrap();
    let far = |rule: &ResidualVq, levels: usize| {
        let found = rule.quantize(&latents, Pass::Inference).unwrap();
        let back = rule.decode(&found.codes[..levels]).unwrap();
        let off = (back - &latents).unwrap().sqr().unwrap().mean_all().unwrap();
        off.to_scalar::<f32>().unwrap()
    };
    let before: Vec<f32> = (1..=4).map(|levels| far(&rule, levels)).collect();
    assert!(before.windows(2).all(|pair| pair[1] < 0.8 * pair[0]), "{before:?}");
    for step in 0..10 {
        let found = rule.quantize(&latents, place(step, 0)).unwrap();
        rule.observe(&latents, &found.codes, Place { step, ..Place::default() }).unwrap();
    }
    assert!(far(&rule, 4) < before[3], "{} after learning, {} before", far(&rule, 4), before[3]);
    let state: BTreeMap<String, Tensor> = rule.state().into_iter().collect();
    assert!(state.contains_key("layers.3.embedding.cluster_size"), "{:?}", state.keys());
}

#[test]
fn a_code_of_many_bits_needs_no_codebook() {
    let device = of_tests().unwrap();
    let latents = random((1, 18, 4, 4), 1);
    let config = LfqConfig { entropy_weight: 0.1, ..LfqConfig::default() };
    let rule = Lfq::new(&config, 18, &device).unwrap();
    assert_eq!(rule.books()[0].size, 1 << 18);
    let variable = Var::from_tensor(&latents).unwrap();
    let losses = rule.quantize(&variable, place(0, 0)).unwrap().losses;
    let gradient = losses[0].1.backward().unwrap().get(&variable).unwrap().clone();
    assert!(list(&gradient).iter().any(|&x| x != 0.0));

    let wide = random((1, 200, 2, 2), 1);
    let rule =
        Lfq::new(&LfqConfig { entropy_weight: 0.0, ..config.clone() }, 200, &device).unwrap();
    let found = rule.quantize(&wide, place(0, 0)).unwrap();
    assert_eq!(found.codes.len(), 9, "parts of at most 24 bits");
    let signs: Vec<f32> = list(&wide).iter().map(|x| x.signum()).collect();
    assert_eq!(list(&rule.decode(&found.codes).unwrap()), signs);
    // Going through all codes of so many bits is refused with what to do.
    let error = Lfq::new(&config, 200, &device).unwrap().quantize(&wide, place(0, 0));
    assert!(error.expect_err("too many").to_string().contains("entropy_weight"));
}

#[test]
fn gumbel_noise_depends_on_the_place_in_the_run_alone() {
    let config = GumbelConfig { n_embed: 50, ..GumbelConfig::default() };
    let rule = Gumbel::new(&config, (DIM, 2), &fresh()).unwrap();
    let latents = random((3, DIM, 4, 4), 1);
    let drawn = |latents: &Tensor, pass| codes(&rule.quantize(latents, pass).unwrap().codes[0]);
    let whole = drawn(&latents, place(4, 0));
    assert_eq!(whole, drawn(&latents, place(4, 0)), "the same again");
    assert_ne!(whole, drawn(&latents, place(5, 0)), "another step");
    // The same pictures in two micro-batches.
    let first = drawn(&latents.narrow(0, 0, 1).unwrap(), place(4, 0));
    let rest = drawn(&latents.narrow(0, 1, 2).unwrap(), place(4, 1));
    assert_eq!(whole, [first, rest].concat());
    let shape = rule.quantize(&latents, place(4, 0)).unwrap().latents;
    assert_eq!(shape.dims(), [3, 2, 4, 4], "codes may be narrower than latents");
}

#[test]
fn gumbel_noise_draws_codes_as_often_as_the_softmax_says() {
    let config = GumbelConfig { n_embed: 4, ..GumbelConfig::default() };
    let rule = Gumbel::new(&config, (DIM, DIM), &fresh()).unwrap();
    let one = random((1, DIM, 1, 1), 8);
    let latents = one.broadcast_as((1, DIM, 64, 64)).unwrap().contiguous().unwrap();
    let shares = crate::quantizers::entropy::softmax(&rule.logits(&one).unwrap()).unwrap();
    let mut counts = [0_u32; 4];
    for code in codes(&rule.quantize(&latents, place(0, 0)).unwrap().codes[0]) {
        counts[code as usize] += 1;
    }
    for (count, share) in counts.into_iter().zip(list(&shares)) {
        let found = count as f32 / 4096.0;
        // Five standard deviations.
        let off = 5.0 * (share * (1.0 - share) / 4096.0).sqrt();
        assert!((found - share).abs() < off, "{found} for {share}");
    }
}

#[test]
fn the_codebook_of_simvq_follows_its_matrix() {
    let weights = fresh();
    let config = SimVqConfig { codes: 20, ..SimVqConfig::default() };
    let rule = SimVq::new(&config, DIM, &weights).unwrap();
    let before = rule.table().unwrap();
    let latents = random((1, DIM, 4, 4), 1);
    let losses = rule.quantize(&latents, place(0, 0)).unwrap().losses;
    let matrix = &weights.vars()["code_transform.weight"];
    let gradients = losses[0].1.backward().unwrap();
    let step = (gradients.get(matrix).expect("a gradient") * 0.1).unwrap();
    matrix.set(&(matrix.as_tensor() - step).unwrap()).unwrap();
    assert_ne!(list(&before), list(&rule.table().unwrap()));
    let after = rule.quantize(&latents, place(0, 0)).unwrap().losses;
    let value = |losses: &[(&str, Tensor)]| losses[0].1.to_scalar::<f32>().unwrap();
    assert!(value(&after) < value(&losses), "a step against the gradient");
}

#[test]
fn settings_of_rules_in_parts_that_cannot_be_used_are_named() {
    let names = |result: Result<()>, field: &str| {
        let error = result.expect_err(field).to_string();
        assert!(error.contains(field), "{field}: {error}");
    };
    let lfq = LfqConfig::default;
    names(LfqConfig { temperature: 0.0, ..lfq() }.validate(8), "temperature");
    names(LfqConfig { scale: f64::NAN, ..lfq() }.validate(8), "scale");
    names(LfqConfig { commitment_weight: -1.0, ..lfq() }.validate(8), "commitment_weight");
    let ibq = IbqConfig::default;
    names(IbqConfig { n_embed: u32::MAX, ..ibq() }.validate(8), "n_embed");
    names(IbqConfig { beta: f64::INFINITY, ..ibq() }.validate(8), "beta");
    names(IbqConfig { entropy_temperature: 0.0, ..ibq() }.validate(8), "entropy_temperature");
    let simple = SimVqConfig::default;
    names(SimVqConfig { codes: 0, ..simple() }.validate(8), "codes");
    names(SimVqConfig { frozen_dim: Some(0), ..simple() }.validate(8), "codes");
    names(SimVqConfig { beta: -1.0, ..simple() }.validate(8), "beta");
    let gumbel = GumbelConfig::default;
    names(GumbelConfig { temp_init: 0.0, ..gumbel() }.validate(8), "temp_init");
    names(GumbelConfig { kl_weight: f64::NAN, ..gumbel() }.validate(8), "kl_weight");
    names(GumbelConfig { n_embed: 0, ..gumbel() }.validate(8), "n_embed");
    let residual = ResidualVqConfig::default;
    names(ResidualVqConfig { levels: 0, ..residual() }.validate(8), "levels");
    let vq = VqConfig { entropy_temperature: 0.0, ..VqConfig::default() };
    names(ResidualVqConfig { vq, ..residual() }.validate(8), "entropy_temperature");
}
