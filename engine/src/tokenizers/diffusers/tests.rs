//! Tests of the family that need no fixture.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde_json::json;

use super::*;
use crate::device::of_tests;
use crate::quantizers::Pass;
use crate::random::{Noise, Purpose};

fn tiny(norm_type: NormType) -> VqModelConfig {
    VqModelConfig {
        block_out_channels: vec![32, 64],
        down_block_types: vec![BlockType::DownEncoderBlock2D, BlockType::AttnDownEncoderBlock2D],
        up_block_types: vec![BlockType::AttnUpDecoderBlock2D, BlockType::UpDecoderBlock2D],
        latent_channels: 4,
        vq_embed_dim: 4,
        num_vq_embeddings: 9,
        norm_type,
        ..VqModelConfig::default()
    }
}

fn fresh(config: &VqModelConfig) -> (VqModel, BTreeMap<String, Tensor>) {
    let weights = Weights::fresh(1, &of_tests().unwrap());
    let model = VqModel::new(config, &weights).unwrap();
    let vars = weights.vars().into_iter().map(|(name, var)| (name, var.as_detached_tensor()));
    (model, vars.collect())
}

fn beside(value: serde_json::Value) -> Beside {
    Beside { path: "config.json".into(), value }
}

fn shapes(tensors: &BTreeMap<String, Tensor>) -> Shapes<'_> {
    tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.dims())).collect()
}

fn images() -> Tensor {
    let noise = Noise::new(5, Purpose::Test, 0, 0);
    let values: Vec<f32> = (0..3 * 8 * 12).map(|lane| noise.normal(lane)).collect();
    Tensor::from_vec(values, (1, 3, 8, 12), &of_tests().unwrap()).unwrap()
}

#[test]
fn shapes_tell_the_settings_and_configurations_beside_them_the_rest() {
    for norm_type in [NormType::Group, NormType::Spatial] {
        let config = tiny(norm_type);
        let (_, tensors) = fresh(&config);
        let shapes = shapes(&tensors);
        assert!(claims(&shapes));
        assert_eq!(configure(&shapes, None).unwrap(), config);
        let said =
            beside(json!({ "_class_name": "VQModel", "norm_num_groups": 16, "sample_size": 32,
            "vq_embed_dim": null }));
        let told = configure(&shapes, Some(&said)).unwrap();
        assert_eq!(told, VqModelConfig { norm_num_groups: 16, ..config.clone() });
        // The configuration of the pipeline that the folder may also hold.
        let other = beside(json!({ "_class_name": "UNet2DModel", "layers_per_block": 4 }));
        assert_eq!(configure(&shapes, Some(&other)).unwrap(), config);
        let error = configure(&shapes, Some(&beside(json!({ "act_fn": "gelu" })))).unwrap_err();
        assert!(error.to_string().contains("act_fn"), "{error}");
    }
}

#[test]
fn the_relative_without_a_codebook_is_not_taken_for_it() {
    let (_, mut tensors) = fresh(&tiny(NormType::Group));
    tensors.remove("quantize.embedding.weight");
    assert!(claims(&shapes(&tensors)), "a codebook alone may be missing");
    let error = configure(&shapes(&tensors), None).unwrap_err().to_string();
    assert!(error.contains("quantize.embedding.weight"), "{error}");
    let device = of_tests().unwrap();
    let twice = Tensor::zeros((8, 8, 1, 1), candle_core::DType::F32, &device).unwrap();
    tensors.insert("quant_conv.weight".to_owned(), twice);
    assert!(!claims(&shapes(&tensors)), "AutoencoderKL");
}

