//! Every rule trains: a tiny network around it learns a tiny world, codes are used, and knobs turn meanwhile.

use std::collections::BTreeMap;

use candle_core::Var;

use super::*;
use crate::Knob;
use crate::layers::Conv2d;

/// Channels of the world.
const WIDE: usize = 6;
const BATCH: usize = 8;
const SIDE: usize = 4;

/// Pictures (B, 6, 4, 4) whose places stand around one of 40 points.
fn world(step: u32) -> Tensor {
    let mut values = vec![0.0; BATCH * WIDE * SIDE * SIDE];
    for picture in 0..BATCH {
        for place in 0..SIDE * SIDE {
            let noise = Noise::new(21, Purpose::Test, step, (picture * SIDE * SIDE + place) as u64);
            let point = Noise::new(22, Purpose::Test, 0, u64::from(noise.below(0, 40)));
            for channel in 0..WIDE {
                let lane = channel as u32;
                let at = (picture * WIDE + channel) * SIDE * SIDE + place;
                values[at] = point.normal(lane) + 0.05 * noise.normal(1 + lane);
            }
        }
    }
    Tensor::from_vec(values, (BATCH, WIDE, SIDE, SIDE), &of_tests().unwrap()).unwrap()
}

/// A layer before the rule and one behind it, trained by Adam.
struct Tiny {
    encoder: Conv2d,
    decoder: Conv2d,
    rule: Box<dyn Quantizer>,
    vars: BTreeMap<String, Var>,
    moments: BTreeMap<String, [Tensor; 2]>,
    step: u32,
    restarted: usize,
}

/// What stands at the end of some steps.
#[derive(Debug)]
struct Stand {
    /// Mean squared error of the last ten.
    error: f64,
    /// Share of all codes that the last ten used.
    used: f64,
}

impl Tiny {
    fn new(config: &QuantizerConfig, dim: usize) -> Self {
        let weights = Weights::fresh(4, &of_tests().unwrap());
        let encoder = Conv2d::one(&weights.pp("encoder"), (WIDE, dim)).unwrap();
        let decoder = Conv2d::one(&weights.pp("decoder"), (dim, WIDE)).unwrap();
        let mut rule = build(config, dim, &weights.pp("quantize")).unwrap();
        rule.start_from(&encoder.forward(&world(0)).unwrap().detach(), 1).unwrap();
        let vars = weights.vars();
        let zeros = |var: &Var| var.as_tensor().zeros_like().unwrap();
        let moments =
            vars.iter().map(|(name, var)| (name.clone(), [zeros(var), zeros(var)])).collect();
        Self { encoder, decoder, rule, vars, moments, step: 0, restarted: 0 }
    }

    fn train(&mut self, steps: u32) -> Stand {
        let (mut error, mut used) =
            (0.0, vec![std::collections::BTreeSet::new(); self.rule.books().len()]);
        for left in (0..steps).rev() {
            let world = world(self.step);
            let place = Place { seed: 5, step: self.step, first_picture: 0 };
            let latents = self.encoder.forward(&world).unwrap();
            let found = self.rule.quantize(&latents, Pass::Training(place)).unwrap();
            let image = self.decoder.forward(&found.latents).unwrap();
            let mse = (image - &world).unwrap().sqr().unwrap().mean_all().unwrap();
            let loss =
                found.losses.iter().fold(mse.clone(), |sum, (_, loss)| (sum + loss).unwrap());
            self.adam(&loss.backward().unwrap());
            self.restarted +=
                self.rule.observe(&latents.detach(), &found.codes, place).unwrap().restarted;
            self.step += 1;
            if left < 10 {
                error += f64::from(mse.to_scalar::<f32>().unwrap()) / 10.0;
                let layout = self.rule.layout(SIDE, SIDE);
                for (part, codes) in layout.iter().zip(&found.codes) {
                    let codes = codes.flatten_all().unwrap().to_vec1::<u32>().unwrap();
                    used[usize::from(part.book)].extend(codes);
                }
            }
        }
        let all: u32 = self.rule.books().iter().map(|book| book.size).sum();
        let used = used.iter().map(std::collections::BTreeSet::len).sum::<usize>();
        Stand { error, used: used as f64 / f64::from(all) }
    }

