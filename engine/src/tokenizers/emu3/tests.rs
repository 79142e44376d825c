//! Tests of the family that need no fixture.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::device::of_tests;
use crate::quantizers::Pass;
use crate::random::{Noise, Purpose};

fn tiny() -> Emu3Config {
    Emu3Config {
        codebook_size: 11,
        ch: 32,
        ch_mult: vec![1, 2],
        num_res_blocks: 1,
        attn_resolutions: vec![1],
        ..Emu3Config::default()
    }
}

fn fresh(config: &Emu3Config) -> (Emu3, BTreeMap<String, Tensor>) {
    let weights = Weights::fresh(1, &of_tests().unwrap());
    let model = Emu3::new(config, &weights).unwrap();
    let vars = weights.vars().into_iter().map(|(name, var)| (name, var.as_detached_tensor()));
    (model, vars.collect())
}

fn beside(value: serde_json::Value) -> Beside {
    Beside { path: "config.json".into(), value }
}

fn shapes(tensors: &BTreeMap<String, Tensor>) -> Shapes<'_> {
    tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.dims())).collect()
}

fn noise(shape: &[usize]) -> Tensor {
    let noise = Noise::new(5, Purpose::Test, 0, 0);
    let count = shape.iter().product::<usize>() as u32;
    let values: Vec<f32> = (0..count).map(|lane| noise.normal(lane)).collect();
    Tensor::from_vec(values, shape, &of_tests().unwrap()).unwrap()
}

fn list(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn shapes_tell_the_settings_and_a_configuration_beside_them_beats_them() {
    let config = tiny();
    let (_, tensors) = fresh(&config);
    let shapes = shapes(&tensors);
    assert!(claims(&shapes));
    assert_eq!(configure(&shapes, None).unwrap(), config);
    let said = json!({ "model_type": "Emu3VisionVQ", "attn_resolutions": [0, 1], "dropout": 0.0 });
    let told = configure(&shapes, Some(&beside(said))).unwrap();
    assert_eq!(told, Emu3Config { attn_resolutions: vec![0, 1], ..config.clone() });
    let language = beside(json!({ "model_type": "Emu3", "num_res_blocks": 7 }));
    assert_eq!(configure(&shapes, Some(&language)).unwrap(), config);
}

#[test]
fn the_relative_for_images_alone_is_not_taken_for_it() {
    let (_, mut tensors) = fresh(&tiny());
    tensors.retain(|name, _| !name.contains(".time_"));
    assert!(!claims(&shapes(&tensors)));
}

#[test]
fn an_image_is_a_clip_of_equal_frames_and_its_reconstruction_the_first() {
    let (model, _) = fresh(&tiny());
    let images = noise(&[2, 3, 8, 12]);
    let latents = model.encode_probed(&images, &mut Probe::none()).unwrap();
    assert_eq!(latents.dims(), [2, 4, 4, 6]);
    let clips = images.unsqueeze(1).unwrap().repeat((1, 4, 1, 1, 1)).unwrap();
    let of_clips = model.encode_clips_probed(&clips, &mut Probe::none()).unwrap();
    assert_eq!(of_clips.dims(), [2, 4, 1, 4, 6]);
    for (a, b) in list(&latents).into_iter().zip(list(&of_clips)) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
    let quantized = model.quantize(&latents, Pass::Inference).unwrap();
    let picture = model.decode_probed(&quantized.latents, &mut Probe::none()).unwrap();
    let entries = model.dequantize(&quantized.codes).unwrap();
    let again = model.decode_probed(&entries, &mut Probe::none()).unwrap();
    assert_eq!(list(&picture), list(&again), "decoding codes is the reconstruction");
    let frames = entries.unsqueeze(2).unwrap();
    let all = model.decode_clips_probed(&frames, &mut Probe::none()).unwrap();
    assert_eq!(all.dims(), [2, 4, 3, 8, 12]);
    for (a, b) in list(&picture).into_iter().zip(list(&all.narrow(1, 0, 1).unwrap())) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
    assert!(model.encode_clips_probed(&noise(&[1, 3, 3, 8, 8]), &mut Probe::none()).is_err());
    assert!(model.encode_probed(&noise(&[1, 3, 7, 8]), &mut Probe::none()).is_err());
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_is_allocated() {
    type Spoil = &'static dyn Fn(&mut Emu3Config);
    let refused: [(&str, Spoil); 8] = [
        ("ch", &|c| c.ch = usize::MAX),
        ("ch_mult", &|c| c.ch_mult = vec![1, 0]),
        ("ch_mult", &|c| c.ch_mult = Vec::new()),
        ("norm_groups", &|c| c.norm_groups = 0),
        ("norm_groups", &|c| c.norm_groups = 24),
        ("embed_dim", &|c| c.embed_dim = 8),
        ("double_z", &|c| c.double_z = true),
        ("temporal_downsample_factor", &|c| c.temporal_downsample_factor = 6),
    ];
    for (field, spoil) in refused {
        let mut config = tiny();
        config.validate().unwrap();
        spoil(&mut config);
        let error = config.validate().expect_err(field).to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
}
