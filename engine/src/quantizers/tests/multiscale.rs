//! Codes in scales: which phi a scale uses, which codes are chosen, and what is refused.

use std::collections::BTreeMap;

use candle_core::DType;

use super::*;
use crate::quantizers::multiscale::phi_choice;

const SCALES: [usize; 4] = [1, 2, 3, 5];

fn config() -> MultiScaleConfig {
    let v_patch_nums = SCALES.to_vec();
    MultiScaleConfig { vocab_size: 9, v_patch_nums, ..MultiScaleConfig::default() }
}

/// With this codebook (K, D), and phis drawn afresh.
fn make(config: &MultiScaleConfig, table: &[f32]) -> MultiScale {
    let device = of_tests().unwrap();
    let fresh = Weights::fresh(5, &device);
    MultiScale::new(config, DIM, &fresh).unwrap();
    let mut tensors: BTreeMap<String, Tensor> =
        fresh.vars().into_iter().map(|(name, var)| (name, var.as_tensor().clone())).collect();
    let table = Tensor::from_slice(table, (table.len() / DIM, DIM), &device).unwrap();
    tensors.insert("embedding.weight".to_owned(), table);
    let weights = Weights::loaded(tensors, false, &device);
    let made = MultiScale::new(config, DIM, &weights).unwrap();
    weights.finish("scales", &[]).unwrap();
    made
}

fn table(codes: u32) -> Vec<f32> {
    let noise = Noise::new(6, Purpose::Test, 0, 1);
    (0..codes * DIM as u32).map(|lane| noise.normal(lane)).collect()
}

/// What numpy's rounding makes of scales that stand half way between two phis.
#[test]
fn each_scale_uses_the_phi_that_the_published_code_takes() {
    let known: [(usize, &[usize]); 9] = [
        (4, &[0, 1, 2, 2, 3]),
        (4, &[0, 0, 1, 2, 3, 3]),
        (4, &[0, 0, 1, 2, 2, 3, 3]),
        (4, &[0, 0, 1, 1, 2, 2, 3, 3]),
        (4, &[0, 0, 1, 1, 1, 2, 2, 3, 3, 3]),
        (4, &[0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3]),
        (4, &[0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3]),
        (3, &[0, 0, 0, 1, 1, 2, 2]),
        (3, &[0, 0, 0, 0, 1, 1, 1, 2, 2, 2]),
    ];
    for (count, choice) in known {
        assert_eq!(phi_choice(count, choice.len()), choice, "{count} of {}", choice.len());
    }
    assert_eq!(phi_choice(1, 5), [0; 5]);
}

#[test]
fn the_first_scales_alone_give_the_sum_so_far() {
    let quantizer = make(&config(), &table(9));
    let latents = random((2, DIM, 5, 5), 3);
    let found = quantizer.quantize(&latents, Pass::Inference).unwrap();
    let shapes: Vec<_> = found.codes.iter().map(|codes| codes.dims3().unwrap()).collect();
    assert_eq!(shapes, SCALES.map(|side| (2, side, side)));
    let scales = quantizer.scales(&found.codes).unwrap();
    let mut sum = vec![0.0; 2 * DIM * 25];
    for count in 1..=SCALES.len() {
        let added = list(&scales[count - 1].added);
        sum.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
        assert_eq!(list(&quantizer.decode(&found.codes[..count]).unwrap()), sum, "{count}");
    }
    assert_eq!(list(&found.latents), sum, "all scales are what was quantized to");
    let training = quantizer.quantize(&latents, Pass::FIRST).unwrap();
    for (a, b) in training.codes.iter().zip(&found.codes) {
        assert_eq!(a.flatten_all().unwrap().to_vec1::<u32>().unwrap(), {
            b.flatten_all().unwrap().to_vec1::<u32>().unwrap()
        });
    }
}

#[test]
fn by_direction_the_length_of_codes_does_not_count_and_an_empty_code_is_never_nearer() {
    let mut table = table(9);
    table[..DIM].fill(0.0);
    for (code, row) in table.chunks_exact_mut(DIM).enumerate() {
        for x in row {
            *x *= 10.0_f32.powi(code as i32 % 5 - 2);
        }
    }
    let config = MultiScaleConfig { using_znorm: true, quant_resi: 0.0, ..config() };
    let quantizer = make(&config, &table);
    let latents = random((2, DIM, 5, 5), 4);
    let found = quantizer.quantize(&latents, Pass::Inference).unwrap();
    // What the last scale sees is what the others left over.
    let before = quantizer.decode(&found.codes[..3]).unwrap();
    let rest = (latents - before).unwrap().permute((0, 2, 3, 1)).unwrap();
    let rest = rest.reshape((50, DIM)).unwrap().to_vec2::<f32>().unwrap();
    let codes = found.codes[3].flatten_all().unwrap().to_vec1::<u32>().unwrap();
    for (row, code) in rest.iter().zip(codes) {
        let cosine = |code: usize| {
            let pairs = row.iter().zip(&table[code * DIM..(code + 1) * DIM]);
            let (dot, square) = pairs.fold((0.0, 0.0), |(dot, square), (&x, &e)| {
                (dot + f64::from(x) * f64::from(e), square + f64::from(e) * f64::from(e))
            });
            if square == 0.0 { 0.0 } else { dot / square.sqrt() }
        };
        let best = (0..9).max_by(|&a, &b| cosine(a).total_cmp(&cosine(b))).unwrap();
        assert_eq!(code as usize, best, "{row:?}");
    }
}