    fn adam(&mut self, gradients: &candle_core::backprop::GradStore) {
        let count = self.step as i32 + 1;
        for (name, var) in &self.vars {
            let gradient = gradients.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
            let [m, v] = self.moments.get_mut(name).unwrap();
            *m = ((&*m * 0.9).unwrap() + (gradient * 0.1).unwrap()).unwrap();
            *v = ((&*v * 0.99).unwrap() + (gradient.sqr().unwrap() * 0.01).unwrap()).unwrap();
            let (m, v) =
                ((&*m / (1.0 - 0.9_f64.powi(count))), (&*v / (1.0 - 0.99_f64.powi(count))));
            let by = (m.unwrap() / (v.unwrap().sqrt().unwrap() + 1e-8).unwrap()).unwrap();
            var.set(&(var.as_tensor() - (by * 0.01).unwrap()).unwrap()).unwrap();
        }
    }

    /// The commitment loss without its weight, of the squares of what latents are quantized to.
    fn far(&self, weight: f64) -> f64 {
        let latents = self.encoder.forward(&world(9999)).unwrap().detach();
        let found = self.rule.quantize(&latents, Pass::FIRST).unwrap();
        let number = |x: &Tensor| f64::from(x.to_scalar::<f32>().unwrap());
        let (_, loss) = found.losses.iter().find(|(name, _)| *name == "commitment").unwrap();
        // SimVQ's has that of the codes in it, which is as large.
        let weight = if self.vars.contains_key("quantize.code_transform.weight") {
            1.0 + weight
        } else {
            weight
        };
        number(loss) / weight / number(&found.latents.sqr().unwrap().mean_all().unwrap())
    }

    /// The error of decoding the first few parts alone.
    fn error_of(&self, parts: usize) -> f64 {
        let world = world(9999);
        let latents = self.encoder.forward(&world).unwrap();
        let codes = self.rule.quantize(&latents, Pass::Inference).unwrap().codes;
        let image = self.decoder.forward(&self.rule.decode(&codes[..parts]).unwrap()).unwrap();
        let mse = (image - world).unwrap().sqr().unwrap().mean_all().unwrap();
        f64::from(mse.to_scalar::<f32>().unwrap())
    }
}

const CODES: u32 = 32;
const DATA: CodebookStart = CodebookStart::Data(5);

fn vq() -> VqConfig {
    VqConfig { codes: CODES, decay: 0.95, ..VqConfig::default() }
}

/// Without the cures.
fn collapsing() -> Tiny {
    Tiny::new(&QuantizerConfig::Vq(vq()), 4)
}

#[test]
fn small_random_codes_collapse_and_codes_from_data_that_are_restarted_do_not() {
    let poor = collapsing().train(300);
    let cured = VqConfig { start: DATA, restart: 0.3, ..vq() };
    let good = Tiny::new(&QuantizerConfig::Vq(cured), 4).train(300);
    assert!(poor.used < 0.6 && good.used > 0.9, "used: {} and {}", poor.used, good.used);
    assert!(good.error < 0.75 * poor.error, "errors: {} and {}", poor.error, good.error);
}

#[test]
fn a_collapsing_run_is_cured_while_it_goes_on() {
    let (mut left, mut cured) = (collapsing(), collapsing());
    left.train(150);
    let before = cured.train(150);
    cured.rule.turn(Knob::Restart, 0.3).unwrap();
    let (left, after) = (left.train(150), cured.train(150));
    assert!(before.used < 0.6 && left.used < 0.6, "used: {} and {}", before.used, left.used);
    assert!(after.used > 0.9 && cured.restarted > 0, "used after it: {}", after.used);
    assert!(after.error < 0.75 * left.error, "errors: {} and {}", left.error, after.error);
}

