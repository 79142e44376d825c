//! Cosmos' discrete image tokenizer.

use serde_json::Value;
use smalti_engine::layers::{Probe, Weights};
use smalti_engine::quantizers::Pass;
use smalti_engine::tokenizers::Tokenizer;
use smalti_engine::tokenizers::cosmos::patch::{patch, unpatch};
use smalti_engine::tokenizers::cosmos::{Cosmos, CosmosConfig, PatchMethod, claims, configure};
use smalti_tests::{count, counts, device, fixture, load_config, load_io, number};

use crate::check::{Near, Seen, same_codes};
use crate::container::{Named, plain, read, shapes, word};
use crate::files::{beside, is_recognized};

const NAME: &str = "cosmos_di";

/// What is compared by hand; every other tensor of the fixture is a layer's or of the patches.
const BY_HAND: [&str; 8] = [
    "input",
    "pre_quant",
    "bounded",
    "indices",
    "quantized",
    "codes_from_indices",
    "reconstruction",
    "reconstruction_from_indices",
];

fn is_of_patches(name: &str) -> bool {
    name.starts_with("patch.") || name.starts_with("unpatch.")
}

fn settings(config: &Value) -> CosmosConfig {
    assert_eq!(number(config, "dropout"), 0.0, "dropout is for training");
    CosmosConfig {
        channels: count(config, "channels"),
        channels_mult: counts(config, "channels_mult"),
        num_res_blocks: count(config, "num_res_blocks"),
        attn_resolutions: counts(config, "attn_resolutions"),
        resolution: count(config, "resolution"),
        patch_size: count(config, "patch_size"),
        patch_method: match word(config, "patch_method") {
            "haar" => PatchMethod::Haar,
            "rearrange" => PatchMethod::Rearrange,
            other => panic!("patch_method {other}"),
        },
        spatial_compression: count(config, "spatial_compression"),
        in_channels: count(config, "in_channels"),
        out_channels: count(config, "out_channels"),
        z_channels: count(config, "z_channels"),
        embedding_dim: count(config, "embedding_dim"),
        levels: counts(config, "levels").into_iter().map(|level| level as u32).collect(),
        quantizer: word(config, "quantizer").to_owned(),
        norm_groups: count(config, "norm_groups"),
        norm_eps: number(config, "norm_eps"),
        fsq_eps: number(config, "fsq_eps"),
    }
}

/// The tensors of both archives.
fn published() -> Named {
    let mut tensors = read(&fixture(NAME).join("encoder.jit"));
    tensors.extend(read(&fixture(NAME).join("decoder.jit")));
    tensors
}

/// As a state dictionary, without what an archive holds beside the parameters.
fn parameters(tensors: Named) -> Named {
    let beside = ["quantizer.", "inv_quant.", "encoder.patcher.", "decoder.unpatcher."];
    let is_parameter = |name: &String| !beside.iter().any(|prefix| name.starts_with(prefix));
    tensors.into_iter().filter(|(name, _)| is_parameter(name)).collect()
}

fn agrees(tensors: Named) {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let near = Near::of(&config);
    let weights = Weights::loaded(tensors, false, &device());
    let model = Cosmos::new(&settings(&config), &weights).unwrap();
    weights.finish(NAME, &[]).unwrap();

    let mut seen = Seen::default();
    let mut look = |name: &str, tensor: &_| seen.keep(name, tensor);
    let latents = model.encode_probed(&io.tensor("input"), &mut Probe::new(&mut look)).unwrap();
    let quantized = model.quantize(&latents, Pass::Inference).unwrap();
    let picture = model.decode_probed(&quantized.latents, &mut Probe::new(&mut look)).unwrap();
    seen.agrees(&io, &near, |name| !BY_HAND.contains(&name) && !is_of_patches(name));
    near.check(&io, "pre_quant", &latents);
    let bounded = model.bounded(&latents).unwrap().permute((0, 2, 3, 1)).unwrap();
    near.check(&io, "bounded", &bounded);
    same_codes(&io, "indices", &quantized.codes[0]);
    near.check(&io, "quantized", &quantized.latents);
    near.check(&io, "reconstruction", &picture);
    let entries = model.dequantize(&quantized.codes).unwrap();
    near.check(&io, "codes_from_indices", &entries);
    let picture = model.decode_probed(&entries, &mut Probe::none()).unwrap();
    near.check(&io, "reconstruction_from_indices", &picture);
}

#[test]
fn parity_cosmos_agrees_from_its_published_archives_and_from_safetensors() {
    let both = published();
    let parameters = parameters(both.clone());
    let plain = plain(NAME, &parameters);
    assert!(parameters.keys().eq(plain.keys()), "the same names");
    agrees(both);
    agrees(plain);
}

#[test]
fn parity_cosmos_patches_agree_by_both_methods() {
    let (io, near) = (load_io(NAME), Near::of(&load_config(NAME)));
    let input = io.tensor("patch.input");
    let mut compared = 0;
    for (name, _) in io.iter().filter(|(name, _)| is_of_patches(name) && *name != "patch.input") {
        let (way, kind) = name.split_once('.').unwrap();
        let (method, size) = match kind.split_at(kind.len() - 1) {
            ("haar", size) => (PatchMethod::Haar, size),
            ("rearrange", size) => (PatchMethod::Rearrange, size),
            other => panic!("{name}: {other:?}"),
        };
        let size = size.parse().unwrap();
        let got = if way == "patch" {
            patch(&input, size, method).unwrap()
        } else {
            unpatch(&io.tensor(&format!("patch.{kind}")), size, method).unwrap()
        };
        near.check(&io, name, &got);
        compared += 1;
    }
    assert!(compared >= 8, "both methods, both ways, two sizes");
}

#[test]
fn parity_cosmos_configuration_is_found_from_the_archives_as_far_as_they_tell() {
    let config = load_config(NAME);
    let expected = settings(&config);
    let archives = published();
    assert!(claims(&shapes(&archives)));
    is_recognized(&shapes(&archives), None, "cosmos_di");
    let all_settings = beside(NAME, "config.json");
    assert_eq!(configure(&shapes(&archives), Some(&all_settings)).unwrap(), expected);
    let attention = |config: &CosmosConfig| -> Vec<[bool; 2]> {
        (0..config.channels_mult.len()).map(|level| config.attention_at(level)).collect()
    };
    // Shapes tell the levels that have attention, but not the size of image that they count from.
    for (tensors, hold_values) in [(archives.clone(), true), (parameters(archives), false)] {
        let found = match configure(&shapes(&tensors), None) {
            Ok(found) => found,
            Err(error) => {
                assert!(!hold_values && error.to_string().contains("levels"), "{error}");
                continue;
            }
        };
        assert_eq!(attention(&found), attention(&expected));
        let weights = Weights::loaded(tensors, false, &device());
        let found = Cosmos::new(&found, &weights).unwrap().config().clone();
        let CosmosConfig { resolution, attn_resolutions, .. } = found.clone();
        let expected = CosmosConfig { resolution, attn_resolutions, ..expected.clone() };
        if hold_values {
            assert_eq!(found, expected);
            continue;
        }
        // Without the archives' own values, levels and wavelets are those that are published.
        let CosmosConfig { levels, patch_method, .. } = found.clone();
        assert_eq!(found, CosmosConfig { levels, patch_method, ..expected });
    }
}
