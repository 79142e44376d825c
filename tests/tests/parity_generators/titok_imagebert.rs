//! TiTok's generator with its sampler as it was published.

use candle_core::Tensor;
use serde_json::Value;
use smalti_engine::checkpoints;
use smalti_engine::generators::NetworkSize;
use smalti_engine::generators::families::{ImageBert, ImageBertConfig};
use smalti_engine::layers::Weights;
use smalti_tests::{Tensors, assert_close, count, device, fixture, load_config, load_io, number};

use crate::draws::rows;
use crate::masked::{Codes, ask, assert_confidence, codes, doubled, labels, largest, recorded};

const NAME: &str = "titok_imagebert";

fn network(config: &Value) -> ImageBert {
    let made = ImageBertConfig {
        network: NetworkSize {
            layers: count(config, "layers"),
            dim: count(config, "hidden"),
            heads: count(config, "heads"),
        },
        mlp: count(config, "inter"),
        cells: count(config, "seq"),
        codes: count(config, "codebook_size"),
        classes: count(config, "nclass"),
        outputs: count(config, "logit_columns"),
    };
    let checkpoint = checkpoints::read(&fixture(NAME).join("weights.pth")).unwrap();
    let weights = Weights::loaded(checkpoint.to_tensors(&device()).unwrap(), false, &device());
    let network = ImageBert::new(&made, &weights).unwrap();
    weights.finish(NAME, &[]).unwrap();
    network
}

#[test]
fn parity_imagebert_one_pass() {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let network = network(&config);
    let near = number(&config, "tolerance/logits_abs");
    let (cells, mask) = (count(&config, "seq"), count(&config, "codebook_size") as u32);
    let classes = doubled(&io.u32s("fwd.condition"), false);
    let shown = codes(&io, "fwd.ids", cells);
    let logits =
        |tokens: &[&[u32]], classes: &[Option<u32>]| network.logits(tokens, classes).unwrap();
    let hidden =
        |tokens: &[&[u32]], classes: &[Option<u32>]| network.hidden(tokens, classes).unwrap();
    let close = |name: &str, found: &Tensor| assert_close(name, found, &io.tensor(name), near, 0.0);
    close("fwd.hidden", &ask(&hidden, &shown, mask, &classes));
    close("fwd.logits_cond", &ask(&logits, &shown, mask, &classes));
    close("fwd.logits_null", &ask(&logits, &shown, mask, &[None, None]));
    let shown = codes(&io, "train.masked", cells);
    close("train.logits", &ask(&logits, &shown, mask, &doubled(&labels(&config), false)));
}

#[test]
fn parity_imagebert_writes_the_recorded_tokens_step_by_step() {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let network = network(&config);
    for (name, settings) in config["runs"].as_object().unwrap() {
        Run { config: &config, io: &io, network: &network, settings, name }.replay();
    }
}

/// Gumbel noise of recorded uniform numbers.
fn gumbel(u: &[f32]) -> Vec<f32> {
    u.iter().map(|u| -(-u.max(1e-20).ln()).max(1e-20).ln()).collect()
}

/// How logits are led at a step.
enum Led {
    /// With the class alone.
    Not,
    /// c + g (c - u).
    Beyond(f64),
    /// u + g (c - u).
    From(f64),
}

/// A run as it was recorded.
struct Run<'a> {
    config: &'a Value,
    io: &'a Tensors,
    network: &'a ImageBert,
    settings: &'a Value,
    name: &'a str,
}

