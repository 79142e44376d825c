//! VAR's multi-scale VQVAE against the published code, also that of the generators' fixtures.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var as Variable};
use serde_json::Value;
use smalti_engine::images::Picture;
use smalti_engine::layers::{Probe, Resize, Weights};
use smalti_engine::quantizers::multiscale::{phi_choice, phi_ticks};
use smalti_engine::quantizers::{MultiScaleConfig, Pass};
use smalti_engine::tokenizers::var::{self, Var, VarConfig};
use smalti_engine::tokenizers::{Tokenizer, detokenize, tokenize};
use smalti_engine::tokens::{Part, Tokens};
use smalti_tests::{count, counts, device, load_config, number};

use crate::check::Near;
use crate::files;
use crate::tally::Ledger;

const VQVAE: &str = "var_vqvae";
/// Fixtures of generators, which have a tokenizer beside them.
const GENERATORS: [&str; 2] = ["var", "var_saln"];

fn flag(config: &Value, name: &str) -> bool {
    config[name].as_bool().unwrap_or_else(|| panic!("config.json has no flag {name:?}"))
}

fn vqvae_config(config: &Value) -> VarConfig {
    assert_eq!(number(config, "dropout"), 0.0, "dropout is not part of the family here");
    let made = VarConfig {
        ch: count(config, "ch"),
        ch_mult: counts(config, "ch_mult"),
        num_res_blocks: count(config, "num_res_blocks"),
        z_channels: count(config, "z_channels"),
        using_sa: flag(config, "using_sa"),
        using_mid_sa: flag(config, "using_mid_sa"),
        quant_conv_ks: count(config, "quant_conv_ks"),
        quantize: MultiScaleConfig {
            vocab_size: count(config, "vocab_size") as u32,
            v_patch_nums: counts(config, "v_patch_nums"),
            using_znorm: flag(config, "using_znorm"),
            beta: number(config, "beta"),
            quant_resi: number(config, "quant_resi"),
            share_quant_resi: count(config, "share_quant_resi"),
            default_qresi_counts: 0,
            ..MultiScaleConfig::default()
        },
        norm_groups: count(config, "norm_groups"),
        norm_eps: number(config, "norm_eps"),
        ..VarConfig::default()
    };
    assert_eq!(made.factor(), count(config, "downsample_factor"));
    assert_eq!(made.image_side(), count(config, "height"));
    made
}

/// The generators' fixtures name the same things differently.
fn generator_config(config: &Value) -> VarConfig {
    let made = VarConfig {
        ch: count(config, "vae_ch"),
        ch_mult: counts(config, "vae_ch_mult"),
        num_res_blocks: count(config, "vae_num_res_blocks"),
        z_channels: count(config, "cvae"),
        quant_conv_ks: count(config, "quant_conv_kernel"),
        quantize: MultiScaleConfig {
            vocab_size: count(config, "vocab_size") as u32,
            v_patch_nums: counts(config, "patch_nums"),
            using_znorm: flag(config, "using_znorm"),
            quant_resi: number(config, "quant_resi"),
            share_quant_resi: count(config, "share_quant_resi"),
            ..MultiScaleConfig::default()
        },
        norm_groups: count(config, "vae_groupnorm_groups"),
        norm_eps: number(config, "vae_groupnorm_eps"),
        ..VarConfig::default()
    };
    assert_eq!(made.image_side(), count(config, "image_size"));
    made
}

fn build(config: &VarConfig, tensors: BTreeMap<String, Tensor>, trainable: bool) -> (Var, Weights) {
    let weights = Weights::loaded(tensors, trainable, &device());
    let var = Var::new(config, &weights).unwrap();
    weights.finish(VQVAE, &[]).unwrap();
    (var, weights)
}

fn decode(var: &Var, latents: &Tensor) -> Tensor {
    var.decode_probed(latents, &mut Probe::none()).unwrap()
}

/// A list of codes (B, L) as the tokenizer takes them, one tensor a scale.
fn by_scale(config: &VarConfig, lists: &[Tensor]) -> Vec<Tensor> {
    let sides = config.quantize.v_patch_nums.iter();
    lists.iter().zip(sides).map(|(list, &side)| list.reshape(((), side, side)).unwrap()).collect()
}

