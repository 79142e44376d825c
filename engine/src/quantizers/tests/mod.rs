//! Tests that every quantizer passes, over one table of rules.

mod dropout;
mod gradients;
mod knobs;
mod learning;
mod multiscale;
mod parts;
mod vq;

use candle_core::{Tensor, Var};

use super::*;
use crate::device::of_tests;
use crate::random::{Noise, Purpose};

const DIM: usize = 3;

pub(super) fn random(shape: (usize, usize, usize, usize), cell: u64) -> Tensor {
    let noise = Noise::new(11, Purpose::Test, 0, cell);
    let n = shape.0 * shape.1 * shape.2 * shape.3;
    let values: Vec<f32> = (0..n as u32).map(|lane| noise.normal(lane)).collect();
    Tensor::from_vec(values, shape, &of_tests().unwrap()).unwrap()
}

fn rules() -> Vec<QuantizerConfig> {
    let vq = || VqConfig { codes: 7, ..VqConfig::default() };
    let fsq = || FsqConfig { levels: vec![5, 4, 3], ..FsqConfig::default() };
    vec![
        QuantizerConfig::Vq(VqConfig { update: CodebookUpdate::Gradient, ..vq() }),
        QuantizerConfig::Vq(VqConfig {
            update: CodebookUpdate::Gradient,
            placement: BetaPlacement::Codebook,
            normalize: true,
            ..vq()
        }),
        QuantizerConfig::Vq(VqConfig { restart: 0.5, ..vq() }),
        QuantizerConfig::Vq(VqConfig { normalize: true, ..vq() }),
        QuantizerConfig::Fsq(fsq()),
        QuantizerConfig::Fsq(FsqConfig { bound: FsqBound::Tan, ..fsq() }),
        QuantizerConfig::Fsq(FsqConfig {
            bound: FsqBound::Symmetric,
            levels: vec![2, 4, 3],
            ..fsq()
        }),
        QuantizerConfig::Fsq(FsqConfig { hard_clamp: true, ..fsq() }),
        QuantizerConfig::Fsq(FsqConfig { noise_dropout: 0.5, ..fsq() }),
        QuantizerConfig::Fsq(FsqConfig { entropy_weight: 0.01, ..fsq() }),
    ]
}

/// Every rule, with a codebook from data so that all of it is in use.
fn each_rule(check: impl Fn(&QuantizerConfig, Box<dyn Quantizer>)) {
    for config in rules() {
        let config = match config {
            QuantizerConfig::Vq(vq) => {
                QuantizerConfig::Vq(VqConfig { start: CodebookStart::Data(3), ..vq })
            }
            other => other,
        };
        let mut quantizer = build(&config, DIM, &Weights::fresh(2, &of_tests().unwrap())).unwrap();
        quantizer.start_from(&random((2, DIM, 8, 8), 99), 1).unwrap();
        check(&config, quantizer);
    }
}

