//! Emu3's vision tokenizer: images, and what its clips need of the same layers.

use candle_core::Tensor;
use serde_json::Value;
use smalti_engine::layers::{Probe, Weights};
use smalti_engine::quantizers::Pass;
use smalti_engine::tokenizers::Tokenizer;
use smalti_engine::tokenizers::emu3::{Emu3, Emu3Config, claims, configure};
use smalti_tests::{Tensors, count, counts, device, fixture, load_config, load_io, number};

use crate::check::{Near, Seen, same_codes};
use crate::container::{Named, flag, plain, read, shapes};
use crate::files::{beside, is_recognized};

const NAME: &str = "emu3_vq";
const INDEX: &str = "model.safetensors.index.json";

/// What is compared by hand, of images and of clips; every other tensor of a fixture is a layer's.
const BY_HAND: [&str; 7] = [
    "input",
    "pre_quant",
    "indices",
    "quantized",
    "reconstruction",
    "all_frames_reconstruction",
    "decoder.norm_out",
];

fn settings(config: &Value) -> Emu3Config {
    assert_eq!(number(config, "dropout"), 0.0, "dropout is for training");
    let settings = Emu3Config {
        codebook_size: count(config, "codebook_size") as u32,
        embed_dim: count(config, "embed_dim"),
        z_channels: count(config, "z_channels"),
        double_z: flag(config, "double_z"),
        in_channels: count(config, "in_channels"),
        out_channels: count(config, "out_channels"),
        temporal_downsample_factor: count(config, "temporal_downsample_factor"),
        ch: count(config, "ch"),
        ch_mult: counts(config, "ch_mult"),
        num_res_blocks: count(config, "num_res_blocks"),
        attn_resolutions: counts(config, "attn_resolutions"),
        norm_groups: count(config, "norm_groups"),
        norm_eps: number(config, "norm_eps"),
        batchnorm_eps: number(config, "batchnorm_eps"),
    };
    assert_eq!(settings.factor(), count(config, "downsample_factor"));
    settings
}

fn build(config: &Value, tensors: Named) -> Emu3 {
    let weights = Weights::loaded(tensors, false, &device());
    let model = Emu3::new(&settings(config), &weights).unwrap();
    weights.finish(NAME, &[]).unwrap();
    model
}

/// Whether a tensor of `kind` ("image." or "clip.") is a layer's.
fn is_layer(kind: &str, name: &str) -> bool {
    name.strip_prefix(kind).is_some_and(|name| !BY_HAND.contains(&name))
}

/// The last norm as it is looked at here: together with the SiLU behind it.
fn check_last_norm(near: &Near, io: &Tensors, got: &Tensor) {
    let name = "image.decoder.norm_out";
    let want = io.tensor(name).silu().unwrap();
    smalti_tests::assert_close(name, got, &want, near.abs, near.rel);
}

fn image_agrees(tensors: Named) {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let (near, model) = (Near::of(&config), build(&config, tensors));
    let frames = count(&config, "temporal_downsample_factor");
    let (mut seen, mut last_norm) = (Seen::default(), None);
    let mut look = |name: &str, tensor: &Tensor| {
        // The equal frames of an image are computed once.
        let tensor = if name.starts_with("encoder.") && tensor.rank() == 4 {
            let repeated = tensor.unsqueeze(1).unwrap().repeat((1, frames, 1, 1, 1)).unwrap();
            repeated.flatten(0, 1).unwrap()
        } else {
            tensor.clone()
        };
        if name == "decoder.norm_out" {
            last_norm = Some(tensor.clone());
        }
        seen.keep(&format!("image.{name}"), &tensor);
    };
    let input = io.tensor("image.input");
    let latents = model.encode_probed(&input, &mut Probe::new(&mut look)).unwrap();
    let quantized = model.quantize(&latents, Pass::Inference).unwrap();
    let all = quantized.latents.unsqueeze(2).unwrap();
    let all = model.decode_clips_probed(&all, &mut Probe::new(&mut look)).unwrap();
    seen.agrees(&io, &near, |name| is_layer("image.", name));
    check_last_norm(&near, &io, &last_norm.expect("the last norm is looked at"));
    near.check(&io, "image.pre_quant", &latents.unsqueeze(1).unwrap());
    same_codes(&io, "image.indices", &quantized.codes[0]);
    near.check(&io, "image.quantized", &quantized.latents.unsqueeze(1).unwrap());
    near.check(&io, "image.all_frames_reconstruction", &all);
    let entries = model.dequantize(&quantized.codes).unwrap();
    let picture = model.decode_probed(&entries, &mut Probe::none()).unwrap();
    near.check(&io, "image.reconstruction", &picture);
}

