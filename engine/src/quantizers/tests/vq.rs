//! What a VQ codebook learns, against plain f64 code.

use crate::device::of_tests;
use std::collections::BTreeMap;

use super::*;

pub(super) fn table(quantizer: &dyn Quantizer) -> Vec<Vec<f64>> {
    let rows = quantizer.entries(0).unwrap().unwrap().to_vec2::<f32>().unwrap();
    rows.into_iter().map(|row| row.into_iter().map(f64::from).collect()).collect()
}

/// Latents (B, D, H, W) as rows in raster order.
pub(super) fn rows(latents: &Tensor) -> Vec<Vec<f64>> {
    let (b, d, h, w) = latents.dims4().unwrap();
    let values = list(latents);
    (0..b * h * w)
        .map(|n| {
            let (picture, place) = (n / (h * w), n % (h * w));
            (0..d).map(|c| f64::from(values[(picture * d + c) * h * w + place])).collect()
        })
        .collect()
}

fn at(seed: u64, step: u32) -> Place {
    Place { seed, step, first_picture: 0 }
}

pub(super) fn unit(row: &[f64]) -> Vec<f64> {
    let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    row.iter().map(|x| x / length).collect()
}

fn nearest(row: &[f64], table: &[Vec<f64>]) -> usize {
    let distance = |code: &[f64]| code.iter().zip(row).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    (0..table.len()).min_by(|&a, &b| distance(&table[a]).total_cmp(&distance(&table[b]))).unwrap()
}

fn make(config: &VqConfig) -> Vq {
    Vq::new(config, DIM, &Weights::fresh(4, &of_tests().unwrap()).pp("quantize")).unwrap()
}

#[test]
fn the_nearest_code_is_chosen_also_among_unit_vectors() {
    for normalize in [false, true] {
        let start = CodebookStart::Data(0);
        let mut vq = make(&VqConfig { codes: 20, normalize, start, ..VqConfig::default() });
        vq.start_from(&random((1, DIM, 8, 8), 1), 3).unwrap();
        let latents = random((2, DIM, 5, 4), 2);
        let quantized = vq.quantize(&latents, Pass::Inference).unwrap();
        let codes = quantized.codes[0].flatten_all().unwrap().to_vec1::<u32>().unwrap();
        let table = table(&vq);
        for (row, code) in rows(&latents).iter().zip(codes) {
            let row = if normalize { unit(row) } else { row.clone() };
            assert_eq!(nearest(&row, &table), code as usize);
        }
    }
}

#[test]
fn losses_put_beta_where_the_configuration_says() {
    let latents = random((2, DIM, 4, 4), 3);
    let (codebook, ema) = (BetaPlacement::Codebook, CodebookUpdate::Ema);
    let cases = [
        (BetaPlacement::Commitment, CodebookUpdate::Gradient, vec![1.0, 0.3]),
        (codebook, CodebookUpdate::Gradient, vec![0.3, 1.0]),
        (codebook, ema, vec![0.3]),
    ];
    for (placement, update, weights) in cases {
        let vq = make(&VqConfig { beta: 0.3, placement, update, ..VqConfig::default() });
        let quantized = vq.quantize(&latents, Pass::FIRST).unwrap();
        let table = table(&vq);
        let error: f64 = rows(&latents)
            .iter()
            .map(|row| {
                let code = &table[nearest(row, &table)];
                code.iter().zip(row).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
            })
            .sum();
        let mean = error / latents.elem_count() as f64;
        let got: Vec<f64> = quantized
            .losses
            .iter()
            .map(|(_, loss)| f64::from(loss.to_scalar::<f32>().unwrap()))
            .collect();
        assert_eq!(got.len(), weights.len());
        for (got, weight) in got.iter().zip(weights) {
            assert!((got - weight * mean).abs() < 1e-5 * mean, "{got} and {}", weight * mean);
        }
    }
}

#[test]
fn three_steps_of_the_moving_average_agree_with_plain_code() {
    for normalize in [false, true] {
        let config = VqConfig { codes: 5, decay: 0.8, normalize, ..VqConfig::default() };
        let mut vq = make(&config);
        let k = config.codes as usize;
        let mut codebook = {
            let raw = vq.embedding.to_vec2::<f32>().unwrap();
            raw.iter().map(|r| r.iter().map(|&x| f64::from(x)).collect()).collect::<Vec<Vec<_>>>()
        };
        let (mut sizes, mut sums) = (vec![1.0; k], codebook.clone());
        for step in 0..3 {
            let latents = random((2, DIM, 4, 4), 10 + u64::from(step));
            let codes = vq.quantize(&latents, Pass::FIRST).unwrap().codes;
            vq.observe(&latents, &codes, at(0, step)).unwrap();

            let vectors: Vec<Vec<f64>> = rows(&latents)
                .iter()
                .map(|r| if normalize { unit(r) } else { r.clone() })
                .collect();
            let compared: Vec<Vec<f64>> =
                codebook.iter().map(|r| if normalize { unit(r) } else { r.clone() }).collect();
            let (mut counts, mut added) = (vec![0.0; k], vec![vec![0.0; DIM]; k]);
            for vector in &vectors {
                let code = nearest(vector, &compared);
                counts[code] += 1.0;
                added[code].iter_mut().zip(vector).for_each(|(sum, x)| *sum += x);
            }
            for code in 0..k {
                sizes[code] = 0.8 * sizes[code] + 0.2 * counts[code];
                for c in 0..DIM {
                    sums[code][c] = 0.8 * sums[code][c] + 0.2 * added[code][c];
                }
            }
            let total: f64 = sizes.iter().sum();
            for code in 0..k {
                let smoothed = (sizes[code] + 1e-5) / (total + k as f64 * 1e-5) * total;
                codebook[code] = sums[code].iter().map(|x| x / smoothed).collect();
                if normalize {
                    codebook[code] = unit(&codebook[code]);
                }
            }
            let got = vq.embedding.to_vec2::<f32>().unwrap();
            for (got, want) in got.iter().flatten().zip(codebook.iter().flatten()) {
                assert!((f64::from(*got) - want).abs() < 1e-5, "{got} and {want}");
            }
        }
    }
}

