//! The transformer of taming-transformers, led by a class and by tokens of something else.

use serde_json::Value;
use smalti_engine::generators::{Condition, Network, RasterNetwork, Takes};
use smalti_tests::{Tensors, assert_close, count, load_config, load_io, number};

use crate::draws::{Drawing, rows};
use crate::published::{at_step, lists, network, opened};

const FIXTURES: [&str; 2] = ["taming_gpt_class", "taming_gpt_prefix"];
const FILE: &str = "weights.ckpt";

fn conditions(io: &Tensors, network: &Network) -> Vec<Condition> {
    let condition = |tokens: Vec<u32>| match network.config().takes {
        Takes::Class => Condition::Class(tokens[0]),
        _ => Condition::Tokens(tokens.into()),
    };
    lists(io, "tf.c").into_iter().map(condition).collect()
}

#[test]
fn parity_taming_teacher_forced() {
    for name in FIXTURES {
        let (config, io, network) = (load_config(name), load_io(name), network(name, FILE));
        let near = number(&config, "tolerance/logits_abs");
        assert_eq!(network.config().codes as usize, count(&config, "vocab_size"));
        assert_eq!(network.config().cells(), count(&config, "seq_tokens"));
        let tokens = lists(&io, "tf.z");
        let tokens: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        let led = conditions(&io, &network);
        let logits = network.logits(&tokens, &led).unwrap();
        assert_close(name, &logits, &io.tensor("tf.logits"), near, 0.0);
        let nats = network.nats(&tokens, &led).unwrap();
        assert_close("nats", &nats, &io.tensor("tf.nll_per_token"), near, 0.0);
    }
}

/// The first tokens of a run that starts from some of them are forced.
fn replay(name: &str, network: &dyn RasterNetwork, led: &[Condition], config: &Value, run: &str) {
    let io = load_io(name);
    let settings = &config["runs"][run];
    let near = number(config, "tolerance/logits_abs");
    let start = count(settings, "start");
    let or = |key: &str, none: f64| settings[key].as_f64().unwrap_or(none);
    let drawing = Drawing {
        temperature: number(settings, "temperature"),
        top_k: or("top_k", 0.0) as usize,
        top_p: or("top_p", 1.0),
    };
    let forced = lists(&io, "tf.z");
    let expected = lists(&io, &format!("{run}.tokens"));
    let cells = expected[0].len();
    let mut reading = network.begin(led.len()).unwrap();
    let mut last: Option<Vec<u32>> = None;
    for cell in 0..cells {
        let logits = network.next_logits(last.as_deref(), led, &mut reading).unwrap();
        let drawn: Vec<u32> = if cell < start {
            forced.iter().map(|tokens| tokens[cell]).collect()
        } else {
            let step = cell - start;
            let recorded = at_step(&io, &format!("{run}.logits"), step);
            assert_close(&format!("{name} {run} {cell}"), &logits, &recorded, near, 0.0);
            let noise = format!("{run}.gumbel");
            let noise = io.contains(&noise).then(|| rows(&at_step(&io, &noise, step)));
            let of = |(at, row): (usize, &Vec<f32>)| {
                drawing.draw(row, noise.as_ref().map(|noise| noise[at].as_slice()))
            };
            rows(&logits).iter().enumerate().map(of).collect()
        };
        let should: Vec<u32> = expected.iter().map(|tokens| tokens[cell]).collect();
        assert_eq!(drawn, should, "{name} {run}: token {cell}");
        last = Some(drawn);
    }
}

#[test]
fn parity_taming_writes_the_recorded_tokens() {
    for name in FIXTURES {
        let (config, network) = (load_config(name), network(name, FILE));
        let led = conditions(&load_io(name), &network);
        for run in config["runs"].as_object().unwrap().keys() {
            replay(name, network.raster().unwrap(), &led, &config, run);
        }
    }
}

#[test]
fn parity_taming_is_recognized_from_its_file() {
    for (name, leads) in FIXTURES.into_iter().zip(["Class", "Tokens"]) {
        let opened = opened(name, FILE);
        assert_eq!(opened.metadata["family"], "taming-gpt");
        let config = opened.network.config();
        assert!(format!("{:?}", config.takes).starts_with(leads), "{:?}", config.takes);
        assert!(config.needs_condition, "there is nothing that stands for no class");
    }
}
