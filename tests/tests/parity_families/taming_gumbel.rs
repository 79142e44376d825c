//! taming's GumbelVQ: codes by the largest logit, and its training with the noise that was drawn.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde_json::{Value, json};
use smalti_engine::layers::{Probe, Weights};
use smalti_engine::quantizers::entropy::softmax;
use smalti_engine::quantizers::{Gumbel, GumbelConfig, Pass, QuantizerConfig};
use smalti_engine::tokenizers::{Ldm, LdmConfig, Naming, Tokenizer, TokenizerConfig};
use smalti_tests::{count, counts, device, load_config, number};

use crate::ledger::{Ledger, both_containers, configured, opens};

const NAME: &str = "taming_gumbel";

fn rule_config(config: &Value) -> GumbelConfig {
    GumbelConfig {
        n_embed: count(config, "n_embed") as u32,
        kl_weight: number(config, "kl_weight"),
        temp_init: number(config, "temp_init"),
        straight_through: config["straight_through"].as_bool().expect("straight_through"),
    }
}

fn family_config(config: &Value) -> TokenizerConfig {
    assert_eq!(number(config, "dropout"), 0.0, "dropout is not part of the family here");
    assert_eq!(config["resamp_with_conv"], true, "resampling is always with a convolution");
    let network = LdmConfig {
        naming: Naming::Taming,
        in_channels: count(config, "in_channels"),
        out_ch: count(config, "out_ch"),
        ch: count(config, "ch"),
        ch_mult: counts(config, "ch_mult"),
        num_res_blocks: count(config, "num_res_blocks"),
        attn_resolutions: counts(config, "attn_resolutions"),
        resolution: count(config, "resolution"),
        z_channels: count(config, "z_channels"),
        embed_dim: count(config, "embed_dim"),
        double_z: config["double_z"].as_bool().expect("double_z"),
        norm_groups: count(config, "norm_groups"),
        norm_eps: number(config, "norm_eps"),
        ..LdmConfig::default()
    };
    assert_eq!(network.factor(), count(config, "downsample_factor"));
    let quantizer = QuantizerConfig::Gumbel(rule_config(config));
    TokenizerConfig { name: NAME.to_owned(), network, quantizer }
}

/// (B, K, h, w) as rows (B·h·w, K).
fn as_rows(map: &Tensor) -> Tensor {
    let (b, k, h, w) = map.dims4().unwrap();
    map.permute((0, 2, 3, 1)).unwrap().reshape((b * h * w, k)).unwrap()
}

/// The reverse, for `like` (B, K, h, w).
fn as_map(rows: &Tensor, like: &Tensor) -> Tensor {
    let (b, k, h, w) = like.dims4().unwrap();
    rows.reshape((b, h, w, k)).unwrap().permute((0, 3, 1, 2)).unwrap().contiguous().unwrap()
}

fn agrees(tensors: BTreeMap<String, Tensor>) {
    let ledger = Ledger::open(NAME);
    let weights = Weights::loaded(tensors, false, &device());
    let tokenizer = Ldm::new(&family_config(&ledger.config), &weights).unwrap();
    weights.finish(NAME, &["loss."]).unwrap();
    let mut seen = BTreeMap::new();
    let mut look = |name: &str, tensor: &Tensor| {
        seen.insert(name.to_owned(), tensor.clone());
    };
    let latents = tokenizer.encode_probed(&ledger.input("input"), &mut Probe::new(&mut look));
    let latents = latents.unwrap();
    let quantized = tokenizer.quantize(&latents, Pass::Inference).unwrap();
    let pictures = tokenizer.decode_probed(&quantized.latents, &mut Probe::new(&mut look)).unwrap();
    ledger.layers(&seen, |name| {
        name.starts_with("encoder.") || name.starts_with("decoder.") || name.ends_with("_conv")
    });
    assert_eq!(quantized.codes.len(), 1, "one part");
    ledger.codes("indices", &quantized.codes[0]);
    ledger.check("quantized", &quantized.latents);
    ledger.check("reconstruction", &pictures);
    let entries = tokenizer.dequantize(&quantized.codes).unwrap();
    ledger.check("quantized", &entries);

    let gumbels = ledger.input("noisy.gumbels");
    let rule = rule_config(&ledger.config);
    let dim = count(&ledger.config, "embed_dim");
    let rule = Gumbel::new(&rule, (dim, dim), &weights.pp("quantize")).unwrap();
    let logits = rule.logits(&latents).unwrap();
    ledger.check("logits", &as_map(&logits, &gumbels));
    ledger.check("softmax_logits", &as_map(&softmax(&logits).unwrap(), &gumbels));
    let noisy = rule.sample(&latents, &as_rows(&gumbels)).unwrap();
    ledger.codes("noisy.indices", &noisy.codes[0]);
    ledger.check("noisy.quantized", &noisy.latents);
    assert_eq!(noisy.losses[0].0, "kl");
    ledger.check("loss.kl", &noisy.losses[0].1);
    ledger.close(&[]);
}

/// What the family finds from the published container and from what lies beside it.
fn settings(name: &str, id: &str, beside: Option<Value>) -> TokenizerConfig {
    serde_json::from_value(configured(name, id, beside)).unwrap()
}

#[test]
fn parity_of_taming_gumbel_at_every_tensor_of_its_fixture_from_both_containers() {
    for (container, tensors) in both_containers(NAME) {
        println!("{container}");
        agrees(tensors);
    }
}

#[test]
fn parity_of_taming_gumbel_configuration_told_by_shapes_and_by_what_lies_beside() {
    let config = load_config(NAME);
    let expected = family_config(&config);
    let mut told: TokenizerConfig = settings(NAME, "taming-gumbel", None);
    let network = &expected.network;
    for level in 0..network.ch_mult.len() {
        assert_eq!(told.network.attention_at(level), network.attention_at(level), "level {level}");
    }
    // Shapes tell at which levels attention stands, but not the image size they are counted from.
    told.network.attn_resolutions.clone_from(&network.attn_resolutions);
    told.network.resolution = network.resolution;
    assert_eq!(told.network, expected.network);
    // Nor what training weighs; the published values are taken.
    let usual = GumbelConfig { n_embed: rule_config(&config).n_embed, ..GumbelConfig::default() };
    assert_eq!(told.quantizer, QuantizerConfig::Gumbel(usual));

    let beside = json!({"model": {"target": "taming.models.vqgan.GumbelVQ", "params": {
        "kl_weight": config["kl_weight"], "embed_dim": config["embed_dim"],
        "n_embed": config["n_embed"], "temp_init": config["temp_init"],
        "straight_through": config["straight_through"], "ddconfig": config,
    }}});
    assert_eq!(settings(NAME, "taming-gumbel", Some(beside)), expected);
    opens(NAME, "taming GumbelVQ");
}
