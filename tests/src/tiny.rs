//! Things small enough to be made inside a test: a tokenizer, a picture.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::Tensor;
use smalti_engine::checkpoints::{Precision, save_model};
use smalti_engine::generators::{GeneratorConfig, Network, NetworkSize, Order, Takes, Way};
use smalti_engine::layers::Weights;
use smalti_engine::perceptual::{Lpips, Published};
use smalti_engine::quantizers::{
    FsqConfig, MultiScaleConfig, QuantizerConfig, ResidualVqConfig, VqConfig,
};
use smalti_engine::tokenizers::{LdmConfig, TokenizerConfig, build};
use smalti_engine::tokens::PartShape;

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
    write_model(config, fresh(config), path);
}

/// Writes AlexNet as torchvision has it and heads as the `lpips` package, of drawn weights: LPIPS of nobody's judgement.
///
/// # Panics
/// If they cannot be made or written.
pub fn drawn_lpips(network: &Path, heads: &Path, seed: u64) {
    let weights = Weights::fresh(seed, &crate::device());
    let which = Published::AlexNet;
    Lpips::of_weights(which, which.widths(), &weights).unwrap_or_else(|e| panic!("{e}"));
    let all = weights.vars().into_iter().map(|(name, var)| (name, var.as_detached_tensor()));
    let (of_heads, of_network): (HashMap<_, _>, HashMap<_, _>) =
        all.partition(|(name, _)| name.starts_with("lin"));
    for (tensors, path) in [(of_network, network), (of_heads, heads)] {
        let saved = candle_core::safetensors::save(&tensors, path);
        saved.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    }
}

/// Writes a tokenizer of three residual levels of 16 codes, each finer than the one before, as what is left
/// over is; two pixels a token.
///
/// # Panics
/// If it cannot be made or written.
pub fn residual_model(path: &Path) {
    let vq = VqConfig { codes: 16, ..VqConfig::default() };
    let levels = ResidualVqConfig { levels: 3, vq, ..ResidualVqConfig::default() };
    let config = TokenizerConfig { quantizer: QuantizerConfig::Residual(levels), ..tiny_config() };
    let mut tensors = fresh(&config);
    // No gradient trains its codes: these are drawn here.
    for level in 0..3_u32 {
        let codes: Vec<f32> = (0..32)
            .map(|i| ((i * 7 + level * 3) % 11) as f32 / 5.0 / (level + 1) as f32 - 0.9)
            .collect();
        let codes = Tensor::from_vec(codes, (16, 2), &crate::device());
        let codes = codes.unwrap_or_else(|e| panic!("{e}"));
        tensors.insert(format!("quantize.layers.{level}.embedding.weight"), codes);
    }
    write_model(&config, tensors, path);
}

/// Writes a tokenizer of scales of 1, 2 and 4 places a side, 12 codes; two pixels a token of the finest.
///
/// # Panics
/// If it cannot be made or written.
pub fn scales_model(path: &Path) {
    let scales = MultiScaleConfig {
        vocab_size: 12,
        v_patch_nums: vec![1, 2, 4],
        share_quant_resi: 2,
        ..MultiScaleConfig::default()
    };
    let config =
        TokenizerConfig { quantizer: QuantizerConfig::MultiScale(scales), ..tiny_config() };
    let mut tensors = fresh(&config);
    // No gradient trains its codes: these are drawn here.
    let codes: Vec<f32> = (0..24_u32).map(|i| ((i * 7) % 11) as f32 / 5.0 - 0.9).collect();
    let codes =
        Tensor::from_vec(codes, (12, 2), &crate::device()).unwrap_or_else(|e| panic!("{e}"));
    tensors.insert("quantize.embedding.weight".to_owned(), codes);
    write_model(&config, tensors, path);
}

/// Weights as they are drawn.
fn fresh(config: &TokenizerConfig) -> BTreeMap<String, Tensor> {
    let weights = Weights::fresh(1, &crate::device());
    build(config, &weights).unwrap_or_else(|e| panic!("{e}"));
    weights.vars().into_iter().map(|(name, var)| (name, var.as_tensor().clone())).collect()
}

fn write_model(config: &TokenizerConfig, tensors: BTreeMap<String, Tensor>, path: &Path) {
    let text =
        serde_json::json!({ "format": 1, "kind": "tokenizer", "config": config }).to_string();
    let metadata = HashMap::from([("smalti".to_owned(), text)]);
    safetensors::serialize_to_file(tensors, Some(metadata), path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Writes a generator of 8 x 8 tokens of [`tiny_model`] that was never trained; `token_hash` is its tokenizer's.
///
/// # Panics
/// If it cannot be made or written.
pub fn tiny_generator(path: &Path, way: Way, token_hash: &str) {
    let own = ("tiny", token_hash);
    write_generator(path, way, own, (20, 0, vec![PartShape::grid(8, 8)]));
}

/// Writes a generator of the tokens of [`scales_model`] that was never trained; `token_hash` is its tokenizer's, which
/// lies beside it as scales.safetensors.
///
/// # Panics
/// If it cannot be made or written.
pub fn tiny_var(path: &Path, token_hash: &str) {
    let layout = [1, 2, 4].map(|side| PartShape::grid(side, side)).to_vec();
    write_generator(path, Way::Var, ("scales", token_hash), (12, 2, layout));
}

fn write_generator(
    path: &Path,
    way: Way,
    (name, token_hash): (&str, &str),
    (codes, code_dim, layout): (u32, usize, Vec<PartShape>),
) {
    let config = GeneratorConfig {
        way,
        network: NetworkSize { layers: 1, dim: 16, heads: 2 },
        codes,
        layout,
        code_dim,
        classes: ["coast", "forest", "desert"].map(str::to_owned).to_vec(),
        takes: Takes::Class,
        needs_condition: false,
        order: Order::Rows,
    };
    let weights = Weights::fresh(5, &crate::device());
    Network::new(&config, &weights).unwrap_or_else(|e| panic!("{e}"));
    let tensors: BTreeMap<String, Tensor> =
        weights.vars().into_iter().map(|(name, var)| (name, var.as_tensor().clone())).collect();
    let metadata = serde_json::json!({
        "kind": "generator",
        "config": config,
        "tokenizer": { "name": name, "token_hash": token_hash },
    });
    save_model(path, &tensors, &metadata, Precision::F32).unwrap_or_else(|e| panic!("{e}"));
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
