//! Tests of the family that need no fixture.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::device::of_tests;
use crate::quantizers::Pass;
use crate::random::{Noise, Purpose};

fn tiny() -> CosmosConfig {
    CosmosConfig {
        channels: 32,
        channels_mult: vec![1, 2],
        num_res_blocks: 1,
        attn_resolutions: vec![256],
        patch_size: 2,
        spatial_compression: 4,
        z_channels: 5,
        embedding_dim: 3,
        levels: vec![8, 6, 5],
        ..CosmosConfig::default()
    }
}

fn fresh(config: &CosmosConfig) -> (Cosmos, BTreeMap<String, Tensor>) {
    let weights = Weights::fresh(1, &of_tests().unwrap());
    let model = Cosmos::new(config, &weights).unwrap();
    let vars = weights.vars().into_iter().map(|(name, var)| (name, var.as_detached_tensor()));
    (model, vars.collect())
}

fn beside(value: serde_json::Value) -> Beside {
    Beside { path: "config.json".into(), value }
}

fn shapes(tensors: &BTreeMap<String, Tensor>) -> Shapes<'_> {
    tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.dims())).collect()
}

fn held(values: &[f32]) -> Tensor {
    Tensor::new(values, &of_tests().unwrap()).unwrap()
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
    let said =
        json!({ "name": "DI", "levels": [5, 5, 5], "patch_method": "rearrange", "z_factor": 1 });
    let told = configure(&shapes, Some(&beside(said))).unwrap();
    let (levels, patch_method) = (vec![5, 5, 5], PatchMethod::Rearrange);
    assert_eq!(told, CosmosConfig { patch_method, levels, ..config.clone() });
    let error =
        configure(&shapes, Some(&beside(json!({ "quantizer": "LFQ" })))).unwrap_err().to_string();
    assert!(error.contains("LFQ"), "{error}");
}

/// Not every level halves the size, or all do: what the decoder's levels then are is the published rule.
#[test]
fn halvings_need_not_be_one_less_than_the_levels() {
    for (halvings, attention) in [(0, vec![]), (1, vec![128]), (2, vec![256]), (3, vec![])] {
        let config = CosmosConfig {
            channels_mult: vec![1, 2, 2],
            spatial_compression: 2 << halvings,
            attn_resolutions: attention,
            ..tiny()
        };
        let (model, tensors) = fresh(&config);
        let found = configure(&shapes(&tensors), None).unwrap();
        let at = |config: &CosmosConfig| [0, 1, 2].map(|level| config.attention_at(level));
        assert_eq!(at(&found), at(&config), "{halvings}");
        let images = noise(&[1, 3, 16, 32]);
        let latents = model.encode_probed(&images, &mut Probe::none()).unwrap();
        let factor = config.spatial_compression;
        assert_eq!(latents.dims(), [1, 3, 16 / factor, 32 / factor], "{halvings}");
        let quantized = model.quantize(&latents, Pass::Inference).unwrap();
        let back = model.decode_probed(&quantized.latents, &mut Probe::none()).unwrap();
        assert_eq!(back.dims(), images.dims(), "{halvings}");
        let entries = model.dequantize(&quantized.codes).unwrap();
        assert_eq!(list(&entries), list(&quantized.latents));
        assert!(model.encode_probed(&noise(&[1, 3, 17, 32]), &mut Probe::none()).is_err());
    }
}