impl Run<'_> {
    fn key(&self, step: usize, what: &str) -> String {
        format!("{}.s{step}.{what}", self.name)
    }

    fn led(&self, step: usize) -> Led {
        let most = number(self.settings, "guidance_scale");
        let steps = count(self.settings, "num_sample_steps") as f64;
        match self.settings["guidance_decay"].as_str().unwrap() {
            "constant" => Led::Beyond(most),
            // It is set behind each step.
            "linear" if step == 0 => Led::Not,
            "linear" => Led::Beyond(step as f64 / steps * most),
            "power-cosine" => {
                let power = number(self.settings, "guidance_scale_pow");
                let done = (step as f64 / steps).powf(power);
                Led::From((most - 1.0) * (1.0 - (std::f64::consts::PI * done).cos()) / 2.0 + 1.0)
            }
            other => panic!("{other}"),
        }
    }

    /// The logits of every place, as they decide.
    fn logits(&self, step: usize, ids: &Codes, labels: &[u32], mask: u32) -> Vec<Vec<f32>> {
        let network = |tokens: &[&[u32]], classes: &[Option<u32>]| {
            self.network.logits(tokens, classes).unwrap()
        };
        let pass = |what: &str, classes: &[Option<u32>]| {
            let found = ask(&network, ids, mask, classes);
            let key = self.key(step, what);
            if self.io.contains(&key) {
                let near = number(self.config, "tolerance/logits_abs");
                assert_close(&key, &found, &self.io.tensor(&key), near, 0.0);
            }
            found
        };
        let c = pass("logits_cond", &doubled(labels, false));
        let none = || pass("logits_null", &vec![None; labels.len()]);
        let way = |u: &Tensor, g: f64| ((&c - u).unwrap() * g).unwrap();
        let led = match self.led(step) {
            Led::Not => c,
            Led::Beyond(g) => (&c + way(&none(), g)).unwrap(),
            Led::From(g) => {
                let u = none();
                (&u + way(&u, g)).unwrap()
            }
        };
        let ratio = (step + 1) as f64 / count(self.settings, "num_sample_steps") as f64;
        if self.settings["softmax_temperature_annealing"].as_bool() == Some(true) {
            return rows(&(led / (0.5 + 0.8 * (1.0 - ratio))).unwrap());
        }
        rows(&led)
    }

    fn replay(&self) {
        let (cells, mask) = (count(self.config, "seq"), count(self.config, "codebook_size") as u32);
        let steps = count(self.settings, "num_sample_steps");
        let labels = labels(self.settings);
        let mut ids: Codes = vec![vec![mask; cells]; labels.len()];
        for step in 0..steps {
            let key = self.key(step, "ids_in");
            assert_eq!(ids, codes(self.io, &key, cells), "{key}");
            let ratio = (step + 1) as f64 / steps as f64;
            let heat = number(self.settings, "randomize_temperature") * (1.0 - ratio);
            let logits = self.logits(step, &ids, &labels, mask);
            let noise = recorded(self.io, &self.key(step, "token_u"));
            let drawn = logits.iter().enumerate().map(|(at, logits)| {
                let noise = noise.as_ref().map(|u| gumbel(&u[at]));
                let noise = noise.unwrap_or_else(|| vec![0.0; logits.len()]);
                let noisy = logits.iter().zip(&noise);
                let noisy: Vec<f64> =
                    noisy.map(|(x, g)| f64::from(*x) + heat * f64::from(*g)).collect();
                largest(&noisy, 1)[0]
            });
            let drawn: Vec<usize> = drawn.collect();
            let noise = recorded(self.io, &self.key(step, "conf_u")).map(|u| gumbel(&u.concat()));
            let noise = noise.unwrap_or_else(|| vec![0.0; drawn.len()]);
            let masked: Vec<bool> = ids.concat().into_iter().map(|id| id == mask).collect();
            let confidence = (0..drawn.len()).map(|at| {
                let sure = f64::from(logits[at][drawn[at]]) + heat * f64::from(noise[at]);
                if masked[at] { sure } else { f64::INFINITY }
            });
            let confidence: Vec<f64> = confidence.collect();
            let confidence: Vec<Vec<f64>> = confidence.chunks(cells).map(<[f64]>::to_vec).collect();
            let near = number(self.config, "tolerance/confidence_abs");
            assert_confidence(self.io, &self.key(step, "confidence"), &confidence, near);
            for (at, drawn) in drawn.into_iter().enumerate().filter(|(at, _)| masked[*at]) {
                ids[at / cells][at % cells] = drawn as u32;
            }
            let key = self.key(step, "sampled");
            assert_eq!(ids, codes(self.io, &key, cells), "{key}");
            if step + 1 < steps {
                // The first picture decides how many are masked again in all.
                let before = masked[..cells].iter().filter(|masked| **masked).count();
                let share = ratio.acos() / std::f64::consts::FRAC_PI_2;
                let again = ((cells as f64 * share).floor() as usize).min(before - 1).max(1);
                for (picture, confidence) in confidence.iter().enumerate() {
                    let mut sorted = confidence.clone();
                    sorted.sort_by(f64::total_cmp);
                    let least = sorted[again - 1];
                    let unsure = (0..cells).filter(|cell| confidence[*cell] <= least);
                    unsure.for_each(|cell| ids[picture][cell] = mask);
                }
                let left = ids[0].iter().filter(|id| **id == mask).count();
                assert_eq!(left, smalti_tests::counts(self.settings, "masked_after")[step]);
            }
            let key = self.key(step, "ids_out");
            assert_eq!(ids, codes(self.io, &key, cells), "{key}");
        }
        assert_eq!(ids, codes(self.io, &format!("{}.final", self.name), cells));
    }
}