/// Rules that are to keep their codes in use, with the share that they use at least.
fn healthy() -> Vec<(QuantizerConfig, usize, f64)> {
    let gradient = || VqConfig { update: CodebookUpdate::Gradient, start: DATA, ..vq() };
    let unit = |vq| VqConfig { normalize: true, ..vq };
    let through = Through::Rotation;
    let simple = |through| SimVqConfig { codes: CODES, through, ..SimVqConfig::default() };
    let scales = || MultiScaleConfig {
        vocab_size: CODES,
        v_patch_nums: vec![1, 2, 4],
        share_quant_resi: 2,
        ..MultiScaleConfig::default()
    };
    let residual = |vq, quantize_dropout| {
        let vq = VqConfig { codes: 8, restart: 0.3, ..vq };
        QuantizerConfig::Residual(ResidualVqConfig { levels: 3, vq, quantize_dropout })
    };
    vec![
        (QuantizerConfig::Vq(gradient()), 4, 0.7),
        (QuantizerConfig::Vq(VqConfig { restart: 0.3, ..gradient() }), 4, 0.9),
        (QuantizerConfig::Vq(VqConfig { through, ..gradient() }), 4, 0.7),
        (
            QuantizerConfig::Vq(unit(VqConfig { start: CodebookStart::Uniform, ..gradient() })),
            4,
            0.6,
        ),
        (QuantizerConfig::Vq(unit(VqConfig { start: DATA, restart: 0.3, ..vq() })), 4, 0.9),
        (QuantizerConfig::Fsq(FsqConfig { levels: vec![4, 3, 3], ..FsqConfig::default() }), 3, 0.6),
        (QuantizerConfig::Lfq(LfqConfig::default()), 5, 0.6),
        (QuantizerConfig::Bsq(LfqConfig::default()), 5, 0.6),
        (residual(VqConfig { start: DATA, ..vq() }, false), 4, 0.9),
        (residual(VqConfig { start: DATA, ..vq() }, true), 4, 0.9),
        (residual(gradient(), true), 4, 0.9),
        (QuantizerConfig::SimVq(simple(Through::Rotation)), 4, 0.6),
        (QuantizerConfig::SimVq(simple(Through::Straight)), 4, 0.6),
        (QuantizerConfig::MultiScale(scales()), 4, 0.6),
        (
            QuantizerConfig::MultiScale(MultiScaleConfig { start: DATA, restart: 0.3, ..scales() }),
            4,
            0.9,
        ),
        (
            QuantizerConfig::MultiScale(MultiScaleConfig {
                using_znorm: true,
                start: DATA,
                ..scales()
            }),
            4,
            0.9,
        ),
    ]
}

#[test]
fn every_rule_that_trains_learns_and_uses_its_codes() {
    for (config, dim, least) in healthy() {
        let mut tiny = Tiny::new(&config, dim);
        let (first, last) = (tiny.train(10), tiny.train(240));
        assert!(last.error < 0.5 * first.error, "{config:?}: {} to {}", first.error, last.error);
        assert!(last.used > least, "{config:?}: {} used", last.used);
    }
}

/// Latents stay nearer to their codes where commitment weighs more, from the step on at which it is turned.
#[test]
fn commitment_that_is_turned_up_while_a_rule_trains_brings_latents_to_their_codes() {
    for (config, dim, _) in healthy() {
        let mut turned = [0.01, 4.0].map(|_| Tiny::new(&config, dim));
        if !turned[0].rule.knobs().iter().any(|(knob, _)| *knob == Knob::Commitment) {
            continue;
        }
        let far = [0.01, 4.0].into_iter().zip(&mut turned).map(|(weight, tiny)| {
            tiny.train(40);
            tiny.rule.turn(Knob::Commitment, weight).unwrap();
            tiny.train(70);
            tiny.far(weight)
        });
        let far: Vec<f64> = far.collect();
        assert!(far[1] < 0.8 * far[0], "{config:?}: {far:?}");
    }
}

#[test]
fn with_dropped_levels_one_model_serves_every_number_of_them() {
    let made = |quantize_dropout| {
        let vq = VqConfig { codes: 8, start: DATA, restart: 0.3, ..vq() };
        let config = ResidualVqConfig { levels: 4, vq, quantize_dropout };
        let mut tiny = Tiny::new(&QuantizerConfig::Residual(config), 4);
        tiny.train(300);
        (1..=4).map(|levels| tiny.error_of(levels)).collect::<Vec<f64>>()
    };
    let (plain, dropped) = (made(false), made(true));
    assert!(dropped.windows(2).all(|pair| pair[1] < pair[0]), "{dropped:?}");
    assert!(dropped[2] < 0.6 * dropped[0], "{dropped:?}");
    assert!(dropped[0] < plain[0], "the first level alone: {} and {}", dropped[0], plain[0]);
}
