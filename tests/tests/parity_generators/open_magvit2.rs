//! Open-MAGVIT2's generator, whose tokens are two sub-tokens.

use serde_json::Value;
use smalti_engine::generators::{Condition, RasterNetwork, join};
use smalti_tests::{assert_close, count, counts, load_config, load_io, number};

use crate::draws::{Drawing, rows};
use crate::published::{at_step, lists, network, opened};

const NAME: &str = "open_magvit2_ar";
const FILE: &str = "weights.ckpt";

#[test]
fn parity_open_magvit2_teacher_forced() {
    let (config, io, network) = (load_config(NAME), load_io(NAME), network(NAME, FILE));
    let near = number(&config, "tolerance/logits_abs");
    let bits = counts(&config, "factorized_bits");
    assert_eq!(network.config().codes, 1 << (bits[0] + bits[1]));
    let raster = network.raster().unwrap();
    let sizes = raster.sub_tokens();
    let tokens = lists(&io, "tf.token_id");
    let halves = lists(&io, "tf.pre").concat().into_iter().zip(lists(&io, "tf.post").concat());
    for (token, (pre, post)) in tokens.concat().into_iter().zip(halves) {
        assert_eq!(token, join(&[pre, post], &sizes), "the index without factors");
    }
    let tokens: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
    let led: Vec<Condition> = io.u32s("tf.label").into_iter().map(Condition::Class).collect();
    let logits = raster.logits(&tokens, &led).unwrap();
    assert_close("pre", &logits[0], &io.tensor("tf.logits_pre"), near, 0.0);
    assert_close("post", &logits[1], &io.tensor("tf.logits_post"), near, 0.0);
    let nats = network.nats(&tokens, &led).unwrap();
    let recorded = (io.tensor("tf.nll_pre") + io.tensor("tf.nll_post")).unwrap();
    assert_close("nats", &nats, &recorded, 2.0 * near, 0.0);
    let mean = nats.mean_all().unwrap().reshape(1).unwrap();
    assert_close("loss", &mean, &io.tensor("tf.loss"), 2.0 * near, 0.0);
}

fn replay(network: &dyn RasterNetwork, config: &Value, run: &str) {
    let io = load_io(NAME);
    let settings = &config["runs"][run];
    let near = number(config, "tolerance/logits_abs");
    let labels = counts(config, "labels");
    let batch = labels.len();
    let guidance = [0, 1].map(|at| number(settings, &format!("cfg_scale/{at}")) as f32);
    let mut led: Vec<Condition> =
        labels.into_iter().map(|class| Condition::Class(class as u32)).collect();
    if guidance[0] > 1.0 {
        led.extend(vec![Condition::Nothing; batch]);
    }
    let expected = ["pre", "post"].map(|half| lists(&io, &format!("{run}.{half}")));
    let sizes = network.sub_tokens();
    let mut reading = network.begin(led.len()).unwrap();
    let mut last: Option<Vec<u32>> = None;
    for cell in 0..expected[0][0].len() {
        let mut drawn: Vec<Vec<u32>> = Vec::new();
        for (half, name) in ["pre", "post"].into_iter().enumerate() {
            let what = format!("{run} {name} {cell}");
            let both = if half == 0 {
                network.next_logits(last.as_deref(), &led, &mut reading).unwrap()
            } else {
                let pre: Vec<u32> = (0..led.len()).map(|row| drawn[0][row % batch]).collect();
                network.sub_logits(&[&pre], &mut reading).unwrap()
            };
            let key = |what: &str| format!("{run}.{what}_{name}");
            if io.contains(&key("raw_logits")) {
                let recorded = at_step(&io, &key("raw_logits"), cell);
                assert_close(&what, &both, &recorded, near, 0.0);
            }
            let context = format!("{run}.context");
            if half == 0 && io.contains(&context) {
                let known = reading.context.as_ref().unwrap().squeeze(1).unwrap();
                assert_close("context", &known, &at_step(&io, &context, cell), near, 0.0);
            }
            let both = rows(&both);
            let noise =
                io.contains(&key("gumbel")).then(|| rows(&at_step(&io, &key("gumbel"), cell)));
            let of = |at: &str| number(settings, &format!("{at}/{half}"));
            let drawing = Drawing {
                temperature: of("temperature"),
                top_k: of("top_k") as usize,
                top_p: of("top_p"),
            };
            let subs = (0..batch).map(|row| {
                let logits: Vec<f32> = match both.get(batch + row) {
                    Some(without) => {
                        let led = both[row].iter().zip(without);
                        led.map(|(c, u)| u + guidance[half] * (c - u)).collect()
                    }
                    None => both[row].clone(),
                };
                drawing.draw(&logits, noise.as_ref().map(|noise| noise[row].as_slice()))
            });
            let subs: Vec<u32> = subs.collect();
            let should: Vec<u32> = expected[half].iter().map(|tokens| tokens[cell]).collect();
            assert_eq!(subs, should, "{what}");
            drawn.push(subs);
        }
        let token = |row: usize| join(&[drawn[0][row % batch], drawn[1][row % batch]], &sizes);
        last = Some((0..led.len()).map(token).collect());
    }
}

#[test]
fn parity_open_magvit2_writes_the_recorded_sub_tokens() {
    let (config, network) = (load_config(NAME), network(NAME, FILE));
    for run in config["runs"].as_object().unwrap().keys() {
        replay(network.raster().unwrap(), &config, run);
    }
}

#[test]
fn parity_open_magvit2_is_recognized_from_its_file() {
    let (config, opened) = (load_config(NAME), opened(NAME, FILE));
    assert_eq!(opened.metadata["family"], "open-magvit2-ar");
    let own = opened.network.config();
    assert_eq!(own.classes.len(), count(&config, "class_num"));
    assert_eq!(own.cells(), count(&config, "block_size"));
}
