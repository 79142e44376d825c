//! valeoai's MaskGIT with the Halton order, and both of its samplers as they were published: they write over
//! tokens that were given, which ours never do.

use serde_json::Value;
use smalti_engine::checkpoints;
use smalti_engine::generators::families::{HaltonConfig, HaltonTransformer};
use smalti_engine::generators::{NetworkSize, halton_order};
use smalti_engine::layers::Weights;
use smalti_tests::{Tensors, assert_close, count, device, fixture, load_config, load_io, number};

use crate::draws::{draw, rows, softmax};
use crate::masked::{
    Codes, ask, assert_confidence, codes, doubled, forward, labels, largest, led, linspace,
    recorded, training,
};

const NAME: &str = "maskgit_halton";

fn network(config: &Value) -> HaltonTransformer {
    let made = HaltonConfig {
        network: NetworkSize {
            layers: count(config, "depth"),
            dim: count(config, "hidden_dim"),
            heads: count(config, "heads"),
        },
        mlp: count(config, "ff_hidden"),
        side: count(config, "grid"),
        codes: count(config, "codebook_size"),
        classes: count(config, "nclass"),
        registers: count(config, "register"),
    };
    let checkpoint = checkpoints::read(&fixture(NAME).join("weights.pth")).unwrap();
    let weights = Weights::loaded(checkpoint.to_tensors(&device()).unwrap(), false, &device());
    let network = HaltonTransformer::new(&made, &weights).unwrap();
    weights.finish(NAME, &[]).unwrap();
    network
}

#[test]
fn parity_halton_one_pass_and_what_it_learns_from() {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let network = network(&config);
    let network =
        |tokens: &[&[u32]], classes: &[Option<u32>]| network.logits(tokens, classes).unwrap();
    forward((&config, &io, &network), number(&config, "tolerance/logits_abs"));
    training((&config, &io, &network), false, 0.0);
}

#[test]
fn parity_halton_orders_of_grids() {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let side = count(&config, "grid");
    let mut grids = vec![(side, "halton.order".to_owned())];
    for side in smalti_tests::counts(&config, "halton_extra") {
        grids.push((side, format!("halton.order_{side}")));
    }
    for (side, name) in grids {
        let expected: Vec<u32> =
            io.u32s(&name).chunks(2).map(|cell| cell[0] * side as u32 + cell[1]).collect();
        assert_eq!(halton_order(side, side), expected, "{name}");
    }
}

/// How many tokens are there after each step.
fn totals(mode: &str, steps: usize, cells: usize) -> Vec<usize> {
    use std::f32::consts::FRAC_PI_2;
    let share = |r: f32| match mode {
        "root" => r.sqrt(),
        "linear" => r,
        "square" => r * r,
        "cosine" => 1.0 - (r * FRAC_PI_2).cos(),
        "arccos" => 1.0 - r.acos() / FRAC_PI_2,
        _ => panic!("no schedule is called {mode}"),
    };
    linspace(0.0, 1.0, steps).into_iter().map(|r| (share(r) * cells as f32) as usize).collect()
}

#[test]
fn parity_halton_schedules() {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let cells = count(&config, "grid").pow(2);
    for mode in ["root", "linear", "square", "cosine", "arccos"] {
        for steps in smalti_tests::counts(&config, "sched_steps") {
            let found: Vec<u32> =
                totals(mode, steps, cells).into_iter().map(|k| k as u32).collect();
            assert_eq!(found, io.u32s(&format!("sched.{mode}.{steps}")), "{mode} {steps}");
        }
    }
}

#[test]
fn parity_halton_both_samplers_write_the_recorded_tokens_step_by_step() {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let network = network(&config);
    for (name, settings) in config["runs"].as_object().unwrap() {
        let run = Run::new((&config, &io), &network, settings, name);
        match settings["sampler"].as_str().unwrap() {
            "halton" => run.by_halton(),
            "confidence" => run.by_confidence(),
            other => panic!("{other}"),
        }
    }
}

