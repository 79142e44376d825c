//! VAR's transformer, whose tokenizer is compared beside the tokenizers.

use candle_core::{D, Tensor};
use serde_json::Value;
use smalti_engine::checkpoints;
use smalti_engine::generators::{NetworkSize, Var, VarConfig};
use smalti_engine::layers::{Resize, Weights};
use smalti_engine::quantizers::{MultiScale, MultiScaleConfig};
use smalti_tests::{
    Tensors, assert_close, count, counts, device, fixture, load_config, load_io, number,
};

use crate::draws::{draw, rows, top_k, top_p_ascending};

const FIXTURES: [&str; 2] = ["var", "var_saln"];

fn network(name: &str, config: &Value) -> Var {
    let flag = |name: &str| config[name].as_bool().unwrap();
    let made = VarConfig {
        network: NetworkSize {
            layers: count(config, "depth"),
            dim: count(config, "embed_dim"),
            heads: count(config, "num_heads"),
        },
        codes: count(config, "vocab_size"),
        code_dim: count(config, "cvae"),
        patch_nums: counts(config, "patch_nums"),
        classes: count(config, "num_classes"),
        mlp_ratio: number(config, "mlp_ratio"),
        shared_aln: flag("shared_aln"),
        attn_l2_norm: flag("attn_l2_norm"),
    };
    let checkpoint = checkpoints::read(&fixture(name).join("var.pth")).unwrap();
    let weights = Weights::loaded(checkpoint.to_tensors(&device()).unwrap(), false, &device());
    let network = Var::new(&made, &weights).unwrap();
    weights.finish(name, &[]).unwrap();
    network
}

fn scales(name: &str, config: &Value) -> MultiScale {
    let made = MultiScaleConfig {
        vocab_size: count(config, "vocab_size") as u32,
        v_patch_nums: counts(config, "patch_nums"),
        quant_resi: number(config, "quant_resi"),
        share_quant_resi: count(config, "share_quant_resi"),
        ..MultiScaleConfig::default()
    };
    let checkpoint = checkpoints::read(&fixture(name).join("vae.pth")).unwrap();
    let weights = Weights::loaded(checkpoint.to_tensors(&device()).unwrap(), false, &device());
    MultiScale::new(&made, count(config, "cvae"), &weights.pp("quantize")).unwrap()
}

/// The codes of each scale, (B, side, side).
fn codes(io: &Tensors, run: &str, sides: &[usize]) -> Vec<Tensor> {
    let scale = |(at, &side): (usize, &usize)| {
        io.tensor(&format!("{run}.s{at}.tokens")).reshape(((), side, side)).unwrap()
    };
    sides.iter().enumerate().map(scale).collect()
}

fn labels(list: Vec<u32>) -> Vec<Option<u32>> {
    list.into_iter().map(Some).collect()
}

#[test]
fn parity_var_teacher_forced() {
    for name in FIXTURES {
        let (config, io) = (load_config(name), load_io(name));
        let (network, scales) = (network(name, &config), scales(name, &config));
        let near = number(&config, "tolerance/logits_abs");
        let codes = codes(&io, "enc", &counts(&config, "patch_nums"));
        let inputs = scales.inputs(&codes).unwrap();
        assert_close("inputs", &inputs, &io.tensor("tf.var_input"), 1e-4, 0.0);
        let said = labels(io.u32s("tf.label"));
        // Whose class was dropped is recorded; without any dropped, probabilities of the true codes are.
        let rate = number(&config, "cond_drop_rate");
        let kept = said.iter().zip(io.f64s("tf.drop_u"));
        let kept: Vec<Option<u32>> = kept.map(|(class, u)| class.filter(|_| u >= rate)).collect();
        let logits = network.forward(&inputs, &kept).unwrap();
        assert_close("logits", &logits, &io.tensor("tf.logits"), near, 0.0);
        let logits = network.forward(&inputs, &said).unwrap();
        let targets: Vec<Tensor> =
            codes.iter().map(|codes| codes.flatten_from(1).unwrap()).collect();
        let targets = Tensor::cat(&targets, 1).unwrap().unsqueeze(D::Minus1).unwrap();
        let top = logits.max_keepdim(D::Minus1).unwrap();
        let sum =
            logits.broadcast_sub(&top).unwrap().exp().unwrap().sum_keepdim(D::Minus1).unwrap();
        let norm = (sum.log().unwrap() + top).unwrap();
        let of_target = logits.gather(&targets, D::Minus1).unwrap();
        let bits = (norm - of_target).unwrap().squeeze(D::Minus1).unwrap();
        assert_close("nll", &bits, &io.tensor("tf.nll_per_token"), near, 0.0);
    }
}