#[test]
fn what_an_archive_holds_beats_what_is_assumed() {
    let config = tiny();
    let (_, mut tensors) = fresh(&config);
    for name in QUANTIZERS {
        tensors.insert(format!("{name}._levels"), held(&[4.0, 7.0, 3.0]));
        tensors.insert(format!("{name}._basis"), held(&[1.0, 4.0, 28.0]));
        tensors.insert(format!("{name}.implicit_codebook"), noise(&[84, 3]));
    }
    for name in ["encoder.patcher", "decoder.unpatcher"] {
        tensors.insert(format!("{name}.wavelets"), held(&[1.0, 1.0]));
        tensors.insert(format!("{name}._arange"), held(&[0.0, 1.0]));
    }
    let guessed = configure(&shapes(&tensors), None).unwrap();
    assert_eq!(guessed.levels, [7, 4, 3], "none of the known ones has 84 codes");
    let weights = Weights::loaded(tensors.clone(), false, &of_tests().unwrap());
    let model = Cosmos::new(&guessed, &weights).unwrap();
    weights.finish("archives", &[]).unwrap();
    assert_eq!(model.config().levels, [4, 7, 3]);
    assert_eq!(model.config().patch_method, PatchMethod::Rearrange);
    // One half alone is recognized, and what is missing is said.
    tensors.retain(|name, _| !name.starts_with("decoder.") && !name.starts_with("post_"));
    assert!(claims(&shapes(&tensors)));
    let error = configure(&shapes(&tensors), None).unwrap_err().to_string();
    assert!(error.contains("decoder."), "{error}");
}

#[test]
fn levels_that_nothing_tells_are_asked_for_or_said_to_be_assumed() {
    let assumed = |tensors: &BTreeMap<String, Tensor>, beside: Option<&Beside>| {
        let shapes = shapes(tensors);
        let settings = CosmosDi.configure("x".into(), &shapes, beside).unwrap();
        CosmosDi.assumed(&settings, &shapes, beside)
    };
    let (_, one) = fresh(&tiny());
    assert!(assumed(&one, None)[0].contains("levels of [8,6,5] were assumed"));
    let said = beside(json!({ "levels": [8, 6, 5] }));
    assert_eq!(assumed(&one, Some(&said)), Vec::<String>::new());
    // Two known lists have five of them.
    let five = CosmosConfig { embedding_dim: 5, levels: vec![8, 8, 8, 6, 5], ..tiny() };
    let (_, mut two) = fresh(&five);
    let problem = configure(&shapes(&two), None).unwrap_err().problem();
    assert!(problem.summary.contains("[7, 5, 5, 5, 5] or [8, 8, 8, 6, 5]"), "{problem}");
    assert!(problem.hint.contains("configuration"), "{problem}");
    two.insert("quantizer._levels".to_owned(), held(&[8.0, 8.0, 8.0, 6.0, 5.0]));
    assert_eq!(assumed(&two, None), Vec::<String>::new());
}

#[test]
fn the_family_whose_names_it_has_is_not_taken_for_it() {
    let (_, mut tensors) = fresh(&tiny());
    tensors.insert("quantize.embedding.weight".to_owned(), noise(&[8, 3]));
    assert!(!claims(&shapes(&tensors)));
    tensors.remove("quantize.embedding.weight");
    tensors.insert("encoder.mid.attn_1.0.q.conv3d.weight".to_owned(), noise(&[1]));
    assert!(!claims(&shapes(&tensors)), "its relative for clips");
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_is_allocated() {
    type Spoil = &'static dyn Fn(&mut CosmosConfig);
    let refused: [(&str, Spoil); 9] = [
        ("channels", &|c| c.channels = usize::MAX),
        ("channels_mult", &|c| c.channels_mult = Vec::new()),
        ("channels_mult", &|c| c.channels_mult = vec![1, 0]),
        ("patch_size", &|c| c.patch_size = 3),
        ("spatial_compression", &|c| c.spatial_compression = 1),
        ("spatial_compression", &|c| c.spatial_compression = 64),
        ("norm_groups", &|c| c.norm_groups = 24),
        ("levels", &|c| c.levels = vec![8, 5]),
        ("quantizer", &|c| c.quantizer = "VQ".to_owned()),
    ];
    for (field, spoil) in refused {
        let mut config = tiny();
        config.validate().unwrap();
        spoil(&mut config);
        let error = config.validate().expect_err(field).to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
}