/// A run as it was recorded.
struct Run<'a> {
    config: &'a Value,
    io: &'a Tensors,
    network: &'a HaltonTransformer,
    settings: &'a Value,
    name: &'a str,
    steps: usize,
    cells: usize,
    /// The number of the mask.
    mask: u32,
    labels: Vec<u32>,
    w: f64,
}

impl<'a> Run<'a> {
    fn new(
        (config, io): (&'a Value, &'a Tensors),
        network: &'a HaltonTransformer,
        settings: &'a Value,
        name: &'a str,
    ) -> Self {
        Self {
            config,
            io,
            network,
            settings,
            name,
            steps: count(settings, "step"),
            cells: count(config, "grid").pow(2),
            mask: count(config, "codebook_size") as u32,
            labels: labels(settings),
            w: number(settings, "w"),
        }
    }

    fn key(&self, step: usize, what: &str) -> String {
        format!("{}.s{step}.{what}", self.name)
    }

    /// A setting, or what the sampler takes without it.
    fn setting(&self, name: &str, usual: f64) -> f64 {
        self.settings[name].as_f64().unwrap_or(usual)
    }

    /// What stands there before the first step.
    fn start(&self) -> Codes {
        if self.name.ends_with("_init") {
            return codes(self.io, "inpaint.init_code", self.cells);
        }
        vec![vec![self.mask; self.cells]; self.labels.len()]
    }

    /// The network's logits, led by `w`, times `factor`.
    fn logits(&self, step: usize, written: &Codes, w: f64, factor: f64) -> Vec<Vec<f32>> {
        let key = self.key(step, "code_in");
        assert_eq!(*written, codes(self.io, &key, self.cells), "{key}");
        let network = |tokens: &[&[u32]], classes: &[Option<u32>]| {
            self.network.logits(tokens, classes).unwrap()
        };
        let classes = doubled(&self.labels, self.w != 0.0);
        let both = ask(&network, written, self.mask, &classes);
        let key = self.key(step, "logits");
        if self.io.contains(&key) {
            let near = number(self.config, "tolerance/logits_abs");
            assert_close(&key, &both, &self.io.tensor(&key), near, 0.0);
        }
        rows(&(led(&both, self.labels.len(), w) * factor).unwrap())
    }

    /// A token for every place.
    fn draw(&self, step: usize, logits: &[Vec<f32>]) -> Vec<u32> {
        let noise = recorded(self.io, &self.key(step, "gumbel"));
        let top_k = self.setting("top_k", 0.0) as usize;
        let one = |(at, logits): (usize, &Vec<f32>)| {
            let noise = noise.as_ref().map(|noise| noise[at].as_slice());
            if top_k == 0 {
                return draw(logits, noise);
            }
            // Noise belongs to the candidates, the likeliest first.
            let candidates = largest(&softmax(logits), top_k);
            let best: Vec<f32> = candidates.iter().map(|code| logits[*code]).collect();
            candidates[draw(&best, noise) as usize] as u32
        };
        let drawn: Vec<u32> = logits.iter().enumerate().map(one).collect();
        let key = self.key(step, "sampled");
        assert_eq!(drawn, self.io.u32s(&key), "{key}");
        drawn
    }

    /// The end: ids of the mask that were drawn become the last code.
    fn finish(&self, written: &Codes) {
        let clamped: Codes = written
            .iter()
            .map(|codes| codes.iter().map(|code| (*code).min(self.mask - 1)).collect())
            .collect();
        let key = format!("{}.final_code", self.name);
        assert_eq!(clamped, codes(self.io, &key, self.cells), "{key}");
    }

