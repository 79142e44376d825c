//! Open-MAGVIT2's tokenizer: codes of bits, moving averages of the weights, adaptive norms.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};
use serde_json::{Value, json};
use smalti_engine::adversarial::{AdversarialLoss, Lecam};
use smalti_engine::layers::{Probe, Weights};
use smalti_engine::quantizers::{Lfq, LfqConfig, Pass, Quantizer};
use smalti_engine::tokenizers::Tokenizer;
use smalti_engine::tokenizers::magvit2::{Magvit2, Magvit2Config, depth_to_space};
use smalti_tests::{count, counts, device, load_config, number};

use crate::ledger::{Ledger, both_containers, configured, opens, scalar};

const NAME: &str = "lfq";

fn family_config(config: &Value) -> Magvit2Config {
    assert_eq!(config["double_z"], false, "latents are as wide as codes");
    assert_eq!(config["z_channels"], config["embed_dim"], "there is no quant_conv");
    assert_eq!(count(config, "n_embed"), 1 << count(config, "z_channels"), "a bit a channel");
    let network = Magvit2Config {
        in_channels: count(config, "in_channels"),
        out_ch: count(config, "out_ch"),
        ch: count(config, "ch"),
        ch_mult: counts(config, "ch_mult"),
        num_res_blocks: count(config, "num_res_blocks"),
        z_channels: count(config, "z_channels"),
        quantizer: rule_config(config),
        norm_groups: count(config, "norm_groups"),
        norm_eps: number(config, "norm_eps"),
    };
    assert_eq!(network.factor(), count(config, "downsample_factor"));
    network
}

fn rule_config(config: &Value) -> LfqConfig {
    LfqConfig {
        temperature: number(config, "entropy_temperature"),
        sample_minimization_weight: number(config, "sample_minimization_weight"),
        batch_maximization_weight: number(config, "batch_maximization_weight"),
        ..LfqConfig::default()
    }
}

fn tokenizer(config: &Magvit2Config, tensors: &BTreeMap<String, Tensor>) -> Magvit2 {
    let weights = Weights::loaded(tensors.clone(), false, &device());
    let tokenizer = Magvit2::new(config, &weights).unwrap();
    // What is left over are the tensors of the other kind.
    weights.finish(NAME, &["model_ema.", "loss."]).unwrap();
    tokenizer
}

/// The same with averages in the place of the last weights.
fn averages(tensors: &BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let average = |name: &str| tensors.get(&format!("model_ema.{}", name.replace('.', "")));
    let own =
        tensors.iter().map(|(name, last)| (name.clone(), average(name).unwrap_or(last).clone()));
    own.collect()
}

fn agrees(tensors: &BTreeMap<String, Tensor>) {
    let ledger = Ledger::open(NAME);
    let config = family_config(&ledger.config);
    assert_eq!(ledger.config["use_ema"], true, "the fixture's tokens are of averaged weights");
    let averaged = tokenizer(&config, &averages(tensors));
    let mut seen = BTreeMap::new();
    let mut look = |name: &str, tensor: &Tensor| {
        seen.insert(name.to_owned(), tensor.clone());
    };
    let input = ledger.input("input");
    let latents = averaged.encode_probed(&input, &mut Probe::new(&mut look)).unwrap();
    let quantized = averaged.quantize(&latents, Pass::Inference).unwrap();
    let pictures = averaged.decode_probed(&quantized.latents, &mut Probe::new(&mut look)).unwrap();
    ledger.layers(&seen, |name| name.starts_with("encoder.") || name.starts_with("decoder."));
    ledger.check("pre_quant", &latents);
    ledger.check("quantized", &quantized.latents);
    ledger.check("reconstruction", &pictures);
    assert_eq!(quantized.codes.len(), 1, "one part");
    ledger.codes("indices", &quantized.codes[0]);
    let entries = averaged.dequantize(&quantized.codes).unwrap();
    ledger.check("codes_from_indices", &entries);
    let again = averaged.decode_probed(&entries, &mut Probe::none()).unwrap();
    ledger.check("reconstruction_from_indices", &again);

    let live = tokenizer(&config, tensors);
    let raw = live.encode_probed(&input, &mut Probe::none()).unwrap();
    let raw_codes = live.quantize(&raw, Pass::Inference).unwrap();
    ledger.check("raw.pre_quant", &raw);
    ledger.codes("raw.indices", &raw_codes.codes[0]);
    let raw = live.decode_probed(&raw_codes.latents, &mut Probe::none()).unwrap();
    ledger.check("raw.reconstruction", &raw);

    let bits = counts(&ledger.config, "factorized_bits").into_iter().map(|bits| bits as u32);
    let parts = LfqConfig { factorized_bits: bits.collect(), ..config.quantizer.clone() };
    let parts = Lfq::new(&parts, config.z_channels, &device()).unwrap();
    let split = parts.quantize(&latents, Pass::Inference).unwrap();
    assert_eq!(split.codes.len(), 2);
    ledger.codes("factorized.indices_pre", &split.codes[0]);
    ledger.codes("factorized.indices_post", &split.codes[1]);
    ledger.check("codes_from_indices", &parts.decode(&split.codes).unwrap());

    let made = depth_to_space(&ledger.input("depth_to_space.input")).unwrap();
    ledger.check("depth_to_space.output", &made);
    trains(&ledger, "train", &config);
    trains(&ledger, "train_small", &config);
    adversarial(&ledger);
    ledger.close(&[]);
}