#[test]
fn dead_codes_become_different_latents_of_the_batch() {
    for update in [CodebookUpdate::Ema, CodebookUpdate::Gradient] {
        let config = VqConfig { codes: 12, restart: 0.5, decay: 0.1, update, ..Default::default() };
        let mut vq = make(&config);
        let latents = (random((1, DIM, 4, 4), 20) + 5.0).unwrap();
        // Far from all codes: a single one gets everything.
        let codes = vq.quantize(&latents, Pass::FIRST).unwrap().codes;
        let used: std::collections::BTreeSet<u32> =
            codes[0].flatten_all().unwrap().to_vec1::<u32>().unwrap().into_iter().collect();
        let observed = vq.observe(&latents, &codes, at(7, 3)).unwrap();
        assert_eq!(observed.restarted, 12 - used.len());
        let (table, vectors) = (table(&vq), rows(&latents));
        let mut taken = Vec::new();
        for code in (0..12).filter(|code| !used.contains(code)) {
            let at = vectors.iter().position(|v| *v == table[code as usize]);
            taken.push(at.expect("a latent of the batch"));
        }
        taken.sort_unstable();
        taken.dedup();
        assert_eq!(taken.len(), observed.restarted, "two codes became the same latent");
        // The next batch of the same kind spreads over the new codes.
        let after = vq.quantize(&latents, Pass::FIRST).unwrap().codes;
        let after: std::collections::BTreeSet<u32> =
            after[0].flatten_all().unwrap().to_vec1::<u32>().unwrap().into_iter().collect();
        assert!(after.len() >= observed.restarted, "{after:?}");
    }
}

#[test]
fn restarts_are_the_same_for_the_same_step_and_differ_between_steps() {
    let codebook_after = |seed: u64, step: u32| {
        let mut vq = make(&VqConfig { codes: 12, restart: 1.0, decay: 0.1, ..Default::default() });
        let latents = (random((1, DIM, 4, 4), 21) + 5.0).unwrap();
        let codes = vq.quantize(&latents, Pass::FIRST).unwrap().codes;
        vq.observe(&latents, &codes, at(seed, step)).unwrap();
        table(&vq)
    };
    assert_eq!(codebook_after(1, 4), codebook_after(1, 4));
    assert_ne!(codebook_after(1, 4), codebook_after(1, 5));
    assert_ne!(codebook_after(1, 4), codebook_after(2, 4));
}

#[test]
fn a_codebook_from_data_starts_at_latents_and_lloyd_steps_bring_them_closer() {
    let latents = random((4, DIM, 8, 8), 30);
    let vectors = rows(&latents);
    let mut errors = Vec::new();
    for steps in [0, 1, 10] {
        let start = CodebookStart::Data(steps);
        let mut vq = make(&VqConfig { codes: 16, start, ..VqConfig::default() });
        vq.start_from(&latents, 8).unwrap();
        let table = table(&vq);
        if steps == 0 {
            assert!(table.iter().all(|code| vectors.contains(code)));
        }
        let error: f64 = vectors
            .iter()
            .map(|v| {
                let code = &table[nearest(v, &table)];
                v.iter().zip(code).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
            })
            .sum();
        errors.push(error);
        // The averages stand for the codebook: a batch that changes nothing leaves it where it is.
        let state: BTreeMap<_, _> = vq.state().into_iter().collect();
        let sizes = list(&state["quantize.embedding.cluster_size"]);
        let sums = list(&state["quantize.embedding.embed_avg"]);
        for (code, row) in table.iter().enumerate() {
            for (c, x) in row.iter().enumerate() {
                let mean = f64::from(sums[code * DIM + c]) / f64::from(sizes[code]);
                assert!((mean - x).abs() < 1e-5);
            }
        }
    }
    assert!(errors[1] < errors[0] && errors[2] < errors[1], "{errors:?}");
    // More codes than latents: repeated, a little apart.
    let start = CodebookStart::Data(0);
    let mut vq = make(&VqConfig { codes: 9, start, ..VqConfig::default() });
    vq.start_from(&random((1, DIM, 2, 2), 31), 8).unwrap();
    assert!(table(&vq).iter().flatten().all(|x| x.is_finite()));
}

#[test]
fn a_saved_codebook_goes_on_as_if_never_stopped() {
    let config = VqConfig { codes: 6, restart: 0.2, ..VqConfig::default() };
    let step = |vq: &mut Vq, step: u32| {
        let latents = random((1, DIM, 4, 4), 40 + u64::from(step));
        let codes = vq.quantize(&latents, Pass::FIRST).unwrap().codes;
        vq.observe(&latents, &codes, at(1, step)).unwrap();
    };
    let mut whole = make(&config);
    (0..3).for_each(|at| step(&mut whole, at));
    let saved: BTreeMap<String, Tensor> =
        whole.state().into_iter().map(|(name, t)| (name, t.copy().unwrap())).collect();
    let weights = Weights::loaded(saved, true, &of_tests().unwrap());
    let mut resumed = Vq::new(&config, DIM, &weights.pp("quantize")).unwrap();
    weights.finish("state", &[]).unwrap();
    for at in 3..6 {
        step(&mut whole, at);
        step(&mut resumed, at);
    }
    for ((name, a), (_, b)) in whole.state().iter().zip(resumed.state()) {
        assert_eq!(list(a), list(&b), "{name}");
    }
}
