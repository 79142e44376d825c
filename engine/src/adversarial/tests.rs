//! The discriminator against plain f64 code and finite differences, and what its state may do.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};

use super::*;
use crate::device::of_tests;
use crate::layers::Weights;
use crate::random::{Noise, Purpose};
use crate::{EngineError, Result};

fn noise(cell: u64, shape: &[usize]) -> Tensor {
    let noise = Noise::new(9, Purpose::Test, 0, cell);
    let count = shape.iter().product::<usize>() as u32;
    let values: Vec<f32> = (0..count).map(|lane| noise.normal(lane)).collect();
    Tensor::from_vec(values, shape, &of_tests().unwrap()).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    let values: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
    values.into_iter().map(f64::from).collect()
}

fn small(norm: DiscriminatorNorm) -> DiscriminatorConfig {
    DiscriminatorConfig { ndf: 4, layers: 2, norm, ..DiscriminatorConfig::default() }
}

/// With weights large enough that every layer matters.
fn network(config: &DiscriminatorConfig) -> (PatchDiscriminator, Weights) {
    let weights = Weights::fresh(7, &of_tests().unwrap());
    let network = PatchDiscriminator::new(config, &weights).unwrap();
    for (at, (name, var)) in weights.vars().iter().enumerate() {
        let scale = if name.ends_with("weight") { 0.3 } else { 0.1 };
        let moved = (noise(100 + at as u64, var.dims()) * scale).unwrap();
        var.set(&(var.as_detached_tensor() + moved).unwrap()).unwrap();
    }
    (network, weights)
}

/// Each channel of (B, C, H, W): its mean, and its variance divided by n and by n - 1.
fn channels(x: &Tensor) -> Vec<(f64, f64, f64)> {
    let (b, c, h, w) = x.dims4().unwrap();
    let all = values(x);
    let of_channel = |channel: usize| {
        let own: Vec<f64> = (0..b * h * w)
            .map(|at| all[(at / (h * w) * c + channel) * h * w + at % (h * w)])
            .collect();
        let n = own.len() as f64;
        let mean = own.iter().sum::<f64>() / n;
        let squares = own.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
        (mean, squares / n, squares / (n - 1.0))
    };
    (0..c).map(of_channel).collect()
}

#[test]
fn batch_norm_is_its_definition_by_the_batch_and_by_what_ran_before() {
    let weights = Weights::fresh(1, &of_tests().unwrap());
    let mut norm = BatchNorm::new(&weights.pp("main.3"), 3).unwrap();
    let vars = weights.vars();
    assert_eq!(vars.keys().collect::<Vec<_>>(), ["main.3.bias", "main.3.weight"]);
    vars["main.3.bias"].set(&noise(1, &[3])).unwrap();
    let (weight, bias) = (values(&vars["main.3.weight"]), values(&vars["main.3.bias"]));
    assert!(weight.iter().all(|w| (w - 1.0).abs() < 0.1) && weight[0] != 1.0, "{weight:?}");
    let mut running = [(0.0, 1.0); 3];
    for step in 0..3 {
        let scale = f64::from(step) + 1.0;
        let x = ((noise(2 + step as u64, &[3, 3, 5, 4]) * scale).unwrap() + scale).unwrap();
        let check = |y: &Tensor, of: &dyn Fn(usize) -> (f64, f64)| {
            for (at, (found, x)) in values(y).into_iter().zip(values(&x)).enumerate() {
                let channel = at / 20 % 3;
                let (mean, variance) = of(channel);
                let want = (x - mean) / (variance + 1e-5).sqrt() * weight[channel] + bias[channel];
                assert!((found - want).abs() < 2e-5 * (1.0 + want.abs()), "{at}: {found}, {want}");
            }
        };
        let batch = channels(&x);
        for still in [true, false] {
            let (y, _) = norm.by_batch(&x, still).unwrap();
            check(&y, &|channel| (batch[channel].0, batch[channel].1));
        }
        // Nothing moved so far.
        check(&norm.by_running(&x).unwrap(), &|channel| running[channel]);
        let (_, seen) = norm.by_batch(&x, false).unwrap();
        norm.observe(&seen).unwrap();
        for (running, batch) in running.iter_mut().zip(&batch) {
            running.0 = 0.9 * running.0 + 0.1 * batch.0;
            running.1 = 0.9 * running.1 + 0.1 * batch.2;
        }
        check(&norm.by_running(&x).unwrap(), &|channel| running[channel]);
    }
    let state: BTreeMap<String, Tensor> = norm.state().into_iter().collect();
    for (found, want) in values(&state["main.3.running_var"]).iter().zip(running) {
        assert!((found - want.1).abs() < 1e-5 * want.1);
    }
    assert!(norm.by_batch(&noise(1, &[1, 3, 1, 1]), false).is_err(), "no variance of one number");
}