    /// In the order of Halton, whatever stood there.
    fn by_halton(&self) {
        let side = count(self.config, "grid");
        let order = halton_order(side, side);
        let roll = format!("{}.roll", self.name);
        let rolls =
            if self.io.contains(&roll) { self.io.u32s(&roll) } else { vec![0; self.labels.len()] };
        let (low, high) = (self.setting("sm_temp_min", 1.0), self.setting("sm_temp_max", 1.0));
        let factors = linspace(low as f32, high as f32, self.steps);
        let mut written = self.start();
        let mut before = 0;
        for (step, factor) in factors.into_iter().enumerate() {
            let ratio = (step + 1) as f64 / self.steps as f64;
            let share = 1.0 - (ratio as f32).acos() / std::f32::consts::FRAC_PI_2;
            let upto = ((share * self.cells as f32) as usize).max(step + 1);
            let mut factor = f64::from(factor).powf(self.setting("temp_pow", 1.0));
            if (step as f64) < self.setting("temp_warmup", 0.0) {
                factor *= 0.5;
            }
            let drawn = self.draw(step, &self.logits(step, &written, self.w, factor));
            let mut mask = vec![0; drawn.len()];
            for (picture, roll) in rolls.iter().enumerate() {
                for at in before..upto {
                    let from = (at + self.cells - *roll as usize) % self.cells;
                    let cell = order[from] as usize;
                    written[picture][cell] = drawn[picture * self.cells + cell];
                    mask[picture * self.cells + cell] = 1;
                }
            }
            let key = self.key(step, "mask");
            assert_eq!(mask, self.io.u32s(&key), "{key}");
            before = upto;
        }
        self.finish(&written);
    }

    /// By what tokens are chosen: of each place of each picture.
    fn confidence(&self, step: usize, logits: &[Vec<f32>], drawn: &[u32]) -> Vec<f64> {
        let probability =
            |at: usize| softmax(&logits[at]).into_iter().nth(drawn[at] as usize).unwrap();
        let noise = |what: &str| recorded(self.io, &self.key(step, what)).map(|rows| rows.concat());
        let all = 0..drawn.len();
        match self.settings["randomize"].as_str().unwrap() {
            "warm_up" if step < 2 => {
                noise("conf_uniform").unwrap().into_iter().map(f64::from).collect()
            }
            "no" | "warm_up" => all.map(probability).collect(),
            "linear" => {
                let left = 1.0 - step as f64 / (self.steps - 1) as f64;
                let heat = number(self.settings, "r_temp") * left;
                let gumbel = noise("conf_gumbel").unwrap_or_else(|| vec![0.0; drawn.len()]);
                all.map(|at| probability(at).ln() + heat * f64::from(gumbel[at])).collect()
            }
            other => panic!("{other}"),
        }
    }

    /// The most certain first; those that were written are certain, and written again.
    fn by_confidence(&self) {
        let mode = self.settings["sched_mode"].as_str().unwrap();
        let mut written = self.start();
        for (step, total) in totals(mode, self.steps, self.cells).into_iter().enumerate() {
            let total = total.max(step + 1);
            let key = self.key(step, "num_total");
            assert_eq!(self.io.u32s(&key), [total as u32], "{key}");
            let w = self.w * step as f64 / (self.steps - 1) as f64;
            let logits = self.logits(step, &written, w, self.setting("sm_temp", 1.0));
            let drawn = self.draw(step, &logits);
            let confidence = self.confidence(step, &logits, &drawn);
            let known = confidence.into_iter().zip(written.concat());
            let confidence: Vec<f64> =
                known.map(|(c, code)| if code == self.mask { c } else { f64::INFINITY }).collect();
            let confidence: Vec<Vec<f64>> =
                confidence.chunks(self.cells).map(<[f64]>::to_vec).collect();
            let near = number(self.config, "tolerance/confidence_abs");
            assert_confidence(self.io, &self.key(step, "confidence"), &confidence, near);
            for (picture, confidence) in confidence.iter().enumerate() {
                let least = confidence[*largest(confidence, total).last().unwrap()];
                for cell in (0..self.cells).filter(|cell| confidence[*cell] >= least) {
                    written[picture][cell] = drawn[picture * self.cells + cell];
                }
            }
            let masked = written.concat().into_iter().map(|code| u32::from(code == self.mask));
            let key = self.key(step, "mask");
            assert_eq!(masked.collect::<Vec<_>>(), self.io.u32s(&key), "{key}");
        }
        self.finish(&written);
    }
}
