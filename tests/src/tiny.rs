//! Things small enough to be made inside a test: a tokenizer, a picture.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use smalti_engine::layers::Weights;
use smalti_engine::quantizers::{FsqConfig, QuantizerConfig};
use smalti_engine::tokenizers::{LdmConfig, TokenizerConfig, build};

/// The tokenizer of [`tiny_model`]: two pixels a token, FSQ with 5 x 4 codes.
pub fn tiny_config() -> TokenizerConfig {
    let network = LdmConfig {
        ch: 4,
        ch_mult: vec![1, 2],
        num_res_blocks: 1,
        attn_resolutions: Vec::new(),
        resolution: 8,
        z_channels: 3,
        embed_dim: 2,
        norm_groups: 2,
        ..LdmConfig::default()
    };
    let quantizer = QuantizerConfig::Fsq(FsqConfig { levels: vec![5, 4], ..FsqConfig::default() });
    TokenizerConfig { name: "tiny".to_owned(), network, quantizer }
}

/// Writes a tokenizer that was never trained, as a model file.
///
/// # Panics
/// If it cannot be made or written.
pub fn tiny_model(path: &Path) {
    model_of(&tiny_config(), path);
}

/// Writes a tokenizer of any configuration that was never trained.
///
/// # Panics
/// If it cannot be made or written.
pub fn model_of(config: &TokenizerConfig, path: &Path) {
    let weights = Weights::fresh(1, &crate::device());
    build(config, &weights).unwrap_or_else(|e| panic!("{e}"));
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = weights
        .vars()
        .into_iter()
        .map(|(name, var)| {
            let values = var.flatten_all().and_then(|t| t.to_vec1::<f32>());
            let values = values.unwrap_or_else(|e| panic!("{name}: {e}"));
            let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            (name, var.dims().to_vec(), bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
        (name.as_str(), view.unwrap_or_else(|e| panic!("{name}: {e}")))
    });
    let text =
        serde_json::json!({ "format": 1, "kind": "tokenizer", "config": config }).to_string();
    let metadata = HashMap::from([("smalti".to_owned(), text)]);
    safetensors::serialize_to_file(views, Some(metadata), path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Writes a picture with something to see in every corner; another `number` is another picture.
///
/// # Panics
/// If it cannot be written.
pub fn write_png(path: &Path, width: u32, height: u32, number: u64) {
    let n = number as u32;
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        let wave = |a: u32, b: u32| ((x * (7 + a + n) + y * (5 + b) + x * y * n) % 256) as u8;
        image::Rgb([wave(1, 9), wave(4, 2), wave(2, 6)])
    });
    picture.save(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