/// The discriminator in plain f64 operations, so that differences can be far smaller than what separates
/// a LeakyReLU from its kink.
struct Twin {
    config: DiscriminatorConfig,
    tensors: BTreeMap<String, Tensor>,
}

impl Twin {
    fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(&format!("main.{name}"))
    }

    fn conv(&self, x: &Tensor, at: usize, stride: usize) -> Tensor {
        let y = x.conv2d(self.get(&format!("{at}.weight")).unwrap(), 1, stride, 1, 1).unwrap();
        match self.get(&format!("{at}.bias")) {
            Some(bias) => y.broadcast_add(&bias.reshape((1, (), 1, 1)).unwrap()).unwrap(),
            None => y,
        }
    }

    fn norm(&self, x: &Tensor, at: usize) -> Tensor {
        let (b, c, h, w) = x.dims4().unwrap();
        let (rows, axes): (Tensor, &[usize]) = match self.config.norm {
            DiscriminatorNorm::Batch => (x.reshape((b, c, h * w)).unwrap(), &[0, 2]),
            DiscriminatorNorm::Group(groups) => {
                (x.reshape((b, groups, c / groups * h * w)).unwrap(), &[2])
            }
        };
        let mean = |x: &Tensor| x.mean_keepdim(axes).unwrap();
        let centered = rows.broadcast_sub(&mean(&rows)).unwrap();
        let deviation = (mean(&centered.sqr().unwrap()) + 1e-5).unwrap().sqrt().unwrap();
        let normal = centered.broadcast_div(&deviation).unwrap().reshape((b, c, h, w)).unwrap();
        let [weight, bias] = ["weight", "bias"]
            .map(|name| self.get(&format!("{at}.{name}")).unwrap().reshape((1, (), 1, 1)).unwrap());
        normal.broadcast_mul(&weight).unwrap().broadcast_add(&bias).unwrap()
    }

    fn logits(&self, x: &Tensor) -> Tensor {
        let leaky = |x: &Tensor| x.maximum(&(x * 0.2).unwrap()).unwrap();
        let layers = self.config.layers;
        let mut x = leaky(&self.conv(x, 0, 2));
        for layer in 1..=layers {
            let (at, stride) = (3 * layer - 1, if layer < layers { 2 } else { 1 });
            x = leaky(&self.norm(&self.conv(&x, at, stride), at + 1));
        }
        self.conv(&x, 3 * layers + 2, 1)
    }

    /// The vanilla loss.
    fn loss(&self, real: &Tensor, fake: &Tensor) -> f64 {
        let mean = |logits: Tensor| {
            let logits: Vec<f64> = logits.flatten_all().unwrap().to_vec1().unwrap();
            let count = logits.len() as f64;
            logits.into_iter().map(|x| x.exp().ln_1p()).sum::<f64>() / count
        };
        0.5 * (mean(self.logits(real).neg().unwrap()) + mean(self.logits(fake)))
    }
}

fn wide(x: &Tensor) -> Tensor {
    x.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
}

