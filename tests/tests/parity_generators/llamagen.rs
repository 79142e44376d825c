//! LlamaGen, led by a class and by a caption.

use candle_core::Tensor;
use serde_json::Value;
use smalti_engine::generators::{Caption, Condition, RasterNetwork};
use smalti_tests::{Tensors, assert_close, count, counts, load_config, load_io, number};

use crate::draws::{Drawing, rows};
use crate::published::{lists, network, opened};

const FIXTURES: [&str; 2] = ["llamagen_c2i", "llamagen_t2i"];
const FILE: &str = "weights.pt";

/// What leads each picture; of captions the rows behind `padding` of them.
fn conditions(io: &Tensors, config: &Value, padding: &[usize]) -> Vec<Condition> {
    if config["model_type"] == "c2i" {
        return io.u32s("cond").into_iter().map(Condition::Class).collect();
    }
    let all = io.tensor("cond");
    let (_, most, _) = all.dims3().unwrap();
    let caption = |(at, padding): (usize, &usize)| {
        let own = all.get(at).unwrap().narrow(0, *padding, most - padding).unwrap();
        let own: Vec<f32> = own.flatten_all().unwrap().to_vec1().unwrap();
        Condition::Caption(Caption { rows: most - padding, features: Some(own.into()) })
    };
    padding.iter().enumerate().map(caption).collect()
}

#[test]
fn parity_llamagen_teacher_forced() {
    for name in FIXTURES {
        let (config, io, network) = (load_config(name), load_io(name), network(name, FILE));
        let near = number(&config, "tolerance/logits_abs");
        assert_eq!(network.config().codes as usize, count(&config, "vocab_size"));
        let tokens = lists(&io, "tf.z");
        let tokens: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        // The recorded pass masks no padding.
        let led = conditions(&io, &config, &vec![0; tokens.len()]);
        let logits = network.logits(&tokens, &led).unwrap();
        let (before, cells) = (count(&config, "cls_token_num"), count(&config, "block_size"));
        // Row T - 1 + i predicts token i.
        let recorded = io.tensor("tf.logits").narrow(1, before - 1, cells).unwrap();
        assert_close(name, &logits, &recorded, near, 0.0);
        let nats = network.nats(&tokens, &led).unwrap();
        assert_close("nats", &nats, &io.tensor("tf.nll_per_token"), near, 0.0);
    }
}

/// A recorded tensor (steps, B, K) at a step and some of the batch, (some, K).
fn part(io: &Tensors, name: &str, step: usize, of: &[usize]) -> Tensor {
    let all = io.tensor(name).get(step).unwrap();
    let of: Vec<Tensor> = of.iter().map(|at| all.narrow(0, *at, 1).unwrap()).collect();
    Tensor::cat(&of, 0).unwrap()
}

/// One picture of a run, with and without what leads it; what is padding differs from picture to picture.
fn replay(
    name: &str,
    network: &dyn RasterNetwork,
    (at, leads): (usize, &Condition),
    config: &Value,
    run: &str,
) {
    let io = load_io(name);
    let settings = &config["runs"][run];
    let near = number(config, "tolerance/logits_abs");
    let guidance = number(settings, "cfg_scale") as f32;
    let interval = settings["cfg_interval"].as_f64().unwrap_or(-1.0);
    let drawing = Drawing {
        temperature: number(settings, "temperature"),
        top_k: count(settings, "top_k"),
        top_p: number(settings, "top_p"),
    };
    let tokens = lists(&io, &format!("{run}.tokens"));
    let batch = tokens.len();
    let mut led = vec![leads.clone()];
    if guidance > 1.0 {
        led.push(leads.without());
    }
    let mut reading = network.begin(led.len()).unwrap();
    let mut last: Option<Vec<u32>> = None;
    for (cell, expected) in tokens[at].iter().enumerate() {
        let both = network.next_logits(last.as_deref(), &led, &mut reading).unwrap();
        let raw = format!("{run}.raw_logits");
        if io.contains(&raw) {
            let of = [at, batch + at];
            let recorded = part(&io, &raw, cell, &of[..led.len()]);
            assert_close(&format!("{name} {run} {cell}"), &both, &recorded, near, 0.0);
        }
        let both = rows(&both);
        // Counted from the second token on.
        let is_off = interval >= 0.0 && cell as f64 - 1.0 > interval;
        let logits: Vec<f32> = match both.get(1).filter(|_| !is_off) {
            Some(without) => {
                both[0].iter().zip(without).map(|(c, u)| u + guidance * (c - u)).collect()
            }
            None => both[0].clone(),
        };
        let recorded = rows(&part(&io, &format!("{run}.logits"), cell, &[at])).remove(0);
        // Differences grow by what they are multiplied with.
        let near = near * f64::from(2.0 * guidance).max(1.0);
        for (code, (found, recorded)) in logits.iter().zip(&recorded).enumerate() {
            let apart = f64::from((found - recorded).abs());
            assert!(apart <= near, "{name} {run}: logit {code} of {cell} is {apart} off");
        }
        let noise = format!("{run}.gumbel");
        let noise = io.contains(&noise).then(|| rows(&part(&io, &noise, cell, &[at])).remove(0));
        let drawn = drawing.draw(&logits, noise.as_deref());
        assert_eq!(drawn, *expected, "{name} {run}: token {cell} of picture {at}");
        last = Some(vec![drawn; led.len()]);
    }
}

#[test]
fn parity_llamagen_writes_the_recorded_tokens() {
    for name in FIXTURES {
        let (config, io, network) = (load_config(name), load_io(name), network(name, FILE));
        let padding = if config["pad"].is_array() { counts(&config, "pad") } else { Vec::new() };
        let led = conditions(&io, &config, &padding);
        assert!(!led.is_empty());
        for run in config["runs"].as_object().unwrap().keys() {
            for one in led.iter().enumerate() {
                replay(name, network.raster().unwrap(), one, &config, run);
            }
        }
    }
}

#[test]
fn parity_llamagen_is_recognized_from_its_file() {
    for (name, family) in FIXTURES.into_iter().zip(["llamagen-c2i", "llamagen-t2i"]) {
        let (config, opened) = (load_config(name), opened(name, FILE));
        assert_eq!(opened.metadata["family"], family);
        let own = opened.network.config();
        let classes = if name == "llamagen_c2i" { count(&config, "num_classes") } else { 0 };
        assert_eq!((own.classes.len(), own.cells()), (classes, count(&config, "block_size")));
    }
}