fn list(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn what_was_quantized_comes_back_from_its_codes() {
    each_rule(|config, quantizer| {
        for (b, h, w) in [(1, 1, 1), (2, 7, 9), (1, 8, 8)] {
            let latents = random((b, DIM, h, w), 1);
            let quantized = quantizer.quantize(&latents, Pass::Inference).unwrap();
            assert_eq!(quantized.codes[0].dims(), [b, h, w]);
            let codes = quantized.codes[0].flatten_all().unwrap().to_vec1::<u32>().unwrap();
            assert!(codes.iter().all(|&code| code < quantizer.books()[0].size), "{config:?}");
            let back = quantizer.decode(&quantized.codes).unwrap();
            assert_eq!(back.dims(), latents.dims());
            assert_eq!(list(&back), list(&quantized.latents), "{config:?}");
            assert!(quantized.losses.is_empty(), "losses outside of training");

            let training = quantizer.quantize(&latents, Pass::FIRST).unwrap();
            assert_eq!(training.codes[0].flatten_all().unwrap().to_vec1::<u32>().unwrap(), codes);
            let noisy = matches!(config, QuantizerConfig::Fsq(fsq) if fsq.noise_dropout > 0.0);
            for (a, b) in list(&training.latents).iter().zip(list(&back)) {
                assert!(noisy || (a - b).abs() < 1e-6, "{config:?}: {a} and {b}");
            }
        }
    });
}

#[test]
fn the_listed_codebook_is_what_codes_decode_to() {
    each_rule(|config, quantizer| {
        let k = quantizer.books()[0].size as usize;
        let codebook = list(&quantizer.entries(0).unwrap().unwrap());
        assert_eq!(codebook.len(), k * DIM, "{config:?}");
        let all =
            Tensor::arange(0, k as u32, &of_tests().unwrap()).unwrap().reshape((k, 1, 1)).unwrap();
        assert_eq!(list(&quantizer.decode(&[all]).unwrap()), codebook, "{config:?}");
        for (a, row) in codebook.chunks(DIM).enumerate() {
            for other in codebook.chunks(DIM).skip(a + 1) {
                assert_ne!(row, other, "{config:?}: code {a} stands twice");
            }
        }
    });
}

#[test]
fn every_latent_gets_a_gradient_in_training() {
    each_rule(|config, quantizer| {
        let latents = Var::from_tensor(&random((2, DIM, 3, 5), 2)).unwrap();
        let quantized = quantizer.quantize(&latents, Pass::FIRST).unwrap();
        let weight = random((2, DIM, 3, 5), 3);
        let loss = (&quantized.latents * &weight).unwrap().sum_all().unwrap();
        let gradient = loss.backward().unwrap().get(&latents).expect("a gradient").clone();
        let zeros = list(&gradient).iter().filter(|&&g| g == 0.0).count();
        match config {
            // The plain rule passes the gradient on as it is.
            QuantizerConfig::Vq(vq) if !vq.normalize => {
                assert_eq!(list(&gradient), list(&weight));
            }
            // Clamping ends the gradient of what is outside.
            QuantizerConfig::Fsq(fsq) if fsq.hard_clamp || fsq.noise_dropout > 0.0 => {
                assert!(zeros < 60, "{config:?}: {zeros} of 90");
            }
            _ => assert_eq!(zeros, 0, "{config:?}"),
        }
    });
}

#[test]
fn wrong_shapes_wrong_codes_and_numbers_that_are_none_are_named() {
    each_rule(|config, quantizer| {
        for shape in [vec![2, DIM + 1, 4, 4], vec![2, DIM, 4], vec![0, DIM, 4, 4]] {
            let latents =
                Tensor::zeros(shape, candle_core::DType::F32, &of_tests().unwrap()).unwrap();
            let error = quantizer.quantize(&latents, Pass::FIRST).unwrap_err().to_string();
            assert!(error.contains("(B, 3, H, W)"), "{error}");
        }
        let k = quantizer.books()[0].size;
        let codes = Tensor::from_vec(vec![0, 0, 0, k], (1, 2, 2), &of_tests().unwrap()).unwrap();
        let error = quantizer.decode(&[codes]).unwrap_err().to_string();
        assert!(error.contains(&format!("code {k} in picture 0, row 1, column 1")), "{error}");
        let floats =
            Tensor::zeros((1, 2, 2), candle_core::DType::F32, &of_tests().unwrap()).unwrap();
        assert!(quantizer.decode(&[floats]).unwrap_err().to_string().contains("u32"));
        let flat = Tensor::zeros(4, candle_core::DType::U32, &of_tests().unwrap()).unwrap();
        assert!(quantizer.decode(&[flat]).is_err());

        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut values = list(&random((2, DIM, 2, 3), 4));
            values[DIM * 6 + 6 + 4] = broken;
            let latents = Tensor::from_vec(values, (2, DIM, 2, 3), &of_tests().unwrap()).unwrap();
            let error = quantizer.quantize(&latents, Pass::Inference).unwrap_err().to_string();
            let place = "picture 1, channel 1, row 1, column 1";
            assert!(error.contains(place), "{config:?}: {error}");
        }
    });
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_field() {
    let vq = VqConfig::default;
    let fsq = |levels: &[u32]| {
        QuantizerConfig::Fsq(FsqConfig { levels: levels.to_vec(), ..FsqConfig::default() })
    };
    let refused = [
        ("codes", 3, QuantizerConfig::Vq(VqConfig { codes: 0, ..vq() })),
        ("codes", 4096, QuantizerConfig::Vq(VqConfig { codes: u32::MAX, ..vq() })),
        ("embed_dim", 0, QuantizerConfig::Vq(vq())),
        ("beta", 3, QuantizerConfig::Vq(VqConfig { beta: f64::NAN, ..vq() })),
        ("decay", 3, QuantizerConfig::Vq(VqConfig { decay: 1.0, ..vq() })),
        ("restart", 3, QuantizerConfig::Vq(VqConfig { restart: -1.0, ..vq() })),
        ("levels", 0, fsq(&[])),
        ("levels", 2, fsq(&[5, 2])),
        ("levels", 2, fsq(&[5, 0])),
        ("levels", 3, fsq(&[900, 900, 900])),
        ("levels", 1, fsq(&[1002])),
        ("embed_dim", 4, fsq(&[8, 5, 5])),
    ];
    for (field, dim, config) in refused {
        let error = config.validate(dim).expect_err(field).to_string();
        assert!(error.starts_with(field), "{config:?}: {error}");
    }
}

#[test]
fn configurations_are_read_from_ron_and_json_and_unknown_fields_refused() {
    for config in rules() {
        let text = ron::to_string(&config).unwrap();
        assert_eq!(ron::from_str::<QuantizerConfig>(&text).unwrap(), config, "{text}");
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<QuantizerConfig>(&text).unwrap(), config, "{text}");
    }
    let short: QuantizerConfig = ron::from_str("Vq((codes: 64, start: Data(4)))").unwrap();
    let start = CodebookStart::Data(4);
    let vq = VqConfig { codes: 64, start, ..VqConfig::default() };
    assert_eq!(short, QuantizerConfig::Vq(vq));
    let error = ron::from_str::<QuantizerConfig>("Vq((codes: 64, bata: 1.0))").unwrap_err();
    assert!(error.to_string().contains("bata"), "{error}");
}

#[test]
fn noise_dropout_depends_on_the_step_and_not_on_the_micro_batch() {
    let config = FsqConfig { noise_dropout: 0.5, ..FsqConfig::default() };
    let fsq = Fsq::new(&config, 4, &of_tests().unwrap()).unwrap();
    let latents = random((4, 4, 3, 3), 5);
    let exact = list(&fsq.quantize(&latents, Pass::Inference).unwrap().latents);
    let at = |step: u32, first: usize, n: usize| {
        let place = Place { seed: 3, step, first_picture: first as u32 };
        let part = latents.narrow(0, first, n).unwrap();
        list(&fsq.quantize(&part, Pass::Training(place)).unwrap().latents)
    };
    let whole = at(8, 0, 4);
    assert_eq!(whole, [at(8, 0, 1), at(8, 1, 3)].concat());
    assert_ne!(whole, at(9, 0, 4));
    let moved = whole.iter().zip(&exact).filter(|(a, b)| (*a - *b).abs() > 1e-6).count();
    assert!((50..95).contains(&moved), "about half of 144 should have moved, not {moved}");
    assert!(whole.iter().all(|x| (-1.0..=1.0).contains(x)));
}
