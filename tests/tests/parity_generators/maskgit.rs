//! valeoai's MaskGIT (v1.0) with its sampler as it was published.

use candle_core::Tensor;
use serde_json::Value;
use smalti_engine::checkpoints;
use smalti_engine::generators::NetworkSize;
use smalti_engine::generators::families::{MaskTransformer, MaskTransformerConfig};
use smalti_engine::layers::Weights;
use smalti_tests::{Tensors, assert_close, count, device, fixture, load_config, load_io, number};

use crate::draws::{draw, rows, softmax};
use crate::masked::{
    Codes, ask, assert_confidence, codes, doubled, forward, labels, largest, led, linspace,
    recorded, training,
};

const NAME: &str = "maskgit";

fn network(config: &Value) -> MaskTransformer {
    let made = MaskTransformerConfig {
        network: NetworkSize {
            layers: count(config, "depth"),
            dim: count(config, "hidden_dim"),
            heads: count(config, "heads"),
        },
        mlp: count(config, "mlp_dim"),
        side: count(config, "grid"),
        codes: count(config, "codebook_size"),
        classes: count(config, "nclass"),
    };
    let checkpoint = checkpoints::read(&fixture(NAME).join("weights.pth")).unwrap();
    let weights = Weights::loaded(checkpoint.to_tensors(&device()).unwrap(), false, &device());
    let network = MaskTransformer::new(&made, &weights).unwrap();
    weights.finish(NAME, &[]).unwrap();
    network
}

/// New tokens of each step: shares of all of them, at least one.
fn schedule(mode: &str, steps: usize, cells: usize) -> Vec<usize> {
    let r = linspace(1.0, 0.0, steps);
    let shares: Vec<f32> = r
        .into_iter()
        .map(|r| match mode {
            "root" => 1.0 - r.sqrt(),
            "linear" => 1.0 - r,
            "square" => 1.0 - r * r,
            "cosine" => (r * std::f32::consts::FRAC_PI_2).cos(),
            "arccos" => r.acos() / std::f32::consts::FRAC_PI_2,
            _ => panic!("no schedule is called {mode}"),
        })
        .collect();
    let sum: f32 = shares.iter().sum();
    let count = |share: &f32| ((share / sum * cells as f32).round_ties_even() as usize).max(1);
    let mut counts: Vec<usize> = shares.iter().map(count).collect();
    let all: usize = counts.iter().sum();
    let last = counts.last_mut().unwrap();
    *last = *last + cells - all;
    counts
}

#[test]
fn parity_maskgit_one_pass_and_what_it_learns_from() {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let network = network(&config);
    let network =
        |tokens: &[&[u32]], classes: &[Option<u32>]| network.logits(tokens, classes).unwrap();
    forward((&config, &io, &network), number(&config, "tolerance/logits_abs"));
    training((&config, &io, &network), true, number(&config, "label_smoothing"));
}

#[test]
fn parity_maskgit_schedules() {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let cells = count(&config, "grid").pow(2);
    for mode in ["root", "linear", "square", "cosine", "arccos"] {
        for steps in smalti_tests::counts(&config, "sched_steps") {
            let found: Vec<u32> =
                schedule(mode, steps, cells).into_iter().map(|k| k as u32).collect();
            assert_eq!(found, io.u32s(&format!("sched.{mode}.{steps}")), "{mode} {steps}");
        }
    }
}

#[test]
fn parity_maskgit_writes_the_recorded_tokens_step_by_step() {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let network = network(&config);
    for run in config["runs"].as_object().unwrap().keys() {
        replay(&config, &io, &network, run);
    }
}

/// A run's settings and what it has written.
struct Run<'a> {
    io: &'a Tensors,
    settings: &'a Value,
    name: &'a str,
    steps: usize,
}