#[test]
fn every_parameter_and_the_images_have_the_gradient_of_the_loss() {
    for norm in [DiscriminatorNorm::Batch, DiscriminatorNorm::Group(4)] {
        let config = small(norm);
        let (network, weights) = network(&config);
        let real = Var::from_tensor(&noise(1, &[3, 3, 24, 28])).unwrap();
        let fake = noise(2, &[3, 3, 24, 28]);
        let [on_real, on_fake] =
            [real.as_tensor(), &fake].map(|x| network.judge(x).unwrap().logits);
        let loss = AdversarialLoss::Vanilla.discriminator(&on_real, &on_fake).unwrap();
        let gradients = loss.backward().unwrap();
        let vars = weights.vars();
        let mut tensors: BTreeMap<String, Tensor> =
            vars.iter().map(|(name, var)| (name.clone(), wide(var))).collect();
        tensors.insert("images".to_owned(), wide(&real));
        let fake = wide(&fake);
        let mut twin = Twin { config, tensors };
        let now = twin.loss(&twin.tensors["images"], &fake);
        assert!((now - values(&loss)[0]).abs() < 1e-5, "{now} and {}", values(&loss)[0]);
        let names: Vec<String> = twin.tensors.keys().cloned().collect();
        for (at, name) in names.iter().enumerate() {
            let var = vars.get(name).unwrap_or(&real);
            let gradient = gradients.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
            let gradient = wide(gradient);
            let dot = |a: &Tensor, b: &Tensor| -> f64 {
                (a * b).unwrap().sum_all().unwrap().to_scalar().unwrap()
            };
            let size = dot(&gradient, &gradient).sqrt();
            assert!(size > 1e-5, "{name}: {size}");
            // Along itself, where what is false shows most, and another way, where nothing may be missing.
            let other = wide(&noise(50 + at as u64, var.dims()));
            let other = (&other * (size / dot(&other, &other).sqrt())).unwrap();
            for direction in [&gradient, &(&gradient + other).unwrap()] {
                let start = twin.tensors[name].clone();
                let mut at = |by: f64| {
                    let moved = (&start + (direction * (by / size)).unwrap()).unwrap();
                    twin.tensors.insert(name.clone(), moved);
                    twin.loss(&twin.tensors["images"], &fake)
                };
                let rise = (at(1e-6) - at(-1e-6)) / 2e-6;
                twin.tensors.insert(name.clone(), start);
                let want = dot(&gradient, direction) / size;
                assert!((rise - want).abs() < 1e-3 * size, "{norm:?} {name}: {rise}, {want}");
            }
        }
    }
}

#[test]
fn for_the_generator_images_alone_get_the_same_gradient() {
    let (network, weights) = network(&small(DiscriminatorNorm::Batch));
    let images = Var::from_tensor(&noise(1, &[2, 3, 24, 24])).unwrap();
    let gradients = |judgement: Result<Judgement>| {
        let loss = AdversarialLoss::Hinge.generator(&judgement.unwrap().logits).unwrap();
        loss.backward().unwrap()
    };
    let (all, few) =
        (gradients(network.judge(&images)), gradients(network.judge_for_generator(&images)));
    let (a, b) = (values(all.get(&images).unwrap()), values(few.get(&images).unwrap()));
    let largest = a.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    assert!(largest > 0.0 && a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5 * largest));
    for (name, var) in weights.vars() {
        assert!(all.get(&var).is_some() && few.get(&var).is_none(), "{name}");
    }
}