/// Scale after scale with caches; `given` masks the embeddings that are kept.
fn replay(name: &str, run: &str) {
    let (config, io) = (load_config(name), load_io(name));
    let (network, scales) = (network(name, &config), scales(name, &config));
    let settings = &config["runs"][run];
    let (near, sides) = (number(&config, "tolerance/logits_abs"), counts(&config, "patch_nums"));
    let cfg = number(settings, "cfg");
    let said = settings["labels"].as_array().unwrap();
    let said: Vec<u32> = said.iter().map(|label| label.as_u64().unwrap() as u32).collect();
    let none = count(&config, "num_classes") as u32;
    let batch = said.len();
    let mut classes: Vec<Option<u32>> =
        said.into_iter().map(|class| Some(class).filter(|class| *class < none)).collect();
    classes.extend(vec![None; batch]);
    let mut caches = network.caches(classes.len()).unwrap();
    let mut written: Vec<Tensor> = Vec::new();
    for (at, &side) in sides.iter().enumerate() {
        let input = written.len().checked_sub(1).map(|before| {
            let sum = scales.scales(&written).unwrap().pop().unwrap().sum;
            let input = scales.next_input(&sum, before).unwrap();
            Tensor::cat(&[&input, &input], 0).unwrap()
        });
        let both = network.next_scale(input.as_ref(), &classes, &mut caches).unwrap();
        let (with, without) = (both.narrow(0, 0, batch), both.narrow(0, batch, batch));
        let t = cfg * at as f64 / (sides.len() - 1) as f64;
        let logits =
            ((with.unwrap() * (1.0 + t)).unwrap() - (without.unwrap() * t).unwrap()).unwrap();
        let key = |what: &str| format!("{run}.s{at}.{what}");
        if io.contains(&key("logits_cond_uncond")) {
            assert_close(&key("both"), &both, &io.tensor(&key("logits_cond_uncond")), near, 0.0);
        }
        if io.contains(&key("logits")) {
            // Differences grow by what they are multiplied with.
            let near = near * (1.0 + 2.0 * t);
            assert_close(&key("logits"), &logits, &io.tensor(&key("logits")), near, 0.0);
        }
        let noise = io.contains(&key("gumbel")).then(|| rows(&io.tensor(&key("gumbel"))));
        let drawn = rows(&logits).into_iter().enumerate().map(|(place, mut logits)| {
            top_k(&mut logits, count(settings, "top_k"));
            top_p_ascending(&mut logits, number(settings, "top_p"));
            draw(&logits, noise.as_ref().map(|noise| noise[place].as_slice()))
        });
        let drawn: Vec<u32> = drawn.collect();
        assert_eq!(drawn, io.u32s(&key("tokens")), "{name} {run}: tokens of scale {at}");
        written.push(Tensor::from_vec(drawn, (batch, side, side), &device()).unwrap());
        let sum = scales.scales(&written).unwrap().pop().unwrap().sum;
        let near = number(&config, "tolerance/fhat_abs");
        assert_close(&key("fhat"), &sum, &io.tensor(&key("fhat")), near, 0.0);
    }
}

#[test]
fn parity_var_writes_the_recorded_tokens_scale_by_scale() {
    for name in FIXTURES {
        for run in ["greedy", "greedy_nocfg", "sample"] {
            replay(name, run);
        }
    }
}

#[test]
fn parity_var_shrinks_by_areas() {
    for name in FIXTURES {
        let (config, io) = (load_config(name), load_io(name));
        let sides = counts(&config, "patch_nums");
        for (at, &next) in sides[1..].iter().enumerate() {
            let sum = io.tensor(&format!("greedy.s{at}.fhat"));
            let found = Resize::Area.forward(&sum, (next, next)).unwrap();
            let expected = io.tensor(&format!("greedy.s{at}.next_map"));
            assert_close("next map", &found, &expected, 1e-5, 0.0);
        }
    }
}

#[test]
fn parity_var_is_recognized_from_its_file() {
    for name in FIXTURES {
        let (config, opened) = (load_config(name), crate::published::opened(name, "var.pth"));
        assert_eq!(opened.metadata["family"], "var");
        let own = opened.network.config();
        assert_eq!(own.classes.len(), count(&config, "num_classes"));
        let sides: Vec<usize> = own.layout.iter().map(|part| part.rows).collect();
        assert_eq!(sides, counts(&config, "patch_nums"));
        let labels = labels(load_io(name).u32s("tf.label"));
        let scales = scales(name, &config);
        let inputs = scales.inputs(&codes(&load_io(name), "enc", &sides)).unwrap();
        let expected = network(name, &config).forward(&inputs, &labels).unwrap();
        let led = smalti_engine::generators::conditions(&labels);
        let found = opened.network.scales().unwrap().logits(&inputs, &led).unwrap();
        assert_close("logits", &found, &expected, 1e-6, 0.0);
    }
}
