//! diffusers' VQModel and MoVQ.

use serde_json::Value;
use smalti_engine::layers::{Probe, Weights};
use smalti_engine::quantizers::Pass;
use smalti_engine::tokenizers::Tokenizer;
use smalti_engine::tokenizers::diffusers::{NormType, VqModel, VqModelConfig, claims, configure};
use smalti_tests::{count, counts, device, fixture, load_config, load_io, number};

use crate::check::{Near, Seen, same_codes};
use crate::container::{Named, flag, plain, read, shapes, word};
use crate::files::{beside, is_recognized};

const VQ: &str = "diffusers_vqmodel";
const MOVQ: &str = "diffusers_movq";
const WEIGHTS: &str = "published/diffusion_pytorch_model.safetensors";

/// What is compared by hand; every other tensor of a fixture is a layer's.
const BY_HAND: [&str; 8] = [
    "input",
    "pre_quant",
    "indices",
    "quantized",
    "loss.codebook",
    "codebook_entries",
    "reconstruction",
    "reconstruction_from_indices",
];

fn settings(config: &Value) -> VqModelConfig {
    let hf = &config["hf_config"];
    let kinds = |name: &str| serde_json::from_value(hf[name].clone()).unwrap();
    let settings = VqModelConfig {
        in_channels: count(hf, "in_channels"),
        out_channels: count(hf, "out_channels"),
        down_block_types: kinds("down_block_types"),
        up_block_types: kinds("up_block_types"),
        block_out_channels: counts(hf, "block_out_channels"),
        layers_per_block: count(hf, "layers_per_block"),
        act_fn: word(hf, "act_fn").to_owned(),
        latent_channels: count(hf, "latent_channels"),
        num_vq_embeddings: count(config, "n_embed") as u32,
        vq_embed_dim: count(config, "embed_dim"),
        norm_num_groups: count(hf, "norm_num_groups"),
        norm_type: match word(hf, "norm_type") {
            "group" => NormType::Group,
            "spatial" => NormType::Spatial,
            other => panic!("norm_type {other}"),
        },
        mid_block_add_attention: flag(hf, "mid_block_add_attention"),
        norm_eps: number(config, "norm_eps"),
    };
    assert_eq!(settings.factor(), count(config, "downsample_factor"));
    assert!(flag(config, "legacy_beta") && number(config, "beta") == 0.25);
    settings
}

fn agrees(name: &str, tensors: Named) {
    let (config, io) = (load_config(name), load_io(name));
    let near = Near::of(&config);
    let weights = Weights::loaded(tensors, false, &device());
    let model = VqModel::new(&settings(&config), &weights).unwrap();
    weights.finish(name, &[]).unwrap();

    let mut seen = Seen::default();
    let mut look = |name: &str, tensor: &_| seen.keep(name, tensor);
    let latents = model.encode_probed(&io.tensor("input"), &mut Probe::new(&mut look)).unwrap();
    let quantized = model.quantize(&latents, Pass::FIRST).unwrap();
    let picture = model.decode_probed(&quantized.latents, &mut Probe::new(&mut look)).unwrap();
    seen.agrees(&io, &near, |name| !BY_HAND.contains(&name));
    near.check(&io, "pre_quant", &latents);
    same_codes(&io, "indices", &quantized.codes[0]);
    near.check(&io, "quantized", &quantized.latents);
    near.check(&io, "reconstruction", &picture);
    let losses = quantized.losses.into_iter().map(|(_, loss)| loss);
    near.check(&io, "loss.codebook", &losses.reduce(|a, b| (a + b).unwrap()).unwrap());
    let entries = model.dequantize(&quantized.codes).unwrap();
    near.check(&io, "codebook_entries", &entries);
    let picture = model.decode_probed(&entries, &mut Probe::none()).unwrap();
    near.check(&io, "reconstruction_from_indices", &picture);
}

#[test]
fn parity_diffusers_agrees_from_its_published_folder_and_from_safetensors() {
    for name in [VQ, MOVQ] {
        let published = read(&fixture(name).join(WEIGHTS));
        let plain = plain(name, &published);
        assert!(published.keys().eq(plain.keys()), "{name}: the same names");
        agrees(name, published);
        agrees(name, plain);
    }
}

/// The two differ where it matters: only one of them tells its decoder the codes.
#[test]
fn parity_diffusers_both_kinds_of_norms_are_tested() {
    let kinds = [VQ, MOVQ].map(|name| settings(&load_config(name)).norm_type);
    assert_eq!(kinds, [NormType::Group, NormType::Spatial]);
}

#[test]
fn parity_diffusers_configuration_is_found_from_the_folder_and_from_shapes_as_far_as_they_tell() {
    for name in [VQ, MOVQ] {
        let expected = settings(&load_config(name));
        let published = read(&fixture(name).join(WEIGHTS));
        let shapes = shapes(&published);
        assert!(claims(&shapes), "{name}");
        let said = beside(name, "published/config.json");
        assert_eq!(configure(&shapes, Some(&said)).unwrap(), expected, "{name}");
        is_recognized(&shapes, Some(&said), "diffusers");
        // Shapes do not tell how many groups a norm has: the published 32 are taken, or refused
        // where they cannot be.
        let fit = expected.block_out_channels.iter().all(|channels| channels.is_multiple_of(32));
        match configure(&shapes, None) {
            Ok(found) => {
                assert!(fit, "{name}");
                assert_eq!(found, VqModelConfig { norm_num_groups: 32, ..expected }, "{name}");
            }
            Err(error) => {
                assert!(!fit && error.to_string().contains("norm_num_groups"), "{name}: {error}");
            }
        }
    }
}