#[test]
fn only_what_is_observed_changes_what_ran_before_and_it_comes_back_from_a_checkpoint() {
    let config = small(DiscriminatorNorm::Batch);
    let (mut network, weights) = network(&config);
    let (a, b) = (noise(1, &[2, 3, 24, 24]), noise(2, &[2, 3, 24, 24]));
    let of = |network: &PatchDiscriminator| -> Vec<Vec<f64>> {
        network.state().iter().map(|(_, state)| values(state)).collect()
    };
    let before = of(&network);
    assert_eq!(before.len(), 2 * config.layers);
    network.logits(&a).unwrap();
    network.judge_for_generator(&a).unwrap();
    let (first, second) = (network.judge(&a).unwrap(), network.judge(&b).unwrap());
    assert_eq!(of(&network), before);
    network.observe(&first.statistics).unwrap();
    network.observe(&second.statistics).unwrap();
    assert!(of(&network).iter().zip(&before).all(|(now, before)| now != before));
    assert!(network.observe(&[]).unwrap_err().is_bad_input());

    let mut saved = weights
        .vars()
        .iter()
        .map(|(name, var)| (name.clone(), var.as_detached_tensor()))
        .collect::<BTreeMap<_, _>>();
    saved.extend(network.state());
    // As PyTorch writes it.
    saved.insert("main.3.num_batches_tracked".to_owned(), noise(1, &[]));
    let loaded = Weights::loaded(saved, true, &of_tests().unwrap());
    let again = PatchDiscriminator::new(&config, &loaded).unwrap();
    loaded.finish("discriminator", &[]).unwrap();
    assert_eq!(values(&again.logits(&a).unwrap()), values(&network.logits(&a).unwrap()));
}

#[test]
fn with_groups_micro_batches_give_what_the_batch_does() {
    let (network, _) = network(&small(DiscriminatorNorm::Group(2)));
    let images = noise(1, &[4, 3, 24, 24]);
    let whole = network.judge(&images).unwrap();
    assert!(whole.statistics.is_empty() && network.state().is_empty());
    let halves = [0, 2]
        .map(|first| values(&network.judge(&images.narrow(0, first, 2).unwrap()).unwrap().logits));
    for (whole, half) in values(&whole.logits).into_iter().zip(halves.concat()) {
        assert!((whole - half).abs() < 1e-5 * (1.0 + half.abs()), "{whole}, {half}");
    }
    let outside = network.logits(&images).unwrap();
    for (a, b) in values(&outside).into_iter().zip(values(&whole.logits)) {
        assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()));
    }
}

#[test]
fn names_sizes_and_the_start_are_the_published_ones() {
    let config = DiscriminatorConfig { ndf: 8, ..DiscriminatorConfig::default() };
    let weights = Weights::fresh(1, &of_tests().unwrap());
    let network = PatchDiscriminator::new(&config, &weights).unwrap();
    let vars = weights.vars();
    let shapes: Vec<(&str, &[usize])> =
        vars.iter().map(|(name, var)| (name.as_str(), var.dims())).collect();
    assert_eq!(
        shapes,
        [
            ("main.0.bias", &[8][..]),
            ("main.0.weight", &[8, 3, 4, 4]),
            ("main.11.bias", &[1]),
            ("main.11.weight", &[1, 64, 4, 4]),
            ("main.2.weight", &[16, 8, 4, 4]),
            ("main.3.bias", &[16]),
            ("main.3.weight", &[16]),
            ("main.5.weight", &[32, 16, 4, 4]),
            ("main.6.bias", &[32]),
            ("main.6.weight", &[32]),
            ("main.8.weight", &[64, 32, 4, 4]),
            ("main.9.bias", &[64]),
            ("main.9.weight", &[64]),
        ]
    );
    let start = values(&vars["main.8.weight"]);
    let deviation = (start.iter().map(|x| x * x).sum::<f64>() / start.len() as f64).sqrt();
    assert!((deviation - 0.02).abs() < 0.001, "{deviation}");
    // 256 pixels give 30 patches, as published.
    assert_eq!((config.logits_side(256), config.logits_side(128)), (30, 14));
    let least = config.least_side();
    let fits = |side: usize| network.logits(&noise(1, &[1, 3, side, side]));
    assert_eq!(fits(least).unwrap().dims(), [1, 1, 1, 1]);
    assert!(matches!(fits(least - 1), Err(EngineError::Shape { .. })));
    assert!(network.logits(&noise(1, &[1, 1, 64, 64])).is_err());
}