impl Run<'_> {
    fn key(&self, step: usize, what: &str) -> String {
        format!("{}.s{step}.{what}", self.name)
    }

    /// By what tokens are chosen: of each place of each picture.
    fn confidence(&self, step: usize, logits: &[Vec<f32>], drawn: &[u32]) -> Vec<f64> {
        let probability =
            |at: usize| softmax(&logits[at]).into_iter().nth(drawn[at] as usize).unwrap();
        let noise = |what: &str| recorded(self.io, &self.key(step, what)).map(|rows| rows.concat());
        match self.settings["randomize"].as_str().unwrap() {
            "no" => (0..drawn.len()).map(probability).collect(),
            "random" => noise("conf_uniform").unwrap().into_iter().map(f64::from).collect(),
            "linear" => {
                let left = 1.0 - step as f64 / (self.steps - 1) as f64;
                let heat = number(self.settings, "r_temp") * left;
                let gumbel = noise("conf_gumbel").unwrap_or_else(|| vec![0.0; drawn.len()]);
                (0..drawn.len())
                    .map(|at| probability(at).ln() + heat * f64::from(gumbel[at]))
                    .collect()
            }
            other => panic!("{other}"),
        }
    }
}

fn replay(config: &Value, io: &Tensors, network: &MaskTransformer, name: &str) {
    let settings = &config["runs"][name];
    let steps = count(settings, "step");
    let run = Run { io, settings, name, steps };
    let (cells, mask) = (count(config, "grid").pow(2), count(config, "codebook_size") as u32);
    let (labels, w) = (labels(settings), number(settings, "w"));
    let near = number(config, "tolerance/logits_abs");
    let classes = doubled(&labels, w != 0.0);
    let init = format!("{name}.init_code");
    let mut written: Codes = if io.contains(&init) {
        codes(io, &init, cells)
    } else {
        vec![vec![mask; cells]; labels.len()]
    };
    // What is masked is kept apart: a token that was drawn may be the mask's number.
    let mut masked: Vec<Vec<bool>> =
        written.iter().map(|codes| codes.iter().map(|code| *code == mask).collect()).collect();
    let mut done = 0;
    for (step, wanted) in
        schedule(settings["sched_mode"].as_str().unwrap(), steps, cells).into_iter().enumerate()
    {
        let left = masked.concat().into_iter().filter(|masked| *masked).count();
        if left == 0 {
            break;
        }
        done += 1;
        let wanted = wanted.min(left);
        assert_eq!(io.u32s(&run.key(step, "num_keep")), [wanted as u32], "{name} {step}");
        assert_eq!(written, codes(io, &run.key(step, "code_in"), cells), "{name} {step}");
        let ask_network =
            |tokens: &[&[u32]], classes: &[Option<u32>]| network.logits(tokens, classes).unwrap();
        let both = ask(&ask_network, &written, mask, &classes);
        if io.contains(&run.key(step, "logits")) {
            let expected: Tensor = io.tensor(&run.key(step, "logits"));
            assert_close(&run.key(step, "logits"), &both, &expected, near, 0.0);
        }
        let led = led(&both, labels.len(), w * step as f64 / (steps - 1) as f64);
        let logits = rows(&(led * number(settings, "sm_temp")).unwrap());
        let noise = recorded(io, &run.key(step, "gumbel"));
        let drawn = logits.iter().enumerate();
        let drawn: Vec<u32> = drawn
            .map(|(at, logits)| draw(logits, noise.as_ref().map(|noise| noise[at].as_slice())))
            .collect();
        assert_eq!(drawn, io.u32s(&run.key(step, "sampled")), "{name} {step}: tokens");
        let confidence = run.confidence(step, &logits, &drawn);
        let known = confidence.into_iter().zip(masked.concat());
        let confidence: Vec<f64> =
            known.map(|(c, masked)| if masked { c } else { f64::NEG_INFINITY }).collect();
        let confidence: Vec<Vec<f64>> = confidence.chunks(cells).map(<[f64]>::to_vec).collect();
        let near = number(config, "tolerance/confidence_abs");
        assert_confidence(io, &run.key(step, "confidence"), &confidence, near);
        for (picture, confidence) in confidence.iter().enumerate() {
            let best = largest(confidence, wanted);
            let least = confidence[*best.last().unwrap()];
            for cell in (0..cells).filter(|cell| confidence[*cell] >= least) {
                if masked[picture][cell] {
                    written[picture][cell] = drawn[picture * cells + cell];
                }
            }
            for cell in best {
                masked[picture][cell] = false;
            }
        }
        let after: Vec<u32> = masked.concat().into_iter().map(u32::from).collect();
        assert_eq!(after, io.u32s(&run.key(step, "mask_after")), "{name} {step}: what is masked");
    }
    assert_eq!(done, count(settings, "steps_run"), "{name}");
    assert_eq!(written, codes(io, &format!("{name}.final_code"), cells), "{name}");
}