#[test]
fn parity_var_vqvae_at_every_named_value_from_both_containers() {
    let file = load_config(VQVAE);
    let config = vqvae_config(&file);
    for tensors in files::both(VQVAE, "weights.pth", "weights.safetensors") {
        let ledger = Ledger::new(VQVAE, Near::of(&file));
        let (var, _) = build(&config, tensors.clone(), false);
        pictures(&ledger, &var);
        inputs_of_generators(&ledger, &var);
        resizing(&ledger);
        let quantize = &config.quantize;
        let scales = quantize.v_patch_nums.len();
        ledger.wholes("phi_choice", &phi_choice(quantize.share_quant_resi, scales));
        let ticks = phi_ticks(quantize.share_quant_resi);
        let len = ticks.len();
        let ticks = ticks.into_iter().map(|tick| tick as f32).collect::<Vec<_>>();
        ledger.same("phi_ticks", &Tensor::from_vec(ticks, len, &device()).unwrap());
        training(&ledger, &config, tensors, number(&file, "tolerance/gradients_rel"));
        ledger.all_but(&[]);
    }
}

/// Image to codes to image, and the pictures in between.
fn pictures(ledger: &Ledger, var: &Var) {
    let input = ledger.given("input");
    let latents = ledger.watching(|probe| var.encode_probed(&input, probe)).unwrap();
    ledger.same("f_BChw", &latents);
    let found = var.quantize(&latents, Pass::Inference).unwrap();
    let mut flat = Vec::new();
    for (at, (codes, scale)) in
        found.codes.iter().zip(var.scales().scales(&found.codes).unwrap()).enumerate()
    {
        ledger.codes(&format!("scale{at}.indices"), codes);
        ledger.same(&format!("scale{at}.h"), &scale.added);
        ledger.same(&format!("scale{at}.f_hat"), &scale.sum);
        flat.push(codes.flatten_from(1).unwrap());
    }
    ledger.codes("indices", &Tensor::cat(&flat, 1).unwrap());

    let mut open = None;
    let image = ledger.watching(|probe| {
        let mut both = |name: &str, tensor: &Tensor| {
            if name == "decoder.conv_out" {
                open = Some(tensor.clone());
            }
            probe.show(name, tensor);
        };
        var.decode_probed(&found.latents, &mut Probe::new(&mut both)).unwrap()
    });
    ledger.same("reconstruction", &image);
    ledger.same("reconstruction_unclamped", &open.expect("the last layer was shown"));
    let given: Vec<Tensor> =
        (0..found.codes.len()).map(|at| ledger.given(&format!("scale{at}.indices"))).collect();
    let codes = by_scale(var.config(), &given);
    let again = var.dequantize(&codes).unwrap();
    ledger.same("reconstruction_from_indices", &decode(var, &again));
    for (name, scale) in ledger.below("partial_reconstruction.scale") {
        let known = &codes[..=scale.parse::<usize>().unwrap()];
        ledger.same(&name, &decode(var, &var.dequantize(known).unwrap()));
    }
}

/// What a generator would be shown of the codes.
fn inputs_of_generators(ledger: &Ledger, var: &Var) {
    let scales = var.config().quantize.v_patch_nums.len();
    let lists: Vec<Tensor> =
        (0..scales).map(|at| ledger.given(&format!("scale{at}.indices"))).collect();
    let codes = by_scale(var.config(), &lists);
    ledger.same("var_input", &var.scales().inputs(&codes).unwrap());
    for (at, scale) in var.scales().scales(&codes).unwrap().iter().enumerate() {
        ledger.same(&format!("ar_next.{at}"), &var.scales().next_input(&scale.sum, at).unwrap());
    }
}

fn resizing(ledger: &Ledger) {
    let input = ledger.given("interp.input");
    for (prefix, how) in [("interp.area_", Resize::Area), ("interp.bicubic_", Resize::Bicubic)] {
        for (name, size) in ledger.below(prefix) {
            let (h, w) = size.split_once('x').expect("a size");
            let size = (h.parse().unwrap(), w.parse().unwrap());
            ledger.same(&name, &how.forward(&input, size).unwrap());
        }
    }
}