#[test]
fn codes_that_are_not_this_tokenizers_are_refused_with_their_scale() {
    let quantizer = make(&config(), &table(9));
    let codes = |side: usize, code: u32| {
        let device = of_tests().unwrap();
        (Tensor::ones((1, side, side), DType::U32, &device).unwrap() * f64::from(code)).unwrap()
    };
    let good: Vec<Tensor> = SCALES.iter().map(|&side| codes(side, 8)).collect();
    quantizer.decode(&good).unwrap();
    let refused = |list: &[Tensor], why: &str| {
        let error = quantizer.decode(list).unwrap_err();
        assert!(error.is_bad_input() && error.to_string().contains(why), "{why}: {error}");
    };
    refused(&[], "0 scales");
    refused(&[good.clone(), vec![codes(5, 1)]].concat(), "5 scales");
    refused(&[codes(1, 8), codes(3, 8)], "scale 1");
    refused(&[codes(1, 9)], "code 9");
    let two = Tensor::cat(&[&good[1], &good[1]], 0).unwrap();
    refused(&[good[0].clone(), two], "scale 1");
    assert!(quantizer.quantize(&random((1, DIM, 4, 4), 1), Pass::Inference).is_err());
}

#[test]
fn first_codes_from_data_and_restarts_leave_no_code_unused() {
    let latents = random((4, DIM, 5, 5), 8);
    let made = |start, restart| {
        let config = MultiScaleConfig { start, restart, vocab_size: 24, ..config() };
        let mut made = MultiScale::new(&config, DIM, &Weights::fresh(5, &of_tests().unwrap()));
        made.as_mut().unwrap().start_from(&latents, 3).unwrap();
        made.unwrap()
    };
    let used = |quantizer: &MultiScale| {
        let codes = quantizer.quantize(&latents, Pass::Inference).unwrap().codes;
        let list = |part: &Tensor| part.flatten_all().unwrap().to_vec1::<u32>().unwrap();
        codes.iter().flat_map(list).collect::<std::collections::BTreeSet<_>>().len()
    };
    let missed = |quantizer: &MultiScale| {
        let sum = quantizer.quantize(&latents, Pass::Inference).unwrap().latents;
        (sum - &latents).unwrap().sqr().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap()
    };
    let uniform = made(CodebookStart::Uniform, 0.0);
    let data = made(CodebookStart::Data(5), 0.0);
    assert!(missed(&data) < 0.7 * missed(&uniform), "{} {}", missed(&data), missed(&uniform));
    assert!(used(&data) >= 20, "{}", used(&data));
    // What nobody chooses becomes something that was looked for, until all are chosen.
    let mut restarting = made(CodebookStart::Uniform, 0.3);
    let before = missed(&restarting);
    let mut restarted = 0;
    for step in 0..200 {
        let codes = restarting.quantize(&latents, Pass::Inference).unwrap().codes;
        let place = Place { seed: 1, step, first_picture: 0 };
        restarted += restarting.observe(&latents, &codes, place).unwrap().restarted;
    }
    assert!(restarted > 0 && missed(&restarting) < 0.7 * before, "{restarted}");
    // Counts are state, so that a run goes on as it was.
    let names: Vec<String> = restarting.state().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["embedding.cluster_size"]);
    assert!(data.state().is_empty());
}

/// Converged, each first code stands along the mean direction of what chooses it by direction, as long as that
/// is along it. With two scales what is looked for is each picture's mean, and what is left of the latents.
#[test]
fn first_codes_by_direction_come_from_the_sphere_and_have_the_lengths_of_what_chooses_them() {
    let scales = MultiScaleConfig {
        vocab_size: 6,
        v_patch_nums: vec![1, 5],
        using_znorm: true,
        quant_resi: 0.0,
        start: CodebookStart::Data(100),
        ..MultiScaleConfig::default()
    };
    let made = MultiScale::new(&scales, DIM, &Weights::fresh(5, &of_tests().unwrap()));
    let mut made = made.unwrap();
    let latents = (random((3, DIM, 5, 5), 12) + 0.4).unwrap();
    made.start_from(&latents, 3).unwrap();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut wanted: Vec<Vec<f64>> = Vec::new();
    for picture in vq::rows(&latents).chunks(25) {
        let mean: Vec<f64> =
            (0..DIM).map(|c| picture.iter().map(|row| row[c]).sum::<f64>() / 25.0).collect();
        wanted
            .extend(picture.iter().map(|row| row.iter().zip(&mean).map(|(x, m)| x - m).collect()));
        wanted.push(mean);
    }
    let codes = vq::table(&made);
    let directions: Vec<Vec<f64>> = codes.iter().map(|code| vq::unit(code)).collect();
    let mut members: Vec<Vec<&Vec<f64>>> = vec![Vec::new(); codes.len()];
    for vector in &wanted {
        let near = |code: usize| dot(vector, &directions[code]);
        let best = (0..codes.len()).max_by(|&a, &b| near(a).total_cmp(&near(b))).unwrap();
        members[best].push(vector);
    }
    for ((code, direction), members) in codes.iter().zip(&directions).zip(&members) {
        assert!(!members.is_empty());
        let units: Vec<Vec<f64>> = members.iter().map(|vector| vq::unit(vector)).collect();
        let sum: Vec<f64> = (0..DIM).map(|c| units.iter().map(|unit| unit[c]).sum()).collect();
        assert!(dot(&vq::unit(&sum), direction) > 1.0 - 1e-6, "{code:?} of {}", members.len());
        let length = members.iter().map(|v| dot(v, direction)).sum::<f64>() / members.len() as f64;
        assert!((dot(code, code).sqrt() - length).abs() < 1e-4, "{code:?}: {length}");
    }
}