#[test]
fn settings_that_cannot_be_are_named() {
    let read = |text: &str| serde_json::from_str::<DiscriminatorConfig>(text);
    assert_eq!(read("{}").unwrap(), DiscriminatorConfig::default());
    let config = read(r#"{"ndf": 32, "norm": {"Group": 8}, "loss": "Vanilla"}"#).unwrap();
    config.validate().unwrap();
    assert_eq!((config.norm, config.loss), (DiscriminatorNorm::Group(8), AdversarialLoss::Vanilla));
    assert!(read(r#"{"n_layers": 3}"#).unwrap_err().to_string().contains("n_layers"));
    for (text, field) in [
        (r#"{"ndf": 0}"#, "ndf"),
        (r#"{"layers": 9}"#, "layers"),
        (r#"{"ndf": 4, "norm": {"Group": 16}}"#, "norm"),
        (r#"{"norm": {"Group": 0}}"#, "norm"),
        (r#"{"in_channels": 0}"#, "in_channels"),
    ] {
        let problem = read(text).unwrap().validate().unwrap_err().problem();
        assert!(problem.summary.contains(&format!("discriminator.{field}")), "{problem}");
    }
}

#[test]
fn losses_are_their_definitions_also_where_exponentials_overflow() {
    let logits = |cell: u64| (noise(cell, &[3, 1, 4, 5]) * 60.0).unwrap();
    let (real, fake) = (logits(1), logits(2));
    let (r, f) = (values(&real), values(&fake));
    let mean =
        |x: &[f64], f: &dyn Fn(f64) -> f64| x.iter().map(|x| f(*x)).sum::<f64>() / x.len() as f64;
    let soft = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let images = |x: &[f64]| x.chunks(20).map(|x| mean(x, &|x| x)).collect::<Vec<f64>>();
    for (loss, d, g) in [
        (
            AdversarialLoss::Hinge,
            0.5 * (mean(&r, &|x| (1.0 - x).max(0.0)) + mean(&f, &|x| (1.0 + x).max(0.0))),
            -mean(&f, &|x| x),
        ),
        (
            AdversarialLoss::Vanilla,
            0.5 * (mean(&r, &|x| soft(-x)) + mean(&f, &soft)),
            -mean(&f, &|x| x),
        ),
        (
            AdversarialLoss::NonSaturating,
            mean(&images(&r), &|x| soft(-x)) + mean(&images(&f), &soft),
            mean(&images(&f), &|x| soft(-x)),
        ),
    ] {
        for (found, want) in
            [(loss.discriminator(&real, &fake).unwrap(), d), (loss.generator(&fake).unwrap(), g)]
        {
            let found = values(&found)[0];
            assert!((found - want).abs() < 1e-5 * (1.0 + want.abs()), "{loss:?}: {found}, {want}");
        }
        // Gradients stay numbers there, too, and at 0.
        let zero = Var::from_tensor(&fake.zeros_like().unwrap()).unwrap();
        for x in [&Var::from_tensor(&(&fake * 100.0).unwrap()).unwrap(), &zero] {
            let sum = (loss.discriminator(x, x).unwrap() + loss.generator(x).unwrap()).unwrap();
            let gradients = sum.backward().unwrap();
            assert!(values(gradients.get(x).unwrap()).iter().all(|g| g.is_finite()), "{loss:?}");
        }
    }
}

#[test]
fn the_weight_balances_norms_and_stays_within_its_bounds() {
    assert!((adaptive_weight(3.0, 2.0) - 3.0 / 2.0001).abs() < 1e-12);
    assert_eq!(adaptive_weight(0.0, 1.0), 0.0);
    assert_eq!(adaptive_weight(5.0, 0.0), 1e4, "a generator's loss that moves nothing");
}