/// Files that diffusers wrote before 0.17, of which many are still shared.
#[test]
fn old_names_of_attention_are_read() {
    let config = tiny(NormType::Group);
    let (model, tensors) = fresh(&config);
    let old: BTreeMap<String, Tensor> = tensors
        .into_iter()
        .map(|(name, tensor)| {
            let name = [("to_q", "query"), ("to_k", "key"), ("to_v", "value")]
                .into_iter()
                .chain([("to_out.0", "proj_attn")])
                .fold(name, |name, (new, old)| name.replace(new, old));
            (name, tensor)
        })
        .collect();
    assert!(old.contains_key("encoder.mid_block.attentions.0.proj_attn.bias"));
    assert_eq!(configure(&shapes(&old), None).unwrap(), config);
    let weights = Weights::loaded(old, false, &of_tests().unwrap());
    let again = VqModel::new(&config, &weights).unwrap();
    weights.finish("model", &[]).unwrap();
    let of = |model: &VqModel| {
        let latents = model.encode_probed(&images(), &mut Probe::none()).unwrap();
        latents.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    // What is trained is computed a little less exactly.
    for (a, b) in of(&model).into_iter().zip(of(&again)) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
}

#[test]
fn decoding_codes_is_the_reconstruction_bit_for_bit() {
    for norm_type in [NormType::Group, NormType::Spatial] {
        let (model, _) = fresh(&tiny(norm_type));
        let latents = model.encode_probed(&images(), &mut Probe::none()).unwrap();
        let quantized = model.quantize(&latents, Pass::Inference).unwrap();
        let entries = model.dequantize(&quantized.codes).unwrap();
        let [a, b] = [quantized.latents, entries].map(|latents| {
            let picture = model.decode_probed(&latents, &mut Probe::none()).unwrap();
            assert_eq!(picture.dims(), [1, 3, 8, 12]);
            picture.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        });
        assert_eq!(a, b);
    }
}

#[test]
fn every_parameter_has_a_gradient() {
    for norm_type in [NormType::Group, NormType::Spatial] {
        let weights = Weights::fresh(2, &of_tests().unwrap());
        let model = VqModel::new(&tiny(norm_type), &weights).unwrap();
        let latents = model.encode_probed(&images(), &mut Probe::none()).unwrap();
        let quantized = model.quantize(&latents, Pass::FIRST).unwrap();
        let picture = model.decode_probed(&quantized.latents, &mut Probe::none()).unwrap();
        let losses = quantized.losses.into_iter().map(|(_, loss)| loss);
        let start = (picture - images()).unwrap().sqr().unwrap().mean_all().unwrap();
        let loss = losses.fold(start, |sum, loss| (sum + loss).unwrap());
        let grads = loss.backward().unwrap();
        for (name, var) in weights.vars() {
            let gradient = grads.get(&var).unwrap_or_else(|| panic!("{name} gets no gradient"));
            let largest = gradient.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            // A number added to all keys changes no attention.
            assert!(largest > 0.0 || name.ends_with("to_k.bias"), "{name}");
        }
    }
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_is_allocated() {
    type Spoil = &'static dyn Fn(&mut VqModelConfig);
    let refused: [(&str, Spoil); 9] = [
        ("norm_num_groups", &|c| c.norm_num_groups = 12),
        ("norm_num_groups", &|c| c.norm_num_groups = 0),
        ("block_out_channels", &|c| c.block_out_channels = vec![usize::MAX, 64]),
        ("block_out_channels", &|c| c.block_out_channels = Vec::new()),
        ("down_block_types", &|c| c.down_block_types = vec![BlockType::DownEncoderBlock2D]),
        ("up_block_types", &|c| c.up_block_types = vec![BlockType::DownEncoderBlock2D; 2]),
        ("vq_embed_dim", &|c| c.vq_embed_dim = 8),
        ("in_channels", &|c| c.in_channels = 0),
        ("norm_eps", &|c| c.norm_eps = f64::NAN),
    ];
    for (field, spoil) in refused {
        let mut config = tiny(NormType::Spatial);
        config.validate().unwrap();
        spoil(&mut config);
        let error = config.validate().expect_err(field).to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
    let mut config = tiny(NormType::Group);
    config.num_vq_embeddings = u32::MAX;
    assert!(
        VqModel::new(&config, &Weights::loaded(BTreeMap::new(), false, &of_tests().unwrap()))
            .is_err()
    );
}