fn clip_agrees(tensors: Named) {
    let (config, io) = (load_config(NAME), load_io(NAME));
    let (near, model) = (Near::of(&config), build(&config, tensors));
    let mut seen = Seen::default();
    let mut look = |name: &str, tensor: &Tensor| seen.keep(&format!("clip.{name}"), tensor);
    let input = io.tensor("clip.input");
    let latents = model.encode_clips_probed(&input, &mut Probe::new(&mut look)).unwrap();
    let (b, d, frames, h, w) = latents.dims5().unwrap();
    let in_order = latents.transpose(1, 2).unwrap().contiguous().unwrap();
    near.check(&io, "clip.pre_quant", &in_order);
    let quantized = model.quantize(&in_order.flatten(0, 1).unwrap(), Pass::Inference).unwrap();
    same_codes(&io, "clip.indices", &quantized.codes[0]);
    let vectors = quantized.latents.reshape((b, frames, d, h, w)).unwrap();
    near.check(&io, "clip.quantized", &vectors);
    let vectors = vectors.transpose(1, 2).unwrap().contiguous().unwrap();
    let decoded = model.decode_clips_probed(&vectors, &mut Probe::new(&mut look)).unwrap();
    near.check(&io, "clip.reconstruction", &decoded);
    seen.agrees(&io, &near, |name| is_layer("clip.", name));
}

#[test]
fn parity_emu3_agrees_from_its_published_shards_and_from_safetensors() {
    let published = read(&fixture(NAME).join(INDEX));
    let plain = plain(NAME, &published);
    assert!(published.keys().eq(plain.keys()), "the same names");
    image_agrees(published);
    image_agrees(plain);
}

#[test]
fn parity_emu3_layers_in_time_agree_on_a_clip() {
    clip_agrees(read(&fixture(NAME).join(INDEX)));
}

#[test]
fn parity_emu3_every_tensor_of_the_fixture_is_compared() {
    for (name, _) in load_io(NAME).iter() {
        assert!(name.starts_with("image.") || name.starts_with("clip."), "{name}");
    }
}

#[test]
fn parity_emu3_configuration_is_found_from_the_shards_and_the_configuration_beside_them() {
    let config = load_config(NAME);
    let expected = settings(&config);
    let published = read(&fixture(NAME).join(INDEX));
    let shapes = shapes(&published);
    assert!(claims(&shapes));
    is_recognized(&shapes, None, "emu3");
    let published_settings = beside(NAME, "hf_config.json");
    let all_settings = beside(NAME, "config.json");
    // Neither shapes nor the published configuration tell groups and what is added to variances,
    // which are the same in all that was published.
    let Emu3Config { norm_groups, norm_eps, batchnorm_eps, .. } = Emu3Config::default();
    let expected = Emu3Config { norm_groups, norm_eps, batchnorm_eps, ..expected };
    assert_eq!(configure(&shapes, None).unwrap(), expected);
    assert_eq!(configure(&shapes, Some(&published_settings)).unwrap(), expected);
    assert_eq!(configure(&shapes, Some(&all_settings)).unwrap(), settings(&config));
}