/// Losses and gradients of the quantizer alone.
fn training(
    ledger: &Ledger,
    config: &VarConfig,
    tensors: BTreeMap<String, Tensor>,
    gradients: f64,
) {
    let (var, weights) = build(config, tensors, true);
    let latents = Variable::from_tensor(&ledger.given("f_BChw")).unwrap();
    let found = var.quantize(&latents, Pass::FIRST).unwrap();
    ledger.same("train.f_hat_ste", &found.latents);
    let losses = found.losses.iter().map(|(_, loss)| loss.clone());
    let loss = losses.reduce(|a, b| (a + b).unwrap()).expect("losses");
    ledger.same("train.vq_loss", &loss);
    let n = latents.elem_count();
    let slope: Vec<f32> =
        (0..n).map(|at| (at as f64 * 2.0 / (n - 1) as f64 - 1.0) as f32).collect();
    let slope = Tensor::from_vec(slope, latents.dims(), &device()).unwrap();
    let total = (loss + (found.latents * slope).unwrap().sum_all().unwrap()).unwrap();
    let grads = total.backward().unwrap();
    let vars = weights.vars();
    let of = |name: &str| {
        let found = grads.get(&vars[name]);
        found.unwrap_or_else(|| panic!("{name} has no gradient")).clone()
    };
    ledger.same_gradient("train.grad_f", grads.get(&latents).expect("a gradient"), gradients);
    let table = of("quantize.embedding.weight");
    ledger.same_gradient("train.grad_embedding", &table, gradients);
    for (name, parameter) in ledger.below("train.grad.") {
        ledger.same_gradient(&name, &of(&format!("quantize.{parameter}")), gradients);
    }
}

#[test]
fn parity_var_vqvae_of_the_generators() {
    for name in GENERATORS {
        let file = load_config(name);
        let config = generator_config(&file);
        let near = || Near { abs: number(&file, "tolerance/fhat_abs"), rel: 0.0 };
        let image_abs = number(&file, "tolerance/image_abs");
        for tensors in files::both(name, "vae.pth", "vae.weights.safetensors") {
            let ledger = Ledger::new(name, near());
            let (var, _) = build(&config, tensors, false);
            let image = ledger.given("enc.image");
            let latents = var.encode_probed(&image, &mut Probe::none()).unwrap();
            ledger.same("enc.f", &latents);
            let found = var.quantize(&latents, Pass::Inference).unwrap();
            let scales = var.scales().scales(&found.codes).unwrap();
            for (at, (codes, scale)) in found.codes.iter().zip(scales).enumerate() {
                ledger.codes(&format!("enc.s{at}.tokens"), codes);
                ledger.same(&format!("enc.s{at}.fhat"), &scale.sum);
            }
            ledger.same_within("enc.rec_image", &decode(&var, &found.latents), image_abs);
            ledger.same("tf.var_input", &var.scales().inputs(&found.codes).unwrap());
            for run in ["greedy", "greedy_nocfg", "sample"] {
                generated(&ledger, &var, run, image_abs);
            }
            ledger.all_but(&[
                ("tf.", "the generator's forward pass"),
                (".logits", "the generator's predictions"),
                (".gumbel", "noise for drawing tokens"),
                ("smooth.", "its maps are mixtures of codes, which no tokens give"),
                ("edit.", "its maps are those of an image under a mask"),
            ]);
        }
    }
}

/// What the published code made of the tokens that a generator drew.
fn generated(ledger: &Ledger, var: &Var, run: &str, image_abs: f64) {
    let scales = var.config().quantize.v_patch_nums.len();
    let lists: Vec<Tensor> =
        (0..scales).map(|at| ledger.given(&format!("{run}.s{at}.tokens"))).collect();
    let codes = by_scale(var.config(), &lists);
    for (at, scale) in var.scales().scales(&codes).unwrap().iter().enumerate() {
        ledger.same(&format!("{run}.s{at}.fhat"), &scale.sum);
        let next = format!("{run}.s{at}.next_map");
        if ledger.io.contains(&next) {
            ledger.same(&next, &var.scales().next_input(&scale.sum, at).unwrap());
        }
    }
    let image = decode(var, &var.dequantize(&codes).unwrap()).affine(0.5, 0.5).unwrap();
    ledger.same_within(&format!("{run}.image"), &image, image_abs);
}