/// Losses of discriminator and generator, of logits that are given.
fn adversarial(ledger: &Ledger) {
    let [real, fake] = ["gan.logits_real", "gan.logits_fake"].map(|name| ledger.input(name));
    for (name, loss) in [
        ("gan.hinge_d", AdversarialLoss::Hinge),
        ("gan.vanilla_d", AdversarialLoss::Vanilla),
        ("gan.non_saturate_d", AdversarialLoss::NonSaturating),
    ] {
        ledger.check(name, &loss.discriminator(&real, &fake).unwrap());
    }
    let generator = AdversarialLoss::NonSaturating.generator(&fake).unwrap();
    ledger.check("gan.non_saturate_g", &generator);
    let mut lecam = Lecam::default();
    lecam.observe(&real, &fake).unwrap();
    ledger.number("gan.lecam_ema_real", lecam.real);
    ledger.number("gan.lecam_ema_fake", lecam.fake);
    ledger.check("gan.lecam_reg", &lecam.loss(&real, &fake).unwrap());
}

/// Entropies and commitment with their gradient, where they are saturated and where they are not.
fn trains(ledger: &Ledger, prefix: &str, config: &Magvit2Config) {
    let name = |name: &str| format!("{prefix}.{name}");
    let whole = LfqConfig { entropy_weight: 1.0, ..config.quantizer.clone() };
    let rule = Lfq::new(&whole, config.z_channels, &device()).unwrap();
    let latents = Var::from_tensor(&ledger.input(&name("latent"))).unwrap();
    let [own, all] = rule.entropies(&latents).unwrap();
    for published in ["", "factorised_"] {
        ledger.check(&name(&format!("{published}per_sample_entropy")), &own);
        ledger.check(&name(&format!("{published}codebook_entropy")), &all);
    }
    let losses = rule.quantize(&latents, Pass::FIRST).unwrap().losses;
    assert_eq!(losses.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["entropy", "commitment"]);
    ledger.check(&name("entropy_aux_loss"), &losses[0].1);
    ledger.number(&name("commitment"), scalar(&losses[1].1) / whole.commitment_weight);
    let total = (&losses[0].1 + &losses[1].1).unwrap();
    let gradients = total.backward().unwrap();
    ledger.gradient(&name("grad_latent"), gradients.get(&latents).expect("a gradient"));
}

/// What the family finds from the published container and from what lies beside it.
fn settings(name: &str, id: &str, beside: Option<Value>) -> Magvit2Config {
    serde_json::from_value(configured(name, id, beside)).unwrap()
}

#[test]
fn parity_of_lfq_at_every_tensor_of_its_fixture_from_both_containers() {
    for (container, tensors) in both_containers(NAME) {
        println!("{container}");
        agrees(&tensors);
    }
}

#[test]
fn parity_of_lfq_configuration_told_by_shapes_and_by_what_lies_beside() {
    let config = load_config(NAME);
    let expected = family_config(&config);
    // Shapes tell everything but the groups of the norms and what training weighs.
    assert_eq!(settings(NAME, "open-magvit2", None), expected);
    let beside = json!({"model": {
        "class_path": "src.Open_MAGVIT2.models.lfqgan.VQModel",
        "init_args": {"n_embed": config["n_embed"], "use_ema": config["use_ema"],
            "token_factorization": true, "factorized_bits": config["factorized_bits"],
            "ddconfig": {"ch": config["ch"], "ch_mult": config["ch_mult"]}},
    }});
    let told: Magvit2Config = settings(NAME, "open-magvit2", Some(beside));
    let bits: Vec<usize> =
        told.quantizer.factorized_bits.iter().map(|&bits| bits as usize).collect();
    assert_eq!(bits, counts(&config, "factorized_bits"));
    let whole = LfqConfig { factorized_bits: Vec::new(), ..told.quantizer.clone() };
    assert_eq!(Magvit2Config { quantizer: whole, ..told }, expected);
    opens(NAME, "Open-MAGVIT2");
}