#[test]
fn parity_var_vqvae_configurations_are_told_from_the_published_containers() {
    let truths = [(VQVAE, "weights.pth", vqvae_config(&load_config(VQVAE)))]
        .into_iter()
        .chain(GENERATORS.map(|name| (name, "vae.pth", generator_config(&load_config(name)))));
    for (name, container, truth) in truths {
        let checkpoint = files::published(name, container);
        let shapes = files::shapes(&checkpoint);
        assert!(var::claims(&shapes), "{name}");
        let beside = files::beside(name, "config.json");
        assert_eq!(var::configure(&shapes, Some(&beside)).unwrap(), truth, "{name}");
        files::is_recognized(&files::shapes(&checkpoint), Some(&beside), "var");
        // Shapes say neither scales nor groups nor shares: then it is what VAR published.
        let alone = var::configure(&shapes, None);
        let usual = VarConfig::default();
        if truth.ch.is_multiple_of(usual.norm_groups) {
            let quantize = MultiScaleConfig {
                vocab_size: truth.quantize.vocab_size,
                share_quant_resi: truth.quantize.share_quant_resi,
                ..usual.quantize
            };
            let (norm_groups, norm_eps) = (usual.norm_groups, usual.norm_eps);
            let expected = VarConfig { quantize, norm_groups, norm_eps, ..truth };
            assert_eq!(alone.unwrap(), expected, "{name}");
        } else {
            let error = alone.unwrap_err().to_string();
            assert!(error.contains("norm_groups"), "{name}: {error}");
        }
    }
}

#[test]
fn parity_var_vqvae_tokens_come_in_scales_and_the_first_ones_alone_give_a_picture() {
    let config = vqvae_config(&load_config(VQVAE));
    let tensors = files::published(VQVAE, "weights.pth").to_tensors(&device()).unwrap();
    let (var, _) = build(&config, tensors, false);
    let side = config.image_side() as u32;
    let rgb: Vec<u8> = (0..side * side * 3).map(|at| (at * 37 % 251) as u8).collect();
    let picture = Picture::new(side, side, rgb).unwrap();
    let tokens = tokenize(&var, &picture).unwrap();
    let sides: Vec<usize> = tokens.parts().iter().map(Part::rows).collect();
    assert_eq!(sides, config.quantize.v_patch_nums);
    let whole = detokenize(&var, &tokens).unwrap();
    let mut before = None;
    for count in 1..=sides.len() {
        let first = Tokens::new(tokens.parts()[..count].to_vec()).unwrap();
        let picture = detokenize(&var, &first).unwrap();
        assert_eq!((picture.width(), picture.height()), (side, side), "{count} scales");
        assert_ne!(before.as_ref(), Some(&picture), "scale {count} changes the picture");
        before = Some(picture);
    }
    assert_eq!(before, Some(whole));
    let other = Picture::new(side, side / 2, vec![0; (side * side / 2 * 3) as usize]).unwrap();
    let error = tokenize(&var, &other).unwrap_err().to_string();
    assert!(error.contains(&format!("takes {side}x{side} only")), "{error}");
}

#[test]
fn parity_var_vqvae_codes_of_the_file_as_people_open_it() {
    let ledger = Ledger::new(VQVAE, Near::of(&load_config(VQVAE)));
    let codes = files::codes_of(VQVAE, "weights.pth", &ledger.given("input"));
    for (at, codes) in codes.iter().enumerate() {
        ledger.codes(&format!("scale{at}.indices"), codes);
    }
    for name in GENERATORS {
        let ledger = Ledger::new(name, Near { abs: 0.0, rel: 0.0 });
        let codes = files::codes_of(name, "vae.pth", &ledger.given("enc.image"));
        for (at, codes) in codes.iter().enumerate() {
            ledger.codes(&format!("enc.s{at}.tokens"), codes);
        }
    }
}
